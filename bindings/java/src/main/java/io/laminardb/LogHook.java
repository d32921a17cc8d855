package io.laminardb;

import java.util.function.BiConsumer;

/** The listener of a database's log as native code calls it. */
final class LogHook {
    private final BiConsumer<LogLevel, String> listener;

    LogHook(BiConsumer<LogLevel, String> listener) {
        this.listener = listener;
    }

    /**
     * Called by the native part, on the thread that did the work. The work goes on whatever is
     * thrown: that is for the thread's handler of uncaught exceptions.
     */
    void tell(int level, byte[] line) {
        try {
            listener.accept(LogLevel.of(level), Native.text(line));
        } catch (Throwable error) {
            Thread thread = Thread.currentThread();
            thread.getUncaughtExceptionHandler().uncaughtException(thread, error);
        }
    }
}
