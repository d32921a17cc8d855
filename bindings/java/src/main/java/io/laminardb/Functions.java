package io.laminardb;

import java.util.List;

/** Adds functions of Java's to SQL. */
final class Functions {
    private Functions() {}

    static void scalar(LaminarDB db, String name, Signature signature, ScalarFunction function) {
        Schema arguments = arguments(db, signature);
        Schema result = columns(db, signature.resultQuery());
        HostFunction host =
                new HostFunction.Scalar(arguments, result.fields().get(0), function);
        byte[] utf8 = Native.utf8(name);
        byte[] options = Native.utf8(signature.scalarOptions());
        register(
                db,
                List.of(arguments, result),
                (pointer, types) ->
                        Native.registerScalar(pointer, utf8, types[0], types[1], options, host));
    }

    static <S extends Record> void aggregate(
            LaminarDB db,
            String name,
            Signature signature,
            Class<S> state,
            AggregateFunction<S> function) {
        Schema arguments = arguments(db, signature);
        Schema held = columns(db, Signature.stateQuery(state));
        Schema result = columns(db, signature.resultQuery());
        HostFunction host =
                new HostFunction.Aggregate<>(
                        arguments,
                        held,
                        result.fields().get(0),
                        state,
                        function,
                        signature.isStrict());
        byte[] utf8 = Native.utf8(name);
        byte[] options = Native.utf8(signature.aggregateOptions());
        register(
                db,
                List.of(arguments, held, result),
                (pointer, types) ->
                        Native.registerAggregate(
                                pointer, utf8, types[0], types[1], types[2], options, host));
    }

    private static Schema arguments(LaminarDB db, Signature signature) {
        return signature.hasArguments()
                ? columns(db, signature.argumentsQuery())
                : new Schema(Native.noColumns());
    }

    /** The columns of a query. */
    private static Schema columns(LaminarDB db, String sql) {
        try (QueryResult result = db.query(sql)) {
            return result.schema();
        }
    }

    /** Calls with native schemas that are not freed meanwhile. */
    private static void register(LaminarDB db, List<Schema> schemas, Registration registration) {
        long[] types = new long[schemas.size()];
        for (int index = 0; index < types.length; index++) {
            types[index] = schemas.get(index).handle().tryEnter();
        }
        try {
            db.call(
                    pointer -> {
                        registration.register(pointer, types);
                        return null;
                    });
        } finally {
            for (Schema schema : schemas) {
                schema.handle().leave();
            }
        }
    }

    @FunctionalInterface
    private interface Registration {
        void register(long db, long[] types);
    }
}
