// Written from include/laminar.h by `cargo run -p laminar-bindings-generate`.
package io.laminardb;

/**
 * The errors by name: what {@link LaminarException#errorCode()} answers.
 *
 * <p>Bands: 1xx connection, 2xx schema, 3xx ingestion, 4xx query, 5xx subscription, 6xx
 * stream, 7xx checkpoint, 8xx connector, 9xx internal. A number is never given a new
 * meaning.
 */
public enum ErrorCode {
    /** The database could not be opened. */
    CONNECTION_FAILED(100),

    /** The database was closed. */
    CONNECTION_CLOSED(101),

    /** The handle is in use by another thread. The library answers LAMINAR_BUSY instead. */
    CONNECTION_IN_USE(102),

    /** No source, table, stream or sink has this name. */
    TABLE_NOT_FOUND(200),

    /** The name is taken. */
    TABLE_EXISTS(201),

    /** A schema differs from the one expected. */
    SCHEMA_MISMATCH(202),

    /** A schema cannot be used, or an object that others read was to be dropped. */
    INVALID_SCHEMA(203),

    /** Rows were refused. */
    INGESTION_FAILED(300),

    /** The source handle was closed, or its source was dropped. */
    WRITER_CLOSED(301),

    /** A batch does not fit the schema of its source. */
    BATCH_SCHEMA_MISMATCH(302),

    /** There was no room in time. The library answers LAMINAR_AGAIN instead; bindings raise 
     * this. */
    BACKPRESSURE(303),

    /** A query failed. */
    QUERY_FAILED(400),

    /** The SQL text could not be read. */
    SQL_PARSE_ERROR(401),

    /** The query was cancelled. */
    QUERY_CANCELLED(402),

    /** A construct that this version does not have. */
    UNSUPPORTED(403),

    /** A subscription could not be made or read. */
    SUBSCRIPTION_FAILED(500),

    /** The subscription ended. The library answers LAMINAR_END instead; bindings raise this. */
    SUBSCRIPTION_CLOSED(501),

    /** Nothing came in time. The library answers LAMINAR_AGAIN instead; bindings raise this. */
    SUBSCRIPTION_TIMEOUT(502),

    /** Changes were missed. The library answers LAMINAR_LAGGED instead; bindings raise this. */
    SUBSCRIPTION_LAGGED(503),

    /** A stream failed. */
    STREAM_FAILED(600),

    /** A checkpoint failed. */
    CHECKPOINT_FAILED(700),

    /** Recovery failed. */
    RECOVERY_FAILED(701),

    /** A connector failed. */
    CONNECTOR_FAILED(800),

    /** A defect of the library, for example a panic that was caught. */
    INTERNAL_ERROR(900),

    /** The database is shutting down. */
    SHUTDOWN(901);

    private final int code;

    ErrorCode(int code) {
        this.code = code;
    }

    /**
     * The number of the error.
     *
     * @return the number
     */
    public int code() {
        return code;
    }

    /**
     * The error with a number.
     *
     * @param code the number
     * @return the error; {@link #INTERNAL_ERROR} for a number that is not known here
     */
    public static ErrorCode of(int code) {
        for (ErrorCode error : values()) {
            if (error.code == code) {
                return error;
            }
        }
        return INTERNAL_ERROR;
    }
}
