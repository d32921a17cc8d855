import com.sun.management.OperatingSystemMXBean;
import io.laminardb.ChangeBatch;
import io.laminardb.LaminarArrow;
import io.laminardb.LaminarDB;
import io.laminardb.Source;
import io.laminardb.Subscription;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.IntSupplier;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.BigIntVector;
import org.apache.arrow.vector.Float8Vector;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.types.FloatingPointPrecision;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.Schema;

/** The same as languages.c in Java: records as rows, batches of arrow-java. {@code Languages SECONDS} */
public class Languages {
    record Trade(String symbol, double price, long ts) {}

    private static final OperatingSystemMXBean SYSTEM =
            (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

    private static double seconds;

    public static void main(String[] args) {
        seconds = args.length > 0 ? Double.parseDouble(args[0]) : 1;
        try (BufferAllocator allocator = new RootAllocator();
                LaminarDB db = LaminarDB.open()) {
            db.execute("CREATE SOURCE trades (symbol VARCHAR, price DOUBLE, ts BIGINT)");
            db.execute("CREATE STREAM dear AS SELECT * FROM trades WHERE price >= 50");
            db.start();
            try (Source<Trade> source = db.source("trades", Trade.class)) {
                try (Subscription<Trade> out = db.sink("dear", Trade.class).subscribe()) {
                    Trade one = tradesOf(1).get(0);
                    measure("1 row", 1, () -> {
                        source.push(one);
                        return drain(out);
                    });
                    List<Trade> thousand = tradesOf(1000);
                    measure("1,000 rows", 1000, () -> {
                        source.pushBatch(thousand);
                        return drain(out);
                    });
                }
                for (int rows : new int[] {1000, 8192}) {
                    try (Subscription<ChangeBatch> out = db.subscribe("dear");
                            VectorSchemaRoot root = rootOf(allocator, rows)) {
                        measure(String.format(Locale.ENGLISH, "Arrow, %,d", rows), rows, () -> {
                            LaminarArrow.push(source, root, allocator);
                            return drainBatches(out);
                        });
                    }
                }
            }
        }
    }

    /** Every other row passes the filter; a row on its own does. */
    private static List<Trade> tradesOf(int rows) {
        List<Trade> trades = new ArrayList<>();
        for (int row = 0; row < rows; row++) {
            trades.add(new Trade("S" + row % 100, rows == 1 || row % 2 == 1 ? 100 : 0, row));
        }
        return trades;
    }

    private static VectorSchemaRoot rootOf(BufferAllocator allocator, int rows) {
        Schema schema =
                new Schema(
                        List.of(
                                Field.nullable("symbol", new ArrowType.Utf8()),
                                Field.nullable(
                                        "price",
                                        new ArrowType.FloatingPoint(FloatingPointPrecision.DOUBLE)),
                                Field.nullable("ts", new ArrowType.Int(64, true))));
        VectorSchemaRoot root = VectorSchemaRoot.create(schema, allocator);
        List<Trade> trades = tradesOf(rows);
        for (int row = 0; row < rows; row++) {
            Trade trade = trades.get(row);
            byte[] symbol = trade.symbol.getBytes(StandardCharsets.UTF_8);
            ((VarCharVector) root.getVector(0)).setSafe(row, symbol);
            ((Float8Vector) root.getVector(1)).setSafe(row, trade.price);
            ((BigIntVector) root.getVector(2)).setSafe(row, trade.ts);
        }
        root.setRowCount(rows);
        return root;
    }

    private static int drain(Subscription<Trade> out) {
        int passed = 0;
        while (out.poll() != null) {
            passed++;
        }
        return passed;
    }

    private static int drainBatches(Subscription<ChangeBatch> out) {
        int passed = 0;
        for (ChangeBatch batch = out.poll(); batch != null; batch = out.poll()) {
            try (ChangeBatch closing = batch) {
                passed += closing.size();
            }
        }
        return passed;
    }

    /** Two rounds, of which the first warms up. */
    private static void measure(String name, int rows, IntSupplier push) {
        long pushes = 0;
        long used = 0;
        for (int round = 0; round < 2; round++) {
            long begun = SYSTEM.getProcessCpuTime();
            pushes = 0;
            do {
                for (int i = 0; i < 16; i++, pushes++) {
                    int passed = push.getAsInt();
                    if (passed != (rows + 1) / 2) {
                        throw new IllegalStateException(name + ": " + passed + " rows passed");
                    }
                }
                used = SYSTEM.getProcessCpuTime() - begun;
            } while (used < seconds * 1e9);
        }
        System.out.printf(
                Locale.ENGLISH,
                "{\"bench\":\"languages\",\"language\":\"Java\",\"name\":\"%s\",\"cpu_ns_per_row\":%.1f}%n",
                name,
                (double) used / (pushes * rows));
    }
}
