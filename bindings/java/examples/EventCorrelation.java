import io.laminardb.LaminarDB;
import java.util.List;

/** Events of two sources, joined as they come. */
public class EventCorrelation {
    record Login(long ts, String userId, String ip) {}

    record Purchase(long ts, String userId, double amount) {}

    public static void main(String[] args) {
        try (LaminarDB db = LaminarDB.open()) {
            db.execute("CREATE SOURCE logins (ts BIGINT, user_id VARCHAR, ip VARCHAR)");
            db.execute("CREATE SOURCE purchases (ts BIGINT, user_id VARCHAR, amount DOUBLE)");
            db.execute(
                    """
                    CREATE STREAM user_activity AS
                    SELECT l.user_id, l.ip, p.amount, p.ts AS purchase_ts
                    FROM logins l JOIN purchases p ON l.user_id = p.user_id
                    """);
            db.execute(
                    """
                    CREATE STREAM large_purchases AS
                    SELECT user_id, amount, purchase_ts FROM user_activity WHERE amount > 500.0
                    """);
            db.start();

            db.insert(
                    "logins",
                    List.of(new Login(1, "alice", "1.2.3.4"), new Login(2, "bob", "5.6.7.8")));
            db.insert(
                    "purchases",
                    List.of(
                            new Purchase(3, "alice", 29.99),
                            new Purchase(4, "bob", 999.00),
                            new Purchase(5, "alice", 750.00)));

            System.out.println("User activity:");
            db.query("SELECT * FROM user_activity ORDER BY purchase_ts")
                    .toMaps()
                    .forEach(System.out::println);
            System.out.println("Large purchases:");
            db.query("SELECT * FROM large_purchases ORDER BY purchase_ts")
                    .toMaps()
                    .forEach(System.out::println);
        }
    }
}
