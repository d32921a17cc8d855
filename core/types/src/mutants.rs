//! Deliberate bugs, for the tests of the tests.
//!
//! `mutant!(Name)` stands in the engine's own code where the bug would be. Without the feature
//! `mutants`, which only the package of the tests asks for, it is the constant `false` and nothing
//! of it is compiled. With it, it asks whether the process selected that bug. The tester must
//! notice each one (`tests/engine/mutants.rs`).

/// Whether a deliberate bug is on: never, in a build without the feature `mutants`.
#[cfg(not(feature = "mutants"))]
#[macro_export]
macro_rules! mutant {
    ($name:ident) => {
        false
    };
}

/// Whether a deliberate bug is on: never, in a build without the feature `mutants`.
#[cfg(feature = "mutants")]
#[macro_export]
macro_rules! mutant {
    ($name:ident) => {
        $crate::mutants::is_selected($crate::mutants::Mutant::$name)
    };
}

#[cfg(feature = "mutants")]
pub use table::{Mutant, is_selected, select};

/// The deliberate bug that is on for the calling thread, to be turned on for another one that works
/// for it.
#[derive(Debug, Clone, Copy)]
pub struct Selected(#[cfg(feature = "mutants")] usize);

/// Turns a bug off again when it goes.
#[derive(Debug)]
pub struct SelectedHere(#[cfg(feature = "mutants")] usize);

/// Which bug is on: none, in a build without the feature `mutants`.
pub fn selected() -> Selected {
    Selected(
        #[cfg(feature = "mutants")]
        table::swap(None),
    )
}

/// Turns the bug of another thread on for this one, until what this answers is dropped.
pub fn also_here(bug: Selected) -> SelectedHere {
    #[cfg(not(feature = "mutants"))]
    let _ = bug;
    SelectedHere(
        #[cfg(feature = "mutants")]
        table::swap(Some(bug.0)),
    )
}

#[cfg(feature = "mutants")]
impl Drop for SelectedHere {
    fn drop(&mut self) {
        table::swap(Some(self.0));
    }
}

#[cfg(feature = "mutants")]
mod table {
    use std::cell::Cell;

    macro_rules! mutants {
        ($($name:ident: $breaks:literal, $place:literal, [$($concerns:literal),*];)*) => {
            /// A deliberate bug.
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            pub enum Mutant { $(#[doc = $breaks] $name,)* }

            impl Mutant {
                /// Every bug with what it breaks, where it stands, and the constructs of the random
                /// tester that it concerns most: cases with these are tried first.
                pub const ALL: &'static [(Mutant, &'static str, &'static str, &'static [&'static str])] =
                    &[$((Mutant::$name, $breaks, $place, &[$($concerns),*])),*];
            }
        };
    }

    mutants! {
        LatenessByBatch: "rows are late against the batch before, not the row before", "db/producers", ["final windows", "windows with corrections"];
        CutOneUnitLate: "a row one unit behind the frontier does not cut its batch", "db/producers", ["final windows"];
        WatermarkOfTheFastest: "the watermark is that of the fastest producer", "db/producers", ["final windows"];
        PromiseIgnored: "an explicit watermark is ignored", "db/producers", ["final windows"];
        WindowClosesOneUnitEarly: "a window closes one unit before its end", "dataflow/window_aggregate", ["final windows"];
        WindowClosesOneUnitLate: "a window closes one unit after its end", "dataflow/window_aggregate", ["final windows"];
        OffsetIgnored: "windows are aligned without their offset", "dataflow/window", ["window offset"];
        TimesBelowZeroRoundUp: "windows before 1970 are one too late", "dataflow/window", ["tumble", "hop"];
        UpdateWithoutRetraction: "the row that a group was is not taken back", "dataflow/group_changes", ["GROUP BY"];
        NetZeroSent: "a group that did not change is told", "dataflow/group_changes", ["GROUP BY"];
        GroupStays: "a group without rows stays", "dataflow/aggregate/table", ["GROUP BY"];
        GroupVanishesOneRowEarly: "a group with one row left vanishes", "dataflow/aggregate/table", ["GROUP BY"];
        RetractionsAdded: "a row taken back counts as one more", "dataflow/aggregate/table", ["GROUP BY"];
        FilterIgnored: "FILTER of an aggregate lets everything pass", "dataflow/aggregate/input", ["FILTER"];
        NullsCounted: "an aggregate takes NULL in", "dataflow/aggregate/input", ["count", "sum", "avg"];
        ExtremeNeverFalls: "min and max keep values that were taken back", "dataflow/aggregate/retained", ["min", "max"];
        LastIsExtreme: "min and max over appended rows are the last row", "dataflow/aggregate/min_max", ["min", "max"];
        NothingIsZero: "the sum of no values is not NULL", "dataflow/aggregate/presence", ["sum"];
        MergeForgetsCounts: "panes that are merged lose their counts", "dataflow/aggregate/count", ["hop", "cumulate"];
        MapForgetsRetractions: "a projection hands retractions on as rows", "dataflow/map", ["projection"];
        FailingRowTakesItsBatch: "a row that fails takes its whole batch with it", "dataflow/map", ["failing expression"];
        UnionSkipsASide: "a union with both sides in one step takes the first", "dataflow/union", ["UNION ALL"];
        UnionForgetsWeights: "a union hands retractions on as rows", "dataflow/union", ["UNION ALL", "UNION"];
        MaterializeAddsOnly: "a result that is held keeps what was taken back", "dataflow/materialize", ["JOIN", "LEFT JOIN"];
        NullKeyJoins: "NULL keys of a join are equal", "dataflow/join/side", ["JOIN", "LEFT JOIN"];
        PaddingKept: "the padding of an outer row stays when a match comes", "dataflow/join/side", ["LEFT JOIN", "FULL JOIN", "RIGHT JOIN"];
        JoinSkipsASide: "rows of the right side do not meet the left's", "dataflow/join", ["JOIN"];
        SharedSideAhead: "a join that shares a side sees what it was not given yet", "dataflow/join/arrangement", ["JOIN", "LEFT JOIN"];
        PairsAddedOnly: "a pair of which a row ceased is one more", "dataflow/join", ["JOIN"];
        CommonRowsOnce: "INTERSECT ALL gives each row once", "dataflow/set_operation", ["INTERSECT ALL"];
        SurplusIgnoresRight: "EXCEPT ALL takes nothing off", "dataflow/set_operation", ["EXCEPT ALL"];
        NullKeyIsAnother: "the group of NULL is that of another key", "dataflow/state/fixed_keys", ["GROUP BY"];
        BackfillForgotten: "a late stream does not begin with its input's content", "dataflow/graph", ["GROUP BY"];
        FrontierNotBackfilled: "a late stream takes late rows for punctual ones", "dataflow/graph", ["final windows"];
        ReaderSkipped: "the second reader of a relation misses what the first gets", "dataflow/graph", ["GROUP BY"];
        WatermarkBeforeRows: "a watermark overtakes the rows before it", "dataflow/graph", ["final windows"];
        HeldStreamSeesEarlierRows: "a stream sees rows that queued before it", "dataflow/graph", ["GROUP BY"];
        QueueReplayedBackwards: "what waited for the start runs from its end", "db/engine", ["final windows"];
        ClosedProducerHoldsBack: "a producer that was closed holds the watermark back", "db/producers", ["final windows"];
        WatermarkGoesBack: "the watermark falls when a slower producer comes", "db/producers", ["final windows", "windows with corrections"];
        DelayForgotten: "the declared watermark is the largest time", "db/producers", ["final windows"];
        IdleProducerHoldsBack: "a silent producer holds the watermark back for ever", "db/producers", ["final windows"];
        EndOfInputIgnored: "the end of input of all handles waits for inserts by name", "db/producers", ["final windows"];
        QueuedWatermarkForgotten: "watermarks before the start are lost", "db/engine", ["final windows"];
        StepsNotNetted: "the steps of an epoch are told one by one", "db/stream", ["windows with corrections"];
        EmptyGlobalGroupUntold: "the row of no rows is not told", "dataflow/group_changes", ["scalar subquery", "comparison with a scalar subquery", "correlated count"];
        SlotReusedWithItsState: "a group begins with what a group before it was", "dataflow/aggregate/table", ["GROUP BY"];
        MatchesForgotten: "a match that ceases still counts", "dataflow/join/side", ["LEFT JOIN", "FULL JOIN"];
        LateRowReopensWindow: "a late row opens its window again", "dataflow/window_aggregate", ["final windows"];
        LatenessForgotten: "ALLOW LATENESS allows nothing", "dataflow/window_aggregate", ["ALLOW LATENESS that waits", "ALLOW LATENESS that corrects"];
        PaneDroppedTooEarly: "a pane goes with the first of its windows", "dataflow/window_aggregate", ["hop", "cumulate"];
        WindowSkipped: "every second window is left out", "dataflow/window_aggregate", ["hop", "tumble"];
        PaneNotCleared: "a pane begins with the rows of another", "dataflow/window_aggregate", ["final windows"];
        FirstChangeOfWindowUntold: "a window is told from its second change on", "dataflow/window_aggregate", ["windows with corrections"];
        CumulateStartsAnew: "each step of a cumulating window begins anew", "dataflow/window", ["cumulate"];
        UpsertKeepsOldRow: "an upsert does not take the old row back", "dataflow/state/table_rows", ["over a table"];
        FirstOfEqualKeysStays: "of several rows of a key in one insert the first stays", "dataflow/state/table_rows", ["over a table"];
        DeleteTakesOneRow: "a DELETE takes one of its rows out", "dataflow/state/table_rows", ["over a table"];
        DistinctNeverCeases: "DISTINCT keeps values that were taken back", "dataflow/aggregate/distinct", ["count(DISTINCT)", "sum(DISTINCT)"];
        DistinctCountsRepeats: "a value that comes again counts again", "dataflow/aggregate/distinct", ["count(DISTINCT)", "sum(DISTINCT)"];
        FirstByArrival: "first and last go by arrival, not by event time", "sql/event_order", ["first", "last"];
        RankOneTooLow: "medians and nth values are one rank too low", "dataflow/aggregate/retained", ["median", "nth_value"];
        TiesByLastArrival: "rows that are equal in an order stand last come first", "dataflow/row_codec", ["ORDER BY LIMIT", "row_number() <= n", "row_number"];
        TopNHasOneMore: "the first n rows are n + 1", "dataflow/top_n", ["ORDER BY LIMIT"];
        TopNForgetsTheRest: "rows behind the first n are forgotten over changing rows", "dataflow/top_n", ["top-N of changing rows"];
        OverSeesChangedRowsOnly: "window functions of neighbours are not computed anew", "dataflow/over", ["OVER"];
        SessionForgetsPieces: "sessions that overlap stay apart", "dataflow/session_aggregate", ["session"];
        SessionsThatTouchMerge: "sessions exactly a gap apart are one", "dataflow/session_aggregate", ["session"];
        ClosedSessionForgotten: "a row before the end of a closed session is taken", "dataflow/session_aggregate", ["session"];
        LateRowNeverJoins: "a row late by itself does not join an open session", "dataflow/session_aggregate", ["session"];
        AsofEqualityWrong: "ASOF >= leaves equal times out, and > takes them", "dataflow/time_join/matching", ["ASOF >=", "ASOF >"];
        NearestLooksAhead: "of two equally near rows the later one is taken", "dataflow/time_join/matching", ["ASOF NEAREST"];
        AsofFinalOneUnitEarly: "an ASOF match is final one unit early", "dataflow/time_join/matching", ["final ASOF"];
        AsofNotMatchedAgain: "a right row that comes later corrects no match", "dataflow/time_join/asof", ["ASOF with corrections"];
        IntervalEndsOneUnitEarly: "a row of an interval join goes one unit early", "dataflow/time_join/interval", ["interval LEFT JOIN", "interval JOIN"];
        IntervalPadsMatchedRows: "rows with a match are padded at their end", "dataflow/time_join/interval", ["interval LEFT JOIN", "interval FULL JOIN"];
        LateRowJoins: "a late row takes part in a join in time", "dataflow/time_join/side", ["interval JOIN"];
        NotInIgnoresNulls: "NOT IN takes no notice of a NULL in the subquery", "sql/lower/subquery", ["NOT IN (SELECT)"];
        NullIsNotIn: "NULL is NOT IN any rows", "sql/lower/subquery", ["NOT IN (SELECT)"];
        LateVersionCounts: "a version behind the watermark is one", "dataflow/time_join/asof", ["versions of a table"];
        ReplacedVersionEnds: "a version that is replaced counts as deleted", "dataflow/time_join/asof", ["versions of a table", "versions of a changelog"];
        DeletionForgotten: "a version that is deleted stays valid", "dataflow/time_join/asof", ["versions of a table", "versions of a changelog"];
        DeletionFromTheBeginning: "a deletion takes a version back from its beginning on", "dataflow/time_join/asof", ["versions of a table", "versions of a changelog"];
        LookupKeepsOldRows: "a row that a lookup table replaced still answers", "dataflow/time_join/current", ["lookup join", "FOR SYSTEM_TIME AS OF proctime()"];
        LookupTakesOneRow: "of several rows of a key one answers", "dataflow/time_join/current", ["lookup join", "FOR SYSTEM_TIME AS OF proctime()"];
        LookupMissIsGone: "a row without an answer is gone from a left join", "dataflow/time_join/current", ["join with what is there LEFT"];
        ProbesLookBack: "a probe ahead of a row looks as far back", "sql/probe_times", ["PROBE JOIN RANGE", "PROBE JOIN LIST"];
        RangeWithoutItsEnd: "the last distance of a RANGE is left out", "sql/parser/probe", ["PROBE JOIN RANGE"];
        SessionTakesNothingBack: "a session keeps rows that were taken back", "dataflow/session_aggregate", ["sessions of changing rows"];
        ShrunkSessionStaysOpen: "a session that a retraction ended closes at its old end", "dataflow/session_aggregate", ["sessions of changing rows"];
        LateRowForEverySet: "a late row is handed on for each grouping set", "dataflow/late_rows", ["window with ROLLUP", "window with CUBE", "window with GROUPING SETS"];
        LateRowsAllCame: "a row that ceased too late is handed on as one that came", "dataflow/late_rows", ["windows over a table"];
        ForgottenOneUnitEarly: "a row is forgotten one unit early", "dataflow/lifetime", ["state_ttl of JOIN", "state_ttl of an outer JOIN"];
        ForgottenByTheOtherSide: "a row is forgotten by the watermark of the other side", "dataflow/lifetime", ["state_ttl of JOIN", "state_ttl of an outer JOIN"];
        ForgottenByBatch: "what a batch makes forgotten is forgotten after the batch", "db/producers", ["state_ttl of JOIN", "state_ttl of GROUP BY"];
        IdleSourceHoldsBack: "a silent source holds those beside it back", "dataflow/graph", ["idle sources beside others"];
        WatermarkOfTheFastestKey: "the watermark is that of the fastest key", "db/keyed_times", ["watermark by key"];
        IdleKeyHoldsBack: "a silent key holds the watermark back for ever", "db/keyed_times", ["watermark by key"];
        ClockStands: "event times of the clock wait for the next row", "db/engine/time", ["proctime()"];
        UpdateMovesNoWatermark: "the times that an UPDATE sets move no watermark", "db/change", ["windows over a table", "versions of a table"];
        ReplacedRowsUncut: "a row that replaces one behind the watermark does not cut its batch", "db/producers", ["windows over a table", "versions of a table"];
        PartitionLost: "what one partition gives is lost", "dataflow/partitioned", ["GROUP BY"];
        RowsDealtInTurn: "rows go to partitions in turn, whatever their keys", "dataflow/partitioned", ["GROUP BY"];
        PartitionsOneByOne: "what partitions give stands one partition after the other", "dataflow/partitioned", ["GROUP BY"];
        IntervalTellsItsFirstChange: "EMIT EVERY tells the first change of an interval", "db/stream", ["EMIT EVERY"];
        RowInOneWindow: "a row is in the first of its windows alone", "sql/functions", ["rows of HOP", "rows of CUMULATE"];
        SharedWhateverItSaw: "an operator stands for that of a later stream whatever it saw before", "db/engine/sharing", ["equal queries"];
        SharedContentNotHandedOn: "who reads a shared operator does not begin with its content", "db/engine/sharing", ["equal queries"];
        SharedOperatorGoesWithAUser: "a shared operator goes with the first of its streams", "db/engine/sharing", ["equal queries"];
        UnnestForgetsWeights: "UNNEST hands retractions on as rows", "dataflow/unnest", ["UNNEST", "UNNEST in FROM"];
    }

    thread_local! {
        static SELECTED: Cell<usize> = const { Cell::new(usize::MAX) };
    }

    /// Turns one bug on, or all off, for what this thread runs: all of a database that no other
    /// thread uses, but the reading of ad-hoc queries.
    pub fn select(mutant: Option<Mutant>) {
        SELECTED.set(mutant.map_or(usize::MAX, |mutant| mutant as usize));
    }

    /// What is selected; something else from now on, if it is given.
    pub(super) fn swap(selected: Option<usize>) -> usize {
        selected.map_or_else(|| SELECTED.get(), |selected| SELECTED.replace(selected))
    }

    /// Whether a bug is on.
    pub fn is_selected(mutant: Mutant) -> bool {
        SELECTED.get() == mutant as usize
    }
}
