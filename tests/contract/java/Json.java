import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Reads JSON: null, Boolean, BigDecimal, String, List and Map. */
final class Json {
    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    static Object parse(String text) {
        Json json = new Json(text);
        Object value = json.value();
        json.space();
        if (json.at != text.length()) {
            throw new IllegalArgumentException("text behind the JSON");
        }
        return value;
    }

    private void space() {
        while (at < text.length() && Character.isWhitespace(text.charAt(at))) {
            at++;
        }
    }

    private boolean take(char wanted) {
        space();
        if (text.charAt(at) != wanted) {
            return false;
        }
        at++;
        return true;
    }

    private Object value() {
        space();
        switch (text.charAt(at)) {
            case '{':
                Map<String, Object> members = new LinkedHashMap<>();
                at++;
                while (!take('}')) {
                    space();
                    String name = string();
                    take(':');
                    members.put(name, value());
                    take(',');
                }
                return members;
            case '[':
                List<Object> items = new ArrayList<>();
                at++;
                while (!take(']')) {
                    items.add(value());
                    take(',');
                }
                return items;
            case '"':
                return string();
            case 't':
                at += 4;
                return true;
            case 'f':
                at += 5;
                return false;
            case 'n':
                at += 4;
                return null;
            default:
                int from = at;
                while (at < text.length() && "+-.0123456789eE".indexOf(text.charAt(at)) >= 0) {
                    at++;
                }
                return new BigDecimal(text.substring(from, at));
        }
    }

    private String string() {
        StringBuilder out = new StringBuilder();
        for (at++; text.charAt(at) != '"'; at++) {
            char character = text.charAt(at);
            if (character == '\\') {
                character = text.charAt(++at);
                switch (character) {
                    case 'n' -> character = '\n';
                    case 't' -> character = '\t';
                    case 'r' -> character = '\r';
                    case 'u' -> {
                        character = (char) Integer.parseInt(text.substring(at + 1, at + 5), 16);
                        at += 4;
                    }
                    default -> {
                    }
                }
            }
            out.append(character);
        }
        at++;
        return out.toString();
    }
}
