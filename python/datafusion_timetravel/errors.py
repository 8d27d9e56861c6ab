"""Exceptions, as a tree: one class for each kind of error, each a child of :class:`TimeTravelError`.

A kind says what to do next; the message names the object and the way out. ``error.code`` is stable, and ``docs/errors.md``
lists cause and remedy of each.

>>> import datafusion_timetravel as tt
>>> with tt.connect("memory://") as db:
...     try:
...         db.sql("SELECT * FROM nothing")
...     except tt.NotFoundError as error:
...         print(error.code)
TT_TABLE_NOT_FOUND
"""

from __future__ import annotations


class TimeTravelError(Exception):
    """The root of the tree. ``code`` is the stable code, or ``None`` where an error has none."""

    code: str | None = None
    #: The id of a commit whose outcome is not known.
    commit_id: str | None = None


class InvalidError(TimeTravelError, ValueError):
    """The statement, name or value is wrong: fix the request."""


class VersionNotFoundError(InvalidError, LookupError):
    """The version or time lies outside the table's history: the message gives the range."""


class SchemaMismatchError(InvalidError):
    """The columns don't fit: the message names them."""


class NotFoundError(TimeTravelError, LookupError):
    """The object does not exist: check the name."""


class TableNotFoundError(NotFoundError):
    """No such table, or it was dropped; then the message has the RESTORE that brings it back."""


class AlreadyExistsError(TimeTravelError):
    """The object exists already: choose another name."""


class ConflictError(TimeTravelError):
    """Somebody else changed the same rows: run the statement again."""


class ExpiredError(TimeTravelError):
    """The version has left its retention: ask for a newer one."""


class DeniedError(TimeTravelError, PermissionError):
    """The authorizer refused: ask for the privilege."""


class CorruptError(TimeTravelError):
    """A stored object is damaged: restore it from elsewhere."""


class UnsupportedError(TimeTravelError, NotImplementedError):
    """A newer format, or a store or operation that can't serve the request: upgrade, or use another."""


class UnavailableError(TimeTravelError, ConnectionError):
    """The store did not answer: try again later. Nothing was changed."""


class CommitStateUnknownError(TimeTravelError):
    """The commit may or may not have happened: look at the table's history for it before running the statement again."""


class InternalError(TimeTravelError, RuntimeError):
    """A bug in this package: report it."""


class QueryError(TimeTravelError):
    """DataFusion refused the query or failed in it."""


class SourceError(TimeTravelError):
    """The rows to be written could not be read; nothing was written."""


class ClosedError(TimeTravelError):
    """The connection is closed: open another with ``tt.connect``."""


class ForkedError(TimeTravelError, RuntimeError):
    """The process was forked after the connection was opened: open another in the child."""


class TimeTravelWarning(UserWarning):
    """Something is read that is not quite what was asked for, such as a version after a PURGE."""


_KINDS: dict[str, type[TimeTravelError]] = {
    "Invalid": InvalidError,
    "NotFound": NotFoundError,
    "AlreadyExists": AlreadyExistsError,
    "Conflict": ConflictError,
    "Expired": ExpiredError,
    "Denied": DeniedError,
    "Corrupt": CorruptError,
    "Unsupported": UnsupportedError,
    "Unavailable": UnavailableError,
    "Unknown": CommitStateUnknownError,
    "Internal": InternalError,
}

_CODES: dict[str, type[TimeTravelError]] = {
    "TT_VERSION_OUT_OF_RANGE": VersionNotFoundError,
    "TT_TIMESTAMP_OUT_OF_RANGE": VersionNotFoundError,
    "ODPS-0130071": VersionNotFoundError,
    "TT_NO_SUCH_OPERATION": VersionNotFoundError,
    "TT_INVALID_SCHEMA": SchemaMismatchError,
    "ODPS-0110061": SchemaMismatchError,
    "TT_TABLE_NOT_FOUND": TableNotFoundError,
    "TT_TABLE_DROPPED": TableNotFoundError,
}


def _of_code(code: str, kind: str, message: str, commit_id: str | None) -> TimeTravelError:
    error = _CODES.get(code, _KINDS.get(kind, TimeTravelError))(f"{code}: {message}")
    error.code = code
    error.commit_id = commit_id
    return error
