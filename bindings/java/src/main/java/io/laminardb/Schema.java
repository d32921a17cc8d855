package io.laminardb;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/** The columns of rows, in order. */
public final class Schema {
    private final Handle handle;
    private final List<Field> fields;
    private final Map<String, Integer> places = new HashMap<>();
    private final Map<Class<?>, RowWriter<?>> writers = new ConcurrentHashMap<>();
    private final Map<Class<?>, RowReader<?>> readers = new ConcurrentHashMap<>();

    /** Takes over what the native part gave. */
    Schema(long pointer) {
        this.handle = new Handle(pointer, Native::freeSchema);
        this.fields = fields(WireReader.list(Native.describeSchema(pointer)));
        for (int place = 0; place < fields.size(); place++) {
            places.putIfAbsent(fields.get(place).name(), place);
        }
    }

    /**
     * The columns.
     *
     * @return an unmodifiable list
     */
    public List<Field> fields() {
        return fields;
    }

    /**
     * How many columns there are.
     *
     * @return the number
     */
    public int size() {
        return fields.size();
    }

    /**
     * The place of a column.
     *
     * @param name its name
     * @return its index from 0, or -1 when there is none of this name
     */
    public int indexOf(String name) {
        Integer place = places.get(name);
        return place == null ? -1 : place;
    }

    /** The writer for the class of a row. */
    @SuppressWarnings("unchecked")
    RowWriter<Object> writerFor(Object row) {
        return (RowWriter<Object>) writer(row.getClass());
    }

    /** The writer of a class. */
    @SuppressWarnings("unchecked")
    <T> RowWriter<T> writer(Class<T> type) {
        RowWriter<?> known = writers.get(type);
        if (known == null) {
            known = RowWriter.of(type, this);
            writers.put(type, known);
        }
        return (RowWriter<T>) known;
    }

    /** The reader of a class. */
    @SuppressWarnings("unchecked")
    <T> RowReader<T> reader(Class<T> type) {
        RowReader<?> known = readers.get(type);
        if (known == null) {
            known = RowReader.of(type, this);
            readers.put(type, known);
        }
        return (RowReader<T>) known;
    }

    /** The native schema, which lives as long as this object; it is not closed before. */
    Handle handle() {
        return handle;
    }

    /** The columns as they stand between the parentheses of a definition. */
    @Override
    public String toString() {
        StringBuilder text = new StringBuilder();
        for (Field field : fields) {
            text.append(text.isEmpty() ? "(" : ", ").append(field);
        }
        return text.append(text.isEmpty() ? "()" : ")").toString();
    }

    private static List<Field> fields(List<?> described) {
        List<Field> fields = new ArrayList<>(described.size());
        for (Object field : described) {
            fields.add(field((List<?>) Objects.requireNonNull(field)));
        }
        return List.copyOf(fields);
    }

    private static Field field(List<?> described) {
        DataType type =
                new DataType(
                        DataType.Kind.valueOf(text(described, 2)),
                        text(described, 3),
                        number(described, 4),
                        number(described, 5),
                        number(described, 6),
                        number(described, 7),
                        (@Nullable String) described.get(8),
                        fields((List<?>) Objects.requireNonNull(described.get(9))));
        return new Field(text(described, 0), type, Boolean.TRUE.equals(described.get(1)));
    }

    private static String text(List<?> described, int place) {
        return (String) Objects.requireNonNull(described.get(place));
    }

    private static int number(List<?> described, int place) {
        return Math.toIntExact((Long) Objects.requireNonNull(described.get(place)));
    }
}
