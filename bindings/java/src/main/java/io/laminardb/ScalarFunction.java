package io.laminardb;

/**
 * A scalar function of SQL over columns: it adds a result for each row of arguments, in their order.
 *
 * <p>It runs on the threads that push and query, several at once, while the engine is locked. Calls
 * of the library that would have to wait for the engine throw {@link ConnectionException} with
 * CONNECTION_IN_USE there, and it must not wait for another thread that uses the database.
 *
 * <p>What it throws refuses the rows; each is then tried by itself, and a row that is refused alone
 * becomes a dead letter with the exception's words, or fails an ad-hoc query with them.
 */
@FunctionalInterface
public interface ScalarFunction {
    /**
     * Computes the results of some rows.
     *
     * @param arguments the rows
     * @param results where the results go
     * @throws Exception to refuse the rows
     */
    void call(Rows arguments, ColumnBuilder results) throws Exception;
}
