"""How fast changes come out of subscriptions: `python benchmarks/bench_streaming.py [ROWS]`."""

import asyncio
import sys
import threading

import pyarrow

import laminardb
from _timing import report

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
BATCH = 1_000

batches = [
    pyarrow.record_batch(
        {
            "ts": list(range(start, start + BATCH)),
            "value": [ts * 0.5 for ts in range(start, start + BATCH)],
        }
    )
    for start in range(0, ROWS, BATCH)
]

with laminardb.open() as conn:
    conn.execute("CREATE SOURCE sensors (ts BIGINT, value DOUBLE)")
    conn.execute("CREATE STREAM halves AS SELECT ts, value / 2 AS half FROM sensors")
    conn.start()

    def push_and_poll() -> None:
        """One thread pushes and polls in turn."""
        with conn.subscribe_stream("halves") as subscription, conn.source("sensors") as source:
            for batch in batches:
                source.push(batch)
                while subscription.try_next():
                    pass

    def push() -> None:
        with conn.source("sensors") as source:
            for batch in batches:
                source.push(batch)

    def iterate() -> None:
        """One thread pushes, another one waits."""
        with conn.subscribe_stream("halves", capacity=1 << 20) as subscription:
            pushing = threading.Thread(target=push)
            pushing.start()
            left = len(batches) * BATCH
            while left > 0:
                batch = next(subscription)
                left -= batch.num_rows
            pushing.join()

    async def iterate_async() -> None:
        async with await conn.subscribe_stream_async("halves", capacity=1 << 20) as subscription:
            pushing = asyncio.create_task(asyncio.to_thread(push))
            left = len(batches) * BATCH
            while left > 0:
                batch = await anext(subscription)
                left -= batch.num_rows
            await pushing

    report("push and poll", ROWS, push_and_poll)
    report("wait in a thread", ROWS, iterate)
    report("wait in an event loop", ROWS, lambda: asyncio.run(iterate_async()))
