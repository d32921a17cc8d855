//! Ad-hoc SQL: DataFusion over what the relations hold at one epoch.

use std::any::Any;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};

use arrow::datatypes::SchemaRef;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, MemorySchemaProvider};
use datafusion::catalog::{MemTable, MemoryCatalogProvider, MemoryCatalogProviderList};
use datafusion::error::DataFusionError;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::session_state::SessionState;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast;
use futures::{FutureExt, StreamExt};
use laminar_dataflow::{Content, Traits};
use laminar_sql::planner::sentence;
use laminar_sql::window_query::prepare_windows;
use laminar_types::{Error, Result, code};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

use crate::database::Shared;
use crate::engine::Core;
use crate::introspection::{DEAD_LETTERS, dead_letters};
use crate::query::{Query, block_on};

/// Batches that a query computes ahead of its reader.
const BATCHES_AHEAD: usize = 2;

/// The background runtime of ad-hoc queries; started by the first one.
#[derive(Default)]
pub(crate) struct Background(OnceLock<Runtime>);

impl Background {
    fn runtime(&self) -> Result<&Runtime> {
        if let Some(runtime) = self.0.get() {
            return Ok(runtime);
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("laminar-query")
            .enable_all()
            .build()
            .map_err(|error| {
                Error::new(code::EXECUTION, format!("no thread for queries could start: {error}"))
            })?;
        Ok(self.0.get_or_init(|| runtime))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // The last handle may go on any thread, one of the runtime's own included.
            runtime.shutdown_background();
        }
    }
}

/// Runs a query over one consistent epoch of all the relations that it names.
pub(crate) fn query(shared: &Shared, query: &ast::Query) -> Result<Query> {
    let (context, plan) = plan(shared, query)?;
    let runtime = shared.background.runtime()?;
    let planned = runtime.spawn(async move {
        let frame = context.execute_logical_plan(plan).await?;
        frame.execute_stream().await
    });
    let mut stream = block_on(planned)
        .map_err(|ended| match ended.try_into_panic() {
            Ok(payload) => query_panicked(payload),
            Err(ended) => Error::internal(format!("the query's task ended: {ended}")),
        })?
        .map_err(|error| execution_error(&error))?;
    let schema = stream.schema();
    let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
    let task = runtime.spawn(async move {
        loop {
            // A task that panicked would look like one that came to its end.
            let batch = match AssertUnwindSafe(stream.next()).catch_unwind().await {
                Ok(None) => return,
                Ok(Some(batch)) => batch.map_err(|error| execution_error(&error)),
                Err(payload) => Err(query_panicked(payload)),
            };
            let is_last = batch.is_err();
            if sender.send(batch).await.is_err() || is_last {
                return;
            }
        }
    });
    Ok(Query::running(schema, receiver, task.abort_handle()))
}

/// The optimised plan of an ad-hoc query, for people.
pub(crate) fn explain(shared: &Shared, query: &ast::Query) -> Result<String> {
    let (context, plan) = plan(shared, query)?;
    let plan = context.state().optimize(&plan).map_err(|error| execution_error(&error))?;
    Ok(plan.display_indent().to_string())
}

fn plan(
    shared: &Shared,
    query: &ast::Query,
) -> Result<(SessionContext, datafusion::logical_expr::LogicalPlan)> {
    let mut query = query.clone();
    prepare_windows(&mut query)?;
    let statement = ast::Statement::Query(Box::new(query.clone()));
    let statement = Statement::Statement(Box::new(statement));
    let session = shared.planner.session();
    let named = session
        .resolve_table_references(&statement)
        .map_err(|error| planned(shared, &query, &error))?;
    let names: Vec<String> = named.iter().map(|name| name.table().to_string()).collect();
    let relations = shared.run(|core| read(core, &names))??;
    let mut tables = HashMap::new();
    for (name, schema, content) in relations {
        let table = MemTable::try_new(Arc::clone(&schema), vec![content.batches()?])
            .map_err(|error| Error::internal(sentence(&error)))?;
        tables.insert(name, table);
    }
    let context = SessionContext::new_with_state(state(session, tables)?).enable_url_table();
    let plan = block_on(context.state().statement_to_plan(statement))
        .map_err(|error| planned(shared, &query, &error))?;
    Ok((context, plan))
}

/// The content of every relation among these names, at one epoch.
type Relations = Vec<(String, SchemaRef, Box<dyn Content>)>;

fn read(core: &mut Core, names: &[String]) -> Result<Relations> {
    let mut relations = Vec::new();
    for name in names {
        // Names that are no relations are common table expressions, files, or mistakes: planning
        // tells which.
        if let Some((_, Traits { schema, .. })) = core.relation(name) {
            relations.push((name.clone(), schema, core.content(name)?));
        } else if name == DEAD_LETTERS {
            let (schema, content) = dead_letters(core)?;
            relations.push((name.clone(), schema, content));
        }
    }
    Ok(relations)
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
    Ok(SessionStateBuilder::new_from_existing(session.clone()).with_catalog_list(catalogs).build())
}

fn planned(shared: &Shared, query: &ast::Query, error: &DataFusionError) -> Error {
    let names = shared.run(|core| {
        let names = core.objects.keys().cloned().collect();
        Names(names)
    });
    match names {
        Ok(names) => {
            let planned = shared.planner.plan_error(&names, query, error);
            let missing = planned
                .message()
                .strip_prefix("table 'datafusion.public.")
                .and_then(|rest| rest.strip_suffix("' not found"));
            match missing {
                Some(name) => shared.planner.not_found(&names, query, name),
                None => planned,
            }
        }
        Err(closed) => closed,
    }
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

impl laminar_sql::catalog::Catalog for Names {
    fn relation(&self, _name: &str) -> Option<Traits> {
        None
    }

    fn names(&self) -> Vec<String> {
        self.0.clone()
    }
}
