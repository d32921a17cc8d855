//! [`LaminarDB`], the handle of a database, and the statements it runs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use arrow::array::RecordBatch;
use laminar_dataflow::{Changes, Traits};
use laminar_sql::catalog::Catalog;
use laminar_sql::parser::{self, Options, statement::*};
use laminar_sql::plan::StreamPlan;
use laminar_sql::planner::Planner;
use laminar_types::{Config, Epoch, Error, Result, TimeUnit, code};

use crate::adhoc::{self, Background};
use crate::engine::{Backfill, Core, NewSource, Object, SourceId, StreamId};
use crate::introspection;
use crate::producers::Declared;
use crate::query::Query;
use crate::ring::{Policy, Ring, RingOptions};
use crate::source::{Rules, UntypedSource};
use crate::subscription::{SnapshotProvider, SubscribeOptions, Subscription};
use crate::token::Token;

/// A database. Clones are handles of the same database, and may be used from any thread.
#[derive(Clone)]
pub struct LaminarDB {
    shared: Arc<Shared>,
}

/// What every handle of a database shares.
pub(crate) struct Shared {
    token: Token<Core>,
    pub(crate) planner: Planner,
    pub(crate) background: Background,
    config: Config,
    closed: AtomicBool,
}

impl Shared {
    /// Runs a job under the token, in its turn.
    pub(crate) fn run<R: Send>(&self, job: impl FnOnce(&mut Core) -> R + Send) -> Result<R> {
        self.refuse_closed()?;
        self.token.run(job)
    }

    /// Runs a job under the token unless that means to wait.
    pub(crate) fn try_run<R>(&self, job: impl FnOnce(&mut Core) -> R) -> Result<Option<R>> {
        self.refuse_closed()?;
        self.token.try_run(job)
    }

    fn refuse_closed(&self) -> Result<()> {
        match self.closed.load(Ordering::Acquire) {
            true => Err(Error::new(code::CLOSED, "the database is closed: open it again")),
            false => Ok(()),
        }
    }
}

/// What a statement answered.
pub enum ExecuteResult {
    /// A definition changed: the statement, as `CREATE SOURCE`, and the object's name.
    Ddl {
        /// For example `CREATE SOURCE`.
        statement: String,
        /// The object's name.
        object: String,
    },
    /// Rows were taken in.
    Affected(u64),
    /// Rows to read.
    Rows(Query),
}

impl LaminarDB {
    /// Opens an in-memory database with the defaults.
    pub fn open() -> Result<Self> {
        Self::open_with_config(Config::default())
    }

    /// Opens a database.
    pub fn open_with_config(config: Config) -> Result<Self> {
        config.validate()?;
        if let Some(path) = &config.path {
            return Err(Error::unsupported(format!(
                "a database at a path (`{}`) is not built yet: open \":memory:\"",
                path.display()
            )));
        }
        let core = Core::new(&config);
        let shared = Shared {
            token: Token::new(core, config.wait_strategy),
            planner: Planner::new(),
            background: Background::default(),
            config,
            closed: AtomicBool::new(false),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The configuration it was opened with.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// Starts the streams: what was pushed before is run now, in its order. Idempotent.
    pub fn start(&self) -> Result<()> {
        self.shared.run(Core::start)
    }

    /// Ends every subscription and refuses every later call. Idempotent.
    pub fn shutdown(&self) -> Result<()> {
        if !self.shared.closed.swap(true, Ordering::AcqRel) {
            self.shared.token.run(Core::close)?;
        }
        Ok(())
    }

    /// Runs one statement of any kind.
    pub fn execute_blocking(&self, sql: &str) -> Result<ExecuteResult> {
        match parser::parse_one(sql)? {
            Statement::CreateSource(source) => self.create_source(source, sql),
            Statement::CreateStream(stream) => self.create_stream(stream),
            Statement::CreateSink(sink) => self.create_sink(sink),
            Statement::Drop(drop) => self.drop_object(drop),
            Statement::Insert(insert) => self.insert_rows(*insert),
            Statement::Query(query) => {
                refuse_emit(&query)?;
                adhoc::query(&self.shared, &query.query).map(ExecuteResult::Rows)
            }
            Statement::Show(what) => {
                self.rows(self.shared.run(|core| {
                    core.sweep();
                    introspection::show(core, what)
                })?)
            }
            Statement::Describe(describe) => self.describe(describe),
            Statement::Explain(explain) => {
                let text = self.explain_statement(explain)?;
                self.rows(introspection::plan(&text))
            }
            other => Err(not_built(&other)),
        }
    }

    /// Runs a query; refuses statements that answer no rows.
    pub fn query_blocking(&self, sql: &str) -> Result<Query> {
        match parser::parse_one(sql)? {
            Statement::Query(_) | Statement::Show(_) | Statement::Describe(_)
            | Statement::Explain(_) => match self.execute_blocking(sql)? {
                ExecuteResult::Rows(query) => Ok(query),
                _ => Err(Error::internal("a query answered no rows")),
            },
            _ => Err(Error::new(
                code::QUERY_ARGUMENT,
                "this statement answers no rows: run it with execute",
            )),
        }
    }

    /// The plan of a statement or of a stream's name, for people.
    pub fn explain(&self, sql: &str) -> Result<String> {
        if let Some(name) = self.named(sql)? {
            return self.explain_name(&name);
        }
        match parser::parse_one(sql)? {
            Statement::Explain(explain) => self.explain_statement(explain),
            other => self.explain_target(ExplainTarget::Statement(Box::new(other))),
        }
    }

    /// A new producer of a source.
    pub fn source_untyped(&self, name: &str) -> Result<UntypedSource> {
        let (id, rules) = self.source_id(name)?;
        UntypedSource::open(Arc::clone(&self.shared), id, rules)
    }

    /// Pushes batches as one epoch through the database's own producer of the source: all are
    /// taken, or none.
    pub fn insert(&self, source: &str, batches: Vec<RecordBatch>) -> Result<Epoch> {
        let (id, rules) = self.source_id(source)?;
        batches.iter().try_for_each(|batch| rules.check(batch))?;
        self.shared.run(|core| {
            let producer = core.own_producer(id)?;
            core.push(id, producer, &batches)
        })?
    }

    /// Subscribes to a stream, sink or source by name, from now on, or to a query, beginning with
    /// its content; `options` may say otherwise.
    pub fn subscribe_with(&self, target: &str, options: SubscribeOptions) -> Result<Subscription> {
        let capacity = options.capacity.unwrap_or(self.shared.config.buffer_size);
        if capacity == 0 {
            return Err(Error::new(
                code::SUBSCRIPTION_ARGUMENT,
                "a subscription's capacity must be at least one row",
            ));
        }
        match self.named(target)? {
            Some(name) => {
                let snapshot = options.snapshot.unwrap_or(false);
                let stream = self.shared.run(|core| match resolve_sink(core, &name)? {
                    Object::Stream(id) => {
                        let content = if snapshot { Some(core.stream_content(id)?) } else { None };
                        let batches = content.map(|content| content.batches()).transpose()?;
                        let batches = batches.unwrap_or_default();
                        let rows = batches.into_iter().map(|batch| (batch, None)).collect();
                        Ok(Some(self.attach(core, id, capacity, snapshot.then_some(rows))))
                    }
                    _ => Ok::<_, Error>(None),
                })??;
                match stream {
                    Some(subscription) => Ok(subscription),
                    None => {
                        // A source is followed by the query that gives all of its rows.
                        let query = format!("SELECT * FROM \"{}\"", name.replace('"', "\"\""));
                        self.subscribe_query(&query, snapshot, capacity)
                    }
                }
            }
            None => self.subscribe_query(target, options.snapshot.unwrap_or(true), capacity),
        }
    }

    fn subscribe_query(&self, sql: &str, snapshot: bool, capacity: usize) -> Result<Subscription> {
        let Statement::Query(query) = parser::parse_one(sql)? else {
            return Err(Error::new(
                code::SUBSCRIPTION_ARGUMENT,
                "a subscription is to a stream, sink or source by name, or to a SELECT",
            ));
        };
        let backfill = if snapshot { Backfill::All } else { Backfill::Updating };
        let retain_rows = self.shared.config.retain_history;
        self.with_plan(&query, |core, plan| {
            core.sweep();
            let (id, begin) =
                core.add_stream("", query.text.clone(), plan, retain_rows, backfill)?;
            let rows = begin.into_iter().map(|delta| (delta.batch, delta.weights)).collect();
            Ok(self.attach(core, id, capacity, snapshot.then_some(rows)))
        })
    }

    /// Attaches a subscription to a stream, beginning with `snapshot`.
    fn attach(
        &self,
        core: &mut Core,
        id: StreamId,
        capacity: usize,
        snapshot: Option<Vec<(RecordBatch, Option<laminar_types::Weights>)>>,
    ) -> Subscription {
        let stream = core.stream(id);
        let append_only = stream.traits.changes == Changes::AppendOnly;
        let options = RingOptions {
            schema: stream.output_schema(),
            form: stream.form(),
            policy: if append_only { Policy::Append } else { Policy::Updating },
            capacity,
            strategy: self.shared.config.wait_strategy,
        };
        let provider =
            (!append_only).then(|| snapshot_provider(Arc::downgrade(&self.shared), id));
        let (writer, subscription) = Subscription::new(options, provider);
        if let Some(rows) = snapshot {
            writer.publish_snapshot(core.epoch, rows);
        }
        core.subscribe(id, writer);
        subscription
    }

    /// The name that a text is, as catalogued, or `None` when it is SQL.
    fn named(&self, text: &str) -> Result<Option<String>> {
        let text = text.trim();
        let quoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let is_word = !text.is_empty()
            && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | '.' | '-'));
        match (quoted, is_word) {
            (Some(name), _) => Ok(Some(name.replace("\"\"", "\""))),
            (None, true) => self.shared.run(|core| find(core, text).map(Some))?,
            (None, false) => Ok(None),
        }
    }

    fn source_id(&self, name: &str) -> Result<(SourceId, Arc<Rules>)> {
        self.shared.run(|core| {
            let found = find(core, name)?;
            match core.object(&found)? {
                Object::Source(id) => Ok((*id, Arc::clone(&core.source(*id)?.rules))),
                other => Err(Error::new(
                    code::INGESTION_ARGUMENT,
                    format!("`{found}` is a {}: rows can be pushed into a source", other.kind()),
                )),
            }
        })?
    }

    fn rows(&self, batch: Result<RecordBatch>) -> Result<ExecuteResult> {
        let batch = batch?;
        Ok(ExecuteResult::Rows(Query::ready(batch.schema(), [batch])))
    }

    fn create_source(&self, mut source: CreateSource, sql: &str) -> Result<ExecuteResult> {
        refuse_replace(source.or_replace, &source.name)?;
        if let Some(connector) = &source.connector {
            return Err(connector_not_built(&connector.name));
        }
        let schema = self.shared.planner.schema(&source.columns)?;
        if let Some(column) = source.columns.iter().find(|column| column.proctime) {
            return Err(Error::unsupported("proctime() columns are not built yet")
                .at(column.name.position));
        }
        if let Some(column) = source.columns.iter().find(|column| column.primary_key) {
            return Err(Error::new(
                code::INVALID_SCHEMA,
                "a source is append-only and has no PRIMARY KEY: leave it out",
            )
            .at(column.name.position));
        }
        if schema.fields().is_empty() {
            return Err(Error::new(code::INVALID_SCHEMA, "a source needs at least one column")
                .at(source.name.position));
        }
        let declared = match &source.watermark {
            None => None,
            Some(watermark) => {
                let name = &watermark.column;
                let column = schema.index_of(&name.value).map_err(|_| {
                    Error::new(
                        code::INVALID_SCHEMA,
                        format!("WATERMARK FOR names `{}`, which is no column", name.value),
                    )
                    .at(name.position)
                })?;
                let data_type = schema.field(column).data_type();
                let unit = TimeUnit::of(data_type).ok_or_else(|| {
                    Error::new(
                        code::INVALID_SCHEMA,
                        format!(
                            "the event time `{}` is a {data_type}, and must be TIMESTAMP or \
                             BIGINT (milliseconds)",
                            name.value
                        ),
                    )
                    .at(name.position)
                })?;
                Some(Declared { column, unit, delay_ns: watermark.delay_ns })
            }
        };
        let retain_rows = self.retain_rows(&mut source.options)?;
        refuse_options(&source.options)?;
        let name = source.name.value.clone();
        let new = NewSource {
            name: name.clone(),
            sql: sql.trim().to_string(),
            schema,
            declared,
            retain_rows,
            capacity: self.shared.config.buffer_size as u64,
        };
        self.shared.run(|core| {
            if !is_free(core, &source.name, source.if_not_exists)? {
                return Ok(());
            }
            core.add_source(new);
            Ok::<_, Error>(())
        })??;
        Ok(ddl("CREATE SOURCE", name))
    }

    fn create_stream(&self, mut stream: CreateStream) -> Result<ExecuteResult> {
        refuse_replace(stream.or_replace, &stream.name)?;
        if let Some(column) = stream.columns.first() {
            return Err(Error::unsupported(
                "a list of column names after a stream's name is not built yet: name the columns \
                 with AS in the query",
            )
            .at(column.position));
        }
        let retain_rows = self.retain_rows(&mut stream.query.options)?;
        refuse_options(&stream.query.options)?;
        if stream.query.on_error == Some(OnError::Fail) {
            return Err(Error::unsupported("ON ERROR FAIL is not built yet"));
        }
        let name = stream.name.value.clone();
        let exists = self.shared.run(|core| is_free(core, &stream.name, stream.if_not_exists))??;
        if exists {
            self.with_plan(&stream.query, |core, plan| {
                if is_free(core, &stream.name, stream.if_not_exists)? {
                    let sql = stream.query.text.clone();
                    core.add_stream(&name, sql, plan, retain_rows, Backfill::Updating)?;
                }
                Ok(())
            })?;
        }
        Ok(ddl("CREATE STREAM", name))
    }

    /// Plans a query without holding the token, then installs the plan under it, unless the
    /// catalogue changed in between: then it plans again.
    fn with_plan<R: Send>(
        &self,
        query: &StreamQuery,
        install: impl Fn(&mut Core, StreamPlan) -> Result<R> + Send + Sync,
    ) -> Result<R> {
        loop {
            let catalog = self.shared.run(|core| Relations::of(core))?;
            let plan = self.shared.planner.plan_stream(&catalog, query)?;
            let installed = self.shared.run(|core| {
                (core.catalog_version == catalog.version).then(|| install(core, plan))
            })?;
            if let Some(result) = installed {
                return result;
            }
        }
    }

    fn create_sink(&self, sink: CreateSink) -> Result<ExecuteResult> {
        refuse_replace(sink.or_replace, &sink.name)?;
        if let Some(connector) = &sink.connector {
            return Err(connector_not_built(&connector.name));
        }
        refuse_options(&sink.options)?;
        let SinkInput::Name(from) = &sink.input else {
            return Err(Error::unsupported(
                "CREATE SINK ... AS query is not built yet: create a stream and a sink FROM it",
            )
            .at(sink.name.position));
        };
        let name = sink.name.value.clone();
        self.shared.run(|core| {
            let from = find(core, &from.value).map_err(|error| error.at(from.position))?;
            if is_free(core, &sink.name, sink.if_not_exists)? {
                core.epoch += 1;
                core.add_object(name.clone(), Object::Sink { from });
            }
            Ok::<_, Error>(())
        })??;
        Ok(ddl("CREATE SINK", name))
    }

    fn drop_object(&self, drop: Drop) -> Result<ExecuteResult> {
        if drop.cascade {
            return Err(Error::unsupported("DROP ... CASCADE is not built yet")
                .at(drop.name.position));
        }
        let (wanted, spelled) = match drop.kind {
            ObjectKind::Source => ("SOURCE", "DROP SOURCE"),
            ObjectKind::Stream => ("STREAM", "DROP STREAM"),
            ObjectKind::Sink => ("SINK", "DROP SINK"),
            ObjectKind::Table => ("TABLE", "DROP TABLE"),
            ObjectKind::LookupTable => ("LOOKUP TABLE", "DROP LOOKUP TABLE"),
            ObjectKind::MaterializedView => ("MATERIALIZED VIEW", "DROP MATERIALIZED VIEW"),
        };
        let name = drop.name.value.clone();
        self.shared.run(|core| {
            core.sweep();
            let kind = match core.object(&name) {
                Ok(object) => object.kind(),
                Err(_) if drop.if_exists => return Ok(()),
                Err(error) => return Err(error.at(drop.name.position)),
            };
            if kind != wanted {
                return Err(Error::new(
                    code::NOT_FOUND,
                    format!("`{name}` is a {kind}: write DROP {kind} {name}"),
                )
                .at(drop.name.position));
            }
            core.drop_object(&name).map(|_| ()).map_err(|error| error.at(drop.name.position))
        })??;
        Ok(ddl(spelled, name))
    }

    fn insert_rows(
        &self,
        insert: datafusion::sql::sqlparser::ast::Insert,
    ) -> Result<ExecuteResult> {
        let insert = crate::insert::Insert::read(insert)?;
        let (id, rules) = self.source_id(&insert.target)?;
        let mut query = adhoc::query(&self.shared, &insert.rows)?;
        let mut batches = Vec::new();
        while let Some(batch) = query.next_blocking()? {
            batches.push(insert.fit(&rules, &batch)?);
        }
        let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
        batches.iter().try_for_each(|batch| rules.check(batch))?;
        self.shared.run(|core| {
            let producer = core.own_producer(id)?;
            core.push(id, producer, &batches)
        })??;
        Ok(ExecuteResult::Affected(rows))
    }

    fn describe(&self, describe: Describe) -> Result<ExecuteResult> {
        match describe.target {
            Target::Name(name) => self.rows(self.shared.run(|core| {
                let found = find(core, &name.value).map_err(|error| error.at(name.position))?;
                if describe.extended {
                    return introspection::describe_extended(core, &found);
                }
                let (_, traits) = core.relation(&found).ok_or_else(|| core.not_found(&found))?;
                introspection::describe(&traits.schema)
            })?),
            Target::Query(query) => {
                let query = adhoc::query(&self.shared, &query.query)?;
                self.rows(introspection::describe(&query.schema()))
            }
        }
    }

    fn explain_statement(&self, explain: Explain) -> Result<String> {
        if explain.analyze {
            return Err(Error::unsupported("EXPLAIN ANALYZE is not built yet: use EXPLAIN"));
        }
        self.explain_target(explain.target)
    }

    fn explain_target(&self, target: ExplainTarget) -> Result<String> {
        let statement = match target {
            ExplainTarget::Name(name) => {
                return self.explain_name(&name.value).map_err(|error| error.at(name.position));
            }
            ExplainTarget::Statement(statement) => *statement,
        };
        let catalog = self.shared.run(|core| Relations::of(core))?;
        match statement {
            Statement::CreateStream(stream) => {
                Ok(self.shared.planner.plan_stream(&catalog, &stream.query)?.explain())
            }
            Statement::Query(query) => {
                let continuous = match self.shared.planner.plan_stream(&catalog, &query) {
                    Ok(plan) => plan.explain(),
                    Err(error) => format!("{error}\n"),
                };
                let ad_hoc = match adhoc::explain(&self.shared, &query.query) {
                    Ok(plan) => plan,
                    Err(error) => error.to_string(),
                };
                Ok(format!(
                    "As a continuous query:\n{}As an ad-hoc query:\n{}",
                    indented(&continuous),
                    indented(&ad_hoc)
                ))
            }
            other => Err(not_built(&other)),
        }
    }

    fn explain_name(&self, name: &str) -> Result<String> {
        self.shared.run(|core| {
            let name = find(core, name)?;
            match resolve_sink(core, &name)? {
                Object::Stream(id) => Ok(core.stream(id).explain.clone()),
                other => Err(Error::new(
                    code::QUERY_ARGUMENT,
                    format!("`{name}` is a {} and runs no query: see DESCRIBE", other.kind()),
                )),
            }
        })?
    }
}

/// A catalogue as it was at one moment.
struct Relations {
    version: u64,
    relations: BTreeMap<String, Traits>,
}

impl Relations {
    fn of(core: &Core) -> Self {
        let named = core.objects.keys();
        let relations = named.filter_map(|name| {
            let (_, traits) = core.relation(name)?;
            Some((name.clone(), traits))
        });
        Self { version: core.catalog_version, relations: relations.collect() }
    }
}

impl Catalog for Relations {
    fn relation(&self, name: &str) -> Option<Traits> {
        self.relations.get(name).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.relations.keys().cloned().collect()
    }
}

/// Fetches the content of a stream for a subscription that starts again.
fn snapshot_provider(shared: Weak<Shared>, id: StreamId) -> SnapshotProvider {
    Box::new(move |ring: &Ring| {
        let Some(shared) = shared.upgrade() else {
            return Err(Error::new(code::CLOSED, "the database is closed"));
        };
        shared.run(|core| {
            if core.stream_if_exists(id).is_none() {
                ring.close();
                return Ok(());
            }
            let rows = core.stream_content(id)?.batches()?.into_iter().map(|batch| (batch, None));
            ring.publish_snapshot(core.epoch, rows);
            Ok(())
        })?
    })
}

/// The name as catalogued: exactly so, or in lower case as unquoted SQL names are.
fn find(core: &Core, name: &str) -> Result<String> {
    if core.objects.contains_key(name) {
        return Ok(name.to_string());
    }
    let lower = name.to_lowercase();
    if core.objects.contains_key(&lower) { Ok(lower) } else { Err(core.not_found(name)) }
}

/// What stands behind a name, through any sinks.
fn resolve_sink(core: &Core, name: &str) -> Result<Object> {
    match core.object(name)?.clone() {
        Object::Sink { from } => resolve_sink(core, &from),
        other => Ok(other),
    }
}

/// Whether a name can be given to something new; an error where it is taken and may not be.
fn is_free(core: &Core, name: &Name, if_not_exists: bool) -> Result<bool> {
    match core.objects.get(&name.value) {
        None => Ok(true),
        Some(_) if if_not_exists => Ok(false),
        Some(object) => Err(Error::new(
            code::EXISTS,
            format!(
                "a {} called `{}` exists: drop it first, or write IF NOT EXISTS",
                object.kind(),
                name.value
            ),
        )
        .at(name.position)),
    }
}

fn ddl(statement: &str, object: String) -> ExecuteResult {
    ExecuteResult::Ddl { statement: statement.to_string(), object }
}

impl LaminarDB {
    /// Takes `retain_history` out of the options: rows.
    fn retain_rows(&self, options: &mut Options) -> Result<usize> {
        let Some(entry) = options.take("retain_history") else {
            return Ok(self.shared.config.retain_history);
        };
        let rows = entry.integer()?;
        usize::try_from(rows).map_err(|_| entry.error("a number of rows, 0 or more"))
    }
}

fn refuse_options(options: &Options) -> Result<()> {
    const LATER: [&str; 10] = [
        "idle_timeout", "watermark_per", "watermark_group", "max_drift", "max_future_ms",
        "backpressure", "wait_strategy", "buffer_size", "checkpoint_interval", "wal_mode",
    ];
    let Some(entry) = options.iter().next() else { return Ok(()) };
    let error = match LATER.contains(&entry.key.as_str()) || entry.key == "state_ttl" {
        true => Error::unsupported(format!("the option `{}` is not built yet", entry.key)),
        false => Error::new(
            code::OPTION,
            format!("there is no option `{}` here: this version knows retain_history", entry.key),
        ),
    };
    Err(error.at(entry.position))
}

fn refuse_replace(or_replace: bool, name: &Name) -> Result<()> {
    match or_replace {
        true => Err(Error::unsupported("OR REPLACE is not built yet: drop the object first")
            .at(name.position)),
        false => Ok(()),
    }
}

fn refuse_emit(query: &StreamQuery) -> Result<()> {
    match &query.emit {
        Some(emit) => Err(Error::new(
            code::PLAN,
            "EMIT belongs to a continuous query: CREATE STREAM ... AS it, or subscribe to it",
        )
        .at(emit.position)),
        None => Ok(()),
    }
}

fn connector_not_built(name: &Name) -> Error {
    Error::unsupported(format!(
        "the connector {} is not built yet: create the object without it and push rows",
        name.value.to_uppercase()
    ))
    .at(name.position)
}

fn not_built(statement: &Statement) -> Error {
    let what = match statement {
        Statement::CreateTable(_) => "CREATE TABLE",
        Statement::CreateLookupTable(_) => "CREATE LOOKUP TABLE",
        Statement::CreateMaterializedView(_) => "CREATE MATERIALIZED VIEW",
        Statement::AlterSource(_) => "ALTER SOURCE",
        Statement::ShowCreate(_) => "SHOW CREATE",
        Statement::ShowVariable(_) => "SHOW of a setting",
        Statement::Set(_) => "SET",
        Statement::Subscribe(_) => "SUBSCRIBE as a statement (use the subscribe call)",
        Statement::Update(_) => "UPDATE",
        Statement::Delete(_) => "DELETE",
        Statement::Other(other) => return Error::unsupported(format!(
            "this statement is not part of the dialect: {other}"
        )),
        _ => "this statement here",
    };
    Error::unsupported(format!("{what} is not built yet"))
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}
