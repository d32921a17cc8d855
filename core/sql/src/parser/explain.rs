//! `DESCRIBE` and `EXPLAIN`.

use datafusion::sql::sqlparser::tokenizer::Token;
use laminar_types::{Error, Result};

use super::{
    alter,
    cursor::Cursor,
    options::Options,
    query,
    statement::{Describe, Explain, ExplainTarget, Statement, Target},
};
use crate::outline::ExplainForm;

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

/// `EXPLAIN [ANALYZE] [VERBOSE] [FORMAT word] statement`, or a name, with its kind or not; or the
/// same options in parentheses.
pub(super) fn parse_explain(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect(&["EXPLAIN"])?;
    let mut options = ExplainOptions::default();
    let is_list = cursor.peek() == &Token::LParen
        && matches!(cursor.peek_at(1), Token::Word(word) if OPTIONS.contains(&&*word.value.to_uppercase()));
    if is_list {
        cursor.index += 1;
        loop {
            if !options.eat(cursor)? {
                return Err(cursor.expected("ANALYZE, VERBOSE or FORMAT"));
            }
            match cursor.peek() {
                Token::Comma => cursor.index += 1,
                Token::RParen => break,
                _ => return Err(cursor.expected("a comma or a closing parenthesis")),
            }
        }
        cursor.index += 1;
    } else {
        while OPTIONS.iter().any(|word| is_modifier(cursor, word)) && options.eat(cursor)? {}
    }
    let ExplainOptions { analyze, form, .. } = options;
    let target = if is_kind(cursor) {
        alter::eat_kind(cursor);
        ExplainTarget::Name(cursor.name("the name of a stream or view")?)
    } else if matches!(cursor.peek(), Token::Word(_)) && cursor.peek_at(1) == &Token::EOF {
        ExplainTarget::Name(cursor.name("a statement, or the name of a stream or view")?)
    } else {
        ExplainTarget::Statement(Box::new(super::statement(cursor)?))
    };
    cursor.expect_end()?;
    Ok(Statement::Explain(Explain { analyze, form, target }))
}

/// The options of `EXPLAIN`.
const OPTIONS: [&str; 3] = ["ANALYZE", "VERBOSE", "FORMAT"];

/// Those that were read.
#[derive(Default)]
struct ExplainOptions {
    analyze: bool,
    form: ExplainForm,
    has_format: bool,
}

impl ExplainOptions {
    /// Passes an option that was not there before. Answers whether one came next.
    fn eat(&mut self, cursor: &mut Cursor<'_>) -> Result<bool> {
        if !self.analyze && cursor.eat(&["ANALYZE"]) {
            self.analyze = true;
        } else if !self.form.verbose && cursor.eat(&["VERBOSE"]) {
            self.form.verbose = true;
        } else if !self.has_format && cursor.eat(&["FORMAT"]) {
            self.has_format = true;
            let format = cursor.name("TEXT or JSON")?;
            self.form.json = match &*format.value.to_lowercase() {
                "text" => false,
                "json" => true,
                other => {
                    return Err(Error::unsupported(format!(
                        "EXPLAIN has no format `{other}`: write FORMAT TEXT, the default, or \
                         FORMAT JSON"
                    ))
                    .at(format.position));
                }
            };
        } else {
            return Ok(false);
        }
        Ok(true)
    }
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
