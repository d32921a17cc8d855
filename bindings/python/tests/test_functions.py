"""Functions of SQL written in Python."""

import threading
from typing import Any, Self

import pytest

import laminardb
from laminardb import codes


class Spread:
    """The largest value less the smallest."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def update(self, value: float | None) -> None:
        if value is not None:
            self.values.append(value)

    def merge(self, other: Self) -> None:
        self.values += other.values

    def evaluate(self) -> float | None:
        return max(self.values) - min(self.values) if self.values else None


def test_a_scalar_function(sensors: laminardb.Connection) -> None:
    sensors.register_function(
        "label", lambda device, value: f"{device}:{value}", ["string", "float64"], "string"
    )
    sensors.execute("CREATE STREAM labels AS SELECT label(device, value) AS text FROM sensors")
    subscription = sensors.subscribe_stream("labels")
    sensors.insert("sensors", {"ts": [1, 2], "device": ["a", None], "value": [1.5, 2.5]})
    batch = subscription.try_next()
    assert batch is not None and batch.fetchall() == [("a:1.5",), ("None:2.5",)]
    assert sensors.sql("SELECT label('x', 2.0) AS text").fetchall() == [("x:2.0",)]


def test_types(conn: laminardb.Connection) -> None:
    seen: list[Any] = []

    def same(value: Any) -> Any:
        seen.append(value)
        return value

    for number, (arrow_type, literal) in enumerate(
        [
            ("int64", "7"),
            ("bool", "true"),
            ("string", "'a'"),
            ("timestamp[ms]", "CAST('2024-01-02 03:04:05' AS TIMESTAMP(3))"),
            ("date32", "DATE '2024-01-02'"),
            ("decimal128(10, 2)", "CAST('1.25' AS DECIMAL(10, 2))"),
            ("binary", "CAST('ab' AS BYTEA)"),
        ]
    ):
        conn.register_function(f"same{number}", same, [arrow_type], arrow_type)
        expected = conn.sql(f"SELECT {literal} AS a").fetchall()[0][0]
        assert conn.sql(f"SELECT same{number}({literal}) AS a").fetchall() == [(expected,)]
        assert seen[-1] == expected


def test_a_row_that_raises_is_a_dead_letter(sensors: laminardb.Connection) -> None:
    def careful(value: float) -> float:
        if value < 0:
            raise ValueError("below nothing")
        return value

    sensors.register_function("careful", careful, ["float64"], "float64")
    sensors.execute("CREATE STREAM s AS SELECT ts, careful(value) AS value FROM sensors")
    subscription = sensors.subscribe_stream("s")
    sensors.insert("sensors", {"ts": [1, 2, 3], "value": [1.0, -1.0, 3.0]})
    batch = subscription.try_next()
    assert batch is not None and batch.fetchall() == [(1, 1.0), (3, 3.0)]
    (letter,) = sensors.sql("SELECT * FROM laminar_dead_letters").fetchall()
    assert any("below nothing" in str(cell) for cell in letter), letter


def test_a_value_of_another_type_is_refused(conn: laminardb.Connection) -> None:
    conn.register_function("wrong", lambda _value: "text", ["int64"], "int64")
    with pytest.raises(laminardb.QueryError):
        conn.sql("SELECT wrong(1) AS a")


def test_an_aggregate_function(sensors: laminardb.Connection) -> None:
    sensors.register_aggregate("spread", Spread, ["float64"], "float64")
    sensors.execute(
        "CREATE STREAM spreads AS SELECT device, spread(value) AS s FROM sensors GROUP BY device"
    )
    for device, value in [("a", 1.0), ("b", 5.0), ("a", 4.0), ("b", None)]:
        sensors.insert("sensors", {"ts": 1, "device": device, "value": value})
    assert sorted(sensors.sql("SELECT * FROM spreads").fetchall()) == [("a", 3.0), ("b", 0.0)]
    assert sensors.sql("SELECT spread(value) AS s FROM sensors").fetchall() == [(4.0,)]
    assert sensors.sql("SELECT spread(value) AS s FROM sensors WHERE ts > 9").fetchall() == [
        (None,)
    ]


def test_an_aggregate_over_rows_that_change(conn: laminardb.Connection) -> None:
    conn.execute("CREATE TABLE t (id BIGINT PRIMARY KEY, value DOUBLE)")
    conn.register_aggregate("spread", Spread, ["float64"], "float64", retractable=True)
    conn.execute("CREATE STREAM s AS SELECT spread(value) AS s FROM t")
    conn.insert("t", {"id": [1, 2, 3], "value": [1.0, 2.0, 7.0]})
    assert conn.sql("SELECT * FROM s").fetchall() == [(6.0,)]
    conn.execute("DELETE FROM t WHERE id = 3")
    assert conn.sql("SELECT * FROM s").fetchall() == [(1.0,)]


def test_threads_push_through_a_function(sensors: laminardb.Connection) -> None:
    sensors.register_function("twice", lambda value: value * 2, ["float64"], "float64")
    sensors.execute("CREATE STREAM s AS SELECT twice(value) AS value FROM sensors")

    def push() -> None:
        for _ in range(50):
            with sensors.source("sensors") as source:
                source.push({"ts": 1, "value": 1.5})
            # Not closed: it is given up by whoever lets go of it.
            sensors.source("sensors").push({"ts": 1, "value": 1.5})

    threads = [threading.Thread(target=push) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    found = sensors.sql("SELECT count(*) AS n, sum(value) AS s FROM s").fetchall()
    assert found == [(400, 1200.0)]


def test_what_cannot_be_registered(conn: laminardb.Connection) -> None:
    with pytest.raises(laminardb.SchemaError) as caught:
        conn.register_function("f", abs, ["matrix"], "int64")
    assert caught.value.code == codes.INVALID_SCHEMA
    conn.register_function("f", abs, ["int64"], "int64")
    with pytest.raises(laminardb.LaminarError) as taken:
        conn.register_function("f", abs, ["int64"], "int64")
    assert taken.value.code == codes.TABLE_EXISTS


def test_a_function_cannot_come_back(sensors: laminardb.Connection) -> None:
    def again(value: float) -> float:
        sensors.insert("sensors", {"ts": 1, "value": value})
        return value

    sensors.register_function("again", again, ["float64"], "float64")
    sensors.execute("CREATE STREAM s AS SELECT again(value) AS value FROM sensors")
    sensors.insert("sensors", {"ts": 1, "value": 1.0})
    (letter,) = sensors.sql("SELECT * FROM laminar_dead_letters").fetchall()
    assert any("LDB-1201" in str(cell) for cell in letter), letter


def test_a_function_without_arguments() -> None:
    with laminardb.open() as conn:
        tickets = iter(range(1, 100))
        conn.register_function("seven", lambda: 7, [], "int64")
        conn.register_function("ticket", lambda: next(tickets), [], "int64", volatility="volatile")
        conn.execute("CREATE SOURCE s (id BIGINT)")
        conn.execute("CREATE STREAM t AS SELECT id, seven() AS seven, ticket() AS ticket FROM s")
        conn.start()
        changes = conn.subscribe_stream("t")
        conn.insert("s", {"id": [1, 2]})
        batch = changes.try_next()
        assert batch is not None and batch.fetchall() == [(1, 7, 1), (2, 7, 2)]
        with pytest.raises(laminardb.QueryError, match="needs at least one argument"):
            conn.register_aggregate("spread", Spread, [], "float64")
