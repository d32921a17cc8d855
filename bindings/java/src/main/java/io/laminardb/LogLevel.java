package io.laminardb;

/** How important a line of the log is. Who listens to a level hears those before it as well. */
public enum LogLevel {
    /** Something stopped: a stream failed. */
    ERROR,
    /** Rows are lost: the first dead letter and late row of a stream, a subscription's first miss. */
    WARN,
    /** The database changed: definitions, the start, the shutdown. */
    INFO,
    /** Every query that begins. */
    DEBUG;

    int number() {
        return ordinal() + 1;
    }

    static LogLevel of(int number) {
        LogLevel[] levels = values();
        return levels[Math.min(Math.max(number, 1), levels.length) - 1];
    }
}
