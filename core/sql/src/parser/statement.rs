//! The statements of the dialect: what [`parse`](super::parse) gives and the planner reads.
//!
//! Queries, expressions and types are those of sqlparser, the ones that DataFusion plans from; the
//! rest is ours. Invariants: a [`Name`] is normalised (lower case unless it was quoted), keys of
//! [`Options`] are lower case and unique, durations are nanoseconds and never negative, and each
//! setting that has several spellings stands in exactly one field.

use datafusion::sql::sqlparser::ast;
use laminar_types::Position;

use super::options::{OptionValue, Options};
use crate::outline::ExplainForm;

/// One statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// `CREATE SOURCE`.
    CreateSource(CreateSource),
    /// `CREATE TABLE`.
    CreateTable(CreateTable),
    /// `CREATE LOOKUP TABLE`.
    CreateLookupTable(CreateLookupTable),
    /// `CREATE STREAM ... AS query`.
    CreateStream(CreateStream),
    /// `CREATE MATERIALIZED VIEW ... AS query`.
    CreateMaterializedView(CreateStream),
    /// `CREATE SINK`.
    CreateSink(CreateSink),
    /// `DROP kind name`.
    Drop(Drop),
    /// `ALTER SOURCE name ADD COLUMN`.
    AlterSource(AlterSource),
    /// `SHOW SOURCES` and its like.
    Show(Show),
    /// `SHOW CREATE kind name`.
    ShowCreate(ShowCreate),
    /// `SHOW name`: a setting of the session, dotted names joined by points; `all` for all.
    ShowVariable(Name),
    /// `SET name = value`.
    Set(Set),
    /// `RESET name`; `all` for all.
    Reset(Name),
    /// `DESCRIBE [EXTENDED] name`.
    Describe(Describe),
    /// `EXPLAIN [ANALYZE] statement`.
    Explain(Explain),
    /// `SUBSCRIBE`.
    Subscribe(Subscribe),
    /// `CANCEL QUERY id`.
    CancelQuery(u64),
    /// A query: `SELECT`, `WITH ... SELECT`, `VALUES`, `FROM ...`, in parentheses or not.
    Query(StreamQuery),
    /// `INSERT INTO`.
    Insert(Box<ast::Insert>),
    /// `UPDATE`.
    Update(Box<ast::Update>),
    /// `DELETE FROM`.
    Delete(Box<ast::Delete>),
    /// Whatever else sqlparser can read; the planner decides.
    Other(Box<ast::Statement>),
}

/// The name of an object, a column or a connector.
///
/// Two names are equal when their values are, wherever they stand.
#[derive(Debug, Clone)]
pub struct Name {
    /// Lower case, unless it was quoted.
    pub value: String,
    /// Where it stands in the text.
    pub position: Position,
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// What kind of object a `DROP` or `SHOW CREATE` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// `SOURCE`.
    Source,
    /// `TABLE`.
    Table,
    /// `LOOKUP TABLE`.
    LookupTable,
    /// `STREAM`.
    Stream,
    /// `MATERIALIZED VIEW`.
    MaterializedView,
    /// `SINK`.
    Sink,
}

/// A column as `CREATE SOURCE` and `CREATE TABLE` declare it.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnDef {
    /// Its name.
    pub name: Name,
    /// Its type as written; `TIMESTAMP(3)` for a `proctime()` column declared without one.
    pub data_type: ast::DataType,
    /// `NOT NULL`, or part of the primary key.
    pub not_null: bool,
    /// `PRIMARY KEY`, inline or as a constraint of the table.
    pub primary_key: bool,
    /// `name [type] AS proctime()`: filled by the clock, never by the producer.
    pub proctime: bool,
}

/// The declared watermark: the largest time seen, less a delay.
#[derive(Debug, Clone, PartialEq)]
pub struct Watermark {
    /// The event-time column.
    pub column: Name,
    /// How far behind the largest time seen.
    pub delay_ns: i64,
}

/// `FROM KAFKA (...)`, `INTO DELTA_LAKE (...)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Connector {
    /// Lower case: `kafka`, `postgres_cdc`.
    pub name: Name,
    /// What stands in its parentheses.
    pub options: Options,
}

/// `CREATE SOURCE`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateSource {
    /// Its name.
    pub name: Name,
    /// `OR REPLACE`.
    pub or_replace: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// Empty when a connector is to find the schema.
    pub columns: Vec<ColumnDef>,
    /// `WATERMARK FOR`, or the options `watermark` and `allowed_lateness`.
    pub watermark: Option<Watermark>,
    /// `WITH (...)`, without those two.
    pub options: Options,
    /// `FROM connector (...)`.
    pub connector: Option<Connector>,
}

/// `CREATE TABLE`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateTable {
    /// Its name.
    pub name: Name,
    /// `OR REPLACE`.
    pub or_replace: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// Empty when the schema comes from a connector or a query.
    pub columns: Vec<ColumnDef>,
    /// The columns of the primary key, in its order.
    pub primary_key: Vec<Name>,
    /// `WATERMARK FOR`, or the options `watermark` and `allowed_lateness`.
    pub watermark: Option<Watermark>,
    /// `WITH (...)`, without those two.
    pub options: Options,
    /// `FROM connector (...)`.
    pub connector: Option<Connector>,
    /// `AS query`: the rows to begin with.
    pub query: Option<Box<ast::Query>>,
}

/// `CREATE LOOKUP TABLE`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateLookupTable {
    /// Its name.
    pub name: Name,
    /// `OR REPLACE`.
    pub or_replace: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// Empty when the connector is to find the schema.
    pub columns: Vec<ColumnDef>,
    /// The columns of the primary key, in its order.
    pub primary_key: Vec<Name>,
    /// `WITH (...)`.
    pub options: Options,
    /// `FROM connector (...)`.
    pub connector: Option<Connector>,
}

/// A query with the clauses that say how it runs continuously.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamQuery {
    /// The query as written, window calls and all; see
    /// [`rewrite_windows`](super::windows::rewrite_windows).
    pub query: Box<ast::Query>,
    /// The text of the query without the clauses after it.
    pub text: String,
    /// `EMIT`.
    pub emit: Option<Emit>,
    /// `ALLOW LATENESS`, or the option `allowed_lateness`.
    pub allow_lateness_ns: Option<i64>,
    /// `LATE DATA TO sink`.
    pub late_data_to: Option<Name>,
    /// `ON ERROR`.
    pub on_error: Option<OnError>,
    /// The option `state_ttl`.
    pub state_ttl: Option<StateTtl>,
    /// The option `workers`: into how many partitions operators by keys are divided.
    pub workers: Option<usize>,
    /// `WITH (...)` before `AS` or after the query, without `allowed_lateness`, `state_ttl` and
    /// `workers`.
    pub options: Options,
}

/// How long the rows and groups of unbounded joins and aggregates are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateTtl {
    /// In nanoseconds; more than zero.
    pub ns: i64,
    /// Where the option stands; `None` for a default of the database, which bounds what it can.
    pub position: Option<Position>,
}

/// `CREATE STREAM` and `CREATE MATERIALIZED VIEW`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateStream {
    /// Its name.
    pub name: Name,
    /// `OR REPLACE`.
    pub or_replace: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// `name (a, b) AS query`: the names of the query's columns; empty when not given.
    pub columns: Vec<Name>,
    /// The definition.
    pub query: StreamQuery,
}

/// When a result becomes visible, and in which form.
#[derive(Debug, Clone, PartialEq)]
pub struct Emit {
    /// When.
    pub timing: EmitTiming,
    /// `CHANGES`: rows with `_weight`.
    pub changes: bool,
    /// Where the clause stands.
    pub position: Position,
}

/// When a result becomes visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmitTiming {
    /// Once, when final: `ON WINDOW CLOSE`, `FINAL`, `AFTER WATERMARK`, `ON WATERMARK`.
    Final,
    /// At every epoch that changes it: `ON UPDATE`, and `CHANGES` by itself.
    Update,
    /// The net change per interval: `EVERY`, `PERIODICALLY`. More than zero.
    Every {
        /// The interval.
        interval_ns: i64,
    },
}

/// What an expression that fails on a row does to its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// `ON ERROR DEAD LETTER`, the default: the row is logged and left out.
    DeadLetter,
    /// `ON ERROR FAIL`: the stream stops.
    Fail,
}

/// `CREATE SINK`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateSink {
    /// Its name.
    pub name: Name,
    /// `OR REPLACE`.
    pub or_replace: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// What it takes.
    pub input: SinkInput,
    /// `INTO connector (...)`; without one it is a named in-process output.
    pub connector: Option<Connector>,
    /// `WITH (...)`.
    pub options: Options,
}

/// What a sink takes.
#[derive(Debug, Clone, PartialEq)]
pub enum SinkInput {
    /// `FROM name`.
    Name(Name),
    /// `AS query`; the query's options are those after the query.
    Query(Box<StreamQuery>),
}

/// `DROP kind name`.
#[derive(Debug, Clone, PartialEq)]
pub struct Drop {
    /// What kind of object.
    pub kind: ObjectKind,
    /// Its name.
    pub name: Name,
    /// `IF EXISTS`.
    pub if_exists: bool,
    /// `CASCADE`: also what reads it.
    pub cascade: bool,
}

/// `ALTER SOURCE name ADD COLUMN [IF NOT EXISTS] column`.
#[derive(Debug, Clone, PartialEq)]
pub struct AlterSource {
    /// The source.
    pub name: Name,
    /// `ALTER SOURCE IF EXISTS`.
    pub if_exists: bool,
    /// `ADD COLUMN IF NOT EXISTS`.
    pub column_if_not_exists: bool,
    /// The new column.
    pub column: ColumnDef,
}

/// What a `SHOW` lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// `SHOW SOURCES`.
    Sources,
    /// `SHOW TABLES`.
    Tables,
    /// `SHOW LOOKUP TABLES`.
    LookupTables,
    /// `SHOW STREAMS`.
    Streams,
    /// `SHOW MATERIALIZED VIEWS`.
    MaterializedViews,
    /// `SHOW SINKS`.
    Sinks,
    /// `SHOW QUERIES`.
    Queries,
}

/// `SHOW CREATE kind name`.
#[derive(Debug, Clone, PartialEq)]
pub struct ShowCreate {
    /// What kind of object.
    pub kind: ObjectKind,
    /// Its name.
    pub name: Name,
}

/// `SET name = value` and `SET name TO value`.
#[derive(Debug, Clone, PartialEq)]
pub struct Set {
    /// The setting, dotted names joined by points; `SET TIME ZONE` sets `timezone`.
    pub name: Name,
    /// Its value; a bare word is a string.
    pub value: OptionValue,
}

/// `DESCRIBE [EXTENDED] name` or a query.
#[derive(Debug, Clone, PartialEq)]
pub struct Describe {
    /// `EXTENDED`.
    pub extended: bool,
    /// What.
    pub target: Target,
}

/// An object by its name, or a query.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// A source, table, stream, view or sink.
    Name(Name),
    /// A query.
    Query(Box<StreamQuery>),
}

/// `EXPLAIN [ANALYZE] [VERBOSE] [FORMAT word] statement`, or the name of a stream or view; the
/// options may stand in parentheses.
#[derive(Debug, Clone, PartialEq)]
pub struct Explain {
    /// `ANALYZE`: run it and show what it did.
    pub analyze: bool,
    /// `VERBOSE` and `FORMAT`.
    pub form: ExplainForm,
    /// What to explain.
    pub target: ExplainTarget,
}

/// What an `EXPLAIN` explains.
#[derive(Debug, Clone, PartialEq)]
pub enum ExplainTarget {
    /// A statement.
    Statement(Box<Statement>),
    /// `EXPLAIN [STREAM | MATERIALIZED VIEW] name`: as it runs now.
    Name(Name),
}

/// `SUBSCRIBE [TO] s [WITH SNAPSHOT] [WHERE p] [AS OF EPOCH n]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Subscribe {
    /// What to follow. A query takes neither `WHERE` of its own nor `AS OF EPOCH`.
    pub target: Target,
    /// `WITH SNAPSHOT`: the content first.
    pub snapshot: bool,
    /// `WHERE p`.
    pub predicate: Option<Box<ast::Expr>>,
    /// `AS OF EPOCH n`.
    pub as_of_epoch: Option<u64>,
}
