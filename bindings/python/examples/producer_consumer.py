"""Two threads write events, each through a producer of its own; another counts windows of them."""

import threading

import laminardb


def produce(source: laminardb.Source, first: int) -> None:
    """Every second event from the first on, and a watermark behind each fifty."""
    with source:
        for ts in range(first, 500, 2):
            source.push({"ts": ts, "type": f"evt_{ts % 3}", "payload": float(ts)})
            if ts % 50 >= 48:
                source.watermark(ts)


def consume(windows: laminardb.Subscription) -> None:
    total = 0
    for batch in windows:  # waits, and ends when the subscription does
        for start, events in batch:
            total += events
            print(f"window {start}: {events} events")
    print(f"Consumed {total} events")


def main() -> None:
    with laminardb.open() as conn:
        conn.execute("CREATE SOURCE events (ts BIGINT, type VARCHAR, payload DOUBLE)")
        conn.execute("""
            CREATE STREAM per_window AS
            SELECT tumble(ts, 100) AS start, count(*) AS events
            FROM events GROUP BY tumble(ts, 100) EMIT ON WINDOW CLOSE
        """)
        conn.start()
        consumer = threading.Thread(target=consume, args=(conn.subscribe_stream("per_window"),))
        consumer.start()

        even = conn.source("events")
        producers = [
            threading.Thread(target=produce, args=(even, 0)),
            threading.Thread(target=produce, args=(even.clone(), 1)),
        ]
        for producer in producers:
            producer.start()
        for producer in producers:
            producer.join()
        with conn.source("events") as last:
            last.end_of_input()  # nothing follows: the last window closes
        conn.shutdown()
        consumer.join()


if __name__ == "__main__":
    main()
