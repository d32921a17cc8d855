//! [`FailingRow`]: on which row, and in which column of a select list, a statement failed.
//!
//! A statement runs over batches, and its errors tell neither. So the last steps of one that failed
//! are run again, row by row: its select list or, if its rows cannot be had, its condition.

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::ast;
use std::sync::Arc;

use crate::adhoc::{Snapshot, run};
use crate::database::Shared;

/// A row on which an expression fails.
pub(crate) struct FailingRow {
    /// The column of the select list that fails; `None` for the condition.
    pub(crate) column: Option<usize>,
    /// The row's number among the rows of the query.
    pub(crate) number: usize,
    /// What the columns of the select list are for the row, or for the condition those that it
    /// reads, each with its name; `None` for those that fail.
    pub(crate) values: Vec<(String, Option<ScalarValue>)>,
}

impl FailingRow {
    /// Looks for the row on which a query over these relations fails. `None` where it is another
    /// part of the query that does, or nothing.
    pub(crate) fn find(shared: &Shared, query: &ast::Query, snapshot: &Snapshot) -> Option<Self> {
        let (context, plan) = snapshot.plan(&shared.planner, query).ok()?;
        let state = context.state();
        let options = Arc::clone(state.config_options());
        let analysed = state.analyzer().execute_and_check(plan, &options, |_, _| {}).ok()?;
        let mut plan = &analysed;
        loop {
            match plan {
                LogicalPlan::Sort(sort) => plan = &sort.input,
                LogicalPlan::Limit(limit) => plan = &limit.input,
                LogicalPlan::Values(values) => {
                    let nothing = RecordBatch::try_new_with_options(
                        Arc::new(Schema::empty()),
                        Vec::new(),
                        &RecordBatchOptions::new().with_row_count(Some(1)),
                    );
                    let (nothing, columns) = (nothing.ok()?, DFSchema::empty());
                    return values.values.iter().enumerate().find_map(|(number, exprs)| {
                        let found = Self::among(exprs, &columns, std::slice::from_ref(&nothing))?;
                        Some(Self { number, ..found })
                    });
                }
                LogicalPlan::Projection(list) => {
                    let columns = list.input.schema();
                    if let Ok(batches) = run_plan(shared, &context, &list.input) {
                        return Self::among(&list.expr, columns, &batches);
                    }
                    let LogicalPlan::Filter(filter) = list.input.as_ref() else { return None };
                    let batches = run_plan(shared, &context, &filter.input).ok()?;
                    return Self::in_condition(&filter.predicate, filter.input.schema(), &batches);
                }
                _ => return None,
            }
        }
    }

    /// The first row on which one of these expressions fails.
    fn among(exprs: &[Expr], columns: &DFSchema, batches: &[RecordBatch]) -> Option<Self> {
        let compiled: Vec<_> = exprs.iter().map(|expr| compile(expr, columns)).collect();
        let mut before = 0;
        for batch in batches {
            let fails = |expr: &Option<Arc<dyn PhysicalExpr>>, batch: &RecordBatch| {
                expr.as_ref().is_some_and(|expr| expr.evaluate(batch).is_err())
            };
            if compiled.iter().any(|expr| fails(expr, batch)) {
                for row in 0..batch.num_rows() {
                    let one = batch.slice(row, 1);
                    let Some(column) = compiled.iter().position(|expr| fails(expr, &one)) else {
                        continue;
                    };
                    let values = compiled.iter().zip(exprs).map(|(compiled, expr)| {
                        let value = compiled.as_ref().and_then(|expr| value(expr.as_ref(), &one));
                        (expr.schema_name().to_string(), value)
                    });
                    let (number, column) = (before + row, Some(column));
                    return Some(Self { column, number, values: values.collect() });
                }
            }
            before += batch.num_rows();
        }
        None
    }

    fn in_condition(condition: &Expr, columns: &DFSchema, batches: &[RecordBatch]) -> Option<Self> {
        let found = Self::among(std::slice::from_ref(condition), columns, batches)?;
        let mut number = found.number;
        let batch = batches.iter().find(|batch| {
            let is_in = number < batch.num_rows();
            number -= if is_in { 0 } else { batch.num_rows() };
            is_in
        })?;
        let schema: SchemaRef = batch.schema();
        let values = schema.fields().iter().zip(batch.columns()).map(|(field, column)| {
            (field.name().clone(), ScalarValue::try_from_array(column, number).ok())
        });
        Some(Self { column: None, number: found.number, values: values.collect() })
    }

    /// The value of a column of the row.
    pub(crate) fn value(&self, name: &str) -> Option<&ScalarValue> {
        self.values.iter().find(|(known, _)| known == name)?.1.as_ref()
    }
}

fn run_plan(
    shared: &Shared,
    context: &SessionContext,
    plan: &LogicalPlan,
) -> laminar_types::Result<Vec<RecordBatch>> {
    run(shared, context.clone(), plan.clone())
}

fn compile(expr: &Expr, columns: &DFSchema) -> Option<Arc<dyn PhysicalExpr>> {
    let context = PhysicalPlanningContext::default();
    // One with a subquery has no such form: it is then another column that is told, or none.
    create_physical_expr(expr, columns, &ExecutionProps::new(), &context).ok()
}

fn value(expr: &dyn PhysicalExpr, row: &RecordBatch) -> Option<ScalarValue> {
    let values = expr.evaluate(row).and_then(|values| values.into_array(1)).ok()?;
    ScalarValue::try_from_array(&values, 0).ok()
}
