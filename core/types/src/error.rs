//! One error type for the whole product.
//!
//! An [`Error`] has a [`Code`] (stable, `LDB-NNNN`), the code's [`ErrorKind`] (the status number
//! that crosses the C ABI), a sentence that says what was wrong and what to do, and, where SQL was
//! involved, the [`Position`] in it. Bands: 1xx connection, 2xx schema, 3xx ingestion, 4xx query,
//! 5xx subscription, 6xx stream, 7xx checkpoint, 8xx connector, 9xx internal. Numbers are never
//! reused.

use std::any::Any;
use std::fmt;

/// The result of everything fallible.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! error_kinds {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal;)*) => {
        /// The class of an error: one for each status number of the C ABI.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind { $($(#[$doc])* $variant,)* }

        impl ErrorKind {
            /// Every kind, in the order of its number.
            pub const ALL: &'static [ErrorKind] = &[$(ErrorKind::$variant),*];

            /// The status number of the C ABI and the `.code` of every binding.
            pub const fn status(self) -> i32 {
                match self { $(ErrorKind::$variant => $number,)* }
            }

            /// The name every binding uses for this number.
            pub const fn name(self) -> &'static str {
                match self { $(ErrorKind::$variant => $name,)* }
            }
        }
    };
}

error_kinds! {
    /// The database could not be opened.
    ConnectionFailed = 100, "CONNECTION_FAILED";
    /// The database was closed.
    ConnectionClosed = 101, "CONNECTION_CLOSED";
    /// The handle is in use by another thread.
    ConnectionInUse = 102, "CONNECTION_IN_USE";
    /// No source, table, stream or sink has this name.
    TableNotFound = 200, "TABLE_NOT_FOUND";
    /// The name is taken.
    TableExists = 201, "TABLE_EXISTS";
    /// A schema differs from the one expected.
    SchemaMismatch = 202, "SCHEMA_MISMATCH";
    /// A schema cannot be used, or an object that others read was to be dropped.
    InvalidSchema = 203, "INVALID_SCHEMA";
    /// Rows were refused.
    IngestionFailed = 300, "INGESTION_FAILED";
    /// The writer or source handle was closed.
    WriterClosed = 301, "WRITER_CLOSED";
    /// A batch does not fit the schema of its source.
    BatchSchemaMismatch = 302, "BATCH_SCHEMA_MISMATCH";
    /// There was no room within the time allowed; nothing was taken.
    Backpressure = 303, "BACKPRESSURE";
    /// A query failed.
    QueryFailed = 400, "QUERY_FAILED";
    /// The SQL text could not be read.
    SqlParseError = 401, "SQL_PARSE_ERROR";
    /// The query was cancelled.
    QueryCancelled = 402, "QUERY_CANCELLED";
    /// A construct that this version does not have.
    Unsupported = 403, "UNSUPPORTED";
    /// A subscription could not be made or read.
    SubscriptionFailed = 500, "SUBSCRIPTION_FAILED";
    /// The subscription ended.
    SubscriptionClosed = 501, "SUBSCRIPTION_CLOSED";
    /// Nothing came within the time allowed.
    SubscriptionTimeout = 502, "SUBSCRIPTION_TIMEOUT";
    /// The subscription missed changes.
    SubscriptionLagged = 503, "SUBSCRIPTION_LAGGED";
    /// A stream failed.
    StreamFailed = 600, "STREAM_FAILED";
    /// A checkpoint failed.
    CheckpointFailed = 700, "CHECKPOINT_FAILED";
    /// Recovery failed.
    RecoveryFailed = 701, "RECOVERY_FAILED";
    /// A connector failed.
    ConnectorFailed = 800, "CONNECTOR_FAILED";
    /// A defect of the library.
    Internal = 900, "INTERNAL_ERROR";
    /// The database is shutting down.
    Shutdown = 901, "SHUTDOWN";
}

/// A stable error code: four digits, the first being the band of its [`ErrorKind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    number: u16,
    kind: ErrorKind,
}

impl Code {
    /// The four digits behind `LDB-`.
    pub const fn number(self) -> u16 {
        self.number
    }

    /// The class, and so the status number, of this code.
    pub const fn kind(self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LDB-{:04}", self.number)
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $kind:ident;)*) => {
        /// Every code that the library raises.
        pub mod code {
            use super::{Code, ErrorKind};
            $($(#[$doc])* pub const $name: Code = Code { number: $number, kind: ErrorKind::$kind };)*

            /// The whole table, in the order of its numbers.
            pub const ALL: &[Code] = &[$($name),*];
        }
    };
}

codes! {
    /// An argument of an open, close or configuration call cannot be used.
    CONNECTION_ARGUMENT = 1001, ConnectionFailed;
    /// The configuration names a key or a value that does not exist.
    CONFIG = 1002, ConnectionFailed;
    /// The process was forked after the database was opened.
    FORKED = 1003, ConnectionFailed;
    /// The database was closed.
    CLOSED = 1101, ConnectionClosed;
    /// The handle is used by another thread, or from inside a function that the engine calls.
    IN_USE = 1201, ConnectionInUse;
    /// No object has this name.
    NOT_FOUND = 2001, TableNotFound;
    /// The name is taken.
    EXISTS = 2101, TableExists;
    /// A type or a set of columns differs from the one expected.
    SCHEMA_MISMATCH = 2201, SchemaMismatch;
    /// A schema cannot be used.
    INVALID_SCHEMA = 2301, InvalidSchema;
    /// Others read the object that was to be dropped.
    HAS_DEPENDANTS = 2302, InvalidSchema;
    /// An option in `WITH (...)` does not exist or its value cannot be used.
    OPTION = 2303, InvalidSchema;
    /// An argument of an ingestion call cannot be used.
    INGESTION_ARGUMENT = 3001, IngestionFailed;
    /// A value cannot be stored in its column.
    VALUE = 3002, IngestionFailed;
    /// The Arrow data handed over is not well-formed.
    MALFORMED_ARROW = 3003, IngestionFailed;
    /// A null stands where none may.
    NULL_VALUE = 3004, IngestionFailed;
    /// JSON, CSV or an IPC stream handed over is not well-formed.
    MALFORMED_TEXT = 3005, IngestionFailed;
    /// The source handle was closed, or its source was dropped.
    SOURCE_CLOSED = 3101, WriterClosed;
    /// A batch does not fit the schema of its source.
    BATCH_SCHEMA = 3201, BatchSchemaMismatch;
    /// There is no room for the batch.
    FULL = 3301, Backpressure;
    /// There is no room for the batch before the database is started.
    NOT_STARTED = 3302, Backpressure;
    /// An argument of a query call cannot be used.
    QUERY_ARGUMENT = 4001, QueryFailed;
    /// Planning failed: a name, a type or a rule of SQL.
    PLAN = 4002, QueryFailed;
    /// An expression failed while the query ran.
    EXECUTION = 4003, QueryFailed;
    /// The text is not SQL that this dialect knows.
    SYNTAX = 4101, SqlParseError;
    /// The query was cancelled.
    CANCELLED = 4201, QueryCancelled;
    /// The construct cannot be used.
    UNSUPPORTED = 4301, Unsupported;
    /// An argument of a subscription call cannot be used.
    SUBSCRIPTION_ARGUMENT = 5001, SubscriptionFailed;
    /// The subscription ended.
    SUBSCRIPTION_CLOSED = 5101, SubscriptionClosed;
    /// Nothing came within the time allowed.
    SUBSCRIPTION_TIMEOUT = 5201, SubscriptionTimeout;
    /// The subscription missed rows; the oldest kept come next.
    SUBSCRIPTION_LAGGED = 5301, SubscriptionLagged;
    /// The subscription missed changes: the whole content comes next.
    SUBSCRIPTION_RESET = 5302, SubscriptionLagged;
    /// The stream stopped because it failed.
    STREAM_FAILED = 6001, StreamFailed;
    /// An argument of a stream call cannot be used.
    STREAM_ARGUMENT = 6002, StreamFailed;
    /// A checkpoint could not be taken.
    CHECKPOINT = 7001, CheckpointFailed;
    /// Recovery could not finish.
    RECOVERY = 7101, RecoveryFailed;
    /// A connector failed.
    CONNECTOR = 8001, ConnectorFailed;
    /// A defect of the library: an invariant does not hold.
    INTERNAL = 9001, Internal;
    /// A panic was caught.
    PANIC = 9002, Internal;
    /// The database is shutting down.
    SHUTDOWN = 9101, Shutdown;
}

/// A place in SQL text, both counted from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: u64,
    /// The column, in characters.
    pub column: u64,
}

/// What went wrong, where, and what to do about it.
///
/// The state is boxed so that a `Result` costs one word on the paths that succeed.
#[derive(Debug, Clone)]
pub struct Error(Box<State>);

#[derive(Debug, Clone)]
struct State {
    code: Code,
    message: String,
    position: Option<Position>,
}

impl Error {
    /// An error with a code of the table and a sentence that says what was wrong and what to do.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self(Box::new(State { code, message: message.into(), position: None }))
    }

    /// The construct named cannot be used; `message` names it and says what to do instead.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(code::UNSUPPORTED, message)
    }

    /// An invariant of the library does not hold.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(code::INTERNAL, message)
    }

    /// What a caught panic carried, as an error: `what` panicked, and it is a defect of the library.
    pub fn from_panic(what: &str, payload: &(dyn Any + Send)) -> Self {
        let text = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
            (Some(text), _) => text,
            (None, Some(text)) => text.as_str(),
            (None, None) => "no message",
        };
        let message = format!("{what} panicked: {text}; this is a defect, please report it");
        Self::new(code::PANIC, message)
    }

    /// The same error at a place in the SQL text; an earlier, more exact place is kept.
    pub fn at(mut self, position: Position) -> Self {
        self.0.position.get_or_insert(position);
        self
    }

    /// The same error with words put before its message, as `context: message`.
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }

    /// The stable code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        self.0.code.kind
    }

    /// The message without code and position.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Where in the SQL text, when SQL was involved.
    pub fn position(&self) -> Option<Position> {
        self.0.position
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.message)?;
        match self.0.position {
            Some(Position { line, column }) => write!(f, " (line {line}, column {column})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_in_their_band() {
        for pair in code::ALL.windows(2) {
            assert!(pair[0].number() < pair[1].number(), "{} before {}", pair[0], pair[1]);
        }
        for code in code::ALL {
            assert_eq!(i32::from(code.number() / 1000), code.kind().status() / 100, "{code}");
        }
        for pair in ErrorKind::ALL.windows(2) {
            assert!(pair[0].status() < pair[1].status());
        }
    }

    #[test]
    fn says_code_message_and_position() {
        let error = Error::new(code::SYNTAX, "expected FROM").at(Position { line: 2, column: 7 });
        assert_eq!(error.to_string(), "LDB-4101: expected FROM (line 2, column 7)");
        assert_eq!(error.kind().status(), 401);
        assert_eq!(std::mem::size_of::<Result<()>>(), std::mem::size_of::<usize>());
    }
}
