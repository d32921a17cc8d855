import io.laminardb.ChangeBatch;
import io.laminardb.LaminarDB;
import io.laminardb.Listening;
import io.laminardb.SubscribeOptions;
import java.time.Duration;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** What a callback heard. */
final class Listener {
    /** How long something is waited for that is to come. */
    static final Duration WAIT = Duration.ofSeconds(10);

    private final BlockingQueue<ChangeBatch> batches = new LinkedBlockingQueue<>();
    private final BlockingQueue<Throwable> errors = new LinkedBlockingQueue<>();
    private final Listening listening;

    Listener(LaminarDB db, String to, SubscribeOptions options) {
        listening = db.subscribe(to, options).listen(batches::add, errors::add);
    }

    /** The next change, or null when none comes. */
    ChangeBatch next() throws InterruptedException {
        return batches.poll(WAIT.toMillis(), TimeUnit.MILLISECONDS);
    }

    boolean hasEnded() throws InterruptedException {
        return listening.await(WAIT) && !listening.isActive();
    }

    /** Whether nothing is left. */
    boolean isQuiet() {
        return batches.isEmpty() && errors.isEmpty();
    }

    void cancel() {
        listening.cancel();
    }

    @Override
    public String toString() {
        return batches + " " + errors;
    }
}
