//! [`RowProgram`]: the chain of a [`Map`](super::Map) as it runs over a handful of rows.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use laminar_types::{RowBlock, RowLayout};

use super::map::Stage;
use crate::row_expr::{RowExpr, Uncovered, Value};

/// A chain of filters and projections over blocks, row by row.
pub(super) struct RowProgram {
    stages: Vec<RowStage>,
    layout: Arc<RowLayout>,
    /// For each projection but the last, the row that it made.
    made: Vec<RowBlock>,
}

enum RowStage {
    Filter(RowExpr),
    Project { exprs: Vec<RowExpr>, layout: Arc<RowLayout> },
}

impl RowProgram {
    /// The program of a chain over rows of this schema, or `None` where a part of it needs Arrow
    /// arrays.
    pub(super) fn compile(input: &SchemaRef, stages: &[Stage]) -> Option<Self> {
        let mut layout = RowLayout::new(input)?;
        let mut made = Vec::new();
        let mut compiled = Vec::with_capacity(stages.len());
        for stage in stages {
            let input = Arc::clone(layout.schema());
            match stage {
                Stage::Filter(predicate) => {
                    let predicate = RowExpr::compile(predicate.physical(), &input)?;
                    compiled.push(RowStage::Filter(predicate));
                }
                Stage::Project { exprs, schema } => {
                    let typed = exprs.iter().zip(schema.fields());
                    let exprs = typed
                        .map(|(expr, field)| {
                            let data_type = expr.physical().data_type(&input).ok()?;
                            (&data_type == field.data_type())
                                .then(|| RowExpr::compile(expr.physical(), &input))?
                        })
                        .collect::<Option<Vec<_>>>()?;
                    layout = RowLayout::new(schema)?;
                    made.push(RowBlock::new(&layout));
                    compiled.push(RowStage::Project { exprs, layout: Arc::clone(&layout) });
                }
            }
        }
        Some(Self { stages: compiled, layout, made })
    }

    /// The columns that come out.
    pub(super) fn layout(&self) -> &Arc<RowLayout> {
        &self.layout
    }

    /// Appends to `out`, which is empty, what the chain makes of these rows.
    ///
    /// # Errors
    /// [`Uncovered`] when the rows must be run as a batch; `out` then holds nothing of use.
    pub(super) fn run(&mut self, rows: &RowBlock, out: &mut RowBlock) -> Result<(), Uncovered> {
        out.reset(&self.layout);
        for row in 0..rows.num_rows() {
            self.run_row(rows, row, out)?;
        }
        if rows.is_weighted() {
            out.set_weighted();
        }
        Ok(())
    }

    fn run_row(
        &mut self,
        rows: &RowBlock,
        row: usize,
        out: &mut RowBlock,
    ) -> Result<(), Uncovered> {
        let weight = rows.weight(row);
        let mut projections = 0;
        for (index, stage) in self.stages.iter().enumerate() {
            let (before, after) = self.made.split_at_mut(projections);
            let (rows, row) = match before.last() {
                None => (rows, row),
                Some(made) => (made, 0),
            };
            match stage {
                RowStage::Filter(predicate) => {
                    if !predicate.is_true(rows, row)? {
                        return Ok(());
                    }
                }
                RowStage::Project { exprs, .. } if index + 1 == self.stages.len() => {
                    return project(exprs, rows, row, weight, out);
                }
                RowStage::Project { exprs, layout } => {
                    after[0].reset(layout);
                    project(exprs, rows, row, weight, &mut after[0])?;
                    projections += 1;
                }
            }
        }
        match self.made[..projections].last() {
            None => out.append_row(rows, row, weight),
            Some(made) => out.append_row(made, 0, weight),
        }
        Ok(())
    }
}

/// Appends the row that the expressions make of another one.
fn project(
    exprs: &[RowExpr],
    rows: &RowBlock,
    row: usize,
    weight: i64,
    out: &mut RowBlock,
) -> Result<(), Uncovered> {
    out.begin_row(weight);
    for (column, expr) in exprs.iter().enumerate() {
        match expr.evaluate(rows, row)? {
            Value::Null => {}
            Value::Word(word) => out.set(column, word),
            Value::Bytes(bytes) if out.has_room(bytes.len()) => out.set_bytes(column, bytes),
            Value::Bytes(_) => return Err(Uncovered),
        }
    }
    Ok(())
}
