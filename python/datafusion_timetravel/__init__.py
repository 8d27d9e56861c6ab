"""Tables that remember: upserts by key, every version queryable, history in SQL, on Apache DataFusion.

>>> import datafusion_timetravel as tt
>>> db = tt.connect("memory://")                # or "./lake", "s3://bucket/lake", ...
>>> t = db.create_table("prices", {"item": ["apple", "bread"], "price": [100, 250]}, key="item")
>>> t.upsert({"item": ["apple"], "price": [120]})
2
>>> db.sql("SELECT * FROM prices VERSION AS OF 1 WHERE item = 'apple'")
+-------+-------+
| item  | price |
+-------+-------+
| apple | 100   |
+-------+-------+
"""

import atexit as _atexit

from . import _native, errors
from ._connection import Database, connect
from ._frame import Frame
from ._table import Merge, Table
from .errors import (
    AlreadyExistsError,
    ClosedError,
    CommitStateUnknownError,
    ConflictError,
    CorruptError,
    DeniedError,
    ExpiredError,
    ForkedError,
    InternalError,
    InvalidError,
    NotFoundError,
    QueryError,
    SchemaMismatchError,
    SourceError,
    TableNotFoundError,
    TimeTravelError,
    TimeTravelWarning,
    UnavailableError,
    UnsupportedError,
    VersionNotFoundError,
)

__version__ = _native.__version__

#: The version of the DataFusion inside; a ``datafusion.SessionContext`` must be of the same major version.
datafusion_version = _native.datafusion_version()

# No thread of the runtime outlives the interpreter.
_atexit.register(_native.shutdown)


def load_ipython_extension(ipython: object) -> None:
    """``%load_ext datafusion_timetravel`` adds ``%tt`` and ``%%tt``."""
    from ._magic import load

    load(ipython)


__all__ = [
    "AlreadyExistsError",
    "ClosedError",
    "CommitStateUnknownError",
    "ConflictError",
    "CorruptError",
    "Database",
    "DeniedError",
    "ExpiredError",
    "ForkedError",
    "Frame",
    "InternalError",
    "InvalidError",
    "Merge",
    "NotFoundError",
    "QueryError",
    "SchemaMismatchError",
    "SourceError",
    "Table",
    "TableNotFoundError",
    "TimeTravelError",
    "TimeTravelWarning",
    "UnavailableError",
    "UnsupportedError",
    "VersionNotFoundError",
    "connect",
    "datafusion_version",
    "errors",
]
