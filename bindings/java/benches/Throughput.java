import io.laminardb.AggregateFunction;
import io.laminardb.ChangeBatch;
import io.laminardb.Column;
import io.laminardb.LaminarArrow;
import io.laminardb.LaminarDB;
import io.laminardb.Row;
import io.laminardb.ScalarFunction;
import io.laminardb.Signature;
import io.laminardb.Source;
import io.laminardb.Subscription;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
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

/**
 * What the Java binding costs: rows pushed through a filter that every other row passes, and polled,
 * per second of one thread's processor time. `run.sh` here prints the same beside it without Java.
 */
public class Throughput {
    record Trade(String symbol, double price, long ts) {}

    private static final long SECONDS = 2;

    /** Processor time of the thread, so that others on the machine do not count. */
    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

    public static void main(String[] args) {
        try (BufferAllocator allocator = new RootAllocator();
                LaminarDB db = LaminarDB.open()) {
            db.execute("CREATE SOURCE trades (symbol VARCHAR, price DOUBLE, ts BIGINT)");
            db.execute("CREATE STREAM dear AS SELECT * FROM trades WHERE price >= 50");
            db.start();
            try (Source<Trade> source = db.source("trades", Trade.class);
                    Source<Map<String, Object>> maps = db.source("trades")) {
                measureRows(db, source, maps);
                measureArrow(db, source, allocator);
            }
            measureFunctions(allocator);
        }
    }

    private static void measureRows(
            LaminarDB db, Source<Trade> source, Source<Map<String, Object>> maps) {
        try (Subscription<Trade> records = db.sink("dear", Trade.class).subscribe()) {
            measure("1 record, polled as record", 1, push(source, records, 1));
            measure("1000 records, polled as records", 1000, push(source, records, 1000));
        }
        try (Subscription<Map<String, Object>> rows = db.sink("dear").subscribe()) {
            measure("1000 maps, polled as maps", 1000, pushMaps(maps, rows, 1000));
        }
    }

    private static void measureArrow(
            LaminarDB db, Source<Trade> source, BufferAllocator allocator) {
        for (int size : new int[] {1000, 8192}) {
            try (Subscription<ChangeBatch> batches = db.subscribe("dear");
                    VectorSchemaRoot root = root(allocator, size)) {
                String what = size + " rows of Arrow, polled ";
                for (boolean read : new boolean[] {false, true}) {
                    measure(
                            what + (read ? "and all columns read" : "as batches"),
                            size,
                            () -> {
                                LaminarArrow.push(source, root, allocator);
                                return drain(batches, read);
                            });
                }
            }
        }
    }

    /** What a call into Java costs: 4,096 of 8,192 rows go through an expression or a function. */
    private static void measureFunctions(BufferAllocator allocator) {
        Signature signature = Signature.of("BIGINT").returns("BIGINT");
        ScalarFunction byColumn =
                (rows, results) -> {
                    Column n = rows.column(0);
                    for (int row = 0; row < rows.size(); row++) {
                        results.append(n.getLong(row) * 2);
                    }
                };
        String[][] streams = {
            {"ts * 2", "SELECT ts * 2 AS n FROM trades WHERE price >= 50", "4096"},
            {"by_column(ts)", "SELECT by_column(ts) AS n FROM trades WHERE price >= 50", "4096"},
            {"by_row(ts)", "SELECT by_row(ts) AS n FROM trades WHERE price >= 50", "4096"},
            {"sum(price + 1) of 100 groups", grouped("sum(price + 1)"), "200"},
            {"total(price) of 100 groups", grouped("total(price)"), "200"},
        };
        for (String[] stream : streams) {
            try (LaminarDB db = LaminarDB.open()) {
                db.registerScalar("by_column", signature, byColumn);
                db.registerScalar("by_row", signature, row -> row.getLong(0) * 2);
                db.registerAggregate(
                        "total",
                        Signature.of("DOUBLE").returns("DOUBLE"),
                        Total.class,
                        new TotalFunction());
                db.execute("CREATE SOURCE trades (symbol VARCHAR, price DOUBLE, ts BIGINT)");
                db.execute("CREATE STREAM out AS " + stream[1]);
                db.start();
                try (Source<Trade> source = db.source("trades", Trade.class);
                        Subscription<ChangeBatch> out = db.subscribe("out");
                        VectorSchemaRoot root = root(allocator, 8192)) {
                    LaminarArrow.push(source, root, allocator);
                    drain(out, false);
                    measure(
                            "8192 rows, " + stream[0],
                            8192,
                            Integer.parseInt(stream[2]),
                            () -> {
                                LaminarArrow.push(source, root, allocator);
                                return drain(out, false);
                            });
                }
            }
        }
    }

    /** Its changes are a row that ceases and one that comes for each group. */
    private static String grouped(String call) {
        return "SELECT symbol, " + call + " AS x FROM trades GROUP BY symbol EMIT CHANGES";
    }

    record Total(double sum, long rows) {}

    private static final class TotalFunction implements AggregateFunction<Total> {
        @Override
        public Total update(Total total, Row row) {
            double price = row.getDouble(0);
            // Never the same twice, so that each push changes every group.
            return total == null
                    ? new Total(price + 1, 1)
                    : new Total(total.sum + price + 1, total.rows + 1);
        }

        @Override
        public Total merge(Total total, Total other) {
            return new Total(total.sum + other.sum, total.rows + other.rows);
        }

        @Override
        public Object evaluate(Total total) {
            return total == null ? null : total.sum;
        }
    }

    private static IntSupplier push(Source<Trade> source, Subscription<Trade> out, int size) {
        List<Trade> trades = new ArrayList<>();
        for (int row = 0; row < size; row++) {
            trades.add(new Trade("S" + row % 100, row % 2 * 100, row));
        }
        // A single row passes.
        Trade one = new Trade("S1", 100, 1);
        return () -> {
            if (size == 1) {
                source.push(one);
            } else {
                source.pushBatch(trades);
            }
            int passed = 0;
            while (out.poll() != null) {
                passed++;
            }
            return passed;
        };
    }

    private static IntSupplier pushMaps(
            Source<Map<String, Object>> source, Subscription<Map<String, Object>> out, int size) {
        List<Map<String, Object>> trades = new ArrayList<>();
        for (int row = 0; row < size; row++) {
            trades.add(
                    Map.of(
                            "symbol", "S" + row % 100,
                            "price", row % 2 * 100.0,
                            "ts", (long) row));
        }
        return () -> {
            source.pushBatch(trades);
            int passed = 0;
            while (out.poll() != null) {
                passed++;
            }
            return passed;
        };
    }

    private static int drain(Subscription<ChangeBatch> out, boolean read) {
        int passed = 0;
        for (ChangeBatch batch = out.poll(); batch != null; batch = out.poll()) {
            try (ChangeBatch closing = batch) {
                passed += closing.size();
                if (read) {
                    Column symbol = batch.column(0);
                    Column price = batch.column(1);
                    Column ts = batch.column(2);
                    double sum = 0;
                    for (int row = 0; row < batch.size(); row++) {
                        String text = symbol.getString(row);
                        sum += price.getDouble(row) + ts.getLong(row);
                        sum += text == null ? 0 : text.length();
                    }
                    if (sum < 0) {
                        throw new IllegalStateException("the sum is wrong");
                    }
                }
            }
        }
        return passed;
    }

    private static VectorSchemaRoot root(BufferAllocator allocator, int size) {
        Schema schema =
                new Schema(
                        List.of(
                                Field.nullable("symbol", new ArrowType.Utf8()),
                                Field.nullable(
                                        "price",
                                        new ArrowType.FloatingPoint(FloatingPointPrecision.DOUBLE)),
                                Field.nullable("ts", new ArrowType.Int(64, true))));
        VectorSchemaRoot root = VectorSchemaRoot.create(schema, allocator);
        for (int row = 0; row < size; row++) {
            byte[] symbol = ("S" + row % 100).getBytes(StandardCharsets.UTF_8);
            ((VarCharVector) root.getVector(0)).setSafe(row, symbol);
            ((Float8Vector) root.getVector(1)).setSafe(row, row % 2 * 100);
            ((BigIntVector) root.getVector(2)).setSafe(row, row);
        }
        root.setRowCount(size);
        return root;
    }

    /** Runs once to be quick, once to be measured; every push must pass half its rows, or its one. */
    private static void measure(String what, int rows, IntSupplier push) {
        measure(what, rows, rows == 1 ? 1 : rows / 2, push);
    }

    private static void measure(String what, int rows, int expected, IntSupplier push) {
        long pushes = 0;
        long nanos = 0;
        for (int round = 0; round < 2; round++) {
            long begun = THREADS.getCurrentThreadCpuTime();
            pushes = 0;
            do {
                int passed = push.getAsInt();
                if (passed != expected) {
                    throw new IllegalStateException(what + ": " + passed + " rows passed");
                }
                pushes++;
                nanos = THREADS.getCurrentThreadCpuTime() - begun;
            } while (nanos < SECONDS * 1_000_000_000L);
        }
        double perSecond = pushes * rows * 1e9 / nanos;
        System.out.printf(
                "%-46s %8.3f M rows/s %9.2f us/push%n",
                what, perSecond / 1e6, nanos / 1e3 / pushes);
    }
}
