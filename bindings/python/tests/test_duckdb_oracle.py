"""ASOF joins and sessions of random data, against what DuckDB answers for the same rows."""

import random

import duckdb
import pytest

import laminardb

QUOTES = "quotes (k VARCHAR, ts BIGINT, price BIGINT)"
TRADES = "trades (k VARCHAR, ts BIGINT, size BIGINT)"


def times(rng: random.Random, count: int, span: int) -> list[int]:
    """Different times, in any order."""
    return rng.sample(range(span), count)


def tables(
    seed: int,
) -> tuple[list[dict[str, object]], list[dict[str, object]], duckdb.DuckDBPyConnection]:
    """Rows of quotes and trades, and DuckDB with both."""
    rng = random.Random(seed)
    keys = ["a", "b", "c", None]
    # One quote at a time for each key: DuckDB does not say which of several it takes.
    quotes = [
        {"k": rng.choice(keys), "ts": ts, "price": rng.randrange(100)}
        for ts in times(rng, rng.randrange(1, 60), 200)
    ]
    trades = [
        {"k": rng.choice(keys), "ts": rng.randrange(200), "size": size}
        for size in range(rng.randrange(1, 60))
    ]
    database = duckdb.connect()
    for table, rows in ((QUOTES, quotes), (TRADES, trades)):
        database.execute(f"CREATE TABLE {table}")
        name = table.split()[0]
        database.executemany(
            f"INSERT INTO {name} VALUES (?, ?, ?)", [list(row.values()) for row in rows]
        )
    return quotes, trades, database


def content(conn: laminardb.Connection, name: str) -> list[tuple[object, ...]]:
    return sorted(conn.sql(f"SELECT * FROM {name}").fetchall(), key=repr)


@pytest.mark.parametrize("condition", [">=", ">", "<=", "<"])
@pytest.mark.parametrize("kind", ["", "LEFT "])
def test_asof_joins(condition: str, kind: str) -> None:
    for seed in range(12):
        quotes, trades, database = tables(seed)
        wanted = database.sql(
            f"""SELECT t.size, q.price FROM trades t ASOF {kind}JOIN quotes q
                ON t.k = q.k AND t.ts {condition} q.ts"""
        ).fetchall()
        with laminardb.open() as conn:
            for table in (QUOTES, TRADES):
                columns = table[:-1] + ", WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)"
                conn.execute(f"CREATE SOURCE {columns}")
            conn.execute(
                f"""CREATE STREAM joined AS SELECT t.size, q.price FROM trades t
                    ASOF {kind}JOIN quotes q MATCH_CONDITION (t.ts {condition} q.ts) ON t.k = q.k"""
            )
            conn.start()
            rng = random.Random(seed)
            both = [("quotes", row) for row in quotes] + [("trades", row) for row in trades]
            rng.shuffle(both)
            for name, row in both:
                conn.insert(name, row)
            for name in ("quotes", "trades"):
                # No better row can come any more: every choice is final.
                conn.source(name).end_of_input()
            assert content(conn, "joined") == sorted(wanted, key=repr), f"seed {seed}"


def test_sessions() -> None:
    for seed in range(12):
        _, trades, database = tables(seed)
        wanted = database.sql(
            """WITH marked AS (
                   SELECT *, coalesce(ts - lag(ts) OVER (PARTITION BY k ORDER BY ts) >= 7, true)
                          AS begins FROM trades),
               numbered AS (
                   SELECT *, sum(begins::INT) OVER (PARTITION BY k ORDER BY ts) AS session
                   FROM marked)
               SELECT k, min(ts), max(ts) + 7, count(*), sum(size)::BIGINT FROM numbered
               GROUP BY k, session"""
        ).fetchall()
        with laminardb.open() as conn:
            conn.execute(f"CREATE SOURCE {TRADES[:-1]}, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)")
            conn.execute(
                """CREATE STREAM sessions AS
                   SELECT k, session_start(ts, 7) AS s, session_end(ts, 7) AS e, count(*) AS n,
                          sum(size) AS total
                   FROM trades GROUP BY k, session(ts, 7)"""
            )
            conn.start()
            random.Random(seed).shuffle(trades)
            for row in trades:
                conn.insert("trades", row)
            conn.source("trades").end_of_input()
            assert content(conn, "sessions") == sorted(wanted, key=repr), f"seed {seed}"
