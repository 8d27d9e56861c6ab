"""Writes: from whatever has an Arrow stream, each one commit."""

import warnings

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import datafusion_timetravel as tt

DATA = {"item": ["dates"], "price": [400]}


@pytest.mark.parametrize(
    "make",
    [
        lambda db: DATA,
        lambda db: [{"item": "dates", "price": 400}],
        lambda db: pa.table(DATA),
        lambda db: pa.record_batch(DATA),
        lambda db: pa.table(DATA).to_reader(),
        lambda db: [pa.record_batch(DATA)],
        lambda db: pl.DataFrame(DATA),
        lambda db: pl.LazyFrame(DATA),
        lambda db: pd.DataFrame(DATA),
        lambda db: duckdb.sql("SELECT 'dates' AS item, 400 AS price"),
        lambda db: db.sql("SELECT 'dates' AS item, 400 AS price"),
        lambda db: db.create_table("other", DATA),
    ],
    ids="dict rows table batch reader batches polars lazy pandas duckdb frame handle".split(),
)
def test_anything_with_rows_is_a_source(db, prices, make):
    version = prices.version
    assert prices.upsert(make(db)) == version + 1
    assert prices.to_frame(where="item = 'dates'").to_pylist() == [{"item": "dates", "price": 400}]


def test_columns_go_by_their_names(db):
    db.sql("CREATE TABLE t (k BIGINT PRIMARY KEY, a STRING, b STRING DEFAULT 'new') PARTITIONED BY (day STRING)")
    t = db.table("t")
    t.append({"day": ["x"], "a": ["A"], "k": [1]})
    assert t.to_pylist() == [{"k": 1, "a": "A", "b": "new", "day": "x"}]
    with pytest.raises(tt.SchemaMismatchError, match="no column c: it has k, a, b, day"):
        t.append({"k": [2], "c": [1], "day": ["x"]})
    with pytest.raises(tt.InvalidError):
        t.append({"k": [None], "day": ["x"]})
    assert t.version == 2


def test_what_has_no_rows_is_refused(prices):
    for wrong in (1, "text", [], [1, 2], object()):
        with pytest.raises(TypeError, match="pass a pyarrow"):
            prices.append(wrong)
    assert prices.version == 3


def test_a_source_that_fails_writes_nothing(prices):
    def batches():
        yield pa.record_batch(DATA)
        raise OSError("the disk is on fire")

    schema = pa.schema({"item": pa.string(), "price": pa.int64()})
    with pytest.raises(tt.SourceError, match="on fire"):
        prices.upsert(pa.RecordBatchReader.from_batches(schema, batches()))
    assert prices.version == 3 and len(prices) == 2


def test_a_stream_is_not_held_in_memory(db):
    """Batches are asked for one by one: never more than a few ahead of what is written."""
    schema = pa.schema({"k": pa.int64()})
    made = []

    def batches():
        for at in range(200):
            made.append(at)
            yield pa.record_batch({"k": list(range(at * 100, at * 100 + 100))}, schema=schema)

    counted = []
    t = db.create_table("big", pa.table({"k": [-1]}))
    source = pa.RecordBatchReader.from_batches(schema, batches())
    from datafusion_timetravel import _native

    db._handle.write(
        f"INSERT INTO big SELECT * FROM {(name := db._handle.source_name())[0]}",
        None, None, name[1], _native.Source(source), False, counted.append,
    )  # fmt: skip
    assert len(t) == 20_001 and sum(counted) == 20_000 and len(counted) == 200


def test_a_keyless_table_has_no_upsert(db):
    t = db.create_table("log", {"x": [1]})
    with pytest.raises(tt.InvalidError, match="no primary key"):
        t.upsert({"x": [1]})
    assert t.append({"x": [1]}) == 2 and len(t) == 2


def test_overwrite_replaces_what_it_holds(db):
    t = db.create_table("t", {"k": [1, 2], "day": ["a", "b"]}, key="k", partition_by="day")
    t.overwrite({"k": [9], "day": ["b"]})
    assert sorted(map(tuple, (row.values() for row in t.to_pylist()))) == [(1, "a"), (9, "b")]


def test_updates_and_deletes(prices):
    assert prices.update({"price": 1}, where="item = $item", params={"item": "apple"}) == 4
    assert prices.update(sql={"price": "price + $more"}, params={"more": 5}) == 5
    assert prices.to_frame(where="item = 'apple'").to_pylist() == [{"item": "apple", "price": 6}]
    assert prices.delete("item = ?", ["nothing"]) == 5, "nothing changed, so there is no version"
    with pytest.raises(tt.InvalidError, match="columns to set"):
        prices.update()


def test_merge(prices):
    merge = prices.merge({"item": ["apple", "figs"], "price": [1, 2]})
    merge.when_matched_update().when_not_matched_insert().when_not_matched_by_source_delete().execute()
    assert sorted(row["item"] for row in prices.to_pylist()) == ["apple", "figs"]
    assert [row["operation"] for row in prices.history().to_pylist()][-1] == "MERGE"
    with pytest.raises(tt.InvalidError, match="no clause"):
        prices.merge({"item": ["a"]}).execute()


def test_restores_and_clones(db, prices):
    assert prices.restore(1, dry_run=True).count() == 1
    assert prices.version == 3
    assert prices.restore(1) == 4 and len(prices) == 2
    assert prices.at(2).restore(as_name="old") == 1
    assert len(db.table("old")) == 3
    with pytest.raises(tt.InvalidError, match="which version"):
        prices.restore()


def test_upkeep(db, prices):
    assert prices.compact() == 4
    assert prices.compact() == 4, "there is nothing to do, so there is no version"
    assert prices.at(1).count() == 2
    assert prices.purge().count() > 0, "a dry run"
    assert prices.at(1).count() == 2
    prices.purge(dry_run=False)
    with pytest.warns(tt.TimeTravelWarning, match="was purged"):
        prices.at(1)
    assert db.vacuum().count() == 0
    assert db.vacuum(dry_run=False).count() == 0


def test_progress_counts_rows(prices, capsys):
    prices.upsert(DATA, progress=True)
    assert "upsert into prices" in capsys.readouterr().err
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prices.compact(progress=True)


def test_a_user_and_a_reason_are_in_the_history(tmp_path):
    with tt.connect(tmp_path / "lake", user="ana", reason="ticket 7") as db:
        t = db.create_table("t", {"k": [1]})
        (row,) = t.history().to_pylist()
        assert (row["actor"], row["reason"]) == ("ana", "ticket 7")
    with pytest.raises(tt.InvalidError, match="user"):
        tt.connect("memory://", reason="x")
