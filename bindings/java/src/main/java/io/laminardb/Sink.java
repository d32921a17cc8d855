package io.laminardb;

import java.util.concurrent.Executor;
import java.util.concurrent.Flow;

/**
 * An output to subscribe to: a sink, stream, view, table or source. Each subscription gets every
 * change.
 *
 * @param <T> the class of the rows: a record, or a map of column names to values
 */
public final class Sink<T> {
    private final LaminarDB db;
    private final String name;
    private final Class<T> type;

    Sink(LaminarDB db, String name, Class<T> type) {
        this.db = db;
        this.name = name;
        this.type = type;
    }

    /**
     * The name of the output.
     *
     * @return the name
     */
    public String name() {
        return name;
    }

    /**
     * Follows the output from now on, row by row: those that come to be.
     *
     * @return the rows
     * @throws SchemaException when there is nothing of this name, or a component has no column
     */
    public Subscription<T> subscribe() {
        return subscribe(SubscribeOptions.defaults());
    }

    /**
     * Follows the output, row by row: those that come to be.
     *
     * @param options how
     * @return the rows
     * @throws SchemaException when there is nothing of this name, or a component has no column
     */
    public Subscription<T> subscribe(SubscribeOptions options) {
        return db.rows(name, type, options);
    }

    /**
     * Follows the output from now on, row by row: those that come and those that go.
     *
     * @return the rows with what happened to them
     * @throws SchemaException when there is nothing of this name, or a component has no column
     */
    public Subscription<ChangeRow<T>> changes() {
        return changes(SubscribeOptions.defaults());
    }

    /**
     * Follows the output, row by row: those that come and those that go.
     *
     * @param options how
     * @return the rows with what happened to them
     * @throws SchemaException when there is nothing of this name, or a component has no column
     */
    public Subscription<ChangeRow<T>> changes(SubscribeOptions options) {
        return db.changes(name, type, options);
    }

    /**
     * A publisher of the rows that come to be. Each subscriber gets a subscription of its own, from
     * the moment at which it subscribes.
     *
     * @return the publisher; subscribers are called on a pool of daemon threads
     */
    public Flow.Publisher<T> publisher() {
        return publisher(Delivery.defaultExecutor());
    }

    /**
     * A publisher of the rows that come to be. Each subscriber gets a subscription of its own, from
     * the moment at which it subscribes.
     *
     * @param executor on which subscribers are called
     * @return the publisher
     */
    public Flow.Publisher<T> publisher(Executor executor) {
        return subscriber -> subscribe().publisher(executor).subscribe(subscriber);
    }

    /** The name. */
    @Override
    public String toString() {
        return "Sink " + name;
    }
}
