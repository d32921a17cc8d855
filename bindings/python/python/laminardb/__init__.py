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
from laminardb._config import LaminarConfig
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
)
from laminardb._laminardb import (
    Connection,
    ExecuteResult,
    QueryResult,
    Source,
    Subscription,
    Writer,
    __library_version__,
    __version__,
    close_all as _close_all,
)

BatchWriter = Writer
Config = LaminarConfig

__all__ = [
    "BatchWriter",
    "CheckpointError",
    "Config",
    "Connection",
    "ConnectionError",
    "ConnectorError",
    "ExecuteResult",
    "IngestionError",
    "InternalError",
    "LaminarConfig",
    "LaminarError",
    "QueryError",
    "QueryResult",
    "SchemaError",
    "Source",
    "StreamError",
    "Subscription",
    "SubscriptionError",
    "Writer",
    "__library_version__",
    "__version__",
    "codes",
    "execute",
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
