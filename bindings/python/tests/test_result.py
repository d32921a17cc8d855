"""Results and how they are read."""

import gc
import sys

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import laminardb


@pytest.fixture
def result(sensors: laminardb.Connection) -> laminardb.QueryResult:
    columns = {"ts": [1, 2, 3], "device": ["a", "b", None], "value": [1.5, None, 3.5]}
    sensors.insert("sensors", columns)
    return sensors.sql("SELECT * FROM sensors ORDER BY ts")


ROWS = [(1, "a", 1.5), (2, "b", None), (3, None, 3.5)]


def test_shape(result: laminardb.QueryResult) -> None:
    assert (result.num_rows, result.num_columns, len(result)) == (3, 3, 3)
    assert result.columns == ["ts", "device", "value"]
    assert result.num_batches >= 1
    assert result.schema.names == result.columns
    assert result.schema.field("ts").type == pa.int64()
    assert (result.epoch, result.weights, result.is_reset) == (None, None, False)
    assert repr(result) == "<laminardb.QueryResult 3 rows: ts, device, value>"


def test_rows(result: laminardb.QueryResult) -> None:
    assert result.fetchall() == ROWS
    assert list(result) == list(result) == ROWS
    assert result.fetchone() == ROWS[0]
    assert result.fetchmany(10) == ROWS[1:]
    assert result.fetchmany(10) == []
    assert result.fetchone() is None
    assert result.fetchall() == ROWS
    assert result.to_dicts() == {
        "ts": [1, 2, 3],
        "device": ["a", "b", None],
        "value": [1.5, None, 3.5],
    }


def test_frames(result: laminardb.QueryResult) -> None:
    table = result.arrow()
    assert isinstance(table, pa.Table)
    assert table.to_pydict() == result.to_dicts() == result.to_arrow().to_pydict()
    frame = result.df()
    assert isinstance(frame, pd.DataFrame)
    assert frame["ts"].tolist() == [1, 2, 3]
    assert result.to_pandas().equals(frame)
    polars = result.pl()
    assert isinstance(polars, pl.DataFrame)
    assert polars.rows() == ROWS
    assert isinstance(result.pl(lazy=True), pl.LazyFrame)
    assert isinstance(result.to_polars(lazy=True), pl.LazyFrame)
    assert isinstance(result.to_df(), pl.DataFrame)


def test_capsules_share_and_outlive(result: laminardb.QueryResult) -> None:
    streams = [result.__arrow_c_stream__() for _ in range(3)]
    schema = result.__arrow_c_schema__()
    unused = result.__arrow_c_stream__(schema)
    first, second = pa.table(result), pa.table(result)
    address = first.column("ts").chunk(0).buffers()[1].address
    assert second.column("ts").chunk(0).buffers()[1].address == address
    del streams, schema, unused, result, second
    gc.collect()
    assert first.to_pydict()["device"] == ["a", "b", None]
    # A column that was taken out of its table lives on alone.
    column = first.column("device")
    del first
    gc.collect()
    assert column.to_pylist() == ["a", "b", None]


def test_an_empty_result(sensors: laminardb.Connection) -> None:
    result = sensors.sql("SELECT * FROM sensors WHERE ts > 5")
    assert not result
    assert result.num_rows == 0
    assert result.fetchall() == [] and result.fetchone() is None
    assert result.to_dicts() == {"ts": [], "device": [], "value": []}
    assert result.arrow().num_rows == 0
    assert result.arrow().column_names == ["ts", "device", "value"]
    assert result.pl().shape == (0, 3)


def test_show(result: laminardb.QueryResult, capsys: pytest.CaptureFixture[str]) -> None:
    result.show()
    lines = capsys.readouterr().out.splitlines()
    assert [cell.strip() for cell in lines[0].split("\u2502")] == ["ts", "device", "value"]
    assert [cell.strip() for cell in lines[3].split("\u2502")] == ["2", "b", "NULL"]
    assert lines[-1] == "(3 rows)"
    result.show(max_rows=1)
    assert capsys.readouterr().out.splitlines()[-1] == "(3 rows, 1 shown)"


def test_show_cuts_what_is_long(
    conn: laminardb.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    conn.sql("SELECT repeat('x', 1000) AS long, '<b>' AS tag").show()
    assert max(map(len, capsys.readouterr().out.splitlines())) < 80
    html = conn.sql("SELECT repeat('x', 1000) AS long, '<b>' AS tag")._repr_html_()
    assert "&lt;b&gt;" in html and "x" * 41 not in html


def test_many_batches(sensors: laminardb.Connection) -> None:
    for ts in range(0, 30_000, 10_000):
        sensors.insert("sensors", {"ts": list(range(ts, ts + 10_000))})
    result = sensors.sql("SELECT ts FROM sensors")
    assert sorted(row[0] for row in result) == list(range(30_000))
    assert len(result.fetchmany(15_000)) == 15_000
    assert len(result.fetchmany(20_000)) == 15_000


def test_values_are_not_leaked(sensors: laminardb.Connection) -> None:
    marker = "a text that only this test has"
    before = sys.getrefcount(marker)
    for _ in range(10):
        sensors.insert("sensors", [{"device": marker}])
        sensors.insert("sensors", {"device": [marker]})
    gc.collect()
    assert sys.getrefcount(marker) == before
