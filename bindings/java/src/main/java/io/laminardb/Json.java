package io.laminardb;

import java.util.LinkedHashMap;
import java.util.Map;

/** Writes settings as a JSON object. */
final class Json {
    private final Map<String, Object> members = new LinkedHashMap<>();

    /** Adds a member: a {@code String}, {@code Number}, {@code Boolean} or map of texts. */
    Json put(String name, Object value) {
        members.put(name, value);
        return this;
    }

    boolean isEmpty() {
        return members.isEmpty();
    }

    @Override
    public String toString() {
        StringBuilder out = new StringBuilder();
        write(members, out);
        return out.toString();
    }

    private static void write(Object value, StringBuilder out) {
        if (value instanceof Map<?, ?> map) {
            String comma = "{";
            for (Map.Entry<?, ?> entry : map.entrySet()) {
                out.append(comma);
                comma = ",";
                quote(String.valueOf(entry.getKey()), out);
                out.append(':');
                write(entry.getValue(), out);
            }
            out.append(map.isEmpty() ? "{}" : "}");
        } else if (value instanceof String text) {
            quote(text, out);
        } else {
            out.append(value);
        }
    }

    private static void quote(String text, StringBuilder out) {
        out.append('"');
        for (int index = 0; index < text.length(); index++) {
            char c = text.charAt(index);
            if (c == '"' || c == '\\') {
                out.append('\\').append(c);
            } else if (c < ' ') {
                out.append(String.format("\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        out.append('"');
    }
}
