package io.laminardb;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.time.LocalDate;
import java.time.LocalTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Reads values in the form of the native part ({@code client/src/wire.rs}). */
final class WireReader {
    static final VarHandle INTS =
            MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
    static final VarHandle LONGS =
            MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    private final byte[] bytes;
    private int at;

    WireReader(byte[] bytes, int at) {
        this.bytes = bytes;
        this.at = at;
    }

    /** A list of plain values: its integers are {@code Long}. */
    static List<?> list(byte[] bytes) {
        return (List<?>) Objects.requireNonNull(new WireReader(bytes, 0).value(null));
    }

    /**
     * The next value.
     *
     * @param type of what type it is; null leaves integers {@code Long}
     */
    @Nullable Object value(@Nullable DataType type) {
        byte tag = bytes[at++];
        return switch (tag) {
            case 0 -> null;
            case 1 -> false;
            case 2 -> true;
            case 3 -> Values.integer(takeLong(), type);
            case 4 -> new BigInteger(Long.toUnsignedString(takeLong()));
            case 5 -> {
                double value = Double.longBitsToDouble(takeLong());
                if (type != null && type.bits() == 32) {
                    yield (float) value;
                }
                yield value;
            }
            case 6 -> new BigDecimal(takeText());
            case 7 -> takeText();
            case 8 -> takeBytes();
            case 9 -> LocalDate.ofEpochDay(takeLong());
            case 10 -> LocalTime.ofNanoOfDay(takeLong());
            case 11 -> {
                long perSecond = takeUnit();
                long count = takeLong();
                String zone = takeText();
                yield Values.timestamp(count, perSecond, zone.isEmpty() ? null : zone);
            }
            case 12 -> {
                long perSecond = takeUnit();
                yield Values.duration(takeLong(), perSecond);
            }
            case 13 -> new Interval(takeInt(), takeInt(), takeLong());
            case 14 -> takeList(type);
            case 15 -> takeStruct(type);
            case 16 -> takeMap(type);
            default -> throw new IllegalStateException("the native part gave the tag " + tag);
        };
    }

    private List<@Nullable Object> takeList(@Nullable DataType type) {
        DataType item = part(type, 0);
        int count = takeInt();
        List<@Nullable Object> items = new ArrayList<>(count);
        for (int index = 0; index < count; index++) {
            items.add(value(item));
        }
        return items;
    }

    private Map<String, @Nullable Object> takeStruct(@Nullable DataType type) {
        int count = takeInt();
        Map<String, @Nullable Object> fields = new LinkedHashMap<>();
        for (int index = 0; index < count; index++) {
            String name = takeText();
            fields.put(name, value(part(type, index)));
        }
        return fields;
    }

    private Map<@Nullable Object, @Nullable Object> takeMap(@Nullable DataType type) {
        int count = takeInt();
        Map<@Nullable Object, @Nullable Object> entries = new LinkedHashMap<>();
        for (int index = 0; index < count; index++) {
            Object key = value(part(type, 0));
            entries.put(key, value(part(type, 1)));
        }
        return entries;
    }

    private static @Nullable DataType part(@Nullable DataType type, int index) {
        return type == null || index >= type.parts().size() ? null : type.parts().get(index).type();
    }

    private long takeLong() {
        long value = (long) LONGS.get(bytes, at);
        at += 8;
        return value;
    }

    private int takeInt() {
        int value = (int) INTS.get(bytes, at);
        at += 4;
        return value;
    }

    private long takeUnit() {
        return switch (bytes[at++]) {
            case 0 -> 1L;
            case 3 -> 1_000L;
            case 6 -> 1_000_000L;
            default -> 1_000_000_000L;
        };
    }

    private String takeText() {
        int length = takeInt();
        at += length;
        return new String(bytes, at - length, length, StandardCharsets.UTF_8);
    }

    private byte[] takeBytes() {
        int length = takeInt();
        at += length;
        return Arrays.copyOfRange(bytes, at - length, at);
    }
}
