package io.laminardb;

/**
 * A column, or a part of a nested type.
 *
 * @param name its name
 * @param type its type
 * @param nullable whether it may hold NULL
 */
public record Field(String name, DataType type, boolean nullable) {

    /** The column as SQL defines it. */
    @Override
    public String toString() {
        return name + " " + type + (nullable ? "" : " NOT NULL");
    }
}
