//! Aggregates by window, and the hidden column that carries a window's end.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DFSchemaRef};
use datafusion::logical_expr::utils::grouping_set_to_exprlist;
use datafusion::logical_expr::{Aggregate as LogicalAggregate, Expr, LogicalPlan};
use laminar_dataflow::operators::{
    AggregateCall, OfSet, SessionAggregate, WindowAggregate, WindowColumns as WindowSlots,
    WindowEmit, WindowOptions, weight_field,
};
use laminar_dataflow::window::session_gap;
use laminar_dataflow::{Changes, EventTime, Operator, Traits};
use laminar_types::{Error, Result, TimeUnit, code};

use super::workers::{column_keys, undivided_groups};
use super::{Lowered, Lowering};
use crate::catalog::Catalog;
use crate::functions::{WINDOW_LIST, length_ns, window_call, window_spec};
use crate::parser::windows::{WINDOW_END, WindowKind};
use crate::place::at_column_of;
use crate::plan::{InputRef, LateOutput};
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
                    windows.any |= keys.any(|key| {
                        window_call(key).is_some() || is_window_bound(key, &aggregate.input)
                    });
                }
                LogicalPlan::Join(join) => windows.any |= super::time_join::waits(join),
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

/// Whether an expression over a plan is a bound of a window of its rows: of a window table
/// function, or a window call in a select list.
pub(super) fn is_window_bound(expr: &Expr, plan: &LogicalPlan) -> bool {
    let column = match expr {
        Expr::Alias(alias) => return is_window_bound(&alias.expr, plan),
        Expr::ScalarFunction(call) => {
            return window_call(expr).is_some()
                || [WINDOW_END, WINDOW_LIST].contains(&call.func.name());
        }
        Expr::Column(column) => column,
        _ => return false,
    };
    let Some(index) = plan.schema().maybe_index_of_column(column) else { return false };
    let below = |input: &LogicalPlan, index: usize| {
        let fields = input.schema().fields().len();
        let column = || Column::from(input.schema().qualified_field(index));
        index < fields && is_window_bound(&Expr::Column(column()), input)
    };
    match plan {
        LogicalPlan::Projection(projection) => {
            is_window_bound(&projection.expr[index], &projection.input)
        }
        LogicalPlan::SubqueryAlias(alias) => below(&alias.input, index),
        LogicalPlan::Filter(filter) => below(&filter.input, index),
        LogicalPlan::Unnest(unnest) => {
            unnest.dependency_indices.get(index).is_some_and(|from| below(&unnest.input, *from))
        }
        _ => false,
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
        late_columns: Option<usize>,
        of_set: Option<OfSet>,
        labels: &[String],
    ) -> Result<Lowered> {
        let field = input_traits.schema.field(ts_column);
        let at_time = |message| at_column_of(Error::new(code::PLAN, message), &args[0]);
        let unit = TimeUnit::of(field.data_type()).ok_or_else(|| {
            at_time(format!(
                "{}(...) needs a TIMESTAMP or BIGINT as event time, and {} is a {}",
                kind.name(),
                args[0],
                field.data_type()
            ))
        })?;
        let frontier = input_traits.time_of(ts_column).ok_or_else(|| {
            at_time(format!(
                "no watermark reaches {}, so its windows could never close: use an event-time \
                 column, or a function of one that never decreases",
                args[0]
            ))
        })?;
        let lengths = window_lengths(kind, args)?;
        let mut fields: Vec<_> = aggregate.schema.as_arrow().fields().iter().cloned().collect();
        let end = fields.len();
        let end_field = fields[index].as_ref().clone().with_name(WINDOW_END_COLUMN);
        fields.push(Arc::new(end_field));
        let output: SchemaRef = Arc::new(Schema::new(fields));
        let append_only = input_traits.changes == Changes::AppendOnly;
        let changes = match (self.final_windows, append_only) {
            (true, _) => Changes::AppendOnly,
            // Sessions merge: the start of one can cease.
            (false, true) if kind != WindowKind::Session => Changes::Upsert,
            (false, _) => Changes::Retract,
        };
        // No change comes behind the frontier of a bound: what would make one is late.
        let time = |column| EventTime { column, unit, settled: true, closed: true };
        let traits = Traits {
            schema: Arc::clone(&output),
            changes,
            unique_key: Some(
                (0..aggregate.schema.fields().len() - aggregate.aggr_expr.len()).collect(),
            ),
            times: vec![time(index), time(end)],
            declared_watermark: input_traits.declared_watermark,
        };
        let emit = if self.final_windows { WindowEmit::Final } else { WindowEmit::Updates };
        // What is held back below is never late here.
        let lateness_ns = match self.reads_lenient(&input) {
            true => 0,
            false => self.lateness_ns,
        };
        let options = WindowOptions { emit, append_only, lateness_ns, late_columns, of_set };
        let slots = WindowSlots { time: ts_column, frontier, keys, start: index };
        let rows = &input_traits.schema;
        let mut workers = String::new();
        let is_session = kind == WindowKind::Session;
        let inputs = vec![(Arc::clone(rows), column_keys(rows, &slots.keys))];
        let hindrance = undivided_groups(slots.keys.len(), &calls);
        let (operator, how): (Box<dyn Operator>, &str) = match kind {
            WindowKind::Session => {
                let gap = session_gap(unit, lengths[0])?;
                let make = || {
                    let (slots, calls) = (slots.clone(), calls.clone());
                    let output = Arc::clone(&output);
                    SessionAggregate::new(rows, unit, gap, slots, calls, output, options)
                };
                let as_partition = SessionAggregate::as_partition;
                let operator = self.divided(inputs, hindrance, &mut workers, make, as_partition)?;
                (operator, "rows by key and time, dropped at a session's close")
            }
            _ => {
                let spec = window_spec(kind, &lengths, unit)?;
                let make = || {
                    let (slots, calls) = (slots.clone(), calls.clone());
                    let output = Arc::clone(&output);
                    WindowAggregate::new(rows, spec, slots, calls, output, options)
                };
                let operator = self.divided(
                    inputs,
                    hindrance,
                    &mut workers,
                    make,
                    WindowAggregate::as_partition,
                )?;
                let how = match (emit, spec.is_tumbling()) {
                    (WindowEmit::Final, true) => "one table per window, dropped at its close",
                    (WindowEmit::Final, false) => "one table per pane, merged at a window's close",
                    (WindowEmit::Updates, _) => "one table per window, dropped at its close",
                };
                (operator, how)
            }
        };
        let keys_label: Vec<String> =
            aggregate.group_expr.iter().map(|expr| expr.human_display().to_string()).collect();
        let label = format!(
            "Window aggregate by ({}), {how}: {}{workers}",
            keys_label.join(", "),
            labels.join(", ")
        );
        let node = self.add(operator, traits, vec![input], label);
        self.window_nodes.push(node);
        if is_session {
            self.mixed_nodes.push(node);
        }
        if let Some(columns) = late_columns {
            self.late_output(node, input_traits, columns)?;
        }
        let columns = aggregate.schema.as_ref().clone();
        let window = WindowColumns { start: index, end };
        let mut lowered = self.lowered(node, columns, Some(window), false);
        lowered.columns = with_hidden(&aggregate.schema, &lowered)?;
        Ok(lowered)
    }
}

impl Lowering<'_> {
    /// Whether the rows of this input of a window, or of the left side of a join in time, are
    /// handed on when they are late. What comes from windows and joins in time never is.
    pub(super) fn takes_late_rows(&self, input: &InputRef) -> bool {
        let handing_on = self.late.as_ref().map_or(&[][..], |late| &late.nodes);
        self.late_sink.is_some()
            && !self.reads_windows(input)
            && !self.reads(input, &|node| handing_on.contains(&node))
    }

    /// Whether an input is made of windows of the same query.
    fn reads_windows(&self, input: &InputRef) -> bool {
        self.reads(input, &|node| self.window_nodes.contains(&node))
    }

    /// Whether an input is one of some nodes or made of them.
    pub(super) fn reads(&self, input: &InputRef, is_one: &dyn Fn(usize) -> bool) -> bool {
        let InputRef::Node(node) = input else { return false };
        is_one(*node) || self.nodes[*node].inputs.iter().any(|input| self.reads(input, is_one))
    }

    /// Makes a node give the rows that are late for it, with the first columns of its input.
    pub(super) fn late_output(
        &mut self,
        node: usize,
        input: &Traits,
        columns: usize,
    ) -> Result<()> {
        let Some(sink) = self.late_sink.clone() else { return Ok(()) };
        let mut fields = input.schema.fields()[..columns].to_vec();
        if input.changes != Changes::AppendOnly {
            fields.push(Arc::new(weight_field()));
        }
        let traits = Traits::append_only(Arc::new(Schema::new(fields)));
        match &mut self.late {
            None => self.late = Some(LateOutput { sink, nodes: vec![node], traits }),
            Some(late) => {
                let types = |traits: &Traits| -> Vec<(String, DataType)> {
                    let fields = traits.schema.fields().iter();
                    fields.map(|f| (f.name().clone(), f.data_type().clone())).collect()
                };
                if types(&late.traits) != types(&traits) {
                    return Err(Error::unsupported(
                        "the windows and joins of the query read rows with different columns, \
                         which do not fit into one sink of late rows: create a stream for each",
                    )
                    .at(sink.position));
                }
                late.nodes.push(node);
            }
        }
        Ok(())
    }
}

/// The lengths in a window call, in nanoseconds.
fn window_lengths(kind: WindowKind, args: &[Expr]) -> Result<Vec<i64>> {
    let length = |arg: &Expr| match arg {
        Expr::Literal(value, _) => {
            length_ns(value).map_err(|error| Error::new(code::PLAN, sentence(&error)))
        }
        other => Err(Error::new(
            code::PLAN,
            format!("the lengths of {}(...) must be constants, not {other}", kind.name()),
        )),
    };
    args[1..].iter().map(length).collect()
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
