"""Subscriptions, pushes and writers for asyncio."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakValueDictionary

from laminardb import codes
from laminardb._errors import ConnectionError
from laminardb._laminardb import QueryResult, Source, Subscription, Writer

if TYPE_CHECKING:
    import pyarrow  # type: ignore[import-untyped]


class AsyncSubscription:
    """A subscription to be read from an event loop. Nothing waits in a thread: the loop watches a
    descriptor that the database makes readable when there is something."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self._descriptor = subscription.ready_descriptor()
        self._reading = asyncio.Lock()

    @property
    def schema(self) -> "pyarrow.Schema":
        """The columns of the batches, as a pyarrow.Schema."""
        return self._subscription.schema

    @property
    def is_active(self) -> bool:
        """Whether more can come: False after cancel(), after the end, and when the connection was
        closed."""
        return self._subscription.is_active

    @property
    def epoch(self) -> int:
        """The epoch of the last batch; 0 before the first."""
        return self._subscription.epoch

    @property
    def lagged(self) -> int:
        """Rows that were missed since the subscription was made."""
        return self._subscription.lagged

    def try_next(self) -> QueryResult | None:
        """The next batch if there is one; None otherwise."""
        return self._subscription.try_next()

    async def next(self) -> QueryResult | None:
        """The next batch, waiting as long as it takes; None when nothing will come any more."""
        async with self._reading:
            self._subscription.clear_ready()
            batch = self._subscription.try_next()
            while batch is None and self._subscription.is_active:
                await _readable(self._descriptor)
                self._subscription.clear_ready()
                try:
                    batch = self._subscription.try_next()
                except ConnectionError as error:
                    # Closed under the call: the end, as for who waits in a thread.
                    if error.code != codes.CONNECTION_CLOSED:
                        raise
            return batch

    async def next_timeout(self, timeout_ms: int) -> QueryResult | None:
        """The next batch, waiting at most so many milliseconds; None when nothing came or will
        come."""
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                return await self.next()
        except TimeoutError:
            # A batch that came at the last moment is not lost: next() does not wait after it has
            # taken one.
            return None

    def cancel(self) -> None:
        """Ends the subscription and wakes whoever waits. The second time it does nothing."""
        self._subscription.cancel()

    def __aiter__(self) -> "AsyncSubscription":
        return self

    async def __anext__(self) -> QueryResult:
        batch = await self.next()
        if batch is None:
            raise StopAsyncIteration
        return batch

    async def __aenter__(self) -> "AsyncSubscription":
        return self

    async def __aexit__(self, _class: object, _error: object, _traceback: object) -> None:
        self.cancel()

    def __repr__(self) -> str:
        return f"<laminardb.AsyncSubscription of {self._subscription!r}>"


class AsyncWriter:
    """A producer that gathers rows, for an event loop; `Connection.writer_async` makes it. It pushes
    1,024 rows at a time, at a watermark, at `flush()` and when it is closed, and waits for room
    without a thread, as long as it takes: limit it with asyncio.timeout(). A call that is cancelled
    has taken nothing, and what was gathered before waits on. It closes itself at the end of an
    `async with`."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._calls = asyncio.Lock()

    @property
    def name(self) -> str:
        """The name of the source."""
        return self._writer.name

    @property
    def schema(self) -> "pyarrow.Schema":
        """The columns, as a pyarrow.Schema."""
        return self._writer.schema

    @property
    def current_watermark(self) -> int | None:
        """The largest watermark set here, in milliseconds, or None."""
        return self._writer.current_watermark

    @property
    def is_closed(self) -> bool:
        """Whether the writer, or its database, was closed."""
        return self._writer.is_closed

    async def insert(self, data: Any) -> int:
        """Takes rows as `Connection.insert` takes them, or one Arrow batch, which is pushed at once;
        returns the rows. Wrong data raises IngestionError naming the column, and nothing of it is
        taken; what was taken before stays."""
        async with self._calls:
            if self._writer.gathered >= BATCH_ROWS:
                await self._flush()
            rows = await _with_room(self._writer, lambda: self._writer.try_insert(data))
            if self._writer.gathered >= BATCH_ROWS:
                # Without room they wait, and the next call pushes them first.
                self._writer.try_flush()
            return rows

    async def watermark(self, ts_ms: int) -> None:
        """Pushes the rows gathered, then says that every row of this writer up to this event time
        (milliseconds) has been pushed."""
        async with self._calls:
            await self._flush()
            self._writer.watermark(ts_ms)

    async def end_of_input(self) -> None:
        """Pushes the rows gathered, then says that this writer sends nothing any more; a later insert
        through it is refused."""
        async with self._calls:
            await self._flush()
            self._writer.end_of_input()

    async def flush(self) -> int:
        """Pushes the rows gathered; returns how many."""
        async with self._calls:
            return await self._flush()

    async def close(self) -> None:
        """Pushes the rows gathered and gives the writer up; the second time it does nothing."""
        async with self._calls:
            if self._writer.is_closed:
                return
            try:
                await self._flush()
            finally:
                # Without room, when the call was cancelled, it stays open.
                if self._writer.is_closed or self._writer.gathered == 0:
                    self._writer.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, error_class: object, _error: object, _traceback: object) -> None:
        try:
            await self.close()
        except Exception:
            # An error of the block goes before one of the last push.
            if error_class is None:
                raise

    def __repr__(self) -> str:
        return f"<laminardb.AsyncWriter of {self._writer!r}>"

    async def _flush(self) -> int:
        return await _with_room(self._writer, self._writer.try_flush)


BATCH_ROWS = 1_024
"""Rows that a writer gathers before it pushes them."""


# Whose turn it is to push through a producer, by its loop and descriptor: room is told once, to one.
_turns: WeakValueDictionary[tuple[int, int], asyncio.Lock] = WeakValueDictionary()


async def push(source: Source, data: Any) -> int:
    """Pushes rows or one Arrow batch, waiting for room without a thread."""
    return await _with_room(source, lambda: source.try_push(data))


async def _with_room(producer: Source | Writer, attempt: Callable[[], int | None]) -> int:
    """Makes an attempt, and again when there is room, until it answers rows."""
    descriptor = producer.room_descriptor()
    turn = _turns.setdefault((id(asyncio.get_running_loop()), descriptor), asyncio.Lock())
    async with turn:
        while True:
            # What was told before this try is forgotten; what is told from now on is not.
            producer.clear_room()
            rows = attempt()
            if rows is not None:
                return rows
            await _readable(descriptor)


async def _readable(descriptor: int) -> None:
    """Waits until a descriptor can be read."""
    loop = asyncio.get_running_loop()
    readable = loop.create_future()

    def is_readable() -> None:
        if not readable.done():
            readable.set_result(None)

    loop.add_reader(descriptor, is_readable)
    try:
        await readable
    finally:
        loop.remove_reader(descriptor)
