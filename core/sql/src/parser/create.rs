//! `CREATE`: what follows it, and `CREATE SOURCE`, `CREATE TABLE`, `CREATE LOOKUP TABLE`.

use datafusion::sql::sqlparser::tokenizer::Token;
use laminar_types::{Error, Result, error::code};

use super::{
    columns::{self, Columns},
    create_sink, create_stream,
    cursor::{Cursor, closest},
    lexer::unquoted,
    option_list,
    options::Options,
    other, query,
    statement::{Connector, CreateLookupTable, CreateSource, CreateTable, Name, Statement},
};

const KINDS: [&str; 6] = ["SOURCE", "TABLE", "STREAM", "MATERIALIZED", "SINK", "LOOKUP"];

/// What every `CREATE` of ours begins with.
#[derive(Debug)]
pub(super) struct Header {
    /// The name.
    pub(super) name: Name,
    /// `OR REPLACE`.
    pub(super) or_replace: bool,
    /// `IF NOT EXISTS`.
    pub(super) if_not_exists: bool,
}

/// Reads a `CREATE` statement.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let start = cursor.index;
    cursor.expect(&["CREATE"])?;
    let or_replace = cursor.eat(&["OR", "REPLACE"]);
    if cursor.eat(&["SOURCE"]) {
        source(cursor, or_replace)
    } else if cursor.eat(&["STREAM"]) {
        create_stream::parse(cursor, or_replace).map(Statement::CreateStream)
    } else if cursor.eat(&["MATERIALIZED", "VIEW"]) {
        create_stream::parse(cursor, or_replace).map(Statement::CreateMaterializedView)
    } else if cursor.eat(&["SINK"]) {
        create_sink::parse(cursor, or_replace).map(Statement::CreateSink)
    } else if cursor.eat(&["LOOKUP", "TABLE"]) {
        lookup_table(cursor, or_replace)
    } else if cursor.eat(&["TABLE"]) {
        table(cursor, or_replace)
    } else if cursor.is(&["MATERIALIZED"]) || cursor.is(&["LOOKUP"]) {
        let next = if cursor.is(&["LOOKUP"]) { "TABLE" } else { "VIEW" };
        cursor.index += 1;
        Err(cursor.expected_one_of(&[next]))
    } else if cursor.at_end() {
        Err(cursor.expected("SOURCE, TABLE, STREAM, MATERIALIZED VIEW, SINK or LOOKUP TABLE"))
    } else {
        let error = cursor.expected_near(
            "SOURCE, TABLE, STREAM, MATERIALIZED VIEW, SINK or LOOKUP TABLE",
            &KINDS,
        );
        let is_misspelt =
            unquoted(cursor.peek()).is_some_and(|word| closest(&word.value, &KINDS).is_some());
        cursor.index = start;
        other(cursor).map_err(|failure| if is_misspelt { error } else { failure })
    }
}

/// `[IF NOT EXISTS] name`.
pub(super) fn header(cursor: &mut Cursor<'_>, or_replace: bool, what: &str) -> Result<Header> {
    let position = cursor.position();
    let if_not_exists = cursor.eat(&["IF", "NOT", "EXISTS"]);
    if !if_not_exists && cursor.is(&["IF"]) && unquoted(cursor.peek_at(1)).is_some() {
        cursor.index += 1;
        cursor.expect(&["NOT", "EXISTS"])?;
    }
    if or_replace && if_not_exists {
        let message = "OR REPLACE and IF NOT EXISTS exclude each other";
        return Err(Error::new(code::SYNTAX, message).at(position));
    }
    let name = cursor.name(&format!("the name of a {what}"))?;
    Ok(Header { name, or_replace, if_not_exists })
}

/// What follows the column list: `FROM connector (...)` and `WITH (...)`, in any order.
fn tail(cursor: &mut Cursor<'_>) -> Result<(Options, Option<Connector>)> {
    let mut options = None;
    let mut connector = None;
    loop {
        let position = cursor.position();
        let twice = if cursor.is(&["WITH"]) {
            options.replace(option_list::parse_with(cursor)?).is_some().then_some("WITH (...)")
        } else if cursor.eat(&["FROM"]) {
            connector.replace(option_list::parse_connector(cursor)?).is_some().then_some("FROM")
        } else {
            return Ok((options.unwrap_or_default(), connector));
        };
        if let Some(twice) = twice {
            return Err(Error::new(code::SYNTAX, format!("{twice} is given twice")).at(position));
        }
    }
}

fn optional_columns(cursor: &mut Cursor<'_>) -> Result<Columns> {
    if cursor.peek() == &Token::LParen { columns::parse(cursor) } else { Ok(Columns::default()) }
}

fn source(cursor: &mut Cursor<'_>, or_replace: bool) -> Result<Statement> {
    let header = header(cursor, or_replace, "source")?;
    let mut list = optional_columns(cursor)?;
    let (mut options, connector) = tail(cursor)?;
    if list.columns.is_empty() && connector.is_none() {
        return Err(cursor.expected("( and columns, or FROM and a connector"));
    }
    expect_end(cursor, connector.is_some(), "FROM")?;
    columns::watermark_of_options(&mut list, &mut options)?;
    Ok(Statement::CreateSource(CreateSource {
        name: header.name,
        or_replace: header.or_replace,
        if_not_exists: header.if_not_exists,
        columns: list.columns,
        watermark: list.watermark,
        options,
        connector,
    }))
}

fn table(cursor: &mut Cursor<'_>, or_replace: bool) -> Result<Statement> {
    let header = header(cursor, or_replace, "table")?;
    let mut list = optional_columns(cursor)?;
    let (mut options, connector) = tail(cursor)?;
    let query = if cursor.eat(&["AS"]) {
        if connector.is_some() {
            let message = "a table is filled by a connector or from a query, not by both";
            return Err(Error::new(code::SYNTAX, message).at(cursor.position()));
        }
        Some(query::parse_plain(cursor)?)
    } else {
        None
    };
    if list.columns.is_empty() && connector.is_none() && query.is_none() {
        return Err(cursor.expected("( and columns, FROM and a connector, or AS and a query"));
    }
    expect_end(cursor, connector.is_some(), "FROM")?;
    columns::watermark_of_options(&mut list, &mut options)?;
    Ok(Statement::CreateTable(CreateTable {
        name: header.name,
        or_replace: header.or_replace,
        if_not_exists: header.if_not_exists,
        columns: list.columns,
        primary_key: list.primary_key,
        watermark: list.watermark,
        options,
        connector,
        query,
    }))
}

fn lookup_table(cursor: &mut Cursor<'_>, or_replace: bool) -> Result<Statement> {
    let header = header(cursor, or_replace, "lookup table")?;
    let list = optional_columns(cursor)?;
    let (options, connector) = tail(cursor)?;
    if let Some(watermark) = &list.watermark {
        let message = "a lookup table has no event time and so no WATERMARK FOR";
        return Err(Error::unsupported(message).at(watermark.column.position));
    }
    if list.columns.is_empty() && connector.is_none() {
        return Err(cursor.expected("( and columns, or FROM and a connector"));
    }
    expect_end(cursor, connector.is_some(), "FROM")?;
    Ok(Statement::CreateLookupTable(CreateLookupTable {
        name: header.name,
        or_replace: header.or_replace,
        if_not_exists: header.if_not_exists,
        columns: list.columns,
        primary_key: list.primary_key,
        options,
        connector,
    }))
}

fn expect_end(cursor: &Cursor<'_>, has_connector: bool, connector_word: &str) -> Result<()> {
    if cursor.at_end() {
        return Ok(());
    }
    let rest = if has_connector { "" } else { connector_word };
    let expected = match rest {
        "" => "WITH (...) or the end of the statement".to_string(),
        word => format!("WITH (...), {word} and a connector, or the end of the statement"),
    };
    Err(cursor.expected_near(&expected, &["WITH", "FROM"]))
}
