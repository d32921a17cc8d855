package io.laminardb;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/** Cells in Java's terms. */
final class Values {
    private static final long NANOS_PER_SECOND = 1_000_000_000L;

    private Values() {}

    /** An integer in the class of its column; {@code Long} when no type is given. */
    static Object integer(long value, @Nullable DataType type) {
        if (type == null) {
            return value;
        }
        boolean signed = type.kind() != DataType.Kind.UNSIGNED;
        return switch (type.bits()) {
            case 8 -> signed ? (Object) (byte) value : (Object) (short) value;
            case 16 -> signed ? (Object) (short) value : (Object) (int) value;
            case 32 -> signed ? (Object) (int) value : (Object) value;
            case 64 -> signed ? (Object) value : (Object) unsigned(value);
            default -> value;
        };
    }

    /** 64 bits without a sign. */
    static BigInteger unsigned(long bits) {
        BigInteger value = BigInteger.valueOf(bits);
        return bits >= 0 ? value : value.add(BigInteger.ONE.shiftLeft(64));
    }

    /** A point in time since 1970, in UTC. */
    static Instant instant(long count, long perSecond) {
        long seconds = Math.floorDiv(count, perSecond);
        long part = Math.floorMod(count, perSecond);
        return Instant.ofEpochSecond(seconds, part * (NANOS_PER_SECOND / perSecond));
    }

    /** The same as a clock shows it that is set to UTC. */
    static LocalDateTime localDateTime(long count, long perSecond) {
        long seconds = Math.floorDiv(count, perSecond);
        long part = Math.floorMod(count, perSecond);
        int nanos = (int) (part * (NANOS_PER_SECOND / perSecond));
        return LocalDateTime.ofEpochSecond(seconds, nanos, ZoneOffset.UTC);
    }

    /** A timestamp in the class of its column. */
    static Object timestamp(long count, long perSecond, @Nullable String zone) {
        if (zone == null) {
            return localDateTime(count, perSecond);
        }
        return instant(count, perSecond).atZone(ZoneId.of(zone));
    }

    /** A length of time. */
    static Duration duration(long count, long perSecond) {
        long seconds = Math.floorDiv(count, perSecond);
        long part = Math.floorMod(count, perSecond);
        return Duration.ofSeconds(seconds, part * (NANOS_PER_SECOND / perSecond));
    }

    /** A number in two's complement, the lowest byte first. */
    static BigDecimal decimal(byte[] bytes, int at, int width, int scale) {
        byte[] reversed = new byte[width];
        for (int place = 0; place < width; place++) {
            reversed[width - 1 - place] = bytes[at + place];
        }
        return new BigDecimal(new BigInteger(reversed), scale);
    }

    /** The 16 bytes of a UUID in their order. */
    static UUID uuid(byte[] bytes, int at) {
        ByteBuffer buffer = ByteBuffer.wrap(bytes, at, 16);
        return new UUID(buffer.getLong(), buffer.getLong());
    }

    /** The 16 bytes of a UUID in their order. */
    static byte[] bytes(UUID uuid) {
        ByteBuffer buffer = ByteBuffer.allocate(16);
        buffer.putLong(uuid.getMostSignificantBits()).putLong(uuid.getLeastSignificantBits());
        return buffer.array();
    }
}
