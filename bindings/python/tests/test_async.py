"""Subscriptions in an event loop."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable

import pytest

import laminardb
from laminardb import codes

ROW = {"ts": 1, "device": "a", "value": 1.0}


def run(main: Callable[[], Awaitable[object]]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(main(), 30)

    asyncio.run(limited())


def test_iteration(sensors: laminardb.Connection) -> None:
    async def main() -> None:
        subscription = await sensors.subscribe_async("SELECT ts FROM sensors")
        assert subscription.schema.names == ["ts"]
        seen = []

        async def push() -> None:
            for ts in range(20):
                sensors.insert("sensors", {"ts": ts})
                await asyncio.sleep(0.001)

        pushing = asyncio.create_task(push())
        async for batch in subscription:
            seen += batch.fetchall()
            if len(seen) == 20:
                subscription.cancel()
        await pushing
        assert seen == [(ts,) for ts in range(20)]
        assert not subscription.is_active
        assert subscription.try_next() is None
        subscription.cancel()

    run(main)


def test_what_another_thread_pushes_wakes_the_loop(sensors: laminardb.Connection) -> None:
    async def main() -> None:
        subscription = await sensors.subscribe_stream_async("sensors")
        assert subscription.try_next() is None
        pushing = threading.Timer(0.1, sensors.insert, ("sensors", ROW))
        pushing.start()
        batch = await subscription.next()
        assert batch is not None and batch.fetchall() == [(1, "a", 1.0)]
        assert subscription.epoch == batch.epoch
        assert subscription.lagged == 0
        pushing.join()

    run(main)


def test_the_loop_is_free_while_one_waits(sensors: laminardb.Connection) -> None:
    async def main() -> None:
        subscription = await sensors.subscribe_async("SELECT * FROM sensors")
        waiting = asyncio.create_task(subscription.next())
        turns = 0
        start = time.monotonic()
        while time.monotonic() - start < 0.2:
            await asyncio.sleep(0)
            turns += 1
        assert turns > 100
        assert not waiting.done()
        sensors.insert("sensors", ROW)
        batch = await waiting
        assert batch is not None and len(batch) == 1

    run(main)


def test_timeouts(sensors: laminardb.Connection) -> None:
    async def main() -> None:
        subscription = await sensors.subscribe_async("SELECT * FROM sensors")
        start = time.monotonic()
        assert await subscription.next_timeout(50) is None
        assert 0.04 < time.monotonic() - start < 5
        sensors.insert("sensors", ROW)
        for timeout_ms in (1000, 0):
            batch = await subscription.next_timeout(timeout_ms)
            assert batch is not None
            sensors.insert("sensors", ROW)

    run(main)


@pytest.mark.parametrize("end", ["cancel", "close", "shutdown"])
def test_the_end_wakes_who_waits(sensors: laminardb.Connection, end: str) -> None:
    async def main() -> None:
        subscription = await sensors.subscribe_async("SELECT * FROM sensors")
        waiting = asyncio.create_task(subscription.next())
        await asyncio.sleep(0.05)
        if end == "cancel":
            subscription.cancel()
        else:
            await asyncio.to_thread(getattr(sensors, end))
        assert await waiting is None
        assert not subscription.is_active

    run(main)


def test_a_task_that_is_cancelled_leaves_the_subscription(sensors: laminardb.Connection) -> None:
    async def main() -> None:
        async with await sensors.subscribe_async("SELECT * FROM sensors") as subscription:
            waiting = asyncio.create_task(subscription.next())
            await asyncio.sleep(0.01)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            sensors.insert("sensors", ROW)
            batch = await subscription.next()
            assert batch is not None and len(batch) == 1
        assert not subscription.is_active

    run(main)


def test_several_tasks_share_one(sensors: laminardb.Connection) -> None:
    async def main() -> None:
        subscription = await sensors.subscribe_async("SELECT * FROM sensors")
        waiting = [asyncio.create_task(subscription.next()) for _ in range(3)]
        for _ in range(3):
            await asyncio.sleep(0.01)
            sensors.insert("sensors", ROW)
        batches = await asyncio.gather(*waiting)
        assert all(batch is not None and len(batch) == 1 for batch in batches)

    run(main)


def test_the_connection_closes_itself() -> None:
    async def main() -> None:
        async with laminardb.open() as conn:
            assert not conn.is_closed
        assert conn.is_closed
        with pytest.raises(laminardb.ConnectionError) as caught:
            await conn.subscribe_async("SELECT 1")
        assert caught.value.code == codes.CONNECTION_CLOSED

    run(main)


def test_an_error_comes_out(sensors: laminardb.Connection) -> None:
    async def main() -> None:
        with pytest.raises(laminardb.LaminarError) as caught:
            await sensors.subscribe_stream_async("missing")
        assert caught.value.code == codes.TABLE_NOT_FOUND

    run(main)


def test_a_push_waits_for_room_in_the_loop(sensors: laminardb.Connection) -> None:
    async def main() -> None:
        options = {"capacity": 2, "on_full": "block"}
        subscription = await sensors.subscribe_stream_async("sensors", **options)
        sources = [sensors.source("sensors") for _ in range(3)]
        assert await sources[0].push_async([ROW, ROW]) == 2
        pushes = [asyncio.create_task(source.push_async(ROW)) for source in sources]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await sources[0].push_async(ROW)
        assert not any(push.done() for push in pushes)
        read = 0
        while read < 5:
            batch = await subscription.next()
            assert batch is not None
            read += batch.num_rows
        assert await asyncio.gather(*pushes) == [1, 1, 1]
        # An end wakes as well as room does.
        assert await sources[0].push_async([ROW, ROW]) == 2
        waits = asyncio.create_task(sources[1].push_async(ROW))
        await asyncio.sleep(0)
        sensors.execute("DROP SOURCE sensors")
        with pytest.raises(laminardb.LaminarError) as caught:
            await waits
        assert caught.value.code == codes.WRITER_CLOSED

    run(main)


def test_a_source_that_queues_waits_for_the_start() -> None:
    async def main() -> None:
        with laminardb.open() as conn:
            conn.execute("CREATE SOURCE s (id BIGINT) WITH (backpressure = 'reject', buffer_size = 1)")
            conn.execute("CREATE STREAM copy AS SELECT id FROM s")
            source = conn.source("s")
            assert (source.push({"id": 1}), source.capacity) == (1, 1)
            with pytest.raises(laminardb.IngestionError) as caught:
                source.push({"id": 2})
            assert caught.value.code == codes.BACKPRESSURE
            waits = asyncio.create_task(source.push_async({"id": 2}))
            await asyncio.sleep(0.01)
            assert not waits.done()
            conn.start()
            assert await waits == 1
            assert conn.sql("SELECT id FROM copy").fetchall() == [(1,), (2,)]

    run(main)


def test_a_writer_in_the_loop(sensors: laminardb.Connection) -> None:
    async def main() -> None:
        subscription = await sensors.subscribe_stream_async("sensors")
        async with await sensors.writer_async("sensors") as writer:
            assert writer.name == "sensors" and writer.schema.names == ["ts", "device", "value"]
            assert await writer.insert(ROW) == 1
            assert await writer.insert([ROW, ROW]) == 2
            with pytest.raises(laminardb.IngestionError, match="value"):
                await writer.insert({"ts": 1, "value": "much"})
            assert subscription.try_next() is None
            assert await writer.flush() == 3
            assert await writer.flush() == 0
            batch = subscription.try_next()
            assert batch is not None and batch.num_rows == 3
            # Rows before an Arrow batch go first.
            await writer.insert(ROW)
            (two,) = sensors.sql("SELECT * FROM sensors LIMIT 2").to_arrow().to_batches()
            assert await writer.insert(two) == 2
            sizes = [found.num_rows for found in iter(subscription.try_next, None)]
            assert sizes == [1, 2]
            # As many as are pushed at a time.
            for _ in range(1_023):
                await writer.insert(ROW)
            assert subscription.try_next() is None
            await writer.insert(ROW)
            batch = subscription.try_next()
            assert batch is not None and batch.num_rows == 1_024
            await writer.insert(ROW)
            await writer.watermark(5)
            assert writer.current_watermark == 5
            assert subscription.try_next() is not None
            await writer.insert(ROW)
        assert writer.is_closed and "closed" in repr(writer)
        assert subscription.try_next() is not None
        await writer.close()
        with pytest.raises(laminardb.IngestionError) as caught:
            await writer.insert(ROW)
        assert caught.value.code == codes.WRITER_CLOSED
        other = await sensors.writer_async("sensors")
        await other.end_of_input()
        with pytest.raises(laminardb.IngestionError):
            await other.insert(ROW)
            await other.flush()
        with pytest.raises(laminardb.SchemaError):
            await sensors.writer_async("missing")

    run(main)


def test_a_writer_waits_for_room_in_the_loop(sensors: laminardb.Connection) -> None:
    async def main() -> None:
        options = {"capacity": 1, "on_full": "block"}
        subscription = await sensors.subscribe_stream_async("sensors", **options)
        writer = await sensors.writer_async("sensors")
        await writer.insert(ROW)
        await writer.flush()
        await writer.insert(ROW)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await writer.flush()
        flush = asyncio.create_task(writer.flush())
        # What is called behind it takes its turn.
        insert = asyncio.create_task(writer.insert(ROW))
        await asyncio.sleep(0.01)
        assert not flush.done() and not insert.done()
        assert subscription.try_next() is not None
        assert (await flush, await insert) == (1, 1)
        # A full writer takes nothing more until there is room, and a cancelled insert took nothing.
        for _ in range(1_023):
            await writer.insert(ROW)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await writer.insert(ROW)
        assert subscription.try_next() is not None
        await writer.insert(ROW)
        batch = subscription.try_next()
        assert batch is not None and batch.num_rows == 1_024
        close = asyncio.create_task(writer.close())
        await close
        batch = subscription.try_next()
        assert batch is not None and batch.num_rows == 1

    run(main)


def test_a_writer_whose_source_is_dropped(sensors: laminardb.Connection) -> None:
    async def main() -> None:
        options = {"capacity": 1, "on_full": "block"}
        await sensors.subscribe_stream_async("sensors", **options)
        subscription = await sensors.subscribe_stream_async("sensors", **options)
        writer = await sensors.writer_async("sensors")
        await writer.insert(ROW)
        await writer.flush()
        await writer.insert(ROW)
        close = asyncio.create_task(writer.close())
        await asyncio.sleep(0.01)
        assert not close.done()
        sensors.execute("DROP SOURCE sensors")
        with pytest.raises(laminardb.LaminarError) as caught:
            await close
        assert caught.value.code == codes.WRITER_CLOSED
        subscription.cancel()

    run(main)
