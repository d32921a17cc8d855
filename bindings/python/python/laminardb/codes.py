# Written from include/laminar.h by `cargo run -p laminar-bindings-generate`.
"""The numbers of errors: the ``code`` of every `laminardb.LaminarError`.

Bands: 1xx connection, 2xx schema, 3xx ingestion, 4xx query, 5xx subscription, 6xx stream,
7xx checkpoint, 8xx connector, 9xx internal. A number is never given a new meaning.
"""

from typing import Final

CONNECTION_FAILED: Final = 100
"""The database could not be opened."""

CONNECTION_CLOSED: Final = 101
"""The database was closed."""

CONNECTION_IN_USE: Final = 102
"""The handle is in use by another thread. The library answers `LAMINAR_BUSY` instead."""

TABLE_NOT_FOUND: Final = 200
"""No source, table, stream or sink has this name."""

TABLE_EXISTS: Final = 201
"""The name is taken."""

SCHEMA_MISMATCH: Final = 202
"""A schema differs from the one expected."""

INVALID_SCHEMA: Final = 203
"""A schema cannot be used, or an object that others read was to be dropped."""

INGESTION_FAILED: Final = 300
"""Rows were refused."""

WRITER_CLOSED: Final = 301
"""The source handle was closed, or its source was dropped."""

BATCH_SCHEMA_MISMATCH: Final = 302
"""A batch does not fit the schema of its source."""

BACKPRESSURE: Final = 303
"""There was no room in time. The library answers `LAMINAR_AGAIN` instead; bindings raise this."""

QUERY_FAILED: Final = 400
"""A query failed."""

SQL_PARSE_ERROR: Final = 401
"""The SQL text could not be read."""

QUERY_CANCELLED: Final = 402
"""The query was cancelled."""

UNSUPPORTED: Final = 403
"""A construct that this version does not have."""

SUBSCRIPTION_FAILED: Final = 500
"""A subscription could not be made or read."""

SUBSCRIPTION_CLOSED: Final = 501
"""The subscription ended. The library answers `LAMINAR_END` instead; bindings raise this."""

SUBSCRIPTION_TIMEOUT: Final = 502
"""Nothing came in time. The library answers `LAMINAR_AGAIN` instead; bindings raise this."""

SUBSCRIPTION_LAGGED: Final = 503
"""Changes were missed. The library answers `LAMINAR_LAGGED` instead; bindings raise this."""

STREAM_FAILED: Final = 600
"""A stream failed."""

CHECKPOINT_FAILED: Final = 700
"""A checkpoint failed."""

RECOVERY_FAILED: Final = 701
"""Recovery failed."""

CONNECTOR_FAILED: Final = 800
"""A connector failed."""

INTERNAL_ERROR: Final = 900
"""A defect of the library, for example a panic that was caught."""

SHUTDOWN: Final = 901
"""The database is shutting down."""

NAMES: Final[dict[int, str]] = {
    100: "CONNECTION_FAILED",
    101: "CONNECTION_CLOSED",
    102: "CONNECTION_IN_USE",
    200: "TABLE_NOT_FOUND",
    201: "TABLE_EXISTS",
    202: "SCHEMA_MISMATCH",
    203: "INVALID_SCHEMA",
    300: "INGESTION_FAILED",
    301: "WRITER_CLOSED",
    302: "BATCH_SCHEMA_MISMATCH",
    303: "BACKPRESSURE",
    400: "QUERY_FAILED",
    401: "SQL_PARSE_ERROR",
    402: "QUERY_CANCELLED",
    403: "UNSUPPORTED",
    500: "SUBSCRIPTION_FAILED",
    501: "SUBSCRIPTION_CLOSED",
    502: "SUBSCRIPTION_TIMEOUT",
    503: "SUBSCRIPTION_LAGGED",
    600: "STREAM_FAILED",
    700: "CHECKPOINT_FAILED",
    701: "RECOVERY_FAILED",
    800: "CONNECTOR_FAILED",
    900: "INTERNAL_ERROR",
    901: "SHUTDOWN",
}
"""The name of each number."""
