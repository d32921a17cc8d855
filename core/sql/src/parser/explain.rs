//! `DESCRIBE` and `EXPLAIN`.

use datafusion::sql::sqlparser::tokenizer::Token;
use laminar_types::Result;

use super::{
    alter,
    cursor::Cursor,
    options::Options,
    query,
    statement::{Describe, Explain, ExplainTarget, Statement, Target},
};

/// `DESCRIBE [EXTENDED] [kind] name`, or of a query.
pub(super) fn parse_describe(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.index += 1;
    let extended = is_modifier(cursor, "EXTENDED") && cursor.eat(&["EXTENDED"]);
    let target = target(cursor)?;
    cursor.expect_end()?;
    Ok(Statement::Describe(Describe { extended, target }))
}

/// A name, with its kind or not, or a query.
pub(super) fn target(cursor: &mut Cursor<'_>) -> Result<Target> {
    if query::starts(cursor) && !is_kind(cursor) {
        let query = query::parse(cursor, Options::default())?;
        return Ok(Target::Query(Box::new(query)));
    }
    if is_kind(cursor) {
        alter::eat_kind(cursor);
    }
    cursor.name("a name or a query").map(Target::Name)
}

/// `EXPLAIN [ANALYZE] [VERBOSE] [FORMAT word] statement`, or a name, with its kind or not.
pub(super) fn parse_explain(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect(&["EXPLAIN"])?;
    let (mut analyze, mut verbose, mut format) = (false, false, None);
    loop {
        if !analyze && is_modifier(cursor, "ANALYZE") && cursor.eat(&["ANALYZE"]) {
            analyze = true;
        } else if !verbose && is_modifier(cursor, "VERBOSE") && cursor.eat(&["VERBOSE"]) {
            verbose = true;
        } else if format.is_none() && is_modifier(cursor, "FORMAT") && cursor.eat(&["FORMAT"]) {
            format = Some(cursor.name("the name of a format")?);
        } else {
            break;
        }
    }
    let target = if is_kind(cursor) {
        alter::eat_kind(cursor);
        ExplainTarget::Name(cursor.name("the name of a stream or view")?)
    } else if matches!(cursor.peek(), Token::Word(_)) && cursor.peek_at(1) == &Token::EOF {
        ExplainTarget::Name(cursor.name("a statement, or the name of a stream or view")?)
    } else {
        ExplainTarget::Statement(Box::new(super::statement(cursor)?))
    };
    cursor.expect_end()?;
    Ok(Statement::Explain(Explain { analyze, verbose, format, target }))
}

/// Whether a word is a modifier here: something follows it.
fn is_modifier(cursor: &Cursor<'_>, word: &str) -> bool {
    cursor.is(&[word]) && cursor.peek_at(1) != &Token::EOF
}

/// Whether the kind of an object and then its name come next.
fn is_kind(cursor: &Cursor<'_>) -> bool {
    let name_at = if cursor.is(&["MATERIALIZED", "VIEW"]) || cursor.is(&["LOOKUP", "TABLE"]) {
        2
    } else if ["SOURCE", "TABLE", "STREAM", "SINK"].iter().any(|kind| cursor.is(&[kind])) {
        1
    } else {
        return false;
    };
    let ends = cursor.peek_at(name_at + 1) == &Token::EOF;
    ends && matches!(cursor.peek_at(name_at), Token::Word(_))
}
