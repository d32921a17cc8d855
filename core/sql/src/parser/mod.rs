//! The parser of the dialect: text in, [`Statement`]s out.
//!
//! Queries, expressions and data types are sqlparser's; this folder reads the statements around
//! them. A text is tokenised once; each statement is a slice of those tokens, so every error has
//! its place in the whole text. The clauses behind a query (`EMIT`, `ALLOW LATENESS`, `LATE DATA
//! TO`, `ON ERROR`, `WITH`) are found on the tokens and cut off before sqlparser sees the query:
//! none of their words is reserved.
//!
//! | file | what it reads |
//! |---|---|
//! | [`statement`] | the statements: the output of this folder |
//! | `lexer`, `cursor` | tokens, a place in them |
//! | `dialect`, `run` | sqlparser's settings, running it |
//! | [`duration`], [`options`] | durations, `key = value` lists |
//! | `columns` | column lists with `PRIMARY KEY` and `WATERMARK FOR` |
//! | `create`, `create_stream`, `create_sink` | `CREATE` |
//! | `query`, `clauses` | a query and the clauses behind it |
//! | `ignored` | what sqlparser reads and no planner looks at, to be refused |
//! | [`joins`], [`probe`] | `ASOF` joins in all their spellings, `TEMPORAL PROBE` joins |
//! | `show`, `explain`, `subscribe`, `alter` | the other statements |
//! | `variables` | `${NAME}` in the strings of definitions |
//! | [`windows`] | the rewrite of window calls, which the planner applies |
//!
//! Nothing here knows what exists: names and types are checked by the planner.

mod alter;
mod clauses;
mod columns;
mod create;
mod create_sink;
mod create_stream;
mod cursor;
mod dialect;
pub mod duration;
mod explain;
mod ignored;
pub mod joins;
mod lexer;
mod option_list;
pub mod options;
pub mod probe;
mod query;
mod run;
mod show;
pub mod statement;
mod subscribe;
#[cfg(test)]
mod tests;
mod variables;
pub mod windows;

use datafusion::sql::sqlparser::{ast, tokenizer::Token};
use laminar_types::{Error, Position, Result, error::code};

pub use cursor::closest;
use cursor::{Cursor, Hint};
use lexer::unquoted;
pub use options::{OptionEntry, OptionValue, Options};
pub use statement::*;
pub use variables::Variables;

/// The words that begin a statement.
const FIRST_WORDS: [&str; 18] = [
    "SELECT",
    "WITH",
    "VALUES",
    "CREATE",
    "DROP",
    "ALTER",
    "INSERT",
    "UPDATE",
    "DELETE",
    "SHOW",
    "DESCRIBE",
    "EXPLAIN",
    "SUBSCRIBE",
    "CANCEL",
    "SET",
    "RESET",
    "COPY",
    "FROM",
];

/// Reads the statements of a text, which are separated by `;`. A text of comments and white space
/// has none.
///
/// # Errors
/// [`code::SYNTAX`] with a position, or [`code::UNSUPPORTED`] and [`code::OPTION`] for constructs
/// and options that are known and cannot be used.
pub fn parse(sql: &str) -> Result<Vec<Statement>> {
    lexer::statements(sql)?
        .into_iter()
        .map(|tokens| {
            let mut cursor = Cursor::new(sql, tokens);
            let statement = statement(&mut cursor)?;
            cursor.expect_end()?;
            Ok(statement)
        })
        .collect()
}

/// Reads a text that is exactly one statement, with or without a `;` behind it.
///
/// # Errors
/// As [`parse`], and [`code::SYNTAX`] when there is none or more than one.
pub fn parse_one(sql: &str) -> Result<Statement> {
    parse_tokens(sql, |_| Ok(()))
}

/// The same, with the values of variables in the place of `${NAME}` in the strings of definitions.
///
/// # Errors
/// As [`parse_one`], and [`code::SYNTAX`] for a variable that does not exist.
pub fn parse_one_with(sql: &str, variables: Variables<'_>) -> Result<Statement> {
    parse_tokens(sql, |lexemes| variables::substitute(lexemes, variables))
}

fn parse_tokens(
    sql: &str,
    prepare: impl FnOnce(&mut [lexer::Lexeme]) -> Result<()>,
) -> Result<Statement> {
    let mut statements = lexer::statements(sql)?;
    let start = Position { line: 1, column: 1 };
    let extra = statements.get(1).and_then(|second| second.lexemes.first());
    if let Some(first) = extra {
        let message = "expected one statement, found a second one; run them one by one";
        return Err(Error::new(code::SYNTAX, message).at(lexer::position(first.token.span.start)));
    }
    let Some(mut tokens) = statements.pop() else {
        return Err(Error::new(code::SYNTAX, "the text holds no statement").at(start));
    };
    prepare(&mut tokens.lexemes)?;
    let mut cursor = Cursor::new(sql, tokens);
    let statement = statement(&mut cursor)?;
    cursor.expect_end()?;
    Ok(statement)
}

/// Reads the statement that starts here, up to the end of the tokens.
fn statement(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let Some(first) = unquoted(cursor.peek()).map(|word| word.value.to_ascii_uppercase()) else {
        if query::starts(cursor) {
            return query::parse(cursor, Options::default()).map(Statement::Query);
        }
        return Err(cursor.expected("a statement"));
    };
    match first.as_str() {
        "CREATE" => create::parse(cursor),
        "DROP" => alter::parse_drop(cursor),
        "ALTER" => alter::parse_alter(cursor),
        "SHOW" => show::parse_show(cursor),
        "SET" => show::parse_set(cursor),
        "RESET" => show::parse_reset(cursor),
        "CANCEL" => show::parse_cancel(cursor),
        "DESCRIBE" | "DESC" => explain::parse_describe(cursor),
        "EXPLAIN" => explain::parse_explain(cursor),
        "SUBSCRIBE" => subscribe::parse(cursor),
        _ if query::starts(cursor) => {
            query::parse(cursor, Options::default()).map(Statement::Query)
        }
        _ => other(cursor),
    }
}

/// Reads the rest of the tokens as a statement of sqlparser.
fn other(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let suggestion = unquoted(cursor.peek()).and_then(|word| closest(&word.value, &FIRST_WORDS));
    let tokens = cursor.take_tokens(cursor.len());
    let parsed = query::sql_statement(tokens);
    let statement = match (parsed, suggestion) {
        (Ok(statement), _) => statement,
        (Err(error), Some(word)) => return Err(error.hint(&format!("; did you mean {word}?"))),
        (Err(error), None) => return Err(error),
    };
    Ok(match statement {
        ast::Statement::Insert(insert) => Statement::Insert(Box::new(insert)),
        ast::Statement::Update(update) => Statement::Update(Box::new(update)),
        ast::Statement::Delete(delete) => Statement::Delete(Box::new(delete)),
        statement => Statement::Other(Box::new(statement)),
    })
}

/// Passes the comma that separates the items of a bracketed list, or its closing parenthesis;
/// whether another item follows.
fn another_item(cursor: &mut Cursor<'_>) -> Result<bool> {
    if cursor.eat_token(&Token::Comma) {
        return Ok(true);
    }
    cursor.expect_token(&Token::RParen, "a comma or )")?;
    Ok(false)
}
