"""``%tt`` and ``%%tt`` for IPython and Jupyter."""

from __future__ import annotations

from typing import Any

from . import _native
from ._connection import Database, connect
from ._frame import Frame

_HELP = """\
%tt connect ./lake      opens a warehouse (or %tt db, an open one of the notebook)
%tt                     says which is open
%tt history prices      a table's timeline
%%tt [name]             runs the statements of the cell, and keeps the last one's frame as `name`; $x is the variable x of the notebook"""


def load(ipython: Any) -> None:
    """Adds the magics."""
    magics = _Magics(ipython)
    ipython.register_magic_function(magics.line, "line", "tt")
    ipython.register_magic_function(magics.cell, "cell", "tt")


class _Magics:
    def __init__(self, ipython: Any) -> None:
        self._ipython = ipython
        self._db: Database | None = None

    def _open(self) -> Database:
        """The warehouse that was opened, or the only one among the notebook's variables."""
        if self._db is not None:
            return self._db
        found = {id(value): value for value in self._ipython.user_ns.values() if isinstance(value, Database)}
        if len(found) == 1:
            return next(iter(found.values()))
        raise LookupError("no warehouse is open: %tt connect ./lake, or %tt db with the name of an open one")

    def line(self, line: str) -> Any:
        words = line.split()
        match words:
            case []:
                return self._open()
            case ["help"]:
                print(_HELP)
                return None
            case ["connect", uri]:
                self._db = connect(uri)
                return self._db
            case ["history", table]:
                return self._open().table(table).timeline()
            case [name] if isinstance(self._ipython.user_ns.get(name), Database):
                self._db = self._ipython.user_ns[name]
                return self._db
        return self._run(line, "")

    def cell(self, line: str, cell: str) -> Frame | None:
        name = line.strip()
        if name and not name.isidentifier():
            raise ValueError(f"{name!r} is no name of a variable: write %%tt, or %%tt name")
        return self._run(cell, name)

    def _run(self, text: str, name: str) -> Frame | None:
        db = self._open()
        frame = None
        for statement in _native.split(text):
            named = self._parameters(statement)
            frame = db.sql(statement, named or None)
        if name:
            self._ipython.user_ns[name] = frame
        return frame if frame is not None and frame.columns else None

    def _parameters(self, statement: str) -> dict[str, Any]:
        """The notebook's variables that the statement names as ``$name``."""
        import re

        names = set(re.findall(r"\$([A-Za-z_]\w*)", _without_texts(statement)))
        missing = [name for name in names if name not in self._ipython.user_ns]
        if missing:
            raise NameError(f"the statement names ${missing[0]}, which is no variable of the notebook")
        return {name: self._ipython.user_ns[name] for name in names}


def _without_texts(statement: str) -> str:
    import re

    return re.sub(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", " ", statement, flags=re.S)
