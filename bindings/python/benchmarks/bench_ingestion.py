"""How fast rows go in, by their form: `python benchmarks/bench_ingestion.py [ROWS]`."""

import json
import sys

import pandas
import polars
import pyarrow

import laminardb
from _timing import report

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000

columns = {
    "ts": list(range(ROWS)),
    "device": [f"device_{ts % 100}" for ts in range(ROWS)],
    "value": [ts * 0.5 for ts in range(ROWS)],
}
dicts = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
table = pyarrow.table(columns)
frame = pandas.DataFrame(columns)
polars_frame = polars.DataFrame(columns)
lines = ["ts,device,value", *(f"{r['ts']},{r['device']},{r['value']}" for r in dicts)]
csv = "\n".join(lines)

with laminardb.open() as conn:
    conn.execute("CREATE SOURCE sensors (ts BIGINT, device VARCHAR, value DOUBLE)")
    conn.execute("CREATE STREAM hot AS SELECT * FROM sensors WHERE value < 0")
    conn.start()
    report("list of dicts", ROWS, lambda: conn.insert("sensors", dicts))
    report("dict of lists", ROWS, lambda: conn.insert("sensors", columns))
    report("pandas", ROWS, lambda: conn.insert("sensors", frame))
    report("polars", ROWS, lambda: conn.insert("sensors", polars_frame))
    report("pyarrow", ROWS, lambda: conn.insert("sensors", table))
    text = json.dumps(dicts)
    report("JSON", ROWS, lambda: conn.insert_json("sensors", text))
    report("CSV", ROWS, lambda: conn.insert_csv("sensors", csv))

    def write() -> None:
        with conn.writer("sensors") as writer:
            for row in dicts:
                writer.insert(row)

    report("writer, row by row", ROWS, write)
    few = dicts[: ROWS // 100]
    report(
        "insert, row by row",
        len(few),
        lambda: [conn.insert("sensors", row) for row in few],
    )
