"""Handles of tables: a table at its newest version, or at one that stays."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, overload

from . import _names, _params, _source
from ._frame import Frame
from .errors import InvalidError, SchemaMismatchError, UnsupportedError

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

    from ._connection import Database

Moment = dt.datetime | dt.date | str


class Table:
    """A table. :meth:`Database.table` gives one that is always the newest version, :meth:`at` one that never changes.

    >>> import datafusion_timetravel as tt
    >>> db = tt.connect("memory://")
    >>> t = db.create_table("prices", {"item": ["apple", "bread"], "price": [100, 250]}, key="item")
    >>> t.upsert({"item": ["apple"], "price": [120]})
    2
    >>> before = t.at(1)
    >>> before.to_pydict()
    {'item': ['apple', 'bread'], 'price': [100, 250]}
    >>> t.restore(1)
    3
    """

    def __init__(self, db: Database, parts: list[str], version: int | None = None) -> None:
        self._db = db
        self._parts = parts
        self._at = version
        self._sql = _names.joined(parts)
        self._text = _names.text(self._sql)

    # What it is.

    @property
    def name(self) -> str:
        """The name, as it was given."""
        return ".".join(self._parts)

    @property
    def uri(self) -> str:
        """The root of the warehouse."""
        return self._db.uri

    @property
    def version(self) -> int:
        """The version that is read: of a handle without one, the newest now."""
        return self._at if self._at is not None else int(self._described()["Version"])

    @property
    def is_latest(self) -> bool:
        """Whether the handle is of the newest version, whatever that is."""
        return self._at is None

    @property
    def columns(self) -> list[str]:
        """The names of the columns, those of the partitions last."""
        return self.to_frame().columns

    @property
    def schema(self) -> pyarrow.Schema:
        """The columns as Arrow knows them."""
        return self.to_frame().schema

    @property
    def key(self) -> list[str]:
        """The columns of the primary key; none for a table that keeps every row."""
        listed = self._described().get("PrimaryKey", "[]")
        return [name for name in listed.strip("[]").split(", ") if name]

    @property
    def partition_by(self) -> list[str]:
        """The columns of the partitions."""
        rows = self._db.sql(f"DESC EXTENDED {self._sql}").to_pylist()
        return [row["Field"] for row in rows if row["Section"] == "Partition Columns"]

    def _described(self) -> dict[str, str]:
        rows = self._db.sql(f"DESC EXTENDED {self._sql}").to_pylist()
        return {row["Field"]: row["Value"] for row in rows if row["Section"] == "Extended Info"}

    # Time travel.

    def at(
        self,
        at: int | Moment | None = None,
        *,
        version: int | None = None,
        timestamp: Moment | None = None,
    ) -> Table:
        """The table at a version, or at a moment, as a handle that never changes.

        A moment is a datetime, a date or a text; without a zone it is in the session's time zone, which is UTC unless set.

        >>> import datetime, datafusion_timetravel as tt
        >>> db = tt.connect("memory://")
        >>> t = db.create_table("t", {"k": [1]}, key="k")
        >>> t.append({"k": [2]})
        2
        >>> t.at(version=1).count(), t.at(datetime.datetime.now(datetime.timezone.utc)).count()
        (1, 2)
        """
        given = [value for value in (at, version, timestamp) if value is not None]
        if len(given) != 1:
            raise InvalidError("name one moment: at(version), at(timestamp=..) or at(datetime)")
        value = given[0]
        if isinstance(value, bool) or not isinstance(value, (int, str, dt.date)):
            raise InvalidError(f"{value!r} is neither a version nor a moment: pass an int, a datetime, a date or a text")
        if timestamp is not None and isinstance(value, int):
            raise InvalidError(f"{value!r} is no moment: pass a datetime, a date or a text, or version={value!r}")
        clause = "VERSION" if isinstance(value, int) else "TIMESTAMP"
        plan = self._db.sql(f"EXPLAIN FORMAT INDENT SELECT * FROM {self._sql} {clause} AS OF $1", [value]).to_pylist()
        found = re.search(r"VERSION AS OF (\d+)", "\n".join(row["plan"] for row in plan))
        if found is None:
            raise UnsupportedError(f"{self.name} has no versions: name a table of the warehouse")
        return Table(self._db, self._parts, int(found[1]))

    def latest(self) -> Table:
        """The table at its newest version, whatever that is at each use."""
        return Table(self._db, self._parts)

    def history(self) -> Frame:
        """The table's commits: version, time, operation, who and why, sizes, and until when it can be read and restored.

        >>> import datafusion_timetravel as tt
        >>> db = tt.connect("memory://")
        >>> t = db.create_table("t", {"k": [1]}, key="k")
        >>> t.append({"k": [2]})
        2
        >>> [(row["version"], row["operation"]) for row in t.history().to_pylist()]
        [(1, 'CREATE'), (2, 'APPEND')]
        """
        until = f" WHERE version <= {self._at}" if self._at is not None else ""
        return self._db.sql(f"SELECT * FROM history({self._text}){until}")

    def changes(self, a: int | Moment, b: int | Moment | None = None) -> Frame:
        """Every change after ``a`` up to ``b`` (by default this handle's version), commit by commit: the columns, and
        ``_change_type`` (``insert``, ``update_preimage``, ``update_postimage``, ``delete``), ``_version``, ``_timestamp``.

        >>> import datafusion_timetravel as tt
        >>> db = tt.connect("memory://")
        >>> t = db.create_table("t", {"k": [1, 2], "v": ["a", "b"]}, key="k")
        >>> t.upsert({"k": [2, 3], "v": ["B", "c"]})
        2
        >>> rows = t.changes(1).to_pylist()
        >>> sorted((row["k"], row["_change_type"], row["v"]) for row in rows)
        [(2, 'update_postimage', 'B'), (2, 'update_preimage', 'b'), (3, 'insert', 'c')]
        """
        return self._range("changes", a, b)

    def diff(self, a: int | Moment, b: int | Moment | None = None) -> Frame:
        """What differs between two versions, a row for each key, with the columns that changed.

        >>> import datafusion_timetravel as tt
        >>> db = tt.connect("memory://")
        >>> t = db.create_table("t", {"k": [1, 2], "v": ["a", "b"]}, key="k")
        >>> t.upsert({"k": [2], "v": ["B"]})
        2
        >>> t.diff(1, 2).to_pylist()
        [{'_change_type': 'update', 'k': 2, 'v_before': 'b', 'v_after': 'B', '_changed': ['v']}]
        """
        return self._range("diff", a, b)

    def incremental(self, a: int | Moment, b: int | Moment | None = None) -> Frame:
        """The newest row of each key written after ``a`` up to ``b``, by default this handle's version.

        >>> import datafusion_timetravel as tt
        >>> db = tt.connect("memory://")
        >>> t = db.create_table("t", {"k": [1, 2]}, key="k")
        >>> t.upsert({"k": [2, 3]})
        2
        >>> t.incremental(1, 2).count()
        2
        """
        return self._range("incremental", a, b)

    def _range(self, function: str, a: int | Moment, b: int | Moment | None) -> Frame:
        if b is None:
            b = self.version if isinstance(a, int) else dt.datetime.now(dt.timezone.utc)
        a, b = self._version_of(a), self._version_of(b)
        return self._db.sql(f"SELECT * FROM {function}({self._text}, $1, $2)", [a, b])

    def _version_of(self, moment: int | Moment) -> int:
        return moment if isinstance(moment, int) else self.at(timestamp=moment).version

    def partitions(self) -> Frame:
        """The table's partitions, dropped ones included while they can be restored."""
        return self._db.sql(f"SELECT * FROM partitions({self._text})")

    def files(self) -> Frame:
        """The table's files, with the versions in which each is read."""
        return self._db.sql(f"SELECT * FROM files({self._text})")

    # Reading.

    def to_frame(self, columns: list[str] | None = None, where: str | None = None, params: _params.Params | None = None) -> Frame:
        """The rows as a frame: some columns or all, and the rows that match a condition of SQL.

        >>> import datafusion_timetravel as tt
        >>> db = tt.connect("memory://")
        >>> t = db.create_table("t", {"k": [1, 2], "v": ["a", "b"]}, key="k")
        >>> t.to_frame(["v"], where="k = $1", params=[2]).item()
        'b'
        """
        listed = ", ".join(map(_names.quoted, columns)) if columns else "*"
        version = f" VERSION AS OF {self._at}" if self._at is not None else ""
        condition = f" WHERE {where}" if where else ""
        return self._db.sql(f"SELECT {listed} FROM {self._sql}{version}{condition}", params)

    def to_arrow(self) -> pyarrow.Table:
        """All rows as a pyarrow table."""
        return self.to_frame().to_arrow()

    def to_pandas(self, **options: Any) -> pandas.DataFrame:
        """All rows as a pandas frame."""
        return self.to_frame().to_pandas(**options)

    def to_polars(self) -> polars.DataFrame:
        """All rows as a polars frame."""
        return self.to_frame().to_polars()

    def to_pylist(self) -> list[dict[str, Any]]:
        """All rows as dictionaries."""
        return self.to_frame().to_pylist()

    def to_pydict(self) -> dict[str, list[Any]]:
        """All rows as a list for each column."""
        return self.to_frame().to_pydict()

    def count(self) -> int:
        """How many rows there are."""
        return self.to_frame().count()

    def __len__(self) -> int:
        return self.count()

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[pyarrow.RecordBatch]:
        return iter(self.to_frame())

    def __arrow_c_schema__(self) -> object:
        return self.to_frame().__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.to_frame().__arrow_c_stream__(requested_schema)

    def __datafusion_table_provider__(self, session: Any) -> object:
        """The table for ``SessionContext.register_table``: this handle's version, or the newest at each statement."""
        schema, table = self._parts[-2] if len(self._parts) > 1 else "default", self._parts[-1]
        if len(self._parts) > 2 and self._parts[0] != self._db.name:
            raise UnsupportedError(f"{self.name} is not in the warehouse {self._db.name}: connect to its own")
        return self._db._handle.table_provider(session, schema, table, self._at)

    # Writing. Each gives the version that it made, or the present one where it changed nothing.

    def append(self, data: Any, *, progress: bool | None = None) -> int:
        """Adds rows, by the names of their columns; on a table with a key, rows of the same key are replaced.

        Columns that are not there get their default. Takes anything with an Arrow stream (pyarrow, polars, pandas, duckdb,
        frames), a dict of lists or a list of dicts; a stream is never held in memory as a whole.

        >>> import datafusion_timetravel as tt
        >>> t = tt.connect("memory://").create_table("t", {"n": [1]})
        >>> t.append([{"n": 2}, {"n": 3}])
        2
        """
        return self._insert("INTO", data, "append to", progress)

    def upsert(self, data: Any, *, progress: bool | None = None) -> int:
        """Adds rows, or replaces those of the same key; of several rows with one key the last one wins."""
        if not self.key:
            raise InvalidError(f"{self.name} has no primary key to upsert by: append to it, or create it with key=..")
        return self._insert("INTO", data, "upsert into", progress)

    def overwrite(self, data: Any, *, progress: bool | None = None) -> int:
        """Replaces the content, in one commit; of a partitioned table the partitions that the data holds."""
        return self._insert("OVERWRITE", data, "overwrite", progress)

    def _insert(self, verb: str, data: Any, what: str, progress: bool | None) -> int:
        self._writable()
        source = _source.source_of(data)
        known, given = self.columns, source.columns()
        unknown = [column for column in given if column not in known]
        if unknown:
            raise SchemaMismatchError(
                f"{self.name} has no column {', '.join(unknown)}: it has {', '.join(known)}; select or rename the columns"
            )
        if len(set(given)) != len(given):
            raise SchemaMismatchError(f"the data has a column twice: {', '.join(given)}")
        listed = ", ".join(_names.quoted(column) for column in given)
        sql = f"INSERT {verb} {self._sql} ({listed}) SELECT {listed} FROM {{source}}"
        self._db._write(sql, source, what=f"{what} {self.name}", progress=progress)
        return self.version

    def delete(self, where: str | None = None, params: _params.Params | None = None) -> int:
        """Deletes the rows that match a condition of SQL, or all rows.

        >>> import datafusion_timetravel as tt
        >>> t = tt.connect("memory://").create_table("t", {"k": [1, 2, 3]}, key="k")
        >>> t.delete("k > $1", [2])
        2
        """
        self._writable()
        self._db.sql(f"DELETE FROM {self._sql}" + (f" WHERE {where}" if where else ""), params)
        return self.version

    def update(
        self,
        values: Mapping[str, Any] | None = None,
        where: str | None = None,
        params: Mapping[str, Any] | None = None,
        *,
        sql: Mapping[str, str] | None = None,
    ) -> int:
        """Sets columns to values, or with ``sql`` to expressions of SQL, where a condition holds.

        >>> import datafusion_timetravel as tt
        >>> t = tt.connect("memory://").create_table("t", {"k": [1, 2], "v": [10, 20]}, key="k")
        >>> t.update(sql={"v": "v + $more"}, where="k = 2", params={"more": 1})
        2
        >>> t.update({"v": 0}, where="k = 1")
        3
        >>> t.to_frame(where="k = 2").to_pylist()
        [{'k': 2, 'v': 21}]
        """
        self._writable()
        if not values and not sql:
            raise InvalidError("name the columns to set: update({'column': value}) or update(sql={'column': 'expression'})")
        bound: dict[str, Any] = dict(params or {})
        settings = []
        for place, (column, value) in enumerate((values or {}).items()):
            bound[f"__tt_value_{place}"] = value
            settings.append(f"{_names.quoted(column)} = $__tt_value_{place}")
        settings += [f"{_names.quoted(column)} = {expression}" for column, expression in (sql or {}).items()]
        condition = f" WHERE {where}" if where else ""
        self._db.sql(f"UPDATE {self._sql} SET {', '.join(settings)}{condition}", bound or None)
        return self.version

    def merge(self, data: Any, on: str | list[str] | None = None, params: _params.Params | None = None) -> Merge:
        """Merges rows in by clauses, of which the first that holds decides on a row; see :class:`Merge`.

        Args:
            data: The source, ``s`` in conditions and expressions; the table is ``t``.
            on: The columns that are alike in both, or a condition of SQL; by default the key.
            params: Values for ``$1`` or ``$name`` in conditions and expressions.
        """
        self._writable()
        if on is None:
            on = self.key
            if not on:
                raise InvalidError(f"{self.name} has no primary key: say on what rows match, merge(data, on=..)")
        return Merge(self, data, on, params)

    @overload
    def restore(self, to: int | Moment | None = None, *, as_name: str | None = None, dry_run: Literal[False] = False) -> int: ...

    @overload
    def restore(self, to: int | Moment | None = None, *, as_name: str | None = None, dry_run: Literal[True]) -> Frame: ...

    def restore(self, to: int | Moment | None = None, *, as_name: str | None = None, dry_run: bool = False) -> int | Frame:
        """Brings back an earlier version, in one commit and without copying data; it can itself be undone.

        Args:
            to: The version or moment; by default this handle's version.
            as_name: The name of another table that gets the content, and this one stays as it is.
            dry_run: Whether to say only what would change, as a frame.

        >>> import datafusion_timetravel as tt
        >>> t = tt.connect("memory://").create_table("t", {"k": [1]}, key="k")
        >>> t.delete()
        2
        >>> t.restore(1)
        3
        >>> t.to_pydict()
        {'k': [1]}
        """
        if to is None:
            if self._at is None:
                raise InvalidError("restore to which version? restore(3), or table.at(3).restore()")
            to = self._at
        name = f" AS {_names.joined(_names.parts(as_name))}" if as_name else ""
        sql = f"RESTORE TABLE {self._sql} TO LSN '{self._version_of(to)}'{name}"
        if dry_run:
            return self._db.sql(f"{sql} DRY RUN")
        self._db.sql(sql)
        return self._db.table(as_name).version if as_name else self.latest().version

    def compact(self, *, minor: bool = False, progress: bool | None = None) -> int:
        """Rewrites base and delta files into base files, or with ``minor`` merges delta files. No answer changes."""
        self._writable()
        self._db._long(f"ALTER TABLE {self._sql} COMPACT {'MINOR' if minor else 'MAJOR'}", f"compact {self.name}", progress)
        return self.version

    def purge(self, *, dry_run: bool = True, progress: bool | None = None) -> Frame:
        """Deletes the files that the newest version doesn't need, for good. By default it only says which.

        >>> import datafusion_timetravel as tt
        >>> t = tt.connect("memory://").create_table("t", {"k": [1]}, key="k")
        >>> t.purge().count()
        0
        """
        self._writable()
        return self._db._long(f"PURGE TABLE {self._sql}{' DRY RUN' if dry_run else ''}", f"purge {self.name}", progress)

    def _writable(self) -> None:
        if self._at is not None:
            raise InvalidError(
                f"this handle is of version {self._at}, which never changes: write to table.latest(), or table.restore({self._at})"
            )

    # Showing.

    def timeline(self) -> Any:
        """The history as a timeline, for notebooks: an object that shows itself as HTML."""
        from ._timeline import Timeline

        return Timeline(self)

    def plot(self, *, backend: str | None = None) -> Any:
        """Draws rows and bytes written over the versions, with altair or matplotlib, whichever is installed."""
        from ._timeline import plot

        return plot(self, backend)

    def __repr__(self) -> str:
        version = f".at({self._at})" if self._at is not None else ""
        return f"{self._db!r}.table({self.name!r}){version}"

    def _repr_html_(self) -> str:
        import html

        rows, shown = self.count(), self.to_frame()._repr_html_()
        which = f"version {self.version}" + (" (newest)" if self.is_latest else "")
        return f"<p><b>{html.escape(self.name)}</b>, {which}, {rows:,} rows, {html.escape(self.uri)}</p>{shown}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Table):
            return NotImplemented
        return (self.uri, self._parts, self._at) == (other.uri, other._parts, other._at)

    def __hash__(self) -> int:
        return hash((self.uri, tuple(self._parts), self._at))

    def __reduce__(self) -> tuple[Any, ...]:
        return Table, (self._db, self._parts, self._at)


class Merge:
    """A MERGE in the making: clauses are tried in their order, and the first that holds decides on a row.

    >>> import datafusion_timetravel as tt
    >>> t = tt.connect("memory://").create_table("stock", {"item": ["apple", "bread"], "pieces": [5, 2]}, key="item")
    >>> sold = [{"item": "apple", "pieces": 1}, {"item": "bread", "pieces": 2}, {"item": "dates", "pieces": -9}]
    >>> merge = t.merge(sold).when_matched_delete("s.pieces >= t.pieces")
    >>> merge = merge.when_matched_update({"pieces": "t.pieces - s.pieces"}).when_not_matched_insert({"item": "s.item", "pieces": "-s.pieces"})
    >>> merge.execute()
    2
    >>> t.to_frame().to_pylist()
    [{'item': 'apple', 'pieces': 4}, {'item': 'dates', 'pieces': 9}]
    """

    def __init__(self, table: Table, data: Any, on: str | list[str], params: _params.Params | None) -> None:
        self._table = table
        self._source = _source.source_of(data)
        self._params = params
        self._clauses: list[str] = []
        columns = [on] if isinstance(on, str) and on in table.columns else on
        self._on = (
            columns
            if isinstance(columns, str)
            else " AND ".join(f"t.{_names.quoted(column)} = s.{_names.quoted(column)}" for column in columns)
        )

    def when_matched_update(self, set: Mapping[str, str] | None = None, where: str | None = None) -> Merge:
        """Sets columns to expressions, by default every column of the source to its value."""
        values = dict(set) if set is not None else {column: f"s.{_names.quoted(column)}" for column in self._source.columns()}
        assigned = ", ".join(f"{_names.quoted(column)} = {value}" for column, value in values.items())
        return self._when("MATCHED", where, f"UPDATE SET {assigned}")

    def when_matched_delete(self, where: str | None = None) -> Merge:
        """Deletes the row."""
        return self._when("MATCHED", where, "DELETE")

    def when_not_matched_insert(self, values: Mapping[str, str] | None = None, where: str | None = None) -> Merge:
        """Inserts a row, by default every column of the source."""
        given = dict(values) if values is not None else {column: f"s.{_names.quoted(column)}" for column in self._source.columns()}
        columns = ", ".join(map(_names.quoted, given))
        return self._when("NOT MATCHED", where, f"INSERT ({columns}) VALUES ({', '.join(given.values())})")

    def when_not_matched_by_source_update(self, set: Mapping[str, str], where: str | None = None) -> Merge:
        """Sets columns of rows that the source doesn't have."""
        assigned = ", ".join(f"{_names.quoted(column)} = {value}" for column, value in set.items())
        return self._when("NOT MATCHED BY SOURCE", where, f"UPDATE SET {assigned}")

    def when_not_matched_by_source_delete(self, where: str | None = None) -> Merge:
        """Deletes rows that the source doesn't have."""
        return self._when("NOT MATCHED BY SOURCE", where, "DELETE")

    def execute(self, *, progress: bool | None = None) -> int:
        """Runs it, in one commit; gives the version that it made."""
        if not self._clauses:
            raise InvalidError("the merge has no clause: add when_matched_update(), when_not_matched_insert() or another")
        sql = f"MERGE INTO {self._table._sql} AS t USING {{source}} AS s ON {self._on} {' '.join(self._clauses)}"
        what = f"merge into {self._table.name}"
        self._table._db._write(sql, self._source, self._params, what=what, keep=True, progress=progress)
        return self._table.version

    def _when(self, case: str, where: str | None, action: str) -> Merge:
        self._clauses.append(f"WHEN {case}{f' AND {where}' if where else ''} THEN {action}")
        return self
