import io.laminardb.LaminarDB;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;

/** Slow requests on a dashboard that asks for five of them: reactive, no thread of its own waits. */
public class Dashboard {
    record Request(long ts, String service, double latencyMs) {}

    public static void main(String[] args) {
        try (LaminarDB db = LaminarDB.open()) {
            db.execute("CREATE SOURCE metrics (ts BIGINT, service VARCHAR, latency_ms DOUBLE)");
            db.execute(
                    "CREATE STREAM slow_requests AS SELECT * FROM metrics WHERE latency_ms > 500.0");
            db.start();

            Five five = new Five();
            db.sink("slow_requests", Request.class).publisher().subscribe(five);

            CompletableFuture<Void> ingest =
                    CompletableFuture.runAsync(
                            () -> {
                                Random random = new Random(1);
                                String[] services = {"api", "web", "worker"};
                                for (int t = 0; t < 100; t++) {
                                    String service = services[random.nextInt(services.length)];
                                    double latency = -300 * Math.log(1 - random.nextDouble());
                                    db.insert("metrics", new Request(t, service, latency));
                                }
                            });

            int count = five.done.join();
            ingest.join();
            System.out.println("Detected " + count + " slow requests");
        }
    }

    /** Takes five rows, one at a time. */
    private static final class Five implements Flow.Subscriber<Request> {
        final CompletableFuture<Integer> done = new CompletableFuture<>();
        private Flow.Subscription subscription;
        private int count;

        @Override
        public void onSubscribe(Flow.Subscription subscription) {
            this.subscription = subscription;
            subscription.request(1);
        }

        @Override
        public void onNext(Request request) {
            System.out.printf("Slow request: %s @ %.0fms%n", request.service(), request.latencyMs());
            count++;
            if (count < 5) {
                subscription.request(1);
            } else {
                subscription.cancel();
                done.complete(count);
            }
        }

        @Override
        public void onError(Throwable error) {
            done.completeExceptionally(error);
        }

        @Override
        public void onComplete() {
            done.complete(count);
        }
    }
}
