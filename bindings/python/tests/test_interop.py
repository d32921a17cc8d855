"""DuckDB and nanoarrow, both ways, without a copy of ours in between."""

import datetime
import decimal

import duckdb
import nanoarrow as na
import pytest

import laminardb

COLUMNS = (
    "id BIGINT, small SMALLINT, name VARCHAR, value DOUBLE, flag BOOLEAN, day DATE, moment TIMESTAMP, "
    "cost DECIMAL(9, 2)"
)
ROWS = [
    (1, -3, "é", 0.5, True, datetime.date(2026, 1, 2), datetime.datetime(2026, 1, 2, 3, 4, 5, 6),
     decimal.Decimal("12.50")),
    (2, None, None, None, None, None, None, None),
    (3, 7, "", -1.25, False, datetime.date(1969, 12, 31), datetime.datetime(1969, 7, 20, 20, 17),
     decimal.Decimal("-0.01")),
]


@pytest.fixture
def full(conn: laminardb.Connection) -> laminardb.Connection:
    conn.execute(f"CREATE SOURCE s ({COLUMNS})")
    names = ["id", "small", "name", "value", "flag", "day", "moment", "cost"]
    conn.insert("s", [dict(zip(names, row, strict=True)) for row in ROWS])
    return conn


def test_duckdb_reads_results(full: laminardb.Connection) -> None:
    result = full.sql("SELECT * FROM s ORDER BY id")
    arrow = duckdb.from_arrow(result)
    assert arrow.order("id").fetchall() == ROWS
    # It may read it more than once, and compute over it.
    total = duckdb.sql("SELECT count(*), sum(value), max(cost) FROM arrow").fetchall()
    assert total == [(3, -0.75, decimal.Decimal("12.50"))]


def test_duckdb_reads_changes(full: laminardb.Connection) -> None:
    subscription = full.subscribe("SELECT id, value FROM s")
    batch = subscription.next_timeout(10_000)
    assert batch is not None
    rows = duckdb.from_arrow(batch)
    assert sorted(rows.fetchall()) == [(1, 0.5), (2, None), (3, -1.25)]


def test_relations_of_duckdb_are_inserted(conn: laminardb.Connection) -> None:
    conn.execute(f"CREATE SOURCE s ({COLUMNS})")
    database = duckdb.connect()
    database.execute(f"CREATE TABLE t ({COLUMNS})")
    database.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?, ?)", ROWS)
    assert conn.insert("s", database.sql("SELECT * FROM t")) == 3
    assert conn.source("s").push(database.sql("SELECT * FROM t WHERE id = 2")) == 1
    assert conn.sql("SELECT * FROM s ORDER BY id").fetchall() == [ROWS[0], ROWS[1], ROWS[1], ROWS[2]]
    with pytest.raises(laminardb.LaminarError):
        conn.insert("s", database.sql("SELECT 'text' AS id"))
    assert conn.sql("SELECT count(*) AS n FROM s").fetchall() == [(4,)]


def test_many_rows_of_duckdb_are_one_epoch(conn: laminardb.Connection) -> None:
    conn.execute("CREATE SOURCE s (i BIGINT)")
    subscription = conn.subscribe_stream("s")
    relation = duckdb.sql("SELECT range AS i FROM range(100000)")
    assert conn.insert("s", relation) == 100_000
    rows, epochs = 0, set()
    while rows < 100_000:
        batch = subscription.next_timeout(10_000)
        assert batch is not None
        rows += batch.num_rows
        epochs.add(subscription.epoch)
    assert len(epochs) == 1


def test_nanoarrow_reads_results(full: laminardb.Connection) -> None:
    result = full.sql("SELECT id, small, name, value, flag FROM s ORDER BY id")
    assert na.Schema(result).n_fields == 5
    array = na.ArrayStream(result).read_all()
    assert list(array.iter_tuples()) == [row[:5] for row in ROWS]


def test_arrays_of_nanoarrow_are_inserted(conn: laminardb.Connection) -> None:
    conn.execute("CREATE SOURCE s (id BIGINT, name VARCHAR)")
    rows = [{"id": 1, "name": "a"}, {"id": 2, "name": None}]
    columns = {"id": na.int64(), "name": na.string()}
    struct = na.c_array_from_buffers(
        na.struct(columns),
        length=2,
        buffers=[None],
        children=[
            na.c_array([row["id"] for row in rows], na.int64()),
            na.c_array([row["name"] for row in rows], na.string()),
        ],
    )
    assert conn.insert("s", na.Array(struct)) == 2
    assert conn.source("s").push(struct) == 2
    stream = na.ArrayStream(na.c_array_stream(na.Array(struct)))
    assert conn.insert("s", stream) == 2
    assert conn.sql("SELECT id, name FROM s ORDER BY id").fetchall() == (
        [(1, "a")] * 3 + [(2, None)] * 3
    )
