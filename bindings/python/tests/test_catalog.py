"""What there is in a database and how it is doing."""

import datetime
from collections.abc import Callable

import pyarrow
import pytest

import laminardb
from laminardb import codes


@pytest.fixture
def pipeline(sensors: laminardb.Connection) -> laminardb.Connection:
    """A source, a table, two streams one over the other, and a sink."""
    sensors.execute("CREATE TABLE devices (device VARCHAR PRIMARY KEY, room VARCHAR)")
    sensors.execute("CREATE STREAM hot AS SELECT device, value FROM sensors WHERE value > 100.0")
    sensors.execute("CREATE STREAM counts AS SELECT device, count(*) n FROM hot GROUP BY device")
    sensors.execute("CREATE SINK alarm FROM hot")
    return sensors


def test_names(pipeline: laminardb.Connection) -> None:
    assert pipeline.list_tables() == pipeline.tables() == ["sensors", "devices"]
    assert pipeline.list_streams() == pipeline.materialized_views() == ["counts", "hot"]
    assert pipeline.list_sinks() == ["alarm"]
    assert pipeline.source_count == 2
    assert pipeline.stream_count == 2
    assert pipeline.sink_count == 1


def test_sources(conn: laminardb.Connection) -> None:
    conn.execute("CREATE SOURCE timed (ts BIGINT NOT NULL, v DOUBLE, WATERMARK FOR ts)")
    conn.execute("CREATE SOURCE plain (v DOUBLE)")
    plain, timed = conn.sources()
    assert (timed.name, timed.watermark_column) == ("timed", "ts")
    assert (plain.name, plain.watermark_column) == ("plain", None)
    assert timed.schema == pyarrow.schema(
        [pyarrow.field("ts", pyarrow.int64(), nullable=False), ("v", pyarrow.float64())]
    )
    assert timed.sql.startswith("CREATE SOURCE timed")


def test_streams_and_sinks(pipeline: laminardb.Connection) -> None:
    counts, hot = pipeline.streams()
    assert (hot.name, hot.state, hot.error) == ("hot", "running", None)
    assert hot.sql == "SELECT device, value FROM sensors WHERE value > 100.0"
    assert counts.name == "counts"
    (sink,) = pipeline.sinks()
    assert (sink.name, sink.input) == ("alarm", "hot")


def test_schemas(pipeline: laminardb.Connection) -> None:
    assert pipeline.schema("sensors").names == ["ts", "device", "value"]
    assert pipeline.schema("devices").names == ["device", "room"]
    assert pipeline.schema("counts").field("n").type == pyarrow.int64()
    with pytest.raises(laminardb.LaminarError) as caught:
        pipeline.schema("missing")
    assert caught.value.code == codes.TABLE_NOT_FOUND


def test_create_table_from_a_dict(conn: laminardb.Connection) -> None:
    types = {
        "a": "bool",
        "b": "int8",
        "c": "uint64",
        "d": "float32",
        "e": "double",
        "f": "string",
        "g": "binary",
        "h": "date32",
        "i": "timestamp[ms]",
        "j": "timestamp[us, tz=UTC]",
        "k": "decimal128(10, 2)",
        "l": "list<item: int32>",
    }
    conn.create_table("kinds", types)
    found = conn.schema("kinds")
    assert found.names == list(types)
    assert [found.field(name).type for name in "abcdefghi"] == [
        pyarrow.bool_(),
        pyarrow.int8(),
        pyarrow.uint64(),
        pyarrow.float32(),
        pyarrow.float64(),
        pyarrow.string(),
        pyarrow.binary(),
        pyarrow.date32(),
        pyarrow.timestamp("ms"),
    ]
    assert found.field("j").type == pyarrow.timestamp("us", "UTC")
    assert found.field("k").type == pyarrow.decimal128(10, 2)
    assert found.field("l").type.value_type == pyarrow.int32()
    assert all(field.nullable for field in found)


def test_create_table_from_a_schema(conn: laminardb.Connection) -> None:
    schema = pyarrow.schema(
        [
            pyarrow.field("id", pyarrow.int64(), nullable=False),
            ("at", pyarrow.timestamp("ns")),
            ("tags", pyarrow.list_(pyarrow.string())),
            ("price", pyarrow.decimal128(12, 4)),
            ("Odd \"name\"", pyarrow.string()),
        ]
    )
    conn.create_table("Odd table", schema)
    assert conn.tables() == ["Odd table"]
    found = conn.schema("Odd table")
    assert found.names == schema.names
    assert [field.nullable for field in found] == [False, True, True, True, True]
    assert found.field("at").type == pyarrow.timestamp("ns")
    assert conn.insert("Odd table", {"id": 1, "tags": ["a"], "Odd \"name\"": "x"}) == 1


def test_create_table_refuses(sensors: laminardb.Connection) -> None:
    with pytest.raises(laminardb.SchemaError, match="column `a`.*`matrix`") as caught:
        sensors.create_table("wrong", {"a": "matrix"})
    assert caught.value.code == codes.INVALID_SCHEMA
    with pytest.raises(laminardb.SchemaError) as caught:
        sensors.create_table("sensors", {"a": "int64"})
    assert caught.value.code == codes.TABLE_EXISTS


def test_source_metrics(pipeline: laminardb.Connection) -> None:
    pipeline.insert("sensors", {"ts": [1, 2], "device": ["a", "b"], "value": [1.0, 101.0]})
    found = pipeline.source_metrics("sensors")
    assert found is not None
    assert (found.name, found.total_events, found.pending) == ("sensors", 2, 0)
    assert found.capacity == 65_536
    assert not found.is_backpressured
    assert found.utilization == 0.0
    assert [source.name for source in pipeline.all_source_metrics()] == ["sensors", "devices"]
    assert pipeline.source_metrics("missing") is None


def test_rows_wait_for_the_start() -> None:
    config = laminardb.LaminarConfig(buffer_size=1024)
    with laminardb.open(config=config) as conn:
        conn.execute("CREATE SOURCE s (id BIGINT)")
        conn.execute("CREATE STREAM t AS SELECT * FROM s")
        assert conn.pipeline_state == "created"
        conn.insert("s", {"id": list(range(512))})
        stats = conn.stats("s")
        assert (stats["pending"], stats["capacity"], stats["utilization"]) == (512, 1024, 0.5)
        conn.start()
        assert conn.pipeline_state == "running"
        assert conn.stats("s")["pending"] == 0


def test_stats(pipeline: laminardb.Connection) -> None:
    pipeline.insert("sensors", {"ts": 1, "device": "a", "value": 1.0})
    stats = pipeline.stats("sensors")
    assert list(stats) == [
        "name",
        "total_events",
        "pending",
        "capacity",
        "is_backpressured",
        "watermark",
        "utilization",
    ]
    assert (stats["name"], stats["total_events"], stats["watermark"]) == ("sensors", 1, None)
    with pytest.raises(laminardb.SchemaError) as caught:
        pipeline.stats("missing")
    assert caught.value.code == codes.TABLE_NOT_FOUND


def test_stream_metrics(pipeline: laminardb.Connection) -> None:
    subscription = pipeline.subscribe_stream("hot")
    pipeline.insert("sensors", {"ts": [1, 2], "device": ["a", "b"], "value": [1.0, 101.0]})
    found = pipeline.stream_metrics("hot")
    assert found is not None
    assert (found.name, found.total_events, found.pending) == ("hot", 1, 1)
    assert found.capacity > 0 and not found.is_backpressured
    assert found.sql == "SELECT device, value FROM sensors WHERE value > 100.0"
    assert [stream.name for stream in pipeline.all_stream_metrics()] == ["counts", "hot"]
    assert pipeline.stream_metrics("missing") is None
    subscription.cancel()


def test_metrics(pipeline: laminardb.Connection) -> None:
    pipeline.insert("sensors", {"ts": [1, 2], "device": ["a", "b"], "value": [1.0, 101.0]})
    pipeline.insert("sensors", {"ts": 3, "device": "b", "value": 102.0})
    found = pipeline.metrics()
    assert found.total_events_ingested == pipeline.total_events_processed == 3
    # Two rows of hot; a count that came, and one that was replaced.
    assert found.total_events_emitted == 2 + 1 + 2
    assert found.total_events_dropped == 0
    assert found.total_batches == 2
    assert found.total_cycles >= 2
    assert found.uptime_secs >= 0
    assert found.state == pipeline.pipeline_state == "running"
    assert (found.source_count, found.stream_count, found.sink_count) == (2, 2, 1)
    assert found.pipeline_watermark is None
    wrapped = laminardb.Metrics(found)
    assert wrapped.state == "running"
    assert wrapped.uptime_secs == found.uptime_secs
    if found.uptime_secs:
        assert wrapped.events_per_second == 3 / found.uptime_secs


def test_the_watermark_is_the_least(conn: laminardb.Connection) -> None:
    for name in ("a", "b"):
        conn.execute(f"CREATE SOURCE {name} (ts BIGINT NOT NULL, WATERMARK FOR ts)")
    with conn.writer("a") as a, conn.writer("b") as b:
        a.watermark(5000)
        assert conn.pipeline_watermark is None
        b.watermark(3000)
        assert conn.pipeline_watermark == 3000
        found = conn.source_metrics("a")
        assert found is not None and found.watermark == 5000


def test_topology(pipeline: laminardb.Connection) -> None:
    topology = pipeline.topology()
    assert {node.name: node.node_type for node in topology.nodes} == {
        "sensors": "source",
        "devices": "table",
        "hot": "stream",
        "counts": "stream",
        "alarm": "sink",
    }
    assert {(edge.from_node, edge.to_node) for edge in topology.edges} == {
        ("sensors", "hot"),
        ("hot", "counts"),
        ("hot", "alarm"),
    }
    sql = {node.name: node.sql for node in topology.nodes}
    assert sql["sensors"] is None
    assert sql["hot"] == "SELECT device, value FROM sensors WHERE value > 100.0"


def test_queries_and_their_end(sensors: laminardb.Connection) -> None:
    sensors.insert("sensors", {"ts": list(range(10)), "value": [1.0] * 10})
    batches = sensors.stream("SELECT * FROM sensors")
    (query,) = sensors.queries()
    assert (query.id, query.sql, query.active) == (
        batches.query_id,
        "SELECT * FROM sensors",
        True,
    )
    assert sensors.active_query_count == 1
    assert sum(batch.num_rows for batch in batches) == 10
    assert sensors.active_query_count == 0
    assert not sensors.cancel_query(query.id + 1000)


def test_a_query_is_cancelled(sensors: laminardb.Connection) -> None:
    sensors.insert("sensors", {"ts": 1})
    for cancel in (
        lambda batches: sensors.cancel_query(batches.query_id),
        lambda batches: batches.cancel(),
    ):
        batches = sensors.stream("SELECT * FROM sensors")
        cancel(batches)
        with pytest.raises(laminardb.QueryError) as caught:
            list(batches)
        assert caught.value.code == codes.QUERY_CANCELLED


def test_query_stream(pipeline: laminardb.Connection) -> None:
    pipeline.insert("sensors", {"ts": [1, 2], "device": ["a", "b"], "value": [105.0, 107.0]})
    assert len(pipeline.query_stream("hot")) == 2
    assert pipeline.query_stream("hot", "value > 106 -- only b").fetchall() == [("b", 107.0)]


def test_checkpoints_are_off_in_memory(conn: laminardb.Connection) -> None:
    assert conn.is_checkpoint_enabled is False
    assert conn.checkpoint() is None
    with pytest.warns(UserWarning, match="checkpoint_interval_ms"):
        config = laminardb.LaminarConfig(checkpoint_interval_ms=1000)
        with laminardb.open(config=config) as other:
            assert other.is_checkpoint_enabled is False


def test_shutdown(pipeline: laminardb.Connection) -> None:
    subscription = pipeline.subscribe_stream("hot")
    pipeline.insert("sensors", {"ts": 1, "device": "a", "value": 105.0})
    pipeline.shutdown()
    pipeline.shutdown()
    assert pipeline.pipeline_state == "stopped"
    assert not pipeline.is_closed
    batch = subscription.next()
    assert batch is not None and batch.fetchall() == [("a", 105.0)]
    assert subscription.next() is None
    for call in (
        lambda: pipeline.insert("sensors", {"ts": 1}),
        lambda: pipeline.sql("SELECT 1"),
        pipeline.start,
    ):
        with pytest.raises(laminardb.ConnectionError, match="closed") as caught:
            call()
        assert caught.value.code == codes.CONNECTION_CLOSED
    assert pipeline.checkpoint() is None
    assert pipeline.cancel_query(1) is False


@pytest.mark.parametrize(
    "call",
    [
        lambda conn: conn.tables(),
        lambda conn: conn.metrics(),
        lambda conn: conn.source_count,
        lambda conn: conn.topology(),
        lambda conn: conn.schema("sensors"),
        lambda conn: conn.cancel_query(1),
        lambda conn: conn.insert_json("sensors", "{}"),
        lambda conn: conn.stream("SELECT 1"),
        lambda conn: conn.create_table("t", {"a": "int64"}),
    ],
)
def test_after_close(
    sensors: laminardb.Connection, call: Callable[[laminardb.Connection], object]
) -> None:
    sensors.close()
    with pytest.raises(laminardb.ConnectionError, match="closed") as caught:
        call(sensors)
    assert caught.value.code == codes.CONNECTION_CLOSED
    assert sensors.pipeline_state == "stopped"


def test_connect_has_nobody_to_reach() -> None:
    with pytest.raises(laminardb.ConnectionError, match="laminar://localhost") as caught:
        laminardb.connect("laminar://localhost:5432/mydb")
    assert caught.value.code == codes.CONNECTION_FAILED


def test_aliases() -> None:
    assert laminardb.Config is laminardb.LaminarConfig
    assert laminardb.BatchWriter is laminardb.Writer
    assert laminardb.LaminarConfig().buffer_size == 65_536
    assert laminardb.LaminarConfig().table_spill_threshold == 1_000_000


JSON = '[{"ts": 1, "device": "a", "value": 1.5}, {"ts": 2, "device": "b"}]'
CSV = "ts,device,value\n1,a,1.5\n2,b,\n"


@pytest.mark.parametrize("encode", [str, str.encode, lambda text: bytearray(text.encode())])
@pytest.mark.parametrize(("name", "text"), [("insert_json", JSON), ("insert_csv", CSV)])
def test_text(
    sensors: laminardb.Connection, name: str, text: str, encode: Callable[[str], str]
) -> None:
    assert getattr(sensors, name)("sensors", encode(text)) == 2
    assert sensors.insert("sensors", encode(text)) == 2
    with sensors.writer("sensors") as writer, sensors.source("sensors") as source:
        assert writer.insert(encode(text)) == 2
        assert source.push(encode(text)) == 2
    rows = [(1, "a", 1.5), (2, "b", None)]
    assert sensors.sql("SELECT * FROM sensors").fetchall() == rows * 4


def test_text_that_does_not_fit(sensors: laminardb.Connection) -> None:
    for call in (
        lambda: sensors.insert_json("sensors", '[{"ts": 1}, {"ts": "x"}]'),
        lambda: sensors.insert_json("sensors", '[{"ts": 1}, {"colour": 1}]'),
        lambda: sensors.insert_json("sensors", "ts\n1\n"),
        lambda: sensors.insert_csv("sensors", "ts,device\n1,a\nx,b\n"),
        lambda: sensors.insert("sensors", "colour\n1\n"),
        lambda: sensors.insert_json("sensors", {"ts": 1}),  # type: ignore[arg-type]
    ):
        with pytest.raises(laminardb.IngestionError):
            call()
    assert len(sensors.sql("SELECT * FROM sensors")) == 0


def test_options_of_text(conn: laminardb.Connection) -> None:
    conn.execute("CREATE SOURCE s (k VARCHAR, v BIGINT, at TIMESTAMP(3))")
    text = "'a;b';7;86400\nNA;8;NA\n"
    options = {"header": False, "delimiter": ";", "quote": "'", "null": "NA", "epoch": "s"}
    assert conn.insert_csv("s", text, **options) == 2  # type: ignore[arg-type]
    assert conn.insert_json("s", '{"k": "c", "v": 9, "at": 86400}', epoch="s") == 1
    day = datetime.datetime(1970, 1, 2)
    found = conn.sql("SELECT * FROM s").fetchall()
    assert found == [("a;b", 7, day), (None, 8, None), ("c", 9, day)]
    with pytest.raises(laminardb.IngestionError):
        conn.insert_json("s", "{}", epoch="fortnight")
