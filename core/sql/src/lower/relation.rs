//! Scans and projections.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::{Column, DFSchema, DFSchemaRef};
use datafusion::logical_expr::{Expr, LogicalPlan};
use laminar_dataflow::expr::Expr as Compiled;
use laminar_dataflow::operators::{Stage, TimeMap};
use laminar_dataflow::{Changes, Traits};
use laminar_types::{Error, Result, code};

use super::Lowering;
use super::event_time::{identity, project_times};
use super::window::{WindowColumns, with_hidden};
use crate::plan::InputRef;
use crate::planner::sentence;

/// A relation on its way up: a node or relation with stages on top that are not yet an operator.
#[derive(Clone)]
pub(super) struct Lowered {
    pub(super) input: InputRef,
    /// The input's rows.
    pub(super) input_schema: SchemaRef,
    pub(super) stages: Vec<Stage>,
    pub(super) labels: Vec<String>,
    /// How the event times that are computed follow from others, for people.
    pub(super) time_labels: Vec<String>,
    /// The columns after the stages: those of the logical plan, then `window_end` if there is one.
    pub(super) columns: DFSchema,
    /// What the rows after the stages promise.
    pub(super) traits: Traits,
    /// Where each event-time column after the stages comes from among the input's.
    pub(super) times: Vec<TimeMap>,
    pub(super) window: Option<WindowColumns>,
    /// Whether the graph can tell the content of the input.
    pub(super) holds_content: bool,
}

impl Lowering<'_> {
    pub(super) fn scan(&mut self, name: &str, plan: &LogicalPlan) -> Result<Lowered> {
        let LogicalPlan::TableScan(scan) = plan else {
            return Err(Error::internal("a scan is lowered from a TableScan"));
        };
        let mut traits = self
            .catalog
            .relation(name)
            .ok_or_else(|| Error::new(code::NOT_FOUND, format!("`{name}` is gone")))?;
        if traits.changes != Changes::AppendOnly {
            // A replacement can change what is over, too.
            traits.times.iter_mut().for_each(|time| time.closed = false);
        }
        let columns = DFSchema::try_from_qualified_schema(scan.table_name.clone(), &traits.schema)
            .map_err(|error| Error::internal(sentence(&error)))?;
        let lowered = Lowered {
            input: InputRef::Relation(name.to_string()),
            input_schema: Arc::clone(&traits.schema),
            stages: Vec::new(),
            labels: Vec::new(),
            time_labels: Vec::new(),
            columns,
            times: identity(&traits),
            holds_content: traits.changes != Changes::AppendOnly,
            traits,
            window: None,
        };
        let width = lowered.input_schema.fields().len();
        match &scan.projection {
            None => Ok(lowered),
            Some(projection) if projection.iter().copied().eq(0..width) => Ok(lowered),
            Some(projection) => {
                let exprs: Vec<Expr> = projection
                    .iter()
                    .map(|index| {
                        Expr::Column(Column::from(lowered.columns.qualified_field(*index)))
                    })
                    .collect();
                let mut lowered = self.project(lowered, &exprs, &scan.projected_schema)?;
                lowered.labels.clear();
                Ok(lowered)
            }
        }
    }

    pub(super) fn project(
        &self,
        mut input: Lowered,
        exprs: &[Expr],
        schema: &DFSchemaRef,
    ) -> Result<Lowered> {
        let mut compiled = exprs
            .iter()
            .map(|expr| self.compile_selected(expr, &input))
            .collect::<Result<Vec<Compiled>>>()?;
        let shown: Vec<String> =
            exprs.iter().map(|expr| expr.human_display().to_string()).collect();
        let mut fields: Vec<_> = schema.as_arrow().fields().iter().cloned().collect();
        // A window's end travels with its start.
        let start = input.window.and_then(|window| position(&compiled, window.start));
        let window = input.window.zip(start).map(|(window, start)| {
            let field = Arc::clone(&input.columns.as_arrow().fields()[window.end]);
            compiled.push(Compiled::column(field.name(), window.end));
            fields.push(field);
            WindowColumns { start, end: compiled.len() - 1 }
        });
        let arrow_schema = Arc::new(Schema::new(fields));
        let times = project_times(exprs, &compiled, &input, &arrow_schema);
        input.traits.unique_key = input.traits.unique_key.and_then(|key| {
            key.iter().map(|column| position(&compiled, *column)).collect::<Option<Vec<usize>>>()
        });
        if input.traits.unique_key.is_none() && input.traits.changes == Changes::Upsert {
            input.traits.changes = Changes::Retract;
        }
        input.traits.times = times.times;
        input.times = times.maps;
        input.traits.schema = Arc::clone(&arrow_schema);
        input.window = window;
        input.stages.push(Stage::Project { exprs: compiled, schema: arrow_schema });
        input.labels.push(format!("project {}", shown.join(", ")));
        input.time_labels.extend(times.labels);
        input.columns = with_hidden(schema, &input)?;
        Ok(input)
    }
}

fn position(exprs: &[Compiled], column: usize) -> Option<usize> {
    exprs.iter().position(|expr| expr.as_column() == Some(column))
}
