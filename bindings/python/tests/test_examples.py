"""The examples of the package's documented interface run unchanged."""

import ast
import asyncio
import inspect
import pathlib
import random
import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import pandas
import polars
import pyarrow
import pytest

import laminardb
from laminardb import codes

EXAMPLES = re.findall(
    r"```python\n(.*?)```", (pathlib.Path(__file__).parent / "examples.md").read_text(), re.DOTALL
)

SENSORS = "CREATE SOURCE sensors (ts BIGINT, device VARCHAR, value DOUBLE)"
READINGS = "CREATE SOURCE readings (ts BIGINT, sensor VARCHAR, temp DOUBLE)"
REGISTRY = "CREATE SOURCE device_registry (device_id VARCHAR, location VARCHAR, owner VARCHAR)"
HIGH_TEMP = "CREATE STREAM high_temp AS SELECT * FROM sensors WHERE value > 100.0"
ALERTS = "CREATE STREAM alerts AS SELECT * FROM readings WHERE temp > 100.0"
EVERYTHING = [SENSORS, READINGS, HIGH_TEMP, ALERTS]

DEFINED: dict[int, list[str]] = {
    8: [],
    13: [SENSORS, REGISTRY],
    14: [SENSORS],
    38: [SENSORS],
}
"""What an example finds in its database; others find everything."""

PRINTED: dict[int, list[str]] = {
    1: ["sensor_b", "44.1", "(2 rows)"],
    2: ["boiler_1", "105.3", "(1 row)"],
    3: ["answer", "2"],
    4: ["click", "view"],
    5: ["alice", "/home"],
    9: ["sensors", "value: double", "None"],
    10: ["sensors", "65536", "sensors: 3 events, 0% buffer used"],
    12: ["sensors", "999"],
    16: ["high_temp: 1 emitted, watermark=None"],
    17: ["105.0", "Schema(ts: int64, device: string, value: double)"],
    18: ["output_sink", "1"],
    19: ["Watermark advanced to 9000", "Watermark advanced to 99000"],
    20: ["5000"],
    21: ["5000", "200"],
    22: ["ddl", "CREATE SOURCE", "metrics", "0"],
    26: ["a: 42.0", "b: 43.5", "a: 105.0"],
    31: ["sensor: string", "True", "boiler"],
    # temp > 80 where t % 50 is 41 to 49, four times.
    33: ["Total alerts: 36", "Pipeline: running, 200 events ingested", "device_0"],
    34: ["Price Summary", "Highest avg price: "],
    35: ["alice", "29.99", "999.0", "750.0", "(3 rows)", "(2 rows)"],
    36: ["Slow request: ", "Detected "],
    37: ["499 final watermark", "Consumed 500 events", "ingested=500"],
    38: ["stopped", "False"],
    39: ["SELECT * FROM sensors WHERE value > 100.0"],
    40: ["sensors", "3", "65536", "False", "0.0"],
    41: ["running", "[source] sensors", "sensors --> high_temp", "sensors: 3 events"],
    42: ["running"],
    43: ["Query failed", "401"],
    47: ["{'id': [1], 'name': ['click']}"],
}

REFUSED: dict[int, list[int]] = {
    # Paths and servers: what is not there yet says so.
    6: [codes.UNSUPPORTED, codes.CONNECTION_FAILED],
    45: [codes.UNSUPPORTED],
}

FED = {29, 30, 31, 32}
"""Examples that read a subscription until it is cancelled."""


@pytest.fixture
def example(request: pytest.FixtureRequest) -> Iterator[tuple[int, dict[str, Any]]]:
    """The number of an example and the names that it finds."""
    number: int = request.param
    rows = {"ts": [1, 2, 3], "device": ["a", "b", "a"], "value": [42.0, 43.5, 105.0]}
    with laminardb.open(":memory:") as conn:
        names: dict[str, Any] = {"conn": conn, "laminardb": laminardb, "__name__": "__main__"}
        for statement in DEFINED.get(number, EVERYTHING):
            conn.execute(statement)
        if number != 38:
            conn.start()
        if SENSORS in DEFINED.get(number, EVERYTHING):
            conn.insert("sensors", rows)
            names["result"] = conn.sql("SELECT * FROM sensors")
        names |= {
            "pa": pyarrow,
            "pd": pandas,
            "pl": polars,
            "arrow_capsule_object": pyarrow.table(rows),
            "query_id": 1,
        }

        def process(_rows: object) -> None:
            names["sub"].cancel()

        async def send_to_dashboard(_rows: object) -> None:
            names["sub"].cancel()

        names["process"] = send_to_dashboard if number == 30 else process
        names["send_to_dashboard"] = send_to_dashboard
        stop = threading.Event()
        feeder = threading.Thread(target=feed, args=(conn, names, stop))
        if number in FED:
            feeder.start()
        yield number, names
        stop.set()
        if number in FED:
            feeder.join()


def feed(conn: laminardb.Connection, names: dict[str, Any], stop: threading.Event) -> None:
    """Inserts rows, and in the end cancels what has not been."""
    deadline = time.monotonic() + 1.0
    while not stop.is_set():
        row = {"ts": 1, "sensor": "boiler", "temp": 105.0}
        conn.insert("readings", row)
        conn.insert("sensors", {"ts": 1, "device": "a", "value": 105.0})
        if time.monotonic() > deadline and "sub" in names:
            names["sub"].cancel()
        stop.wait(0.01)


def run(text: str, number: int, names: dict[str, Any]) -> None:
    """Runs a program, in an event loop if it awaits."""
    where = f"examples.md[{number}]"
    code = compile(text, where, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if code.co_flags & inspect.CO_COROUTINE:
        result = eval(code, names)
        asyncio.run(asyncio.wait_for(result, 30))
    else:
        exec(code, names)


@pytest.mark.filterwarnings("ignore:checkpoint_interval_ms")
@pytest.mark.parametrize("example", range(len(EXAMPLES)), indirect=True)
def test_example(
    example: tuple[int, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    number, names = example
    random.seed(number)
    if number in REFUSED:
        found = []
        for statement in ast.parse(EXAMPLES[number]).body:
            try:
                run(ast.unparse(statement), number, names)
            except laminardb.LaminarError as error:
                found.append(error.code)
        assert found == REFUSED[number]
        return
    run(EXAMPLES[number], number, names)
    printed = capsys.readouterr().out
    for text in PRINTED.get(number, []):
        assert text in printed, printed


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 48
