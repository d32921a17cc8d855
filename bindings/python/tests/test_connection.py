"""Opening, closing, statements, configuration, and the end of the interpreter."""

import subprocess
import sys
import textwrap
import threading
import time

import pytest

import laminardb
from laminardb import codes


def test_versions_agree() -> None:
    assert laminardb.__version__ == laminardb.__library_version__ == "0.1.0"


def test_every_call_after_close_says_closed() -> None:
    conn = laminardb.open()
    conn.execute("CREATE SOURCE s (id BIGINT)")
    conn.start()
    source, writer = conn.source("s"), conn.writer("s")
    subscription = conn.subscribe("SELECT * FROM s")
    assert not conn.is_closed
    conn.close()
    conn.close()
    assert conn.is_closed
    assert not subscription.is_active
    assert repr(conn) == "<laminardb.Connection closed>"
    for call in (
        conn.start,
        lambda: conn.execute("SELECT 1"),
        lambda: conn.sql("SELECT 1"),
        lambda: conn.explain("SELECT 1"),
        lambda: conn.insert("s", {"id": 1}),
        lambda: conn.insert("s", [{"id": 1}]),
        lambda: conn.writer("s"),
        lambda: conn.source("s"),
        lambda: conn.subscribe("SELECT * FROM s"),
        lambda: conn.subscribe_stream("s"),
        lambda: source.push({"id": 1}),
        lambda: source.watermark(1),
        source.clone,
        lambda: writer.insert({"id": 1}),
        lambda: writer.watermark(1),
        subscription.try_next,
        subscription.next,
        lambda: subscription.next_timeout(1),
    ):
        with pytest.raises(laminardb.ConnectionError, match="closed") as caught:
            call()
        assert caught.value.code == codes.CONNECTION_CLOSED
    subscription.cancel()


def test_with_closes_also_after_an_error() -> None:
    with pytest.raises(KeyError), laminardb.open() as conn:
        raise KeyError
    assert conn.is_closed


def test_results_outlive_their_connection() -> None:
    with laminardb.open() as conn:
        conn.execute("CREATE SOURCE s (name VARCHAR)")
        conn.insert("s", {"name": "kept"})
        result = conn.sql("SELECT * FROM s")
    assert result.fetchall() == [("kept",)]


def test_execute_tells_what_it_did(conn: laminardb.Connection) -> None:
    created = conn.execute("CREATE SOURCE metrics (ts BIGINT, value DOUBLE)")
    assert created.result_type == "ddl"
    assert created.ddl_type == "CREATE SOURCE"
    assert created.ddl_object == "metrics"
    assert int(created) == created.rows_affected == 0
    with pytest.raises(laminardb.QueryError):
        created.to_query_result()

    inserted = conn.execute("INSERT INTO metrics VALUES (1, 1.5), (2, 2.5)")
    assert inserted.result_type == "dml"
    assert int(inserted) == 2
    assert inserted.ddl_type is None and inserted.ddl_object is None

    queried = conn.execute("SELECT ts FROM metrics ORDER BY ts")
    assert queried.result_type == "query"
    assert int(queried) == 2
    assert queried.to_query_result().fetchall() == [(1,), (2,)]


def test_explain_is_text(sensors: laminardb.Connection) -> None:
    assert "sensors" in sensors.explain("SELECT * FROM sensors WHERE value > 43.0")


def test_module_functions_share_one_database() -> None:
    laminardb.execute("CREATE SOURCE shared_by_module (id BIGINT)")
    laminardb.execute("INSERT INTO shared_by_module VALUES (7)")
    results = []

    def read() -> None:
        results.append(laminardb.sql("SELECT * FROM shared_by_module").fetchall())

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[(7,)]] * 4


def test_configuration_reaches_the_library() -> None:
    config = laminardb.LaminarConfig(
        buffer_size=1024,
        max_queued_bytes=1 << 20,
        retain_history=2,
        push_timeout_ms=10,
        wait_strategy="park",
        validate_input="full",
    )
    with laminardb.open(config=config) as conn:
        conn.execute("CREATE SOURCE s (id BIGINT)")
        conn.start()
        for number in range(5):
            conn.insert("s", {"id": number})
        assert conn.sql("SELECT id FROM s ORDER BY id").fetchall() == [(3,), (4,)]


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (laminardb.LaminarConfig(buffer_size=1000), "buffer_size"),
        (laminardb.LaminarConfig(wait_strategy="nap"), "nap"),
        (laminardb.LaminarConfig(validate_input="maybe"), "maybe"),
    ],
)
def test_a_wrong_configuration_is_named(config: laminardb.LaminarConfig, named: str) -> None:
    with pytest.raises(laminardb.ConnectionError, match=named) as caught:
        laminardb.open(config=config)
    assert caught.value.code == codes.CONNECTION_FAILED


@pytest.mark.parametrize("config", [None, laminardb.LaminarConfig(storage_dir="kept")])
def test_durability_is_not_pretended(
    config: laminardb.LaminarConfig | None, tmp_path: object
) -> None:
    path = ":memory:" if config else f"{tmp_path}/kept"
    with pytest.raises(laminardb.LaminarError) as caught:
        laminardb.open(path, config=config)
    assert caught.value.code == codes.UNSUPPORTED


def test_a_nul_is_refused(sensors: laminardb.Connection) -> None:
    for call in (
        lambda: sensors.sql("SELECT '\0'"),
        lambda: sensors.insert("sen\0sors", {"ts": 1}),
        lambda: sensors.subscribe_stream("sen\0sors"),
    ):
        with pytest.raises(laminardb.LaminarError, match="NUL"):
            call()


def test_many_databases_one_after_another() -> None:
    for number in range(200):
        with laminardb.open() as conn:
            conn.execute("CREATE SOURCE s (id BIGINT)")
            conn.start()
            subscription = conn.subscribe("SELECT * FROM s")
            conn.insert("s", {"id": number})
            batch = subscription.next_timeout(1000)
            assert batch is not None and batch.fetchall() == [(number,)]


def test_many_databases_at_once() -> None:
    connections = [laminardb.open() for _ in range(50)]
    for number, conn in enumerate(connections):
        conn.execute("CREATE SOURCE s (id BIGINT)")
        conn.insert("s", {"id": number})
    for number, conn in enumerate(connections):
        assert conn.sql("SELECT * FROM s").fetchall() == [(number,)]
        conn.close()


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("wait", ["next()", "next_timeout(60000)", "try_next()"])
def test_the_interpreter_ends_with_a_live_subscription(wait: str) -> None:
    ended = run(
        f"""
        import threading, laminardb
        conn = laminardb.open()
        conn.execute("CREATE SOURCE s (id BIGINT)")
        conn.start()
        subscription = conn.subscribe("SELECT * FROM s")
        ready = threading.Event()
        def wait():
            ready.set()
            while subscription.is_active:
                subscription.{wait}
        for _ in range(4):
            threading.Thread(target=wait, daemon=True).start()
        ready.wait()
        conn.insert("s", {{"id": 1}})
        print("end")
        """
    )
    assert (ended.returncode, ended.stdout.strip()) == (0, "end"), ended.stderr
    assert "panicked" not in ended.stderr and "Fatal" not in ended.stderr, ended.stderr


def test_the_interpreter_ends_without_any_closing() -> None:
    ended = run(
        """
        import laminardb
        conn = laminardb.open()
        conn.execute("CREATE SOURCE s (id BIGINT)")
        source, writer = conn.source("s"), conn.writer("s")
        writer.insert({"id": 1})
        subscription = conn.subscribe("SELECT * FROM s")
        result = conn.sql("SELECT 1")
        rows = iter(result)
        print("end")
        """
    )
    assert (ended.returncode, ended.stdout.strip(), ended.stderr) == (0, "end", "")


def test_a_forked_child_is_told_and_ends() -> None:
    ended = run(
        """
        import os, laminardb
        conn = laminardb.open()
        conn.execute("CREATE SOURCE s (id BIGINT)")
        subscription = conn.subscribe("SELECT * FROM s")
        child = os.fork()
        if child == 0:
            try:
                conn.sql("SELECT 1")
            except laminardb.ConnectionError as error:
                print(error.ldb_code, flush=True)
        else:
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
            print(conn.sql("SELECT 1").fetchall(), flush=True)
        """
    )
    assert ended.stdout.split("\n")[:3] == ["LDB-1003", "0", "[(1,)]"], ended.stderr


def test_ctrl_c_interrupts_next() -> None:
    ended = run(
        """
        import os, signal, threading, time, laminardb
        conn = laminardb.open()
        conn.execute("CREATE SOURCE s (id BIGINT)")
        conn.start()
        subscription = conn.subscribe_stream("s")
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        begun = time.monotonic()
        try:
            subscription.next()
        except KeyboardInterrupt:
            print("interrupted", time.monotonic() - begun < 5)
        conn.insert("s", {"id": 1})
        print(subscription.next().fetchall())
        """
    )
    assert ended.stdout.split("\n")[:2] == ["interrupted True", "[(1,)]"], ended.stderr


def test_threads_share_a_connection(sensors: laminardb.Connection) -> None:
    def produce(device: int) -> None:
        for ts in range(100):
            sensors.insert("sensors", {"ts": ts, "device": f"d{device}", "value": 1.0})

    threads = [threading.Thread(target=produce, args=(device,)) for device in range(4)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 30
    while any(thread.is_alive() for thread in threads):
        sensors.sql("SELECT count(*) FROM sensors")
        assert time.monotonic() < deadline
    counted = sensors.sql("SELECT device, count(*) FROM sensors GROUP BY device ORDER BY device")
    assert counted.fetchall() == [(f"d{device}", 100) for device in range(4)]
