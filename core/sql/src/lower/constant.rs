//! `VALUES`, and the one row of a query without `FROM`: rows that are all there from the beginning,
//! so that their timestamps are event times whose frontier is at the end of time.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::concat;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::{DFSchema, DFSchemaRef};
use datafusion::logical_expr::{EmptyRelation, Expr, LogicalPlan, Projection, Values};
use laminar_dataflow::operators::Constant;
use laminar_dataflow::{Changes, EventTime, Traits};
use laminar_types::{Error, Result, TimeUnit, code};

use super::{Lowered, Lowering};
use crate::compile::Compiler;
use crate::plan::InputRef;
use crate::planner::sentence;

impl Lowering<'_> {
    /// `VALUES`. What is computed in it is computed now: an expression that fails is refused.
    pub(super) fn values(&mut self, values: &Values) -> Result<Lowered> {
        let schema: SchemaRef = Arc::new(values.schema.as_arrow().clone());
        let nothing = one_empty_row()?;
        let no_columns = DFSchema::empty();
        let compiler = Compiler { columns: &no_columns, changes: Changes::AppendOnly };
        let cell = |expr: &Expr| -> Result<ArrayRef> {
            let value = compiler.compile(expr)?.evaluate(&nothing);
            value.map_err(|error| Error::new(code::PLAN, sentence(&error)))
        };
        let columns = (0..schema.fields().len()).map(|column| {
            let cells = values.values.iter().map(|row| cell(&row[column]));
            let cells = cells.collect::<Result<Vec<ArrayRef>>>()?;
            let cells: Vec<_> = cells.iter().map(AsRef::as_ref).collect();
            concat(&cells).map_err(|error| Error::new(code::PLAN, error.to_string()))
        });
        let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
        let rows = RecordBatch::try_new(schema, columns)
            .map_err(|error| Error::internal(format!("VALUES do not line up: {error}")))?;
        let label = format!("Constant: {} rows", rows.num_rows());
        Ok(self.constant(rows, &values.schema, label))
    }

    /// The row of a `SELECT` of literals without `FROM`, which is a `VALUES` of one row.
    pub(super) fn literals(&mut self, projection: &Projection) -> Result<Option<Lowered>> {
        let LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: true, .. }) =
            projection.input.as_ref()
        else {
            return Ok(None);
        };
        let exprs = projection.expr.iter().map(|expr| expr.clone().unalias_nested().data);
        let row: Vec<Expr> = exprs.collect();
        if !row.iter().all(|expr| matches!(expr, Expr::Literal(..))) {
            return Ok(None);
        }
        let values = Values { schema: Arc::clone(&projection.schema), values: vec![row] };
        self.values(&values).map(Some)
    }

    /// The one row without columns that a query without `FROM` reads, or no row.
    pub(super) fn empty_relation(&mut self, empty: &EmptyRelation) -> Result<Lowered> {
        let (rows, label) = match empty.produce_one_row {
            true => (one_empty_row()?, "Constant: one row"),
            false => {
                let schema = Arc::new(empty.schema.as_arrow().clone());
                (RecordBatch::new_empty(schema), "Constant: no row")
            }
        };
        Ok(self.constant(rows, &empty.schema, label.to_string()))
    }

    fn constant(&mut self, rows: RecordBatch, schema: &DFSchemaRef, label: String) -> Lowered {
        let fields = rows.schema().fields().iter().cloned().enumerate().collect::<Vec<_>>();
        let times = fields.iter().filter_map(|(column, field)| {
            // Whole numbers may be no times.
            let is_timestamp = matches!(field.data_type(), DataType::Timestamp(..));
            let unit = TimeUnit::of(field.data_type()).filter(|_| is_timestamp)?;
            Some(EventTime { column: *column, unit, settled: true, closed: true })
        });
        let traits = Traits {
            times: times.collect(),
            declared_watermark: true,
            ..Traits::append_only(rows.schema())
        };
        let operator = Constant::new(rows, traits.times.len());
        let node = self.add(Box::new(operator), traits, Vec::new(), label);
        self.lowered(node, schema.as_ref().clone(), None, true)
    }

    /// Whether rows come from constants alone: they are all there from the beginning.
    pub(super) fn is_constant(&self, input: &InputRef) -> bool {
        match input {
            InputRef::Relation(_) => false,
            InputRef::Node(node) => {
                self.nodes[*node].inputs.iter().all(|input| self.is_constant(input))
            }
        }
    }
}

/// A row without columns.
fn one_empty_row() -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)
        .map_err(|error| Error::internal(format!("a row without columns: {error}")))
}
