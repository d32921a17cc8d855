package io.laminardb;

import org.jspecify.annotations.Nullable;

/** A defect of the library, or it is shutting down: codes 9xx. */
public class InternalException extends LaminarException {
    private static final long serialVersionUID = 1L;

    /**
     * An error of the library.
     *
     * @param code its number
     * @param ldbCode its finer code, {@code "LDB-NNNN"}
     * @param message code, what was wrong, what to do
     * @param position the place in the SQL text, or null
     */
    public InternalException(int code, String ldbCode, String message, @Nullable Position position) {
        super(code, ldbCode, message, position);
    }
}
