"""Anything with rows, as an object with an Arrow stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import _native

_HINT = "pass a pyarrow, polars, pandas or duckdb table, a frame, a dict of lists or a list of dicts"


def stream_of(data: Any) -> Any:
    """An object that gives an Arrow stream, made of ``data`` if it is none."""
    if hasattr(data, "__arrow_c_stream__"):
        return data
    if hasattr(data, "collect") and type(data).__module__.startswith("polars"):
        return data.collect()
    import pyarrow

    if hasattr(data, "__arrow_c_array__"):
        return pyarrow.table(pyarrow.record_batch(data))
    if isinstance(data, Mapping):
        return pyarrow.table({str(name): values for name, values in data.items()})
    if isinstance(data, (list, tuple)):
        if not data:
            raise TypeError(f"an empty list has no columns: {_HINT}")
        if all(isinstance(row, Mapping) for row in data):
            return pyarrow.Table.from_pylist([dict(row) for row in data])
        if all(isinstance(batch, pyarrow.RecordBatch) for batch in data):
            return pyarrow.Table.from_batches(data)
    raise TypeError(f"{type(data).__name__} has no rows that can be read: {_HINT}")


def source_of(data: Any) -> _native.Source:
    """The rows of ``data``, to be read once."""
    return _native.Source(stream_of(data))
