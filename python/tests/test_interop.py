"""Other engines read a version and a range: pyarrow, pandas, polars, duckdb and datafusion."""

import datafusion
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import datafusion_timetravel as tt

VERSION_1 = [("apple", 100), ("bread", 250)]
RANGE_1_2 = [("apple", 120), ("cheese", 900)]


def of(table):
    return sorted(zip(table["item"].to_pylist(), table["price"].to_pylist(), strict=True))


@pytest.mark.parametrize("pick, expected", [(lambda t: t.at(1), VERSION_1), (lambda t: t.incremental(1, 2), RANGE_1_2)])
def test_engines_read_through_the_stream(prices, pick, expected):
    frame = pick(prices)
    assert of(pa.table(frame)) == expected
    assert sorted(pl.DataFrame(frame).rows()) == expected
    assert sorted(duckdb.sql("SELECT * FROM frame").fetchall()) == expected
    pandas = pd.DataFrame.from_arrow(frame) if hasattr(pd.DataFrame, "from_arrow") else frame.to_pandas()
    assert sorted(pandas.itertuples(index=False, name=None)) == expected
    ctx = datafusion.SessionContext()
    ctx.from_arrow(pa.table(frame), "t")
    assert of(ctx.sql("SELECT * FROM t").to_arrow_table()) == expected


def test_datafusion_reads_versions_in_one_call(db, prices):
    ctx = datafusion.SessionContext()
    db.register(ctx, "lake")
    assert len(ctx.sql("SELECT * FROM lake.default.prices").to_arrow_table()) == 2
    assert of(ctx.sql("SELECT * FROM at('prices', 1)").to_arrow_table()) == VERSION_1
    assert of(ctx.sql("SELECT * FROM incremental('prices', 1, 2)").to_arrow_table()) == RANGE_1_2
    history = ctx.sql("SELECT version, operation FROM history('default.prices') ORDER BY version").to_pydict()
    assert history == {"version": [1, 2, 3], "operation": ["CREATE", "APPEND", "DELETE"]}
    assert ctx.sql("SELECT name FROM tables()").to_pydict() == {"name": ["prices"]}
    joined = "SELECT n.item, n.price - o.price AS dearer FROM lake.default.prices n JOIN at('prices', 1) o ON n.item = o.item"
    assert ctx.sql(joined).to_pydict() == {"item": ["apple"], "dearer": [20]}
    changes = ctx.sql("SELECT item, _change_type FROM changes('prices', 1, 3) WHERE _version = 3").to_pydict()
    assert changes == {"item": ["bread"], "_change_type": ["delete"]}
    diff = ctx.sql("SELECT item, price_before, price_after FROM diff('prices', 1, 2) ORDER BY item").to_pydict()
    assert diff == {"item": ["apple", "cheese"], "price_before": [100, None], "price_after": [120, 900]}
    assert ctx.sql("SELECT count(*) AS n FROM changes('prices', 1, 3)").to_pydict() == {"n": [4]}
    # A commit after the registration is seen.
    prices.upsert({"item": ["dates"], "price": [400]})
    assert ctx.sql("SELECT count(*) AS n FROM lake.default.prices").to_pydict() == {"n": [3]}
    with pytest.raises(Exception, match="versions 1 to 4, not 9"):
        ctx.sql("SELECT * FROM at('prices', 9)")


def test_a_handle_registers_as_a_table(prices):
    ctx = datafusion.SessionContext()
    ctx.register_table("newest", prices)
    ctx.register_table("first", prices.at(1))
    assert of(ctx.sql("SELECT * FROM first").to_arrow_table()) == VERSION_1
    assert ctx.sql("SELECT count(*) AS n FROM newest").to_pydict() == {"n": [2]}
    prices.upsert({"item": ["dates"], "price": [400]})
    assert ctx.sql("SELECT count(*) AS n FROM newest").to_pydict() == {"n": [3]}
    assert ctx.sql("SELECT count(*) AS n FROM first").to_pydict() == {"n": [2]}
    assert ctx.sql("SELECT item FROM newest WHERE price > 300 AND item < 'd'").to_pydict() == {"item": ["cheese"]}


def test_datafusion_writes_an_upsert(prices):
    ctx = datafusion.SessionContext()
    ctx.register_table("prices", prices)
    ctx.sql("INSERT INTO prices VALUES ('apple', 7), ('figs', 8)").collect()
    assert prices.version == 4 and prices.to_frame(where="item = 'apple'").to_pylist() == [{"item": "apple", "price": 7}]
    ctx.register_table("first", prices.at(1))
    with pytest.raises(Exception, match="older version"):
        ctx.sql("INSERT INTO first VALUES ('x', 1)").collect()


def test_partitions_and_filters_through_datafusion(db):
    days = {"k": list(range(100)), "v": [n % 7 for n in range(100)], "day": [f"d{n % 5}" for n in range(100)]}
    t = db.create_table("days", days, key="k", partition_by="day")
    t.update(sql={"v": "v + 100"}, where="k % 10 = 0")
    ctx = datafusion.SessionContext()
    ctx.register_table("days", t)
    for condition in ("day = 'd0'", "day = 'd0' AND v > 100", "k BETWEEN 10 AND 20", "v IN (100, 3)", "day IS NULL"):
        ours = db.sql(f"SELECT k, v FROM days WHERE {condition} ORDER BY k").to_pydict()
        assert ctx.sql(f"SELECT k, v FROM days WHERE {condition} ORDER BY k").to_pydict() == ours


def test_columns_that_changed_are_told(db, prices):
    ctx = datafusion.SessionContext()
    ctx.register_table("prices", prices)
    db.sql("ALTER TABLE prices ADD COLUMNS (note STRING)")
    with pytest.raises(Exception, match="register it again"):
        ctx.sql("SELECT * FROM prices").collect()


def test_another_object_is_no_session(db, prices):
    with pytest.raises(TypeError, match="SessionContext"):
        prices.__datafusion_table_provider__(object())


def test_the_versions_of_datafusion_fit():
    assert tt.datafusion_version.split(".")[0] == datafusion.__version__.split(".")[0] == "55"
