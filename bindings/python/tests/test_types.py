"""Values go in and come out as the same."""

import datetime as dt
import decimal
import math
import uuid
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import laminardb

UTC = dt.timezone.utc
TYPES: dict[str, list[Any]] = {
    "BOOLEAN": [True, False],
    "TINYINT": [-128, 127],
    "SMALLINT": [-(2**15), 2**15 - 1],
    "INTEGER": [-(2**31), 2**31 - 1],
    "BIGINT": [-(2**63), 0, 2**63 - 1],
    "INT UNSIGNED": [0, 2**32 - 1],
    "BIGINT UNSIGNED": [0, 2**64 - 1],
    "REAL": [0.5, -1.25, math.inf],
    "DOUBLE": [0.1, -1e308, math.inf, 5e-324],
    "VARCHAR": ["", "text", "\u00fc\u00f1\u00ee \U0001f680", "with \0 and \n"],
    "TEXT": ["t"],
    "BYTEA": [b"", b"\x00\xff"],
    "DATE": [dt.date(1, 1, 1), dt.date(1969, 12, 31), dt.date(2024, 2, 29), dt.date(9999, 12, 31)],
    "TIME": [dt.time(0, 0), dt.time(23, 59, 59, 999999)],
    "TIMESTAMP(6)": [
        dt.datetime(1, 1, 1),
        dt.datetime(1969, 12, 31, 23, 59, 59, 999999),
        dt.datetime(2024, 2, 29, 12, 30, 15, 123456),
        dt.datetime(9999, 12, 31, 23, 59, 59, 999999),
    ],
    "TIMESTAMP(3)": [dt.datetime(2024, 1, 1, 0, 0, 0, 5000)],
    "TIMESTAMP(0)": [dt.datetime(2024, 1, 1, 0, 0, 1)],
    "TIMESTAMP": [dt.datetime(2024, 1, 1, 0, 0, 0, 5000)],
    "DECIMAL(10, 2)": [decimal.Decimal(text) for text in ("-12.50", "99999999.99", "0.00")],
    "DECIMAL(38, 10)": [decimal.Decimal("1234567890123456789012345678.0123456789")],
    "BIGINT[]": [[], [1, None, 3]],
    "VARCHAR[]": [["a", ""], [None]],
    "STRUCT<a BIGINT, b VARCHAR>": [{"a": 1, "b": "x"}, {"a": None, "b": None}],
}


@pytest.mark.parametrize("sql_type", TYPES)
def test_round_trip(conn: laminardb.Connection, sql_type: str) -> None:
    values = TYPES[sql_type]
    conn.execute(f"CREATE SOURCE s (id BIGINT, v {sql_type})")
    rows = [{"id": id, "v": value} for id, value in enumerate([*values, None])]
    assert conn.insert("s", rows) == len(rows)
    result = conn.sql("SELECT v FROM s ORDER BY id")
    assert [row[0] for row in result] == [*values, None]
    assert result.to_dicts() == {"v": [*values, None]}
    # What pyarrow reads is the same, and goes in again.
    assert result.arrow().column("v").to_pylist() == [*values, None]
    table = conn.sql("SELECT * FROM s ORDER BY id").arrow()
    assert conn.insert("s", table) == len(rows)


def test_nan(conn: laminardb.Connection) -> None:
    conn.execute("CREATE SOURCE s (v DOUBLE)")
    conn.insert("s", {"v": math.nan})
    assert math.isnan(conn.sql("SELECT v FROM s").fetchall()[0][0])


EAST = dt.timezone(dt.timedelta(hours=5, minutes=30))
MOMENT = dt.datetime(2024, 6, 1, 12, 0, tzinfo=EAST)


def test_a_zone_counts_in_utc(conn: laminardb.Connection) -> None:
    conn.execute("CREATE SOURCE s (plain TIMESTAMP(6))")
    conn.insert("s", {"plain": MOMENT})
    assert conn.sql("SELECT * FROM s").fetchall() == [(dt.datetime(2024, 6, 1, 6, 30),)]


def test_columns_with_a_zone(conn: laminardb.Connection) -> None:
    conn.execute("CREATE SOURCE s (zoned TIMESTAMP(6) WITH TIME ZONE)")
    conn.insert("s", {"zoned": MOMENT})
    (zoned,) = conn.sql("SELECT * FROM s").fetchall()[0]
    assert zoned.tzinfo is not None and zoned == MOMENT


@pytest.mark.parametrize(
    ("zone", "offset"),
    [
        ("+05:30", dt.timedelta(hours=5.5)),
        ("-08:00", dt.timedelta(hours=-8)),
        ("UTC", dt.timedelta()),
    ],
)
def test_results_in_a_zone(conn: laminardb.Connection, zone: str, offset: dt.timedelta) -> None:
    query = f"SELECT arrow_cast(1717223400000000, 'Timestamp(Microsecond, Some(\"{zone}\"))') AS t"
    (moment,) = conn.sql(query).fetchall()[0]
    assert moment == dt.datetime(2024, 6, 1, 6, 30, tzinfo=UTC)
    assert moment.utcoffset() == offset


def test_integers_are_times_already_counted(conn: laminardb.Connection) -> None:
    conn.execute("CREATE SOURCE s (t TIMESTAMP(3), d DATE)")
    conn.insert("s", {"t": 1500, "d": 1})
    assert conn.sql("SELECT * FROM s").fetchall() == [
        (dt.datetime(1970, 1, 1, 0, 0, 1, 500000), dt.date(1970, 1, 2))
    ]


def test_integers_widen(conn: laminardb.Connection) -> None:
    conn.execute("CREATE SOURCE s (f DOUBLE, d DECIMAL(10, 2))")
    conn.insert("s", {"f": 3, "d": 4})
    assert conn.sql("SELECT * FROM s").fetchall() == [(3.0, decimal.Decimal("4.00"))]


@pytest.mark.parametrize(
    ("sql_type", "value"),
    [
        ("TINYINT", 128),
        ("SMALLINT", -(2**15) - 1),
        ("INTEGER", 2**31),
        ("INT UNSIGNED", -1),
        ("REAL", 2**24 + 1),
        ("BOOLEAN", 1),
        ("DOUBLE", "1.0"),
        ("DOUBLE", decimal.Decimal("1.5")),
        ("DECIMAL(10, 2)", decimal.Decimal("1.005")),
        ("DECIMAL(10, 2)", decimal.Decimal("123456789")),
        ("DECIMAL(10, 2)", decimal.Decimal("NaN")),
        ("DECIMAL(10, 2)", 1.5),
        ("DATE", dt.datetime(2024, 1, 1)),
        ("DATE", "2024-01-01"),
        ("TIMESTAMP(3)", dt.datetime(2024, 1, 1, microsecond=1)),
        ("TIMESTAMP(3)", dt.date(2024, 1, 1)),
        ("TIME", dt.time(12, tzinfo=UTC)),
        ("BIGINT[]", [1, "two"]),
        ("BIGINT[]", 1),
        ("STRUCT<a BIGINT>", {"b": 1}),
        ("STRUCT<a BIGINT>", [1]),
    ],
)
def test_what_would_lose_something_is_refused(
    conn: laminardb.Connection, sql_type: str, value: Any
) -> None:
    conn.execute(f"CREATE SOURCE s (id BIGINT, v {sql_type})")
    with pytest.raises(laminardb.IngestionError, match="`v`"):
        conn.insert("s", [{"id": 1}, {"id": 2, "v": value}])
    assert conn.sql("SELECT * FROM s").num_rows == 0


def test_values_of_numpy_and_pandas(conn: laminardb.Connection) -> None:
    conn.execute(
        "CREATE SOURCE s (i BIGINT, f DOUBLE, b BOOLEAN, t TIMESTAMP(9), v VARCHAR, u VARCHAR)"
    )
    key = uuid.UUID(int=7)
    row = {
        "i": np.int32(5),
        "f": np.float32(0.5),
        "b": np.bool_(True),
        "t": np.datetime64("2024-01-01T00:00:00.5", "ns"),
        "v": np.str_("x"),
        "u": key,
    }
    nulls = {"i": pd.NA, "t": pd.NaT, "v": None}
    stamp = {"t": pd.Timestamp(1_000_000_001)}
    assert conn.insert("s", [row, nulls, stamp]) == 3
    moment = dt.datetime(2024, 1, 1, 0, 0, 0, 500000)
    assert conn.sql("SELECT * FROM s LIMIT 2").fetchall() == [
        (5, 0.5, True, moment, "x", str(key)),
        (None,) * 6,
    ]
    nanos = conn.sql("SELECT t FROM s").arrow().column("t").cast(pa.int64()).to_pylist()
    assert nanos[2] == 1_000_000_001


def test_results_of_other_types(conn: laminardb.Connection) -> None:
    row = conn.sql(
        """SELECT make_array(1, 2) AS l, named_struct('a', 1, 'b', make_array('x')) AS s,
                  map(['k'], [1]) AS m, arrow_cast('x', 'Dictionary(Int32, Utf8)') AS d,
                  interval '1 month 2 days' AS i, NULL AS n,
                  arrow_cast(90, 'Duration(Second)') AS u,
                  arrow_cast('y', 'LargeUtf8') AS y, arrow_cast(1.5, 'Float16') AS h,
                  arrow_cast(x'0102', 'FixedSizeBinary(2)') AS b,
                  arrow_cast(make_array(1, 2), 'FixedSizeList(2, Int64)') AS w,
                  arrow_cast(1.5, 'Decimal256(40, 2)') AS e"""
    ).fetchall()[0]
    assert row == (
        [1, 2],
        {"a": 1, "b": ["x"]},
        {"k": 1},
        "x",
        (1, 2, 0),
        None,
        dt.timedelta(seconds=90),
        "y",
        1.5,
        b"\x01\x02",
        [1, 2],
        decimal.Decimal("1.50"),
    )


def test_a_date_past_python(conn: laminardb.Connection) -> None:
    result = conn.sql("SELECT arrow_cast(9000000000000, 'Timestamp(Second, None)') AS t")
    with pytest.raises(OverflowError, match="arrow"):
        result.fetchall()


def test_slices_keep_their_place(conn: laminardb.Connection) -> None:
    table = pa.table({"i": list(range(20)), "s": [f"s{i}" for i in range(20)]})
    nested = table.append_column("l", pa.array([[i, i + 1] for i in range(20)]))
    conn.execute("CREATE SOURCE s (i BIGINT, s VARCHAR, l BIGINT[])")
    assert conn.insert("s", nested.slice(7, 5)) == 5
    assert conn.sql("SELECT * FROM s ORDER BY i").fetchall() == [
        (i, f"s{i}", [i, i + 1]) for i in range(7, 12)
    ]
