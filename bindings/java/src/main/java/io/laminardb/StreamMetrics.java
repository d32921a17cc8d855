package io.laminardb;

import org.jspecify.annotations.Nullable;

/**
 * What a stream has done, and holds: a row of {@code laminar_streams}.
 *
 * @param name its name
 * @param emit the form of its results, as {@code EMIT} spells it
 * @param state {@code created} before the start, {@code running}, or {@code failed}
 * @param error why it failed; null otherwise
 * @param watermarkMs how far its result is final; null where it carries no event time
 * @param totalRows rows of all its changes
 * @param batches epochs that changed it
 * @param lateRows rows left out as late
 * @param deadLetters rows left out because an expression failed
 * @param subscribers subscriptions that are open
 * @param channel null without subscriptions, {@code SPSC}, or {@code BROADCAST} for several
 * @param pendingRows rows that wait in its subscriptions
 * @param capacityRows rows that may wait in them
 * @param isBackpressured whether one of them is full
 * @param missedRows rows that they missed
 * @param retainedRows rows of its history
 * @param stateBytes memory of its state and history
 * @param sql its query
 */
public record StreamMetrics(
        String name,
        String emit,
        String state,
        @Nullable String error,
        @Nullable Long watermarkMs,
        long totalRows,
        long batches,
        long lateRows,
        long deadLetters,
        long subscribers,
        @Nullable String channel,
        long pendingRows,
        long capacityRows,
        boolean isBackpressured,
        long missedRows,
        long retainedRows,
        long stateBytes,
        String sql) {}
