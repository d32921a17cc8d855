"""The exceptions, one class for each band of codes."""

from typing import ClassVar


class LaminarError(Exception):
    """What the database answered. The base of all exceptions of this package."""

    code: int
    """The number of the error: a constant of `laminardb.codes`."""
    ldb_code: str
    """The finer code that stands before the message: ``"LDB-2001"``."""
    line: int | None
    """The line in the SQL text, from 1, when the error has a place there."""
    column: int | None
    """The column in that line, from 1."""

    def __init__(
        self,
        message: str,
        code: int = 900,
        ldb_code: str = "",
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.ldb_code = ldb_code
        self.line = line
        self.column = column

    def __reduce__(self) -> tuple[type["LaminarError"], tuple[object, ...]]:
        return type(self), (str(self), self.code, self.ldb_code, self.line, self.column)


class ConnectionError(LaminarError):
    """The database could not be opened, was closed, or is in use."""

    band: ClassVar[int] = 1


class SchemaError(LaminarError):
    """A name is missing or taken, or a schema cannot be used."""

    band: ClassVar[int] = 2


class IngestionError(LaminarError):
    """Rows were refused; nothing of them landed."""

    band: ClassVar[int] = 3


class QueryError(LaminarError):
    """A query could not be read, planned or run."""

    band: ClassVar[int] = 4


class SubscriptionError(LaminarError):
    """A subscription could not be made or read, or has missed changes."""

    band: ClassVar[int] = 5


class StreamError(LaminarError):
    """A stream failed."""

    band: ClassVar[int] = 6


class CheckpointError(LaminarError):
    """A checkpoint could not be taken, or recovery failed."""

    band: ClassVar[int] = 7


class ConnectorError(LaminarError):
    """A connector failed."""

    band: ClassVar[int] = 8


class InternalError(LaminarError):
    """A defect of the library, or it is shutting down."""

    band: ClassVar[int] = 9


_BANDS: dict[int, type[LaminarError]] = {
    kind.band: kind
    for kind in (
        ConnectionError,
        SchemaError,
        IngestionError,
        QueryError,
        SubscriptionError,
        StreamError,
        CheckpointError,
        ConnectorError,
        InternalError,
    )
}


def make_error(
    message: str, code: int, ldb_code: str, line: int | None, column: int | None
) -> LaminarError:
    """The exception for an error of the library, by the band of its code."""
    kind = _BANDS.get(code // 100, LaminarError)
    return kind(message, code, ldb_code, line, column)


for _kind in (LaminarError, *_BANDS.values()):
    _kind.__module__ = "laminardb"
