package io.laminardb;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BiConsumer;
import java.util.function.Function;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;

/**
 * A database: an embedded engine of continuous SQL queries.
 *
 * <p>Any number of threads may use it at once; none waits for another one's query or poll. After
 * {@link #close} every call throws {@link ConnectionException} with the code CONNECTION_CLOSED.
 *
 * <pre>{@code
 * try (LaminarDB db = LaminarDB.open()) {
 *     db.execute("CREATE SOURCE trades (symbol VARCHAR, price DOUBLE)");
 *     db.execute("CREATE STREAM dear AS SELECT * FROM trades WHERE price > 100");
 *     db.start();
 *     Subscription<Trade> dear = db.subscribe("dear", Trade.class);
 *     db.insert("trades", new Trade("ACME", 101.5));
 *     Trade trade = dear.poll();
 * }
 * }</pre>
 */
public final class LaminarDB implements AutoCloseable {
    private final Handle handle;
    private final Dispatcher dispatcher = new Dispatcher();
    private volatile boolean closed;

    /** The columns of sources into which rows were inserted, until the next definition. */
    private final Map<String, Schema> schemas = new ConcurrentHashMap<>();

    private LaminarDB(long pointer) {
        this.handle = new Handle(pointer, Native::freeDatabase);
    }

    /**
     * Opens a database in memory.
     *
     * @return the database
     */
    public static LaminarDB open() {
        return new LaminarDB(Native.open(null));
    }

    /**
     * Opens a database at a path.
     *
     * @param path {@code ":memory:"}, or a directory, which this version answers with UNSUPPORTED
     * @return the database
     */
    public static LaminarDB open(String path) {
        return open(Config.builder().path(path).build());
    }

    /**
     * Opens a database at a path.
     *
     * @param path a directory, which this version answers with UNSUPPORTED
     * @return the database
     */
    public static LaminarDB open(Path path) {
        return open(path.toString());
    }

    /**
     * Opens a database with settings.
     *
     * @param config the settings
     * @return the database
     */
    public static LaminarDB open(Config config) {
        return new LaminarDB(Native.open(Native.utf8(config.toJson())));
    }

    /**
     * The version of the library that is loaded.
     *
     * @return for example {@code "0.1.0"}
     */
    public static String version() {
        return Native.text(Native.version());
    }

    /**
     * Lets the streams run: what was inserted before is processed now. The second time it does
     * nothing.
     */
    public void start() {
        call(
                db -> {
                    Native.start(db);
                    return null;
                });
    }

    /** The same as {@link #close}. */
    public void stop() {
        close();
    }

    /**
     * Whether {@link #close} was called.
     *
     * @return true when it was
     */
    public boolean isClosed() {
        return closed;
    }

    /**
     * Shuts the database down. Whoever waits in a subscription or a push wakes; what was made from it
     * stays valid and says that it is closed. The second time it does nothing.
     */
    @Override
    public void close() {
        Inside.refuse("closing the database");
        closed = true;
        long db = handle.tryEnter();
        if (db == 0) {
            return;
        }
        try {
            Native.shutdown(db);
        } finally {
            handle.leave();
            handle.close();
        }
    }

    /**
     * Runs one SQL statement of any kind.
     *
     * @param sql the statement
     * @return what it did
     */
    public ExecuteResult execute(String sql) {
        byte[] answer = call(db -> Native.execute(db, Native.utf8(sql)));
        ExecuteResult result = ExecuteResult.of(this, WireReader.list(answer));
        if (!result.isQuery()) {
            schemas.clear();
        }
        return result;
    }

    /**
     * Runs a query over one consistent state: later inserts do not change its rows.
     *
     * @param sql the query
     * @return its rows, which are read as they are asked for
     */
    public QueryResult query(String sql) {
        return new QueryResult(this, call(db -> Native.query(db, Native.utf8(sql))));
    }

    /**
     * The plan of a statement, or of a stream by its name, for people to read.
     *
     * @param sqlOrName a statement or a name
     * @return the plan
     */
    public String explain(String sqlOrName) {
        return Native.text(call(db -> Native.explain(db, Native.utf8(sqlOrName))));
    }

    /**
     * Inserts one row.
     *
     * @param source the name of a source or a table
     * @param row column names and values; columns that are missing are NULL
     * @return 1
     * @throws IngestionException when it does not fit
     */
    public long insert(String source, Map<String, ?> row) {
        return insertAll(source, List.of(row));
    }

    /**
     * Inserts one row.
     *
     * @param source the name of a source or a table
     * @param row a record whose components are columns by name
     * @return 1
     * @throws IngestionException when it does not fit
     */
    public long insert(String source, Record row) {
        return insertAll(source, List.of(row));
    }

    /**
     * Inserts rows: all of them as one epoch, or none.
     *
     * @param source the name of a source or a table
     * @param rows maps or records
     * @return how many rows there were
     * @throws IngestionException when one does not fit; the message names the row and the column
     */
    public long insert(String source, Iterable<?> rows) {
        return insertAll(source, rows);
    }

    /**
     * Inserts rows that are written as JSON: an object, an array of objects, or objects one after the
     * other. All of them as one epoch, or none.
     *
     * @param source the name of a source or a table
     * @param json the rows
     * @return how many there were
     * @throws IngestionException when one does not fit; the message names the row and the column
     */
    public long insertJson(String source, String json) {
        return insertEncoded(source, Form.JSON, null, Native.utf8(json));
    }

    /**
     * Inserts rows that are written as CSV, whose first line names the columns.
     *
     * @param source the name of a source or a table
     * @param csv the rows
     * @return how many there were
     * @throws IngestionException when one does not fit; the message names the row and the column
     */
    public long insertCsv(String source, String csv) {
        return insertCsv(source, csv, CsvOptions.defaults());
    }

    /**
     * Inserts rows that are written as CSV. All of them as one epoch, or none.
     *
     * @param source the name of a source or a table
     * @param csv the rows
     * @param options how they are written
     * @return how many there were
     * @throws IngestionException when one does not fit; the message names the row and the column
     */
    public long insertCsv(String source, String csv, CsvOptions options) {
        return insertEncoded(source, Form.CSV, options.utf8(), Native.utf8(csv));
    }

    /**
     * Inserts the rows of a stream or file in Arrow's IPC format. All of them as one epoch, or none.
     *
     * @param source the name of a source or a table
     * @param ipc the bytes
     * @return how many there were
     * @throws IngestionException when they do not fit; the message names the column
     */
    public long insertIpc(String source, byte[] ipc) {
        return insertEncoded(source, Form.IPC, null, ipc);
    }

    /**
     * Inserts rows as {@link #insertIpc(String, byte[])} does, those between the position and the
     * limit of a buffer, which stay as they are. A direct buffer is read where it lies; it must not be
     * changed meanwhile.
     *
     * @param source the name of a source or a table
     * @param ipc the bytes
     * @return how many rows there were
     */
    public long insertIpc(String source, ByteBuffer ipc) {
        return insertEncoded(source, Form.IPC, null, ipc);
    }

    /**
     * Inserts rows as {@link #insertJson(String, String)} does, out of a buffer with UTF-8, as {@link
     * #insertIpc(String, ByteBuffer)} reads it.
     *
     * @param source the name of a source or a table
     * @param json the rows
     * @return how many there were
     */
    public long insertJson(String source, ByteBuffer json) {
        return insertEncoded(source, Form.JSON, null, json);
    }

    /**
     * Inserts rows as {@link #insertCsv(String, String, CsvOptions)} does, out of a buffer with UTF-8,
     * as {@link #insertIpc(String, ByteBuffer)} reads it.
     *
     * @param source the name of a source or a table
     * @param csv the rows
     * @param options how they are written
     * @return how many there were
     */
    public long insertCsv(String source, ByteBuffer csv, CsvOptions options) {
        return insertEncoded(source, Form.CSV, options.utf8(), csv);
    }

    private long insertEncoded(
            String source, int form, byte @Nullable [] options, ByteBuffer rows) {
        if (!rows.isDirect()) {
            return insertEncoded(source, form, options, Form.copy(rows));
        }
        byte[] name = Native.utf8(source);
        int from = rows.position();
        int length = rows.remaining();
        return call(db -> Native.insertDirect(db, name, form, options, rows, from, length));
    }

    private long insertEncoded(
            String source, int form, byte @Nullable [] options, byte[] rows) {
        return call(db -> Native.insertEncoded(db, Native.utf8(source), form, options, rows));
    }

    private long insertAll(String source, Iterable<?> rows) {
        Schema schema = schema(source);
        RowEncoder encoder = Producer.encodeAll(RowWriter.ofAny(schema), schema, rows);
        long columns = schema.handle().tryEnter();
        try {
            return call(
                    db ->
                            Native.insertRows(
                                    db,
                                    Native.utf8(source),
                                    columns,
                                    encoder.piece(),
                                    encoder.length()));
        } finally {
            schema.handle().leave();
        }
    }

    /** The columns of a source. The producer that tells them is closed again at once. */
    private Schema schema(String source) {
        if (closed) {
            throw LaminarException.closed();
        }
        Schema known = schemas.get(source);
        if (known == null) {
            try (Producer producer = producer(source)) {
                known = producer.schema();
            }
            schemas.put(source, known);
        }
        return known;
    }

    /**
     * A producer of a source whose rows are maps of column names to values.
     *
     * @param name the name of the source
     * @return the producer
     */
    @SuppressWarnings({"unchecked", "rawtypes"})
    public Source<Map<String, @Nullable Object>> source(String name) {
        return (Source) new Source<>(producer(name), Map.class);
    }

    /**
     * A producer of a source whose rows are records.
     *
     * @param <T> the class of the rows
     * @param name the name of the source
     * @param type a record class; its components are columns by name
     * @return the producer
     * @throws SchemaException when there is no such source, or a component has no column
     */
    public <T extends Record> Source<T> source(String name, Class<T> type) {
        return new Source<>(producer(name), type);
    }

    /**
     * A writer that gathers rows, which are maps, and pushes many at a time.
     *
     * @param name the name of the source
     * @return the writer
     */
    @SuppressWarnings({"unchecked", "rawtypes"})
    public Writer<Map<String, @Nullable Object>> writer(String name) {
        return (Writer) new Writer<>(producer(name), Map.class);
    }

    /**
     * A writer that gathers rows, which are records, and pushes many at a time.
     *
     * @param <T> the class of the rows
     * @param name the name of the source
     * @param type a record class; its components are columns by name
     * @return the writer
     * @throws SchemaException when there is no such source, or a component has no column
     */
    public <T extends Record> Writer<T> writer(String name, Class<T> type) {
        return new Writer<>(producer(name), type);
    }

    private Producer producer(String name) {
        long pointer = call(db -> Native.source(db, Native.utf8(name)));
        return new Producer(this, name, new Schema(Native.sourceSchema(pointer)), pointer);
    }

    /**
     * An output to subscribe to, with rows that are maps.
     *
     * @param name the name of a sink, stream, view, table or source
     * @return the output; whether it exists is said when it is subscribed to
     */
    @SuppressWarnings({"unchecked", "rawtypes"})
    public Sink<Map<String, @Nullable Object>> sink(String name) {
        return (Sink) new Sink<>(this, name, Map.class);
    }

    /**
     * An output to subscribe to, with rows that are records.
     *
     * @param <T> the class of the rows
     * @param name the name of a sink, stream, view, table or source
     * @param type a record class; its components are columns by name
     * @return the output; whether it exists is said when it is subscribed to
     */
    public <T extends Record> Sink<T> sink(String name, Class<T> type) {
        return new Sink<>(this, name, type);
    }

    /**
     * Follows a name or a query, change by change.
     *
     * @param nameOrQuery a name, which begins with the next change, or a SELECT, which begins with its
     *     rows
     * @return the changes of each epoch
     */
    public Subscription<ChangeBatch> subscribe(String nameOrQuery) {
        return subscribe(nameOrQuery, SubscribeOptions.defaults());
    }

    /**
     * Follows a name or a query, change by change.
     *
     * @param nameOrQuery a name or a SELECT
     * @param options how
     * @return the changes of each epoch
     */
    public Subscription<ChangeBatch> subscribe(String nameOrQuery, SubscribeOptions options) {
        return follow(nameOrQuery, options, schema -> Decoder.batches());
    }

    /**
     * Follows a name or a query, row by row: those that come to be.
     *
     * @param <T> the class of the rows
     * @param nameOrQuery a name, which begins with the next change, or a SELECT, which begins with its
     *     rows
     * @param type a record class; its components are columns by name
     * @return the rows
     */
    public <T extends Record> Subscription<T> subscribe(String nameOrQuery, Class<T> type) {
        return rows(nameOrQuery, type, SubscribeOptions.defaults());
    }

    /**
     * Follows a name or a query, row by row: those that come and those that go.
     *
     * @param <T> the class of the rows
     * @param nameOrQuery a name, which begins with the next change, or a SELECT, which begins with its
     *     rows
     * @param type a record class; its components are columns by name
     * @return the rows with what happened to them
     */
    public <T extends Record> Subscription<ChangeRow<T>> changes(
            String nameOrQuery, Class<T> type) {
        return changes(nameOrQuery, type, SubscribeOptions.defaults());
    }

    <T> Subscription<T> rows(String nameOrQuery, Class<T> type, SubscribeOptions options) {
        return follow(nameOrQuery, options, schema -> Decoder.rows(schema.reader(type)));
    }

    <T> Subscription<ChangeRow<T>> changes(
            String nameOrQuery, Class<?> type, SubscribeOptions options) {
        return follow(
                nameOrQuery,
                options,
                schema -> {
                    @SuppressWarnings("unchecked")
                    RowReader<T> reader = (RowReader<T>) schema.reader(type);
                    return Decoder.changes(reader);
                });
    }

    private <T> Subscription<T> follow(
            String nameOrQuery,
            SubscribeOptions options,
            Function<Schema, Decoder<T>> decoder) {
        String json = options.json();
        byte[] utf8 = json == null ? null : Native.utf8(json);
        long pointer = call(db -> Native.subscribe(db, Native.utf8(nameOrQuery), utf8));
        Handle subscription = new Handle(pointer, Native::freeSubscription);
        try {
            Schema schema = new Schema(Native.subscriptionSchema(pointer));
            return new Subscription<>(
                    this, nameOrQuery, subscription, schema, decoder.apply(schema));
        } catch (RuntimeException error) {
            subscription.close();
            throw error;
        }
    }

    /**
     * The sources.
     *
     * @return the rows of {@code laminar_sources}
     */
    public List<Map<String, @Nullable Object>> sources() {
        return query("SELECT * FROM laminar_sources").toMaps();
    }

    /**
     * The tables, with lookup tables.
     *
     * @return the rows of {@code laminar_tables}
     */
    public List<Map<String, @Nullable Object>> tables() {
        return query("SELECT * FROM laminar_tables").toMaps();
    }

    /**
     * The streams.
     *
     * @return the rows of {@code laminar_streams}
     */
    public List<Map<String, @Nullable Object>> streams() {
        return query("SELECT * FROM laminar_streams").toMaps();
    }

    /**
     * The materialized views.
     *
     * @return the rows of {@code laminar_views}
     */
    public List<Map<String, @Nullable Object>> views() {
        return query("SELECT * FROM laminar_views").toMaps();
    }

    /**
     * The sinks.
     *
     * @return the rows of {@code laminar_sinks}
     */
    public List<Map<String, @Nullable Object>> sinks() {
        return query("SELECT * FROM laminar_sinks").toMaps();
    }

    /**
     * The queries that are open.
     *
     * @return the rows of {@code laminar_queries}
     */
    public List<Map<String, @Nullable Object>> queries() {
        return query("SELECT * FROM laminar_queries").toMaps();
    }

    /**
     * The subscriptions that are open.
     *
     * @return the rows of {@code laminar_subscriptions}
     */
    public List<Map<String, @Nullable Object>> subscriptions() {
        return query("SELECT * FROM laminar_subscriptions").toMaps();
    }

    /**
     * What the database has done, and holds. Asking never holds up a push.
     *
     * @return the numbers at this moment
     */
    public Metrics metrics() {
        return query("SELECT * FROM laminar_metrics").toRecords(Metrics.class).get(0);
    }

    /**
     * What a source has taken in, and holds.
     *
     * @param name its name
     * @return the numbers at this moment; null when there is no such source
     */
    public @Nullable SourceMetrics sourceMetrics(String name) {
        return named("laminar_sources", SourceMetrics.class, SourceMetrics::name, name);
    }

    /**
     * What a stream has done, and holds.
     *
     * @param name its name
     * @return the numbers at this moment; null when there is no such stream
     */
    public @Nullable StreamMetrics streamMetrics(String name) {
        return named("laminar_streams", StreamMetrics.class, StreamMetrics::name, name);
    }

    private <R extends Record> @Nullable R named(
            String table, Class<R> type, Function<R, String> nameOf, String name) {
        for (R row : query("SELECT * FROM " + table).toRecords(type)) {
            if (nameOf.apply(row).equals(name)) {
                return row;
            }
        }
        return null;
    }

    /**
     * The objects of the database, and what reads what.
     *
     * @return the graph at this moment
     */
    public Topology topology() {
        return Topology.of(query("SELECT * FROM laminar_topology").toMaps());
    }

    /**
     * Cancels a query, or ends a subscription, from any thread.
     *
     * @param id its number in {@link #queries} or {@link #subscriptions}
     * @return whether there was one
     */
    public boolean cancelQuery(long id) {
        return call(db -> Native.cancelQuery(db, id));
    }

    /**
     * Adds a scalar function to SQL, over columns.
     *
     * <p>The database keeps the function until it is closed; when the function refers to the database,
     * it is not collected before that.
     *
     * @param name what SQL calls it by, in lower case
     * @param signature its types
     * @param function the function
     * @throws QueryException for a type that does not exist
     * @throws SchemaException with TABLE_EXISTS when a function has this name
     */
    public void registerScalar(String name, Signature signature, ScalarFunction function) {
        Objects.requireNonNull(function, "function");
        Functions.scalar(this, name, signature, function);
    }

    /**
     * Adds a scalar function to SQL, over one row at a time.
     *
     * @param name what SQL calls it by, in lower case
     * @param signature its types
     * @param function the function
     * @throws QueryException for a type that does not exist
     * @throws SchemaException with TABLE_EXISTS when a function has this name
     */
    public void registerScalar(String name, Signature signature, RowFunction function) {
        Objects.requireNonNull(function, "function");
        registerScalar(name, signature, HostFunction.Scalar.byRow(function, signature.isStrict()));
    }

    /**
     * Adds an aggregate function to SQL.
     *
     * @param <S> the class of its states
     * @param name what SQL calls it by, in lower case
     * @param signature its types
     * @param state the class of its states
     * @param function the function
     * @throws QueryException for a type that does not exist
     * @throws SchemaException with TABLE_EXISTS when a function has this name, and for a state whose
     *     components cannot be columns
     */
    public <S extends Record> void registerAggregate(
            String name, Signature signature, Class<S> state, AggregateFunction<S> function) {
        Objects.requireNonNull(function, "function");
        Functions.aggregate(this, name, signature, state, function);
    }

    /**
     * Tells a listener of the database's work, line by line; it replaces an earlier one. It runs on the
     * thread that did the work, which may be one of the database's own, and several may be in it at
     * once; it may use the database. What it throws goes to the thread's handler of uncaught
     * exceptions.
     *
     * @param level the least important level to hear
     * @param listener the listener; null for none
     */
    public void onLog(LogLevel level, @Nullable BiConsumer<LogLevel, String> listener) {
        LogHook hook = listener == null ? null : new LogHook(listener);
        call(
                db -> {
                    Native.setLog(db, level.number(), hook);
                    return null;
                });
    }

    /**
     * Takes a checkpoint and waits for it.
     *
     * @return its number
     * @throws QueryException with UNSUPPORTED for a database in memory, which has none
     */
    public long checkpoint() {
        return call(Native::checkpoint);
    }

    /** The version, and whether it is open. */
    @Override
    public String toString() {
        return "LaminarDB " + (closed ? "closed" : "open");
    }

    Dispatcher dispatcher() {
        return dispatcher;
    }

    /** Calls with the native database, which is not freed meanwhile. */
    <R> R call(LongFunction<R> function) {
        long db = closed ? 0 : handle.tryEnter();
        if (db == 0) {
            throw LaminarException.closed();
        }
        try {
            return function.apply(db);
        } finally {
            handle.leave();
        }
    }
}
