//! [`Map`]: a chain of filters and projections, fused into one pass. Stateless.

use arrow::array::{AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::compute::{concat_batches, filter, filter_record_batch};
use arrow::datatypes::{Int64Type, SchemaRef};
use datafusion::error::DataFusionError;
use laminar_types::{Delta, Error, Frontier, Result, RowBlock, Weights, mutant};

use super::row_program::RowProgram;
use super::time_map::{PassedTimes, TimeMap};
use crate::consolidate::consolidate;
use crate::epoch_time::EpochTime;
use crate::expr::{Expr, Selection, row_text};
use crate::operator::{Content, Context, Marks, Operator};
use crate::state::Parts;

/// One link of the chain.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// Keeps the rows for which the expression is true.
    Filter(Expr),
    /// Computes new columns.
    Project {
        /// One for each column of the schema.
        exprs: Vec<Expr>,
        /// The columns that come out.
        schema: SchemaRef,
    },
}

impl Stage {
    /// Its expressions.
    pub fn exprs(&self) -> &[Expr] {
        match self {
            Self::Filter(predicate) => std::slice::from_ref(predicate),
            Self::Project { exprs, .. } => exprs,
        }
    }
}

/// Filters and projects.
///
/// When an expression fails on a batch, the batch is evaluated row by row; a row on which it fails
/// is left out and noted as a dead letter. A retraction of the row fails alike, so the two cancel.
///
/// A block of rows is run row by row without Arrow arrays, where every expression of the chain has
/// such a form.
pub struct Map {
    stages: Vec<Stage>,
    schema: SchemaRef,
    times: PassedTimes,
    /// Whether different rows can become equal, so that a change of one may be no change.
    rows_may_cancel: bool,
    /// What is told the time of the epoch before the chain runs.
    clocks: Vec<EpochTime>,
    output: Option<Delta>,
    by_row: Option<ByRow>,
}

/// The chain over blocks, and what it made of the one of this step.
struct ByRow {
    program: RowProgram,
    output: RowBlock,
    is_output: bool,
}

impl Map {
    /// A chain over rows of `input_schema`; `times` has one entry for each event-time column of
    /// the output.
    pub fn new(input_schema: SchemaRef, stages: Vec<Stage>, times: Vec<TimeMap>) -> Self {
        let schema = stages
            .iter()
            .rev()
            .find_map(|stage| match stage {
                Stage::Project { schema, .. } => Some(schema.clone()),
                Stage::Filter(_) => None,
            })
            .unwrap_or_else(|| input_schema.clone());
        let rows_may_cancel = loses_columns(&stages, &input_schema);
        let by_row = RowProgram::compile(&input_schema, &stages).map(|program| ByRow {
            output: RowBlock::new(program.layout()),
            program,
            is_output: false,
        });
        let times = PassedTimes::new(times);
        let clocks = stages.iter().flat_map(Stage::exprs).filter_map(Expr::time).cloned().collect();
        Self { stages, schema, times, rows_may_cancel, clocks, output: None, by_row }
    }
}

impl Operator for Map {
    fn input(&mut self, _port: usize, delta: Delta, cx: &mut Context<'_>) -> Result<()> {
        self.clocks.iter().for_each(|clock| clock.set_ms(cx.now_ms));
        let mut output = match apply(&self.stages, &delta) {
            Ok(output) => output,
            Err(_) if mutant!(FailingRowTakesItsBatch) => return Ok(()),
            Err(_) => apply_by_row(&self.stages, &self.schema, &delta, Some(cx))?,
        };
        if mutant!(MapForgetsRetractions) {
            output.weights = output.weights.map(|weights| vec![1; weights.len()].into());
        }
        if self.rows_may_cancel && output.is_mixed() {
            let changes = [(output.batch, output.weights)];
            let net = consolidate(&self.schema, &changes)?;
            self.output = net.map(|(batch, weights)| Delta::weighted(batch, weights));
            return Ok(());
        }
        debug_assert!(self.output.is_none(), "an input delivers one delta in a step");
        self.output = Some(output).filter(|delta| !delta.is_empty());
        Ok(())
    }

    fn takes_rows(&self) -> bool {
        self.by_row.is_some()
    }

    fn input_rows(&mut self, port: usize, rows: &RowBlock, cx: &mut Context<'_>) -> Result<()> {
        if let Some(by_row) = &mut self.by_row
            && !mutant!(MapForgetsRetractions)
            && by_row.program.run(rows, &mut by_row.output).is_ok()
            && (!self.rows_may_cancel || by_row.output.is_net())
        {
            by_row.is_output = true;
            return Ok(());
        }
        self.input(port, rows.to_delta()?, cx)
    }

    fn finish_rows(&mut self, out: &mut RowBlock) -> Result<bool> {
        let Some(by_row) = self.by_row.as_mut().filter(|by_row| by_row.is_output) else {
            return Ok(false);
        };
        by_row.is_output = false;
        std::mem::swap(out, &mut by_row.output);
        Ok(true)
    }

    fn marks(&self) -> Marks {
        self.times.marks()
    }

    fn advance(&mut self, _: usize, frontiers: &[Frontier], _: &mut Context<'_>) -> Result<()> {
        self.times.advance(frontiers);
        Ok(())
    }

    fn finish(&mut self, _cx: &mut Context<'_>) -> Result<Option<Delta>> {
        Ok(self.output.take())
    }

    fn frontiers(&self, out: &mut Vec<Frontier>) {
        self.times.frontiers(out);
    }

    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        let Self {
            stages: _,
            schema: _,
            times,
            rows_may_cancel: _,
            clocks: _,
            output: _,
            by_row: _,
        } = self;
        times.parts(parts)
    }

    fn content(&mut self, input: Option<Box<dyn Content>>) -> Option<Box<dyn Content>> {
        let (stages, schema) = (self.stages.clone(), self.schema.clone());
        Some(Box::new(MappedContent { input: input?, stages, schema }))
    }

    fn derives_content(&self) -> bool {
        true
    }

    fn follows_content(&self) -> bool {
        self.clocks.is_empty()
    }

    fn reads_clock(&self) -> bool {
        !self.clocks.is_empty()
    }
}

struct MappedContent {
    input: Box<dyn Content>,
    stages: Vec<Stage>,
    schema: SchemaRef,
}

impl Content for MappedContent {
    fn batches(&self) -> Result<Vec<RecordBatch>> {
        let mut output = Vec::new();
        for batch in self.input.batches()? {
            let delta = Delta::insert(batch);
            let mapped = match apply(&self.stages, &delta) {
                Ok(mapped) => mapped,
                // The failing rows were noted when they came; here they are only left out.
                Err(_) => apply_by_row(&self.stages, &self.schema, &delta, None)?,
            };
            if !mapped.is_empty() {
                output.push(mapped.batch);
            }
        }
        Ok(output)
    }
}

/// Runs the chain. When no row is left it stops there: the columns are then those of that stage.
fn apply(stages: &[Stage], delta: &Delta) -> Result<Delta, DataFusionError> {
    // What the stages so far have made of the input; nothing yet means the input itself.
    let mut made: Option<RecordBatch> = None;
    let mut weights = delta.weights.clone();
    for stage in stages {
        let batch = made.as_ref().unwrap_or(&delta.batch);
        match stage {
            Stage::Filter(predicate) => match predicate.evaluate_predicate(batch)? {
                Selection::All => {}
                Selection::None => {
                    return Ok(Delta { batch: batch.slice(0, 0), weights: None });
                }
                Selection::Some(mask) => {
                    made = Some(filter_record_batch(batch, &mask)?);
                    weights = weights.map(|weights| filter_weights(weights, &mask)).transpose()?;
                }
            },
            Stage::Project { exprs, schema } => {
                let columns = exprs
                    .iter()
                    .map(|expr| expr.evaluate(batch))
                    .collect::<Result<Vec<_>, DataFusionError>>()?;
                let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
                made = Some(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?);
            }
        }
    }
    Ok(Delta { batch: made.unwrap_or_else(|| delta.batch.clone()), weights })
}

/// Whether a projection leaves a column out that is not there as it was.
fn loses_columns(stages: &[Stage], input_schema: &SchemaRef) -> bool {
    let mut columns = input_schema.fields().len();
    stages.iter().any(|stage| {
        let Stage::Project { exprs, schema } = stage else { return false };
        let is_kept = |column| exprs.iter().any(|expr| expr.as_column() == Some(column));
        let loses = !(0..columns).all(is_kept);
        columns = schema.fields().len();
        loses
    })
}

fn filter_weights(weights: Weights, mask: &BooleanArray) -> Result<Weights, DataFusionError> {
    let kept = filter(&Int64Array::new(weights, None), mask)?;
    Ok(kept.as_primitive::<Int64Type>().values().clone())
}

/// The same, one row at a time, leaving out the rows on which an expression fails.
fn apply_by_row(
    stages: &[Stage],
    schema: &SchemaRef,
    delta: &Delta,
    mut cx: Option<&mut Context<'_>>,
) -> Result<Delta> {
    let mut batches = Vec::new();
    let mut weights = Vec::new();
    for row in 0..delta.num_rows() {
        let one = delta.slice(row, 1);
        match apply(stages, &one) {
            Ok(output) if output.is_empty() => {}
            Ok(output) => {
                weights.extend((0..output.num_rows()).map(|_| delta.weight(row)));
                batches.push(output.batch);
            }
            Err(error) => {
                if let Some(cx) = cx.as_deref_mut() {
                    cx.dead_letter(row_text(&delta.batch, row), sentence(&error));
                }
            }
        }
    }
    let batch = concat_batches(schema, &batches)
        .map_err(|error| Error::internal(format!("rows of one projection differ: {error}")))?;
    let weights = delta.weights.is_some().then(|| Weights::from(weights));
    Ok(Delta { batch, weights })
}

/// The cause without DataFusion's and Arrow's wrapping words.
pub(super) fn sentence(error: &DataFusionError) -> String {
    match error {
        DataFusionError::ArrowError(error, _) => error.to_string(),
        DataFusionError::Execution(message) => message.clone(),
        error => error.strip_backtrace(),
    }
}
