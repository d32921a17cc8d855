"""How fast queries answer, and results turn into other forms:
`python benchmarks/bench_query.py [ROWS]`."""

import sys

import laminardb
from _timing import report

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000

config = laminardb.LaminarConfig(retain_history=ROWS)
with laminardb.open(config=config) as conn:
    conn.execute("CREATE SOURCE sensors (ts BIGINT, device VARCHAR, value DOUBLE)")
    conn.execute("CREATE STREAM means AS SELECT device, avg(value) FROM sensors GROUP BY device")
    conn.start()
    conn.insert(
        "sensors",
        {
            "ts": list(range(ROWS)),
            "device": [f"device_{ts % 100}" for ts in range(ROWS)],
            "value": [ts * 0.5 for ts in range(ROWS)],
        },
    )
    report("the rows of a stream", 100, lambda: conn.sql("SELECT * FROM means"))
    report("all rows", ROWS, lambda: conn.sql("SELECT * FROM sensors"))
    report("a filter", ROWS, lambda: conn.sql("SELECT * FROM sensors WHERE value > 10"))
    report(
        "groups",
        ROWS,
        lambda: conn.sql("SELECT device, avg(value) FROM sensors GROUP BY device"),
    )
    report("batch by batch", ROWS, lambda: list(conn.stream("SELECT * FROM sensors")))
    result = conn.sql("SELECT * FROM sensors")
    report("fetchall()", len(result), result.fetchall)
    report("to_dicts()", len(result), result.to_dicts)
    report("arrow()", len(result), result.arrow)
    report("df()", len(result), result.df)
    report("pl()", len(result), result.pl)
