package consumer;

import io.laminardb.LaminarDB;
import io.laminardb.Subscription;

/** Uses the package as anybody would: from its jar, without arrow-java. */
public final class Main {
    /** A row. */
    public record Reading(String sensor, double celsius) {}

    private Main() {}

    /** Prints one row and the version. */
    public static void main(String[] args) {
        try (LaminarDB db = LaminarDB.open()) {
            db.execute("CREATE SOURCE readings (sensor VARCHAR, celsius DOUBLE)");
            db.start();
            Subscription<Reading> rows = db.sink("readings", Reading.class).subscribe();
            db.insert("readings", new Reading("boiler", 105.3));
            System.out.println(rows.poll() + " from " + LaminarDB.version());
        }
    }
}
