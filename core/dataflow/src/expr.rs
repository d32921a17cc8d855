//! Expressions over batches: built once by the planner, evaluated for every batch.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, Schema};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::DataFusionError;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr_common::physical_expr::is_volatile;
use laminar_types::Error;

use crate::epoch_time::EpochTime;

/// An expression that is ready to run.
#[derive(Debug, Clone)]
pub struct Expr {
    physical: Arc<dyn PhysicalExpr>,
    /// The index when the expression is nothing but a column.
    column: Option<usize>,
    /// The time that it reads.
    time: Option<EpochTime>,
}

impl Expr {
    /// Wraps a physical expression of DataFusion.
    pub fn new(physical: Arc<dyn PhysicalExpr>) -> Self {
        let column = physical.downcast_ref::<Column>().map(Column::index);
        Self { physical, column, time: None }
    }

    /// The expression that is a column of its input.
    pub fn column(name: &str, index: usize) -> Self {
        Self::new(Arc::new(Column::new(name, index)))
    }

    /// The same expression, which reads this time: whoever evaluates it sets that before.
    pub fn with_time(self, time: Option<EpochTime>) -> Self {
        Self { time, ..self }
    }

    /// The time that is to be set before it is evaluated.
    pub fn time(&self) -> Option<&EpochTime> {
        self.time.as_ref()
    }

    /// Whether equal rows can give different values.
    pub fn is_volatile(&self) -> bool {
        is_volatile(&self.physical)
    }

    /// The expression as DataFusion has it.
    pub fn physical(&self) -> &Arc<dyn PhysicalExpr> {
        &self.physical
    }

    /// The index when the expression is nothing but a column.
    pub fn as_column(&self) -> Option<usize> {
        self.column
    }

    /// The same expression over rows of another schema, in which its columns are those of these numbers.
    ///
    /// # Errors
    /// `INTERNAL` when a column is not among them.
    pub fn over(&self, schema: &Schema, columns: &[usize]) -> Result<Self, Error> {
        let physical = Arc::clone(&self.physical).transform(|part| {
            let Some(column) = part.downcast_ref::<Column>() else {
                return Ok(Transformed::no(part));
            };
            let index = columns.get(column.index()).copied().filter(|i| *i < schema.fields().len());
            let index = index.ok_or_else(|| {
                DataFusionError::Internal(format!("column {} is not there", column.name()))
            })?;
            let column = Column::new(schema.field(index).name(), index);
            Ok(Transformed::yes(Arc::new(column) as Arc<dyn PhysicalExpr>))
        });
        let physical = physical.map_err(|error| Error::internal(error.strip_backtrace()))?;
        Ok(Self::new(physical.data).with_time(self.time.clone()))
    }

    /// The type of its values over rows of a schema.
    pub fn data_type(&self, schema: &Schema) -> Result<DataType, Error> {
        self.physical.data_type(schema).map_err(|error| Error::internal(error.strip_backtrace()))
    }

    /// The value of every row.
    pub fn evaluate(&self, batch: &RecordBatch) -> Result<ArrayRef, DataFusionError> {
        match self.column {
            Some(index) => Ok(Arc::clone(batch.column(index))),
            None => self.physical.evaluate(batch)?.into_array(batch.num_rows()),
        }
    }

    /// Which rows the expression is true for; null counts as false.
    pub fn evaluate_predicate(&self, batch: &RecordBatch) -> Result<Selection, DataFusionError> {
        let values = self.evaluate(batch)?;
        if values.data_type() == &DataType::Null {
            return Ok(Selection::None);
        }
        Ok(Selection::of(values.as_boolean()))
    }
}

/// Equal where they give equal values for every row.
impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.time == other.time && *self.physical == *other.physical
    }
}

impl std::fmt::Display for Expr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.physical.fmt(f)
    }
}

/// Which rows of a batch a predicate chose.
#[derive(Debug)]
pub enum Selection {
    /// Every row.
    All,
    /// No row.
    None,
    /// The rows that are true; no nulls.
    Some(BooleanArray),
}

impl Selection {
    fn of(values: &BooleanArray) -> Self {
        let chosen = match values.nulls() {
            None => values.values().clone(),
            Some(nulls) => values.values() & nulls.inner(),
        };
        match chosen.count_set_bits() {
            0 => Self::None,
            count if count == chosen.len() => Self::All,
            _ => Self::Some(BooleanArray::new(chosen, None)),
        }
    }
}

/// A row as text for people: `name: value, ...`.
pub fn row_text(batch: &RecordBatch, row: usize) -> String {
    let options = FormatOptions::default().with_null("NULL");
    let mut text = String::new();
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(field.name());
        text.push_str(": ");
        match ArrayFormatter::try_new(column, &options) {
            Ok(formatter) => text.push_str(&formatter.value(row).to_string()),
            Err(_) => text.push('?'),
        }
    }
    text
}
