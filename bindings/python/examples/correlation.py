"""Joins two kinds of events by their user, and makes a stream of that join."""

import laminardb


def main() -> None:
    with laminardb.open() as conn:
        conn.execute("CREATE SOURCE logins (ts BIGINT, user_id VARCHAR, ip VARCHAR)")
        conn.execute("CREATE SOURCE purchases (ts BIGINT, user_id VARCHAR, amount DOUBLE)")
        conn.execute("""
            CREATE STREAM user_activity AS
            SELECT l.user_id, l.ip, p.amount, p.ts AS purchase_ts
            FROM logins l JOIN purchases p ON l.user_id = p.user_id
        """)
        conn.execute("""
            CREATE STREAM large_purchases AS
            SELECT user_id, amount FROM user_activity WHERE amount > 500.0
        """)
        conn.start()
        large = conn.subscribe_stream("large_purchases")

        conn.insert("logins", {
            "ts": [1, 2],
            "user_id": ["alice", "bob"],
            "ip": ["1.2.3.4", "5.6.7.8"],
        })
        conn.insert("purchases", [
            {"ts": 3, "user_id": "alice", "amount": 29.99},
            {"ts": 4, "user_id": "bob", "amount": 999.0},
            {"ts": 5, "user_id": "alice", "amount": 750.0},
        ])

        for user, ip, amount, _ in conn.sql("SELECT * FROM user_activity ORDER BY purchase_ts"):
            print(f"{user} at {ip} paid {amount}")
        while batch := large.try_next():
            for user, amount in batch:
                print(f"large: {user}, {amount}")


if __name__ == "__main__":
    main()
