package io.laminardb;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** The settings of a database. What is not set has the library's default. */
public final class Config {
    private static final Config DEFAULTS = new Builder().build();

    private final String json;

    private Config(Builder builder) {
        this.json = builder.json();
    }

    /** How calls wait that have to. */
    public enum WaitStrategy {
        /** Busy: the quickest, at the cost of a processor. */
        SPIN("spin"),
        /** Busy for a moment, then asleep: the default. */
        SPIN_YIELD("spin_yield"),
        /** Asleep. */
        PARK("park");

        private final String name;

        WaitStrategy(String name) {
            this.name = name;
        }
    }

    /** How far Arrow data that is handed over is checked. */
    public enum Validation {
        /** Structure and content: the default. */
        FULL("full"),
        /** Structure alone; whoever hands it over answers for texts and offsets. */
        TRUSTED("trusted");

        private final String name;

        Validation(String name) {
            this.name = name;
        }
    }

    /**
     * A database in memory with the defaults.
     *
     * @return the settings
     */
    public static Config defaults() {
        return DEFAULTS;
    }

    /**
     * Settings to be filled in.
     *
     * @return a builder in which nothing is set
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * The form that the library reads.
     *
     * @return a JSON object
     */
    public String toJson() {
        return json;
    }

    /** The settings as JSON. */
    @Override
    public String toString() {
        return "Config" + json;
    }

    /** Settings that are being filled in. */
    public static final class Builder {
        private @Nullable String path;
        private @Nullable Integer bufferSize;
        private @Nullable Long maxQueuedBytes;
        private @Nullable Long retainHistory;
        private @Nullable Duration pushTimeout;
        private @Nullable String waitStrategy;
        private @Nullable Integer workers;
        private @Nullable Validation validateInput;
        private final Map<String, String> variables = new TreeMap<>();

        private Builder() {}

        /**
         * Where a durable database is; {@code ":memory:"} is nowhere.
         *
         * @param path a directory
         * @return this builder
         */
        public Builder path(String path) {
            this.path = path;
            return this;
        }

        /**
         * Where a durable database is. This version answers UNSUPPORTED for every directory.
         *
         * @param directory a directory
         * @return this builder
         */
        public Builder storageDir(Path directory) {
            this.path = directory.toString();
            return this;
        }

        /**
         * How much a subscription holds for its consumer.
         *
         * @param rows rows, a power of two (65,536)
         * @return this builder
         */
        public Builder bufferSize(int rows) {
            this.bufferSize = rows;
            return this;
        }

        /**
         * How much may wait before the start.
         *
         * @param bytes bytes (256 MiB)
         * @return this builder
         */
        public Builder maxQueuedBytes(long bytes) {
            this.maxQueuedBytes = bytes;
            return this;
        }

        /**
         * How much of its past a source keeps for queries.
         *
         * @param rows rows (65,536)
         * @return this builder
         */
        public Builder retainHistory(long rows) {
            this.retainHistory = rows;
            return this;
        }

        /**
         * How long a push waits for room before it throws BACKPRESSURE.
         *
         * @param timeout milliseconds count (30 seconds)
         * @return this builder
         */
        public Builder pushTimeout(Duration timeout) {
            this.pushTimeout = timeout;
            return this;
        }

        /**
         * Into how many partitions operators by keys are divided.
         *
         * @param partitions from 1 to 64 (1)
         * @return this builder
         */
        public Builder workers(int partitions) {
            this.workers = partitions;
            return this;
        }

        /**
         * How calls wait that have to.
         *
         * @param strategy the strategy
         * @return this builder
         */
        public Builder waitStrategy(WaitStrategy strategy) {
            this.waitStrategy = strategy.name;
            return this;
        }

        /**
         * To wait busily so many turns, then asleep.
         *
         * @param turns the number of turns (100)
         * @return this builder
         */
        public Builder spinYield(int turns) {
            this.waitStrategy = "spin_yield(" + turns + ")";
            return this;
        }

        /**
         * How far Arrow data that is handed over is checked.
         *
         * @param validation how far
         * @return this builder
         */
        public Builder validateInput(Validation validation) {
            this.validateInput = validation;
            return this;
        }

        /**
         * The value of <code>${NAME}</code> in the strings of definitions. Others come from the
         * environment.
         *
         * @param name the name
         * @param value the value
         * @return this builder
         */
        public Builder variable(String name, String value) {
            variables.put(name, value);
            return this;
        }

        /**
         * The settings so far. Whether their values can be used is said by {@link
         * LaminarDB#open(Config)}.
         *
         * @return the settings
         */
        public Config build() {
            return new Config(this);
        }

        private String json() {
            Json json = new Json();
            set(json, "path", path);
            set(json, "buffer_size", bufferSize);
            set(json, "max_queued_bytes", maxQueuedBytes);
            set(json, "retain_history", retainHistory);
            set(json, "push_timeout_ms", pushTimeout == null ? null : pushTimeout.toMillis());
            set(json, "wait_strategy", waitStrategy);
            set(json, "workers", workers);
            set(json, "validate_input", validateInput == null ? null : validateInput.name);
            set(json, "variables", variables.isEmpty() ? null : Map.copyOf(variables));
            return json.toString();
        }

        private static void set(Json json, String name, @Nullable Object value) {
            if (value != null) {
                json.put(name, value);
            }
        }
    }
}
