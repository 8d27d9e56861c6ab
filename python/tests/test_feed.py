"""The change feed against the snapshots: the changes from a to b, put on version a, are version b."""

import collections
import random

import pytest

import datafusion_timetravel as tt


def step(rng, db, t, keyed):
    """A random statement; whichever version it makes."""
    rows = lambda n: [{"k": rng.randrange(12), "v": rng.choice([None, "a", "b"]), "day": rng.choice("xy")} for _ in range(n)]  # noqa: E731
    match rng.randrange(9):
        case 0 | 1 | 2:
            t.append(rows(rng.randint(1, 6)))
        case 3:
            t.delete("k % 3 = $1", [rng.randrange(3)])
        case 4:
            t.update({"v": rng.choice(["c", None])}, where="k < $k", params={"k": rng.randrange(12)})
        case 5:
            t.overwrite(rows(rng.randint(1, 3)))
        case 6:
            t.restore(rng.randint(1, t.version))
        case 7:
            t.compact(minor=rng.random() < 0.5)
        case 8:
            db.sql("ALTER TABLE t DROP IF EXISTS PARTITION (day = 'x')")




def bag(rows):
    return collections.Counter(tuple(row[column] for column in ("k", "v", "day")) for row in rows)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("keyed", [True, False], ids=["keyed", "keyless"])
def test_changes_and_diff_lead_from_one_version_to_another(seed, keyed):
    rng = random.Random(seed)
    db = tt.connect("memory://", settings={"datafusion.execution.target_partitions": 1})
    first = {"k": [1, 2], "v": ["a", None], "day": ["x", "y"]}
    t = db.create_table("t", first, key="k" if keyed else None, partition_by="day")
    for _ in range(9):
        step(rng, db, t, keyed)
    snapshots = {version: bag(t.at(version).to_pylist()) for version in range(1, t.version + 1)}
    for _ in range(4):
        a = rng.randint(1, t.version)
        b = rng.randint(a, t.version)
        content = snapshots[a].copy()
        changes = t.changes(a, b).to_pylist()
        for version in sorted({row["_version"] for row in changes}):
            assert a < version <= b
            those = [row for row in changes if row["_version"] == version]
            for signs, sign in ((("delete", "update_preimage"), -1), (("insert", "update_postimage"), 1)):
                for row, count in bag(row for row in those if row["_change_type"] in signs).items():
                    content[row] += sign * count
                    assert content[row] >= 0, "a row goes that is not there"
            content = +content
            assert content == snapshots[version], (a, b, version)
            before = {(row["k"], row["day"]) for row in those if row["_change_type"] == "update_preimage"}
            after = {(row["k"], row["day"]) for row in those if row["_change_type"] == "update_postimage"}
            assert before == after and (keyed or not before)
        assert content == snapshots[b]

        content = snapshots[a].copy()
        for row in t.diff(a, b).to_pylist():
            values = [(row["v_before"], row["v_after"])] if keyed else [(row["v"], row["v"])]
            for old, new in values:
                if row["_change_type"] != "insert":
                    content[(row["k"], old, row["day"])] -= 1
                if row["_change_type"] != "delete":
                    content[(row["k"], new, row["day"])] += 1
                if row["_change_type"] == "update":
                    assert row["_changed"] == ["v"] and old != new
        assert +content == snapshots[b]
