package io.laminardb;

/**
 * A row and what happened to it.
 *
 * @param <T> the class of the row
 * @param op whether it came or went
 * @param row the row
 * @param epoch the epoch in which that happened
 * @param isReset whether changes were missed, and this row belongs to the whole content from which
 *     to go on: forget what was delivered before the first such row
 */
public record ChangeRow<T>(Op op, T row, long epoch, boolean isReset) {}
