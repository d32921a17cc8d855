"""Writers and sources."""

import threading
from collections.abc import Iterator

import pyarrow as pa
import pytest

import laminardb
from laminardb import codes


def count(conn: laminardb.Connection) -> object:
    row = conn.sql("SELECT count(*) FROM sensors").fetchone()
    assert row is not None
    return row[0]


def test_a_writer_gathers_and_flushes(sensors: laminardb.Connection) -> None:
    with sensors.writer("sensors") as writer:
        assert writer.name == "sensors"
        assert writer.schema.names == ["ts", "device", "value"]
        assert writer.current_watermark is None
        assert writer.insert({"ts": 1}) == 1
        assert writer.insert([{"ts": 2}, {"ts": 3}]) == 2
        assert count(sensors) == 0
        assert writer.flush() == 3
        assert writer.flush() == 0
        assert count(sensors) == 3
        writer.insert({"ts": 4})
        writer.watermark(4)
        assert count(sensors) == 4
        assert writer.current_watermark == 4
        writer.watermark(2)
        assert writer.current_watermark == 4
        writer.insert({"ts": 5})
        assert writer.insert(pa.table({"ts": [6, 7]})) == 2
        assert sensors.sql("SELECT ts FROM sensors").to_dicts()["ts"] == [1, 2, 3, 4, 5, 6, 7]
        writer.insert({"ts": 8})
    assert count(sensors) == 8
    assert writer.is_closed
    assert "closed" in repr(writer)


def test_a_full_writer_flushes_itself(sensors: laminardb.Connection) -> None:
    with sensors.writer("sensors") as writer:
        for ts in range(2500):
            writer.insert({"ts": ts})
        assert count(sensors) == 2048
    assert count(sensors) == 2500


def test_a_wrong_row_leaves_the_others(sensors: laminardb.Connection) -> None:
    with sensors.writer("sensors") as writer:
        writer.insert({"ts": 1})
        with pytest.raises(laminardb.IngestionError, match="`ts`"):
            writer.insert([{"ts": 2}, {"ts": "three"}])
        with pytest.raises(laminardb.IngestionError, match="`nowhere`"):
            writer.insert({"ts": 4, "nowhere": 1})
        writer.insert({"ts": 5})
    assert sensors.sql("SELECT ts FROM sensors").fetchall() == [(1,), (5,)]


def test_an_error_of_the_block_goes_first(sensors: laminardb.Connection) -> None:
    with pytest.raises(KeyError), sensors.writer("sensors") as writer:
        writer.insert({"ts": 1})
        raise KeyError
    assert count(sensors) == 1


def test_a_closed_writer(sensors: laminardb.Connection) -> None:
    writer = sensors.writer("sensors")
    writer.close()
    writer.close()
    for call in (lambda: writer.insert({"ts": 1}), writer.flush, lambda: writer.watermark(1)):
        with pytest.raises(laminardb.IngestionError, match="closed") as caught:
            call()
        assert caught.value.code == codes.WRITER_CLOSED


def test_a_dropped_source(sensors: laminardb.Connection) -> None:
    source = sensors.source("sensors")
    sensors.execute("DROP SOURCE sensors")
    with pytest.raises(laminardb.IngestionError) as caught:
        source.push({"ts": 1})
    assert caught.value.code == codes.WRITER_CLOSED


def test_sources_are_producers_of_their_own(sensors: laminardb.Connection) -> None:
    sensors.execute(
        "CREATE STREAM windows AS SELECT tumble(ts, 10) AS w, count(*) AS n FROM sensors "
        "GROUP BY tumble(ts, 10) EMIT ON WINDOW CLOSE"
    )
    windows = sensors.subscribe_stream("windows")
    first = sensors.source("sensors")
    second = first.clone()
    assert first.name == second.name == "sensors"
    assert "open" in repr(first)
    first.push({"ts": 1})
    second.push({"ts": 2})
    first.watermark(9)
    assert windows.try_next() is None
    second.watermark(9)
    batch = windows.try_next()
    assert batch is not None and batch.fetchall() == [(0, 2)]
    first.push({"ts": 11})
    first.watermark(19)
    assert windows.try_next() is None
    # A producer that is gone holds nothing back.
    second.close()
    first.watermark(20)
    batch = windows.try_next()
    assert batch is not None and batch.fetchall() == [(10, 1)]


def test_producers_in_threads(sensors: laminardb.Connection) -> None:
    changes = sensors.subscribe("SELECT device, count(*) AS n FROM sensors GROUP BY device")
    source = sensors.source("sensors")

    def produce(number: int) -> None:
        with source.clone() as mine:
            for ts in range(200):
                mine.push({"ts": ts, "device": f"d{number}"})

    threads = [threading.Thread(target=produce, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(sensors) == 800
    counts: dict[object, object] = {}
    while batch := changes.try_next():
        weights = batch.weights or [1] * batch.num_rows
        for weight, (device, number) in zip(weights, batch, strict=True):
            if weight > 0:
                counts[device] = number
    assert counts == {f"d{number}": 200 for number in range(4)}


def test_pending_before_start() -> None:
    with laminardb.open() as conn:
        conn.execute("CREATE SOURCE s (id BIGINT)")
        conn.execute("CREATE STREAM t AS SELECT id FROM s")
        source = conn.source("s")
        source.push({"id": [1, 2, 3]})
        assert source.pending == 3
        assert source.capacity >= source.pending
        changes = conn.subscribe_stream("t")
        conn.start()
        assert source.pending == 0
        batch = changes.try_next()
        assert batch is not None and batch.num_rows == 3


def test_a_push_from_inside_of_a_push(sensors: laminardb.Connection) -> None:
    source = sensors.source("sensors")
    inner: list[laminardb.LaminarError] = []

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            source.push({"ts": 2})
        except laminardb.ConnectionError as error:
            inner.append(error)
        assert "open" in repr(source) and source.current_watermark is None
        yield pa.record_batch({"ts": [1]})

    reader = pa.RecordBatchReader.from_batches(pa.schema([("ts", pa.int64())]), batches())
    assert source.push(reader) == 1
    assert [error.code for error in inner] == [codes.CONNECTION_IN_USE]
    assert source.push({"ts": 3}) == 1
    assert sensors.sql("SELECT ts FROM sensors ORDER BY ts").fetchall() == [(1,), (3,)]


def test_rows_that_found_no_room_wait_on() -> None:
    config = laminardb.LaminarConfig(max_queued_bytes=20_000, push_timeout_ms=1)
    with laminardb.open(config=config) as conn:
        conn.execute("CREATE SOURCE s (id BIGINT)")
        conn.execute("CREATE STREAM t AS SELECT id + 1 AS id FROM s")
        writer = conn.writer("s")
        # The first push nearly fills the queue, the second overshoots, the third finds no room.
        writer.insert({"id": list(range(2000))})
        writer.insert({"id": list(range(2000, 4000))})
        writer.insert({"id": list(range(4000, 6000))})
        with pytest.raises(laminardb.IngestionError) as caught:
            writer.insert({"id": 6000})
        assert caught.value.code == codes.BACKPRESSURE
        with pytest.raises(laminardb.IngestionError):
            writer.close()
        assert not writer.is_closed
        conn.start()
        writer.close()
        assert writer.is_closed
        ids = conn.sql("SELECT id FROM s ORDER BY id").to_dicts()["id"]
        assert ids == list(range(6000))
