"""Everything that insert takes, and what it refuses."""

import collections
import types
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import laminardb
from laminardb import codes

ROWS = [(1, "a", 42.0), (2, "b", 43.5), (3, None, None)]
COLUMNS = {"ts": [1, 2, 3], "device": ["a", "b", None], "value": [42.0, 43.5, None]}
DICTS = [dict(zip(("ts", "device", "value"), row, strict=True)) for row in ROWS]


class Stream:
    """Something that has Arrow data and nothing else."""

    def __init__(self, data: Any) -> None:
        self._data = data

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._data.__arrow_c_stream__(requested_schema)


class Array:
    def __init__(self, data: Any) -> None:
        self._data = data

    def __arrow_c_array__(self, requested_schema: object = None) -> object:
        return self._data.__arrow_c_array__(requested_schema)


INPUTS = {
    "list of dicts": DICTS,
    "tuple of dicts": tuple(DICTS),
    "generator": (row for row in DICTS),
    "mappings": [types.MappingProxyType(row) for row in DICTS],
    "columns": COLUMNS,
    "columns of tuples": {name: tuple(values) for name, values in COLUMNS.items()},
    "columns in another order": dict(reversed(COLUMNS.items())),
    "ordered dict": collections.OrderedDict(COLUMNS),
    "columns of arrays": {
        "ts": np.array([1, 2, 3]),
        "device": np.array(["a", "b", None], dtype=object),
        "value": pd.Series([42.0, 43.5, None], dtype="Float64"),
    },
    "columns of series": {
        "ts": pl.Series([1, 2, 3]),
        "device": pa.array(["a", "b", None]),
        "value": pa.chunked_array([[42.0], [43.5, None]]),
    },
    "pandas": pd.DataFrame(COLUMNS).convert_dtypes(),
    "pandas with an index": pd.DataFrame(COLUMNS).set_index("ts"),
    "pandas filtered": pd.DataFrame({k: [None, *v] for k, v in COLUMNS.items()})
    .convert_dtypes()
    .iloc[1:],
    "polars": pl.DataFrame(COLUMNS),
    "pyarrow table": pa.table(COLUMNS),
    "pyarrow batch": pa.record_batch(COLUMNS),
    "pyarrow chunks": pa.concat_tables([pa.table(COLUMNS).slice(0, 1), pa.table(COLUMNS).slice(1)]),
    "pyarrow reader": pa.table(COLUMNS).to_reader(),
    "pyarrow other types": pa.table(COLUMNS).cast(
        pa.schema([("ts", pa.int32()), ("device", pa.large_string()), ("value", pa.float32())])
    ),
    "pyarrow dictionary": pa.table(COLUMNS).set_column(
        1, "device", pa.array(COLUMNS["device"]).dictionary_encode()
    ),
    "stream": Stream(pa.table(COLUMNS)),
    "array": Array(pa.record_batch(COLUMNS)),
}


@pytest.mark.parametrize("kind", INPUTS)
def test_insert(sensors: laminardb.Connection, kind: str) -> None:
    sensors.execute("CREATE STREAM seen AS SELECT ts FROM sensors")
    changes = sensors.subscribe_stream("seen")
    assert sensors.insert("sensors", INPUTS[kind]) == 3
    result = sensors.sql("SELECT ts, device, value FROM sensors ORDER BY ts")
    assert [tuple(None if cell != cell else cell for cell in row) for row in result] == ROWS
    # All of a call is one epoch.
    epochs = set()
    while batch := changes.try_next():
        epochs.add(batch.epoch)
    assert len(epochs) == 1


def test_a_single_dict_is_a_row(sensors: laminardb.Connection) -> None:
    assert sensors.insert("sensors", {"ts": 1, "device": "a", "value": 42.0}) == 1
    assert sensors.insert("sensors", {"ts": 2}) == 1
    assert sensors.sql("SELECT * FROM sensors ORDER BY ts").fetchall() == [
        (1, "a", 42.0),
        (2, None, None),
    ]


@pytest.mark.parametrize(
    "nothing", [[], (), {"ts": [], "device": []}, pa.table(COLUMNS).slice(0, 0)]
)
def test_nothing_is_no_rows(sensors: laminardb.Connection, nothing: Any) -> None:
    assert sensors.insert("sensors", nothing) == 0
    assert sensors.sql("SELECT * FROM sensors").num_rows == 0


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ([{"ts": 1}, {"ts": "two"}], "`ts`"),
        ([{"ts": 1}, {"ts": 2, "value": "hot"}], "`value`"),
        ([{"ts": 1}, {"ts": 2.5}], "`ts`"),
        ([{"ts": 1}, {"ts": True}], "`ts`"),
        ([{"ts": 1}, {"ts": 2**63}], "`ts`"),
        ([{"ts": 1}, {"ts": 2**80}], "`ts`"),
        ([{"ts": 1}, {"device": 5}], "`device`"),
        ([{"ts": 1}, {"device": b"bytes"}], "`device`"),
        ([{"ts": 1}, {"device": object()}], "`device`"),
        ([{"ts": 1}, {"device": ["a"]}], "`device`"),
        ([{"ts": 1}, {"device": "\ud800"}], "`device`"),
        ([{"ts": 1}, {"value": 2**53 + 1}], "`value`"),
        ([{"ts": 1}, {"place": "here"}], "`place`"),
        ([{"ts": 1}, {7: "seven"}], "7"),
        ([{"ts": 1}, "row"], "row 2"),
        ([1, 2], "row 1"),
        ({"ts": [1, 2], "value": [1.0]}, "`value`"),
        ({"ts": [1, "two"]}, "`ts`"),
        ({"ts": 1, "device": ["a"]}, "`device`"),
        (pa.table({"ts": [1], "place": ["here"]}), "place"),
        (pa.table({"ts": ["one"]}), "ts"),
        (pd.DataFrame({"ts": [1], "value": ["hot"]}), "value"),
        (pl.DataFrame({"ts": [1.5]}), "ts"),
        ("text", "`text`"),
        (7, "int"),
        (None, "NoneType"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_lands(
    sensors: laminardb.Connection, data: Any, named: str
) -> None:
    with pytest.raises(laminardb.IngestionError) as caught:
        sensors.insert("sensors", data)
    assert named in str(caught.value)
    assert caught.value.code in (codes.INGESTION_FAILED, codes.BATCH_SCHEMA_MISMATCH)
    assert sensors.sql("SELECT * FROM sensors").num_rows == 0
    # And the source goes on as if nothing had been.
    assert sensors.insert("sensors", {"ts": 1}) == 1
    assert sensors.sql("SELECT ts FROM sensors").fetchall() == [(1,)]


def test_the_row_of_a_mistake_is_named(sensors: laminardb.Connection) -> None:
    with pytest.raises(laminardb.IngestionError, match="row 3"):
        sensors.insert("sensors", [{"ts": 1}, {"ts": 2}, {"ts": "three"}])


def test_not_null(conn: laminardb.Connection) -> None:
    conn.execute("CREATE SOURCE s (id BIGINT NOT NULL, name VARCHAR)")
    for data in ({"name": "a"}, {"id": None}, {"id": [1, None]}, pa.table({"id": [1, None]})):
        with pytest.raises(laminardb.IngestionError, match="id"):
            conn.insert("s", data)
    assert conn.insert("s", pa.table({"id": [1]})) == 1
    assert conn.sql("SELECT * FROM s").fetchall() == [(1, None)]


def test_an_unknown_source(conn: laminardb.Connection) -> None:
    for data in ({"id": 1}, pa.table({"id": [1]})):
        with pytest.raises(laminardb.SchemaError, match="missing") as caught:
            conn.insert("missing", data)
        assert caught.value.code == codes.TABLE_NOT_FOUND


def test_a_source_that_was_made_anew(conn: laminardb.Connection) -> None:
    conn.execute("CREATE SOURCE s (a BIGINT, b VARCHAR)")
    conn.insert("s", {"a": 1, "b": "x"})
    conn.execute("DROP SOURCE s")
    conn.execute("CREATE SOURCE s (b VARCHAR, c DOUBLE)")
    conn.insert("s", {"b": "y", "c": 2.0})
    assert conn.sql("SELECT * FROM s").fetchall() == [("y", 2.0)]


def test_an_iterator_that_fails(sensors: laminardb.Connection) -> None:
    def rows() -> Any:
        yield {"ts": 1}
        raise KeyError("broken")

    with pytest.raises(KeyError, match="broken"):
        sensors.insert("sensors", rows())
    assert sensors.sql("SELECT * FROM sensors").num_rows == 0


def test_a_stream_that_fails(sensors: laminardb.Connection) -> None:
    schema = pa.schema([("ts", pa.int64())])

    def batches() -> Any:
        yield pa.record_batch({"ts": [1]})
        raise ValueError("broken")

    with pytest.raises(laminardb.IngestionError, match="broken"):
        sensors.insert("sensors", pa.RecordBatchReader.from_batches(schema, batches()))
    assert sensors.sql("SELECT * FROM sensors").num_rows == 0


def test_a_stream_made_in_python_may_use_the_database(sensors: laminardb.Connection) -> None:
    schema = pa.schema([("ts", pa.int64())])

    def batches() -> Any:
        for ts in range(3):
            assert sensors.sql("SELECT count(*) FROM sensors").fetchone() == (0,)
            yield pa.record_batch({"ts": [ts]})

    reader = pa.RecordBatchReader.from_batches(schema, batches())
    assert sensors.insert("sensors", reader) == 3
    assert sensors.sql("SELECT count(*) FROM sensors").fetchone() == (3,)


def test_a_reader_is_used_up(sensors: laminardb.Connection) -> None:
    reader = pa.table(COLUMNS).to_reader()
    assert sensors.insert("sensors", reader) == 3
    assert sensors.insert("sensors", reader) == 0
    assert sensors.sql("SELECT * FROM sensors").num_rows == 3


def test_results_go_in_again(sensors: laminardb.Connection) -> None:
    sensors.insert("sensors", DICTS)
    sensors.execute("CREATE SOURCE copies (ts BIGINT, device VARCHAR, value DOUBLE)")
    result = sensors.sql("SELECT * FROM sensors")
    assert sensors.insert("copies", result) == 3
    assert sensors.insert("copies", result) == 3
    assert sensors.sql("SELECT * FROM copies").num_rows == 6


def test_many_rows(sensors: laminardb.Connection) -> None:
    count = 50_000
    rows = ({"ts": ts, "device": f"d{ts % 7}", "value": ts / 2} for ts in range(count))
    assert sensors.insert("sensors", rows) == count
    assert sensors.sql("SELECT count(*), max(ts), sum(value) FROM sensors").fetchone() == (
        count,
        count - 1,
        sum(ts / 2 for ts in range(count)),
    )


def test_backpressure_before_start() -> None:
    config = laminardb.LaminarConfig(max_queued_bytes=4096, push_timeout_ms=1)
    with laminardb.open(config=config) as conn:
        conn.execute("CREATE SOURCE s (id BIGINT)")
        conn.execute("CREATE STREAM t AS SELECT id + 1 AS id FROM s")
        taken = 0
        with pytest.raises(laminardb.IngestionError, match="start") as caught:
            for _ in range(1000):
                taken += conn.insert("s", {"id": list(range(100))})
        assert caught.value.code == codes.BACKPRESSURE
        assert taken > 0
        changes = conn.subscribe_stream("t")
        conn.start()
        seen = 0
        while batch := changes.try_next():
            seen += batch.num_rows
        assert seen == taken
        assert conn.insert("s", {"id": 1}) == 1


def test_try_push_does_not_wait() -> None:
    config = laminardb.LaminarConfig(max_queued_bytes=4096, push_timeout_ms=60_000)
    with laminardb.open(config=config) as conn:
        conn.execute("CREATE SOURCE s (id BIGINT)")
        conn.execute("CREATE STREAM t AS SELECT id + 1 AS id FROM s")
        source = conn.source("s")
        taken = 0
        while (rows := source.try_push({"id": list(range(64))})) is not None:
            assert rows == 64
            taken += rows
        assert source.try_push(pa.record_batch({"id": list(range(512))})) is None
        conn.start()
        assert source.try_push(pa.record_batch({"id": [1]})) == 1
        assert conn.total_events_processed == taken + 1
        with pytest.raises(laminardb.IngestionError, match="push"):
            source.try_push("id\n1\n")
