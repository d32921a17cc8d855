"""Subscriptions that call, views, and the log."""

import threading

import pytest

import laminardb
from laminardb import ChangeEvent, ChangeRow, QueryResult, codes

COUNTS = "SELECT device, count(*) AS n FROM sensors GROUP BY device"


class Heard:
    """What a function was called with."""

    def __init__(self) -> None:
        self.values: list[object] = []
        self._more = threading.Condition()

    def __call__(self, value: object) -> None:
        with self._more:
            self.values.append(value)
            self._more.notify_all()

    def wait(self, count: int) -> None:
        with self._more:
            assert self._more.wait_for(lambda: len(self.values) >= count, 10), self.values


def test_each_batch_is_heard(sensors: laminardb.Connection) -> None:
    heard = Heard()
    handle = sensors.subscribe_callback(
        "SELECT ts FROM sensors", lambda batch: heard(batch.fetchall())
    )
    assert handle.is_active and handle.daemon
    for ts in range(3):
        sensors.insert("sensors", {"ts": ts})
    heard.wait(3)
    assert heard.values == [[(0,)], [(1,)], [(2,)]]
    assert handle.wait(0.01) is False
    handle.cancel()
    handle.cancel()
    assert handle.wait(10) is True
    assert not handle.is_active
    sensors.insert("sensors", {"ts": 9})
    assert len(heard.values) == 3


def test_an_error_without_a_listener_ends_it(sensors: laminardb.Connection) -> None:
    def fail(_batch: QueryResult) -> None:
        raise ValueError("no")

    handle = sensors.subscribe_stream_callback("sensors", fail)
    sensors.insert("sensors", {"ts": 1})
    with pytest.raises(ValueError, match="no"):
        handle.wait(10)
    assert not handle.is_active


def test_an_error_with_a_listener_goes_on(sensors: laminardb.Connection) -> None:
    errors, heard = Heard(), Heard()

    def listen(batch: QueryResult) -> None:
        heard(batch.fetchall())
        if len(heard.values) == 1:
            raise ValueError("the first")

    handle = sensors.subscribe_callback("SELECT ts FROM sensors", listen, errors)
    sensors.insert("sensors", {"ts": 1})
    sensors.insert("sensors", {"ts": 2})
    heard.wait(2)
    assert [str(error) for error in errors.values] == ["the first"]
    handle.cancel()
    assert handle.wait(10)


def test_close_ends_it(sensors: laminardb.Connection) -> None:
    handle = sensors.subscribe_callback("SELECT * FROM sensors", lambda _batch: None)
    sensors.close()
    assert handle.wait(10)


def test_it_may_cancel_itself(sensors: laminardb.Connection) -> None:
    handles: list[laminardb.CallbackSubscription] = []
    made = threading.Event()

    def once(_batch: QueryResult) -> None:
        assert made.wait(10)
        handles[0].cancel()
        assert handles[0].wait() is False

    handles.append(sensors.subscribe_callback("SELECT * FROM sensors", once))
    made.set()
    sensors.insert("sensors", {"ts": 1})
    assert handles[0].wait(10)


def test_a_view_is_made_once(sensors: laminardb.Connection) -> None:
    view = laminardb.mv(sensors, "counts", COUNTS + ";")
    assert sensors.list_streams() == ["counts"]
    again = laminardb.mv(sensors, "counts")
    assert again.sql == COUNTS
    sensors.insert("sensors", {"ts": [1, 2, 3], "device": ["a", "b", "a"]})
    assert sorted(view.query().fetchall()) == [("a", 2), ("b", 1)]
    assert again.query(where="n > 1").fetchall() == [("a", 2)]
    assert view.schema().names == ["device", "n"]
    with pytest.raises(laminardb.SchemaError) as caught:
        laminardb.mv(sensors, "missing")
    assert caught.value.code == codes.TABLE_NOT_FOUND
    view.drop()
    assert sensors.list_streams() == []


def test_changes_say_what_they_are(sensors: laminardb.Connection) -> None:
    view = laminardb.mv(sensors, "counts", COUNTS + " EMIT CHANGES")
    heard = Heard()
    handle = view.subscribe(handler=heard)
    sensors.insert("sensors", {"ts": 1, "device": "a"})
    sensors.insert("sensors", {"ts": 2, "device": "a"})
    heard.wait(2)
    handle.cancel()
    assert handle.wait(10)
    first, second = heard.values
    assert isinstance(first, ChangeEvent) and isinstance(second, ChangeEvent)
    assert list(first) == [ChangeRow({"device": "a", "n": 1}, "insert")]
    assert list(second) == [
        ChangeRow({"device": "a", "n": 1}, "delete"),
        ChangeRow({"device": "a", "n": 2}, "insert"),
    ]
    assert len(second) == 2
    assert first.epoch is not None and second.epoch is not None and first.epoch < second.epoch
    assert not second.is_reset
    row = list(second)[1]
    assert (row.op, row["n"]) == ("insert", 2)
    assert list(row.keys()) == ["device", "n"]
    assert row.to_dict() == dict(row) == {"device": "a", "n": 2}
    assert "n" in row and len(row) == 2
    assert second.arrow().num_rows == len(second.df()) == len(second.pl()) == 2


def test_a_row_that_came_twice_is_there_twice(sensors: laminardb.Connection) -> None:
    sensors.execute("CREATE STREAM twice AS SELECT device FROM sensors EMIT CHANGES")
    subscription = sensors.subscribe_stream("twice")
    sensors.insert("sensors", {"ts": [1, 2], "device": ["a", "a"]})
    batch = subscription.try_next()
    assert batch is not None
    event = ChangeEvent(batch)
    assert list(event) == [ChangeRow({"device": "a"}, "insert")] * 2
    assert len(event) == 2


def test_new_rows_of_emit_on_update_are_inserted(sensors: laminardb.Connection) -> None:
    sensors.execute(f"CREATE STREAM counts AS {COUNTS} EMIT ON UPDATE")
    subscription = sensors.subscribe_stream("counts")
    sensors.insert("sensors", {"ts": 1, "device": "a"})
    sensors.insert("sensors", {"ts": 2, "device": "a"})
    found = [row for batch in drain(subscription) for row in ChangeEvent(batch)]
    assert found == [
        ChangeRow({"device": "a", "n": 1}, "insert"),
        ChangeRow({"device": "a", "n": 2}, "insert"),
    ]


def drain(subscription: laminardb.Subscription) -> list[QueryResult]:
    return list(iter(subscription.try_next, None))


def test_a_sink_is_followed(sensors: laminardb.Connection) -> None:
    sensors.execute("CREATE STREAM hot AS SELECT device FROM sensors WHERE value > 100.0")
    sensors.execute("CREATE SINK alarm FROM hot")
    heard = Heard()
    subscription = sensors.sink("alarm").subscribe()
    handle = sensors.sink("alarm").subscribe_callback(lambda batch: heard(batch.fetchall()))
    sensors.insert("sensors", {"ts": 1, "device": "a", "value": 105.0})
    batch = subscription.next_timeout(1000)
    assert batch is not None and batch.fetchall() == [("a",)]
    heard.wait(1)
    assert heard.values == [[("a",)]]
    handle.cancel()
    with pytest.raises(laminardb.SchemaError) as caught:
        sensors.sink("hot")
    assert caught.value.code == codes.TABLE_NOT_FOUND


def test_options(sensors: laminardb.Connection) -> None:
    sensors.execute("CREATE STREAM all_of_it AS SELECT ts, value FROM sensors")
    sensors.insert("sensors", {"ts": [1, 2, 3], "value": [1.0, 2.0, 3.0]})
    subscription = sensors.subscribe_stream("all_of_it", snapshot=True, predicate="value > 1")
    batch = subscription.try_next()
    assert batch is not None and batch.fetchall() == [(2, 2.0), (3, 3.0)]
    epoch = subscription.epoch
    sensors.insert("sensors", {"ts": [4, 5], "value": [0.0, 5.0]})
    later = sensors.subscribe_stream("all_of_it", as_of_epoch=epoch)
    batch = later.try_next()
    assert batch is not None and batch.fetchall() == [(4, 0.0), (5, 5.0)]
    with pytest.raises(laminardb.SubscriptionError):
        sensors.subscribe_stream("all_of_it", on_full="perhaps")


def test_wrappers() -> None:
    column = laminardb.Column("a", "int64", True)
    assert (column.name, column.type, column.nullable) == ("a", "int64", True)
    assert laminardb.TableStats(row_count=1, size_bytes=2).size_bytes == 2
    assert laminardb.Watermark(current=5, lag_ms=2).lag_ms == 2
    assert laminardb.CheckpointStatus(checkpoint_id=None, enabled=False).enabled is False
    result = laminardb.CheckpointResult(0)
    assert int(result) == 0 and bool(result) is True
    for frozen in (column, result):
        with pytest.raises(AttributeError):
            frozen.name = "b"  # type: ignore[misc,union-attr]


def test_schema(sensors: laminardb.Connection) -> None:
    schema = laminardb.Schema(sensors.schema("sensors"))
    assert schema.names == ["ts", "device", "value"]
    assert schema["value"] == schema[2] == laminardb.Column("value", "double", True)
    assert len(schema) == 3 and "ts" in schema and [c.name for c in schema] == schema.names
    assert schema == laminardb.Schema(schema.to_arrow())
    with pytest.raises(KeyError):
        schema["missing"]
    sensors.create_table("copy", schema.to_arrow())
    assert sensors.schema("copy") == sensors.schema("sensors")


def test_the_log(conn: laminardb.Connection) -> None:
    lines: list[tuple[int, str]] = []
    conn.on_log(lambda level, line: lines.append((level, line)))
    conn.execute("CREATE SOURCE seen (id BIGINT)")
    assert len(lines) == 1 and lines[0][0] == 3 and "seen" in lines[0][1], lines
    conn.on_log(None)
    conn.execute("CREATE SOURCE unseen (id BIGINT)")
    assert len(lines) == 1
