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

#[cfg(feature = "mutants")]
mod table {
    use std::sync::atomic::{AtomicUsize, Ordering};

    macro_rules! mutants {
        ($($name:ident: $breaks:literal, $place:literal;)*) => {
            /// A deliberate bug.
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            pub enum Mutant { $(#[doc = $breaks] $name,)* }

            impl Mutant {
                /// Every bug with what it breaks and where it stands.
                pub const ALL: &'static [(Mutant, &'static str, &'static str)] =
                    &[$((Mutant::$name, $breaks, $place)),*];
            }
        };
    }

    mutants! {
        LatenessByBatch: "rows are late against the batch before, not the row before", "db/producers";
        CutOneUnitLate: "a row one unit behind the frontier does not cut its batch", "db/producers";
        WatermarkOfTheFastest: "the watermark is that of the fastest producer", "db/producers";
        PromiseIgnored: "an explicit watermark is ignored", "db/producers";
        WindowClosesOneUnitEarly: "a window closes one unit before its end", "dataflow/window_aggregate";
        WindowClosesOneUnitLate: "a window closes one unit after its end", "dataflow/window_aggregate";
        OffsetIgnored: "windows are aligned without their offset", "dataflow/window";
        TimesBelowZeroRoundUp: "windows before 1970 are one too late", "dataflow/window";
        UpdateWithoutRetraction: "the row that a group was is not taken back", "dataflow/group_changes";
        NetZeroSent: "a group that did not change is told", "dataflow/group_changes";
        GroupStays: "a group without rows stays", "dataflow/aggregate/table";
        GroupVanishesOneRowEarly: "a group with one row left vanishes", "dataflow/aggregate/table";
        RetractionsAdded: "a row taken back counts as one more", "dataflow/aggregate/table";
        FilterIgnored: "FILTER of an aggregate lets everything pass", "dataflow/aggregate/input";
        NullsCounted: "an aggregate takes NULL in", "dataflow/aggregate/input";
        ExtremeNeverFalls: "min and max keep values that were taken back", "dataflow/aggregate/retained";
        LastIsExtreme: "min and max over appended rows are the last row", "dataflow/aggregate/min_max";
        NothingIsZero: "the sum of no values is not NULL", "dataflow/aggregate/presence";
        MergeForgetsCounts: "panes that are merged lose their counts", "dataflow/aggregate/count";
        MapForgetsRetractions: "a projection hands retractions on as rows", "dataflow/map";
        FailingRowTakesItsBatch: "a row that fails takes its whole batch with it", "dataflow/map";
        UnionSkipsASide: "a union with both sides in one step takes the first", "dataflow/union";
        UnionForgetsWeights: "a union hands retractions on as rows", "dataflow/union";
        MaterializeAddsOnly: "a result that is held keeps what was taken back", "dataflow/materialize";
        NullKeyJoins: "NULL keys of a join are equal", "dataflow/join/side";
        PaddingKept: "the padding of an outer row stays when a match comes", "dataflow/join/side";
        JoinSkipsASide: "rows of the right side do not meet the left's", "dataflow/join";
        PairsAddedOnly: "a pair of which a row ceased is one more", "dataflow/join";
        CommonRowsOnce: "INTERSECT ALL gives each row once", "dataflow/set_operation";
        SurplusIgnoresRight: "EXCEPT ALL takes nothing off", "dataflow/set_operation";
        NullKeyIsAnother: "the group of NULL is that of another key", "dataflow/state/fixed_keys";
        BackfillForgotten: "a late stream does not begin with its input's content", "dataflow/graph";
        FrontierNotBackfilled: "a late stream takes late rows for punctual ones", "dataflow/graph";
        ReaderSkipped: "the second reader of a relation misses what the first gets", "dataflow/graph";
        WatermarkBeforeRows: "a watermark overtakes the rows before it", "dataflow/graph";
        HeldStreamSeesEarlierRows: "a stream sees rows that queued before it", "dataflow/graph";
        QueueReplayedBackwards: "what waited for the start runs from its end", "db/engine";
    }

    static SELECTED: AtomicUsize = AtomicUsize::new(usize::MAX);

    /// Turns one bug on, or all off, for the whole process.
    pub fn select(mutant: Option<Mutant>) {
        SELECTED.store(mutant.map_or(usize::MAX, |mutant| mutant as usize), Ordering::SeqCst);
    }

    /// Whether a bug is on.
    pub fn is_selected(mutant: Mutant) -> bool {
        SELECTED.load(Ordering::Relaxed) == mutant as usize
    }
}
