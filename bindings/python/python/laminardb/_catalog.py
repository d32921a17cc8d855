"""What there is in a database and how it is doing: the rows of its system tables, as objects."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import laminardb._laminardb as _native

if TYPE_CHECKING:
    import pyarrow  # type: ignore[import-untyped]

    from laminardb._connection import Connection
    from laminardb._laminardb import QueryResult


class SourceInfo:
    """A source or a table."""

    name: str
    watermark_column: str | None
    """The column of the declared event time."""
    sql: str
    """The statement that created it."""

    def __init__(
        self, connection: "Connection", name: str, watermark_column: str | None, sql: str
    ) -> None:
        self.name = name
        self.watermark_column = watermark_column
        self.sql = sql
        self._connection = connection

    @property
    def schema(self) -> "pyarrow.Schema":
        """The columns, as a pyarrow.Schema."""
        return self._connection.schema(self.name)

    def __repr__(self) -> str:
        return f"SourceInfo(name={self.name!r}, watermark_column={self.watermark_column!r})"


@dataclass(frozen=True)
class StreamInfo:
    """A stream or a materialized view."""

    name: str
    sql: str
    """Its query."""
    emit: str
    """The form of its results, as EMIT spells it."""
    state: str
    """``"created"`` before the start, ``"running"``, or ``"failed"``."""
    error: str | None
    """Why it failed."""


@dataclass(frozen=True)
class SinkInfo:
    """A sink."""

    name: str
    input: str
    """The stream or source that it is a name of."""


@dataclass(frozen=True)
class QueryInfo:
    """A query that is open, or a subscription to a query."""

    id: int
    """Its number, for `Connection.cancel_query`."""
    sql: str
    active: bool
    """False once it was read to its end, failed or was cancelled."""
    kind: str
    """``"query"`` or ``"subscription"``."""


@dataclass(frozen=True)
class SourceMetrics:
    """How a source or a table is doing."""

    name: str
    total_events: int
    """Rows taken in since it was created."""
    pending: int
    """Rows that wait for start()."""
    capacity: int
    """Rows that it is laid out for."""
    is_backpressured: bool
    """Whether an insert would wait now, or be refused."""
    watermark: int | None
    """In milliseconds since 1970; None before the first."""

    @property
    def utilization(self) -> float:
        """How much of the capacity waits, from 0.0 to 1.0."""
        return _utilization(self.pending, self.capacity)


@dataclass(frozen=True)
class StreamMetrics:
    """How a stream or a materialized view is doing."""

    name: str
    total_events: int
    """Rows of all its changes."""
    pending: int
    """Rows that wait in its subscriptions."""
    capacity: int
    """Rows that may wait there."""
    is_backpressured: bool
    """Whether one of its subscriptions is full."""
    watermark: int | None
    """How far its result is final; None where it carries no event time."""
    sql: str
    """Its query."""

    @property
    def utilization(self) -> float:
        """How much of the capacity waits, from 0.0 to 1.0."""
        return _utilization(self.pending, self.capacity)


@dataclass(frozen=True)
class PipelineMetrics:
    """How the database is doing."""

    total_events_ingested: int
    """Rows that sources and tables took in."""
    total_events_emitted: int
    """Rows of all changes of streams and views."""
    total_events_dropped: int
    """Rows that were late, that an expression failed on, or that subscriptions missed."""
    total_cycles: int
    """Epochs: changes of any kind."""
    total_batches: int
    """Batches that sources and tables took in."""
    uptime_secs: float
    """Time since it was opened."""
    state: str
    """``"created"`` before start(), then ``"running"``."""
    source_count: int
    """Sources and tables."""
    stream_count: int
    """Streams and materialized views."""
    sink_count: int
    pipeline_watermark: int | None
    """The least watermark of the sources that declare one; None until all have one."""


@dataclass(frozen=True)
class PipelineNode:
    """An object of the pipeline."""

    name: str
    node_type: str
    """``"source"``, ``"table"``, ``"stream"``, ``"view"`` or ``"sink"``."""
    sql: str | None
    """The query of a stream or view; for others what the database tells, or None."""


@dataclass(frozen=True)
class PipelineEdge:
    """`to_node` reads `from_node`."""

    from_node: str
    to_node: str


@dataclass(frozen=True)
class PipelineTopology:
    """What reads what."""

    nodes: list[PipelineNode]
    edges: list[PipelineEdge]


def _utilization(pending: int, capacity: int) -> float:
    return min(1.0, pending / capacity) if capacity else 0.0


def rows(result: "QueryResult") -> Iterable[Mapping[str, Any]]:
    """The rows of a system table, by the names of the columns."""
    columns = result.columns
    return [dict(zip(columns, row, strict=True)) for row in result]


def _system(connection: _native.Connection, *tables: str) -> list[Mapping[str, Any]]:
    return [row for table in tables for row in rows(connection.sql(f"SELECT * FROM {table}"))]


def sources(connection: "Connection") -> list[SourceInfo]:
    """The sources, then the tables."""
    return [
        SourceInfo(connection, row["name"], row["watermark_column"], row["sql"])
        for row in _system(connection, "laminar_sources", "laminar_tables")
    ]


def streams(connection: _native.Connection) -> list[StreamInfo]:
    """The streams, then the materialized views."""
    return [
        StreamInfo(row["name"], row["sql"], row["emit"], row["state"], row["error"])
        for row in _system(connection, "laminar_streams", "laminar_views")
    ]


def sinks(connection: _native.Connection) -> list[SinkInfo]:
    """The sinks."""
    return [SinkInfo(row["name"], row["input"]) for row in _system(connection, "laminar_sinks")]


def queries(connection: _native.Connection) -> list[QueryInfo]:
    """The queries that are open, and the subscriptions to queries."""
    return [
        QueryInfo(row["id"], row["sql"], row["is_active"], row["kind"])
        for row in _system(connection, "laminar_queries")
    ]


def source_metrics(connection: _native.Connection) -> list[SourceMetrics]:
    """How each source and table is doing."""
    return [
        SourceMetrics(
            name=row["name"],
            total_events=row["total_rows"],
            pending=row["pending_rows"],
            capacity=row["capacity_rows"],
            is_backpressured=row["is_backpressured"],
            watermark=row["watermark_ms"],
        )
        for row in _system(connection, "laminar_sources", "laminar_tables")
    ]


def stream_metrics(connection: _native.Connection) -> list[StreamMetrics]:
    """How each stream and materialized view is doing."""
    return [
        StreamMetrics(
            name=row["name"],
            total_events=row["total_rows"],
            pending=row["pending_rows"],
            capacity=row["capacity_rows"],
            is_backpressured=row["is_backpressured"],
            watermark=row["watermark_ms"],
            sql=row["sql"],
        )
        for row in _system(connection, "laminar_streams", "laminar_views")
    ]


def metrics(connection: _native.Connection) -> PipelineMetrics:
    """How the database is doing."""
    (row,) = _system(connection, "laminar_metrics")
    return PipelineMetrics(
        total_events_ingested=row["total_rows_ingested"],
        total_events_emitted=row["total_rows_emitted"],
        total_events_dropped=row["total_rows_dropped"],
        total_cycles=row["epochs"],
        total_batches=row["total_batches"],
        uptime_secs=row["uptime_ms"] / 1000,
        state=row["state"],
        source_count=row["sources"] + row["tables"],
        stream_count=row["streams"] + row["views"],
        sink_count=row["sinks"],
        pipeline_watermark=row["watermark_ms"],
    )


def topology(connection: _native.Connection) -> PipelineTopology:
    """What reads what."""
    found = _system(connection, "laminar_topology")
    return PipelineTopology(
        nodes=[
            PipelineNode(row["name"], row["node_type"], row["sql"])
            for row in found
            if row["kind"] == "node"
        ],
        edges=[
            PipelineEdge(row["from_node"], row["to_node"]) for row in found if row["kind"] == "edge"
        ],
    )
