//! Statements in every spelling of the reference: each must be read, and the fuzz test starts
//! from them.

use super::one;

pub(super) const STATEMENTS: &[&str] = &[
    "CREATE SOURCE trades (symbol VARCHAR, price DOUBLE, volume BIGINT, ts BIGINT)",
    "CREATE SOURCE trades (
        symbol VARCHAR, price DOUBLE, volume BIGINT, ts BIGINT
     ) WITH (watermark = 'ts', allowed_lateness = INTERVAL '5' SECOND);",
    "CREATE SOURCE trades (symbol VARCHAR NOT NULL, price DOUBLE, ts TIMESTAMP,
        WATERMARK FOR ts AS ts - INTERVAL '100ms');",
    "CREATE SOURCE trades (ts TIMESTAMP(3) WITH TIME ZONE, WATERMARK FOR ts AS ts - INTERVAL '5'
        SECOND,
        d DECIMAL(10, 2), a ARRAY<INT>, s STRUCT<x INT, y ARRAY<VARCHAR>>, i INT[])
     WITH (buffer_size = 1024, backpressure = 'block', wal_mode = 'sync', checkpoint_interval =
        '10 seconds')",
    "CREATE SOURCE trades (symbol VARCHAR, ts BIGINT) FROM KAFKA (
        brokers = '${KAFKA_BROKERS}', topic = 'market-trades', group_id = 'laminar-analytics',
        format = 'json', offset_reset = 'earliest');",
    "CREATE SOURCE trades FROM KAFKA (brokers = 'localhost:9092', topic = 'trades')",
    "CREATE SOURCE orders FROM CDC (connector = 'postgres', table = 'orders');",
    "CREATE SOURCE products_cdc (id INT, name VARCHAR, updated_at BIGINT) FROM MYSQL_CDC (
        hostname = 'mysql.example.com', port = '3306', table = 'products', server_id = '12345')",
    "CREATE OR REPLACE SOURCE IF_source (p AS proctime(), q TIMESTAMP AS (PROCTIME()))",
    "CREATE SOURCE events (ts BIGINT, type VARCHAR, payload DOUBLE)",
    "CREATE TABLE IF NOT EXISTS accounts (id BIGINT PRIMARY KEY, balance DECIMAL(18, 2))",
    "CREATE TABLE t (a INT, b INT, WATERMARK FOR a, PRIMARY KEY (a, b) NOT ENFORCED) WITH (x.y =
        1)",
    "CREATE TABLE t (a INT PRIMARY KEY, b TEXT) FROM POSTGRES_CDC (slot.name = 'laminar_orders')",
    "CREATE TABLE t AS SELECT 1 AS x",
    "CREATE LOOKUP TABLE instruments FROM POSTGRES (
        hostname = 'db.example.com', port = '5432', database = 'market', query = 'SELECT * FROM
        instruments')",
    "CREATE STREAM vwap AS SELECT symbol, SUM(price * volume) / SUM(volume) AS vwap FROM trades
        GROUP BY symbol, tumble(ts, INTERVAL '1' MINUTE)",
    "CREATE STREAM ohlc_1m AS SELECT symbol, CAST(tumble(ts, INTERVAL '1' MINUTE) AS BIGINT) AS
        window_start,
        first_value(price) AS open, MAX(price) AS high FROM trades
        GROUP BY symbol, tumble(ts, INTERVAL '1' MINUTE) EMIT ON WINDOW CLOSE;",
    "CREATE STREAM live AS SELECT symbol, SUM(volume) FROM trades GROUP BY symbol EMIT CHANGES;",
    "CREATE STREAM f AS SELECT * FROM t EMIT FINAL ALLOW LATENESS INTERVAL '10' SECOND LATE DATA
        TO late ON ERROR FAIL",
    "CREATE STREAM f AS SELECT * FROM t WITH (allowed_lateness = INTERVAL '10' SECOND, state_ttl
        = '1h') EMIT ON UPDATE",
    "CREATE STREAM f WITH (state_ttl = '1h') AS SELECT * FROM t EMIT EVERY INTERVAL '10' SECOND
        CHANGES",
    "CREATE STREAM f AS SELECT * FROM t ON ERROR DEAD LETTER EMIT CHANGES PERIODICALLY '10
        seconds'",
    "CREATE STREAM d AS SELECT device, AVG(value) FROM s GROUP BY device, HOPPING(ts, 5000, 2500)",
    "CREATE STREAM user_sessions AS SELECT user_id, COUNT(*) AS clicks, MAX(ts) - MIN(ts) AS
        duration_ms
        FROM clickstream GROUP BY user_id, session(ts, INTERVAL '30' SECOND) EMIT ON WINDOW CLOSE",
    "CREATE STREAM customer_totals AS SELECT customer_id, COUNT(*) FROM orders_cdc
        WHERE _op IN ('I', 'U') GROUP BY customer_id EMIT CHANGES",
    "CREATE STREAM enriched AS SELECT o.order_id, t.price AS market_price FROM orders o
        INNER JOIN trades t ON o.symbol = t.symbol AND t.ts BETWEEN o.ts - INTERVAL '5' SECOND
        AND o.ts",
    "SELECT o.*, t.price FROM orders o ASOF JOIN trades t MATCH_CONDITION(o.ts >= t.ts) ON
        o.symbol = t.symbol",
    "SELECT o.*, t.price FROM orders o ASOF JOIN trades t ON o.symbol = t.symbol AND o.ts >= t.ts",
    "SELECT * FROM o LEFT ASOF JOIN t MATCH_CONDITION (NEAREST(o.ts, t.ts)) ON o.k = t.k EMIT
        FINAL",
    "SELECT * FROM o JOIN rates FOR SYSTEM_TIME AS OF o.ts AS r ON o.c = r.c",
    "CREATE MATERIALIZED VIEW ohlc_1h AS SELECT symbol, FIRST(open) AS open, LAST(close) AS close
        FROM ohlc_1min GROUP BY symbol, tumble(bar_start, INTERVAL '1' HOUR)",
    "CREATE OR REPLACE MATERIALIZED VIEW v (a, b) AS WITH x AS (SELECT 1) SELECT a, b FROM x
        UNION ALL SELECT 1, 2",
    "SELECT symbol, LAG(price, 1) OVER (PARTITION BY symbol ORDER BY ts) AS prev_price FROM trades",
    "SELECT COUNT(*) FILTER (WHERE x > 1), ARRAY_AGG(y ORDER BY z) FROM t GROUP BY ROLLUP (a, b)",
    "SELECT {'a': 1, 'b': [1, 2]}, MAP {'k': 2}, x::INT, INTERVAL '1 minute', a[1] FROM t",
    "SELECT * FROM 'flights.parquet'",
    "SELECT * FROM \"dir/flights.parquet\" AS f WHERE f.x = 1",
    "SELECT * FROM TUMBLE(t, ts, INTERVAL '1 minute')",
    "SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
        GROUP BY window_start, window_end",
    "SELECT * FROM t, UNNEST(t.xs) AS u(x) WHERE EXISTS (SELECT 1 FROM y) ORDER BY 1 LIMIT 10",
    "SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS rn FROM t)
        WHERE rn = 1",
    "FROM t SELECT a",
    "VALUES (1, 'a'), (2, 'b')",
    "(SELECT 1) UNION (SELECT 2)",
    "CREATE SINK output_sink FROM high_temp",
    "CREATE SINK output INTO KAFKA (topic = 'trade-summaries', delivery.guarantee = 'exactly-once',
        compression.type = 'snappy') AS SELECT * FROM trade_summary;",
    "CREATE SINK k FROM s INTO DELTA_LAKE (path = 's3://b/t', write_mode = 'append') WITH (queue
        = 10)",
    "SHOW SOURCES",
    "SHOW TABLES",
    "SHOW STREAMS",
    "SHOW SINKS",
    "SHOW MATERIALIZED VIEWS",
    "SHOW QUERIES",
    "SHOW LOOKUP TABLES",
    "SHOW CREATE SOURCE trades",
    "SHOW
        datafusion.execution.batch_size",
    "SET timezone = 'UTC'",
    "SET TIME ZONE 'UTC'",
    "SET a.b TO on",
    "DESCRIBE EXTENDED trades",
    "DESC trades",
    "DESCRIBE SELECT 1",
    "EXPLAIN ANALYZE SELECT symbol, COUNT(*) FROM trades GROUP BY symbol",
    "EXPLAIN vwap",
    "EXPLAIN CREATE STREAM s AS SELECT 1 EMIT FINAL",
    "EXPLAIN STREAM s",
    "SUBSCRIBE s WITH SNAPSHOT WHERE price > 10 AND k IN (1, 2) AS OF EPOCH 7",
    "SUBSCRIBE TO s",
    "SUBSCRIBE SELECT * FROM s EMIT CHANGES",
    "DROP SOURCE IF EXISTS trades CASCADE",
    "DROP MATERIALIZED VIEW v",
    "DROP LOOKUP TABLE l",
    "ALTER SOURCE trades ADD COLUMN IF NOT EXISTS venue VARCHAR",
    "INSERT INTO trades VALUES ('A', 1.5, 10, 1000), ('B', NULL, -1, 2000)",
    "INSERT INTO trades (symbol, ts) SELECT symbol, ts FROM other",
    "UPDATE accounts SET balance = balance - 1 WHERE id = 3",
    "DELETE FROM accounts WHERE id = 3",
    "COPY trades TO 'trades.parquet'",
    "CREATE VIEW v AS SELECT 1",
    "TRUNCATE t",
    "COMMIT",
];

#[test]
fn every_spelling_is_read() {
    for sql in STATEMENTS {
        one(sql);
        one(&sql.to_lowercase());
        one(&format!("-- first\n  {}\n/* last */ ", sql.replace('\n', "\r\n")));
    }
}
