"""Laminar, an embedded streaming SQL database: continuous queries inside your process.

    import laminardb

    with laminardb.open(":memory:") as conn:
        conn.execute("CREATE SOURCE readings (ts BIGINT, sensor VARCHAR, temp DOUBLE)")
        conn.execute("CREATE STREAM alerts AS SELECT * FROM readings WHERE temp > 100.0")
        conn.start()
        alerts = conn.subscribe_stream("alerts")
        conn.insert("readings", {"ts": 1, "sensor": "boiler_1", "temp": 105.3})
        print(alerts.next_timeout(1000).fetchall())
"""

import atexit as _atexit
import threading as _threading

from laminardb import codes
from laminardb._async import AsyncSubscription, AsyncWriter
from laminardb._callback import CallbackSubscription
from laminardb._catalog import (
    PipelineEdge,
    PipelineMetrics,
    PipelineNode,
    PipelineTopology,
    QueryInfo,
    SinkInfo,
    SourceInfo,
    SourceMetrics,
    StreamInfo,
    StreamMetrics,
)
from laminardb._config import LaminarConfig
from laminardb._connection import Connection, Sink, not_found as _not_found
from laminardb._definitions import quoted as _quoted
from laminardb._errors import (
    CheckpointError,
    ConnectionError,
    ConnectorError,
    IngestionError,
    InternalError,
    LaminarError,
    QueryError,
    SchemaError,
    StreamError,
    SubscriptionError,
    make_error as _make_error,
)
from laminardb._functions import AggregateFunction
from laminardb._laminardb import (
    BatchIterator,
    ExecuteResult,
    QueryResult,
    Source,
    Subscription,
    Writer,
    __library_version__,
    __version__,
    close_all as _close_all,
)
from laminardb.types import (
    ChangeEvent,
    ChangeRow,
    CheckpointResult,
    CheckpointStatus,
    Column,
    MaterializedView,
    Metrics,
    Schema,
    TableStats,
    Watermark,
)

BatchWriter = Writer
Config = LaminarConfig

__all__ = [
    "AggregateFunction",
    "AsyncSubscription",
    "AsyncWriter",
    "BatchIterator",
    "BatchWriter",
    "CallbackSubscription",
    "ChangeEvent",
    "ChangeRow",
    "CheckpointError",
    "CheckpointResult",
    "CheckpointStatus",
    "Column",
    "Config",
    "Connection",
    "ConnectionError",
    "ConnectorError",
    "ExecuteResult",
    "IngestionError",
    "InternalError",
    "LaminarConfig",
    "LaminarError",
    "MaterializedView",
    "Metrics",
    "PipelineEdge",
    "PipelineMetrics",
    "PipelineNode",
    "PipelineTopology",
    "QueryError",
    "QueryInfo",
    "QueryResult",
    "Schema",
    "SchemaError",
    "Sink",
    "SinkInfo",
    "Source",
    "SourceInfo",
    "SourceMetrics",
    "StreamError",
    "StreamInfo",
    "StreamMetrics",
    "Subscription",
    "SubscriptionError",
    "TableStats",
    "Watermark",
    "Writer",
    "__library_version__",
    "__version__",
    "codes",
    "connect",
    "execute",
    "mv",
    "open",
    "query",
    "sql",
]


def open(path: str = ":memory:", config: LaminarConfig | None = None) -> Connection:
    """Opens a database.

    ``":memory:"`` keeps everything in memory. Any other path is a directory for a durable database,
    which this version answers with code UNSUPPORTED.
    """
    return Connection((config or LaminarConfig()).to_json(path))


def connect(uri: str, config: LaminarConfig | None = None) -> Connection:
    """Reaches a database of another process, by a URI. There is no server that could be reached
    yet: raises ConnectionError with code CONNECTION_FAILED."""
    raise _make_error(
        f"LDB-1001: there is no server to reach at `{uri}`: open a database in this process with "
        "laminardb.open()",
        codes.CONNECTION_FAILED,
        "LDB-1001",
        None,
        None,
    )


def mv(conn: Connection, name: str, sql: str | None = None) -> MaterializedView:
    """A stream of a database, to be queried and followed. With `sql`, the query, it is created if
    there is none of that name; without, SchemaError is raised then."""
    found = next((stream for stream in conn.streams() if stream.name == name), None)
    if found is not None:
        return MaterializedView(conn, name, found.sql)
    if sql is None:
        raise _not_found("stream", name)
    query = sql.strip().removesuffix(";")
    conn.execute(f"CREATE STREAM IF NOT EXISTS {_quoted(name)} AS {query}")
    return MaterializedView(conn, name, query)


_default: Connection | None = None
_default_lock = _threading.Lock()


def _default_connection() -> Connection:
    """The database in memory behind the functions of the module; opened at the first use."""
    global _default
    with _default_lock:
        if _default is None or _default.is_closed:
            _default = open(":memory:")
            _default.start()
        return _default


def sql(query: str) -> QueryResult:
    """Runs a query on the module's own database in memory. Threads may share it."""
    return _default_connection().sql(query)


def query(query: str) -> QueryResult:
    """Runs a query on the module's own database in memory. Threads may share it."""
    return _default_connection().sql(query)


def execute(sql: str) -> ExecuteResult:
    """Runs a statement on the module's own database in memory. Threads may share it."""
    return _default_connection().execute(sql)


_atexit.register(_close_all)
