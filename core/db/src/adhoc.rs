//! Ad-hoc SQL: DataFusion over what the relations hold at one epoch.

use std::any::Any;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, MemorySchemaProvider};
use datafusion::catalog::{MemTable, MemoryCatalogProvider, MemoryCatalogProviderList};
use datafusion::error::DataFusionError;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast;
use futures::{FutureExt, StreamExt};
use laminar_dataflow::{Content, Traits};
use laminar_sql::batch_joins::spell_out;
use laminar_sql::batch_outline;
use laminar_sql::catalog::Catalog;
use laminar_sql::checked::CheckedArithmetic;
use laminar_sql::counted_sets::number_copies;
use laminar_sql::event_order::order_by_event_time;
use laminar_sql::lateral_unnest;
use laminar_sql::message::at_value;
use laminar_sql::outline::ExplainForm;
use laminar_sql::parser::statement::StreamQuery;
use laminar_sql::parser::windows::Grouped;
use laminar_sql::planner::{Planner, sentence};
use laminar_sql::time_joins::prepare_joins;
use laminar_sql::using_columns::spell_merged;
use laminar_sql::window_query::prepare_windows;
use laminar_sql::window_tables::expand_windows;
use laminar_types::{Epoch, Error, Result, code, outside};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

use crate::affinity::Affinity;
use crate::board::Board;
use crate::cancellable::{CancellableRule, in_place};
use crate::catalog::resolve_sink;
use crate::database::Shared;
use crate::engine::{Core, SourceId};
use crate::introspection::{DEAD_LETTERS, dead_letters};
use crate::key_lookup::KeyLookup;
use crate::log::LogLevel;
use crate::query::{Query, QueryCanceller, block_on, cancelled};
use crate::system_tables::SystemTable;

/// Batches that a query computes ahead of its reader.
const BATCHES_AHEAD: usize = 2;

/// The background runtime of ad-hoc queries and of asynchronous calls; started by the first one.
pub(crate) struct Background {
    runtime: OnceLock<Runtime>,
    affinity: Affinity,
}

impl Background {
    /// Whose threads will stay on a core.
    pub(crate) fn new(affinity: Affinity) -> Self {
        Self { runtime: OnceLock::new(), affinity }
    }

    pub(crate) fn runtime(&self) -> Result<&Runtime> {
        if let Some(runtime) = self.runtime.get() {
            return Ok(runtime);
        }
        let affinity = self.affinity;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("laminar-query")
            .on_thread_start(move || affinity.apply())
            .enable_all()
            .build()
            .map_err(|error| {
                Error::new(code::EXECUTION, format!("no thread for queries could start: {error}"))
            })?;
        Ok(self.runtime.get_or_init(|| runtime))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // The last handle may go on any thread, one of the runtime's own included.
            runtime.shutdown_background();
        }
    }
}

/// Runs a query over one consistent epoch of all the relations that it names.
pub(crate) fn query(shared: &Shared, query: &StreamQuery) -> Result<Query> {
    if outside::is_inside() {
        // The thread that it would run on may be the one that waits for it.
        let message = "a function that the engine calls cannot run a query";
        return Err(Error::new(code::IN_USE, message));
    }
    let canceller = QueryCanceller::default();
    let prepared = prepared(shared, &query.query)?;
    let names = names_of(&shared.planner, &prepared)?;
    // Looking at what goes on is no part of it.
    let log = &shared.board.log;
    log.say(LogLevel::Debug, || format!("query: {}", query.text));
    let listed = (!reads_system_alone(&names))
        .then(|| shared.board.list_query(&query.text, canceller.clone()));
    let (context, plan) = plan_prepared(shared, &prepared, &names)?;
    let rule = Arc::new(CancellableRule(canceller.clone()));
    let state = SessionStateBuilder::new_from_existing(context.state());
    let state = state.with_physical_optimizer_rule(rule).build();
    let context = SessionContext::new_with_state(state);
    let runtime = shared.background.runtime()?;
    let planned = runtime.spawn(in_place(async move {
        let frame = context.execute_logical_plan(plan).await?;
        frame.execute_stream().await
    }));
    let begun = block_on(async {
        tokio::select! {
            biased;
            () = canceller.cancelled() => None,
            begun = planned => Some(begun),
        }
    });
    let mut stream = begun
        .ok_or_else(cancelled)?
        .map_err(|ended| match ended.try_into_panic() {
            Ok(payload) => query_panicked(payload),
            Err(ended) => Error::internal(format!("the query's task ended: {ended}")),
        })?
        .map_err(|error| match error.find_root() {
            // What only the optimiser notices.
            DataFusionError::Plan(_) | DataFusionError::SchemaError(..) => {
                let planner = &shared.planner;
                planner.placed(planner.plan_error(&Names(Vec::new()), &prepared, &error), &prepared)
            }
            _ => at_value(execution_error(&error), &prepared),
        })?;
    let schema = stream.schema();
    let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
    let task = runtime.spawn(async move {
        loop {
            // A task that panicked would look like one that came to its end.
            let next = in_place(AssertUnwindSafe(stream.next()).catch_unwind());
            let batch = match next.await {
                Ok(None) => return,
                Ok(Some(batch)) => {
                    batch.map_err(|error| at_value(execution_error(&error), &prepared))
                }
                Err(payload) => Err(query_panicked(payload)),
            };
            let is_last = batch.is_err();
            if sender.send(batch).await.is_err() || is_last {
                return;
            }
        }
    });
    Ok(Query::running(schema, receiver, task.abort_handle(), listed, canceller))
}

/// The optimised plan of an ad-hoc query.
pub(crate) fn explain(shared: &Shared, query: &ast::Query, form: ExplainForm) -> Result<String> {
    let (context, plan) = plan(shared, query)?;
    let plan = context.state().optimize(&plan).map_err(|error| execution_error(&error))?;
    batch_outline::logical(&plan, form).map_err(|error| execution_error(&error))
}

/// Runs an ad-hoc query to its end, for the plan with what each of its operators did.
pub(crate) fn analyze(shared: &Shared, query: &ast::Query, form: ExplainForm) -> Result<String> {
    let (context, plan) = plan(shared, query)?;
    on_background(shared, async move {
        let frame = context.execute_logical_plan(plan).await?;
        let task = Arc::new(frame.task_ctx());
        let plan = frame.create_physical_plan().await?;
        datafusion::physical_plan::collect(Arc::clone(&plan), task).await?;
        Ok(batch_outline::physical(&plan, form))
    })
}

fn plan(shared: &Shared, query: &ast::Query) -> Result<(SessionContext, LogicalPlan)> {
    let query = prepared(shared, query)?;
    let names = names_of(&shared.planner, &query)?;
    plan_prepared(shared, &query, &names)
}

fn plan_prepared(
    shared: &Shared,
    query: &ast::Query,
    names: &[String],
) -> Result<(SessionContext, LogicalPlan)> {
    // What is known without the token is read without it.
    let snapshot = match reads_system_alone(names) {
        true => {
            shared.refuse_closed()?;
            shared.refresh_board();
            Snapshot::of_system(&shared.board, names)?
        }
        false => shared.run(|core| match (confined(query), names) {
            (Some((table, condition)), [name]) => Snapshot::of_keys(core, name, table, condition),
            _ => Snapshot::of(core, names),
        })??,
    };
    snapshot.plan(&shared.planner, query)
}

/// What the only relation that a query reads, once, is called there, and the condition on its rows.
fn confined(query: &ast::Query) -> Option<(&ast::Ident, &ast::Expr)> {
    let ast::SetExpr::Select(select) = query.body.as_ref() else { return None };
    let [from] = select.from.as_slice() else { return None };
    let ast::TableFactor::Table { name, alias, args: None, version: None, sample: None, .. } =
        &from.relation
    else {
        return None;
    };
    let mut relations = 0;
    let _ = ast::visit_relations(query, |_| {
        relations += 1;
        ControlFlow::<()>::Continue(())
    });
    let called = match (alias, name.0.as_slice()) {
        (Some(alias), _) if alias.columns.is_empty() => &alias.name,
        (None, [ast::ObjectNamePart::Identifier(name)]) => name,
        _ => return None,
    };
    let is_alone = relations == 1 && from.joins.is_empty() && query.with.is_none();
    select.selection.as_ref().filter(|_| is_alone).map(|condition| (called, condition))
}

/// All rows of a query over relations that were read before. Takes no token, so that it may be
/// called under it.
pub(crate) fn collect(
    shared: &Shared,
    query: &ast::Query,
    snapshot: &Snapshot,
) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let (context, plan) = snapshot.plan(&shared.planner, query)?;
    let schema = Arc::clone(plan.schema().inner());
    Ok((schema, run(shared, context, plan)?))
}

/// All rows of a plan.
pub(crate) fn run(
    shared: &Shared,
    context: SessionContext,
    plan: LogicalPlan,
) -> Result<Vec<RecordBatch>> {
    on_background(shared, async move { context.execute_logical_plan(plan).await?.collect().await })
}

/// Waits for what is to be done on the background runtime.
fn on_background<T: Send + 'static>(
    shared: &Shared,
    done: impl Future<Output = datafusion::error::Result<T>> + Send + 'static,
) -> Result<T> {
    block_on(shared.background.runtime()?.spawn(in_place(done)))
        .map_err(|error| Error::internal(format!("the query's task ended: {error}")))?
        .map_err(|error| execution_error(&error))
}

/// A query as DataFusion can plan it: with our windows resolved and our joins marked.
pub(crate) fn prepared(shared: &Shared, query: &ast::Query) -> Result<ast::Query> {
    let mut query = query.clone();
    // Asked where a window has the name that is grouped by.
    let columns_of = |name: &str| {
        let traits = shared.run(|core| core.relation(name).map(|(_, traits)| traits));
        let schema = traits.ok().flatten()?.schema;
        Some(schema.fields().iter().map(|field| field.name().clone()).collect())
    };
    prepare_windows(&mut query, Grouped::ByColumns, &columns_of)?;
    lateral_unnest::spell(&mut query);
    prepare_joins(&mut query)?;
    spell_merged(&mut query, &columns_of);
    Ok(query)
}

/// The names of the relations that a query reads.
pub(crate) fn names_of(planner: &Planner, query: &ast::Query) -> Result<Vec<String>> {
    let named = planner
        .session()
        .resolve_table_references(&statement(query))
        .map_err(|error| planner.plan_error(&Names(Vec::new()), query, &error))?;
    Ok(named.iter().map(|name| name.table().to_string()).collect())
}

fn reads_system_alone(names: &[String]) -> bool {
    !names.is_empty() && names.iter().all(|name| SystemTable::named(name).is_some())
}

fn statement(query: &ast::Query) -> Statement {
    Statement::Statement(Box::new(ast::Statement::Query(Box::new(query.clone()))))
}

/// What relations held at one epoch.
pub(crate) struct Snapshot {
    relations: Vec<(String, Traits, Box<dyn Content>)>,
    tables: Tables,
    /// The names of all objects.
    names: Names,
}

impl Snapshot {
    /// Reads the relations among these names; others are common table expressions, files, or
    /// mistakes: planning tells which.
    pub(crate) fn of(core: &mut Core, names: &[String]) -> Result<Self> {
        let mut relations = Vec::new();
        for name in names {
            if let Some((_, traits)) = core.relation(name) {
                relations.push((name.clone(), traits, core.content(name)?));
            } else if name == DEAD_LETTERS {
                let (schema, content) = dead_letters(core)?;
                relations.push((name.clone(), Traits::append_only(schema), content));
            } else if let Some(table) = SystemTable::named(name) {
                core.read_gauges();
                let rows = table.read(&core.board)?;
                let traits = Traits::append_only(rows.schema());
                relations.push((name.clone(), traits, Box::new(Ready(rows))));
            }
        }
        let tables = Tables::behind(core, names)?;
        Ok(Self { relations, tables, names: Names(core.objects.keys().cloned().collect()) })
    }

    /// Reads one relation, of a table only the rows that a condition confines a query to by their
    /// primary key; `called` is its name in the condition.
    fn of_keys(
        core: &mut Core,
        name: &String,
        called: &ast::Ident,
        condition: &ast::Expr,
    ) -> Result<Self> {
        if let Ok(object) = resolve_sink(core, name)
            && let Some(id) = object.input()
            && let Some(KeyLookup(keys)) = {
                let rules = &core.source(id)?.rules;
                KeyLookup::of(condition, called, rules)
            }
            && let Some(rows) = core.rows_of_keys(id, &keys)?
            && let Some((_, traits)) = core.relation(name)
        {
            let relations = vec![(name.clone(), traits, Box::new(Ready(rows)) as Box<dyn Content>)];
            let tables = Tables::behind(core, std::slice::from_ref(name))?;
            return Ok(Self {
                relations,
                tables,
                names: Names(core.objects.keys().cloned().collect()),
            });
        }
        Self::of(core, std::slice::from_ref(name))
    }

    /// Reads system tables alone.
    fn of_system(board: &Board, names: &[String]) -> Result<Self> {
        let (relations, tables) = (Vec::new(), Tables::default());
        let mut snapshot = Self { relations, tables, names: Names(Vec::new()) };
        for name in names {
            if let Some(table) = SystemTable::named(name) {
                snapshot.add(name, table.read(board)?);
            }
        }
        Ok(snapshot)
    }

    /// Counts a relation, which the query does not name, among those read.
    pub(crate) fn watch(&mut self, core: &Core, name: &str) -> Result<()> {
        self.tables.changed.extend(Tables::behind(core, &[name.to_string()])?.changed);
        Ok(())
    }

    /// The tables that were read.
    pub(crate) fn tables(&self) -> Tables {
        self.tables.clone()
    }

    /// Adds a relation that has no name in the catalogue.
    pub(crate) fn add(&mut self, name: &str, batch: RecordBatch) {
        let traits = Traits::append_only(batch.schema());
        self.relations.push((name.to_string(), traits, Box::new(Ready(batch))));
    }

    pub(crate) fn plan(
        &self,
        planner: &Planner,
        query: &ast::Query,
    ) -> Result<(SessionContext, LogicalPlan)> {
        let mut tables = HashMap::new();
        for (name, traits, content) in &self.relations {
            let table = MemTable::try_new(Arc::clone(&traits.schema), vec![content.batches()?])
                .map_err(|error| Error::internal(sentence(&error)))?;
            tables.insert(name.clone(), table);
        }
        let state = state(&planner.session(), tables)?;
        let context = SessionContext::new_with_state(state).enable_url_table();
        let plan = block_on(context.state().statement_to_plan(statement(query)))
            .and_then(|plan| expand_windows(plan, Grouped::ByColumns))
            .and_then(|plan| order_by_event_time(plan, self))
            .and_then(number_copies)
            .map_err(|error| self.planned(planner, query, &error))?;
        let plan = Planner::unnest(&context.state(), spell_out(plan, self)?)
            .map_err(|error| self.planned(planner, query, &error))?;
        Ok((context, plan))
    }

    fn planned(&self, planner: &Planner, query: &ast::Query, error: &DataFusionError) -> Error {
        let planned = planner.plan_error(self, query, error);
        let missing = planned
            .message()
            .strip_prefix("table 'datafusion.public.")
            .and_then(|rest| rest.strip_suffix("' not found"));
        match missing {
            Some(name) => planner.not_found(&self.names, query, name),
            None => planner.placed(planned, query),
        }
    }
}

impl Catalog for Snapshot {
    fn relation(&self, name: &str) -> Option<Traits> {
        let mut relations = self.relations.iter();
        relations.find(|(known, ..)| known == name).map(|(_, traits, _)| traits.clone())
    }

    fn names(&self) -> Vec<String> {
        self.names.names()
    }
}

/// The tables behind some relations, each with the epoch of its last change, and the version of
/// the catalogue, which moves when a definition is replaced.
#[derive(Clone, Default)]
pub(crate) struct Tables {
    changed: Vec<(SourceId, Epoch)>,
    catalog_version: u64,
}

impl Tables {
    fn behind(core: &Core, names: &[String]) -> Result<Self> {
        let mut changed = Vec::new();
        for id in core.inputs_behind(names.to_vec()) {
            let input = core.source(id)?;
            if input.history.is_none() {
                changed.push((id, input.changed));
            }
        }
        Ok(Self { changed, catalog_version: core.catalog_version })
    }

    /// Whether neither they nor any definition has changed since.
    pub(crate) fn are_current(&self, core: &Core) -> bool {
        let same = |(id, epoch): &(SourceId, Epoch)| {
            core.source(*id).is_ok_and(|table| table.changed == *epoch)
        };
        core.catalog_version == self.catalog_version && self.changed.iter().all(same)
    }
}

/// Rows that lie ready.
pub(crate) struct Ready(pub(crate) RecordBatch);

impl Content for Ready {
    fn batches(&self) -> Result<Vec<RecordBatch>> {
        Ok(vec![self.0.clone()])
    }
}

fn state(session: &SessionState, tables: HashMap<String, MemTable>) -> Result<SessionState> {
    let internal = |error: DataFusionError| Error::internal(sentence(&error));
    let schema = Arc::new(MemorySchemaProvider::new());
    for (name, table) in tables {
        use datafusion::catalog::SchemaProvider;
        schema.register_table(name, Arc::new(table)).map_err(internal)?;
    }
    let options = &session.config_options().catalog;
    let catalog = Arc::new(MemoryCatalogProvider::new());
    catalog.register_schema(&options.default_schema, schema).map_err(internal)?;
    let catalogs = Arc::new(MemoryCatalogProviderList::new());
    catalogs.register_catalog(options.default_catalog.clone(), catalog);
    Ok(SessionStateBuilder::new_from_existing(session.clone())
        .with_catalog_list(catalogs)
        .with_analyzer_rule(Arc::new(CheckedArithmetic::default()))
        .build())
}

/// A panic of a query, which ends it and nothing else.
fn query_panicked(payload: Box<dyn Any + Send>) -> Error {
    Error::from_panic("the query", &*payload)
}

/// A failure while a query runs.
fn execution_error(error: &DataFusionError) -> Error {
    let code = match error.find_root() {
        DataFusionError::NotImplemented(_) => code::UNSUPPORTED,
        DataFusionError::Plan(_) | DataFusionError::SchemaError(..) => code::PLAN,
        _ => code::EXECUTION,
    };
    Error::new(code, sentence(error))
}

/// The names of a catalogue, for suggestions.
struct Names(Vec<String>);

impl Catalog for Names {
    fn relation(&self, _name: &str) -> Option<Traits> {
        None
    }

    fn names(&self) -> Vec<String> {
        self.0.clone()
    }
}
