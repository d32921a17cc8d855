package io.laminardb;

import java.util.Locale;

/** What the result of a scalar function depends on. */
public enum Volatility {
    /** On the arguments alone. */
    IMMUTABLE,
    /** On the arguments, within one statement. */
    STABLE,
    /** On more than the arguments: it is refused over rows that can change. */
    VOLATILE;

    String json() {
        return "{\"volatility\":\"" + name().toLowerCase(Locale.ROOT) + "\"}";
    }
}
