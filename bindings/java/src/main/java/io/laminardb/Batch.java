package io.laminardb;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;

/**
 * Some rows in columns. They never change.
 *
 * <p>A column is copied into Java's memory when it is read for the first time; {@link LaminarArrow}
 * shares the rows without a copy. Closing gives the native memory back at once instead of at the
 * next collection of garbage; columns that were read before stay readable.
 */
public sealed class Batch implements AutoCloseable permits ChangeBatch {
    private final Schema schema;
    private final Handle handle;
    private final int rows;
    private final AtomicReferenceArray<@Nullable Column> columns;

    /** Takes over a batch of the native part. */
    Batch(Schema schema, long pointer) {
        this.schema = schema;
        this.rows = Native.batchRows(pointer);
        this.columns = new AtomicReferenceArray<>(schema.size());
        this.handle = new Handle(pointer, Native::freeBatch);
    }

    /**
     * The columns' names and types.
     *
     * @return the schema
     */
    public Schema schema() {
        return schema;
    }

    /**
     * How many rows there are.
     *
     * @return the number
     */
    public int size() {
        return rows;
    }

    /**
     * A column by its place.
     *
     * @param index its place, from 0
     * @return the column
     * @throws IllegalStateException when the batch was closed and the column was not read before
     */
    public Column column(int index) {
        Column known = columns.get(index);
        if (known != null) {
            return known;
        }
        long pointer = enter();
        try {
            Column column = read(schema, pointer, rows, index);
            columns.set(index, column);
            return column;
        } finally {
            handle.leave();
        }
    }

    /**
     * A column by its name.
     *
     * @param name its name
     * @return the column
     * @throws SchemaException when there is none of this name
     */
    public Column column(String name) {
        int index = schema.indexOf(name);
        if (index < 0) {
            throw RecordShape.mismatch("there is no column `" + name + "` in " + schema);
        }
        return column(index);
    }

    /**
     * The values of a column of numbers, dates, times or bytes of one width, one after the other in
     * little-endian order, where they lie: nothing is copied. Where a value is NULL it is any. The
     * buffer can only be read; it keeps the memory, also after the batch was closed.
     *
     * @param index the column's place, from 0
     * @return a direct buffer
     * @throws SchemaException for a column of another type
     */
    public ByteBuffer values(int index) {
        Objects.checkIndex(index, schema.size());
        long pointer = enter();
        try {
            long[] owner = new long[1];
            ByteBuffer all = Native.batchValues(pointer, index, owner);
            // Every view of a buffer keeps the buffer, and with it the memory.
            Handle.keepFor(all, owner[0], Native::freeBatch);
            return all.asReadOnlyBuffer().order(ByteOrder.LITTLE_ENDIAN);
        } finally {
            handle.leave();
        }
    }

    /**
     * The rows as maps of column names to values, in the order of the columns.
     *
     * @return a new list; the values are those of {@link Column#getObject}
     */
    public List<Map<String, @Nullable Object>> toMaps() {
        List<Map<String, @Nullable Object>> maps = new ArrayList<>(rows);
        Column[] all = columns();
        for (int row = 0; row < rows; row++) {
            maps.add(map(all, row));
        }
        return maps;
    }

    /**
     * The rows as records whose components are columns by name.
     *
     * @param <R> the class of the records
     * @param type the class of the records
     * @return a new list
     * @throws SchemaException when a component has no column, or one of another type
     */
    public <R extends Record> List<R> toRecords(Class<R> type) {
        RowReader<R> reader = schema.reader(type);
        List<R> records = new ArrayList<>(rows);
        Column[] all = columns();
        for (int row = 0; row < rows; row++) {
            records.add(reader.read(all, row));
        }
        return records;
    }

    /** Gives the native memory back. The second time it does nothing. */
    @Override
    public void close() {
        handle.close();
    }

    /** The columns and the number of rows. */
    @Override
    public String toString() {
        return getClass().getSimpleName() + schema + ": " + rows + " rows";
    }

    /** All columns. */
    Column[] columns() {
        Column[] all = new Column[schema.size()];
        for (int index = 0; index < all.length; index++) {
            all[index] = column(index);
        }
        return all;
    }

    /** Writes the rows into an empty {@code ArrowArray}. */
    void export(long address) {
        long pointer = enter();
        try {
            Native.exportBatch(pointer, address);
        } finally {
            handle.leave();
        }
    }

    private long enter() {
        long pointer = handle.tryEnter();
        if (pointer == 0) {
            throw new IllegalStateException("the batch is closed");
        }
        return pointer;
    }

    /** A row as a map. */
    static Map<String, @Nullable Object> map(Column[] columns, int row) {
        Map<String, @Nullable Object> map = new LinkedHashMap<>(columns.length * 2);
        for (Column column : columns) {
            map.put(column.name(), column.getObject(row));
        }
        return map;
    }

    /** All columns of a native batch, in one call unless they are too large for it. */
    static Column[] readAll(Schema schema, long pointer) {
        int rows = Native.batchRows(pointer);
        Column[] all = new Column[schema.size()];
        byte[] piece = Native.pack(pointer, 0, all.length);
        for (int index = 0; index < all.length; index++) {
            all[index] =
                    piece == null
                            ? read(schema, pointer, rows, index)
                            : new Column(schema.fields().get(index), rows, piece, index);
        }
        return all;
    }

    private static Column read(Schema schema, long pointer, int rows, int index) {
        Field field = schema.fields().get(index);
        byte[] piece = Native.pack(pointer, index, index + 1);
        if (piece == null) {
            throw LaminarException.of(
                    ErrorCode.UNSUPPORTED,
                    "LDB-4301",
                    "column `"
                            + field.name()
                            + "` takes up more than 2 GiB in one batch; read it through Arrow");
        }
        return new Column(field, rows, piece, 0);
    }
}
