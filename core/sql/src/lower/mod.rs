//! Lowering: from DataFusion's logical plan to the operators of the dataflow.
//!
//! Walks the plan bottom-up. Filters and projections pile up as stages on the relation below and
//! become one [`Map`] when something else needs them; every other construct becomes an operator.
//! On the way the traits of each edge are inferred: the kind of its changes, its unique key, its
//! event-time columns.
//!
//! | file | what it lowers |
//! |---|---|
//! | `relation` | scans, projections |
//! | `event_time` | how event time passes through expressions |
//! | `aggregate` | `GROUP BY` |
//! | `grouping_sets` | `GROUPING SETS`, `ROLLUP`, `CUBE` |
//! | `window` | `GROUP BY` a window |
//! | `join` | joins, `INTERSECT`, `EXCEPT` |
//! | `lateness` | `ALLOW LATENESS` of what is no window |
//! | `constant` | `VALUES`, queries without `FROM` |
//! | `band` | conditions that bound a distance in time |
//! | `over` | `OVER` |
//! | `top_n` | `ORDER BY ... LIMIT`, filters on a rank |
//! | `time_join` | ASOF, temporal and interval joins |
//! | `ttl` | `state_ttl` |
//! | `union` | `UNION ALL` |
//! | `unnest` | `UNNEST` |
//! | `until_final` | `EMIT ON WINDOW CLOSE` over what changes |
//! | `subquery` | subqueries in expressions |
//! | `workers` | how many partitions an operator has |
//! | `refuse` | what cannot be kept up to date |

mod aggregate;
mod band;
mod constant;
mod event_time;
mod grouping_sets;
mod join;
mod lateness;
mod over;
mod refuse;
mod relation;
mod subquery;
mod time_join;
mod top_n;
mod ttl;
mod union;
mod unnest;
mod until_final;
mod window;
mod workers;

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::{Column, DFSchema, DFSchemaRef};
use datafusion::logical_expr::{Expr, LogicalPlan};
use laminar_dataflow::expr::Expr as Compiled;
use laminar_dataflow::operators::{Map, Materialize, Stage};
use laminar_dataflow::{Changes, Traits};
use laminar_types::{Error, Result, code};

use crate::catalog::Catalog;
use crate::compile::Compiler;
use crate::definition::{Definition, Options, Place};
use crate::parser::statement::{EmitTiming, Name, StateTtl, StreamQuery};
use crate::plan::{EmitForm, InputRef, LateOutput, PlanNode, StreamPlan};
use event_time::identity;
use relation::Lowered;
pub(crate) use subquery::{check as check_subqueries, is_condition};
use time_join::duration;
use window::{WindowColumns, Windows, resolve_window_end, with_hidden};

/// Lowers the bound plan of a continuous query.
pub(crate) fn lower(
    plan: &LogicalPlan,
    catalog: &dyn Catalog,
    query: &StreamQuery,
) -> Result<StreamPlan> {
    let windows = Windows::of(plan, catalog);
    let final_windows = match &query.emit {
        None => windows.any && windows.declared,
        Some(emit) => emit.timing == EmitTiming::Final,
    };
    let mut lowering = Lowering {
        catalog,
        final_windows,
        final_given: final_windows && query.emit.is_some(),
        lateness_ns: query.allow_lateness_ns.unwrap_or(0),
        late_sink: query.late_data_to.clone(),
        late: None,
        state_ttl: query.state_ttl,
        workers: query.workers.unwrap_or(1),
        ttl_bounds: false,
        window_nodes: Vec::new(),
        lenient_nodes: Vec::new(),
        held_back: Vec::new(),
        mixed_nodes: Vec::new(),
        nodes: Vec::new(),
        notes: Vec::new(),
        parts: Vec::new(),
        shared: HashMap::new(),
    };
    let mut result = lowering.plan(plan)?;
    lowering.parts.push(Part { is_behind: true, ..Part::of(plan) });
    if let Some(sink) = query.late_data_to.as_ref().filter(|_| lowering.late.is_none()) {
        return Err(refuse::late_data(sink));
    }
    if let Some(emit) = query.emit.as_ref().filter(|_| final_windows) {
        let waits = windows.any || !lowering.window_nodes.is_empty();
        if !waits && result.traits.changes == Changes::AppendOnly {
            return Err(Error::new(
                code::PLAN,
                "EMIT ON WINDOW CLOSE needs a window: group by tumble(ts, size) or another window, \
                 or use EMIT ON UPDATE or EMIT CHANGES",
            )
            .at(emit.position));
        }
        result = lowering.until_final(result, emit.position)?;
    }
    if query.allow_lateness_ns.is_some_and(|ns| ns > 0) && !lowering.allows_lateness() {
        return Err(refuse::lateness());
    }
    let result = lowering.finish(result, plan.schema())?;
    lowering.check_ttl()?;
    let ordered = lowering.arrives_in_order(&InputRef::Node(result));
    lowering.tell_undivided();
    let changes = lowering.nodes[result].traits.changes;
    let keyed = lowering.nodes[result].traits.unique_key.is_some();
    let emit = match &query.emit {
        Some(emit) if emit.changes => EmitForm::Changes,
        Some(emit) if emit.timing == EmitTiming::Final => EmitForm::Final,
        Some(_) => EmitForm::Update,
        None if final_windows && changes == Changes::AppendOnly => EmitForm::Final,
        None => match changes {
            Changes::AppendOnly => EmitForm::Update,
            Changes::Upsert if keyed => EmitForm::Update,
            _ => EmitForm::Changes,
        },
    };
    let mut warnings = Vec::new();
    if (final_windows || windows.any) && !windows.declared {
        let what = match final_windows {
            true => "windows close only when",
            false => "windows are kept until",
        };
        warnings.push(format!("no watermark is declared: {what} the producer calls watermark(t)"));
    }
    Ok(StreamPlan {
        nodes: lowering.nodes,
        emit,
        every_ns: match query.emit.as_ref().map(|emit| emit.timing) {
            Some(EmitTiming::Every { interval_ns }) => Some(interval_ns),
            _ => None,
        },
        emit_given: query.emit.is_some(),
        notes: lowering.notes,
        warnings,
        late: lowering.late,
        forgets: lowering.ttl_bounds,
        ordered,
    })
}

struct Lowering<'a> {
    catalog: &'a dyn Catalog,
    /// Whether windows give their rows once, when final.
    final_windows: bool,
    /// `ALLOW LATENESS`.
    lateness_ns: i64,
    /// `LATE DATA TO`.
    late_sink: Option<Name>,
    late: Option<LateOutput>,
    /// The option `state_ttl`, and whether something is bounded by it.
    state_ttl: Option<StateTtl>,
    ttl_bounds: bool,
    /// The option `workers`.
    workers: usize,
    /// The nodes that are windows.
    window_nodes: Vec<usize>,
    /// The nodes whose event times are held back by `ALLOW LATENESS`.
    lenient_nodes: Vec<usize>,
    /// Those that do so for windows as a table, which nobody may ask for.
    held_back: Vec<usize>,
    /// The nodes whose rows come in an order that depends on how pushes were cut.
    mixed_nodes: Vec<usize>,
    /// Whether the query asks for that, and it is not the default.
    final_given: bool,
    nodes: Vec<PlanNode>,
    notes: Vec<String>,
    /// The parts of the plan that are being lowered, each within the one before it.
    parts: Vec<Part>,
    /// What is lowered already and keeps state: where the query says it again, it is the same node.
    shared: HashMap<LogicalPlan, Lowered>,
}

/// A part of the plan that is being lowered.
struct Part {
    plan: Arc<LogicalPlan>,
    /// The operators that were made for it so far.
    operators: usize,
    /// Whether it is the whole plan, of which a result is made.
    is_behind: bool,
}

impl Part {
    fn of(plan: &LogicalPlan) -> Self {
        Self { plan: Arc::new(plan.clone()), operators: 0, is_behind: false }
    }
}

impl Lowering<'_> {
    fn plan(&mut self, plan: &LogicalPlan) -> Result<Lowered> {
        let keeps_state = matches!(
            plan,
            LogicalPlan::Aggregate(_)
                | LogicalPlan::Join(_)
                | LogicalPlan::Window(_)
                | LogicalPlan::Limit(_)
        );
        // What is late is handed on once for each place.
        if !keeps_state || self.late_sink.is_some() {
            return self.plan_anew(plan);
        }
        if let Some(shared) = self.shared.get(plan) {
            return Ok(shared.clone());
        }
        let lowered = self.plan_anew(plan)?;
        if lowered.stages.is_empty() {
            self.shared.insert(plan.clone(), lowered.clone());
        }
        Ok(lowered)
    }

    /// Forgets the nodes and notes behind the first ones.
    fn forget(&mut self, nodes: usize, notes: usize) {
        self.nodes.truncate(nodes);
        self.notes.truncate(notes);
        self.window_nodes.retain(|node| *node < nodes);
        self.lenient_nodes.retain(|node| *node < nodes);
        self.held_back.retain(|node| *node < nodes);
        self.mixed_nodes.retain(|node| *node < nodes);
        self.late = self.late.take().and_then(|mut late| {
            late.nodes.retain(|node| *node < nodes);
            (!late.nodes.is_empty()).then_some(late)
        });
        self.shared.retain(|_, lowered| match lowered.input {
            InputRef::Node(node) => node < nodes,
            InputRef::Relation(_) => true,
        });
    }

    fn plan_anew(&mut self, plan: &LogicalPlan) -> Result<Lowered> {
        self.parts.push(Part::of(plan));
        let lowered = self.part(plan);
        self.parts.pop();
        lowered
    }

    fn part(&mut self, plan: &LogicalPlan) -> Result<Lowered> {
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan.table_name.table(), plan),
            LogicalPlan::SubqueryAlias(alias) => {
                let mut input = self.plan(&alias.input)?;
                input.columns = with_hidden(&alias.schema, &input)?;
                Ok(input)
            }
            LogicalPlan::Filter(filter) => match self.rank_filter(filter, |_| true)? {
                Some(ranked) => Ok(ranked),
                None => {
                    let input = self.plan(&filter.input)?;
                    self.filter(input, &filter.predicate)
                }
            },
            LogicalPlan::Projection(projection) => {
                if let Some(row) = self.literals(projection)? {
                    return Ok(row);
                }
                let input = match projection.input.as_ref() {
                    LogicalPlan::Filter(filter) => {
                        let schema = filter.input.schema();
                        let reads = |expr: &Expr, index| {
                            let mut columns = expr.column_refs().into_iter();
                            columns.any(|read| schema.maybe_index_of_column(read) == Some(index))
                        };
                        let is_read = |index| projection.expr.iter().any(|expr| reads(expr, index));
                        self.rank_filter(filter, is_read)?
                    }
                    _ => None,
                };
                let input = match input {
                    Some(ranked) => ranked,
                    None => self.plan(&projection.input)?,
                };
                self.project(input, &projection.expr, &projection.schema)
            }
            LogicalPlan::Window(window) => self.over(window),
            LogicalPlan::Limit(limit) => self.limit(limit),
            LogicalPlan::Unnest(unnest) => self.unnest(unnest),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Join(join) if join.null_aware => self.null_aware_anti_join(join),
            LogicalPlan::Join(join) => match self.time_join(join)? {
                Some(lowered) => Ok(lowered),
                None => self.join(join),
            },
            LogicalPlan::Values(values) => self.values(values),
            LogicalPlan::EmptyRelation(empty) => self.empty_relation(empty),
            LogicalPlan::Union(union) => self.union(&union.inputs, &union.schema),
            other => Err(refuse::plan(other)),
        }
    }

    fn filter(&self, mut input: Lowered, predicate: &Expr) -> Result<Lowered> {
        let compiled = self.compile(predicate, &input)?;
        input.labels.push(format!("filter {}", predicate.human_display()));
        input.stages.push(Stage::Filter(compiled));
        if input.traits.changes == Changes::Upsert {
            input.traits.changes = Changes::Retract;
        }
        Ok(input)
    }

    /// The stages of a relation as one operator, if there are any.
    fn operator_input(&mut self, lowered: Lowered) -> Result<(InputRef, Traits)> {
        if lowered.stages.is_empty() {
            return Ok((lowered.input, lowered.traits));
        }
        let definition = Definition::chain(&lowered.input_schema, &lowered.stages, &lowered.times);
        let map = Map::new(lowered.input_schema, lowered.stages, lowered.times);
        let labels = [lowered.labels, lowered.time_labels].concat();
        let label = match labels.is_empty() {
            true => "Map: project columns".to_string(),
            false => format!("Map: {}", labels.join("; ")),
        };
        let traits = lowered.traits.clone();
        let node = self.add(Box::new(map), lowered.traits, vec![lowered.input], label);
        self.nodes[node].definition = definition;
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
                let input = InputRef::Relation(name);
                self.nodes.push(PlanNode::passing_on(input, traits.clone(), "Map: every row"));
                (self.nodes.len() - 1, traits)
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
        if self.are_mixed(&inputs) {
            self.mixed_nodes.push(self.nodes.len());
        }
        let definition = self.definition();
        self.nodes.push(PlanNode { operator, traits, inputs, label, definition });
        self.nodes.len() - 1
    }

    /// What the next operator of the part of the plan that is lowered does.
    fn definition(&mut self) -> Option<Definition> {
        let part = self.parts.len().checked_sub(1)?;
        self.definition_of(part)
    }

    /// The same of an operator that belongs to the join around that part.
    fn definition_within_join(&mut self) -> Option<Definition> {
        let is_join = |part: &Part| matches!(part.plan.as_ref(), LogicalPlan::Join(_));
        let part = self.parts.iter().rposition(is_join)?;
        self.definition_of(part)
    }

    /// What the next operator of a part of the plan does.
    fn definition_of(&mut self, part: usize) -> Option<Definition> {
        let options = Options {
            final_windows: self.final_windows,
            final_given: self.final_given,
            lateness_ns: self.lateness_ns,
            state_ttl_ns: self.state_ttl.map(|ttl| ttl.ns),
            workers: self.workers,
        };
        let part = &mut self.parts[part];
        let place = Place { number: part.operators, is_behind: part.is_behind };
        part.operators += 1;
        // What is late is handed on to the sink of this query.
        match self.late_sink {
            None => Definition::part(&part.plan, place, options),
            Some(_) => None,
        }
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
            time_labels: Vec::new(),
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

    /// An expression of a select list.
    fn compile_selected(&self, expr: &Expr, input: &Lowered) -> Result<Compiled> {
        let expr = resolve_window_end(expr, input)?;
        Compiler { columns: &input.columns, changes: input.traits.changes }.compile_selected(&expr)
    }
}
