package io.laminardb;

import java.io.Serializable;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * What the database answered when it could not do something. There is a subclass for each band of
 * codes.
 */
public class LaminarException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** The number of the error. */
    private final int code;

    /** The finer code. */
    private final String ldbCode;

    /** The place in the SQL text. */
    private final @Nullable Position position;

    /**
     * A place in an SQL text.
     *
     * @param line the line, from 1
     * @param column the column in it, in characters from 1
     */
    public record Position(int line, int column) implements Serializable {}

    /**
     * An error of the library.
     *
     * @param code its number
     * @param ldbCode its finer code, {@code "LDB-NNNN"}
     * @param message code, what was wrong, what to do
     * @param position the place in the SQL text, or null
     */
    public LaminarException(
            int code, String ldbCode, String message, @Nullable Position position) {
        super(message);
        this.code = code;
        this.ldbCode = ldbCode;
        this.position = position;
    }

    /**
     * The number of the error, the same in all languages: 401 is an SQL text that could not be
     * read.
     *
     * @return a number of {@link ErrorCode}
     */
    public int code() {
        return code;
    }

    /**
     * The error by name.
     *
     * @return the name for {@link #code()}
     */
    public ErrorCode errorCode() {
        return ErrorCode.of(code);
    }

    /**
     * The finer code that stands before the message.
     *
     * @return for example {@code "LDB-2001"}; it never changes its meaning
     */
    public String ldbCode() {
        return ldbCode;
    }

    /**
     * The place in the SQL text that the error is about.
     *
     * @return the place, or null when there is none
     */
    public @Nullable Position position() {
        return position;
    }

    /** Called by the native part with UTF-8; line 0 is no place. */
    static LaminarException of(int code, byte[] ldbCode, byte[] message, int line, int column) {
        return of(
                code,
                new String(ldbCode, StandardCharsets.US_ASCII),
                new String(message, StandardCharsets.UTF_8),
                line > 0 ? new Position(line, column) : null);
    }

    /** An error that is found in Java; the message gets its code. */
    static LaminarException of(ErrorCode code, String ldbCode, String message) {
        return of(code.code(), ldbCode, ldbCode + ": " + message, null);
    }

    private static LaminarException of(
            int code, String ldbCode, String message, @Nullable Position position) {
        return switch (code / 100) {
            case 1 -> new ConnectionException(code, ldbCode, message, position);
            case 2 -> new SchemaException(code, ldbCode, message, position);
            case 3 -> new IngestionException(code, ldbCode, message, position);
            case 4 -> new QueryException(code, ldbCode, message, position);
            case 5 -> new SubscriptionException(code, ldbCode, message, position);
            case 6 -> new StreamException(code, ldbCode, message, position);
            case 7 -> new CheckpointException(code, ldbCode, message, position);
            case 8 -> new ConnectorException(code, ldbCode, message, position);
            case 9 -> new InternalException(code, ldbCode, message, position);
            default -> new LaminarException(code, ldbCode, message, position);
        };
    }

    /** The database was closed. */
    static LaminarException closed() {
        return of(
                ErrorCode.CONNECTION_CLOSED,
                "LDB-1101",
                "the database is closed; open it again");
    }
}
