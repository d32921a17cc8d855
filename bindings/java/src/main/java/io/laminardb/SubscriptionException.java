package io.laminardb;

import org.jspecify.annotations.Nullable;

/** A subscription could not be made or read, or has missed changes: codes 5xx. */
public class SubscriptionException extends LaminarException {
    private static final long serialVersionUID = 1L;

    /**
     * An error of the library.
     *
     * @param code its number
     * @param ldbCode its finer code, {@code "LDB-NNNN"}
     * @param message code, what was wrong, what to do
     * @param position the place in the SQL text, or null
     */
    public SubscriptionException(int code, String ldbCode, String message, @Nullable Position position) {
        super(code, ldbCode, message, position);
    }
}
