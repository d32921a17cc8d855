package io.laminardb;

import org.jspecify.annotations.Nullable;

/**
 * An aggregate function of SQL. What is known of a group's rows is a record, whose components the
 * database keeps as columns: primitives and their classes, {@code String}, {@code byte[]}, {@code
 * UUID}, enums, the dates and times of {@code java.time}, and lists of those. Null stands for no
 * rows, and so does a record whose components are all null.
 *
 * <p>Threads and exceptions are as for a {@link ScalarFunction}. A function depends on nothing but
 * what it is given.
 *
 * @param <S> the class of the state
 */
public interface AggregateFunction<S extends Record> {
    /**
     * Takes a row in.
     *
     * @param state what is known so far
     * @param arguments the row
     * @return what is known with it
     * @throws Exception to refuse the row
     */
    @Nullable S update(@Nullable S state, Row arguments) throws Exception;

    /**
     * Takes some rows in; one after the other, unless this is overridden.
     *
     * @param state what is known so far
     * @param arguments the rows
     * @return what is known with them
     * @throws Exception to refuse the rows, which are then tried one by one
     */
    default @Nullable S updateAll(@Nullable S state, Rows arguments) throws Exception {
        S known = state;
        for (Row row : arguments) {
            known = update(known, row);
        }
        return known;
    }

    /**
     * Joins what is known of some rows and of others.
     *
     * @param state the one
     * @param other the other
     * @return what is known of all
     * @throws Exception to fail
     */
    @Nullable S merge(S state, S other) throws Exception;

    /**
     * The result.
     *
     * @param state what is known of the rows
     * @return a value of the result's type, or null for NULL
     * @throws Exception to fail
     */
    @Nullable Object evaluate(@Nullable S state) throws Exception;
}
