"""The native part of laminardb."""

from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol, Self, TypeAlias, final, overload, type_check_only

import pandas
import polars
import pyarrow  # type: ignore[import-untyped]
from typing_extensions import disjoint_base

@type_check_only
class _ArrowStream(Protocol):
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

@type_check_only
class _ArrowArray(Protocol):
    def __arrow_c_array__(
        self, requested_schema: object | None = None
    ) -> tuple[object, object]: ...

__all__ = [
    "BatchIterator",
    "Connection",
    "ExecuteResult",
    "close_all",
    "QueryResult",
    "RowIterator",
    "Source",
    "Subscription",
    "Writer",
    "__version__",
    "__library_version__",
]

_Row: TypeAlias = Mapping[str, Any]
_Columns: TypeAlias = Mapping[str, Sequence[Any]]
_Text: TypeAlias = str | bytes | bytearray
_Data: TypeAlias = _Row | _Columns | Iterable[_Row] | _ArrowStream | _ArrowArray | _Text

__version__: str
__library_version__: str

def close_all() -> None:
    """Closes every database that is still open."""

@disjoint_base
class Connection:
    """What `laminardb.Connection` extends: a database that is open. Made by `laminardb.open`.
    Threads may share it. It closes itself at the end of a `with`; after `close()` every call raises
    ConnectionError."""

    def __new__(cls, config_json: str | None = None) -> Self: ...
    @property
    def is_closed(self) -> bool:
        """Whether close() was called."""

    def close(self) -> None:
        """Shuts the database down. Whoever waits in a subscription wakes. The second time it does
        nothing."""

    def shutdown(self) -> None:
        """Stops the database and wakes whoever waits. Unlike after close(), subscriptions may be
        read to their end."""

    def start(self) -> None:
        """Lets the streams run: what was inserted before is processed now."""

    def execute(self, sql: str) -> ExecuteResult:
        """Runs one SQL statement of any kind."""

    def sql(self, sql: str) -> QueryResult:
        """Runs a query and reads all of its rows."""

    def query(self, sql: str) -> QueryResult:
        """Runs a query and reads all of its rows."""

    def stream(self, sql: str) -> BatchIterator:
        """Runs a query whose rows are read batch by batch."""

    def cancel_query(self, query_id: int) -> bool:
        """Cancels the query, or ends the subscription, of a number that `queries()` tells; whether
        there was one."""

    def explain(self, sql: str) -> str:
        """The plan of a statement, or of a stream by its name, for people to read."""

    def insert(self, source: str, data: _Data) -> int:
        """Puts rows into a source and returns how many. Takes one row (a dict), rows (an iterable
        of dicts), columns (a dict of sequences), a data frame of pandas or polars, anything that
        hands out Arrow data, and text: JSON when it begins with a bracket or a brace, CSV
        otherwise. All of it lands as one epoch, or, when something does not fit, nothing:
        IngestionError names the column."""

    def insert_text(
        self, source: str, form: str, data: _Text, options_json: str | None = None
    ) -> int:
        """Puts rows that are written as text into a source and returns how many. The form is "json"
        or "csv"; `laminardb.Connection` makes the options."""

    def writer(self, source: str) -> Writer:
        """A writer that gathers rows for a source; use it in a `with`."""

    def source(self, name: str) -> Source:
        """A producer of a source, whose pushes are processed when they return."""

    def follow(self, name_or_query: str, options_json: str | None = None) -> Subscription:
        """Follows a query, a stream or a sink; `laminardb.Connection` makes the options."""

    def take_checkpoint(self) -> int:
        """Takes a checkpoint; returns its number."""

    def set_log(self, level: int, listener: Callable[[int, str], object] | None) -> None:
        """Tells `listener(level, line)` of the database's work, from a level (1: errors, 4: all)
        on; None tells nobody any more."""

    def add_scalar(
        self,
        name: str,
        function: Callable[..., Any],
        arguments: QueryResult | None,
        result: QueryResult,
        options_json: str,
    ) -> None:
        """Registers a scalar function; `laminardb.Connection` finds the types: those of the columns
        of `arguments` (None: there are no arguments), and that of the one column of `result`."""

    def add_aggregate(
        self,
        name: str,
        function_class: type,
        arguments: QueryResult | None,
        state: QueryResult,
        result: QueryResult,
        options_json: str,
    ) -> None:
        """Registers an aggregate function; `laminardb.Connection` finds the types, among them that
        of a state, one column of bytes."""

    def __enter__(self) -> Self: ...
    def __exit__(self, _class: object, _error: object, _traceback: object) -> None: ...

@final
class BatchIterator:
    """The batches of a query, one after another, each as a QueryResult. They are computed as they
    are read."""

    @property
    def query_id(self) -> int:
        """The number of the query, for `Connection.cancel_query`; 0 when it is not listed."""

    def cancel(self) -> None:
        """Cancels the query: reading on raises QueryError with code QUERY_CANCELLED."""

    def __iter__(self) -> BatchIterator: ...
    def __next__(self) -> QueryResult: ...

@final
class ExecuteResult:
    """What a statement did."""

    @property
    def result_type(self) -> str:
        """"ddl" (CREATE, DROP, ALTER), "dml" (INSERT, UPDATE, DELETE), "query" (it answered rows),
        or "utility" (all else)."""

    @property
    def rows_affected(self) -> int:
        """Rows inserted, updated or deleted; the rows answered by a query."""

    @property
    def ddl_type(self) -> str | None:
        """The words of a definition, such as "CREATE SOURCE"; None for other statements."""

    @property
    def ddl_object(self) -> str | None:
        """The name of what was defined; None for other statements."""

    def to_query_result(self) -> QueryResult:
        """The rows of a query. Raises QueryError for other statements."""

    def __int__(self) -> int: ...

@final
class QueryResult:
    """Rows: of a query, or of one change of a subscription. They never change, and other libraries
    share them without a copy through Arrow's capsules."""

    @property
    def num_rows(self) -> int:
        """How many rows there are."""

    @property
    def num_columns(self) -> int:
        """How many columns there are."""

    @property
    def num_batches(self) -> int:
        """How many Arrow batches the rows lie in."""

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""

    @property
    def schema(self) -> pyarrow.Schema:
        """The columns, as a pyarrow.Schema."""

    @property
    def epoch(self) -> int | None:
        """The epoch of a change of a subscription; None for a query."""

    @property
    def weights(self) -> list[int] | None:
        """For each row +1 if it came and -1 if it went; None when every row came."""

    @property
    def is_reset(self) -> bool:
        """Whether changes were missed and these rows are the whole content from which to go on."""

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows, as tuples. Does not move fetchone()."""

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row as a tuple, from the first one on; None after the last."""

    def fetchmany(self, size: int = 1) -> list[tuple[Any, ...]]:
        """The next rows as tuples, at most so many."""

    def to_dicts(self) -> dict[str, list[Any]]:
        """The columns by name, each a list of its values."""

    def to_arrow(self) -> pyarrow.Table:
        """A pyarrow.Table that shares the rows."""

    def arrow(self) -> pyarrow.Table:
        """A pyarrow.Table that shares the rows."""

    def to_pandas(self) -> pandas.DataFrame:
        """A pandas.DataFrame."""

    def df(self) -> pandas.DataFrame:
        """A pandas.DataFrame."""

    @overload
    def to_polars(self, lazy: Literal[False] = False) -> polars.DataFrame:
        """A polars.DataFrame, or with `lazy` a polars.LazyFrame."""

    @overload
    def to_polars(self, lazy: Literal[True]) -> polars.LazyFrame: ...

    @overload
    def pl(self, lazy: Literal[False] = False) -> polars.DataFrame:
        """A polars.DataFrame, or with `lazy` a polars.LazyFrame."""

    @overload
    def pl(self, lazy: Literal[True]) -> polars.LazyFrame: ...

    def to_df(self) -> polars.DataFrame | pandas.DataFrame | pyarrow.Table:
        """A data frame of the first library that is there: polars, pandas, pyarrow."""

    def show(self, max_rows: int = 20) -> None:
        """Prints the first rows as a table."""

    def _repr_html_(self) -> str: ...
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The rows as a stream in a capsule, shared without a copy. A requested schema is not
        followed."""

    def __arrow_c_schema__(self) -> object:
        """The columns as a schema in a capsule."""

    def __len__(self) -> int: ...
    def __iter__(self) -> RowIterator: ...

@final
class RowIterator:
    """The rows of a result, one after another."""

    def __iter__(self) -> RowIterator: ...
    def __next__(self) -> tuple[Any, ...]: ...

@final
class Subscription:
    """The changes of a stream or a query, batch by batch. Waiting lets other threads run; Ctrl-C
    interrupts it. Any thread may cancel.

    Batches of results that can be taken back carry `weights`. After `cancel()` there is nothing
    more to come; after the connection was closed a call raises ConnectionError. Changes that were
    missed raise SubscriptionError with code SUBSCRIPTION_LAGGED, after which the subscription goes
    on."""

    @property
    def schema(self) -> pyarrow.Schema:
        """The columns of the batches, as a pyarrow.Schema."""

    @property
    def is_active(self) -> bool:
        """Whether more can come: False after cancel(), after the end, and when the connection was
        closed."""

    @property
    def epoch(self) -> int:
        """The epoch of the last batch; 0 before the first."""

    @property
    def lagged(self) -> int:
        """Rows that were missed since the subscription was made."""

    def ready_descriptor(self) -> int:
        """A descriptor that can be read when try_next() may have something, after it answered
        None."""

    def clear_ready(self) -> None:
        """Takes out what made the descriptor readable; call it before try_next()."""

    def next_timeout(self, timeout_ms: int) -> QueryResult | None:
        """The next batch, waiting at most so many milliseconds; None when nothing came or will
        come."""

    def try_next(self) -> QueryResult | None:
        """The next batch if there is one; None otherwise."""

    def next(self) -> QueryResult | None:
        """The next batch, waiting as long as it takes; None when nothing will come any more."""

    def cancel(self) -> None:
        """Ends the subscription and wakes whoever waits. The second time it does nothing."""

    def __iter__(self) -> Subscription: ...
    def __next__(self) -> QueryResult: ...
    def __enter__(self) -> Subscription: ...
    def __exit__(self, _class: object, _error: object, _traceback: object) -> None: ...

@final
class Source:
    """A producer of one source: what is pushed is processed when the call returns. It has a
    watermark of its own, and the watermark of the source is the smallest of its open producers.
    Give each producing thread its own by `clone()`."""

    @property
    def name(self) -> str:
        """The name of the source."""

    @property
    def schema(self) -> pyarrow.Schema:
        """The columns, as a pyarrow.Schema."""

    @property
    def pending(self) -> int:
        """Rows that are held back until start(); 0 afterwards."""

    @property
    def capacity(self) -> int:
        """Rows that may be held back until start()."""

    @property
    def current_watermark(self) -> int | None:
        """The largest watermark set here, in milliseconds, or None."""

    def push(self, data: _Data) -> int:
        """Pushes what `Connection.insert` takes, all of it as one epoch; returns the rows."""

    def try_push(self, data: _Data) -> int | None:
        """As push(), for rows and single Arrow batches, but never waits for room: None when there
        is none, and nothing was taken."""

    def push_async(self, data: _Data) -> Coroutine[Any, Any, int]:
        """As try_push(), in an event loop: waits for room without a thread, as long as it takes.
        Limit it with asyncio.timeout()."""

    def room_descriptor(self) -> int:
        """A descriptor that can be read when there may be room again."""

    def clear_room(self) -> None:
        """Takes back what was told of room, before another try."""

    def watermark(self, ts_ms: int) -> None:
        """Says that every row of this producer up to this event time (milliseconds) has been
        pushed."""

    def end_of_input(self) -> None:
        """Says that this producer sends nothing any more; a later push through it is refused. When
        every producer of the source has said so or is closed, all windows close."""

    def clone(self) -> Source:
        """One more producer of the same source, for another thread."""

    def close(self) -> None:
        """Gives the producer up, so that its watermark holds the source back no longer."""

    def __enter__(self) -> Source: ...
    def __exit__(self, _class: object, _error: object, _traceback: object) -> None: ...

@final
class Writer:
    """A producer that gathers rows and pushes them 1,024 at a time, at a watermark, at `flush()`
    and when it is closed. It closes itself at the end of a `with`."""

    @property
    def name(self) -> str:
        """The name of the source."""

    @property
    def schema(self) -> pyarrow.Schema:
        """The columns, as a pyarrow.Schema."""

    @property
    def current_watermark(self) -> int | None:
        """The largest watermark set here, in milliseconds, or None."""

    @property
    def is_closed(self) -> bool:
        """Whether the writer, or its database, was closed."""

    def insert(self, data: _Data) -> int:
        """Takes what `Connection.insert` takes and returns the rows. Wrong data raises
        IngestionError naming the column, and nothing of it is taken; what was taken before
        stays."""

    def try_insert(self, data: _Data) -> int | None:
        """As insert(), for rows, which are gathered and not pushed, and single Arrow batches; never
        waits for room: None when there is none, and nothing was taken."""

    @property
    def gathered(self) -> int:
        """Rows that are gathered."""

    def try_flush(self) -> int | None:
        """As flush(), but never waits for room: None when there is none."""

    def room_descriptor(self) -> int:
        """A descriptor that can be read when there may be room again."""

    def clear_room(self) -> None:
        """Takes back what was told of room, before another try."""

    def watermark(self, ts_ms: int) -> None:
        """Pushes the rows gathered, then says that every row of this writer up to this event time
        (milliseconds) has been pushed."""

    def end_of_input(self) -> None:
        """Pushes the rows gathered, then says that this writer sends nothing any more; a later insert
        through it is refused. When every producer of the source has said so or is closed, all
        windows close."""

    def flush(self) -> int:
        """Pushes the rows gathered; returns how many."""

    def close(self) -> None:
        """Pushes the rows gathered and gives the writer up; when there is no room for them it stays
        open. The second time it does nothing."""

    def __enter__(self) -> Writer: ...
    def __exit__(self, _class: object, _error: object, _traceback: object) -> None: ...
