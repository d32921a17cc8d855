package io.laminardb;

import org.jspecify.annotations.Nullable;

/** A scalar function of SQL over one row at a time; otherwise as {@link ScalarFunction}. */
@FunctionalInterface
public interface RowFunction {
    /**
     * Computes the result of a row.
     *
     * @param arguments the row
     * @return the result, or null for NULL
     * @throws Exception to refuse the row
     */
    @Nullable Object call(Row arguments) throws Exception;
}
