//! Joins in time on their way through DataFusion's binder, which does not know them.
//!
//! [`prepare_joins`] turns each into an ordinary join with one more condition, a call of a marker
//! that no operator evaluates:
//!
//! | written | bound as |
//! |---|---|
//! | `ASOF [LEFT] JOIN r MATCH_CONDITION (l.ts >= r.ts) ON k` | `[LEFT] JOIN r ON k AND __asof('>=', l.ts, r.ts)` |
//! | `JOIN r FOR SYSTEM_TIME AS OF l.ts ON k` | `JOIN r ON k AND __version_at(l.ts, r.ts)` |
//! | `JOIN r FOR SYSTEM_TIME AS OF proctime() ON k` | `JOIN r ON k AND __version_now()` |
//!
//! `USING` and `NATURAL` have no place for one more condition, so there the marker stands in the `WHERE`, as
//! `__of_join('r', marker)`, until [`resolve_joins`] puts it into the bound join. The event time of
//! `r` is put in there too, when the relation is known. Lowering finds the marker and makes the
//! operator; for an ad-hoc query [`crate::batch_joins`] spells it out.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{
    Column, Result as DataFusionResult, TableReference, exec_err, internal_err, plan_err,
};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    ColumnarValue, Expr as BoundExpr, Filter, Join as LogicalJoin, LogicalPlan, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, Join, JoinConstraint, JoinOperator, ObjectName, Query, Select,
    Spanned, TableFactor, TableVersion, TableWithJoins, Value, VisitMut, VisitorMut,
};
use laminar_dataflow::operators::AsofMatch;
use laminar_types::{Error, Position, Result, TimeUnit, code};

use crate::catalog::Catalog;
use crate::parser::joins::asof_join;
use crate::planner::sentence;

const ASOF: &str = "__asof";
const VERSION_AT: &str = "__version_at";
const VERSION_NOW: &str = "__version_now";

/// The marker of the join whose right side has a name.
const OF_JOIN: &str = "__of_join";

/// A marker of a join whose keys are the columns that both sides have.
const NATURAL: &str = "__natural";

/// The function that stands for the moment of processing.
const PROCTIME: &str = "proctime";

/// What the marker of a join says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TimeJoin {
    /// An ASOF join with this condition on its two times.
    Asof(AsofMatch, BoundExpr, BoundExpr),
    /// A join with the version that is valid at a time of the left row: that time, and the one
    /// from which on a version is valid.
    VersionAt(BoundExpr, BoundExpr),
    /// A join with the version of now.
    VersionNow,
}

/// What a condition says of a join, if it is a marker.
pub(crate) fn time_join(condition: &BoundExpr) -> Option<TimeJoin> {
    let BoundExpr::ScalarFunction(call) = condition else { return None };
    match (call.func.name(), call.args.as_slice()) {
        (ASOF, [BoundExpr::Literal(operator, _), left, right]) => {
            let matching = match operator.try_as_str().flatten()? {
                ">=" => AsofMatch::Backward { inclusive: true },
                ">" => AsofMatch::Backward { inclusive: false },
                "<=" => AsofMatch::Forward { inclusive: true },
                "<" => AsofMatch::Forward { inclusive: false },
                _ => AsofMatch::Nearest,
            };
            Some(TimeJoin::Asof(matching, left.clone(), right.clone()))
        }
        (VERSION_AT, [at, from]) => Some(TimeJoin::VersionAt(at.clone(), from.clone())),
        (VERSION_NOW, _) => Some(TimeJoin::VersionNow),
        _ => None,
    }
}

/// Rewrites the joins in time of a query, its subqueries included.
///
/// # Errors
/// `UNSUPPORTED` for `FOR SYSTEM_TIME` elsewhere than at the right
/// side of a join; `PLAN` for a match condition that compares no times.
pub fn prepare_joins(query: &mut Query) -> Result<()> {
    match query.visit(&mut Rewrite) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// Puts the markers that stand in a `WHERE` into their joins, and the event time of the right side
/// into those of temporal joins.
///
/// # Errors
/// `PLAN` when the right side has no event time, or several.
pub(crate) fn resolve_joins(plan: LogicalPlan, catalog: &dyn Catalog) -> Result<LogicalPlan> {
    let failed = |error| Error::new(code::PLAN, sentence(&error));
    let plan = plan.transform_up_with_subqueries(place_markers).map_err(failed)?.data;
    resolve_versions(plan, catalog)
}

/// A filter without the markers in it, which its joins have now.
fn place_markers(node: LogicalPlan) -> DataFusionResult<Transformed<LogicalPlan>> {
    let LogicalPlan::Filter(filter) = &node else { return Ok(Transformed::no(node)) };
    let (mut rest, mut markers) = (Vec::new(), Vec::new());
    for condition in split_conjunction_owned(filter.predicate.clone()) {
        match condition {
            BoundExpr::ScalarFunction(call) if call.func.name() == OF_JOIN => markers.push(call),
            condition => rest.push(condition),
        }
    }
    if markers.is_empty() {
        return Ok(Transformed::no(node));
    }
    let mut input = filter.input.as_ref().clone();
    for marker in markers {
        let [BoundExpr::Literal(name, _), marker] = marker.args.as_slice() else {
            return internal_err!("a join in time is named");
        };
        let name = name.try_as_str().flatten().unwrap_or_default();
        input = match with_marker(&input, name, marker)? {
            Some(input) => input,
            None => return internal_err!("the join with {name} is not there"),
        };
    }
    let placed = match conjunction(rest) {
        Some(predicate) => LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(input))?),
        None => input,
    };
    Ok(Transformed::yes(placed))
}

/// The same joins with one more condition on the one whose right side has a name, if it is there.
fn with_marker(
    plan: &LogicalPlan,
    name: &str,
    marker: &BoundExpr,
) -> DataFusionResult<Option<LogicalPlan>> {
    let LogicalPlan::Join(join) = plan else { return Ok(None) };
    let mut join = join.clone();
    let is_of = |(qualifier, _): (Option<&TableReference>, _)| {
        qualifier.is_some_and(|table| table.table() == name)
    };
    let is_joined = !matches!(join.right.as_ref(), LogicalPlan::Join(_))
        && join.right.schema().iter().any(is_of);
    if is_joined {
        let marker = without_natural(&join, marker)?;
        let both = join.filter.take().into_iter().chain([marker]);
        join.filter = conjunction(both);
    } else if let Some(left) = with_marker(&join.left, name, marker)? {
        join.left = Arc::new(left);
    } else if let Some(right) = with_marker(&join.right, name, marker)? {
        join.right = Arc::new(right);
    } else {
        return Ok(None);
    }
    Ok(Some(LogicalPlan::Join(join)))
}

/// The marker of a join, which the columns that both of its sides have suit if it is by these.
fn without_natural(join: &LogicalJoin, marker: &BoundExpr) -> DataFusionResult<BoundExpr> {
    let marker = match marker {
        BoundExpr::ScalarFunction(call) if call.func.name() == NATURAL => &call.args[0],
        marker => return Ok(marker.clone()),
    };
    if join.on.is_empty() {
        return plan_err!(
            "a NATURAL join is by the columns that both sides have, and these have none in common: \
             name the keys by ON l.k = r.k"
        );
    }
    let times = marker.column_refs();
    let is_time = |key: &BoundExpr| key.try_as_col().is_some_and(|key| times.contains(key));
    let is_equated = |(left, right): &&(BoundExpr, BoundExpr)| is_time(left) || is_time(right);
    if let Some((time, _)) = join.on.iter().find(is_equated) {
        let others = join.on.iter().filter(|pair| !is_equated(pair));
        let others: Vec<&str> =
            others.filter_map(|(key, _)| Some(key.try_as_col()?.name.as_str())).collect();
        let time = time.try_as_col().map_or("", |time| time.name.as_str());
        let instead = match others.as_slice() {
            [] => "leave NATURAL out".to_string(),
            others => format!("write USING ({}) in its place", others.join(", ")),
        };
        return plan_err!(
            "a NATURAL join is by every column that both sides have, and would equate {time}, whose \
             times this join compares: {instead}"
        );
    }
    Ok(marker.clone())
}

fn resolve_versions(plan: LogicalPlan, catalog: &dyn Catalog) -> Result<LogicalPlan> {
    let resolved = plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::Join(join) = &node else { return Ok(Transformed::no(node)) };
        let Some(filter) = &join.filter else { return Ok(Transformed::no(node)) };
        let filter = filter.clone().transform_up(|expr| match expr {
            BoundExpr::ScalarFunction(mut call)
                if call.func.name() == VERSION_AT && call.args.len() == 1 =>
            {
                call.args.push(version_time(&join.right, catalog)?);
                Ok(Transformed::yes(BoundExpr::ScalarFunction(call)))
            }
            expr => Ok(Transformed::no(expr)),
        })?;
        if !filter.transformed {
            return Ok(Transformed::no(node));
        }
        let join = LogicalJoin { filter: Some(filter.data), ..join.clone() };
        Ok(Transformed::yes(LogicalPlan::Join(join)))
    });
    let resolved = resolved.map_err(|error| Error::new(code::PLAN, sentence(&error)))?;
    Ok(resolved.data)
}

/// The column that tells from when on a row of a relation is valid.
fn version_time(right: &LogicalPlan, catalog: &dyn Catalog) -> DataFusionResult<BoundExpr> {
    let mut scan = right;
    while let LogicalPlan::SubqueryAlias(alias) = scan {
        scan = &alias.input;
    }
    let times = match scan {
        LogicalPlan::TableScan(scan) => catalog.relation(scan.table_name.table()),
        _ => None,
    };
    match times.map(|traits| traits.times).unwrap_or_default().as_slice() {
        [time] => Ok(BoundExpr::Column(Column::from(right.schema().qualified_field(time.column)))),
        [] => plan_err!(
            "FOR SYSTEM_TIME AS OF needs an event time in its right side, which tells from when on \
             a version is valid: declare WATERMARK FOR its column"
        ),
        _ => plan_err!(
            "the right side of FOR SYSTEM_TIME AS OF has several event-time columns: declare \
             WATERMARK FOR the one from which on a version is valid"
        ),
    }
}

/// The markers, to be registered in a session.
pub(crate) fn marker_functions() -> impl Iterator<Item = Arc<ScalarUDF>> {
    [ASOF, VERSION_AT, VERSION_NOW, OF_JOIN, NATURAL].into_iter().map(|name| {
        let signature = Signature::user_defined(Volatility::Immutable);
        Arc::new(ScalarUDF::from(Marker { name, signature }))
    })
}

struct Rewrite;

impl VisitorMut for Rewrite {
    type Break = Error;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        let mut apart = Vec::new();
        for table in &mut select.from {
            if let Err(error) = rewrite_all(table, &mut apart) {
                return ControlFlow::Break(error);
            }
        }
        let conditions = select.selection.take().map(|condition| Expr::Nested(Box::new(condition)));
        select.selection = conditions.into_iter().chain(apart).reduce(|left, right| {
            Expr::BinaryOp { left: Box::new(left), op: BinaryOperator::And, right: Box::new(right) }
        });
        ControlFlow::Continue(())
    }
}

/// Rewrites joins and those nested in them. `apart` gets the markers that find no place in them.
fn rewrite_all(tables: &mut TableWithJoins, apart: &mut Vec<Expr>) -> Result<()> {
    refuse_version(&tables.relation)?;
    rewrite_nested(&mut tables.relation, apart)?;
    for join in &mut tables.joins {
        rewrite(join, apart)?;
        rewrite_nested(&mut join.relation, apart)?;
    }
    Ok(())
}

fn rewrite_nested(relation: &mut TableFactor, apart: &mut Vec<Expr>) -> Result<()> {
    let TableFactor::NestedJoin { table_with_joins, alias } = relation else { return Ok(()) };
    let before = apart.len();
    rewrite_all(table_with_joins, apart)?;
    match alias {
        Some(alias) if apart.len() > before => Err(Error::unsupported(format!(
            "a join in time takes its keys in ON l.k = r.k, not by USING, inside of ({alias})"
        ))),
        _ => Ok(()),
    }
}

fn rewrite(join: &mut Join, apart: &mut Vec<Expr>) -> Result<()> {
    if let Some(asof) = asof_join(&join.join_operator) {
        let (left, condition) = (asof.left, marker_of(asof.condition)?);
        let constraint = with(asof.constraint.clone(), condition, &join.relation, apart)?;
        join.join_operator = match left {
            true => JoinOperator::Left(constraint),
            false => JoinOperator::Inner(constraint),
        };
        return refuse_version(&join.relation);
    }
    let Some(at) = take_version(&mut join.relation) else { return Ok(()) };
    let marker = match is_call(&at, PROCTIME) {
        true => call(VERSION_NOW, Vec::new()),
        false => call(VERSION_AT, vec![at.clone()]),
    };
    let (JoinOperator::Inner(constraint)
    | JoinOperator::Join(constraint)
    | JoinOperator::Left(constraint)
    | JoinOperator::LeftOuter(constraint)) = &mut join.join_operator
    else {
        return Err(placed(
            Error::unsupported(
                "FOR SYSTEM_TIME AS OF stands in an inner or a left join: write JOIN or LEFT JOIN",
            ),
            &at,
        ));
    };
    let old = std::mem::replace(constraint, JoinConstraint::None);
    *constraint = with(old, marker, &join.relation, apart)?;
    Ok(())
}

/// The marker of an ASOF join's condition.
fn marker_of(condition: &Expr) -> Result<Expr> {
    let literal = |operator: &str| Expr::Value(Value::SingleQuotedString(operator.into()).into());
    match condition {
        Expr::Nested(inner) => marker_of(inner),
        Expr::BinaryOp { left, op, right } => {
            use BinaryOperator::{Gt, GtEq, Lt, LtEq};
            if let Gt | GtEq | Lt | LtEq = op {
                let operator = literal(&op.to_string());
                return Ok(call(ASOF, vec![operator, (**left).clone(), (**right).clone()]));
            }
            Err(no_condition(condition))
        }
        Expr::Function(Function { args: FunctionArguments::List(list), .. })
            if is_call(condition, "nearest") =>
        {
            let times: Vec<Expr> = list.args.iter().filter_map(argument).collect();
            match times.len() {
                2 => Ok(call(ASOF, std::iter::once(literal("nearest")).chain(times).collect())),
                _ => Err(no_condition(condition)),
            }
        }
        _ => Err(no_condition(condition)),
    }
}

fn no_condition(condition: &Expr) -> Error {
    let message = format!(
        "the condition of an ASOF JOIN compares two times by >=, >, <=, < or NEAREST(l.ts, r.ts), \
         and this is {condition}"
    );
    placed(Error::new(code::PLAN, message), condition)
}

fn argument(argument: &FunctionArg) -> Option<Expr> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    }
}

/// A constraint with one more condition, which goes to `apart` where the constraint has no place
/// for it.
fn with(
    constraint: JoinConstraint,
    condition: Expr,
    right: &TableFactor,
    apart: &mut Vec<Expr>,
) -> Result<JoinConstraint> {
    match constraint {
        JoinConstraint::None => Ok(JoinConstraint::On(condition)),
        JoinConstraint::On(on) => Ok(JoinConstraint::On(Expr::BinaryOp {
            left: Box::new(Expr::Nested(Box::new(on))),
            op: BinaryOperator::And,
            right: Box::new(condition),
        })),
        JoinConstraint::Using(_) => {
            let name = Expr::Value(Value::SingleQuotedString(name_of(right)?).into());
            apart.push(call(OF_JOIN, vec![name, condition]));
            Ok(constraint)
        }
        JoinConstraint::Natural => {
            let name = Expr::Value(Value::SingleQuotedString(name_of(right)?).into());
            apart.push(call(OF_JOIN, vec![name, call(NATURAL, vec![condition])]));
            Ok(constraint)
        }
    }
}

/// The name by which a query calls a relation.
fn name_of(relation: &TableFactor) -> Result<String> {
    let ident = match relation {
        TableFactor::Table { alias: Some(alias), .. }
        | TableFactor::Derived { alias: Some(alias), .. }
        | TableFactor::TableFunction { alias: Some(alias), .. } => Some(&alias.name),
        TableFactor::Table { name, .. } => name.0.last().and_then(|part| part.as_ident()),
        _ => None,
    };
    let Some(ident) = ident else {
        return Err(Error::unsupported(
            "the right side of a join in time with USING needs a name: write AS and one behind it",
        ));
    };
    Ok(match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    })
}

/// The time in `FOR SYSTEM_TIME AS OF`, taken off a relation.
fn take_version(relation: &mut TableFactor) -> Option<Expr> {
    match relation {
        TableFactor::Table { version, .. } => match version.take() {
            Some(TableVersion::ForSystemTimeAsOf(at)) => Some(at),
            other => {
                *version = other;
                None
            }
        },
        _ => None,
    }
}

fn refuse_version(relation: &TableFactor) -> Result<()> {
    match relation {
        TableFactor::Table { version: Some(TableVersion::ForSystemTimeAsOf(at)), .. } => {
            Err(placed(
                Error::unsupported(
                    "FOR SYSTEM_TIME AS OF stands at the right side of an ordinary JOIN",
                ),
                at,
            ))
        }
        _ => Ok(()),
    }
}

fn placed(error: Error, at: &Expr) -> Error {
    let start = at.span().start;
    match start.line > 0 {
        true => error.at(Position { line: start.line, column: start.column }),
        false => error,
    }
}

fn is_call(expr: &Expr, name: &str) -> bool {
    matches!(expr, Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case(name))
}

fn call(name: &str, args: Vec<Expr>) -> Expr {
    let args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)));
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args.collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// A condition that stands for what only an operator can decide.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Marker {
    name: &'static str,
    signature: Signature,
}

impl ScalarUDFImpl for Marker {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> DataFusionResult<DataType> {
        Ok(DataType::Boolean)
    }

    fn coerce_types(&self, arguments: &[DataType]) -> DataFusionResult<Vec<DataType>> {
        let times = match self.name {
            ASOF => &arguments[1..],
            OF_JOIN | NATURAL => &[],
            _ => arguments,
        };
        for time in times {
            if TimeUnit::of(time).is_none() {
                return plan_err!(
                    "a join in time compares TIMESTAMPs or BIGINTs (milliseconds), not {time}"
                );
            }
        }
        Ok(arguments.to_vec())
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        exec_err!("a join in time stands in a continuous query: create a stream for it")
    }
}
