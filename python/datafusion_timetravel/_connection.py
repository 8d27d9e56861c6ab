"""Connections: an open warehouse, with a session of its own."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import _names, _native, _params, _progress, _source
from ._frame import Frame
from .errors import ClosedError, InvalidError, TimeTravelWarning, UnsupportedError

if TYPE_CHECKING:
    from ._table import Table


def connect(
    uri: str | os.PathLike[str],
    *,
    storage_options: Mapping[str, str] | None = None,
    user: str | None = None,
    reason: str | None = None,
    name: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Database:
    """Opens the warehouse at a folder or URL (``s3://``, ``az://``, ``gs://``, ``memory://``); the first CREATE makes it.

    Args:
        uri: The root of the warehouse.
        storage_options: Options of the store, as ``object_store`` names them, for example ``aws_access_key_id``.
        user: Who runs the statements: history and audit name the user.
        reason: Why; history and audit keep it.
        name: What the warehouse is called in SQL, as a catalog; by default the last segment of its root.
        settings: Settings of DataFusion, for example ``{"datafusion.execution.target_partitions": 4}``.

    >>> import datafusion_timetravel as tt
    >>> with tt.connect("memory://") as db:
    ...     _ = db.sql("CREATE TABLE t (k BIGINT PRIMARY KEY, v STRING)")
    ...     _ = db.sql("INSERT INTO t VALUES (1, 'a')")
    ...     _ = db.sql("INSERT INTO t VALUES (1, 'b')")
    ...     db.sql("SELECT v FROM t VERSION AS OF 2")
    +---+
    | v |
    +---+
    | a |
    +---+
    """
    return Database(uri, storage_options=storage_options, user=user, reason=reason, name=name, settings=settings)


class Database:
    """An open warehouse. Made by :func:`connect`; may be used by several threads at once."""

    def __init__(
        self,
        uri: str | os.PathLike[str],
        *,
        storage_options: Mapping[str, str] | None = None,
        user: str | None = None,
        reason: str | None = None,
        name: str | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self._opened: _native.Database | None = None
        self._uri = os.fspath(uri)
        self._options = {str(key): str(value) for key, value in (storage_options or {}).items()}
        self._user = user
        self._reason = reason
        self._name = name or _names.of_uri(self._uri)
        self._settings = {key: _setting(value) for key, value in (settings or {}).items()}
        if reason is not None and user is None:
            raise InvalidError("a reason goes with a user: pass user= too")
        self._opened = _native.Database.open(
            self._uri, self._name, list(self._options.items()), user, reason, self._settings
        )

    @property
    def uri(self) -> str:
        """The root of the warehouse."""
        return self._uri

    @property
    def name(self) -> str:
        """What the warehouse is called in SQL."""
        return self._name

    @property
    def _handle(self) -> _native.Database:
        if self._opened is None:
            raise ClosedError(f"the connection to {self._uri} is closed: open another with tt.connect(..)")
        return self._opened

    def sql(self, query: str, params: _params.Params | None = None) -> Frame:
        """Runs one statement: all of DataFusion's SQL, and all of the warehouse's.

        Queries run when the frame's rows are asked for; whatever changes something is done when this returns. Values for
        ``$1`` or ``?`` come as a list, those for ``$name`` as a dict; they may stand in version clauses too.

        >>> import datafusion_timetravel as tt
        >>> db = tt.connect("memory://")
        >>> _ = db.sql("CREATE TABLE t (k BIGINT PRIMARY KEY, v STRING)")
        >>> _ = db.sql("INSERT INTO t VALUES ($1, $2)", [1, "it's"])
        >>> db.sql("SELECT v FROM t VERSION AS OF $version", {"version": 2}).item()
        "it's"
        """
        names, values = _params.split(params)
        frame = self._handle.sql(query, names, values)
        self._warn()
        return Frame(frame)

    def script(self, text: str) -> Frame | None:
        """Runs statements separated by ``;`` and gives the frame of the last one.

        >>> import datafusion_timetravel as tt
        >>> db = tt.connect("memory://")
        >>> db.script("CREATE TABLE t (k BIGINT PRIMARY KEY); INSERT INTO t VALUES (1); SELECT count(*) FROM t").item()
        1
        """
        frame = None
        for statement in _native.split(text):
            frame = self.sql(statement)
        return frame

    def table(self, name: str) -> Table:
        """A table at its newest version, whatever that is at each use.

        >>> import datafusion_timetravel as tt
        >>> db = tt.connect("memory://")
        >>> t = db.create_table("prices", {"item": ["apple"], "price": [100]}, key="item")
        >>> db.table("prices").version
        1
        """
        from ._table import Table

        table = Table(self, _names.parts(name))
        # What is not there is told now.
        _ = table.columns
        return table

    def tables(self) -> Frame:
        """All tables, dropped ones included while they can be restored."""
        return self.sql("SELECT * FROM tables()")

    def audit(self) -> Frame:
        """Reclamations, purges, restores, drops and changes of settings."""
        return self.sql("SELECT * FROM audit()")

    def create_table(
        self,
        name: str,
        data: Any,
        *,
        key: str | list[str] | None = None,
        partition_by: str | list[str] | None = None,
        replace: bool = False,
    ) -> Table:
        """Creates a table from rows, in one commit.

        Args:
            name: The table's name.
            data: Anything with an Arrow stream, a dict of lists, or a list of dicts.
            key: The columns of the primary key; without one every row is kept.
            partition_by: The columns of which each value is a partition.
            replace: Whether a table of the name is dropped first, restorably.

        >>> import datafusion_timetravel as tt
        >>> db = tt.connect("memory://")
        >>> db.create_table("prices", {"item": ["apple", "bread"], "price": [100, 250]}, key="item").to_pydict()
        {'item': ['apple', 'bread'], 'price': [100, 250]}
        """
        import pyarrow

        from ._types import sql_type

        stream = _source.stream_of(data)
        reader = pyarrow.RecordBatchReader.from_stream(stream)
        keys, partitions = _list(key), _list(partition_by)
        known = set(reader.schema.names)
        for column in keys + partitions:
            if column not in known:
                raise InvalidError(f"{column} is no column of the data, which has {', '.join(reader.schema.names)}")

        def define(field: pyarrow.Field, needed: bool) -> str:
            null = " NOT NULL" if needed or not field.nullable else ""
            return f"{_names.quoted(field.name)} {sql_type(field)}{null}"

        columns = [define(field, field.name in keys) for field in reader.schema if field.name not in partitions]
        if keys:
            columns.append(f"PRIMARY KEY ({', '.join(map(_names.quoted, keys))})")
        levels = [define(reader.schema.field(column), False) for column in partitions]
        order = [column for column in reader.schema.names if column not in partitions] + partitions
        parts = _names.parts(name)
        sql = (
            f"CREATE {'OR REPLACE ' if replace else ''}TABLE {_names.joined(parts)} ({', '.join(columns)})"
            + (f" PARTITIONED BY ({', '.join(levels)})" if levels else "")
            + f" AS SELECT {', '.join(map(_names.quoted, order))} FROM {{source}}"
        )
        self._write(sql, _native.Source(reader), what=f"create {name}")
        return self.table(name)

    def vacuum(self, *, dry_run: bool = True, progress: bool | None = None) -> Frame:
        """The daily scan: lifecycles, files out of retention, orphans. By default it only says what it would do.

        >>> import datafusion_timetravel as tt
        >>> tt.connect("memory://").vacuum().count()
        0
        """
        return self._long(f"VACUUM{' DRY RUN' if dry_run else ''}", "vacuum", progress)

    def register(self, ctx: Any, name: str | None = None) -> None:
        """Registers the warehouse in a session of the ``datafusion`` package: its tables as a catalog, and the table
        functions ``at``, ``incremental``, ``changes``, ``diff``, ``history``, ``partitions``, ``files``, ``tables`` and
        ``audit``.

        >>> import datafusion, datafusion_timetravel as tt
        >>> db = tt.connect("memory://", name="lake")
        >>> t = db.create_table("prices", {"item": ["apple"], "price": [100]}, key="item")
        >>> t.upsert({"item": ["apple"], "price": [120]})
        2
        >>> ctx = datafusion.SessionContext()
        >>> db.register(ctx)
        >>> ctx.sql("SELECT n.price - o.price AS dearer FROM lake.default.prices n, at('prices', 1) o").to_pydict()
        {'dearer': [20]}
        """
        from datafusion import udtf

        name = name or self._name
        ctx.register_catalog_provider(name, _Catalog(self))
        for function, implementation in self._handle.functions(name):
            ctx.register_udtf(udtf(implementation, function))

    def close(self) -> None:
        """Waits for checkpoints that are being written, and closes the connection. Closing twice is no error."""
        if self._opened is not None:
            opened, self._opened = self._opened, None
            opened.flush()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        user = f", user={self._user!r}" if self._user else ""
        closed = " (closed)" if self._opened is None else ""
        return f"tt.connect({self._uri!r}{user}){closed}"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles how it was opened, storage options too: whoever has the pickle can open the warehouse."""
        if self._uri.startswith("memory:"):
            raise UnsupportedError(f"{self._uri} lives in this process only and can't be pickled: use a folder or a store")
        uri = self._uri if "://" in self._uri else os.path.abspath(self._uri)
        return _again, (uri, self._options, self._user, self._reason, self._name, self._settings)

    def _warn(self) -> None:
        for warning in self._handle.warnings():
            warnings.warn(warning, TimeTravelWarning, stacklevel=3)

    def _long(self, sql: str, what: str, progress: bool | None) -> Frame:
        with _progress.clock(what, progress):
            return self.sql(sql).collect()

    def _write(
        self,
        sql: str,
        source: _native.Source,
        params: _params.Params | None = None,
        *,
        what: str,
        keep: bool = False,
        progress: bool | None = None,
    ) -> Frame:
        """Runs a statement that reads the source as ``{source}``."""
        names, values = _params.split(params)
        full, name = self._handle.source_name()
        with _progress.rows(what, progress) as count:
            frame = self._handle.write(sql.replace("{source}", full), names, values, name, source, keep, count)
        self._warn()
        return Frame(frame)


class _Catalog:
    """A warehouse for ``SessionContext.register_catalog_provider``."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def __datafusion_catalog_provider__(self, session: Any) -> object:
        return self._db._handle.catalog_provider(session)


_POOL: dict[Any, Database] = {}


def _again(
    uri: str,
    options: dict[str, str],
    user: str | None,
    reason: str | None,
    name: str,
    settings: dict[str, str],
) -> Database:
    """Opens what was pickled; once in a process, however many pickles there are."""
    key = (os.getpid(), uri, tuple(sorted(options.items())), user, reason, name, tuple(sorted(settings.items())))
    db = _POOL.get(key)
    if db is None or db._opened is None:
        db = Database(uri, storage_options=options, user=user, reason=reason, name=name, settings=settings)
        _POOL[key] = db
    return db


def _list(names: str | list[str] | None) -> list[str]:
    if names is None:
        return []
    return [names] if isinstance(names, str) else list(names)


def _setting(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
