//! `SHOW`, `SET`, `RESET` and `CANCEL QUERY`.

use datafusion::sql::sqlparser::tokenizer::Token;
use laminar_types::Result;

use super::{
    alter,
    cursor::{Cursor, closest},
    lexer::{is_word, unquoted},
    option_list,
    options::OptionValue,
    other,
    statement::{Name, Set, Show, ShowCreate, Statement},
};

const LISTS: [(&[&str], Show); 7] = [
    (&["SOURCES"], Show::Sources),
    (&["TABLES"], Show::Tables),
    (&["LOOKUP", "TABLES"], Show::LookupTables),
    (&["STREAMS"], Show::Streams),
    (&["MATERIALIZED", "VIEWS"], Show::MaterializedViews),
    (&["SINKS"], Show::Sinks),
    (&["QUERIES"], Show::Queries),
];

const FIRST_WORDS: [&str; 8] =
    ["SOURCES", "TABLES", "LOOKUP", "STREAMS", "MATERIALIZED", "SINKS", "QUERIES", "CREATE"];

/// Reads a `SHOW` statement.
pub(super) fn parse_show(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let start = cursor.index;
    cursor.expect(&["SHOW"])?;
    if cursor.eat(&["CREATE"]) {
        let kind = alter::kind(cursor)?;
        let name = cursor.name("the name of what to show")?;
        cursor.expect_end()?;
        return Ok(Statement::ShowCreate(ShowCreate { kind, name }));
    }
    if let Some((_, list)) = LISTS.iter().find(|(words, _)| cursor.eat(words)) {
        cursor.expect_end()?;
        return Ok(Statement::Show(*list));
    }
    if cursor.is(&["TIME", "ZONE"]) {
        let position = cursor.position();
        cursor.index += 2;
        cursor.expect_end()?;
        return Ok(Statement::ShowVariable(Name { value: "timezone".to_string(), position }));
    }
    let sqlparser_reads = ["COLUMNS", "FUNCTIONS", "SCHEMAS", "DATABASES", "VIEWS", "SESSION"];
    if sqlparser_reads.iter().any(|word| is_word(cursor.peek(), word)) {
        cursor.index = start;
        return other(cursor);
    }
    let error = cursor.expected_near(
        "SOURCES, TABLES, STREAMS, MATERIALIZED VIEWS, SINKS, QUERIES, CREATE or a setting",
        &FIRST_WORDS,
    );
    let is_list = unquoted(cursor.peek()).is_none_or(|word| {
        let is_single = cursor.peek_at(1) == &Token::EOF;
        FIRST_WORDS.iter().any(|first| word.value.eq_ignore_ascii_case(first))
            || (is_single && closest(&word.value, &FIRST_WORDS).is_some())
    });
    if is_list {
        return Err(error);
    }
    let name = cursor.dotted_name("the name of a setting")?;
    cursor.expect_end()?;
    Ok(Statement::ShowVariable(name))
}

/// `CANCEL QUERY id`.
pub(super) fn parse_cancel(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect(&["CANCEL", "QUERY"])?;
    let id = match cursor.peek() {
        Token::Number(number, _) => number.parse().ok(),
        _ => None,
    };
    let Some(id) = id else {
        return Err(cursor.expected("the number of a query, as SHOW QUERIES tells it"));
    };
    cursor.index += 1;
    cursor.expect_end()?;
    Ok(Statement::CancelQuery(id))
}

/// `RESET name` and `RESET ALL`.
pub(super) fn parse_reset(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect(&["RESET"])?;
    let name = cursor.dotted_name("the name of a setting, or ALL")?;
    cursor.expect_end()?;
    Ok(Statement::Reset(name))
}

/// `SET name = value` and `SET name TO value`; other `SET`s are sqlparser's.
pub(super) fn parse_set(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let start = cursor.index;
    cursor.expect(&["SET"])?;
    let position = cursor.position();
    let name = if cursor.eat(&["TIME", "ZONE"]) {
        let _ = cursor.eat_token(&Token::Eq) || cursor.eat(&["TO"]);
        Name { value: "timezone".to_string(), position }
    } else if ["ROLE", "TRANSACTION", "SESSION", "LOCAL", "NAMES", "CHARACTERISTICS"]
        .iter()
        .any(|word| is_word(cursor.peek(), word))
        && unquoted(cursor.peek_at(1)).is_some_and(|word| !word.value.eq_ignore_ascii_case("to"))
    {
        cursor.index = start;
        return other(cursor);
    } else {
        let name = cursor.dotted_name("the name of a setting")?;
        if !cursor.eat_token(&Token::Eq) && !cursor.eat(&["TO"]) {
            return Err(cursor.expected("= and a value"));
        }
        name
    };
    let is_literal = ["INTERVAL", "TRUE", "FALSE"].iter().any(|word| is_word(cursor.peek(), word));
    let value = match cursor.peek() {
        Token::Word(word) if !is_literal => {
            let value = OptionValue::String(word.value.clone());
            cursor.index += 1;
            value
        }
        _ => option_list::value(cursor)?,
    };
    cursor.expect_end()?;
    Ok(Statement::Set(Set { name, value }))
}
