package io.laminardb;

/** How rows are written that come as bytes, in the native part's numbers. */
final class Form {
    static final int JSON = 0;
    static final int CSV = 1;
    static final int IPC = 2;

    private Form() {}
}
