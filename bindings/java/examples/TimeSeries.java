import io.laminardb.LaminarDB;
import io.laminardb.Writer;
import java.util.List;
import java.util.Random;

/** Trades: a summary for each symbol, and the large ones. */
public class TimeSeries {
    record Trade(long ts, String symbol, double price, long volume) {}

    record Summary(
            String symbol, long tradeCount, double avgPrice, double high, double low, long totalVolume) {}

    public static void main(String[] args) {
        try (LaminarDB db = LaminarDB.open()) {
            db.execute(
                    """
                    CREATE SOURCE trades (ts BIGINT, symbol VARCHAR, price DOUBLE, volume BIGINT)
                    """);
            db.execute(
                    """
                    CREATE STREAM price_summary AS
                    SELECT symbol, COUNT(*) AS trade_count, AVG(price) AS avg_price,
                           MAX(price) AS high, MIN(price) AS low, SUM(volume) AS total_volume
                    FROM trades GROUP BY symbol
                    """);
            db.execute(
                    """
                    CREATE STREAM whale_trades AS
                    SELECT ts, symbol, price, volume FROM trades WHERE volume > 10000
                    """);
            db.start();

            Random random = new Random(1);
            List<String> symbols = List.of("AAPL", "GOOGL", "MSFT", "AMZN");
            try (Writer<Trade> writer = db.writer("trades", Trade.class)) {
                for (int t = 0; t < 1000; t++) {
                    String symbol = symbols.get(random.nextInt(symbols.size()));
                    double price = Math.round(100 * (100 + random.nextGaussian() * 5)) / 100.0;
                    long volume = random.nextLong(100, 50_000);
                    writer.insert(new Trade(1_700_000_000L + t, symbol, price, volume));
                    if (t % 100 == 99) {
                        writer.watermark(1_700_000_000L + t);
                    }
                }
            }

            System.out.println("Price summary:");
            List<Summary> summaries =
                    db.query("SELECT * FROM price_summary ORDER BY avg_price DESC")
                            .toRecords(Summary.class);
            summaries.forEach(System.out::println);
            System.out.println("Highest average price: " + summaries.get(0).symbol());

            System.out.println("Whale trades:");
            db.query("SELECT * FROM whale_trades ORDER BY volume DESC LIMIT 10")
                    .toRecords(Trade.class)
                    .forEach(System.out::println);
        }
    }
}
