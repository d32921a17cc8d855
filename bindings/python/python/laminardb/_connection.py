"""`laminardb.Connection`."""

import asyncio
import json as _json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from laminardb import _catalog, _laminardb, codes
from laminardb._async import AsyncSubscription, AsyncWriter
from laminardb._callback import CallbackSubscription, OnData, OnError
from laminardb._definitions import create_source, quoted, sql_type
from laminardb._errors import make_error
from laminardb._functions import AggregateFunction
from laminardb._laminardb import QueryResult, Subscription
from laminardb.types import CheckpointResult

if TYPE_CHECKING:
    import pyarrow  # type: ignore[import-untyped]


class Sink:
    """A sink of a database, to be followed."""

    def __init__(self, connection: "Connection", name: str) -> None:
        self.name = name
        self._connection = connection

    def subscribe(self, **options: Any) -> Subscription:
        """Follows what goes into it, with the options of `Connection.subscribe_stream`."""
        return self._connection.subscribe_stream(self.name, **options)

    async def subscribe_async(self, **options: Any) -> AsyncSubscription:
        """Follows what goes into it, from an event loop."""
        return await self._connection.subscribe_stream_async(self.name, **options)

    def subscribe_callback(
        self, on_data: OnData, on_error: OnError | None = None, **options: Any
    ) -> CallbackSubscription:
        """Gives what goes into it to a function, on a daemon thread of its own."""
        return self._connection.subscribe_stream_callback(
            self.name, on_data, on_error, **options
        )

    def __repr__(self) -> str:
        return f"<laminardb.Sink {self.name!r}>"


class Connection(_laminardb.Connection):
    """A database that is open; made by `laminardb.open`. Threads may share it. It closes itself at
    the end of a `with` or `async with`; after `close()` every call raises ConnectionError."""

    _is_stopped = False

    # What it is doing.

    @property
    def pipeline_state(self) -> str:
        """``"created"`` before start(), ``"running"``, and ``"stopped"`` after shutdown() or
        close()."""
        if self._is_stopped or self.is_closed:
            return "stopped"
        return self.metrics().state

    @property
    def pipeline_watermark(self) -> int | None:
        """The least watermark of the sources that declare one, in milliseconds since 1970; None
        until all have one."""
        return self.metrics().pipeline_watermark

    @property
    def total_events_processed(self) -> int:
        """Rows that sources and tables took in."""
        return self.metrics().total_events_ingested

    @property
    def source_count(self) -> int:
        """How many sources and tables there are."""
        return self.metrics().source_count

    @property
    def stream_count(self) -> int:
        """How many streams and materialized views there are."""
        return self.metrics().stream_count

    @property
    def sink_count(self) -> int:
        """How many sinks there are."""
        return self.metrics().sink_count

    @property
    def active_query_count(self) -> int:
        """How many queries are open and not yet read to their end."""
        return sum(query.active for query in self.queries())

    @property
    def is_checkpoint_enabled(self) -> bool:
        """Whether checkpoints are taken: never in memory."""
        return False

    def checkpoint(self) -> CheckpointResult | None:
        """Takes a checkpoint; None when they are off."""
        return CheckpointResult(self.take_checkpoint()) if self.is_checkpoint_enabled else None

    def shutdown(self) -> None:
        """Stops the database: everything inserted before has been processed, and nothing more is
        taken. What is left in subscriptions can still be read. The second time it does nothing."""
        if not self._is_stopped:
            super().shutdown()
            self._is_stopped = True

    def cancel_query(self, query_id: int) -> bool:
        """Cancels the query, or ends the subscription, of a number that `queries()` tells; whether
        there was one."""
        return not self._is_stopped and super().cancel_query(query_id)

    # What there is.

    def create_table(self, name: str, schema: "Mapping[str, object] | pyarrow.Schema") -> None:
        """Creates a source. The schema is a dict of columns to types of Arrow or their names, or a
        pyarrow.Schema."""
        self.execute(create_source(name, schema))

    def list_tables(self) -> list[str]:
        """The names of the sources and tables."""
        return [source.name for source in self.sources()]

    def tables(self) -> list[str]:
        """The names of the sources and tables."""
        return self.list_tables()

    def list_streams(self) -> list[str]:
        """The names of the streams and materialized views."""
        return [stream.name for stream in self.streams()]

    def materialized_views(self) -> list[str]:
        """The names of the streams and materialized views."""
        return self.list_streams()

    def list_sinks(self) -> list[str]:
        """The names of the sinks."""
        return [sink.name for sink in self.sinks()]

    def schema(self, name: str) -> "pyarrow.Schema":
        """The columns of a source, table, stream or view, as a pyarrow.Schema."""
        return self.sql(f"SELECT * FROM {quoted(name)} LIMIT 0").schema

    def sources(self) -> list[_catalog.SourceInfo]:
        """The sources and tables."""
        return _catalog.sources(self)

    def streams(self) -> list[_catalog.StreamInfo]:
        """The streams and materialized views."""
        return _catalog.streams(self)

    def sinks(self) -> list[_catalog.SinkInfo]:
        """The sinks."""
        return _catalog.sinks(self)

    def queries(self) -> list[_catalog.QueryInfo]:
        """The queries that are open, and the subscriptions to queries."""
        return _catalog.queries(self)

    def topology(self) -> _catalog.PipelineTopology:
        """What reads what."""
        return _catalog.topology(self)

    # How it is doing.

    def metrics(self) -> _catalog.PipelineMetrics:
        """How the database is doing."""
        return _catalog.metrics(self)

    def all_source_metrics(self) -> list[_catalog.SourceMetrics]:
        """How each source and table is doing."""
        return _catalog.source_metrics(self)

    def source_metrics(self, name: str) -> _catalog.SourceMetrics | None:
        """How a source or table is doing; None when there is none of that name."""
        return next((found for found in self.all_source_metrics() if found.name == name), None)

    def all_stream_metrics(self) -> list[_catalog.StreamMetrics]:
        """How each stream and materialized view is doing."""
        return _catalog.stream_metrics(self)

    def stream_metrics(self, name: str) -> _catalog.StreamMetrics | None:
        """How a stream or view is doing; None when there is none of that name."""
        return next((found for found in self.all_stream_metrics() if found.name == name), None)

    def stats(self, name: str) -> dict[str, Any]:
        """How a source or table is doing, as a dict. Raises SchemaError when there is none."""
        found = self.source_metrics(name)
        if found is None:
            raise not_found("source or table", name)
        return {
            "name": found.name,
            "total_events": found.total_events,
            "pending": found.pending,
            "capacity": found.capacity,
            "is_backpressured": found.is_backpressured,
            "watermark": found.watermark,
            "utilization": found.utilization,
        }

    def on_log(self, listener: Callable[[int, str], object] | None, level: int = 3) -> None:
        """Tells `listener(level, line)` of the database's work from a level on: 1 are errors, 2
        warnings, 3 definitions, 4 queries. None tells nobody any more."""
        self.set_log(level, listener)

    # Text.

    def insert_json(
        self, source: str, json: str | bytes | bytearray, *, epoch: str | None = None
    ) -> int:
        """Puts rows of JSON (an object, an array of objects, or objects one after another) into a
        source and returns how many. All of it lands, or nothing. `epoch` is the unit of integers in
        columns of timestamps: ``"s"``, ``"ms"`` (the default), ``"us"`` or ``"ns"``."""
        return self.insert_text(source, "json", json, _options(epoch=epoch))

    def insert_csv(
        self,
        source: str,
        csv: str | bytes | bytearray,
        *,
        header: bool | None = None,
        delimiter: str | None = None,
        quote: str | None = None,
        null: str | None = None,
        epoch: str | None = None,
    ) -> int:
        """Puts rows of CSV into a source and returns how many. All of it lands, or nothing.

        The first line names the columns unless `header` is False. `null` is the text that is NULL
        (the empty one), and `epoch` the unit of integers in columns of timestamps.
        """
        options = _options(
            header=header, delimiter=delimiter, quote=quote, null=null, epoch=epoch
        )
        return self.insert_text(source, "csv", csv, options)

    # Functions.

    def register_function(
        self,
        name: str,
        function: Callable[..., Any],
        arguments: Sequence[object],
        returns: object,
        *,
        volatility: str = "immutable",
    ) -> None:
        """Adds a function to SQL. It is called with the values of each row, NULL as None; the types
        are those of Arrow or their names. A row for which it raises is left out and becomes a dead
        letter. `volatility` is ``"immutable"`` (equal arguments give equal results), ``"stable"``
        (within a statement) or ``"volatile"``."""
        options = _json.dumps({"volatility": volatility})
        argument_types, result_type = self._argument_types(arguments), self._types([returns])
        self.add_scalar(name, function, argument_types, result_type, options)

    def register_aggregate(
        self,
        name: str,
        function_class: type[AggregateFunction],
        arguments: Sequence[object],
        returns: object,
        *,
        retractable: bool = False,
    ) -> None:
        """Adds an aggregate function to SQL: a class whose instances `update()` with the values of
        each row, `merge()` with another and `evaluate()`. What they hold is pickled in between.
        With `retractable` the result depends on nothing but which rows there are, and it may stand
        over rows that change."""
        options = _json.dumps({"retractable": retractable})
        types = self._argument_types(arguments), self._types(["binary"]), self._types([returns])
        self.add_aggregate(name, function_class, *types, options)

    def _argument_types(self, types: Sequence[object]) -> QueryResult | None:
        """The same for arguments, of which there may be none."""
        return self._types(types) if types else None

    def _types(self, types: Sequence[object]) -> QueryResult:
        """No rows, in columns of these types."""
        named = [(f"argument_{number}", given) for number, given in enumerate(types, 1)]
        columns = [f"CAST(NULL AS {sql_type(name, given)}) AS {name}" for name, given in named]
        return self.sql(f"SELECT {', '.join(columns)} LIMIT 0")

    # Reading.

    def query_stream(self, name: str, filter: str | None = None) -> QueryResult:
        """The rows of a stream now; with `filter`, those that meet the condition of SQL."""
        # The condition ends with its line, in case that it ends with a comment.
        where = "" if filter is None else f" WHERE ({filter}\n)"
        return self.sql(f"SELECT * FROM {quoted(name)}{where}")

    def sink(self, name: str) -> Sink:
        """A sink, to be followed. Raises SchemaError when there is none of that name."""
        if name not in self.list_sinks():
            raise not_found("sink", name)
        return Sink(self, name)

    def subscribe(
        self,
        sql: str,
        *,
        snapshot: bool | None = None,
        predicate: str | None = None,
        capacity: int | None = None,
        on_full: str | None = None,
        as_of_epoch: int | None = None,
    ) -> Subscription:
        """Follows a query: its rows now, then every change of them.

        `snapshot` says whether the rows that are there come first; `predicate` is a condition of
        SQL that they meet; `capacity` is how many rows may wait and `on_full` what happens when more
        do; `as_of_epoch` goes on after an epoch.
        """
        options = _options(
            snapshot=snapshot,
            predicate=predicate,
            capacity=capacity,
            on_full=on_full,
            as_of_epoch=as_of_epoch,
        )
        return self.follow(sql, options)

    def subscribe_stream(self, name: str, **options: Any) -> Subscription:
        """Follows a stream or sink by its name: every change from now on. Takes the options of
        `subscribe`."""
        return self.subscribe(name, **options)

    async def subscribe_async(self, sql: str, **options: Any) -> AsyncSubscription:
        """As `subscribe`, for an event loop."""
        return AsyncSubscription(await asyncio.to_thread(self.subscribe, sql, **options))

    async def subscribe_stream_async(self, name: str, **options: Any) -> AsyncSubscription:
        """As `subscribe_stream`, for an event loop."""
        return await self.subscribe_async(name, **options)

    def subscribe_callback(
        self, sql: str, on_data: OnData, on_error: OnError | None = None, **options: Any
    ) -> CallbackSubscription:
        """As `subscribe`, giving each batch to a function, on a daemon thread of its own."""
        return CallbackSubscription(self.subscribe(sql, **options), on_data, on_error)

    def subscribe_stream_callback(
        self, name: str, on_data: OnData, on_error: OnError | None = None, **options: Any
    ) -> CallbackSubscription:
        """As `subscribe_stream`, giving each batch to a function, on a daemon thread of its own."""
        return self.subscribe_callback(name, on_data, on_error, **options)

    async def writer_async(self, source: str) -> AsyncWriter:
        """As `writer`, for an event loop."""
        return AsyncWriter(await asyncio.to_thread(self.writer, source))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, _class: object, _error: object, _traceback: object) -> None:
        await asyncio.to_thread(self.close)


def _options(**options: object) -> str | None:
    """The options that were given, as the library reads them."""
    given = {key: value for key, value in options.items() if value is not None}
    return _json.dumps(given) if given else None


def not_found(kind: str, name: str) -> Exception:
    """The error that no object of a kind has a name."""
    text = f"LDB-2001: there is no {kind} called `{name}`"
    return make_error(text, codes.TABLE_NOT_FOUND, "LDB-2001", None, None)
