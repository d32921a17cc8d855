package io.laminardb;

import java.lang.invoke.MethodHandle;
import java.lang.reflect.RecordComponent;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Writes rows of a class for the columns of a source. */
@FunctionalInterface
interface RowWriter<T> {
    /** Writes one row, without its end. */
    void write(T row, RowEncoder out);

    /**
     * The writer of a class.
     *
     * @param type a record class, or {@code Map.class}
     * @throws SchemaException when the class does not go with the columns
     */
    @SuppressWarnings("unchecked")
    static <T> RowWriter<T> of(Class<T> type, Schema schema) {
        if (Map.class.isAssignableFrom(type)) {
            return (RowWriter<T>) (RowWriter<Map<?, ?>>) (row, out) -> writeMap(row, schema, out);
        }
        return (RowWriter<T>) ofRecord(RecordShape.of(type), schema);
    }

    /** Rows of any class, each written by the writer of its class. */
    static RowWriter<Object> ofAny(Schema schema) {
        return (row, out) -> {
            if (!(row instanceof Map) && !(row instanceof Record)) {
                String type = row == null ? "null" : row.getClass().getName();
                throw LaminarException.of(
                        ErrorCode.INGESTION_FAILED,
                        "LDB-3001",
                        "a row of " + type + " cannot be inserted; give records or maps");
            }
            schema.writerFor(row).write(row, out);
        };
    }

    private static void writeMap(Map<?, ?> row, Schema schema, RowEncoder out) {
        int known = 0;
        for (Field field : schema.fields()) {
            Object value = row.get(field.name());
            if (value != null || row.containsKey(field.name())) {
                known++;
            }
            out.put(value, field);
        }
        if (known < row.size()) {
            for (Object name : row.keySet()) {
                if (!(name instanceof String text) || schema.indexOf(text) < 0) {
                    throw LaminarException.of(
                            ErrorCode.INGESTION_FAILED,
                            "LDB-3001",
                            "there is no column `" + name + "`; the columns are " + schema);
                }
            }
        }
    }

    private static RowWriter<Object> ofRecord(RecordShape shape, Schema schema) {
        Cell[] cells = new Cell[schema.size()];
        Arrays.fill(cells, (Cell) (row, out) -> out.putNull());
        for (RecordComponent component : shape.components()) {
            List<Field> fields = schema.fields();
            Field field = RecordShape.match(component, fields);
            if (field == null) {
                throw RecordShape.mismatch(
                        component.getDeclaringRecord().getSimpleName()
                                + " has the component `"
                                + RecordShape.columnName(component)
                                + "`, and there is no such column in "
                                + schema);
            }
            cells[fields.indexOf(field)] = cell(component, field);
        }
        return (row, out) -> {
            try {
                for (Cell cell : cells) {
                    cell.write(row, out);
                }
            } catch (Throwable error) {
                throw RecordShape.<RuntimeException>rethrow(error);
            }
        };
    }

    private static Cell cell(RecordComponent component, Field field) {
        Class<?> type = component.getType();
        if (type == boolean.class) {
            MethodHandle read = RecordShape.accessor(component, boolean.class);
            return (row, out) -> out.putBoolean((boolean) read.invokeExact(row));
        }
        if (type == double.class || type == float.class) {
            MethodHandle read = RecordShape.accessor(component, double.class);
            return (row, out) -> out.putDouble((double) read.invokeExact(row));
        }
        if (type.isPrimitive() && type != char.class) {
            MethodHandle read = RecordShape.accessor(component, long.class);
            return (row, out) -> out.putLong((long) read.invokeExact(row));
        }
        MethodHandle read = RecordShape.accessor(component, Object.class);
        return (row, out) -> out.put((Object) read.invokeExact(row), field);
    }

    /** Writes one component of a record. */
    @FunctionalInterface
    interface Cell {
        void write(@Nullable Object row, RowEncoder out) throws Throwable;
    }
}
