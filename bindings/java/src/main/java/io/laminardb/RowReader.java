package io.laminardb;

import java.lang.invoke.MethodHandle;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/** Reads rows of a class from the columns of a batch. */
@FunctionalInterface
interface RowReader<T> {
    /** The row of these columns. */
    T read(Column[] columns, int row);

    /**
     * The reader of a class.
     *
     * @param type a record class, or {@code Map.class}
     * @throws SchemaException when the class does not go with the columns
     */
    @SuppressWarnings("unchecked")
    static <T> RowReader<T> of(Class<T> type, Schema schema) {
        if (Map.class.isAssignableFrom(type)) {
            return (RowReader<T>) (RowReader<Map<String, @Nullable Object>>) Batch::map;
        }
        return (RowReader<T>) ofRecord(RecordShape.of(type), schema);
    }

    private static RowReader<Object> ofRecord(RecordShape shape, Schema schema) {
        RecordComponent[] components = shape.components();
        int[] places = new int[components.length];
        Cell[] cells = new Cell[components.length];
        for (int index = 0; index < components.length; index++) {
            RecordComponent component = components[index];
            Field field = RecordShape.match(component, schema.fields());
            if (field == null) {
                throw RecordShape.mismatch(
                        component.getDeclaringRecord().getSimpleName()
                                + " has the component `"
                                + RecordShape.columnName(component)
                                + "`, and there is no such column in "
                                + schema);
            }
            places[index] = schema.fields().indexOf(field);
            cells[index] = cell(component, field);
        }
        MethodHandle constructor = shape.constructor();
        return (columns, row) -> {
            @Nullable Object[] values = new @Nullable Object[places.length];
            for (int index = 0; index < places.length; index++) {
                values[index] = cells[index].read(columns[places[index]], row);
            }
            try {
                return (Object) constructor.invokeExact(values);
            } catch (Throwable error) {
                throw RecordShape.<RuntimeException>rethrow(error);
            }
        };
    }

    /** Reads one component. */
    @FunctionalInterface
    interface Cell {
        @Nullable Object read(Column column, int row);
    }

    private static Cell cell(RecordComponent component, Field field) {
        Class<?> type = component.getType();
        DataType.Kind kind = field.type().kind();
        boolean counted =
                switch (kind) {
                    case INTEGER, UNSIGNED, DATE, TIME, TIMESTAMP, DURATION -> true;
                    default -> false;
                };
        if (type == long.class && counted) {
            return Column::getLong;
        }
        if (type == int.class && counted) {
            return Column::getInt;
        }
        if (type == double.class && kind == DataType.Kind.FLOAT) {
            return Column::getDouble;
        }
        if (type == boolean.class && kind == DataType.Kind.BOOLEAN) {
            return Column::getBoolean;
        }
        if (type == Long.class && counted) {
            return (column, row) -> column.isNull(row) ? null : (Object) column.getLong(row);
        }
        if (type == Instant.class && kind == DataType.Kind.TIMESTAMP) {
            return Column::getInstant;
        }
        if (type == String.class && kind == DataType.Kind.TEXT) {
            return Column::getString;
        }
        Type generic = component.getGenericType();
        return (column, row) -> {
            Object value = column.getObject(row);
            if (value == null && type.isPrimitive()) {
                throw RecordShape.mismatch(
                        "column `"
                                + column.name()
                                + "` is NULL in row "
                                + row
                                + ", and the component of "
                                + component.getDeclaringRecord().getSimpleName()
                                + " is of type "
                                + type.getName()
                                + ": declare a class there");
            }
            return convert(value, generic, column.field());
        };
    }

    /** A value as a class that can hold it without loss. */
    private static @Nullable Object convert(@Nullable Object value, Type wanted, Field field) {
        Class<?> type = raw(wanted);
        if (type == Optional.class) {
            return Optional.ofNullable(convert(value, argument(wanted, 0), field));
        }
        if (value == null) {
            return null;
        }
        if (value instanceof List<?> items && type.isAssignableFrom(List.class)) {
            return list(items, argument(wanted, 0), part(field, 0));
        }
        if (value instanceof Map<?, ?> map) {
            if (type.isRecord()) {
                return record(map, type, field);
            }
            if (type.isAssignableFrom(Map.class)) {
                return map(map, argument(wanted, 0), argument(wanted, 1), field);
            }
        }
        if (type.isInstance(value)) {
            return value;
        }
        Object converted = scalar(value, type);
        if (converted == null) {
            throw RecordShape.mismatch(
                    "column `"
                            + field.name()
                            + "`: "
                            + value
                            + " of type "
                            + field.type()
                            + " does not fit "
                            + type.getName());
        }
        return converted;
    }

    /** A value of one class as another; null when that would lose something. */
    private static @Nullable Object scalar(Object value, Class<?> type) {
        try {
            if (value instanceof Number number) {
                return number(new BigDecimal(number.toString()), number, type);
            }
        } catch (ArithmeticException | NumberFormatException error) {
            return value instanceof Double || value instanceof Float
                    ? floating((Number) value, type)
                    : null;
        }
        if (value instanceof Boolean) {
            return type == boolean.class ? value : null;
        }
        if (value instanceof String text) {
            return text(text, type);
        }
        if (value instanceof byte[] bytes) {
            return type == UUID.class && bytes.length == 16 ? Values.uuid(bytes, 0) : null;
        }
        if (value instanceof ZonedDateTime time) {
            return type == OffsetDateTime.class
                    ? time.toOffsetDateTime()
                    : type == Instant.class
                            ? time.toInstant()
                            : type == LocalDateTime.class ? time.toLocalDateTime() : null;
        }
        if (value instanceof LocalDateTime time) {
            Instant instant = time.toInstant(ZoneOffset.UTC);
            return type == Instant.class
                    ? instant
                    : type == OffsetDateTime.class
                            ? instant.atOffset(ZoneOffset.UTC)
                            : type == ZonedDateTime.class
                                    ? instant.atZone(ZoneId.of("UTC"))
                                    : null;
        }
        return null;
    }

    private static @Nullable Object number(BigDecimal exact, Number number, Class<?> type) {
        if (type == double.class || type == Double.class) {
            return number.doubleValue();
        }
        if (type == float.class || type == Float.class) {
            return number instanceof Double ? null : (Object) number.floatValue();
        }
        if (type == BigDecimal.class) {
            return exact;
        }
        boolean floating = number instanceof Double || number instanceof Float;
        if (floating || number instanceof BigDecimal) {
            return null;
        }
        if (type == BigInteger.class) {
            return exact.toBigIntegerExact();
        }
        if (type == long.class || type == Long.class) {
            return exact.longValueExact();
        }
        if (type == int.class || type == Integer.class) {
            return exact.intValueExact();
        }
        if (type == short.class || type == Short.class) {
            return exact.shortValueExact();
        }
        return type == byte.class || type == Byte.class ? (Object) exact.byteValueExact() : null;
    }

    /** NaN and the infinities, which no exact number is. */
    private static @Nullable Object floating(Number value, Class<?> type) {
        if (type == double.class || type == Double.class) {
            return value.doubleValue();
        }
        boolean narrow = type == float.class || type == Float.class;
        return narrow && value instanceof Float ? value : null;
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static @Nullable Object text(String text, Class<?> type) {
        if (type == UUID.class) {
            return UUID.fromString(text);
        }
        if (type.isEnum()) {
            return Enum.valueOf((Class<? extends Enum>) type, text);
        }
        if (type == char.class || type == Character.class) {
            return text.length() == 1 ? (Object) text.charAt(0) : null;
        }
        return null;
    }

    private static List<@Nullable Object> list(List<?> items, Type item, Field field) {
        List<@Nullable Object> converted = new ArrayList<>(items.size());
        for (Object each : items) {
            converted.add(convert(each, item, field));
        }
        return converted;
    }

    private static Map<@Nullable Object, @Nullable Object> map(
            Map<?, ?> map, Type key, Type value, Field field) {
        Map<@Nullable Object, @Nullable Object> converted = new LinkedHashMap<>();
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            converted.put(
                    convert(entry.getKey(), key, part(field, 0)),
                    convert(entry.getValue(), value, part(field, 1)));
        }
        return converted;
    }

    private static Object record(Map<?, ?> map, Class<?> type, Field field) {
        RecordShape shape = RecordShape.of(type);
        RecordComponent[] components = shape.components();
        @Nullable Object[] values = new @Nullable Object[components.length];
        for (int index = 0; index < components.length; index++) {
            Field part = RecordShape.match(components[index], field.type().parts());
            if (part == null) {
                throw RecordShape.mismatch(
                        "column `"
                                + field.name()
                                + "`: "
                                + field.type()
                                + " has no field `"
                                + RecordShape.columnName(components[index])
                                + "`");
            }
            Object value = map.get(part.name());
            if (value == null && components[index].getType().isPrimitive()) {
                throw RecordShape.mismatch(
                        "column `" + field.name() + "`: `" + part.name() + "` is NULL");
            }
            values[index] = convert(value, components[index].getGenericType(), part);
        }
        try {
            return (Object) shape.constructor().invokeExact(values);
        } catch (Throwable error) {
            throw RecordShape.<RuntimeException>rethrow(error);
        }
    }

    /** A part of a nested type; of a struct that is read as a map, the struct. */
    private static Field part(Field field, int index) {
        List<Field> parts = field.type().parts();
        boolean hasParts = field.type().kind() != DataType.Kind.STRUCT && index < parts.size();
        return hasParts ? parts.get(index) : field;
    }

    private static Class<?> raw(Type type) {
        if (type instanceof Class<?> plain) {
            return plain;
        }
        return type instanceof ParameterizedType generic
                ? (Class<?>) generic.getRawType()
                : Object.class;
    }

    private static Type argument(Type type, int index) {
        return type instanceof ParameterizedType generic
                ? generic.getActualTypeArguments()[index]
                : Object.class;
    }
}
