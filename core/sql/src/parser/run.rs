//! Runs sqlparser, and turns what it says into errors of ours with a place.

use datafusion::sql::sqlparser::{
    parser::{Parser, ParserError},
    tokenizer::{Token, TokenWithSpan},
};
use laminar_types::{Error, Position, Result, error::code};

use super::{
    dialect::LaminarDialect,
    lexer::{bracket, is_word, lower_first, position},
};

/// Runs sqlparser on tokens that end with `EOF`.
pub(super) fn run_parser<T>(
    tokens: Vec<TokenWithSpan>,
    parse: impl FnOnce(&mut Parser<'_>) -> Result<T, ParserError>,
) -> Result<T> {
    let dialect = LaminarDialect::new(tokens.len());
    let mut parser = Parser::new(&dialect).with_tokens_with_locations(tokens);
    match parse(&mut parser) {
        Ok(parsed) => Ok(parsed),
        Err(error) => {
            let error = sql_error(&parser, error);
            Err(error_in_brackets(&parser.into_tokens()).unwrap_or(error))
        }
    }
}

/// The error of the innermost query in brackets that has one. sqlparser tries such a query, forgets
/// what was wrong with it, and then says that something else was expected in its place.
fn error_in_brackets(tokens: &[TokenWithSpan]) -> Option<Error> {
    let mut open = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        match bracket(&token.token) {
            1 => open.push(index),
            -1 => {
                let start = open.pop()? + 1;
                let is_query = ["SELECT", "WITH"]
                    .iter()
                    .any(|word| tokens.get(start).is_some_and(|first| is_word(&first.token, word)));
                if is_query && let Err(error) = query_up_to_bracket(tokens[start..=index].to_vec())
                {
                    return Some(error);
                }
            }
            _ => {}
        }
    }
    None
}

/// Reads a query and the bracket behind it.
fn query_up_to_bracket(tokens: Vec<TokenWithSpan>) -> Result<()> {
    let dialect = LaminarDialect::new(tokens.len());
    let mut parser = Parser::new(&dialect).with_tokens_with_locations(tokens);
    let parsed = match parser.parse_query() {
        Ok(_) => parser.expect_token(&Token::RParen).map(|_| ()),
        Err(error) => Err(error),
    };
    parsed.map_err(|error| sql_error(&parser, error))
}

/// The error of a parser in our words, with a place.
fn sql_error(parser: &Parser<'_>, error: ParserError) -> Error {
    let here = position(parser.peek_token_ref().span.start);
    match error {
        ParserError::RecursionLimitExceeded => {
            Error::new(code::SYNTAX, "the statement nests too deep").at(here)
        }
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => {
            let (message, at) = split_location(&message);
            let message = lower_first(message).replacen(", found: ", ", found ", 1).replacen(
                "expected: ",
                "expected ",
                1,
            );
            let message = match message.strip_suffix("found EOF") {
                Some(start) => format!("{start}found the end of the statement"),
                None => message,
            };
            Error::new(code::SYNTAX, message).at(at.unwrap_or(here))
        }
    }
}

/// Takes the place that sqlparser writes behind its messages off them.
fn split_location(message: &str) -> (&str, Option<Position>) {
    let parse = || {
        let (start, location) = message.rsplit_once(" at Line: ")?;
        let (line, column) = location.split_once(", Column: ")?;
        let position = Position { line: line.parse().ok()?, column: column.parse().ok()? };
        Some((start, Some(position)))
    };
    parse().unwrap_or((message, None))
}
