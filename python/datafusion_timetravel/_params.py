"""Values of parameters, with the kind of each."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Mapping, Sequence
from typing import Any

Params = Sequence[Any] | Mapping[str, Any]
Tagged = list[tuple[str, Any]]

_EPOCH = dt.datetime(1970, 1, 1)
_ZONED_EPOCH = _EPOCH.replace(tzinfo=dt.timezone.utc)
_MICROSECOND = dt.timedelta(microseconds=1)


def split(params: Params | None) -> tuple[list[str] | None, Tagged | None]:
    """Names, where there are any, and tagged values."""
    if params is None:
        return None, None
    if isinstance(params, Mapping):
        return [str(name) for name in params], [tag(value) for value in params.values()]
    if isinstance(params, (str, bytes)):
        raise TypeError(f"params is a {type(params).__name__}: pass a list or tuple of values, or a dict by name")
    return None, [tag(value) for value in params]


def tag(value: Any) -> tuple[str, Any]:
    """The kind of a value, and what it is made of."""
    item = getattr(value, "item", None)
    if item is not None and type(value).__module__ == "numpy":
        if hasattr(value, "astype") and type(value).__name__ == "datetime64":
            value = value.astype("datetime64[us]")
        value = value.item()
    if value is None or type(value).__name__ in ("NaTType", "NAType"):
        return "null", None
    if isinstance(value, bool):
        return "bool", value
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise OverflowError(f"{value} is no 64-bit integer: pass a decimal.Decimal")
        return "int", value
    if isinstance(value, float):
        return "float", value
    if isinstance(value, str):
        return "text", value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "bytes", bytes(value)
    if isinstance(value, dt.datetime):
        if value.tzinfo is None:
            return "timestamp", (value - _EPOCH) // _MICROSECOND
        return "instant", (value - _ZONED_EPOCH) // _MICROSECOND
    if isinstance(value, dt.date):
        return "date", (value - _EPOCH.date()).days
    if isinstance(value, dt.time):
        if value.tzinfo is not None:
            raise TypeError("a time with a zone names no moment: pass a datetime")
        micros = ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond
        return "time", micros
    if isinstance(value, decimal.Decimal):
        return "decimal", _decimal(value)
    raise TypeError(
        f"a parameter can't be a {type(value).__name__}: pass None, bool, int, float, str, bytes, Decimal, date, time or datetime"
    )


def _decimal(value: decimal.Decimal) -> tuple[int, int, int]:
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise ValueError(f"{value} is no decimal number of SQL")
    number = int("".join(map(str, digits)) or "0") * 10 ** max(exponent, 0)
    scale = max(-exponent, 0)
    precision = max(len(str(number)), scale, 1)
    if precision > 38:
        raise OverflowError(f"{value} has more than 38 digits")
    return (-number if sign else number), precision, scale
