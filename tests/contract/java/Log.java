import io.laminardb.LaminarDB;
import io.laminardb.LogLevel;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Lines of the log, as they come. */
final class Log {
    private record Line(LogLevel level, String text) {}

    private final List<Line> lines = new ArrayList<>();

    Log(LaminarDB db, String level) {
        db.onLog(level(level), this::add);
    }

    private synchronized void add(LogLevel level, String text) {
        lines.add(new Line(level, text));
        notifyAll();
    }

    /** Whether there is such a line, or comes. */
    synchronized boolean has(String level, List<Object> says) throws InterruptedException {
        long deadline = System.nanoTime() + Listener.WAIT.toNanos();
        while (lines.stream().noneMatch(line -> line.level() == level(level)
                && says.stream().allMatch(part -> line.text().contains((String) part)))) {
            long left = (deadline - System.nanoTime()) / 1_000_000;
            if (left <= 0) {
                return false;
            }
            wait(left);
        }
        return true;
    }

    private static LogLevel level(String name) {
        return LogLevel.valueOf(name.toUpperCase(Locale.ROOT));
    }

    @Override
    public synchronized String toString() {
        return lines.toString();
    }
}
