"""Watches sensors: alerts as they come, and statistics for each device."""

import laminardb


def main() -> None:
    with laminardb.open() as conn:
        conn.execute(
            "CREATE SOURCE sensors (ts BIGINT, device VARCHAR, temp DOUBLE, humidity DOUBLE)"
        )
        conn.execute("""
            CREATE STREAM temp_alerts AS
            SELECT ts, device, temp FROM sensors WHERE temp > 80.0 OR temp < -20.0
        """)
        conn.execute("""
            CREATE STREAM device_stats AS
            SELECT device, count(*) AS readings, avg(temp) AS avg_temp, max(temp) AS max_temp
            FROM sensors GROUP BY device
        """)
        conn.start()

        alerts = conn.subscribe_stream("temp_alerts")
        with conn.writer("sensors") as writer:
            for t in range(200):
                writer.insert({
                    "ts": t * 1000,
                    "device": f"device_{t % 5}",
                    "temp": 20.0 + (t % 50) * 1.5,  # some are past 80
                    "humidity": 40.0 + t % 20,
                })
                if t % 50 == 49:
                    writer.watermark(t * 1000)

        total = 0
        while batch := alerts.try_next():
            for _, device, temp in batch:
                total += 1
                print(f"ALERT {device}: {temp} degrees")
        print(f"{total} alerts")
        for device, readings, avg_temp, max_temp in conn.sql(
            "SELECT * FROM device_stats ORDER BY device"
        ):
            print(f"{device}: {readings} readings, {avg_temp} on average, at most {max_temp}")


if __name__ == "__main__":
    main()
