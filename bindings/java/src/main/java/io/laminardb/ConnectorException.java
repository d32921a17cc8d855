package io.laminardb;

import org.jspecify.annotations.Nullable;

/** A connector failed: codes 8xx. */
public class ConnectorException extends LaminarException {
    private static final long serialVersionUID = 1L;

    /**
     * An error of the library.
     *
     * @param code its number
     * @param ldbCode its finer code, {@code "LDB-NNNN"}
     * @param message code, what was wrong, what to do
     * @param position the place in the SQL text, or null
     */
    public ConnectorException(int code, String ldbCode, String message, @Nullable Position position) {
        super(code, ldbCode, message, position);
    }
}
