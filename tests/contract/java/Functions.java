import io.laminardb.AggregateFunction;
import io.laminardb.LaminarDB;
import io.laminardb.LaminarException;
import io.laminardb.Row;
import io.laminardb.Signature;
import io.laminardb.Source;
import java.util.Map;

/** The functions of SQL that there are to register. */
final class Functions {
    private static final Signature ONE = Signature.of("BIGINT").returns("BIGINT");

    private Functions() {}

    static void register(LaminarDB db, String name, Source<Map<String, Object>> source) {
        switch (name) {
            case "twice" -> db.registerScalar("twice", ONE.strict(), Functions::twice);
            case "seven" ->
                db.registerScalar("seven", Signature.of().returns("BIGINT"), row -> 7);
            case "total" -> db.registerAggregate(
                    "total", ONE.strict().retractable(), Sum.class, new Total());
            case "intruder" -> db.registerScalar("intruder", ONE, row -> intrude(source, row));
            default -> throw new AssertionError("there is no function " + name);
        }
    }

    private static Object twice(Row row) {
        if (row.getLong(0) == 13) {
            throw new IllegalArgumentException("no 13 here");
        }
        return 2 * row.getLong(0);
    }

    private static Object intrude(Source<Map<String, Object>> source, Row row) {
        try {
            source.tryPush(Map.of("a", row.getLong(0)));
        } catch (LaminarException error) {
            return error.code();
        }
        return 0;
    }

    record Sum(long total) {}

    /** The sum of what is not NULL. */
    private static final class Total implements AggregateFunction<Sum> {
        @Override
        public Sum update(Sum state, Row row) {
            return new Sum((state == null ? 0 : state.total()) + row.getLong(0));
        }

        @Override
        public Sum merge(Sum state, Sum other) {
            return new Sum(state.total() + other.total());
        }

        @Override
        public Object evaluate(Sum state) {
            return state == null ? null : state.total();
        }
    }
}
