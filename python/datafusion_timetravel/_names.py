"""Names of objects, as SQL writes them."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from .errors import InvalidError

_PART = re.compile(r'\s*(?:"((?:[^"]|"")+)"|(\w+))\s*')


def parts(name: str) -> list[str]:
    """The parts of a name; what stands in double quotes is kept as it is, the rest is lower case, as in SQL."""
    found: list[str] = []
    at = 0
    while True:
        match = _PART.match(name, at)
        if match is None:
            raise InvalidError(f"{name!r} is no name: write table, schema.table, or \"Any Text\" in double quotes")
        quoted, plain = match.groups()
        found.append(quoted.replace('""', '"') if quoted is not None else plain.lower())
        at = match.end()
        if at == len(name):
            break
        if name[at] != ".":
            raise InvalidError(f"{name!r} is no name: write table, schema.table, or \"Any Text\" in double quotes")
        at += 1
    if len(found) > 3:
        raise InvalidError(f"{name!r} has too many parts: write table, schema.table or project.schema.table")
    return found


def quoted(name: str) -> str:
    """One part in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """A text in single quotes."""
    return "'" + value.replace("'", "''") + "'"


def joined(names: list[str]) -> str:
    """Parts as one name."""
    return ".".join(map(quoted, names))


def of_uri(uri: str) -> str:
    """What a warehouse is called: the last segment of its root, as in the shell."""
    if "://" in uri:
        split = urlsplit(uri)
        segments = [segment for segment in split.path.split("/") if segment]
        return segments[-1] if segments else (split.netloc or split.scheme)
    from pathlib import Path

    return Path(uri).resolve().name or "warehouse"
