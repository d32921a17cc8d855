//! The statements of the dialect, each as a method of [`LaminarDB`].

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::sql::sqlparser::ast;
use laminar_sql::outline::{ExplainForm, both_ways};
use laminar_sql::parser::{Options, statement::*};
use laminar_sql::plan::StreamPlan;
use laminar_types::{Error, Result, Retention, TimeUnit, code};

use crate::adhoc;
use crate::analyze;
use crate::catalog::{Relations, find, is_free, resolve_sink};
use crate::database::{ExecuteResult, LaminarDB};
use crate::engine::{
    Backfill, Core, InputKind, NewSource, NewStream, Object, StreamId, StreamKind, Terms,
};
use crate::introspection;
use crate::producers::Declared;
use crate::query::Query;
use crate::source_policy::SourcePolicy;
use crate::source_timing;
use crate::stream::Stream;

impl LaminarDB {
    /// Runs a statement that was read from `sql`.
    pub(crate) fn run_statement(&self, statement: Statement, sql: &str) -> Result<ExecuteResult> {
        match statement {
            Statement::CreateSource(source) => self.create_source_from(source, sql),
            Statement::CreateStream(stream) => self.create_stream(stream, StreamKind::Stream, sql),
            Statement::CreateMaterializedView(view) => {
                self.create_stream(view, StreamKind::View, sql)
            }
            Statement::AlterSource(alter) => self.add_column(alter, sql),
            Statement::CreateSink(sink) => self.create_sink(sink, sql),
            Statement::Drop(drop) => self.drop_object(drop),
            Statement::CreateTable(table) => self.create_table(table, sql),
            Statement::CreateLookupTable(table) => self.create_lookup_table(table, sql),
            Statement::CancelQuery(id) => match self.cancel_query(id)? {
                true => Ok(ddl("CANCEL QUERY", id.to_string())),
                false => Err(Error::new(
                    code::QUERY_ARGUMENT,
                    format!("no query or subscription has the number {id}: see SHOW QUERIES"),
                )),
            },
            Statement::Insert(insert) => self.insert_rows(*insert),
            Statement::Update(update) => self.update_rows(*update),
            Statement::Delete(delete) => self.delete_rows(*delete),
            Statement::Other(other) => match *other {
                ast::Statement::Truncate(truncate) => self.truncate(&truncate),
                other => Err(not_built(&Statement::Other(Box::new(other)))),
            },
            Statement::Query(query) => {
                refuse_emit(&query)?;
                adhoc::query(&self.shared, &query).map(ExecuteResult::Rows)
            }
            Statement::Show(what) => {
                self.shared.refuse_closed()?;
                self.shared.refresh_board();
                rows(introspection::show(&self.shared.board, what))
            }
            Statement::ShowCreate(show) => self.show_create(&show),
            Statement::ShowVariable(name) => {
                self.shared.refuse_closed()?;
                rows(self.shared.settings.show(&name))
            }
            Statement::Set(set) => {
                self.shared.refuse_closed()?;
                let name = set.name.value.clone();
                self.shared.settings.set(set).map(|()| ddl("SET", name))
            }
            Statement::Reset(name) => {
                self.shared.refuse_closed()?;
                self.shared.settings.reset(&name).map(|()| ddl("RESET", name.value))
            }
            Statement::Describe(describe) => self.describe(describe),
            Statement::Explain(explain) => {
                rows(introspection::plan(&self.explain_statement(explain)?))
            }
            other => Err(not_built(&other)),
        }
    }

    fn create_source_from(&self, mut source: CreateSource, sql: &str) -> Result<ExecuteResult> {
        if let Some(connector) = &source.connector {
            return Err(connector_not_built(connector));
        }
        let schema = self.shared.planner.schema(&source.columns)?;
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
        let declared = declared_watermark(&schema, source.watermark.as_ref())?;
        let retain = self.retain(&mut source.options)?;
        let timing = source_timing::read(&mut source, &schema)?;
        let policy = SourcePolicy::read(&mut source.options, false)?;
        refuse_options(&source.options, OF_SOURCES)?;
        let name = source.name.value.clone();
        let new = NewSource {
            name: name.clone(),
            sql: whole_statement(sql),
            kind: InputKind::Source,
            schema,
            declared,
            timing,
            retain,
            policy,
            capacity: policy.capacity(&self.shared.settings),
        };
        self.shared.run(|core| {
            if source.or_replace
                && let Some(object) = core.replaced(&source.name, "SOURCE")?
                && let Some(id) = object.input()
            {
                let replaced = core.replace_source(id, new);
                return replaced.map_err(|error| error.at(source.name.position));
            }
            if !is_free(core, &source.name, source.if_not_exists)? {
                return Ok(());
            }
            core.add_source(new).map(|_| ())
        })??;
        Ok(ddl("CREATE SOURCE", name))
    }

    /// `CREATE STREAM`; `CREATE MATERIALIZED VIEW`: a stream that is kept whole and begins with
    /// what its inputs retain; `CREATE SINK ... AS query`.
    fn create_stream(
        &self,
        mut stream: CreateStream,
        kind: StreamKind,
        sql: &str,
    ) -> Result<ExecuteResult> {
        // Changes of an updating result are kept where that is asked for.
        let options = &mut stream.query.options;
        let keeps_changes = options.iter().any(|entry| entry.key == "retain_history");
        let retain_changes = keeps_changes.then(|| self.retain(options)).transpose()?;
        let (retain, backfill) = match kind {
            StreamKind::View => (Retention::Rows(usize::MAX), Backfill::All),
            StreamKind::Stream | StreamKind::Sink => {
                let retain = retain_changes.unwrap_or(self.shared.settings.retain_history());
                (retain, Backfill::Updating)
            }
        };
        refuse_options(&stream.query.options, OF_STREAMS)?;
        let name = stream.name.value.clone();
        let replaced = |core: &Core| match stream.or_replace {
            true => core.replaced(&stream.name, kind.sql()),
            false => Ok(None),
        };
        let is_wanted = self.shared.run(|core| {
            Ok::<_, Error>(
                replaced(core)?.is_some() || is_free(core, &stream.name, stream.if_not_exists)?,
            )
        })??;
        let mut warnings = Vec::new();
        if is_wanted {
            warnings = self.with_plan(&stream.query, &stream.columns, |core, plan| {
                let warnings = plan.warnings.clone();
                let replaced = replaced(core)?;
                if replaced.is_none() && !is_free(core, &stream.name, stream.if_not_exists)? {
                    return Ok(warnings);
                }
                if let Some(late) = &plan.late {
                    let own = core.late_sinks(&name);
                    if !own.iter().any(|(sink, _)| *sink == late.sink.value) {
                        is_free(core, &late.sink, false)?;
                    }
                    if late.sink.value == name {
                        let message = "LATE DATA TO and the stream have one name";
                        return Err(Error::new(code::EXISTS, message).at(late.sink.position));
                    }
                }
                refuse_repeated_columns(&plan, &stream.name)?;
                let new = NewStream {
                    name: name.clone(),
                    sql: stream.query.text.clone(),
                    statement: whole_statement(sql),
                    kind,
                    on_error: stream.query.on_error.unwrap_or(OnError::DeadLetter),
                    retain,
                    retain_changes,
                    backfill,
                    follows: None,
                };
                match replaced {
                    Some(object) => object
                        .stream()
                        .ok_or_else(|| other_form(&name, "a sink FROM another relation"))
                        .and_then(|id| core.replace_stream(id, new, plan))
                        .map_err(|error| error.at(stream.name.position))?,
                    None => core.add_stream(new, plan).map(|_| ())?,
                }
                Ok(warnings)
            })?;
        }
        let statement = format!("CREATE {}", kind.sql());
        Ok(ExecuteResult::Ddl { statement, object: name, warnings })
    }

    fn create_sink(&self, sink: CreateSink, sql: &str) -> Result<ExecuteResult> {
        if let Some(connector) = &sink.connector {
            return Err(connector_not_built(connector));
        }
        let from = match sink.input {
            SinkInput::Name(from) => from,
            SinkInput::Query(query) => {
                let stream = CreateStream {
                    name: sink.name,
                    or_replace: sink.or_replace,
                    if_not_exists: sink.if_not_exists,
                    columns: Vec::new(),
                    query: *query,
                };
                return self.create_stream(stream, StreamKind::Sink, sql);
            }
        };
        refuse_options(&sink.options, "a sink FROM a relation has none")?;
        let name = sink.name.value.clone();
        self.shared.run(|core| {
            let from = find(core, &from.value).map_err(|error| error.at(from.position))?;
            if sink.or_replace
                && let Some(object) = core.replaced(&sink.name, "SINK")?
            {
                let replaced = match object.stream() {
                    Some(_) => Err(other_form(&name, "a sink AS a query")),
                    None => core.replace_sink(&name, from, whole_statement(sql)),
                };
                return replaced.map_err(|error| error.at(sink.name.position));
            }
            if is_free(core, &sink.name, sink.if_not_exists)? {
                core.epoch += 1;
                let sql = whole_statement(sql);
                core.board.add_sink(name.clone(), from.clone(), sql.clone());
                core.add_object(name.clone(), Object::Sink { from, sql });
            }
            Ok::<_, Error>(())
        })??;
        Ok(ddl("CREATE SINK", name))
    }

    fn drop_object(&self, drop: Drop) -> Result<ExecuteResult> {
        let wanted = kind_name(drop.kind);
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
            let dropped = match drop.cascade {
                true => core.drop_cascade(&name),
                false => core.drop_object(&name).map(|_| ()),
            };
            dropped.map_err(|error| error.at(drop.name.position))
        })??;
        Ok(ddl(&format!("DROP {wanted}"), name))
    }

    fn show_create(&self, show: &ShowCreate) -> Result<ExecuteResult> {
        rows(self.shared.run(|core| {
            let found = find(core, &show.name.value).and_then(|found| {
                let (kind, wanted) = (core.object(&found)?.kind(), kind_name(show.kind));
                match kind == wanted {
                    true => Ok(found),
                    false => Err(Error::new(
                        code::NOT_FOUND,
                        format!("`{found}` is a {kind}: write SHOW CREATE {kind} {found}"),
                    )),
                }
            });
            let found = found.map_err(|error| error.at(show.name.position))?;
            introspection::show_create(core, &found)
        })?)
    }

    fn describe(&self, describe: Describe) -> Result<ExecuteResult> {
        match describe.target {
            Target::Name(name) => rows(self.shared.run(|core| {
                let found = find(core, &name.value).map_err(|error| error.at(name.position))?;
                if describe.extended {
                    return introspection::describe_extended(core, &found);
                }
                let (_, traits) = core.relation(&found).ok_or_else(|| core.not_found(&found))?;
                introspection::describe(&traits.schema)
            })?),
            Target::Query(query) => {
                let query = adhoc::query(&self.shared, &query)?;
                rows(introspection::describe(&query.schema()))
            }
        }
    }

    pub(crate) fn explain_statement(&self, explain: Explain) -> Result<String> {
        let form = explain.form;
        match explain.target {
            ExplainTarget::Name(name) if explain.analyze => {
                let analyzed = self.explain_stream(&name.value, |core, id, stream| {
                    analyze::of_stream(core, id, stream, form)
                });
                analyzed.map_err(|error| error.at(name.position))
            }
            ExplainTarget::Statement(statement) if explain.analyze => {
                self.analyze_statement(*statement, form)
            }
            target => self.explain_target(target, form),
        }
    }

    fn analyze_statement(&self, statement: Statement, form: ExplainForm) -> Result<String> {
        match statement {
            Statement::CreateStream(stream) => {
                self.analyze_query(&stream.query, &stream.columns, form)
            }
            Statement::CreateMaterializedView(view) => {
                self.analyze_query(&view.query, &view.columns, form)
            }
            Statement::CreateSink(CreateSink { input: SinkInput::Query(query), .. }) => {
                self.analyze_query(&query, &[], form)
            }
            Statement::Query(query) => {
                let continuous = self.analyze_query(&query, &[], form);
                Ok(both_ways(form, continuous, adhoc::analyze(&self.shared, &query.query, form)))
            }
            _ => Err(Error::unsupported(
                "EXPLAIN ANALYZE runs a query, CREATE STREAM ... AS query and its like, or tells of \
                 a stream by its name: use EXPLAIN for other statements",
            )),
        }
    }

    pub(crate) fn explain_target(
        &self,
        target: ExplainTarget,
        form: ExplainForm,
    ) -> Result<String> {
        let statement = match target {
            ExplainTarget::Name(name) => {
                let explained = self.explain_name(&name.value, form);
                return explained.map_err(|error| error.at(name.position));
            }
            ExplainTarget::Statement(statement) => *statement,
        };
        let catalog = self.shared.run(|core| Relations::of(core))?;
        match statement {
            Statement::CreateStream(stream) => {
                let query = self.shared.settings.complete(&stream.query);
                let plan = self.shared.planner.plan_stream(&catalog, &query, &stream.columns)?;
                self.explain_plan(plan, &query, Some(Backfill::Updating), form)
            }
            Statement::CreateMaterializedView(view) => {
                let query = self.shared.settings.complete(&view.query);
                let mut plan = self.shared.planner.plan_stream(&catalog, &query, &view.columns)?;
                plan.default_to_changes();
                self.explain_plan(plan, &query, Some(Backfill::All), form)
            }
            Statement::CreateSink(CreateSink { input: SinkInput::Query(query), .. }) => {
                let query = self.shared.settings.complete(&query);
                let plan = self.shared.planner.plan_stream(&catalog, &query, &[])?;
                self.explain_plan(plan, &query, Some(Backfill::Updating), form)
            }
            Statement::Query(query) => {
                let completed = self.shared.settings.complete(&query);
                let continuous = self.shared.planner.plan_stream(&catalog, &completed, &[]);
                let continuous =
                    continuous.and_then(|plan| self.explain_plan(plan, &completed, None, form));
                Ok(both_ways(form, continuous, adhoc::explain(&self.shared, &query.query, form)))
            }
            _ => Err(Error::unsupported(
                "EXPLAIN tells of a query, of CREATE STREAM ... AS query and its like, or of a stream \
                 by its name",
            )),
        }
    }

    /// A plan with what it would share with the streams that run: of a stream that begins with this,
    /// or of a subscription, which begins with all there is and is never held back.
    fn explain_plan(
        &self,
        plan: StreamPlan,
        query: &StreamQuery,
        named: Option<Backfill>,
        form: ExplainForm,
    ) -> Result<String> {
        let on_error = query.on_error.unwrap_or(OnError::DeadLetter);
        let backfill = named.unwrap_or(Backfill::All);
        self.shared.run(|core| {
            let is_held = named.is_some() && !core.started;
            core.explain_new(plan, Terms { on_error, backfill, is_held }, form)
        })
    }

    pub(crate) fn explain_name(&self, name: &str, form: ExplainForm) -> Result<String> {
        self.explain_stream(name, |core, id, stream| {
            core.outline_of(id, stream).told(form, |_| Vec::new())
        })
    }

    /// What can be told of the stream behind a name.
    fn explain_stream(
        &self,
        name: &str,
        tell: impl FnOnce(&Core, StreamId, &Stream) -> String + Send,
    ) -> Result<String> {
        self.shared.run(|core| {
            let name = find(core, name)?;
            match resolve_sink(core, &name)? {
                Object::Stream(id) | Object::View(id) => Ok(tell(core, id, core.stream(id))),
                other => Err(Error::new(
                    code::QUERY_ARGUMENT,
                    format!("`{name}` is a {} and runs no query: see DESCRIBE", other.kind()),
                )),
            }
        })?
    }

    /// Takes `retain_history` out of the options.
    fn retain(&self, options: &mut Options) -> Result<Retention> {
        match options.take("retain_history") {
            Some(entry) => entry.retention(),
            None => Ok(self.shared.settings.retain_history()),
        }
    }
}

/// A kind of object as SQL calls it.
fn kind_name(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Source => "SOURCE",
        ObjectKind::Table => "TABLE",
        ObjectKind::LookupTable => "LOOKUP TABLE",
        ObjectKind::Stream => "STREAM",
        ObjectKind::MaterializedView => "MATERIALIZED VIEW",
        ObjectKind::Sink => "SINK",
    }
}

/// The text of a statement without what ends it.
pub(crate) fn whole_statement(sql: &str) -> String {
    sql.trim().trim_end_matches(';').trim_end().to_string()
}

fn rows(batch: Result<RecordBatch>) -> Result<ExecuteResult> {
    let batch = batch?;
    Ok(ExecuteResult::Rows(Query::ready(batch.schema(), [batch])))
}

/// What has a name is read by the names of its columns.
fn refuse_repeated_columns(plan: &StreamPlan, stream: &Name) -> Result<()> {
    let fields = plan.traits().schema.fields();
    let repeated = fields.iter().enumerate().find(|(index, field)| {
        fields[..*index].iter().any(|earlier| earlier.name() == field.name())
    });
    repeated.map_or(Ok(()), |(_, field)| {
        let message = format!(
            "two columns of `{}` are called `{}`: give one of them another name with AS",
            stream.value,
            field.name()
        );
        Err(Error::new(code::INVALID_SCHEMA, message).at(stream.position))
    })
}

/// The error that one form of a sink does not replace the other.
fn other_form(name: &str, was: &str) -> Error {
    Error::new(code::EXISTS, format!("`{name}` is {was}: drop it first"))
}

pub(crate) fn ddl(statement: &str, object: String) -> ExecuteResult {
    ExecuteResult::Ddl { statement: statement.to_string(), object, warnings: Vec::new() }
}

/// What a source knows of options.
const OF_SOURCES: &str = "this version knows retain_history, backpressure, buffer_size, \
     push_timeout_ms, wait_strategy, allowed_lateness, watermark, idle_timeout, max_future_ms, \
     watermark_per, watermark_group and max_drift";

/// What a stream or view knows of options.
const OF_STREAMS: &str =
    "this version knows retain_history, allowed_lateness, state_ttl and workers";

/// Refuses options that are left; `known` says which there are.
pub(crate) fn refuse_options(options: &Options, known: &str) -> Result<()> {
    const LATER: [&str; 2] = ["checkpoint_interval", "wal_mode"];
    let Some(entry) = options.iter().next() else { return Ok(()) };
    let error = match LATER.contains(&entry.key.as_str()) {
        true => Error::unsupported(format!("the option `{}` is not built yet", entry.key)),
        false => {
            Error::new(code::OPTION, format!("there is no option `{}` here: {known}", entry.key))
        }
    };
    Err(error.at(entry.position))
}

/// The watermark that a source or table declares.
pub(crate) fn declared_watermark(
    schema: &SchemaRef,
    watermark: Option<&Watermark>,
) -> Result<Option<Declared>> {
    let Some(watermark) = watermark else { return Ok(None) };
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
                "the event time `{}` is a {data_type}, and must be TIMESTAMP or BIGINT \
                 (milliseconds)",
                name.value
            ),
        )
        .at(name.position)
    })?;
    Ok(Some(Declared { column, unit, delay_ns: watermark.delay_ns }))
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

pub(crate) fn connector_not_built(connector: &Connector) -> Error {
    let mut name = connector.name.value.to_uppercase();
    // `CDC (connector = 'postgres')` is `POSTGRES_CDC`.
    if let Some(of) = connector.options.entry("connector").filter(|_| name == "CDC")
        && let Ok(of) = of.text()
    {
        name = format!("{}_CDC", of.to_uppercase());
    }
    Error::unsupported(format!(
        "the connector {name} is not built yet: create the object without it and push rows"
    ))
    .at(connector.name.position)
}

fn not_built(statement: &Statement) -> Error {
    let text = match statement {
        Statement::Subscribe(_) => {
            "SUBSCRIBE gives no rows that end: call subscribe with this statement".to_string()
        }
        Statement::Other(other) => {
            let instead = match other.as_ref() {
                ast::Statement::CreateView { .. } => {
                    ": write CREATE MATERIALIZED VIEW, or CREATE STREAM for one that is not kept whole"
                }
                ast::Statement::Drop { object_type: ast::ObjectType::View, .. } => {
                    ": write DROP MATERIALIZED VIEW"
                }
                ast::Statement::ShowColumns { .. } => ": write DESCRIBE and the relation's name",
                ast::Statement::AlterTable { .. } => {
                    ": write CREATE OR REPLACE TABLE ... AS SELECT of its rows"
                }
                ast::Statement::StartTransaction { .. }
                | ast::Statement::Commit { .. }
                | ast::Statement::Rollback { .. } => ": every statement is an epoch of its own",
                _ => "",
            };
            format!("this statement is not part of the dialect: {other}{instead}")
        }
        _ => "this statement cannot stand here".to_string(),
    };
    Error::unsupported(text)
}
