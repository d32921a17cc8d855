"""The package in an environment that has nothing else: no pyarrow, pandas, polars or pytest."""

import importlib.util

import laminardb

for library in ("pyarrow", "pandas", "polars", "numpy"):
    assert importlib.util.find_spec(library) is None, library

with laminardb.open() as conn:
    conn.execute("CREATE SOURCE readings (ts BIGINT, sensor VARCHAR, temp DOUBLE)")
    conn.execute("CREATE STREAM alerts AS SELECT * FROM readings WHERE temp > 100.0")
    conn.start()
    alerts = conn.subscribe_stream("alerts")
    assert conn.insert("readings", {"ts": 1, "sensor": "boiler_1", "temp": 105.3}) == 1
    batch = alerts.next_timeout(2000)
    assert batch is not None
    assert batch.fetchall() == [(1, "boiler_1", 105.3)], batch.fetchall()
    result = conn.sql("SELECT * FROM readings")
    assert result.to_dicts() == {"ts": [1], "sensor": ["boiler_1"], "temp": [105.3]}
    # A result is Arrow data that another database takes without any library between.
    conn.execute("CREATE SOURCE copies (ts BIGINT, sensor VARCHAR, temp DOUBLE)")
    assert conn.insert("copies", result) == 1
    for needs in (result.arrow, result.df, result.pl, result.to_df):
        try:
            needs()
        except ImportError as error:
            assert "needs" in str(error), error
        else:
            raise AssertionError(needs)
print("1 passed, 0 failed")
