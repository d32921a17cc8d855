package io.laminardb;

import org.jspecify.annotations.Nullable;

/** How rows are written as CSV. Each method answers options that differ in one setting. */
public final class CsvOptions {
    private static final CsvOptions DEFAULTS = new CsvOptions(true, ",", "\"", "", null);

    private final boolean header;
    private final String delimiter;
    private final String quote;
    private final String nullText;
    private final @Nullable String epochUnit;

    private CsvOptions(
            boolean header,
            String delimiter,
            String quote,
            String nullText,
            @Nullable String epochUnit) {
        this.header = header;
        this.delimiter = delimiter;
        this.quote = quote;
        this.nullText = nullText;
        this.epochUnit = epochUnit;
    }

    /**
     * A header, commas, double quotes, and nothing for NULL.
     *
     * @return the options
     */
    public static CsvOptions defaults() {
        return DEFAULTS;
    }

    /**
     * Whether the first line names the columns, in any order. Without, they are the source's.
     *
     * @param wanted true when it does
     * @return options with this setting
     */
    public CsvOptions header(boolean wanted) {
        return new CsvOptions(wanted, delimiter, quote, nullText, epochUnit);
    }

    /**
     * What stands between values.
     *
     * @param character one character of ASCII
     * @return options with this setting
     */
    public CsvOptions delimiter(char character) {
        return new CsvOptions(header, String.valueOf(character), quote, nullText, epochUnit);
    }

    /**
     * What stands around a value with delimiters in it.
     *
     * @param character one character of ASCII
     * @return options with this setting
     */
    public CsvOptions quote(char character) {
        return new CsvOptions(header, delimiter, String.valueOf(character), nullText, epochUnit);
    }

    /**
     * The text that is NULL.
     *
     * @param text the text
     * @return options with this setting
     */
    public CsvOptions nullText(String text) {
        return new CsvOptions(header, delimiter, quote, text, epochUnit);
    }

    /**
     * The unit of times that are integers.
     *
     * @param unit {@code "s"}, {@code "ms"}, {@code "us"} or {@code "ns"}
     * @return options with this setting
     */
    public CsvOptions epochUnit(String unit) {
        return new CsvOptions(header, delimiter, quote, nullText, unit);
    }

    /** The form that the library reads. */
    byte[] utf8() {
        Json json = new Json();
        json.put("header", header).put("delimiter", delimiter).put("quote", quote);
        json.put("null", nullText);
        if (epochUnit != null) {
            json.put("epoch", epochUnit);
        }
        return Native.utf8(json.toString());
    }
}
