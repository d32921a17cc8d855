package io.laminardb;

import org.jspecify.annotations.Nullable;

/**
 * What a database has done, and holds: the row of {@code laminar_metrics}.
 *
 * @param state {@code created} before the start, then {@code running}
 * @param uptimeMs time since it was opened
 * @param epochs changes of any kind
 * @param totalRowsIngested rows that sources and tables took in
 * @param totalRowsEmitted rows of all changes of streams and views
 * @param totalRowsDropped late rows, dead letters and missed rows together
 * @param totalBatches batches that sources and tables took in
 * @param lateRows rows left out as late
 * @param deadLetters rows left out because an expression failed
 * @param missedRows rows that open subscriptions missed
 * @param watermarkMs the least watermark of the sources that declare one; null until all have one
 * @param sources how many sources there are
 * @param tables how many tables there are
 * @param streams how many streams there are
 * @param views how many materialized views there are
 * @param sinks how many sinks there are
 * @param subscriptions how many subscriptions are open
 * @param queries how many queries are open
 * @param pendingRows rows that wait for the start
 * @param waitingRows rows that wait in subscriptions
 * @param queuedBytes bytes of the rows that wait for the start
 * @param retainedRows rows of sources and tables that queries see
 * @param stateBytes memory of all state and history
 */
public record Metrics(
        String state,
        long uptimeMs,
        long epochs,
        long totalRowsIngested,
        long totalRowsEmitted,
        long totalRowsDropped,
        long totalBatches,
        long lateRows,
        long deadLetters,
        long missedRows,
        @Nullable Long watermarkMs,
        long sources,
        long tables,
        long streams,
        long views,
        long sinks,
        long subscriptions,
        long queries,
        long pendingRows,
        long waitingRows,
        long queuedBytes,
        long retainedRows,
        long stateBytes) {}
