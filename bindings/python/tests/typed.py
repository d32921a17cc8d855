"""How programs use the package, for mypy to read: it is not run."""

import asyncio
from typing import assert_type

import laminardb
from laminardb import codes


def program() -> None:
    config = laminardb.LaminarConfig(buffer_size=1024, wait_strategy="park")
    with laminardb.open(":memory:", config=config) as conn:
        assert_type(conn, laminardb.Connection)
        executed = conn.execute("CREATE SOURCE s (id BIGINT)")
        assert_type(executed.ddl_type, str | None)
        assert_type(int(executed), int)
        assert_type(conn.insert("s", {"id": 1}), int)
        conn.insert("s", [{"id": 1}, {"id": 2}])
        conn.insert("s", {"id": [1, 2]})
        conn.insert("s", ({"id": number} for number in range(3)))
        result = conn.sql("SELECT * FROM s")
        conn.insert("s", result)
        conn.insert("s", result.arrow())
        conn.insert("s", result.df())
        conn.insert("s", result.to_polars())
        assert_type(result.fetchone(), tuple[object, ...] | None)  # type: ignore[assert-type]
        for row in result:
            print(row[0])
        with conn.writer("s") as writer, conn.source("s") as source:
            writer.insert({"id": 3})
            writer.watermark(3)
            source.clone().push({"id": 4})
        subscription = conn.subscribe("SELECT * FROM s")
        for batch in subscription:
            assert_type(batch, laminardb.QueryResult)
            assert_type(batch.weights, list[int] | None)
        assert_type(subscription.next_timeout(10), laminardb.QueryResult | None)
        assert_type(conn.insert_json("s", b"[]") + conn.insert_csv("s", "id\n1\n"), int)
        assert_type(conn.tables(), list[str])
        assert_type(conn.metrics().pipeline_watermark, int | None)
        assert_type([node.sql for node in conn.topology().nodes], list[str | None])
        metrics = conn.source_metrics("s")
        if metrics:
            assert_type(metrics.utilization, float)
        for batch in conn.stream("SELECT * FROM s"):
            assert_type(batch, laminardb.QueryResult)
        assert_type(conn.checkpoint(), laminardb.CheckpointResult | None)
        view = laminardb.mv(conn, "ids", "SELECT id FROM s")
        handle = view.subscribe(handler=on_change)
        assert_type(handle.wait(1.0), bool)
        conn.sink("ids").subscribe_callback(lambda batch: print(batch.num_rows))
    asyncio.run(loop())
    try:
        laminardb.sql("SELECT")
    except laminardb.QueryError as error:
        assert_type(error.code, int)
        assert error.code == codes.SQL_PARSE_ERROR


def on_change(event: laminardb.ChangeEvent) -> None:
    for row in event:
        assert_type(row.to_dict(), dict[str, object])  # type: ignore[assert-type]
        print(row.op, row["id"])


async def loop() -> None:
    async with laminardb.open() as conn:
        assert_type(conn, laminardb.Connection)
        async with await conn.writer_async("s") as writer:
            assert_type(writer, laminardb.AsyncWriter)
            assert_type(await writer.insert([{"a": 1}]), int)
            assert_type(await writer.flush(), int)
        subscription = await conn.subscribe_async("SELECT 1")
        async for batch in subscription:
            assert_type(batch, laminardb.QueryResult)
        assert_type(await subscription.next_timeout(10), laminardb.QueryResult | None)
