//! [`LaminarDB`], the handle of a database, and the statements it runs.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use laminar_dataflow::Workers;
use laminar_sql::host_functions::{AggregateFunction, ScalarFunction};
use laminar_sql::outline::ExplainForm;
use laminar_sql::parser::{
    self,
    statement::{ExplainTarget, Name, Statement, StreamQuery},
};
use laminar_sql::plan::StreamPlan;
use laminar_sql::planner::Planner;
use laminar_types::{Config, Epoch, Error, Result, code};

use crate::adhoc::Background;
use crate::admission::Admission;
use crate::affinity::Affinity;
use crate::board::{Board, FunctionEntry};
use crate::catalog::{Relations, find};
use crate::clock::{Alarm, Clock};
use crate::engine::{Core, Object, SourceId};
use crate::log::{LogLevel, LogListener};
use crate::query::Query;
use crate::settings::Settings;
use crate::source::{Rules, UntypedSource};
use crate::token::Token;
use crate::workers::WorkerThreads;

/// A database. Clones are handles of the same database, and may be used from any thread.
#[derive(Clone)]
pub struct LaminarDB {
    pub(crate) shared: Arc<Shared>,
}

/// What every handle of a database shares.
pub(crate) struct Shared {
    token: Token<Core>,
    pub(crate) planner: Planner,
    pub(crate) background: Background,
    affinity: Affinity,
    workers: Arc<WorkerThreads>,
    pub(crate) config: Config,
    pub(crate) settings: Settings,
    pub(crate) admission: Arc<Admission>,
    pub(crate) clock: Arc<Clock>,
    alarm: Arc<Alarm>,
    pub(crate) board: Arc<Board>,
    closed: AtomicBool,
    /// Itself, for the thread that waits for the alarm.
    me: Weak<Shared>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.alarm.stop();
    }
}

impl Shared {
    /// Runs a job under the token, in its turn.
    pub(crate) fn run<R: Send>(&self, job: impl FnOnce(&mut Core) -> R + Send) -> Result<R> {
        self.refuse_closed()?;
        let result = self.token.run(job);
        self.after_token();
        result
    }

    /// Lets a push into a source wait for room, as the source has it.
    pub(crate) fn admit(&self, id: SourceId, rules: &Rules) -> Result<()> {
        let strategy = rules.policy.wait_strategy.unwrap_or(self.config.wait_strategy);
        self.admission.admit(id, rules, rules.policy.patience(&self.settings), strategy)
    }

    /// Runs a push under the token, waiting for its turn as the source has it.
    pub(crate) fn run_push<R: Send>(
        &self,
        rules: &Rules,
        job: impl FnOnce(&mut Core) -> R + Send,
    ) -> Result<R> {
        self.refuse_closed()?;
        let result = match rules.policy.wait_strategy {
            None => self.token.run(job),
            Some(strategy) => self.token.run_waiting(strategy, job),
        };
        self.after_token();
        result
    }

    /// Whether nobody holds the token.
    pub(crate) fn is_token_free(&self) -> bool {
        self.token.is_free()
    }

    /// What is to be done after each use of the token.
    fn after_token(&self) {
        if self.alarm.needs_thread() {
            self.watch_alarm();
        }
        if self.admission.wants_token() && self.token.is_free() {
            self.admission.announce_token();
        }
    }

    /// Starts the one thread that the database has for itself: it runs what is due when the alarm
    /// goes off, and ends with the database. A clock that is moved by hand needs none.
    fn watch_alarm(&self) {
        if self.clock.is_by_hand() {
            return;
        }
        let (clock, alarm) = (Arc::clone(&self.clock), Arc::clone(&self.alarm));
        let me = Weak::clone(&self.me);
        let affinity = self.affinity;
        let watch = move || {
            affinity.apply();
            while alarm.wait(&clock) {
                let Some(shared) = me.upgrade() else { return };
                if shared.run(Core::tick).is_err() {
                    return;
                }
            }
        };
        // Without a thread, time goes on at the next call instead: nothing is lost.
        let _ = std::thread::Builder::new().name("laminar-timer".to_string()).spawn(watch);
    }

    /// Runs a job under the token unless that means to wait.
    pub(crate) fn try_run<R>(&self, job: impl FnOnce(&mut Core) -> R) -> Result<Option<R>> {
        self.refuse_closed()?;
        let result = self.token.try_run(job);
        self.after_token();
        result
    }

    /// Brings the gauges of the board up to date if nobody holds the token; else leaves a note for
    /// whoever does. Never waits.
    pub(crate) fn refresh_board(&self) {
        match self.token.try_run_alone(|core| core.read_gauges()) {
            Ok(Some(())) => self.after_token(),
            // Taken, or by this very thread.
            Ok(None) | Err(_) => self.board.want_gauges(),
        }
    }

    pub(crate) fn refuse_closed(&self) -> Result<()> {
        match self.closed.load(Ordering::Acquire) {
            true => Err(Error::new(code::CLOSED, "the database is closed: open it again")),
            false => Ok(()),
        }
    }
}

impl fmt::Debug for LaminarDB {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_closed = self.shared.closed.load(Ordering::Relaxed);
        let config = &self.shared.config;
        f.debug_struct("LaminarDB")
            .field("config", config)
            .field("is_closed", &is_closed)
            .finish_non_exhaustive()
    }
}

/// What a statement answered.
#[derive(Debug)]
pub enum ExecuteResult {
    /// A definition changed: the statement, as `CREATE SOURCE`, and the object's name.
    Ddl {
        /// For example `CREATE SOURCE`.
        statement: String,
        /// The object's name.
        object: String,
        /// What whoever made the definition should know, one sentence each.
        warnings: Vec<String>,
    },
    /// Rows were taken in, changed or taken out.
    Affected {
        /// `INSERT`, `UPDATE`, `DELETE` or `TRUNCATE`.
        statement: &'static str,
        /// How many.
        rows: u64,
    },
    /// Rows to read.
    Rows(Query),
}

impl ExecuteResult {
    /// How many rows were taken in, changed or taken out; 0 for other statements.
    pub fn rows_affected(&self) -> u64 {
        match self {
            Self::Affected { rows, .. } => *rows,
            _ => 0,
        }
    }

    /// The rows to read, of a statement that answers some.
    pub fn into_query(self) -> Option<Query> {
        match self {
            Self::Rows(query) => Some(query),
            _ => None,
        }
    }
}

impl LaminarDB {
    /// Opens an in-memory database with the defaults.
    pub fn open() -> Result<Self> {
        Self::open_with_config(Config::default())
    }

    /// Opens a database.
    pub fn open_with_config(config: Config) -> Result<Self> {
        Self::open_with_clock(config, Clock::system())
    }

    /// Opens a database whose clock stands at a time, in milliseconds since 1970, until
    /// [`advance_clock`](Self::advance_clock) moves it: for tests of what time does.
    #[doc(hidden)]
    pub fn open_with_clock_at(config: Config, now_ms: i64) -> Result<Self> {
        Self::open_with_clock(config, Clock::by_hand(now_ms))
    }

    /// Moves a clock that stands, and runs what is due then.
    #[doc(hidden)]
    pub fn advance_clock(&self, by: Duration) -> Result<()> {
        self.shared.clock.advance(by);
        self.shared.run(Core::tick)
    }

    fn open_with_clock(config: Config, clock: Clock) -> Result<Self> {
        config.validate()?;
        if let Some(path) = &config.path {
            return Err(Error::unsupported(format!(
                "a database at a path (`{}`) is not built yet: open \":memory:\"",
                path.display()
            )));
        }
        let affinity = Affinity::of(config.core_affinity)?;
        let (clock, alarm) = (Arc::new(clock), Arc::new(Alarm::default()));
        let admission = Arc::new(Admission::default());
        let board = Arc::new(Board::new(Arc::clone(&admission), config.max_queued_bytes));
        let workers = Arc::new(WorkerThreads::new(&config, affinity));
        let core = Core::new(
            &config,
            Arc::clone(&clock),
            Arc::clone(&alarm),
            Arc::clone(&board),
            Arc::clone(&workers) as Arc<dyn Workers>,
        );
        let shared = Arc::new_cyclic(|me| Shared {
            token: Token::new(core, config.wait_strategy),
            planner: Planner::new(),
            background: Background::new(affinity),
            affinity,
            workers,
            settings: Settings::of(&config),
            config,
            admission,
            clock,
            alarm,
            board,
            closed: AtomicBool::new(false),
            me: Weak::clone(me),
        });
        Ok(Self { shared })
    }

    /// The configuration it was opened with.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// Registers a scalar function, for continuous and ad-hoc queries.
    ///
    /// It runs on the threads that push and query, where calls of the database that need its token
    /// answer `IN_USE`. Where it fails on a row, or panics, that row is left out and becomes a dead
    /// letter.
    pub fn register_udf(&self, function: ScalarFunction) -> Result<()> {
        self.shared.refuse_closed()?;
        let entry = FunctionEntry::of_scalar(&function);
        self.shared.planner.register_scalar(function)?;
        self.shared.board.add_function(entry);
        Ok(())
    }

    /// Registers an aggregate function, for continuous and ad-hoc queries. One that fails stops the
    /// streams that call it.
    pub fn register_udaf(&self, function: AggregateFunction) -> Result<()> {
        self.shared.refuse_closed()?;
        let entry = FunctionEntry::of_aggregate(&function);
        self.shared.planner.register_aggregate(function)?;
        self.shared.board.add_function(entry);
        Ok(())
    }

    /// Calls a listener with every line of a level and above it, in the place of the one there was;
    /// `None` listens no more. It runs on the threads that call the database, never while the
    /// engine is locked, and may call the database itself.
    pub fn set_log(&self, level: LogLevel, listener: Option<LogListener>) {
        self.shared.board.log.install(level, listener);
    }

    /// Starts the streams: what was pushed before is run now, in its order. Idempotent.
    pub fn start_blocking(&self) -> Result<()> {
        let started = self.shared.run(Core::start);
        self.shared.board.log.say(LogLevel::Info, || "the streams run".to_string());
        started
    }

    /// Takes a checkpoint and answers its number.
    ///
    /// # Errors
    /// `UNSUPPORTED` for a database in memory, which all are at present.
    pub fn checkpoint_blocking(&self) -> Result<u64> {
        self.shared.refuse_closed()?;
        Err(Error::unsupported("a database in memory has no checkpoints: nothing of it is kept"))
    }

    /// Ends every subscription and refuses every later call. Idempotent.
    pub fn shutdown_blocking(&self) -> Result<()> {
        if !self.shared.closed.swap(true, Ordering::AcqRel) {
            self.shared.token.run(Core::close)?;
            // Who waits for room finds out that the database is closed.
            self.shared.admission.shut_down();
            // Nothing runs any more.
            self.shared.workers.end();
            self.shared.board.log.say(LogLevel::Info, || "the database was shut down".to_string());
        }
        Ok(())
    }

    /// Runs one statement of any kind.
    pub fn execute_blocking(&self, sql: &str) -> Result<ExecuteResult> {
        let result = self.run_statement(self.parse(sql)?, sql)?;
        if let ExecuteResult::Ddl { statement, object, warnings } = &result {
            let log = &self.shared.board.log;
            log.say(LogLevel::Info, || format!("{statement} {object}"));
            for warning in warnings {
                log.say(LogLevel::Warn, || format!("{statement} {object}: {warning}"));
            }
        }
        Ok(result)
    }

    /// Runs a query; refuses statements that answer no rows.
    pub fn query_blocking(&self, sql: &str) -> Result<Query> {
        let statement = self.parse(sql)?;
        match self.run_statement(check_rows(statement)?, sql)? {
            ExecuteResult::Rows(query) => Ok(query),
            _ => Err(Error::internal("a query answered no rows")),
        }
    }

    /// The plan of a statement or of a stream's name, for people.
    pub fn explain(&self, sql: &str) -> Result<String> {
        if let Some(name) = self.named(sql)? {
            return self.explain_name(&name, ExplainForm::default());
        }
        match self.parse(sql)? {
            Statement::Explain(explain) => self.explain_statement(explain),
            other => {
                let target = ExplainTarget::Statement(Box::new(other));
                self.explain_target(target, ExplainForm::default())
            }
        }
    }

    /// Reads one statement; `${NAME}` in the strings of definitions is a variable of the
    /// configuration or, failing that, of the environment.
    pub(crate) fn parse(&self, sql: &str) -> Result<Statement> {
        let variables = &self.shared.config.variables;
        parser::parse_one_with(sql, &|name| {
            variables.get(name).cloned().or_else(|| std::env::var(name).ok())
        })
    }

    /// Cancels the query of a number, as `laminar_queries` and [`Query::id`] tell it, or ends the
    /// subscription of one; whether there was one. Never waits.
    pub fn cancel_query(&self, id: u64) -> Result<bool> {
        self.shared.refuse_closed()?;
        Ok(self.shared.board.cancel(id))
    }

    /// A new producer of a source or table.
    pub fn source_untyped(&self, name: &str) -> Result<UntypedSource> {
        let (id, rules) = self.source_id(name)?;
        UntypedSource::open(Arc::clone(&self.shared), id, rules)
    }

    /// The columns of a source.
    pub fn source_schema(&self, name: &str) -> Result<SchemaRef> {
        Ok(Arc::clone(&self.source_id(name)?.1.schema))
    }

    /// Pushes batches as one epoch through the database's own producer of the source: all are
    /// taken, or none.
    pub fn insert(&self, source: &str, batches: Vec<RecordBatch>) -> Result<Epoch> {
        let (id, rules) = self.source_id(source)?;
        self.insert_batches(id, &rules, &batches)
    }

    /// Pushes batches through the database's own producer of a source.
    pub(crate) fn insert_batches(
        &self,
        id: SourceId,
        rules: &Rules,
        batches: &[RecordBatch],
    ) -> Result<Epoch> {
        batches.iter().try_for_each(|batch| rules.check(batch))?;
        self.shared.admit(id, rules)?;
        self.shared.run_push(rules, |core| {
            let producer = core.own_producer(id)?;
            core.push(id, producer, batches)
        })?
    }

    /// The name that a text is, as catalogued, or `None` when it is SQL.
    pub(crate) fn named(&self, text: &str) -> Result<Option<String>> {
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

    pub(crate) fn source_id(&self, name: &str) -> Result<(SourceId, Arc<Rules>)> {
        self.shared.run(|core| {
            let found = find(core, name)?;
            match core.object(&found)? {
                Object::Source(id) | Object::Table(id) | Object::LookupTable(id) => {
                    Ok((*id, Arc::clone(&core.source(*id)?.rules)))
                }
                other => Err(Error::new(
                    code::INGESTION_ARGUMENT,
                    format!(
                        "`{found}` is a {}: rows can be pushed into a source or a table",
                        other.kind()
                    ),
                )),
            }
        })?
    }

    /// Plans a query without holding the token, then installs the plan under it, unless the
    /// catalogue changed in between: then it plans again.
    pub(crate) fn with_plan<R: Send>(
        &self,
        query: &StreamQuery,
        columns: &[Name],
        install: impl Fn(&mut Core, StreamPlan) -> Result<R> + Send + Sync,
    ) -> Result<R> {
        let query = self.shared.settings.complete(query);
        loop {
            let catalog = self.shared.run(|core| Relations::of(core))?;
            let plan = self.shared.planner.plan_stream(&catalog, &query, columns)?;
            let installed = self.shared.run(|core| {
                (core.catalog_version == catalog.version).then(|| install(core, plan))
            })?;
            if let Some(result) = installed {
                return result;
            }
        }
    }
}

/// The statement, if it answers rows.
fn check_rows(statement: Statement) -> Result<Statement> {
    match statement {
        Statement::Query(_)
        | Statement::Show(_)
        | Statement::ShowCreate(_)
        | Statement::ShowVariable(_)
        | Statement::Describe(_)
        | Statement::Explain(_) => Ok(statement),
        _ => Err(Error::new(
            code::QUERY_ARGUMENT,
            "this statement answers no rows: run it with execute",
        )),
    }
}
