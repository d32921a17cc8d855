package io.laminardb;

import java.nio.ByteBuffer;

/** How rows are written that come as bytes, in the native part's numbers. */
final class Form {
    static final int JSON = 0;
    static final int CSV = 1;
    static final int IPC = 2;

    private Form() {}

    /** What is left in a buffer; its position stays. */
    static byte[] copy(ByteBuffer rows) {
        byte[] copy = new byte[rows.remaining()];
        rows.duplicate().get(copy);
        return copy;
    }
}
