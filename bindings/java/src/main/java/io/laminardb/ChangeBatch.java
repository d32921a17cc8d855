package io.laminardb;

import org.jspecify.annotations.Nullable;

/** The changes that one epoch brought to what is subscribed to. */
public final class ChangeBatch extends Batch {
    private final long epoch;
    private final long @Nullable [] weights;
    private final boolean reset;

    ChangeBatch(
            Schema schema,
            long pointer,
            long epoch,
            long @Nullable [] weights,
            boolean reset) {
        super(schema, pointer);
        this.epoch = epoch;
        this.weights = weights;
        this.reset = reset;
    }

    /**
     * The number of the epoch; it grows.
     *
     * @return the epoch
     */
    public long epoch() {
        return epoch;
    }

    /**
     * How often a row came, or when it is negative, went.
     *
     * @param row the row
     * @return +1 for a row that came to be, -1 for one that ceased to be
     */
    public long weight(int row) {
        if (row < 0 || row >= size()) {
            throw new IndexOutOfBoundsException("row " + row + " of " + size());
        }
        return weights == null ? 1 : weights[row];
    }

    /**
     * Whether a row came or went.
     *
     * @param row the row
     * @return what happened to it
     */
    public Op op(int row) {
        return weight(row) < 0 ? Op.DELETE : Op.INSERT;
    }

    /**
     * Whether changes were missed, and these rows are the whole content from which to go on: forget
     * what was delivered before.
     *
     * @return true when they are
     */
    public boolean isReset() {
        return reset;
    }
}
