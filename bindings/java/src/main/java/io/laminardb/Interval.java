package io.laminardb;

import java.time.Duration;
import java.time.Period;

/**
 * A calendar interval: its parts are not converted into each other.
 *
 * @param months months
 * @param days days
 * @param nanoseconds nanoseconds
 */
public record Interval(int months, int days, long nanoseconds) {

    /**
     * Its months and days.
     *
     * @return a period with years and months normalized
     */
    public Period period() {
        return Period.of(0, months, days).normalized();
    }

    /**
     * Its part below a day.
     *
     * @return the nanoseconds
     */
    public Duration duration() {
        return Duration.ofNanos(nanoseconds);
    }
}
