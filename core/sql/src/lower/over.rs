//! `OVER`: window functions, each with how far it looks.

use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::expr::{NullTreatment, WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{
    Expr, LogicalPlan, SortExpr, Window, WindowFrame, WindowFrameBound, WindowFrameUnits,
    WindowFunctionDefinition,
};
use datafusion::physical_planner::create_window_expr;
use laminar_dataflow::operators::{
    AggregateCall, OrderColumn, Over, OverCall, OverColumn, OverFunction, PartitionTime,
    Partitioning, Reach, RunningAggregate, TimeMap, ValueDistance,
};
use laminar_dataflow::{Changes, EventTime, Traits};
use laminar_types::{Error, Result, code};

use super::aggregate::Arguments;
use super::window::{WindowColumns, with_hidden};
use super::workers::{column_keys, undivided};
use super::{Lowered, Lowering};
use crate::aggregates::{self, whole};
use crate::clock::refuse_clock;
use crate::plan::InputRef;
use crate::planner::sentence;

/// The input of an operator over ordered partitions: what it reads stands in columns.
pub(super) struct OverInput {
    pub(super) input: InputRef,
    pub(super) traits: Traits,
    pub(super) partitioning: Partitioning,
    /// Where each column of the logical input stands.
    pub(super) columns: Vec<usize>,
    /// The hidden end of a window, and the start that it belongs to.
    window: Option<WindowColumns>,
}

impl Lowering<'_> {
    pub(super) fn over(&mut self, window: &Window) -> Result<Lowered> {
        let input = self.plan(&window.input)?;
        let functions = functions(window)?;
        let params = &functions[0].params;
        let mut arguments = over_arguments(&window.input);
        functions.iter().for_each(|function| read_arguments(function, &mut arguments));
        let (over, places) =
            self.over_input(input, &mut arguments, &params.partition_by, &params.order_by)?;
        let reader = Reader::new(&arguments, &places, &over)?;
        let mut calls = Vec::new();
        let mut labels = Vec::new();
        for (function, expr) in functions.iter().zip(&window.window_expr) {
            let call = call(function, &reader)?;
            let shown = expr.human_display().to_string();
            let is_native =
                !matches!(call.function, OverFunction::Evaluate(_) | OverFunction::Running(_));
            // A running aggregate goes on from a state before the change.
            let is_recomputed = matches!(call.function, OverFunction::Evaluate(_));
            if is_recomputed && !call.reach.is_bounded() && params.partition_by.is_empty() {
                return Err(Error::unsupported(format!(
                    "without PARTITION BY, {shown} would be computed from every row at every \
                     change: add a PARTITION BY, or bound its frame (ROWS BETWEEN 9 PRECEDING \
                     AND CURRENT ROW)"
                )));
            }
            labels.push(format!("{shown} [{}]", cost(&call, is_native)));
            calls.push(call);
        }
        let mut columns: Vec<OverColumn> =
            over.columns.iter().map(|column| OverColumn::Input(*column)).collect();
        columns.extend((0..calls.len()).map(OverColumn::Value));
        let (schema, hidden) = over.schema(window.schema.as_arrow(), &mut columns);
        let (times, maps) = over.times(&calls);
        let traits = Traits {
            schema: Arc::clone(&schema),
            changes: Changes::Retract,
            unique_key: over.unique_key(),
            times,
            declared_watermark: over.traits.declared_watermark,
        };
        let rows = &over.traits.schema;
        let make = || {
            let (calls, columns) = (calls.clone(), columns.clone());
            let schema = Arc::clone(&schema);
            let operator = Over::new(rows, &over.partitioning, calls, columns, schema)?;
            Ok(operator.with_times(maps.clone()))
        };
        let forgets = over.forgets(params);
        let mut label = format!("Over {}: {}{forgets}", ordering(params), labels.join(", "));
        let holds_content = forgets.is_empty();
        let hindrance = undivided(over.partitioning.keys.len(), &window.window_expr);
        let operator = self.divided(over.keys(), hindrance, &mut label, make, |over| over)?;
        let node = self.add(operator, traits, vec![over.input], label);
        let mut lowered = self.lowered(node, window.schema.as_ref().clone(), hidden, holds_content);
        lowered.columns = with_hidden(&window.schema, &lowered)?;
        Ok(lowered)
    }

    /// The event time among the keys of partitions behind whose frontier nothing changes them:
    /// because no change comes, or because only final rows are asked for and it is late.
    fn partition_time(&self, keys: &[usize], traits: &Traits) -> Option<PartitionTime> {
        let append_only = traits.changes == Changes::AppendOnly;
        // Of the bounds of a window the last one is over last.
        traits.times.iter().enumerate().rev().find_map(|(frontier, time)| {
            let is_late = self.final_given && (append_only || time.settled);
            let EventTime { column, unit, closed, .. } = *time;
            let passes = keys.contains(&column) && (closed || is_late);
            passes.then_some(PartitionTime { column, unit, frontier })
        })
    }

    /// Puts what an operator over ordered partitions reads into columns; tells also where each
    /// argument then stands.
    pub(super) fn over_input(
        &mut self,
        input: Lowered,
        arguments: &mut Arguments,
        partition_by: &[Expr],
        order_by: &[SortExpr],
    ) -> Result<(OverInput, Vec<usize>)> {
        let width = match input.window {
            Some(window) => input.columns.fields().len().min(window.end),
            None => input.columns.fields().len(),
        };
        let keys: Vec<usize> = partition_by.iter().map(|expr| arguments.add(expr)).collect();
        let order: Vec<(usize, SortOptions)> = order_by
            .iter()
            .map(|sort| {
                let options = SortOptions { descending: !sort.asc, nulls_first: sort.nulls_first };
                (arguments.add(&sort.expr), options)
            })
            .collect();
        let (mut prepared, columns) = self.prepare(input, &arguments.exprs)?;
        let key_columns: Vec<usize> = keys.iter().map(|key| columns[*key]).collect();
        if self.partition_time(&key_columns, &prepared.traits).is_some() {
            prepared = self.lenient(prepared)?;
        }
        let window = prepared.window;
        let (input, traits) = self.operator_input(prepared)?;
        let partitioning = Partitioning {
            keys: key_columns,
            order: order
                .into_iter()
                .map(|(column, options)| OrderColumn { column: columns[column], options })
                .collect(),
            append_only: traits.changes == Changes::AppendOnly && self.arrives_in_order(&input),
            time: None,
        };
        let partitioning =
            Partitioning { time: self.partition_time(&partitioning.keys, &traits), ..partitioning };
        let visible = columns[..width].to_vec();
        Ok((OverInput { input, traits, partitioning, columns: visible, window }, columns))
    }
}

impl OverInput {
    /// The columns that come, and the key of the partitions.
    pub(super) fn keys(&self) -> Vec<(SchemaRef, Vec<laminar_dataflow::expr::Expr>)> {
        let rows = &self.traits.schema;
        vec![(Arc::clone(rows), column_keys(rows, &self.partitioning.keys))]
    }

    /// The output's columns: the logical ones, then the hidden end of a window.
    pub(super) fn schema(
        &self,
        logical: &Schema,
        columns: &mut Vec<OverColumn>,
    ) -> (SchemaRef, Option<WindowColumns>) {
        let mut fields: Vec<_> = logical.fields().iter().cloned().collect();
        let hidden = self.window.and_then(|window| {
            let start = self.columns.iter().position(|column| *column == window.start)?;
            columns.push(OverColumn::Input(window.end));
            fields.push(Arc::clone(&self.traits.schema.fields()[window.end]));
            Some(WindowColumns { start, end: fields.len() - 1 })
        });
        (Arc::new(Schema::new(fields)), hidden)
    }

    /// What `EXPLAIN` says of partitions that are forgotten; nothing where none are.
    pub(super) fn forgets(&self, params: &WindowFunctionParams) -> String {
        let Partitioning { keys, time, .. } = &self.partitioning;
        let key = time.and_then(|time| keys.iter().position(|key| *key == time.column));
        key.map_or_else(String::new, |key| {
            let key = params.partition_by[key].human_display();
            format!("; a partition is forgotten when the frontier of {key} has passed it")
        })
    }

    /// The input's unique key among the output's columns.
    pub(super) fn unique_key(&self) -> Option<Vec<usize>> {
        let key = self.traits.unique_key.as_ref()?;
        self.visible(key)
    }

    /// The event times of the output.
    ///
    /// A row changes what others of its partition give, so a key of the partition stays an event
    /// time; and where no call looks at rows behind its own, it changes none before itself, so the
    /// column that the partition is first ordered by does, too. Nothing else does: the row may put
    /// an older one out.
    pub(super) fn times(&self, calls: &[OverCall]) -> (Vec<EventTime>, Vec<TimeMap>) {
        let keys = self.partitioning.keys.iter().copied();
        let first = self.partitioning.order.first().filter(|first| !first.options.descending);
        let looks_back = !calls.is_empty() && calls.iter().all(|call| looks_back(&call.reach));
        let ordered = first.filter(|_| looks_back).map(|first| first.column);
        let carried: Vec<usize> = keys.chain(ordered).collect();
        let columns = self.columns.iter().enumerate();
        let times =
            columns.filter(|(_, input)| carried.contains(input)).filter_map(|(column, input)| {
                let position = self.traits.time_of(*input)?;
                let time = EventTime { column, ..self.traits.times[position] };
                Some((time, TimeMap::identity(position)))
            });
        times.unzip()
    }

    /// Where columns of the input stand in the output, if they all do.
    pub(super) fn visible(&self, columns: &[usize]) -> Option<Vec<usize>> {
        let position = |column| self.columns.iter().position(|known| known == column);
        columns.iter().map(position).collect()
    }
}

/// The calls of a plan node; they share their partitions and their order.
pub(super) fn functions(window: &Window) -> Result<Vec<WindowFunction>> {
    let functions = window
        .window_expr
        .iter()
        .map(|expr| match expr.clone().unalias_nested().data {
            Expr::WindowFunction(function) => Ok(*function),
            other => Err(Error::internal(format!("{other} is not a window function"))),
        })
        .collect::<Result<Vec<WindowFunction>>>()?;
    let same = functions.windows(2).all(|pair| {
        pair[0].params.partition_by == pair[1].params.partition_by
            && pair[0].params.order_by == pair[1].params.order_by
    });
    match functions.is_empty() || !same {
        true => Err(Error::internal("window functions of one node differ in their order")),
        false => Ok(functions),
    }
}

/// Every column of a plan, to which an operator adds what else it reads.
pub(super) fn over_arguments(input: &LogicalPlan) -> Arguments {
    Arguments { exprs: input.schema().columns().into_iter().map(Expr::Column).collect() }
}

/// Adds what a call reads besides its partition and order.
fn read_arguments(function: &WindowFunction, arguments: &mut Arguments) {
    let params = &function.params;
    let args = params.args.iter().chain(params.filter.as_deref());
    for expr in args.filter(|expr| !matches!(expr, Expr::Literal(..))) {
        arguments.add(expr);
    }
    // What is aggregated as rows come is read from columns.
    if let (WindowFunctionDefinition::AggregateUDF(udf), [first, ..]) =
        (&function.fun, params.args.as_slice())
        && is_running(params)
        && udf.name() != "count"
    {
        arguments.add(first);
    }
}

/// Finds expressions among the columns of the operator's input.
struct Reader<'a> {
    arguments: &'a Arguments,
    places: &'a [usize],
    /// The input's columns, named by their numbers.
    schema: DFSchema,
    input: &'a Schema,
    order: &'a [OrderColumn],
}

impl<'a> Reader<'a> {
    fn new(arguments: &'a Arguments, places: &'a [usize], over: &'a OverInput) -> Result<Self> {
        let fields = over.traits.schema.fields().iter().enumerate();
        let fields: Vec<_> = fields
            .map(|(index, field)| field.as_ref().clone().with_name(index.to_string()))
            .collect();
        let schema = DFSchema::from_unqualified_fields(fields.into(), Default::default())
            .map_err(|error| Error::internal(sentence(&error)))?;
        let (input, order) = (over.traits.schema.as_ref(), &over.partitioning.order);
        Ok(Self { arguments, places, schema, input, order })
    }

    fn column(&self, expr: &Expr) -> Result<Expr> {
        if matches!(expr, Expr::Literal(..)) {
            return Ok(expr.clone());
        }
        Ok(Expr::Column(Column::new_unqualified(self.place(expr)?.to_string())))
    }

    /// Where an expression stands in the operator's input.
    fn place(&self, expr: &Expr) -> Result<usize> {
        self.known(expr).ok_or_else(|| {
            Error::internal(format!("{expr} is not among the columns of its window"))
        })
    }

    /// Where an expression stands, if it does.
    fn known(&self, expr: &Expr) -> Option<usize> {
        let plain = expr.clone().unalias();
        let known = self.arguments.exprs.iter().position(|known| *known == plain);
        known.map(|known| self.places[known])
    }

    /// A call over the operator's input, one partition at a time.
    fn call(&self, function: &WindowFunction) -> Result<WindowFunction> {
        let params = &function.params;
        let order = params
            .order_by
            .iter()
            .map(|sort| Ok(SortExpr { expr: self.column(&sort.expr)?, ..sort.clone() }));
        Ok(WindowFunction {
            fun: function.fun.clone(),
            params: WindowFunctionParams {
                args: params.args.iter().map(|arg| self.column(arg)).collect::<Result<_>>()?,
                partition_by: Vec::new(),
                order_by: order.collect::<Result<_>>()?,
                filter: match &params.filter {
                    Some(filter) => {
                        refuse_clock(filter)?;
                        Some(Box::new(self.column(filter)?))
                    }
                    None => None,
                },
                ..params.clone()
            },
        })
    }
}

fn call(function: &WindowFunction, reader: &Reader<'_>) -> Result<OverCall> {
    let params = &function.params;
    let name = match &function.fun {
        WindowFunctionDefinition::WindowUDF(udf) => udf.name(),
        WindowFunctionDefinition::AggregateUDF(_) => "",
    };
    let native = match (name, params.args.as_slice()) {
        ("row_number", _) => Some((OverFunction::RowNumber, Reach::Position)),
        ("rank", _) => Some((OverFunction::Rank, Reach::Position)),
        ("dense_rank", _) => {
            Some((OverFunction::DenseRank, Reach::Groups { before: None, after: Some(0) }))
        }
        ("percent_rank", _) => Some((OverFunction::PercentRank, Reach::Partition)),
        ("cume_dist", _) => Some((OverFunction::CumeDist, Reach::Partition)),
        ("ntile", [Expr::Literal(buckets, _)]) => {
            let buckets = whole(buckets).filter(|buckets| *buckets > 0).ok_or_else(|| {
                Error::new(code::PLAN, "ntile(n) needs a positive whole number: write ntile(4)")
            })?;
            Some((OverFunction::Ntile(buckets as u64), Reach::Partition))
        }
        _ => None,
    };
    if let Some((function, reach)) = native {
        return Ok(OverCall { function, reach });
    }
    let reach = match name {
        "lag" => neighbour(params, false),
        "lead" => neighbour(params, true),
        "last_value" => last(params, frame(&params.window_frame, reader.order)),
        _ => frame(&params.window_frame, reader.order),
    };
    let expr = create_window_expr(
        &Expr::WindowFunction(Box::new(reader.call(function)?)),
        &reader.schema,
        &ExecutionProps::new(),
        &PhysicalPlanningContext::default(),
    )
    .map_err(|error| Error::new(code::PLAN, sentence(&error)))?;
    let looks_at_first = matches!(
        reach,
        Reach::Rows { before: None, after: Some(0) }
            | Reach::Groups { before: None, after: Some(0) }
    );
    if looks_at_first && let Some(running) = running(function, reader)? {
        let field = expr.field().map_err(|error| Error::internal(sentence(&error)))?;
        let data_type = running.data_type(reader.input);
        if data_type.as_ref() == Some(field.data_type()) {
            return Ok(OverCall { function: OverFunction::Running(running), reach });
        }
    }
    Ok(OverCall { function: OverFunction::Evaluate(expr), reach })
}

/// The call as an aggregate that goes on from a state, if it is one.
fn running(function: &WindowFunction, reader: &Reader<'_>) -> Result<Option<RunningAggregate>> {
    let params = &function.params;
    if !is_running(params) {
        return Ok(None);
    }
    let mapped = reader.call(function)?;
    let Some((of, args)) = aggregates::running_call(&mapped, &reader.schema) else {
        return Ok(None);
    };
    let args = params.args[..args].iter().map(|arg| reader.known(arg));
    let Some(args) = args.collect() else { return Ok(None) };
    let mut call = AggregateCall::new(of, args);
    call.filter = params.filter.as_deref().map(|filter| reader.place(filter)).transpose()?;
    call.skip_nulls = params.null_treatment == Some(NullTreatment::IgnoreNulls);
    let by_peers = params.window_frame.units != WindowFrameUnits::Rows;
    Ok(Some(RunningAggregate { call, by_peers }))
}

/// Whether a call looks at nothing behind the row and its peers.
fn looks_back(reach: &Reach) -> bool {
    match reach {
        Reach::Position => true,
        Reach::Rows { after, .. } | Reach::Groups { after, .. } => *after == Some(0),
        Reach::Values { after, descending, .. } => {
            *after == Some(ValueDistance::Peers) && !descending
        }
        Reach::Partition => false,
    }
}

/// Whether a call is of all rows up to the current one.
fn is_running(params: &WindowFunctionParams) -> bool {
    let frame = &params.window_frame;
    // Without an order all rows of a partition are peers.
    let is_ordered = frame.units == WindowFrameUnits::Rows || !params.order_by.is_empty();
    let is_whole =
        frame.start_bound.is_unbounded() && frame.end_bound == WindowFrameBound::CurrentRow;
    is_ordered && is_whole && !params.distinct
}

/// How far `lag` and `lead` look.
fn neighbour(params: &WindowFunctionParams, is_lead: bool) -> Reach {
    let offset = match params.args.get(1) {
        None => Some(1),
        Some(Expr::Literal(value, _)) => whole(value),
        Some(_) => None,
    };
    let Some(offset) = offset.filter(|_| params.null_treatment != Some(NullTreatment::IgnoreNulls))
    else {
        return Reach::Partition;
    };
    let distance = usize::try_from(offset.unsigned_abs()).ok();
    match is_lead == (offset >= 0) {
        true => Reach::Rows { before: Some(0), after: distance },
        false => Reach::Rows { before: distance, after: Some(0) },
    }
}

/// How far `last_value` looks in a frame that ends with the current row or its peers: to these alone.
fn last(params: &WindowFunctionParams, frame: Reach) -> Reach {
    let ends_here = params.window_frame.end_bound == WindowFrameBound::CurrentRow
        && params.null_treatment != Some(NullTreatment::IgnoreNulls);
    match frame {
        Reach::Rows { after: Some(0), .. } if ends_here => {
            Reach::Rows { before: Some(0), after: Some(0) }
        }
        Reach::Groups { after: Some(0), .. } if ends_here => {
            Reach::Groups { before: Some(0), after: Some(0) }
        }
        frame => frame,
    }
}

/// How far a frame looks.
fn frame(frame: &WindowFrame, order: &[OrderColumn]) -> Reach {
    let before = distance(&frame.start_bound, true);
    let after = distance(&frame.end_bound, false);
    let counted = |distance: &Distance| match distance {
        Distance::All => None,
        Distance::None => Some(0),
        Distance::By(value) => whole(value).and_then(|count| usize::try_from(count).ok()),
    };
    match frame.units {
        WindowFrameUnits::Rows => Reach::Rows { before: counted(&before), after: counted(&after) },
        WindowFrameUnits::Groups => {
            Reach::Groups { before: counted(&before), after: counted(&after) }
        }
        WindowFrameUnits::Range => {
            let plain = |distance: &Distance| !matches!(distance, Distance::By(_));
            if plain(&before) && plain(&after) {
                // Values decide nothing: the row's peers do.
                return Reach::Groups { before: counted(&before), after: counted(&after) };
            }
            let [column] = order else { return Reach::Partition };
            match (before.value(), after.value()) {
                (Some(before), Some(after)) => {
                    Reach::Values { before, after, descending: column.options.descending }
                }
                _ => Reach::Partition,
            }
        }
    }
}

/// The distance of a frame's bound from the row, on its own side; none if it is on the other.
enum Distance {
    All,
    None,
    By(ScalarValue),
}

fn distance(bound: &WindowFrameBound, is_start: bool) -> Distance {
    match bound {
        WindowFrameBound::Preceding(value) if value.is_null() && is_start => Distance::All,
        WindowFrameBound::Following(value) if value.is_null() && !is_start => Distance::All,
        WindowFrameBound::Preceding(value) if is_start => Distance::By(value.clone()),
        WindowFrameBound::Following(value) if !is_start => Distance::By(value.clone()),
        _ => Distance::None,
    }
}

impl Distance {
    /// The distance for [`Reach::Values`]; `None` where adding it cannot be undone by subtracting
    /// it, as with months.
    fn value(&self) -> Option<Option<ValueDistance>> {
        match self {
            Self::All => Some(None),
            Self::None => Some(Some(ValueDistance::Peers)),
            Self::By(ScalarValue::IntervalYearMonth(_)) => None,
            Self::By(ScalarValue::IntervalMonthDayNano(Some(span))) if span.months != 0 => None,
            Self::By(value) => Some(Some(ValueDistance::By(value.clone()))),
        }
    }
}

/// What a change costs, for `EXPLAIN`.
fn cost(call: &OverCall, is_native: bool) -> &'static str {
    match (&call.reach, is_native) {
        _ if matches!(call.function, OverFunction::Running(_)) => "incremental from the change on",
        (Reach::Partition, _) => "recomputed per partition",
        (_, true) => "incremental",
        (reach, _) if reach.is_bounded() => "incremental within its frame",
        _ => "recomputed per partition, as far as its frame goes",
    }
}

/// How rows are partitioned and ordered, for `EXPLAIN`.
pub(super) fn ordering(params: &WindowFunctionParams) -> String {
    let partition: Vec<String> =
        params.partition_by.iter().map(|expr| expr.human_display().to_string()).collect();
    format!("by ({}) {}", partition.join(", "), order_text(&params.order_by))
}

/// An order, for `EXPLAIN`.
pub(super) fn order_text(order: &[SortExpr]) -> String {
    let order: Vec<String> = order
        .iter()
        .map(|sort| {
            let direction = if sort.asc { "" } else { " DESC" };
            format!("{}{direction}", sort.expr.human_display())
        })
        .collect();
    match order.is_empty() {
        true => "in order of arrival or of all columns".to_string(),
        false => format!("ordered by {}", order.join(", ")),
    }
}
