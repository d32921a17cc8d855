//! [`Partition`]: one of the operators behind a partitioned one, and what it gave in a step.

use std::panic::{AssertUnwindSafe, catch_unwind};

use laminar_types::{Delta, Epoch, Error, Frontier, Result};

use super::exchange::Shared;
use super::merge::Given;
use crate::operator::{Context, DeadLetter, Operator};
use crate::work::Work;
use crate::workers::Workers;

/// What a step brought, for all partitions.
#[derive(Default)]
pub(super) struct Step {
    pub(super) epoch: Epoch,
    /// Its number in the graph.
    pub(super) number: u64,
    pub(super) now_ms: i64,
    pub(super) inputs: Vec<Shared>,
    /// Ports and their frontiers.
    pub(super) moved: Vec<(usize, Vec<Frontier>)>,
}

impl Step {
    /// How many rows a partition has.
    pub(super) fn rows_of(&self, partition: usize) -> usize {
        self.inputs.iter().map(|input| input.rows_of(partition)).sum()
    }
}

/// What of a step is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Rows are taken in, and frontiers.
    Inputs,
    /// The net change is given.
    Finish,
    /// Both.
    All,
}

pub(super) struct Partition {
    pub(super) operator: Box<dyn Operator>,
    /// Rows, visits, and processor time.
    pub(super) work: Work,
    /// For how many visits the time of this one stands, if it is measured.
    pub(super) stands_for: Option<u64>,
    pub(super) given: Given,
    pub(super) dead_letters: Vec<DeadLetter>,
    /// Rows that came too late, with their ordinals.
    pub(super) late: Vec<Delta>,
    pub(super) failure: Option<Error>,
}

impl Partition {
    pub(super) fn new(operator: Box<dyn Operator>) -> Self {
        Self {
            operator,
            work: Work::default(),
            stands_for: None,
            given: Given::default(),
            dead_letters: Vec::new(),
            late: Vec::new(),
            failure: None,
        }
    }

    /// Does a part of a step as the partition of a number; a panic is a failure like any other.
    pub(super) fn run(&mut self, number: usize, step: &Step, part: Part, workers: &dyn Workers) {
        if part != Part::Finish {
            self.stands_for = self.work.turn(step.rows_of(number));
        }
        self.timed(workers, |partition| {
            let run = AssertUnwindSafe(|| partition.try_run(number, step, part));
            let ran = catch_unwind(run);
            let ran = ran.unwrap_or_else(|panic| Err(Error::from_panic("an operator", &*panic)));
            partition.failure = ran.err();
        });
    }

    /// Does something whose processor time counts, if it is this visit's turn to be measured.
    pub(super) fn timed<R>(
        &mut self,
        workers: &dyn Workers,
        act: impl FnOnce(&mut Self) -> R,
    ) -> R {
        let Some(stands_for) = self.stands_for else { return act(self) };
        let begun_ns = workers.thread_time_ns();
        let result = act(self);
        let took_ns = workers.thread_time_ns().saturating_sub(begun_ns);
        self.work.took(took_ns, stands_for);
        result
    }

    fn try_run(&mut self, number: usize, step: &Step, part: Part) -> Result<()> {
        let Self { operator, given, dead_letters, late, work, .. } = self;
        let (epoch, now_ms) = (step.epoch, step.now_ms);
        let mut cx = Context { epoch, step: step.number, now_ms, dead_letters, late };
        if part != Part::Finish {
            for input in step.inputs.iter().filter(|input| input.rows_of(number) > 0) {
                operator.input(input.port, input.take(number)?, &mut cx)?;
            }
            for (port, frontiers) in &step.moved {
                operator.advance(*port, frontiers, &mut cx)?;
            }
        }
        if part != Part::Inputs {
            given.clear();
            given.delta = operator.finish_placed(&mut cx, &mut given.places)?;
            work.rows_out += given.delta.as_ref().map_or(0, |delta| delta.num_rows() as u64);
        }
        Ok(())
    }
}
