//! [`Planner`]: from a parsed query to a [`StreamPlan`].
//!
//! DataFusion binds names, coerces types and simplifies; [`crate::lower`] turns its logical plan
//! into operators. Only rewrites that make no more rows fail are run here: a condition moves only if
//! it cannot fail, to become the key of relations that are joined without one ([`CrossJoins`]) or to
//! filter rows before they are kept ([`PushDown`]).

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError, RwLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{Column, TableReference};
use datafusion::config::ConfigOptions;
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::execution::{FunctionRegistry, SessionStateBuilder};
use datafusion::logical_expr::builder::LogicalTableSource;
use datafusion::logical_expr::planner::{
    ContextProvider, ExprPlanner, RelationPlanner, TypePlanner,
};
use datafusion::logical_expr::{
    AggregateUDF, Expr, HigherOrderUDF, LogicalPlan, LogicalPlanBuilder, ScalarUDF, TableSource,
    WindowUDF,
};
use datafusion::optimizer::decorrelate_lateral_join::DecorrelateLateralJoin;
use datafusion::optimizer::decorrelate_predicate_subquery::DecorrelatePredicateSubquery;
use datafusion::optimizer::optimize_projections::OptimizeProjections;
use datafusion::optimizer::replace_distinct_aggregate::ReplaceDistinctWithAggregate;
use datafusion::optimizer::scalar_subquery_to_join::ScalarSubqueryToJoin;
use datafusion::optimizer::simplify_expressions::SimplifyExpressions;
use datafusion::optimizer::{Optimizer, OptimizerContext, OptimizerRule};
use datafusion::prelude::SessionConfig;
use datafusion::sql::planner::{ParserOptions, SqlToRel};
use datafusion::sql::sqlparser::ast;
use laminar_types::{Error, Position, Result, code};

use crate::aging;
use crate::catalog::Catalog;
use crate::checked_sum::checked_sum;
use crate::checked_trunc::checked_trunc;
use crate::cross_joins::CrossJoins;
use crate::dependent::Dependent;
use crate::distinct_on;
use crate::event_order::order_by_event_time;
use crate::float_extremes::float_extremes;
use crate::functions::{first_and_last, window_functions};
use crate::host_functions::{AggregateFunction, ScalarFunction};
use crate::json::{JsonOperators, json_functions};
use crate::lateral_unnest;
use crate::lower;
use crate::membership;
use crate::message::Told;
use crate::milliseconds::Milliseconds;
use crate::parser::statement::{ColumnDef, Name, StreamQuery};
use crate::parser::windows::Grouped;
use crate::place::placed;
use crate::plan::StreamPlan;
use crate::probe_times::probe_times;
use crate::push_down::PushDown;
use crate::sliding_sums::sliding_sums;
use crate::subquery_columns;
use crate::time_joins::{marker_functions, prepare_joins, resolve_joins};
use crate::type_names::TypeNames;
use crate::using_columns::spell_merged;
use crate::wide_sums;
use crate::window_query::prepare_windows;
use crate::window_tables::expand_windows;

/// Plans queries against a catalogue. Holds the functions and settings, no state of queries.
pub struct Planner {
    /// Replaced as a whole when the host registers a function.
    state: RwLock<Arc<SessionState>>,
}

impl Default for Planner {
    fn default() -> Self {
        Self::new()
    }
}

impl Planner {
    /// A planner with the functions of DataFusion and of the dialect.
    pub fn new() -> Self {
        let mut config = SessionConfig::new()
            .with_target_partitions(1)
            .with_information_schema(false)
            // `TIMESTAMP WITH TIME ZONE` is in UTC.
            .set_str("datafusion.execution.time_zone", "UTC")
            .set_bool("datafusion.execution.parquet.schema_force_view_types", false)
            .set_bool("datafusion.sql_parser.map_string_types_to_utf8view", false)
            .set_bool("datafusion.sql_parser.collect_spans", true);
        config.options_mut().catalog.create_default_catalog_and_schema = true;
        let mut builder = SessionStateBuilder::new()
            .with_config(config)
            .with_default_features()
            .with_type_planner(Arc::new(TypeNames));
        #[cfg(feature = "fault-injection")]
        builder
            .scalar_functions()
            .get_or_insert_default()
            .push(Arc::new(crate::faults::panic_function()));
        let aggregates = builder.aggregate_functions().get_or_insert_default();
        aggregates.extend(first_and_last());
        aggregates.push(checked_sum());
        aggregates.extend(float_extremes());
        aggregates.extend(sliding_sums());
        let functions = builder.scalar_functions().get_or_insert_default();
        functions.extend(window_functions().into_iter().chain(marker_functions()));
        functions.push(probe_times());
        functions.push(checked_trunc());
        functions.extend(json_functions());
        let planners = builder.expr_planners().get_or_insert_default();
        planners.splice(0..0, [Arc::new(Milliseconds) as _, Arc::new(JsonOperators) as _]);
        Self { state: RwLock::new(Arc::new(builder.build())) }
    }

    /// The session that ad-hoc queries run in: the same functions and settings.
    pub fn session(&self) -> Arc<SessionState> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds a scalar function of the host.
    ///
    /// # Errors
    /// `EXISTS` when a function has its name, `QUERY_ARGUMENT` when it has none.
    pub fn register_scalar(&self, mut function: ScalarFunction) -> Result<()> {
        function.name = function.name.to_lowercase();
        self.register(&function.name.clone(), |state| {
            state.register_udf(Arc::new(function.into_udf())).map(|_| ())
        })
    }

    /// Adds an aggregate function of the host.
    ///
    /// # Errors
    /// As [`register_scalar`](Self::register_scalar).
    pub fn register_aggregate(&self, mut function: AggregateFunction) -> Result<()> {
        function.name = function.name.to_lowercase();
        if function.arguments.is_empty() {
            return Err(Error::new(
                code::QUERY_ARGUMENT,
                format!("the aggregate function `{}` needs at least one argument", function.name),
            ));
        }
        self.register(&function.name.clone(), |state| {
            state.register_udaf(Arc::new(function.into_udaf())).map(|_| ())
        })
    }

    fn register(
        &self,
        name: &str,
        add: impl FnOnce(&mut SessionState) -> datafusion::error::Result<()>,
    ) -> Result<()> {
        let is_word = name.chars().all(|c| c.is_alphanumeric() || c == '_');
        if !is_word || name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(Error::new(
                code::QUERY_ARGUMENT,
                format!("`{name}` is no name for a function: use letters, digits and _"),
            ));
        }
        let mut current = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let is_taken = current.scalar_functions().contains_key(name)
            || current.aggregate_functions().contains_key(name)
            || current.window_functions().contains_key(name);
        if is_taken {
            let message = format!("a function is called {name}(...) already: take another name");
            return Err(Error::new(code::EXISTS, message));
        }
        let mut next = SessionState::clone(&current);
        add(&mut next).map_err(|error| Error::new(code::PLAN, sentence(&error)))?;
        *current = Arc::new(next);
        Ok(())
    }

    /// The Arrow schema of declared columns.
    pub fn schema(&self, columns: &[ColumnDef]) -> Result<SchemaRef> {
        let no_relations = NoRelations;
        let state = self.session();
        let provider = Provider::new(&state, &no_relations);
        let binder = SqlToRel::new_with_options(&provider, self.parser_options());
        let mut fields = Vec::with_capacity(columns.len());
        for column in columns {
            let definition = ast::ColumnDef {
                name: ast::Ident::new(column.name.value.clone()),
                data_type: column.data_type.clone(),
                options: Vec::new(),
            };
            let schema = binder.build_schema(vec![definition]).map_err(|error| {
                Error::new(
                    code::INVALID_SCHEMA,
                    format!(
                        "column `{}` cannot have the type {}: {}",
                        column.name.value,
                        column.data_type,
                        sentence(&error)
                    ),
                )
                .at(column.name.position)
            })?;
            let data_type = schema.field(0).data_type().clone();
            if fields.iter().any(|field: &Field| field.name() == &column.name.value) {
                return Err(Error::new(
                    code::INVALID_SCHEMA,
                    format!("column `{}` is declared twice", column.name.value),
                )
                .at(column.name.position));
            }
            fields.push(Field::new(&column.name.value, data_type, !column.not_null));
        }
        Ok(Arc::new(Schema::new(fields)))
    }

    /// Plans a continuous query; `columns` are new names for its columns, if there are any. A
    /// `state_ttl` that is a default counts only where it can and does bound something.
    ///
    /// # Errors
    /// What is wrong with the query or cannot be kept up to date, at its place where that is known.
    pub fn plan_stream(
        &self,
        catalog: &dyn Catalog,
        query: &StreamQuery,
        columns: &[Name],
    ) -> Result<StreamPlan> {
        if query.state_ttl.is_some_and(|ttl| ttl.position.is_none()) {
            let bounded = self.plan(catalog, query, columns).ok().filter(|plan| plan.forgets);
            if let Some(plan) = bounded {
                return Ok(plan);
            }
            let without = StreamQuery { state_ttl: None, ..query.clone() };
            return self.plan_stream(catalog, &without, columns);
        }
        self.plan(catalog, query, columns).map_err(|error| placed(error, &query.query))
    }

    fn plan(
        &self,
        catalog: &dyn Catalog,
        query: &StreamQuery,
        columns: &[Name],
    ) -> Result<StreamPlan> {
        // Late rows are handed on with all of their columns.
        let prune = match (&query.late_data_to, query.state_ttl) {
            (Some(_), _) => Prune::Nothing,
            (None, Some(_)) => Prune::ButTimes,
            (None, None) => Prune::All,
        };
        let logical = renamed(self.bind(catalog, &query.query, prune)?, columns)?;
        lower::lower(&logical, catalog, query)
    }

    /// The optimised logical plan of a query over the catalogue's relations, with the columns that
    /// nothing reads or without.
    fn bind(&self, catalog: &dyn Catalog, query: &ast::Query, prune: Prune) -> Result<LogicalPlan> {
        let mut query = query.clone();
        let columns_of = |name: &str| Some(columns(&catalog.relation(name)?.schema));
        prepare_windows(&mut query, Grouped::ByOperator, &columns_of)?;
        lateral_unnest::spell(&mut query);
        lateral_unnest::spell_series(&mut query);
        prepare_joins(&mut query)?;
        spell_merged(&mut query, &columns_of);
        let state = self.session();
        let provider = Provider::new(&state, catalog);
        let binder = SqlToRel::new_with_options(&provider, self.parser_options());
        let plan = binder
            .sql_statement_to_plan(ast::Statement::Query(Box::new(query.clone())))
            .map_err(|error| self.plan_error(catalog, &query, &error))?;
        let plan = subquery_columns::as_columns(resolve_joins(plan, catalog)?)
            .map_err(|error| self.plan_error(catalog, &query, &error))?;
        let options = state.config_options();
        let plan = state
            .analyzer()
            .execute_and_check(plan, options, |_, _| {})
            .map_err(|error| self.plan_error(catalog, &query, &error))?;
        let plan = expand_windows(plan, Grouped::ByOperator)
            .and_then(|plan| order_by_event_time(plan, catalog))
            .and_then(distinct_on::as_rank)
            .and_then(lateral_unnest::as_steps)
            .and_then(wide_sums::widen)
            .and_then(membership::as_values)
            .map_err(|error| self.plan_error(catalog, &query, &error))?;
        lower::check_subqueries(&plan)?;
        // Subqueries become joins; a scalar one without a row of the query around it as well.
        let mut options = ConfigOptions::clone(options);
        options.optimizer.enable_physical_uncorrelated_scalar_subquery = false;
        // Without a start time `now()` is not folded into a constant.
        let context = OptimizerContext::new_with_config_options(Arc::new(options))
            .without_query_execution_start_time();
        let mut rules: Vec<Arc<dyn OptimizerRule + Send + Sync>> =
            vec![Arc::new(SimplifyExpressions::new())];
        rules.extend(subqueries_to_joins());
        rules.push(Arc::new(CrossJoins));
        let optimized = |rules: Vec<Arc<dyn OptimizerRule + Send + Sync>>, plan| {
            Optimizer::with_rules(rules).optimize(plan, &context, |_, _| {})
        };
        let pruned = |plan| match prune {
            Prune::ButTimes if aging::is_by_event_time(&plan, catalog) => {
                optimized(vec![Arc::new(PushDown)], plan)
                    .and_then(|plan| aging::marked(plan, catalog))
                    .and_then(|plan| optimized(vec![Arc::new(OptimizeProjections::new())], plan))
                    .and_then(aging::unmarked)
            }
            _ => Ok(plan),
        };
        // Late rows are handed on unfiltered and with all of their columns.
        if prune == Prune::All {
            rules.push(Arc::new(PushDown));
            rules.push(Arc::new(OptimizeProjections::new()));
        }
        optimized(rules, plan)
            .and_then(pruned)
            .map_err(|error| self.plan_error(catalog, &query, &error))
    }

    /// The plan of an ad-hoc query with joins in the place of the subqueries that DataFusion would
    /// not run as they are: those that refer to the query around them, and memberships.
    ///
    /// # Errors
    /// Those of DataFusion's analysis.
    pub fn unnest(state: &SessionState, plan: LogicalPlan) -> Result<LogicalPlan, DataFusionError> {
        if !membership::is_asked(&plan)? {
            return Ok(plan);
        }
        let options = state.config_options();
        let plan = subquery_columns::as_columns(plan)?;
        let plan = state.analyzer().execute_and_check(plan, options, |_, _| {})?;
        let plan = membership::as_values(plan)?;
        let context = OptimizerContext::new_with_config_options(Arc::clone(options))
            .without_query_execution_start_time();
        Optimizer::with_rules(subqueries_to_joins()).optimize(plan, &context, |_, _| {})
    }

    fn parser_options(&self) -> ParserOptions {
        ParserOptions::from(&self.session().config_options().sql_parser)
    }

    /// The error that no relation has a name, at its first place in the query.
    pub fn not_found(&self, catalog: &dyn Catalog, query: &ast::Query, name: &str) -> Error {
        let near = suggestion(name, catalog);
        let near = near.map_or(String::new(), |near| format!(": did you mean `{near}`?"));
        let message = format!("no source, table or stream is called `{name}`{near}");
        let error = Error::new(code::NOT_FOUND, message);
        match relation_position(query, name) {
            Some(position) => error.at(position),
            None => error,
        }
    }

    /// The error at its place in the query, which is the beginning where nothing else is known.
    pub fn placed(&self, error: Error, query: &ast::Query) -> Error {
        placed(error, query)
    }

    /// An error of DataFusion's planning in the words and with the place that a user needs.
    pub fn plan_error(
        &self,
        catalog: &dyn Catalog,
        query: &ast::Query,
        error: &DataFusionError,
    ) -> Error {
        let code = match error.find_root() {
            DataFusionError::NotImplemented(_) => code::UNSUPPORTED,
            _ => code::PLAN,
        };
        if let Some(name) = sentence(error).strip_prefix(NOT_FOUND) {
            return self.not_found(catalog, query, name);
        }
        let told = Told::of(error, query, catalog, &self.session());
        let error = Error::new(code, told.text);
        match told.place {
            Some(place) => error.at(place),
            None => error,
        }
    }
}

/// Which columns that nothing reads are left out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Prune {
    Nothing,
    /// All but event times that rows are forgotten by.
    ButTimes,
    All,
}

/// Where a query first reads the relation of a name.
fn relation_position(query: &ast::Query, name: &str) -> Option<Position> {
    let found = ast::visit_relations(query, |relation| {
        let Some(ast::ObjectNamePart::Identifier(ident)) = relation.0.last() else {
            return ControlFlow::Continue(());
        };
        let is_it = match ident.quote_style {
            Some(_) => ident.value == name,
            None => ident.value.to_lowercase() == name,
        };
        match is_it {
            true => ControlFlow::Break(ident.span.start),
            false => ControlFlow::Continue(()),
        }
    });
    let start = found.break_value().filter(|start| start.line > 0)?;
    Some(Position { line: start.line, column: start.column })
}

/// The plan with other names for its columns.
fn renamed(plan: LogicalPlan, names: &[Name]) -> Result<LogicalPlan> {
    let Some(first) = names.first() else { return Ok(plan) };
    let schema = Arc::clone(plan.schema());
    if schema.fields().len() != names.len() {
        let message = format!(
            "{} columns are named, and the query has {}",
            names.len(),
            schema.fields().len()
        );
        return Err(Error::new(code::PLAN, message).at(first.position));
    }
    let exprs = schema
        .iter()
        .zip(names)
        .map(|(column, name)| Expr::Column(Column::from(column)).alias(name.value.clone()));
    LogicalPlanBuilder::from(plan)
        .project(exprs)
        .and_then(LogicalPlanBuilder::build)
        .map_err(|error| Error::new(code::PLAN, sentence(&error)).at(first.position))
}

/// Marks the error of an unknown relation on its way through DataFusion.
const NOT_FOUND: &str = "laminar: ";

/// What DataFusion puts before the message of a function of ours that refuses its arguments.
const COERCION_FAILED: &str = "user-defined coercion failed with: Error during planning: ";

/// The message of the innermost cause, without DataFusion's and Arrow's wrapping words.
pub fn sentence(error: &DataFusionError) -> String {
    match error.find_root() {
        DataFusionError::Plan(message)
        | DataFusionError::NotImplemented(message)
        | DataFusionError::Execution(message)
        | DataFusionError::Configuration(message) => {
            let message = message.split("\n\nbacktrace").next().unwrap_or(message);
            let (_, own) = message.split_once(COERCION_FAILED).unwrap_or(("", message));
            own.to_string()
        }
        DataFusionError::ArrowError(error, _) => error.to_string(),
        DataFusionError::SchemaError(error, _) => error.to_string(),
        other => other.strip_backtrace(),
    }
}

/// The name nearest to one that does not exist, if it is near.
fn suggestion(wanted: &str, catalog: &dyn Catalog) -> Option<String> {
    let nearest =
        |name: &String| datafusion::common::utils::datafusion_strsim::levenshtein(name, wanted);
    let best = catalog.names().into_iter().min_by_key(nearest)?;
    (nearest(&best) <= 1 + wanted.len() / 4).then_some(best)
}

/// The names of columns.
fn columns(schema: &SchemaRef) -> Vec<String> {
    schema.fields().iter().map(|field| field.name().clone()).collect()
}

struct NoRelations;

impl Catalog for NoRelations {
    fn relation(&self, _name: &str) -> Option<laminar_dataflow::Traits> {
        None
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The catalogue in the form that DataFusion's binder asks for.
struct Provider<'a> {
    state: &'a SessionState,
    catalog: &'a dyn Catalog,
}

impl<'a> Provider<'a> {
    fn new(state: &'a SessionState, catalog: &'a dyn Catalog) -> Self {
        Self { state, catalog }
    }
}

fn names<T>(functions: &HashMap<String, T>) -> Vec<String> {
    functions.keys().cloned().collect()
}

impl ContextProvider for Provider<'_> {
    fn get_table_source(
        &self,
        name: TableReference,
    ) -> datafusion::error::Result<Arc<dyn TableSource>> {
        match self.catalog.relation(name.table()) {
            Some(traits) => Ok(Arc::new(LogicalTableSource::new(traits.schema))),
            None => Err(DataFusionError::Plan(format!("{NOT_FOUND}{}", name.table()))),
        }
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.state.expr_planners()
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        self.state.relation_planners()
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(TypeNames))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.state.scalar_functions().get(name).cloned()
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.state.higher_order_functions().get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.state.aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.state.window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _variable_names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.state.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        names(self.state.scalar_functions())
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        names(self.state.higher_order_functions())
    }

    fn udaf_names(&self) -> Vec<String> {
        names(self.state.aggregate_functions())
    }

    fn udwf_names(&self) -> Vec<String> {
        names(self.state.window_functions())
    }
}

/// The rules by which subqueries become joins.
fn subqueries_to_joins() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    vec![
        Arc::new(ReplaceDistinctWithAggregate::new()),
        Arc::new(Dependent::BeforeOthers),
        Arc::new(DecorrelatePredicateSubquery::new()),
        Arc::new(ScalarSubqueryToJoin::new()),
        Arc::new(DecorrelateLateralJoin::new()),
        Arc::new(Dependent::AfterOthers),
    ]
}
