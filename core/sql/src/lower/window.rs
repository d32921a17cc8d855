//! Aggregates by window, and the hidden column that carries a window's end.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DFSchemaRef};
use datafusion::logical_expr::utils::grouping_set_to_exprlist;
use datafusion::logical_expr::{Aggregate as LogicalAggregate, Expr, LogicalPlan};
use laminar_dataflow::operators::{
    AggregateCall, WindowAggregate, WindowColumns as WindowSlots, WindowEmit, WindowOptions,
};
use laminar_dataflow::window::WindowSpec;
use laminar_dataflow::{Changes, EventTime, Traits};
use laminar_types::{Error, Result, TimeUnit, code};

use super::{Lowered, Lowering};
use crate::catalog::Catalog;
use crate::functions::{length_ns, window_call};
use crate::parser::windows::{WINDOW_END, WindowKind};
use crate::plan::InputRef;
use crate::planner::sentence;

/// The name of the column that holds a window's end between its operator and the projection above.
const WINDOW_END_COLUMN: &str = WINDOW_END;

/// Which windows a plan has.
pub(super) struct Windows {
    pub(super) any: bool,
    /// Whether every time-bearing relation that the plan reads declares a watermark.
    pub(super) declared: bool,
}

impl Windows {
    pub(super) fn of(plan: &LogicalPlan, catalog: &dyn Catalog) -> Self {
        let mut windows = Self { any: false, declared: true };
        plan.apply_with_subqueries(|node| {
            match node {
                LogicalPlan::Aggregate(aggregate) => {
                    let keys = grouping_set_to_exprlist(&aggregate.group_expr);
                    let mut keys = keys.iter().flatten();
                    windows.any |= keys.any(|key| window_call(key).is_some());
                }
                LogicalPlan::TableScan(scan) => {
                    if let Some(traits) = catalog.relation(scan.table_name.table()) {
                        windows.declared &= traits.times.is_empty() || traits.declared_watermark;
                    }
                }
                _ => {}
            }
            Ok(TreeNodeRecursion::Continue)
        })
        .expect("the closure does not fail");
        windows
    }
}

/// The bounds of the window that rows were grouped by.
#[derive(Debug, Clone, Copy)]
pub(super) struct WindowColumns {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Lowering<'_> {
    #[allow(clippy::too_many_arguments)]
    pub(super) fn window_aggregate(
        &mut self,
        aggregate: &LogicalAggregate,
        input: InputRef,
        input_traits: &Traits,
        keys: Vec<usize>,
        calls: Vec<AggregateCall>,
        (index, kind, args, ts_column): (usize, WindowKind, &[Expr], usize),
        labels: &[String],
    ) -> Result<Lowered> {
        let field = input_traits.schema.field(ts_column);
        let unit = TimeUnit::of(field.data_type()).ok_or_else(|| {
            Error::new(
                code::PLAN,
                format!(
                    "{}(...) needs a TIMESTAMP or BIGINT as event time, and {} is a {}",
                    kind.name(),
                    args[0],
                    field.data_type()
                ),
            )
        })?;
        let frontier = input_traits.time_of(ts_column).ok_or_else(|| {
            Error::new(
                code::PLAN,
                format!(
                    "no watermark reaches {}, so its windows could never close: use an event-time \
                     column of the source, unchanged or moved by an INTERVAL",
                    args[0]
                ),
            )
        })?;
        let spec = window_spec(kind, args, unit)?;
        let mut fields: Vec<_> = aggregate.schema.as_arrow().fields().iter().cloned().collect();
        let end = fields.len();
        let end_field = fields[index].as_ref().clone().with_name(WINDOW_END_COLUMN);
        fields.push(Arc::new(end_field));
        let output: SchemaRef = Arc::new(Schema::new(fields));
        let append_only = input_traits.changes == Changes::AppendOnly;
        let changes = match (self.final_windows, append_only) {
            (true, _) => Changes::AppendOnly,
            (false, true) => Changes::Upsert,
            (false, false) => Changes::Retract,
        };
        let traits = Traits {
            schema: Arc::clone(&output),
            changes,
            unique_key: Some(
                (0..aggregate.schema.fields().len() - aggregate.aggr_expr.len()).collect(),
            ),
            times: if self.final_windows {
                vec![EventTime { column: index, unit }, EventTime { column: end, unit }]
            } else {
                Vec::new()
            },
            declared_watermark: input_traits.declared_watermark,
        };
        let emit = if self.final_windows { WindowEmit::Final } else { WindowEmit::Updates };
        let operator = WindowAggregate::new(
            &input_traits.schema,
            spec,
            WindowSlots { time: ts_column, frontier, keys, start: index },
            calls,
            output,
            WindowOptions { emit, append_only, lateness_ns: 0, late_columns: None },
        )?;
        let keys_label: Vec<String> =
            aggregate.group_expr.iter().map(|expr| expr.human_display().to_string()).collect();
        let label = format!(
            "Window aggregate by ({}), {}: {}",
            keys_label.join(", "),
            match (emit, spec.is_tumbling()) {
                (WindowEmit::Final, true) => "one table per window, dropped at its close",
                (WindowEmit::Final, false) => "one table per pane, merged at a window's close",
                (WindowEmit::Updates, _) => "one table per window, dropped at its close",
            },
            labels.join(", ")
        );
        let node = self.add(Box::new(operator), traits, vec![input], label);
        let columns = aggregate.schema.as_ref().clone();
        let window = WindowColumns { start: index, end };
        let mut lowered = self.lowered(node, columns, Some(window), false);
        lowered.columns = with_hidden(&aggregate.schema, &lowered)?;
        Ok(lowered)
    }
}

fn window_spec(kind: WindowKind, args: &[Expr], unit: TimeUnit) -> Result<WindowSpec> {
    let lengths = args[1..]
        .iter()
        .map(|arg| match arg {
            Expr::Literal(value, _) => {
                length_ns(value).map_err(|error| Error::new(code::PLAN, sentence(&error)))
            }
            other => Err(Error::new(
                code::PLAN,
                format!("the lengths of {}(...) must be constants, not {other}", kind.name()),
            )),
        })
        .collect::<Result<Vec<i64>>>()?;
    match (kind, lengths.as_slice()) {
        (WindowKind::Tumble, [size]) => WindowSpec::new(unit, *size, *size, 0),
        (WindowKind::Tumble, [size, offset]) => WindowSpec::new(unit, *size, *size, *offset),
        (WindowKind::Hop, [a, b]) => WindowSpec::new(unit, *a.max(b), *a.min(b), 0),
        (WindowKind::Hop, [a, b, offset]) => WindowSpec::new(unit, *a.max(b), *a.min(b), *offset),
        (WindowKind::Cumulate, [step, size]) => WindowSpec::cumulating(unit, *step, *size, 0),
        (WindowKind::Cumulate, [step, size, offset]) => {
            WindowSpec::cumulating(unit, *step, *size, *offset)
        }
        _ => Err(Error::unsupported(format!(
            "{}(...) windows are not built yet: use tumble(...) or hop(...)",
            kind.name()
        ))),
    }
}

/// The logical columns followed by the hidden end of the window, if the rows carry one.
pub(super) fn with_hidden(schema: &DFSchemaRef, lowered: &Lowered) -> Result<DFSchema> {
    let Some(window) = lowered.window else { return Ok(schema.as_ref().clone()) };
    let mut fields: Vec<_> = schema
        .iter()
        .take(schema.fields().len().min(window.end))
        .map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field)))
        .collect();
    fields.push((None, Arc::clone(&lowered.traits.schema.fields()[window.end])));
    DFSchema::new_with_metadata(fields, Default::default())
        .map_err(|error| Error::internal(sentence(&error)))
}

/// Replaces `__window_end(start)` by the column that the window operator gives.
pub(super) fn resolve_window_end(expr: &Expr, input: &Lowered) -> Result<Expr> {
    let replaced = expr.clone().transform_up(|expr| {
        let Expr::ScalarFunction(call) = &expr else { return Ok(Transformed::no(expr)) };
        if call.func.name() != WINDOW_END {
            return Ok(Transformed::no(expr));
        }
        let start = match call.args.as_slice() {
            [Expr::Column(column), ..] => input.columns.maybe_index_of_column(column),
            _ => None,
        };
        match (input.window, start) {
            (Some(window), Some(start)) if window.start == start => {
                let column = Column::from(input.columns.qualified_field(window.end));
                Ok(Transformed::yes(Expr::Column(column)))
            }
            _ if call.args.len() == 2 => Ok(Transformed::no(expr)),
            _ => datafusion::common::plan_err!(
                "window_end is known only right above the GROUP BY of its window: select it in \
                 the same query"
            ),
        }
    });
    replaced.map(|replaced| replaced.data).map_err(|error| Error::new(code::PLAN, sentence(&error)))
}
