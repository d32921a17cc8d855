//! [`Partitioned`]: an operator by keys as several, each with the keys of its own.
//!
//! In a step the rows of each input are shared out by a hash of their keys, the partitions run, at
//! once where the step has rows enough for that, and what they give is put into the order in which
//! one operator would give it. That order follows from the rows alone: every partition tells the
//! [`Place`] of each row that it gives, which goes by the [ordinals](ordinals) of the rows it got. So
//! neither content nor order depends on how many partitions there are, nor on which thread is first.
//!
//! Invariants:
//! - The partition of a key is always the same: it goes by a hash without a seed.
//! - What a step brought is held by the thread that runs the step until all partitions have ended, so
//!   that the memory of others is given back there.
//!
//! | module | what it holds |
//! |---|---|
//! | `exchange` | which partition a row belongs to |
//! | `partition` | one partition, and what it does in a step |
//! | `place`, `merge` | the order of what partitions give |
//! | `ordinals` | the numbers of rows |

mod exchange;
mod merge;
pub(crate) mod ordinals;
mod partition;
mod place;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use laminar_types::{Delta, Error, Frontier, Result, RowBlock, mutant, mutants};

use crate::expr::Expr;
use crate::operator::{Content, Context, Marks, Metrics, Noticed, Operator, PartitionMetrics};
use crate::operators::timed_rows::select;
use crate::state::{Parts, arrow_error};
use crate::workers::{Inline, Job, Workers};
use exchange::Exchange;
use merge::{Given, merge};
use partition::{Part, Partition, Step};
pub(in crate::operators) use place::Origin;
pub use place::Place;

/// An operator as several ones of its kind, between which the keys are shared out.
pub struct Partitioned {
    /// By port.
    exchanges: Vec<Exchange>,
    partitions: Vec<Arc<Mutex<Partition>>>,
    workers: Arc<dyn Workers>,
    /// How many rows came before this step.
    arrived: u64,
    step: Step,
    /// Whether every partition has been visited.
    begun: bool,
    /// Whether a partition may have something to do in a step that brings it no rows.
    acts_without_rows: bool,
    takes_rows: bool,
    /// The partition that has taken the rows of this step as a block.
    block_of: Option<usize>,
}

impl Partitioned {
    /// Operators made alike, at least one, of which each will get the rows of its own keys. `inputs`
    /// are, by port, the columns that come and what of them is the key: the keys of all ports have
    /// the same types.
    ///
    /// # Errors
    /// `UNSUPPORTED` when a column has a type that cannot be a key.
    pub fn new(
        operators: Vec<Box<dyn Operator>>,
        inputs: Vec<(SchemaRef, Vec<Expr>)>,
    ) -> Result<Self> {
        let count = operators.len();
        let exchanges = inputs.into_iter().map(|(schema, key)| Exchange::new(&schema, key, count));
        let exchanges = exchanges.collect::<Result<Vec<_>>>()?;
        let acts_without_rows = operators.iter().any(|operator| operator.acts_without_rows());
        let takes_rows = !acts_without_rows
            && operators.iter().all(|operator| operator.takes_rows())
            && exchanges.iter().all(Exchange::takes_rows);
        let partition = |operator| Arc::new(Mutex::new(Partition::new(operator)));
        Ok(Self {
            exchanges,
            partitions: operators.into_iter().map(partition).collect(),
            workers: Arc::new(Inline),
            arrived: 0,
            step: Step::default(),
            begun: false,
            acts_without_rows,
            takes_rows,
            block_of: None,
        })
    }

    fn partition(&self, number: usize) -> MutexGuard<'_, Partition> {
        lock(&self.partitions[number])
    }

    fn all(&self) -> impl Iterator<Item = MutexGuard<'_, Partition>> {
        self.partitions.iter().map(|partition| lock(partition))
    }

    /// The partitions that have something to do in a step.
    fn visited(&mut self, step: &Step) -> Vec<usize> {
        let is_first = !std::mem::replace(&mut self.begun, true);
        let all = is_first || self.acts_without_rows || !step.moved.is_empty();
        let block_of = self.block_of.take();
        let numbers = 0..self.partitions.len();
        numbers.filter(|n| all || Some(*n) == block_of || step.rows_of(*n) > 0).collect()
    }

    /// Runs partitions, at once if it pays.
    fn run(&self, step: &Arc<Step>, visited: &[usize]) {
        let pays = |rows: usize| visited.len() > 1 && rows >= self.workers.least_rows();
        if pays(step.inputs.iter().map(exchange::Shared::num_rows).sum()) {
            return self.hand_over(step, visited, Part::All);
        }
        let mut due_rows = 0;
        for &number in visited {
            let mut partition = self.partition(number);
            partition.run(number, step, Part::Inputs, &*self.workers);
            due_rows += partition.operator.due_rows();
        }
        if visited.iter().any(|number| self.partition(*number).failure.is_some()) {
            return;
        }
        if pays(due_rows) {
            return self.hand_over(step, visited, Part::Finish);
        }
        for &number in visited {
            self.partition(number).run(number, step, Part::Finish, &*self.workers);
        }
    }

    /// Has workers run partitions, and waits for all.
    fn hand_over(&self, step: &Arc<Step>, visited: &[usize], part: Part) {
        let job = |&number: &usize| -> Job {
            let partition = Arc::clone(&self.partitions[number]);
            let (step, workers) = (Arc::clone(step), Arc::clone(&self.workers));
            let bugs = mutants::selected();
            Box::new(move || {
                let _bugs = mutants::also_here(bugs);
                lock(&partition).run(number, &step, part, &*workers);
            })
        };
        self.workers.run(visited.iter().map(job).collect());
    }

    /// What the partitions gave, as one.
    fn collect(
        &self,
        step: &Step,
        visited: &[usize],
        cx: &mut Context<'_>,
    ) -> Result<Option<Delta>> {
        let mut partitions: Vec<_> = visited.iter().map(|n| self.partition(*n)).collect();
        let failure = partitions.iter_mut().find_map(|partition| partition.failure.take());
        let first_letter = cx.dead_letters.len();
        for partition in &mut partitions {
            cx.dead_letters.append(&mut partition.dead_letters);
        }
        // In the order of one operator: input by input, and then what is given.
        cx.dead_letters[first_letter..].sort_by_key(|letter| {
            let input = step.inputs.partition_point(|input| input.first <= letter.ordinal);
            let is_given = letter.noticed == Noticed::Given;
            (is_given, input, letter.noticed, letter.place, letter.ordinal)
        });
        if let Some(failure) = failure {
            return Err(failure);
        }
        let late = partitions.iter_mut().flat_map(|partition| partition.late.drain(..));
        cx.late.extend(late_in_order(late.collect())?);
        let mut given: Vec<&Given> = partitions.iter().map(|partition| &partition.given).collect();
        if mutant!(PartitionLost) && given.len() > 1 {
            given.pop();
        }
        let merged = merge(&given);
        partitions.iter_mut().for_each(|partition| partition.given.clear());
        merged
    }
}

impl Operator for Partitioned {
    fn input(&mut self, port: usize, delta: Delta, _cx: &mut Context<'_>) -> Result<()> {
        if self.block_of.is_some() {
            return Err(Error::internal("rows came as a block and as a batch in one step"));
        }
        let rows = delta.num_rows() as u64;
        self.step.inputs.push(self.exchanges[port].share(port, delta, self.arrived)?);
        self.arrived += rows;
        Ok(())
    }

    fn takes_rows(&self) -> bool {
        self.takes_rows
    }

    fn input_rows(&mut self, port: usize, rows: &RowBlock, cx: &mut Context<'_>) -> Result<()> {
        let is_alone = self.begun && self.block_of.is_none() && self.step.inputs.is_empty();
        let owner = match self.takes_rows && is_alone {
            true => self.exchanges[port].partition_of(rows),
            false => None,
        };
        let Some(owner) = owner else { return self.input(port, rows.to_delta()?, cx) };
        self.block_of = Some(owner);
        self.arrived += rows.num_rows() as u64;
        let mut partition = self.partition(owner);
        partition.stands_for = partition.work.turn(rows.num_rows());
        partition.timed(&*self.workers, |partition| partition.operator.input_rows(port, rows, cx))
    }

    fn advance(&mut self, port: usize, frontiers: &[Frontier], cx: &mut Context<'_>) -> Result<()> {
        if self.block_of.is_some() {
            return self.all().try_for_each(|mut of| of.operator.advance(port, frontiers, cx));
        }
        self.step.moved.push((port, frontiers.to_vec()));
        Ok(())
    }

    fn marks(&self) -> Marks {
        self.partition(0).operator.marks()
    }

    fn finish_rows(&mut self, out: &mut RowBlock) -> Result<bool> {
        let Some(owner) = self.block_of else { return Ok(false) };
        let mut partition = self.partition(owner);
        let is_given =
            partition.timed(&*self.workers, |partition| partition.operator.finish_rows(out))?;
        if is_given {
            partition.work.rows_out += out.num_rows() as u64;
            drop(partition);
            self.block_of = None;
        }
        Ok(is_given)
    }

    fn finish(&mut self, cx: &mut Context<'_>) -> Result<Option<Delta>> {
        let mut step = std::mem::take(&mut self.step);
        (step.epoch, step.number, step.now_ms) = (cx.epoch, cx.step, cx.now_ms);
        let visited = self.visited(&step);
        let step = Arc::new(step);
        self.run(&step, &visited);
        self.collect(&step, &visited, cx)
    }

    fn frontiers(&self, out: &mut Vec<Frontier>) {
        let mut partitions = self.all();
        if let Some(first) = partitions.next() {
            first.operator.frontiers(out);
        }
        let mut others = Vec::new();
        for partition in partitions {
            partition.operator.frontiers(&mut others);
            for (least, other) in out.iter_mut().zip(&others) {
                *least = (*least).min(*other);
            }
        }
    }

    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        let Self {
            exchanges: _,
            partitions,
            workers: _,
            arrived,
            step: _,
            begun,
            acts_without_rows: _,
            takes_rows: _,
            block_of: _,
        } = self;
        for partition in partitions {
            lock(partition).operator.parts(parts)?;
        }
        parts.number(arrived)?;
        parts.number(begun)
    }

    fn content(&mut self, _input: Option<Box<dyn Content>>) -> Option<Box<dyn Content>> {
        let contents = self.all().map(|mut partition| partition.operator.content(None));
        Some(Box::new(Together(contents.collect::<Option<_>>()?)))
    }

    fn follows_content(&self) -> bool {
        self.partition(0).operator.follows_content()
    }

    fn reads_clock(&self) -> bool {
        self.partition(0).operator.reads_clock()
    }

    fn acts_without_rows(&self) -> bool {
        self.acts_without_rows
    }

    fn employ(&mut self, workers: &Arc<dyn Workers>) {
        self.workers = Arc::clone(workers);
    }

    fn metrics(&self) -> Metrics {
        self.all().map(|partition| partition.operator.metrics()).fold(
            Metrics::default(),
            |sum, of| Metrics {
                late_rows: sum.late_rows + of.late_rows,
                state_bytes: sum.state_bytes + of.state_bytes,
            },
        )
    }

    fn partitions(&self) -> Vec<PartitionMetrics> {
        let of = |partition: MutexGuard<'_, Partition>| PartitionMetrics {
            work: partition.work,
            metrics: partition.operator.metrics(),
        };
        self.all().map(of).collect()
    }
}

/// The late rows of all partitions as they came.
fn late_in_order(pieces: Vec<Delta>) -> Result<Option<Delta>> {
    let Some(first) = pieces.first() else { return Ok(None) };
    let batches = pieces.iter().map(|piece| &piece.batch);
    let all = concat_batches(first.batch.schema_ref(), batches).map_err(arrow_error)?;
    let Some(numbers) = ordinals::of(&all) else {
        return Err(Error::internal("late rows of a partition have no ordinals"));
    };
    let mut order: Vec<u32> = (0..all.num_rows() as u32).collect();
    order.sort_by_key(|row| numbers[*row as usize]);
    let late = select(&Delta::insert(ordinals::without(&all).into_owned()), &order)?;
    Ok(Some(late))
}

/// The rows of all partitions, one partition after the other.
struct Together(Vec<Box<dyn Content>>);

impl Content for Together {
    fn batches(&self) -> Result<Vec<RecordBatch>> {
        let mut all = Vec::new();
        for content in &self.0 {
            all.extend(content.batches()?);
        }
        Ok(all)
    }
}

/// A partition left half done by a panic has failed, and its operator never runs again.
fn lock(partition: &Mutex<Partition>) -> MutexGuard<'_, Partition> {
    partition.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
