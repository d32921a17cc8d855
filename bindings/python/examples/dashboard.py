"""Shows slow requests as they happen, while others are measured: one event loop, no threads."""

import asyncio
from itertools import count

import laminardb

SERVICES = ["api", "web", "worker"]


async def measure(conn: laminardb.Connection) -> None:
    metrics = conn.source("metrics")
    for t in count():
        await metrics.push_async({
            "ts": t,
            "service": SERVICES[t % 3],
            "latency_ms": float(t * 173 % 700),
        })
        await asyncio.sleep(0.001)


async def main() -> None:
    async with laminardb.open() as conn:
        conn.execute("CREATE SOURCE metrics (ts BIGINT, service VARCHAR, latency_ms DOUBLE)")
        conn.execute("""
            CREATE STREAM slow_requests AS SELECT * FROM metrics WHERE latency_ms > 500.0
        """)
        conn.start()
        subscription = await conn.subscribe_stream_async("slow_requests")
        measuring = asyncio.create_task(measure(conn))
        slow = 0
        async for batch in subscription:
            for _, service, latency_ms in batch:
                slow += 1
                print(f"Slow request: {service} took {latency_ms:g} ms")
            if slow >= 5:
                break
        measuring.cancel()
        print(f"Detected {slow} slow requests")


if __name__ == "__main__":
    asyncio.run(main())
