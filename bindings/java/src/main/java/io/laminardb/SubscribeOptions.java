package io.laminardb;

import org.jspecify.annotations.Nullable;

/** How to follow a stream or a query. Each method answers options that differ in one setting. */
public final class SubscribeOptions {
    private static final SubscribeOptions DEFAULTS = new SubscribeOptions(null, null, null);

    private final @Nullable Boolean snapshot;
    private final @Nullable Integer capacity;
    private final @Nullable OnFull onFull;

    private SubscribeOptions(
            @Nullable Boolean snapshot, @Nullable Integer capacity, @Nullable OnFull onFull) {
        this.snapshot = snapshot;
        this.capacity = capacity;
        this.onFull = onFull;
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
        return new SubscribeOptions(wanted, capacity, onFull);
    }

    /**
     * How many rows may wait to be taken.
     *
     * @param rows a number of rows
     * @return options with this setting
     */
    public SubscribeOptions capacity(int rows) {
        return new SubscribeOptions(snapshot, rows, onFull);
    }

    /**
     * What happens when more would wait.
     *
     * @param policy what happens
     * @return options with this setting
     */
    public SubscribeOptions onFull(OnFull policy) {
        return new SubscribeOptions(snapshot, capacity, policy);
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
        return json.isEmpty() ? null : json.toString();
    }
}
