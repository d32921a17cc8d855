//! Lowering: from DataFusion's logical plan to the operators of the dataflow.
//!
//! Walks the plan bottom-up. Filters and projections pile up as stages on the relation below and
//! become one [`Map`] when something else needs them; every other construct becomes an operator.
//! On the way the traits of each edge are inferred: the kind of its changes, its unique key, its
//! event-time columns.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DFSchemaRef};
use datafusion::logical_expr::{Aggregate as LogicalAggregate, Expr, ExprSchemable, LogicalPlan};
use laminar_dataflow::expr::Expr as Compiled;
use laminar_dataflow::operators::{
    Aggregate, AggregateCall, Map, Materialize, Stage, TimeMap, Union, WindowAggregate,
    WindowColumns as WindowSlots, WindowEmit,
};
use laminar_dataflow::window::WindowSpec;
use laminar_dataflow::{Changes, EventTime, Traits};
use laminar_types::{Error, Result, TimeUnit, code};

use crate::aggregates;
use crate::catalog::Catalog;
use crate::compile::Compiler;
use crate::functions::{length_ns, window_call};
use crate::parser::statement::{EmitTiming, StreamQuery};
use crate::parser::windows::{WINDOW_END, WindowKind};
use crate::plan::{EmitForm, InputRef, PlanNode, StreamPlan};
use crate::planner::sentence;

/// The name of the column that holds a window's end between its operator and the projection above.
const WINDOW_END_COLUMN: &str = WINDOW_END;

/// Lowers the bound plan of a continuous query.
pub(crate) fn lower(
    plan: &LogicalPlan,
    catalog: &dyn Catalog,
    query: &StreamQuery,
) -> Result<StreamPlan> {
    refuse_clauses(query)?;
    let windows = Windows::of(plan, catalog);
    let final_windows = match &query.emit {
        None => windows.any && windows.declared,
        Some(emit) => emit.timing == EmitTiming::Final,
    };
    if final_windows && !windows.any {
        let emit = query.emit.as_ref().expect("only a given EMIT is final without windows");
        return Err(Error::new(
            code::PLAN,
            "EMIT ON WINDOW CLOSE needs a window: group by tumble(ts, size) or another window, \
             or use EMIT ON UPDATE or EMIT CHANGES",
        )
        .at(emit.position));
    }
    let mut lowering = Lowering { catalog, final_windows, nodes: Vec::new(), notes: Vec::new() };
    let result = lowering.plan(plan)?;
    let result = lowering.finish(result, plan.schema())?;
    let changes = lowering.nodes[result].traits.changes;
    let keyed = lowering.nodes[result].traits.unique_key.is_some();
    let emit = match &query.emit {
        Some(emit) if emit.changes => EmitForm::Changes,
        Some(emit) if emit.timing == EmitTiming::Final => EmitForm::Final,
        Some(_) => EmitForm::Update,
        None if final_windows => EmitForm::Final,
        None => match changes {
            Changes::AppendOnly => EmitForm::Update,
            Changes::Upsert if keyed => EmitForm::Update,
            _ => EmitForm::Changes,
        },
    };
    if final_windows && !windows.declared {
        lowering.notes.push(
            "no watermark is declared: windows close only when the producer calls watermark(t)"
                .to_string(),
        );
    }
    if windows.any && !final_windows && !windows.declared {
        lowering.notes.push(
            "no watermark is declared: windows are kept until the producer calls watermark(t)"
                .to_string(),
        );
    }
    Ok(StreamPlan {
        nodes: lowering.nodes,
        emit,
        emit_given: query.emit.is_some(),
        notes: lowering.notes,
    })
}

fn refuse_clauses(query: &StreamQuery) -> Result<()> {
    if let Some(emit) = &query.emit
        && matches!(emit.timing, EmitTiming::Every { .. })
    {
        return Err(Error::unsupported(
            "EMIT EVERY is not built yet: use EMIT ON UPDATE or EMIT CHANGES",
        )
        .at(emit.position));
    }
    if query.allow_lateness_ns.is_some_and(|lateness| lateness > 0) {
        return Err(Error::unsupported(
            "ALLOW LATENESS on a query is not built yet: give the source a larger watermark delay",
        ));
    }
    if let Some(sink) = &query.late_data_to {
        return Err(Error::unsupported(
            "LATE DATA TO is not built yet: late rows are counted in SHOW STREAMS",
        )
        .at(sink.position));
    }
    Ok(())
}

/// Which windows a plan has.
struct Windows {
    any: bool,
    /// Whether every time-bearing relation that the plan reads declares a watermark.
    declared: bool,
}

impl Windows {
    fn of(plan: &LogicalPlan, catalog: &dyn Catalog) -> Self {
        let mut windows = Self { any: false, declared: true };
        plan.apply_with_subqueries(|node| {
            match node {
                LogicalPlan::Aggregate(aggregate) => {
                    windows.any |= aggregate.group_expr.iter().any(|e| window_call(e).is_some());
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

struct Lowering<'a> {
    catalog: &'a dyn Catalog,
    /// Whether windows give their rows once, when final.
    final_windows: bool,
    nodes: Vec<PlanNode>,
    notes: Vec<String>,
}

/// A relation on its way up: a node or relation with stages on top that are not yet an operator.
struct Lowered {
    input: InputRef,
    /// The input's rows.
    input_schema: SchemaRef,
    stages: Vec<Stage>,
    labels: Vec<String>,
    /// The columns after the stages: those of the logical plan, then `window_end` if there is one.
    columns: DFSchema,
    /// What the rows after the stages promise.
    traits: Traits,
    /// Where each event-time column after the stages comes from among the input's.
    times: Vec<TimeMap>,
    window: Option<WindowColumns>,
    /// Whether the graph can tell the content of the input.
    holds_content: bool,
}

/// The bounds of the window that rows were grouped by.
#[derive(Debug, Clone, Copy)]
struct WindowColumns {
    start: usize,
    end: usize,
}

impl Lowering<'_> {
    fn plan(&mut self, plan: &LogicalPlan) -> Result<Lowered> {
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan.table_name.table(), plan),
            LogicalPlan::SubqueryAlias(alias) => {
                let mut input = self.plan(&alias.input)?;
                input.columns = with_hidden(&alias.schema, &input)?;
                Ok(input)
            }
            LogicalPlan::Filter(filter) => {
                let mut input = self.plan(&filter.input)?;
                let predicate = self.compile(&filter.predicate, &input)?;
                input.labels.push(format!("filter {}", filter.predicate.human_display()));
                input.stages.push(Stage::Filter(predicate));
                if input.traits.changes == Changes::Upsert {
                    input.traits.changes = Changes::Retract;
                }
                Ok(input)
            }
            LogicalPlan::Projection(projection) => {
                let input = self.plan(&projection.input)?;
                self.project(input, &projection.expr, &projection.schema)
            }
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Union(union) => self.union(&union.inputs, &union.schema),
            other => Err(refused(other)),
        }
    }

    fn scan(&mut self, name: &str, plan: &LogicalPlan) -> Result<Lowered> {
        let LogicalPlan::TableScan(scan) = plan else {
            return Err(Error::internal("a scan is lowered from a TableScan"));
        };
        let traits = self
            .catalog
            .relation(name)
            .ok_or_else(|| Error::new(code::NOT_FOUND, format!("`{name}` is gone")))?;
        let columns = DFSchema::try_from_qualified_schema(scan.table_name.clone(), &traits.schema)
            .map_err(|error| Error::internal(sentence(&error)))?;
        let lowered = Lowered {
            input: InputRef::Relation(name.to_string()),
            input_schema: Arc::clone(&traits.schema),
            stages: Vec::new(),
            labels: Vec::new(),
            columns,
            times: identity(&traits),
            holds_content: traits.changes != Changes::AppendOnly,
            traits,
            window: None,
        };
        match &scan.projection {
            None => Ok(lowered),
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

    fn project(&self, mut input: Lowered, exprs: &[Expr], schema: &DFSchemaRef) -> Result<Lowered> {
        let mut compiled = exprs
            .iter()
            .map(|expr| self.compile(expr, &input))
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
        let (times, maps) = project_times(exprs, &compiled, &input)?;
        input.traits.unique_key = input.traits.unique_key.and_then(|key| {
            key.iter().map(|column| position(&compiled, *column)).collect::<Option<Vec<usize>>>()
        });
        if input.traits.unique_key.is_none() && input.traits.changes == Changes::Upsert {
            input.traits.changes = Changes::Retract;
        }
        input.traits.times = times;
        input.times = maps;
        input.traits.schema = Arc::clone(&arrow_schema);
        input.window = window;
        input.stages.push(Stage::Project { exprs: compiled, schema: arrow_schema });
        input.labels.push(format!("project {}", shown.join(", ")));
        input.columns = with_hidden(schema, &input)?;
        Ok(input)
    }

    fn union(&mut self, inputs: &[Arc<LogicalPlan>], schema: &DFSchemaRef) -> Result<Lowered> {
        let arrow_schema: SchemaRef = Arc::new(schema.as_arrow().clone());
        let mut ports = Vec::with_capacity(inputs.len());
        for input in inputs {
            let lowered = self.plan(input)?;
            let node = self.finish(lowered, input.schema())?;
            ports.push(node);
        }
        let of = |node: &usize| &self.nodes[*node].traits;
        // A column carries event time when it does in every branch.
        let times: Vec<EventTime> = of(&ports[0])
            .times
            .iter()
            .filter(|time| ports.iter().all(|port| of(port).times.contains(time)))
            .copied()
            .collect();
        let positions = ports
            .iter()
            .map(|port| times.iter().filter_map(|time| of(port).time_of(time.column)).collect())
            .collect();
        let append_only = ports.iter().all(|port| of(port).changes == Changes::AppendOnly);
        let traits = Traits {
            schema: Arc::clone(&arrow_schema),
            changes: if append_only { Changes::AppendOnly } else { Changes::Retract },
            unique_key: None,
            declared_watermark: ports
                .iter()
                .all(|port| of(port).times.is_empty() || of(port).declared_watermark),
            times,
        };
        let operator = Union::new(Arc::clone(&arrow_schema), positions);
        let inputs = ports.into_iter().map(InputRef::Node).collect();
        let node = self.add(Box::new(operator), traits, inputs, "Union all".to_string());
        Ok(self.lowered(node, schema.as_ref().clone(), None, false))
    }

    fn aggregate(&mut self, aggregate: &LogicalAggregate) -> Result<Lowered> {
        let input = self.plan(&aggregate.input)?;
        if let Some(Expr::GroupingSet(_)) = aggregate.group_expr.first() {
            return Err(Error::unsupported(
                "GROUPING SETS, ROLLUP and CUBE are not built yet in continuous queries: \
                 create one stream for each grouping",
            ));
        }
        let mut arguments = Arguments { exprs: Vec::new() };
        let mut keys = Vec::new();
        let mut window = None;
        for (index, expr) in aggregate.group_expr.iter().enumerate() {
            match window_call(expr) {
                Some(_) if window.is_some() => {
                    return Err(Error::unsupported(
                        "a query can group by one window: join two streams to combine windows",
                    ));
                }
                Some((kind, args)) => {
                    window = Some((index, kind, args, arguments.add(&args[0])));
                }
                None => keys.push(arguments.add(expr)),
            }
        }
        let mut calls = Vec::new();
        for expr in &aggregate.aggr_expr {
            calls.push(aggregates::call(expr, &input.columns, |e| arguments.add(e))?);
        }
        let labels: Vec<String> =
            aggregate.aggr_expr.iter().map(|expr| expr.human_display().to_string()).collect();
        let (prepared, columns) = self.prepare(input, &arguments.exprs)?;
        let keys: Vec<usize> = keys.into_iter().map(|key| columns[key]).collect();
        let calls: Vec<AggregateCall> = calls.into_iter().map(|call| call.over(&columns)).collect();
        let (input, traits) = self.operator_input(prepared)?;
        let output = Arc::new(aggregate.schema.as_arrow().clone());
        match window {
            None => {
                let keys_label: Vec<String> =
                    aggregate.group_expr.iter().map(|e| e.human_display().to_string()).collect();
                self.keyed_aggregate(
                    aggregate,
                    input,
                    &traits,
                    keys,
                    calls,
                    output,
                    format!("Aggregate by ({}): {}", keys_label.join(", "), labels.join(", ")),
                )
            }
            Some((index, kind, args, time)) => self.window_aggregate(
                aggregate,
                input,
                &traits,
                keys,
                calls,
                (index, kind, args, columns[time]),
                &labels,
            ),
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn keyed_aggregate(
        &mut self,
        aggregate: &LogicalAggregate,
        input: InputRef,
        input_traits: &Traits,
        keys: Vec<usize>,
        calls: Vec<AggregateCall>,
        output: SchemaRef,
        label: String,
    ) -> Result<Lowered> {
        let append_only = input_traits.changes == Changes::AppendOnly;
        let traits = Traits {
            schema: Arc::clone(&output),
            // Groups vanish only when rows do; a global aggregate always has its one row.
            changes: if append_only || keys.is_empty() {
                Changes::Upsert
            } else {
                Changes::Retract
            },
            unique_key: Some((0..keys.len()).collect()),
            times: Vec::new(),
            declared_watermark: input_traits.declared_watermark,
        };
        let operator = Aggregate::new(&input_traits.schema, keys, calls, output, append_only)?;
        let node = self.add(Box::new(operator), traits, vec![input], label);
        Ok(self.lowered(node, aggregate.schema.as_ref().clone(), None, true))
    }

    #[allow(clippy::too_many_arguments)]
    fn window_aggregate(
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
            unique_key: Some((0..aggregate.group_expr.len()).collect()),
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
            append_only,
            emit,
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

    /// Puts what an operator reads into columns: a projection, unless every expression is a column
    /// of an input without stages. Tells where each expression then stands.
    fn prepare(&self, input: Lowered, exprs: &[Expr]) -> Result<(Lowered, Vec<usize>)> {
        let direct: Option<Vec<usize>> = exprs
            .iter()
            .map(|expr| match expr {
                Expr::Column(column) => input.columns.maybe_index_of_column(column),
                _ => None,
            })
            .collect();
        if let Some(direct) = direct.filter(|_| input.stages.is_empty()) {
            return Ok((input, direct));
        }
        let fields = exprs
            .iter()
            .enumerate()
            .map(|(index, expr)| {
                let expr = resolve_window_end(expr, &input)?;
                let (_, field) = expr
                    .to_field(&input.columns)
                    .map_err(|error| Error::new(code::PLAN, sentence(&error)))?;
                // Names must only differ from each other: nothing refers to them.
                Ok((None, Arc::new(field.as_ref().clone().with_name(format!("_{index}")))))
            })
            .collect::<Result<Vec<_>>>()?;
        let schema = DFSchema::new_with_metadata(fields, Default::default())
            .map_err(|error| Error::internal(sentence(&error)))?;
        let mut prepared = self.project(input, exprs, &Arc::new(schema))?;
        if exprs.iter().all(|expr| matches!(expr, Expr::Column(_))) {
            prepared.labels.pop();
        }
        Ok((prepared, (0..exprs.len()).collect()))
    }

    /// The stages of a relation as one operator, if there are any.
    fn operator_input(&mut self, lowered: Lowered) -> Result<(InputRef, Traits)> {
        if lowered.stages.is_empty() {
            return Ok((lowered.input, lowered.traits));
        }
        let map = Map::new(lowered.input_schema, lowered.stages, lowered.times);
        let label = match lowered.labels.is_empty() {
            true => "Map: project columns".to_string(),
            false => format!("Map: {}", lowered.labels.join("; ")),
        };
        let traits = lowered.traits.clone();
        let node = self.add(Box::new(map), lowered.traits, vec![lowered.input], label);
        Ok((InputRef::Node(node), traits))
    }

    /// A relation as a node whose columns are exactly those of the logical plan and whose content
    /// can be told.
    fn finish(&mut self, mut lowered: Lowered, schema: &DFSchemaRef) -> Result<usize> {
        if lowered.window.is_some() || lowered.traits.schema.as_ref() != schema.as_arrow() {
            let exprs: Vec<Expr> = (0..schema.fields().len())
                .map(|index| Expr::Column(Column::from(lowered.columns.qualified_field(index))))
                .collect();
            lowered.window = None;
            lowered = self.project(lowered, &exprs, schema)?;
            lowered.labels.pop();
        }
        let holds_content = lowered.holds_content;
        let (input, traits) = match self.operator_input(lowered)? {
            // A query that is nothing but its input still is a node of its own.
            (InputRef::Relation(name), traits) => {
                let times = identity(&traits);
                let map = Map::new(Arc::clone(&traits.schema), Vec::new(), times);
                let inputs = vec![InputRef::Relation(name)];
                let node =
                    self.add(Box::new(map), traits.clone(), inputs, "Map: every row".to_string());
                (node, traits)
            }
            (InputRef::Node(node), traits) => (node, traits),
        };
        if traits.changes == Changes::AppendOnly || holds_content {
            return Ok(input);
        }
        let operator = Materialize::new(Arc::clone(&traits.schema), identity(&traits))?;
        let inputs = vec![InputRef::Node(input)];
        Ok(self.add(Box::new(operator), traits, inputs, "Materialize".to_string()))
    }

    fn add(
        &mut self,
        operator: Box<dyn laminar_dataflow::Operator>,
        traits: Traits,
        inputs: Vec<InputRef>,
        label: String,
    ) -> usize {
        self.nodes.push(PlanNode { operator, traits, inputs, label });
        self.nodes.len() - 1
    }

    /// The output of a node, with no stages on it.
    fn lowered(
        &self,
        node: usize,
        columns: DFSchema,
        window: Option<WindowColumns>,
        holds_content: bool,
    ) -> Lowered {
        let traits = self.nodes[node].traits.clone();
        Lowered {
            input: InputRef::Node(node),
            input_schema: Arc::clone(&traits.schema),
            stages: Vec::new(),
            labels: Vec::new(),
            columns,
            times: identity(&traits),
            traits,
            window,
            holds_content,
        }
    }

    fn compile(&self, expr: &Expr, input: &Lowered) -> Result<Compiled> {
        let expr = resolve_window_end(expr, input)?;
        Compiler { columns: &input.columns, changes: input.traits.changes }.compile(&expr)
    }
}

/// The distinct expressions that an operator reads, in the order of first use.
struct Arguments {
    exprs: Vec<Expr>,
}

impl Arguments {
    /// The column that will hold the expression.
    fn add(&mut self, expr: &Expr) -> usize {
        let expr = expr.clone().unalias();
        match self.exprs.iter().position(|known| *known == expr) {
            Some(column) => column,
            None => {
                self.exprs.push(expr);
                self.exprs.len() - 1
            }
        }
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
        _ => Err(Error::unsupported(format!(
            "{}(...) windows are not built yet: use tumble(...) or hop(...)",
            kind.name()
        ))),
    }
}

/// The logical columns followed by the hidden end of the window, if the rows carry one.
fn with_hidden(schema: &DFSchemaRef, lowered: &Lowered) -> Result<DFSchema> {
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
fn resolve_window_end(expr: &Expr, input: &Lowered) -> Result<Expr> {
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

fn identity(traits: &Traits) -> Vec<TimeMap> {
    (0..traits.times.len()).map(|input| TimeMap { input, shift_ns: 0 }).collect()
}

fn position(exprs: &[Compiled], column: usize) -> Option<usize> {
    exprs.iter().position(|expr| expr.as_column() == Some(column))
}

/// Which output columns carry event time, and how it follows from the input's.
fn project_times(
    exprs: &[Expr],
    compiled: &[Compiled],
    input: &Lowered,
) -> Result<(Vec<EventTime>, Vec<TimeMap>)> {
    let mut times = Vec::new();
    let mut maps = Vec::new();
    for (column, compiled) in compiled.iter().enumerate() {
        let moved = match (compiled.as_column(), exprs.get(column)) {
            (Some(from), _) => Some((from, 0)),
            (None, Some(expr)) => moved_time(expr, &input.columns),
            (None, None) => None,
        };
        let Some((from, shift_ns)) = moved else { continue };
        let Some(time) = input.traits.time_of(from) else { continue };
        let base = input.times[time];
        times.push(EventTime { column, unit: input.traits.times[time].unit });
        maps.push(TimeMap { input: base.input, shift_ns: base.shift_ns + shift_ns });
    }
    Ok((times, maps))
}

/// `column + span` or `column - span`: the column and the span in nanoseconds.
fn moved_time(expr: &Expr, columns: &DFSchema) -> Option<(usize, i64)> {
    use datafusion::logical_expr::Operator;
    match expr {
        Expr::Alias(alias) => moved_time(&alias.expr, columns),
        Expr::Column(column) => Some((columns.maybe_index_of_column(column)?, 0)),
        Expr::BinaryExpr(binary) => {
            let Expr::Literal(span, _) = binary.right.as_ref() else { return None };
            let (column, shift) = moved_time(&binary.left, columns)?;
            let span = length_ns(span).ok()?;
            match binary.op {
                Operator::Plus => Some((column, shift.checked_add(span)?)),
                Operator::Minus => Some((column, shift.checked_sub(span)?)),
                _ => None,
            }
        }
        _ => None,
    }
}

fn refused(plan: &LogicalPlan) -> Error {
    let (what, instead) = match plan {
        LogicalPlan::Join(_) => ("a join", "query the streams with an ad-hoc SELECT"),
        LogicalPlan::Sort(_) => ("ORDER BY", "order the rows of an ad-hoc SELECT"),
        LogicalPlan::Limit(_) => ("LIMIT", "limit the rows of an ad-hoc SELECT"),
        LogicalPlan::Window(_) => ("OVER (...)", "use it in an ad-hoc SELECT"),
        LogicalPlan::Unnest(_) => ("UNNEST", "use it in an ad-hoc SELECT"),
        LogicalPlan::Subquery(_) => ("a subquery in an expression", "create a stream for it"),
        LogicalPlan::Values(_) => ("VALUES", "insert the rows into a source"),
        LogicalPlan::EmptyRelation(_) => ("a query without FROM", "read a source or stream"),
        LogicalPlan::RecursiveQuery(_) => ("WITH RECURSIVE", "create a stream for each step"),
        other => {
            return Error::unsupported(format!(
                "this version cannot run {} continuously",
                other.display()
            ));
        }
    };
    Error::unsupported(format!(
        "this version cannot keep {what} up to date in a continuous query: {instead}"
    ))
}
