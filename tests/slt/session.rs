//! [`Session`]: the database of one script, with the producers and subscriptions it has open.
//! Every connection of the script shares it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::compute::{CastOptions, cast_with_options, concat_batches};
use laminar_db::{
    Config, Error, ErrorKind, ExecuteResult, LaminarDB, Polled, SubscribeOptions, UntypedSource,
    UntypedSubscription,
};
use sqllogictest::{DB, DBOutput, DefaultColumnType};

use super::command::{self, Command};
use super::{ENGINE_NAME, format};

type Output = Result<DBOutput<DefaultColumnType>, Failure>;

/// Why a statement failed, as scripts match it.
#[derive(Debug)]
pub struct Failure(String);

/// The connection of a script.
#[derive(Clone, Default)]
pub struct Session(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Opened by the first statement.
    db: Option<LaminarDB>,
    producers: HashMap<String, UntypedSource>,
    subscriptions: HashMap<String, UntypedSubscription>,
}

impl Session {
    pub fn new() -> Self {
        Self::default()
    }
}

impl DB for Session {
    type Error = Failure;
    type ColumnType = DefaultColumnType;

    fn run(&mut self, text: &str) -> Output {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut output = Ok(DBOutput::StatementComplete(0));
        for statement in statements(text) {
            output = state.run(statement);
            if output.is_err() {
                break;
            }
        }
        output
    }

    fn engine_name(&self) -> &str {
        ENGINE_NAME
    }
}

/// A database whose clock moves by `ADVANCE CLOCK` alone.
fn standing() -> Result<LaminarDB, Failure> {
    Ok(LaminarDB::open_with_clock_at(Config::default(), 0)?)
}

impl State {
    fn run(&mut self, statement: &str) -> Output {
        match command::read(statement)? {
            Some(Command::OpenUnstarted) => {
                if self.db.is_some() {
                    return Err("OPEN UNSTARTED comes before every other statement".into());
                }
                self.db = Some(standing()?);
                Ok(DBOutput::StatementComplete(0))
            }
            Some(command) => self.call(command),
            None => self.execute(statement),
        }
    }

    fn db(&mut self) -> Result<LaminarDB, Failure> {
        match &self.db {
            Some(db) => Ok(db.clone()),
            None => {
                let db = standing()?;
                db.start_blocking()?;
                self.db = Some(db.clone());
                Ok(db)
            }
        }
    }

    fn execute(&mut self, sql: &str) -> Output {
        match self.db()?.execute_blocking(sql) {
            Ok(ExecuteResult::Rows(mut query)) => {
                let schema = query.schema();
                let types = schema.fields().iter().map(|f| format::column_type(f.data_type()));
                let mut rows = Vec::new();
                while let Some(batch) = query.next_blocking()? {
                    rows.extend(format::rows(&batch).map_err(|error| error.to_string())?);
                }
                Ok(DBOutput::Rows { types: types.collect(), rows })
            }
            Ok(ExecuteResult::Affected { rows, .. }) => Ok(DBOutput::StatementComplete(rows)),
            Ok(_) => Ok(DBOutput::StatementComplete(0)),
            Err(error) if is_unknown_setting(sql, &error) => Ok(DBOutput::StatementComplete(0)),
            Err(error) => Err(error.into()),
        }
    }

    fn call(&mut self, command: Command) -> Output {
        let db = self.db()?;
        let mut taken = 0;
        match command {
            Command::OpenUnstarted | Command::Flush => {}
            Command::Start => db.start_blocking()?,
            Command::Restart => {
                return Err("RESTART needs a database at a path: one in memory forgets all".into());
            }
            Command::OpenProducer { name, source } => {
                self.producers.insert(name.to_string(), db.source_untyped(source)?);
            }
            Command::CloseProducer { name } => {
                self.producers.remove(name).ok_or_else(|| unknown("producer", name))?;
            }
            Command::EndProducer { name } => {
                self.producer(name)?.end_of_input()?;
            }
            Command::AdvanceClock { by_ms } => {
                db.advance_clock(Duration::from_millis(by_ms.unsigned_abs()))?;
            }
            Command::Push { source, producer, batch_rows, query } => {
                let rows = rows_to_push(&db, source, query)?;
                let count = rows.num_rows();
                let size = batch_rows.unwrap_or(count.max(1));
                for start in (0..count).step_by(size) {
                    let batch = rows.slice(start, size.min(count - start));
                    match producer {
                        Some(name) => self.producer(name)?.push_arrow(batch)?,
                        None => db.insert(source, vec![batch])?,
                    };
                }
                taken = count as u64;
            }
            Command::Watermark { source, producer, ts_ms } => {
                let name = producer.unwrap_or(source);
                if producer.is_none() && !self.producers.contains_key(source) {
                    self.producers.insert(source.to_string(), db.source_untyped(source)?);
                }
                self.producer(name)?.watermark(ts_ms)?;
            }
            Command::Subscribe { name, snapshot, target } => {
                let options = SubscribeOptions { snapshot, ..SubscribeOptions::default() };
                let subscription = db.subscribe_with(target, options)?;
                self.subscriptions.insert(name.to_string(), subscription);
            }
            Command::Unsubscribe { name } => {
                self.subscriptions.remove(name).ok_or_else(|| unknown("subscription", name))?;
            }
            Command::Poll { name, once } => return self.poll(name, once),
        }
        Ok(DBOutput::StatementComplete(taken))
    }

    fn producer(&self, name: &str) -> Result<&UntypedSource, Failure> {
        self.producers.get(name).ok_or_else(|| unknown("producer", name))
    }

    /// The rows that wait, with a row for each thing that is not a change.
    fn poll(&mut self, name: &str, once: bool) -> Output {
        let subscription =
            self.subscriptions.get_mut(name).ok_or_else(|| unknown("subscription", name))?;
        let schema = subscription.schema();
        let types = schema.fields().iter().map(|field| format::column_type(field.data_type()));
        let types: Vec<DefaultColumnType> = types.collect();
        let mut rows = Vec::new();
        loop {
            match subscription.poll(Some(Duration::ZERO))? {
                Polled::Batch(change) => {
                    rows.extend(format::rows(&change.batch).map_err(|error| error.to_string())?);
                }
                Polled::Empty => break,
                Polled::Reset => rows.push(vec!["RESET".to_string()]),
                Polled::Lagged(missed) => rows.push(vec![format!("LAGGED {missed}")]),
                Polled::End => {
                    rows.push(vec!["END".to_string()]);
                    break;
                }
            }
            if once {
                break;
            }
        }
        Ok(DBOutput::Rows { types, rows })
    }
}

/// The rows of a query, as the source takes them.
fn rows_to_push(db: &LaminarDB, source: &str, sql: &str) -> Result<RecordBatch, Failure> {
    let schema = db.source_schema(source)?;
    let mut query = db.query_blocking(&format!("SELECT * FROM ({sql})"))?;
    let mut batches = Vec::new();
    while let Some(batch) = query.next_blocking()? {
        batches.push(batch);
    }
    let text = |error: arrow::error::ArrowError| Failure(error.to_string());
    let rows = concat_batches(&query.schema(), &batches).map_err(text)?;
    if rows.num_columns() != schema.fields().len() {
        let columns = rows.num_columns();
        return Err(format!("{columns} values, `{source}` has {}", schema.fields().len()).into());
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let columns = rows.columns().iter().zip(schema.fields());
    let columns = columns
        .map(|(column, field)| cast_with_options(column, field.data_type(), &options))
        .collect::<Result<_, _>>()
        .map_err(text)?;
    // Nulls are judged by the push, as those of every caller.
    let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    let schema = arrow::datatypes::Schema::new(fields.collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns).map_err(text)
}

/// Whether a `SET` failed that another database knows: scripts set what does not concern results.
fn is_unknown_setting(sql: &str, error: &Error) -> bool {
    let is_set = sql.split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case("set"));
    is_set && error.kind() != ErrorKind::Internal
}

/// The statements of a text, cut at each `;` outside of quotes and comments.
fn statements(text: &str) -> Vec<&str> {
    let mut statements = Vec::new();
    let (mut start, mut quote, mut previous) = (0, None, ' ');
    for (index, c) in text.char_indices() {
        match quote {
            Some('\n') if c == '\n' => quote = None,
            Some(open) if open == c => quote = None,
            Some(_) => {}
            None if c == '\'' || c == '"' => quote = Some(c),
            None if c == '-' && previous == '-' => quote = Some('\n'),
            None if c == ';' => {
                statements.push(&text[start..index]);
                start = index + 1;
            }
            None => {}
        }
        previous = c;
    }
    statements.push(&text[start..]);
    statements.retain(|statement| !statement.trim().is_empty());
    statements
}

fn unknown(what: &str, name: &str) -> Failure {
    Failure(format!("no {what} is called `{name}`"))
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self(message)
    }
}

impl From<&str> for Failure {
    fn from(message: &str) -> Self {
        Self(message.to_string())
    }
}
