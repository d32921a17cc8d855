"""Subscriptions and pushes for asyncio."""

import asyncio
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from laminardb import codes
from laminardb._errors import ConnectionError
from laminardb._laminardb import QueryResult, Source, Subscription

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


# Whose turn it is to push through a source, by its loop and descriptor: room is told once, to one.
_turns: WeakValueDictionary[tuple[int, int], asyncio.Lock] = WeakValueDictionary()


async def push(source: Source, data: Any) -> int:
    """Pushes rows or one Arrow batch, waiting for room without a thread."""
    descriptor = source.room_descriptor()
    turn = _turns.setdefault((id(asyncio.get_running_loop()), descriptor), asyncio.Lock())
    async with turn:
        while True:
            # What was told before this try is forgotten; what is told from now on is not.
            source.clear_room()
            rows = source.try_push(data)
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
