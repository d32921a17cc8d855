package io.laminardb;

/** What happened to a row. */
public enum Op {
    /** It came to be. */
    INSERT,
    /** It ceased to be. An update is a deletion and an insertion. */
    DELETE
}
