"""The tree of exceptions, and the life of a connection."""

import pathlib

import pytest

import datafusion_timetravel as tt
from datafusion_timetravel import _native, errors


def test_every_code_has_a_class():
    codes = dict(_native.codes())
    assert set(codes.values()) == set(errors._KINDS), "a kind of the library that has no class, or the other way round"
    assert set(errors._CODES) <= set(codes)
    for code, kind in codes.items():
        error = errors._of_code(code, kind, "what, and the way out", None)
        assert type(error) is not tt.TimeTravelError and isinstance(error, errors._KINDS[kind]) and error.code == code


def test_errors_say_which_and_what_to_do(db, prices):
    with pytest.raises(tt.TableNotFoundError, match="SHOW TABLES") as caught:
        db.sql("SELECT * FROM nothing")
    assert caught.value.code == "TT_TABLE_NOT_FOUND" and isinstance(caught.value, LookupError)
    with pytest.raises(tt.InvalidError) as caught:
        db.sql("RESTORE TABLE prices TO NOWHERE")
    assert caught.value.code == "TT_SYNTAX" and "The syntax is" in str(caught.value)
    with pytest.raises(tt.QueryError, match="(?i)divide by zero"):
        db.sql("SELECT 1 / (price - price) FROM prices").to_arrow()
    with pytest.raises(tt.AlreadyExistsError):
        db.create_table("prices", {"a": [1]})
    db.sql("DROP TABLE prices")
    with pytest.raises(tt.TableNotFoundError, match="RESTORE TABLE"):
        prices.to_arrow()


def test_an_error_within_a_stream_reaches_its_reader(db, prices):
    import pyarrow

    with pytest.raises(Exception, match="(?i)divide by zero"):
        pyarrow.table(db.sql("SELECT 1 / (price - price) FROM prices"))


def test_a_closed_connection_says_so(tmp_path):
    with tt.connect(tmp_path / "lake") as db:
        t = db.create_table("t", {"a": [1]})
        frame = t.to_frame()
    with pytest.raises(tt.ClosedError, match="tt.connect"):
        db.sql("SELECT 1")
    with pytest.raises(tt.ClosedError):
        t.count()
    db.close()
    assert "closed" in repr(db)
    # What was handed out before lives on.
    assert frame.count() == 1


def test_a_wrong_place_is_told():
    with pytest.raises(tt.TimeTravelError):
        tt.connect("nonsense://x")


def test_options_are_not_shown(tmp_path):
    db = tt.connect(tmp_path / "lake", storage_options={"durability": "relaxed"})
    assert "relaxed" not in repr(db)


def test_settings(tmp_path):
    db = tt.connect(tmp_path / "lake", settings={"datafusion.execution.target_partitions": 1})
    assert db.sql("SHOW datafusion.execution.target_partitions").to_pylist()[0]["value"] == "1"
    with pytest.raises(tt.TimeTravelError):
        tt.connect(tmp_path / "lake", settings={"datafusion.nonsense": 1})


def test_docs_of_errors_name_every_code():
    page = pathlib.Path(__file__).parents[2] / "docs" / "errors.md"
    text = page.read_text()
    assert [code for code, _ in _native.codes() if code not in text] == []
