package io.laminardb;

import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/**
 * The types of a function of SQL, and what holds for it. Types are written as SQL writes them.
 *
 * <pre>{@code
 * Signature.of("DOUBLE", "DOUBLE").returns("DOUBLE").strict()
 * }</pre>
 */
public final class Signature {
    private static final Map<Type, String> TYPES =
            Map.ofEntries(
                    Map.entry(boolean.class, "BOOLEAN"),
                    Map.entry(Boolean.class, "BOOLEAN"),
                    Map.entry(byte.class, "TINYINT"),
                    Map.entry(Byte.class, "TINYINT"),
                    Map.entry(short.class, "SMALLINT"),
                    Map.entry(Short.class, "SMALLINT"),
                    Map.entry(int.class, "INTEGER"),
                    Map.entry(Integer.class, "INTEGER"),
                    Map.entry(long.class, "BIGINT"),
                    Map.entry(Long.class, "BIGINT"),
                    Map.entry(float.class, "REAL"),
                    Map.entry(Float.class, "REAL"),
                    Map.entry(double.class, "DOUBLE"),
                    Map.entry(Double.class, "DOUBLE"),
                    Map.entry(String.class, "VARCHAR"),
                    Map.entry(UUID.class, "VARCHAR"),
                    Map.entry(byte[].class, "BYTEA"),
                    Map.entry(LocalDate.class, "DATE"),
                    Map.entry(LocalTime.class, "TIME"),
                    Map.entry(LocalDateTime.class, "TIMESTAMP(9)"),
                    Map.entry(Instant.class, "TIMESTAMP(9)"));

    private final List<String> arguments;
    private final String result;
    private final Volatility volatility;
    private final boolean strict;
    private final boolean retractable;

    private Signature(
            List<String> arguments,
            String result,
            Volatility volatility,
            boolean strict,
            boolean retractable) {
        this.arguments = arguments;
        this.result = result;
        this.volatility = volatility;
        this.strict = strict;
        this.retractable = retractable;
    }

    /**
     * The types of the arguments.
     *
     * @param arguments for example {@code "BIGINT"}, {@code "VARCHAR[]"}; none for a scalar function
     *     without arguments
     * @return what only lacks the type of the result
     */
    public static Arguments of(String... arguments) {
        return new Arguments(List.of(arguments));
    }

    /**
     * The same with what the results of a scalar function depend on.
     *
     * @param volatility {@link Volatility#IMMUTABLE}, unless this says otherwise
     * @return a new signature
     */
    public Signature volatility(Volatility volatility) {
        return new Signature(arguments, result, volatility, strict, retractable);
    }

    /**
     * The same for a function that is not called for rows in which an argument is NULL: the result of
     * a {@link RowFunction} is NULL there, and an aggregate function leaves them out.
     *
     * @return a new signature
     */
    public Signature strict() {
        return new Signature(arguments, result, volatility, true, retractable);
    }

    /**
     * The same for an aggregate function whose result depends on nothing but which rows there are, so
     * that it may stand over rows that change; it is computed anew then for a group of which a row
     * ceased.
     *
     * @return a new signature
     */
    public Signature retractable() {
        return new Signature(arguments, result, volatility, strict, true);
    }

    /** The types of the arguments. */
    public static final class Arguments {
        private final List<String> types;

        private Arguments(List<String> types) {
            this.types = types;
        }

        /**
         * The type of the result.
         *
         * @param type for example {@code "DOUBLE"}
         * @return the signature
         */
        public Signature returns(String type) {
            return new Signature(types, type, Volatility.IMMUTABLE, false, false);
        }
    }

    boolean isStrict() {
        return strict;
    }

    String scalarOptions() {
        return volatility.json();
    }

    String aggregateOptions() {
        return "{\"retractable\":" + retractable + "}";
    }

    boolean hasArguments() {
        return !arguments.isEmpty();
    }

    /** A query without rows whose columns have the types of the arguments. */
    String argumentsQuery() {
        List<String> columns = new ArrayList<>();
        for (String type : arguments) {
            columns.add(column(type, "argument_" + (columns.size() + 1)));
        }
        return query(columns);
    }

    /** A query without rows whose only column has the type of the result. */
    String resultQuery() {
        return query(List.of(column(result, "result")));
    }

    /** A query without rows whose columns are the components of a state. */
    static String stateQuery(Class<?> state) {
        List<String> columns = new ArrayList<>();
        for (RecordComponent component : RecordShape.of(state).components()) {
            String name = RecordShape.columnName(component).replace("\"", "\"\"");
            columns.add(column(typeOf(component, component.getGenericType()), '"' + name + '"'));
        }
        if (columns.isEmpty()) {
            throw RecordShape.mismatch(state.getName() + " has no components to keep a state in");
        }
        return query(columns);
    }

    private static String typeOf(RecordComponent component, Type type) {
        String known = TYPES.get(type);
        if (known != null) {
            return known;
        }
        if (type instanceof Class<?> other && other.isEnum()) {
            return "VARCHAR";
        }
        if (type instanceof ParameterizedType list && list.getRawType() == List.class) {
            return typeOf(component, list.getActualTypeArguments()[0]) + "[]";
        }
        throw RecordShape.mismatch(
                "component `"
                        + component.getName()
                        + "` of the state "
                        + component.getDeclaringRecord().getSimpleName()
                        + " is of "
                        + type.getTypeName()
                        + ", which has no one type in SQL");
    }

    private static String column(String type, String name) {
        return "CAST(NULL AS " + type + ") AS " + name;
    }

    private static String query(List<String> columns) {
        return "SELECT " + String.join(", ", columns) + " LIMIT 0";
    }
}
