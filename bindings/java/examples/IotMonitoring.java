import io.laminardb.ChangeRow;
import io.laminardb.LaminarDB;
import io.laminardb.Listening;
import io.laminardb.Metrics;
import io.laminardb.Writer;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** Sensors: alerts as they come, statistics for each device. */
public class IotMonitoring {
    record Reading(long ts, String device, double temp, double humidity) {}

    record Alert(long ts, String device, double temp) {}

    record Stats(String device, long readingCount, double avgTemp, double maxTemp, double minTemp) {}

    public static void main(String[] args) throws InterruptedException {
        try (LaminarDB db = LaminarDB.open()) {
            db.execute(
                    """
                    CREATE SOURCE sensors (
                        ts BIGINT, device VARCHAR, temp DOUBLE, humidity DOUBLE
                    )
                    """);
            db.execute(
                    """
                    CREATE STREAM temp_alerts AS
                    SELECT ts, device, temp FROM sensors WHERE temp > 80.0 OR temp < -20.0
                    """);
            db.execute(
                    """
                    CREATE STREAM device_stats AS
                    SELECT device, COUNT(*) AS reading_count, AVG(temp) AS avg_temp,
                           MAX(temp) AS max_temp, MIN(temp) AS min_temp
                    FROM sensors GROUP BY device
                    """);
            db.start();

            // 20 + 1.5 * (t % 50) is above 80 for the last 9 of each 50 readings.
            CountDownLatch alerts = new CountDownLatch(36);
            Listening listening =
                    db.sink("temp_alerts", Alert.class)
                            .changes()
                            .listen(alert -> show(alert, alerts), Throwable::printStackTrace);

            try (Writer<Reading> writer = db.writer("sensors", Reading.class)) {
                for (int t = 0; t < 200; t++) {
                    double temp = 20.0 + t % 50 * 1.5;
                    double humidity = 40.0 + t % 20;
                    writer.insert(new Reading(t * 1000L, "device_" + t % 5, temp, humidity));
                    if (t % 50 == 49) {
                        writer.watermark(t * 1000L);
                    }
                }
            }

            if (!alerts.await(10, TimeUnit.SECONDS)) {
                throw new IllegalStateException(alerts.getCount() + " alerts did not come");
            }
            listening.cancel();
            listening.await(Duration.ofSeconds(10));

            System.out.println("Device statistics:");
            db.query("SELECT * FROM device_stats ORDER BY device")
                    .toRecords(Stats.class)
                    .forEach(System.out::println);

            Metrics metrics = db.metrics();
            System.out.printf(
                    "Pipeline: %s, %d rows ingested, %d emitted%n",
                    metrics.state(), metrics.totalRowsIngested(), metrics.totalRowsEmitted());
        }
    }

    private static void show(ChangeRow<Alert> alert, CountDownLatch alerts) {
        Alert row = alert.row();
        System.out.printf("ALERT [%s] %s: temp=%.1f%n", alert.op(), row.device(), row.temp());
        alerts.countDown();
    }
}
