"""Frames: the results of statements."""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from . import _native

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

#: How many rows a frame shows of itself.
ROWS_SHOWN = 20


class Frame:
    """The result of a statement, computed when its rows are asked for, and anew each time.

    Whatever reads Arrow streams takes a frame: ``pyarrow.table(frame)``, ``polars.DataFrame(frame)``,
    ``duckdb.sql("FROM frame")``, ``SessionContext().from_arrow(frame)``.

    >>> import datafusion_timetravel as tt
    >>> db = tt.connect("memory://")
    >>> frame = db.sql("SELECT * FROM (VALUES (1, 'a'), (2, NULL)) AS t (n, s)")
    >>> frame
    +---+------+
    | n | s    |
    +---+------+
    | 1 | a    |
    | 2 | NULL |
    +---+------+
    >>> frame.to_pylist()
    [{'n': 1, 's': 'a'}, {'n': 2, 's': None}]
    """

    __slots__ = ("_native",)

    def __init__(self, native: _native.Frame) -> None:
        self._native = native

    @property
    def columns(self) -> list[str]:
        """The names of the columns.

        >>> import datafusion_timetravel as tt
        >>> tt.connect("memory://").sql("SELECT 1 AS a, 2 AS b").columns
        ['a', 'b']
        """
        return self._native.columns()

    @property
    def schema(self) -> pyarrow.Schema:
        """The columns as Arrow knows them."""
        import pyarrow

        return pyarrow.schema(self)

    def __arrow_c_schema__(self) -> object:
        return self._native.schema()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The rows as an Arrow stream, computed as they are read; the schema stays that of the frame."""
        return self._native.stream()

    def to_arrow(self) -> pyarrow.Table:
        """All rows as a pyarrow table."""
        import pyarrow

        return pyarrow.table(_Capsule(self._native.table()))

    def to_pandas(self, **options: Any) -> pandas.DataFrame:
        """All rows as a pandas frame; the options are those of ``pyarrow.Table.to_pandas``."""
        frame: pandas.DataFrame = self.to_arrow().to_pandas(**options)
        return frame

    def to_polars(self) -> polars.DataFrame:
        """All rows as a polars frame."""
        import polars

        return polars.DataFrame(_Capsule(self._native.table()))

    def to_pylist(self) -> list[dict[str, Any]]:
        """All rows as dictionaries."""
        rows: list[dict[str, Any]] = self.to_arrow().to_pylist()
        return rows

    def to_pydict(self) -> dict[str, list[Any]]:
        """All rows as a list for each column.

        >>> import datafusion_timetravel as tt
        >>> tt.connect("memory://").sql("VALUES (1), (2)").to_pydict()
        {'column1': [1, 2]}
        """
        columns: dict[str, list[Any]] = self.to_arrow().to_pydict()
        return columns

    def item(self) -> Any:
        """The one value of a frame of one row and one column.

        >>> import datafusion_timetravel as tt
        >>> tt.connect("memory://").sql("SELECT 6 * 7").item()
        42
        """
        table = self.to_arrow()
        if table.shape != (1, 1):
            raise ValueError(f"the frame has {table.num_rows} rows and {table.num_columns} columns, not one of each")
        return table.column(0)[0].as_py()

    def collect(self) -> Frame:
        """The same frame with its rows computed now, and kept."""
        return Frame(self._native.collect())

    def __iter__(self) -> Iterator[pyarrow.RecordBatch]:
        """The rows, batch by batch, as they are computed.

        >>> import datafusion_timetravel as tt
        >>> sum(batch.num_rows for batch in tt.connect("memory://").sql("SELECT * FROM generate_series(1, 20000)"))
        20000
        """
        import pyarrow

        batches = self._native.batches()
        while (batch := batches.pull()) is not None:
            yield pyarrow.RecordBatchReader.from_stream(_Capsule(batch)).read_next_batch()

    def count(self) -> int:
        """How many rows there are."""
        return self._native.count()

    def __len__(self) -> int:
        return self.count()

    def __bool__(self) -> bool:
        # Not by its length, which would run the query.
        return True

    def limit(self, rows: int, skip: int = 0) -> Frame:
        """At most so many rows, after skipping some."""
        return Frame(self._native.limit(skip, rows))

    def explain(self, *, verbose: bool = False, analyze: bool = False) -> str:
        """The plan as text; ``analyze`` runs it and adds what it measured.

        >>> import datafusion_timetravel as tt
        >>> "Projection" in tt.connect("memory://").sql("SELECT 1").explain()
        True
        """
        plans = self._native.explain(verbose, analyze)
        return "\n".join(f"{row['plan_type']}\n{row['plan']}" for row in Frame(plans).to_pylist())

    def write_parquet(self, path: str) -> None:
        """Writes the rows to Parquet files in a folder."""
        self._native.write_parquet(path)

    def show(self, rows: int = ROWS_SHOWN) -> None:
        """Prints the first rows."""
        print(self._text(rows))

    def __repr__(self) -> str:
        return self._text(ROWS_SHOWN)

    def _text(self, rows: int) -> str:
        if not self.columns:
            return "done"
        head = Frame(self._native.limit(0, rows + 1).collect())
        more = head.count() > rows
        text = head._native.limit(0, rows).text()
        return f"{text}\nthe first {rows} rows; frame.show(rows) shows more" if more else text

    def _repr_html_(self) -> str:
        if not self.columns:
            return "<p>done</p>"
        head = Frame(self._native.limit(0, ROWS_SHOWN + 1)).to_arrow()
        return table_html(head, ROWS_SHOWN)


class _Capsule:
    """A stream that is read once."""

    def __init__(self, capsule: object) -> None:
        self._capsule = capsule

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._capsule


def table_html(table: pyarrow.Table, rows: int) -> str:
    """The first rows of a table as HTML; every text in it is escaped."""
    head = "".join(
        f"<th title='{html.escape(str(field.type), quote=True)}'>{html.escape(field.name)}</th>" for field in table.schema
    )
    body = "".join(
        "<tr>" + "".join(map(_cell, row.values())) + "</tr>" for row in _rows(table.slice(0, rows))
    )
    more = f"<caption style='caption-side:bottom'>the first {rows} rows</caption>" if table.num_rows > rows else ""
    return f"<table class='timetravel'>{more}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _rows(table: pyarrow.Table) -> Iterator[dict[int, Any]]:
    # By place: two columns may have one name.
    columns = [column.to_pylist() for column in table.columns]
    for row in zip(*columns, strict=True):
        yield dict(enumerate(row))


def _cell(value: Any) -> str:
    if value is None:
        return "<td style='opacity:.5'>NULL</td>"
    align = " style='text-align:right'" if isinstance(value, (int, float)) and not isinstance(value, bool) else ""
    text = str(value)
    if len(text) > 200:
        text = text[:199] + "…"
    return f"<td{align}>{html.escape(text)}</td>"
