"""The same as languages.c in Python: dicts and tuples as rows, batches of pyarrow.

python languages.py SECONDS
"""

import json
import sys
import time
from collections.abc import Callable

import pyarrow

import laminardb

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0


def trades_of(rows: int) -> list[dict[str, object]]:
    """Every other row passes the filter; a row on its own does."""
    return [
        {"symbol": f"S{row % 100}", "price": 100.0 if rows == 1 or row % 2 else 0.0, "ts": row}
        for row in range(rows)
    ]


def measure(name: str, rows: int, push: Callable[[], int]) -> None:
    """Two rounds, of which the first warms up."""
    for _ in range(2):
        begun = time.process_time()
        pushes = 0
        while (used := time.process_time() - begun) < SECONDS:
            for _ in range(16):
                assert push() == (rows + 1) // 2, "half of the rows pass"
            pushes += 16
    row = {"bench": "languages", "language": "Python", "name": name}
    print(json.dumps(row | {"cpu_ns_per_row": round(used * 1e9 / (pushes * rows), 1)}), flush=True)


with laminardb.open() as conn:
    conn.execute("CREATE SOURCE trades (symbol VARCHAR, price DOUBLE, ts BIGINT)")
    conn.execute("CREATE STREAM dear AS SELECT * FROM trades WHERE price >= 50")
    conn.start()
    source = conn.source("trades")
    changes = conn.subscribe_stream("dear")

    def push_rows(data: object) -> int:
        source.push(data)
        passed = 0
        while (batch := changes.try_next()) is not None:
            for _row in batch:
                passed += 1
        return passed

    def push_arrow(batch: pyarrow.RecordBatch) -> int:
        source.push(batch)
        passed = 0
        while (found := changes.try_next()) is not None:
            passed += found.to_arrow().num_rows
        return passed

    one = trades_of(1)[0]
    measure("1 row", 1, lambda: push_rows(one))
    thousand = trades_of(1_000)
    measure("1,000 rows", 1_000, lambda: push_rows(thousand))
    for size in (1_000, 8_192):
        record_batch = pyarrow.RecordBatch.from_pylist(trades_of(size))
        measure(f"Arrow, {size:,}", size, lambda batch=record_batch: push_arrow(batch))
