"""A morning of trades: a summary for each symbol, bars of a minute, and the large trades."""

from datetime import datetime, timedelta

import laminardb

OPENING = datetime(2023, 11, 14, 14, 30)
SYMBOLS = ["AAPL", "GOOGL", "MSFT", "AMZN"]


def main() -> None:
    with laminardb.open() as conn:
        conn.execute("""
            CREATE SOURCE trades (ts TIMESTAMP(3) NOT NULL, symbol VARCHAR, price DOUBLE,
                volume BIGINT, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
        """)
        conn.execute("""
            CREATE STREAM price_summary AS
            SELECT symbol, count(*) AS trades, avg(price) AS avg_price, sum(volume) AS volume
            FROM trades GROUP BY symbol
        """)
        conn.execute("""
            CREATE STREAM bars AS
            SELECT symbol, tumble(ts, INTERVAL '1' MINUTE) AS minute,
                first_value(price ORDER BY ts) AS open, max(price) AS high,
                min(price) AS low, last_value(price ORDER BY ts) AS close
            FROM trades GROUP BY symbol, tumble(ts, INTERVAL '1' MINUTE)
        """)
        conn.execute("""
            CREATE STREAM whale_trades AS
            SELECT ts, symbol, price, volume FROM trades WHERE volume > 10000
        """)
        conn.start()
        bars = conn.subscribe_stream("bars")

        with conn.writer("trades") as writer:
            for t in range(1000):
                writer.insert({
                    "ts": OPENING + timedelta(seconds=t),
                    "symbol": SYMBOLS[t % 4],
                    "price": 100.0 + (t * 37 % 200) / 10,
                    "volume": 100 + t * 7919 % 15_000,
                })

        conn.sql("SELECT * FROM price_summary ORDER BY symbol").show()
        whales = conn.sql("SELECT count(*) FROM whale_trades").fetchone()
        print(f"{whales[0] if whales else 0} large trades")
        closed = [bar for batch in iter(bars.try_next, None) for bar in batch]
        print(f"{len(closed)} bars are final")
        for symbol, minute, first, high, low, last in closed[:4]:
            print(f"{minute:%H:%M} {symbol}: open {first}, high {high}, low {low}, close {last}")


if __name__ == "__main__":
    main()
