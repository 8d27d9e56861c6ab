"""Arrow's types as SQL writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import SchemaMismatchError

if TYPE_CHECKING:
    import pyarrow


def sql_type(field: pyarrow.Field) -> str:
    """The type of a column in CREATE TABLE."""
    import pyarrow.types as is_

    kind = field.type
    if is_.is_dictionary(kind):
        kind = kind.value_type
    for test, name in (
        (is_.is_boolean, "BOOLEAN"),
        (is_.is_int8, "TINYINT"),
        (is_.is_int16, "SMALLINT"),
        (is_.is_int32, "INT"),
        (is_.is_int64, "BIGINT"),
        (is_.is_uint8, "TINYINT UNSIGNED"),
        (is_.is_uint16, "SMALLINT UNSIGNED"),
        (is_.is_uint32, "INT UNSIGNED"),
        (is_.is_uint64, "BIGINT UNSIGNED"),
        (is_.is_float32, "FLOAT"),
        (is_.is_float64, "DOUBLE"),
        (is_.is_string, "STRING"),
        (is_.is_large_string, "STRING"),
        (is_.is_string_view, "STRING"),
        (is_.is_binary, "BYTEA"),
        (is_.is_large_binary, "BYTEA"),
        (is_.is_binary_view, "BYTEA"),
        (is_.is_date, "DATE"),
        (is_.is_null, "STRING"),
    ):
        if test(kind):
            return name
    if is_.is_decimal128(kind):
        return f"DECIMAL({kind.precision}, {kind.scale})"
    if is_.is_timestamp(kind):
        digits = {"s": 0, "ms": 3, "us": 6, "ns": 9}[kind.unit]
        return f"TIMESTAMP({digits}){' WITH TIME ZONE' if kind.tz else ''}"
    raise SchemaMismatchError(
        f"column {field.name} of type {field.type} has no type in CREATE TABLE: create the table by SQL, or cast the column"
    )
