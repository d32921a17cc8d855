"""Changes as they happen."""

import threading
import time

import pytest

import laminardb
from laminardb import codes


def drain(subscription: laminardb.Subscription) -> list[tuple[object, ...]]:
    rows = []
    while batch := subscription.try_next():
        rows += batch.fetchall()
    return rows


def changes(subscription: laminardb.Subscription) -> list[tuple[int, tuple[object, ...]]]:
    found = []
    while (batch := subscription.try_next()) is not None:
        found += zip(batch.weights or [1] * batch.num_rows, batch.fetchall(), strict=True)
    return found


@pytest.fixture
def hot(sensors: laminardb.Connection) -> laminardb.Connection:
    sensors.execute("CREATE STREAM hot AS SELECT device, value FROM sensors WHERE value > 100.0")
    return sensors


def test_a_push_is_seen_when_it_returns(hot: laminardb.Connection) -> None:
    subscription = hot.subscribe_stream("hot")
    assert subscription.is_active
    assert subscription.epoch == 0
    assert subscription.try_next() is None
    hot.insert("sensors", {"ts": 1, "device": "a", "value": 105.0})
    hot.insert("sensors", {"ts": 2, "device": "b", "value": 5.0})
    hot.insert("sensors", {"ts": 3, "device": "c", "value": 106.0})
    first, second = subscription.try_next(), subscription.try_next()
    assert first is not None and second is not None
    assert first.fetchall() == [("a", 105.0)]
    assert second.fetchall() == [("c", 106.0)]
    assert first.epoch is not None and second.epoch is not None and first.epoch < second.epoch
    assert subscription.epoch == second.epoch
    assert first.weights is None
    assert not first.is_reset
    assert subscription.try_next() is None


def test_the_schema(hot: laminardb.Connection) -> None:
    subscription = hot.subscribe_stream("hot")
    assert subscription.schema.names == ["device", "value"]


def test_a_query_begins_with_what_is_there(sensors: laminardb.Connection) -> None:
    sensors.insert("sensors", {"ts": 1, "device": "a", "value": 1.0})
    subscription = sensors.subscribe("SELECT ts FROM sensors")
    sensors.insert("sensors", {"ts": 2, "device": "a", "value": 1.0})
    assert drain(subscription) == [(1,), (2,)]


def test_a_stream_begins_now(hot: laminardb.Connection) -> None:
    hot.insert("sensors", {"ts": 1, "device": "before", "value": 105.0})
    subscription = hot.subscribe_stream("hot")
    hot.insert("sensors", {"ts": 2, "device": "after", "value": 105.0})
    assert drain(subscription) == [("after", 105.0)]


def test_weights_of_what_is_taken_back(sensors: laminardb.Connection) -> None:
    sensors.execute(
        "CREATE STREAM counted AS SELECT device, count(*) AS n FROM sensors GROUP BY device "
        "EMIT CHANGES"
    )
    subscription = sensors.subscribe_stream("counted")
    for device in ("a", "b", "a"):
        sensors.insert("sensors", {"ts": 1, "device": device, "value": 1.0})
    # EMIT CHANGES also shows the weight as a column.
    assert [(weight, row[:2]) for weight, row in changes(subscription)] == [
        (1, ("a", 1)),
        (1, ("b", 1)),
        (-1, ("a", 1)),
        (1, ("a", 2)),
    ]


def test_a_window_closes_at_the_watermark(sensors: laminardb.Connection) -> None:
    sensors.execute(
        "CREATE STREAM windows AS SELECT tumble(ts, 1000) AS w, count(*) AS n FROM sensors "
        "GROUP BY tumble(ts, 1000) EMIT ON WINDOW CLOSE"
    )
    subscription = sensors.subscribe_stream("windows")
    with sensors.source("sensors") as source:
        source.push({"ts": [0, 999, 1000]})
        assert subscription.try_next() is None
        source.watermark(998)
        assert subscription.try_next() is None
        source.watermark(999)
        batch = subscription.try_next()
        assert batch is not None and batch.fetchall() == [(0, 2)]
        assert source.current_watermark == 999


def test_all_windows_close_at_the_end_of_input(sensors: laminardb.Connection) -> None:
    sensors.execute(
        "CREATE STREAM windows AS SELECT tumble(ts, 1000) AS w, count(*) AS n FROM sensors "
        "GROUP BY tumble(ts, 1000) EMIT ON WINDOW CLOSE"
    )
    subscription = sensors.subscribe_stream("windows")
    source = sensors.source("sensors")
    writer = sensors.writer("sensors")
    source.push({"ts": [0, 5000]})
    source.end_of_input()
    writer.insert({"ts": 1})
    assert subscription.try_next() is None
    writer.end_of_input()
    batch = subscription.try_next()
    assert batch is not None and sorted(batch.fetchall()) == [(0, 2), (5000, 1)]
    with pytest.raises(laminardb.LaminarError):
        source.push({"ts": 9000})


def test_timeouts(hot: laminardb.Connection) -> None:
    subscription = hot.subscribe_stream("hot")
    for timeout_ms in (0, 1, 120):
        begun = time.monotonic()
        assert subscription.next_timeout(timeout_ms) is None
        waited = time.monotonic() - begun
        assert timeout_ms / 1000 <= waited < timeout_ms / 1000 + 5


@pytest.mark.parametrize("wait", ["next", "next_timeout"])
def test_waiting_lets_other_threads_run(hot: laminardb.Connection, wait: str) -> None:
    subscription = hot.subscribe_stream("hot")
    turns = 0
    over = threading.Event()

    def work() -> None:
        nonlocal turns
        while not over.is_set():
            turns += 1
            if turns == 10_000:
                hot.insert("sensors", {"ts": 1, "device": "a", "value": 105.0})

    thread = threading.Thread(target=work)
    thread.start()
    # Nothing comes before the other thread has had its ten thousand turns.
    batch = subscription.next() if wait == "next" else subscription.next_timeout(60_000)
    over.set()
    thread.join()
    assert turns >= 10_000
    assert batch is not None and batch.fetchall() == [("a", 105.0)]


def test_iteration_until_it_is_cancelled(hot: laminardb.Connection) -> None:
    subscription = hot.subscribe_stream("hot")
    seen = []

    def consume() -> None:
        for batch in subscription:
            seen.extend(batch.fetchall())
            if len(seen) == 50:
                subscription.cancel()

    thread = threading.Thread(target=consume)
    thread.start()
    for number in range(50):
        hot.insert("sensors", {"ts": number, "device": "a", "value": 100.0 + number + 1})
    thread.join(30)
    assert not thread.is_alive()
    assert seen == [("a", 101.0 + number) for number in range(50)]


def test_cancel_wakes_who_waits(hot: laminardb.Connection) -> None:
    subscription = hot.subscribe_stream("hot")
    found = []
    thread = threading.Thread(target=lambda: found.append(subscription.next()))
    thread.start()
    subscription.cancel()
    thread.join(30)
    assert found == [None]
    subscription.cancel()
    assert not subscription.is_active
    assert subscription.try_next() is None
    assert subscription.next() is None
    assert subscription.next_timeout(10) is None
    assert list(subscription) == []
    assert "ended" in repr(subscription)


def test_close_wakes_who_waits() -> None:
    conn = laminardb.open()
    conn.execute("CREATE SOURCE s (id BIGINT)")
    conn.start()
    subscription = conn.subscribe_stream("s")
    ready = threading.Event()
    rows = []

    def consume() -> None:
        ready.set()
        for batch in subscription:
            rows.extend(batch.fetchall())

    thread = threading.Thread(target=consume)
    thread.start()
    ready.wait()
    conn.insert("s", {"id": 1})
    while not rows:
        time.sleep(0.001)
    conn.close()
    thread.join(30)
    assert not thread.is_alive()
    assert rows == [(1,)]


def test_dropping_a_stream_ends_it(hot: laminardb.Connection) -> None:
    subscription = hot.subscribe_stream("hot")
    hot.insert("sensors", {"ts": 1, "device": "a", "value": 105.0})
    hot.execute("DROP STREAM hot")
    assert drain(subscription) == [("a", 105.0)]
    assert subscription.next() is None
    assert not subscription.is_active


def test_several_subscribers_see_the_same(hot: laminardb.Connection) -> None:
    subscriptions = [hot.subscribe_stream("hot") for _ in range(3)]
    hot.insert("sensors", {"ts": [1, 2], "device": ["a", "b"], "value": [101.0, 102.0]})
    for subscription in subscriptions:
        assert drain(subscription) == [("a", 101.0), ("b", 102.0)]


def test_threads_share_one_subscription(hot: laminardb.Connection) -> None:
    subscription = hot.subscribe_stream("hot")
    seen: list[tuple[object, ...]] = []
    lock = threading.Lock()

    def consume() -> None:
        while batch := subscription.next():
            with lock:
                seen.extend(batch.fetchall())

    threads = [threading.Thread(target=consume) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(60):
        hot.insert("sensors", {"ts": number, "device": "a", "value": 101.0 + number})
    deadline = time.monotonic() + 30
    while len(seen) < 60 and time.monotonic() < deadline:
        time.sleep(0.001)
    subscription.cancel()
    for thread in threads:
        thread.join(30)
    assert sorted(row[1] for row in seen) == [101.0 + number for number in range(60)]


def test_a_slow_reader_is_told_what_it_missed() -> None:
    with laminardb.open(config=laminardb.LaminarConfig(buffer_size=4)) as conn:
        conn.execute("CREATE SOURCE s (id BIGINT)")
        conn.start()
        subscription = conn.subscribe_stream("s")
        for number in range(20):
            conn.insert("s", {"id": number})
        with pytest.raises(laminardb.SubscriptionError, match="missed") as caught:
            subscription.try_next()
        assert caught.value.code == codes.SUBSCRIPTION_LAGGED
        kept = drain(subscription)
        assert subscription.lagged == 20 - len(kept)
        assert kept == [(number,) for number in range(20 - len(kept), 20)]
        assert subscription.is_active


def test_with_cancels(hot: laminardb.Connection) -> None:
    with hot.subscribe_stream("hot") as subscription:
        assert subscription.is_active
    assert not subscription.is_active


def test_a_dropped_subscription_frees_itself(hot: laminardb.Connection) -> None:
    for _ in range(500):
        hot.subscribe_stream("hot")
    hot.insert("sensors", {"ts": 1, "device": "a", "value": 105.0})


def test_a_failing_row_leaves_the_source_usable(sensors: laminardb.Connection) -> None:
    subscription = sensors.subscribe_stream("sensors")
    with pytest.raises(laminardb.IngestionError):
        sensors.insert("sensors", {"ts": "bad"})
    sensors.insert("sensors", {"ts": 1})
    assert drain(subscription) == [(1, None, None)]
