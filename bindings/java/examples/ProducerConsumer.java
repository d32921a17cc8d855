import io.laminardb.ChangeBatch;
import io.laminardb.LaminarDB;
import io.laminardb.Metrics;
import io.laminardb.Subscription;
import io.laminardb.Writer;
import java.time.Duration;

/** A thread that writes and a thread that reads. */
public class ProducerConsumer {
    record Event(long ts, String type, double payload) {}

    private static final int EVENTS = 500;

    public static void main(String[] args) throws InterruptedException {
        try (LaminarDB db = LaminarDB.open()) {
            db.execute("CREATE SOURCE events (ts BIGINT, type VARCHAR, payload DOUBLE)");
            db.start();

            Subscription<ChangeBatch> events = db.subscribe("SELECT * FROM events");
            Thread consumer = new Thread(() -> consume(events));
            Thread producer = new Thread(() -> produce(db));
            consumer.start();
            producer.start();
            producer.join();
            consumer.join();

            Metrics metrics = db.metrics();
            System.out.printf(
                    "Pipeline: ingested=%d, late=%d%n",
                    metrics.totalRowsIngested(), metrics.lateRows());
        }
    }

    private static void produce(LaminarDB db) {
        try (Writer<Event> writer = db.writer("events", Event.class)) {
            for (int t = 0; t < EVENTS; t++) {
                writer.insert(new Event(t, "evt_" + t % 3, t));
                if (t % 50 == 49) {
                    writer.watermark(t);
                }
            }
            System.out.println(
                    "Producer done: " + writer.currentWatermark().getAsLong() + " final watermark");
        }
    }

    private static void consume(Subscription<ChangeBatch> events) {
        int consumed = 0;
        try (events) {
            while (consumed < EVENTS) {
                ChangeBatch batch = events.next(Duration.ofSeconds(5));
                if (batch == null) {
                    throw new IllegalStateException("nothing came for five seconds");
                }
                consumed += batch.size();
                batch.close();
            }
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        }
        System.out.println("Consumed " + consumed + " events");
    }
}
