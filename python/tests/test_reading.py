"""Frames, handles, time travel."""

import datetime as dt
import decimal

import pyarrow as pa
import pytest

import datafusion_timetravel as tt


def rows(frame):
    return sorted(map(tuple, (row.values() for row in frame.to_pylist())))


def test_a_version_stays_what_it_was(prices):
    before = prices.at(1)
    assert rows(before) == [("apple", 100), ("bread", 250)]
    prices.delete()
    assert rows(before) == [("apple", 100), ("bread", 250)]
    assert len(prices) == 0 and len(before) == 2
    with pytest.raises(tt.InvalidError, match="never changes"):
        before.append({"item": ["x"], "price": [1]})


def test_a_moment_names_the_version_that_was_current(prices):
    times = {row["version"]: row["timestamp"] for row in prices.history().to_pylist()}
    for version, time in times.items():
        assert prices.at(time).version == version
        assert prices.at(timestamp=time.isoformat()).version == version
    assert prices.at(times[2] - dt.timedelta(microseconds=1)).version == 1
    assert prices.at(dt.datetime.now(dt.timezone.utc)).version == 3
    with pytest.raises(tt.VersionNotFoundError, match="before table"):
        prices.at(times[1] - dt.timedelta(seconds=1))
    with pytest.raises(tt.VersionNotFoundError, match="versions 1 to 3, not 4"):
        prices.at(4)
    for wrong in (True, 1.5, [1]):
        with pytest.raises(tt.InvalidError):
            prices.at(wrong)
    with pytest.raises(tt.InvalidError, match="one moment"):
        prices.at()


def test_ranges(prices):
    assert rows(prices.incremental(1, 2)) == [("apple", 120), ("cheese", 900)]
    assert rows(prices.at(2).incremental(1)) == [("apple", 120), ("cheese", 900)]
    changes = [(row["item"], row["_change_type"], row["_version"]) for row in prices.changes(1).to_pylist()]
    assert sorted(changes) == [
        ("apple", "update_postimage", 2),
        ("apple", "update_preimage", 2),
        ("bread", "delete", 3),
        ("cheese", "insert", 2),
    ]
    diff = {row["item"]: (row["_change_type"], row["price_before"], row["price_after"]) for row in prices.diff(1).to_pylist()}
    assert diff == {"apple": ("update", 100, 120), "bread": ("delete", 250, None), "cheese": ("insert", None, 900)}
    times = {row["version"]: row["timestamp"] for row in prices.history().to_pylist()}
    assert len(prices.changes(times[1], times[2])) == 3


def test_history_files_and_partitions_are_frames(db, prices):
    assert [row["operation"] for row in prices.history().to_pylist()] == ["CREATE", "APPEND", "DELETE"]
    assert prices.at(2).history().count() == 2
    assert prices.files().count() == 3
    days = db.create_table("days", {"k": [1, 2], "day": ["a", "b"]}, key="k", partition_by="day")
    assert [row["name"] for row in days.partitions().to_pylist()] == ["day=a", "day=b"]
    assert days.partition_by == ["day"] and days.key == ["k"]
    assert {row["name"] for row in db.tables().to_pylist()} == {"prices", "days"}


def test_every_way_to_the_rows(db):
    frame = db.sql("SELECT * FROM (VALUES (1, 'a'), (2, NULL)) AS t (n, s)")
    assert frame.columns == ["n", "s"] and frame.schema.names == ["n", "s"]
    assert frame.to_pydict() == {"n": [1, 2], "s": ["a", None]}
    assert frame.to_pandas()["n"].tolist() == [1, 2]
    assert frame.to_polars().rows() == [(1, "a"), (2, None)]
    assert frame.to_arrow().num_rows == len(frame) == frame.count() == 2
    assert sum(batch.num_rows for batch in frame) == 2
    assert frame.collect().limit(1, skip=1).to_pylist() == [{"n": 2, "s": None}]
    assert "Values" in frame.explain() and "output_rows" in frame.explain(analyze=True)
    with pytest.raises(ValueError, match="2 rows"):
        frame.item()


def test_a_frame_of_no_rows_has_its_columns(db):
    frame = db.sql("SELECT 1 AS a WHERE false")
    assert frame.to_arrow().schema.names == ["a"] and frame.to_polars().columns == ["a"]
    assert frame.collect().columns == ["a"]
    assert "a" in repr(frame) and "<th" in frame._repr_html_()


def test_showing_escapes_and_ends(db):
    html = db.sql("SELECT '<script>' AS \"<b>\", NULL AS n")._repr_html_()
    assert "<script>" not in html and "&lt;script&gt;" in html and "&lt;b&gt;" in html and "NULL" in html
    many = db.sql("SELECT * FROM generate_series(1, 1000)")
    assert repr(many).count("\n") < 30 and "first 20 rows" in repr(many)
    assert many._repr_html_().count("<tr>") == 21
    assert repr(db.sql("CREATE TABLE t (k BIGINT PRIMARY KEY)")) == "done"


def test_two_columns_of_one_name_are_shown(db):
    frame = db.sql("SELECT a.k, b.k FROM (SELECT 1 AS k) a, (SELECT 2 AS k) b")
    assert frame._repr_html_().count("<td") == 2


def test_parameters_of_every_kind(db):
    utc = dt.timezone.utc
    values = [
        None,
        True,
        -7,
        1.5,
        float("inf"),
        "it's; -- $1 \\' \n",
        b"\x00\xff",
        dt.date(2024, 2, 29),
        dt.datetime(2024, 2, 29, 12, 30, 0, 5),
        dt.datetime(2024, 2, 29, 12, 30, tzinfo=utc),
        dt.datetime(1969, 12, 31, 23, 59, 59, 999999),
        dt.time(12, 30, 0, 5),
        decimal.Decimal("-12.340"),
    ]
    listed = ", ".join(f"${place} AS c{place}" for place in range(1, len(values) + 1))
    (row,) = db.sql(f"SELECT {listed}", values).to_pylist()
    assert list(row.values()) == values
    assert db.sql("SELECT $a - $b", {"a": 1, "b": -2}).item() == 3
    assert db.sql("SELECT ? || ?", ("a", "b")).item() == "ab"
    numpy = pytest.importorskip("numpy")
    assert db.sql("SELECT $1 + $2", [numpy.int32(1), numpy.float64(0.5)]).item() == 1.5
    for wrong in ("text", [object()], [2**70]):
        with pytest.raises((TypeError, OverflowError)):
            db.sql("SELECT $1", wrong)
    with pytest.raises(tt.InvalidError, match="no value was given for \\$2"):
        db.sql("SELECT $2", [1])


def test_parameters_stand_in_clauses_of_versions(db, prices):
    assert db.sql("SELECT count(*) FROM prices VERSION AS OF $1", [2]).item() == 3
    assert db.sql("SELECT count(*) FROM prices VERSION BETWEEN $a AND $b", {"a": 1, "b": 2}).item() == 2
    now = dt.datetime.now(dt.timezone.utc)
    assert db.sql("SELECT count(*) FROM prices TIMESTAMP AS OF $1", [now]).item() == 2
    db.sql("RESTORE TABLE prices TO LSN $1", ["1"])
    assert len(prices) == 2
    with pytest.raises(tt.UnsupportedError, match="a view keeps its text"):
        db.sql("CREATE VIEW v AS SELECT $1", [1])


def test_names(db):
    t = db.create_table('"Odd.Name"', {"Item Nr": [1]}, key="Item Nr")
    assert t.name == "Odd.Name" and t.to_pydict() == {"Item Nr": [1]} and t.history().count() == 1
    t.upsert({"Item Nr": [2]})
    assert t.at(1).count() == 1 and len(t.incremental(1)) == 1
    db.sql("CREATE SCHEMA s")
    assert db.create_table("s.t", {"a": [1]}).count() == 1
    for wrong in ("", "a.", "a b", "a.b.c.d", "a;b"):
        with pytest.raises(tt.InvalidError):
            db.table(wrong)
    with pytest.raises(tt.TableNotFoundError, match="SHOW TABLES"):
        db.table("nothing")


def test_the_types_of_arrow_come_back(db):
    table = pa.table(
        {
            "k": pa.array([1], pa.int64()),
            "i": pa.array([1], pa.int32()),
            "f": pa.array([1.5], pa.float32()),
            "d": pa.array([decimal.Decimal("1.50")], pa.decimal128(10, 2)),
            "t": pa.array([dt.datetime(2024, 1, 1)], pa.timestamp("us")),
            "day": pa.array([dt.date(2024, 1, 1)], pa.date32()),
            "b": pa.array([b"x"], pa.binary()),
            "s": pa.array(["x"], pa.large_string()),
            "c": pa.array(["x"]).dictionary_encode(),
            "y": pa.array([True]),
        }
    )
    t = db.create_table("types", table, key="k")
    assert t.to_pylist() == table.to_pylist()
    with pytest.raises(tt.SchemaMismatchError, match="list"):
        db.create_table("nested", pa.table({"a": [[1]]}))
