"""What the tests share."""

import pytest

import datafusion_timetravel as tt


@pytest.fixture
def db(tmp_path):
    with tt.connect(tmp_path / "lake") as db:
        yield db


@pytest.fixture
def prices(db):
    """Version 1: two items; version 2: one changed, one new; version 3: one deleted."""
    t = db.create_table("prices", {"item": ["apple", "bread"], "price": [100, 250]}, key="item")
    t.upsert({"item": ["apple", "cheese"], "price": [120, 900]})
    t.delete("item = 'bread'")
    return t
