"""How programs use the package, for mypy to read: it is not run."""

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
    try:
        laminardb.sql("SELECT")
    except laminardb.QueryError as error:
        assert_type(error.code, int)
        assert error.code == codes.SQL_PARSE_ERROR
