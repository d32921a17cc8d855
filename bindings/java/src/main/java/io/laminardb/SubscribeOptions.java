package io.laminardb;

import org.jspecify.annotations.Nullable;

/** How to follow a stream or a query. Each method answers options that differ in one setting. */
public final class SubscribeOptions {
    private static final SubscribeOptions DEFAULTS = new SubscribeOptions(null, null, null, null, null);

    private final @Nullable Boolean snapshot;
    private final @Nullable Integer capacity;
    private final @Nullable OnFull onFull;
    private final @Nullable String predicate;
    private final @Nullable Long asOfEpoch;

    private SubscribeOptions(
            @Nullable Boolean snapshot,
            @Nullable Integer capacity,
            @Nullable OnFull onFull,
            @Nullable String predicate,
            @Nullable Long asOfEpoch) {
        this.snapshot = snapshot;
        this.capacity = capacity;
        this.onFull = onFull;
        this.predicate = predicate;
        this.asOfEpoch = asOfEpoch;
    }

    /** What happens when changes come faster than they are taken. */
    public enum OnFull {
        /** The consumer is told that it missed some, or begins anew: the default. */
        TELL("tell"),
        /** Pushes wait for room, then throw BACKPRESSURE. */
        BLOCK("block"),
        /** The oldest are dropped. */
        DROP_OLDEST("drop_oldest");

        private final String name;

        OnFull(String name) {
            this.name = name;
        }
    }

    /**
     * The library's defaults: a query begins with its content, a name with the next change.
     *
     * @return the options
     */
    public static SubscribeOptions defaults() {
        return DEFAULTS;
    }

    /**
     * Whether to begin with the current content.
     *
     * @param wanted true to begin with it
     * @return options with this setting
     */
    public SubscribeOptions snapshot(boolean wanted) {
        return new SubscribeOptions(wanted, capacity, onFull, predicate, asOfEpoch);
    }

    /**
     * How many rows may wait to be taken.
     *
     * @param rows a number of rows
     * @return options with this setting
     */
    public SubscribeOptions capacity(int rows) {
        return new SubscribeOptions(snapshot, rows, onFull, predicate, asOfEpoch);
    }

    /**
     * What happens when more would wait.
     *
     * @param policy what happens
     * @return options with this setting
     */
    public SubscribeOptions onFull(OnFull policy) {
        return new SubscribeOptions(snapshot, capacity, policy, predicate, asOfEpoch);
    }

    /**
     * To follow only some rows of a name.
     *
     * @param condition a condition in SQL over its columns
     * @return options with this setting
     */
    public SubscribeOptions where(String condition) {
        return new SubscribeOptions(snapshot, capacity, onFull, condition, asOfEpoch);
    }

    /**
     * To begin with what changed after an epoch, as far back as history is kept.
     *
     * @param epoch an epoch, such as that of the last batch of an earlier subscription
     * @return options with this setting
     */
    public SubscribeOptions asOfEpoch(long epoch) {
        return new SubscribeOptions(snapshot, capacity, onFull, predicate, epoch);
    }

    /** The form that the library reads, or null for the defaults. */
    @Nullable String json() {
        Json json = new Json();
        if (snapshot != null) {
            json.put("snapshot", snapshot);
        }
        if (capacity != null) {
            json.put("capacity", capacity);
        }
        if (onFull != null) {
            json.put("on_full", onFull.name);
        }
        if (predicate != null) {
            json.put("predicate", predicate);
        }
        if (asOfEpoch != null) {
            json.put("as_of_epoch", asOfEpoch);
        }
        return json.isEmpty() ? null : json.toString();
    }
}
