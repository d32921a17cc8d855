package io.laminardb;

import org.jspecify.annotations.Nullable;

/**
 * What a source has taken in, and holds: a row of {@code laminar_sources}.
 *
 * @param name its name
 * @param watermarkColumn the column of its event time; null when none is declared
 * @param watermarkMs its watermark, in milliseconds since 1970; null before the first
 * @param totalRows rows taken in since its creation
 * @param batches batches taken in since its creation
 * @param retainedRows rows that queries see
 * @param droppedRows rows that its history dropped
 * @param pendingRows rows that wait for the start
 * @param capacityRows rows that it is laid out for
 * @param isBackpressured whether a push would wait now, or be refused
 * @param producers producers that are open
 * @param channel {@code MPSC} while there are several producers, else {@code SPSC}
 * @param stateBytes memory of its history
 * @param sql the statement that created it
 */
public record SourceMetrics(
        String name,
        @Nullable String watermarkColumn,
        @Nullable Long watermarkMs,
        long totalRows,
        long batches,
        long retainedRows,
        long droppedRows,
        long pendingRows,
        long capacityRows,
        boolean isBackpressured,
        long producers,
        String channel,
        long stateBytes,
        String sql) {}
