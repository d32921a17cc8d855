//! `SUBSCRIBE`.

use datafusion::sql::sqlparser::{ast::Expr, tokenizer::Token};
use laminar_types::{Error, Result, error::code};

use super::{
    cursor::Cursor,
    explain,
    lexer::is_word,
    statement::{Statement, Subscribe, Target},
};

/// `SUBSCRIBE [TO] s`, then `WITH SNAPSHOT`, `WHERE p` and `AS OF EPOCH n` in any order; or
/// `SUBSCRIBE query`, which has its clauses itself.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect(&["SUBSCRIBE"])?;
    if cursor.peek_at(1) != &Token::EOF {
        cursor.eat(&["TO"]);
    }
    let target = explain::target(cursor)?;
    let mut subscribe = Subscribe { target, snapshot: false, predicate: None, as_of_epoch: None };
    if let Target::Query(_) = subscribe.target {
        return Ok(Statement::Subscribe(subscribe));
    }
    while !cursor.at_end() {
        let position = cursor.position();
        let twice = if cursor.eat(&["WITH"]) {
            cursor.expect(&["SNAPSHOT"])?;
            std::mem::replace(&mut subscribe.snapshot, true).then_some("WITH SNAPSHOT")
        } else if cursor.eat(&["WHERE"]) {
            let predicate = predicate(cursor)?;
            subscribe.predicate.replace(predicate).is_some().then_some("WHERE")
        } else if cursor.eat(&["AS"]) {
            cursor.expect(&["OF", "EPOCH"])?;
            let epoch = epoch(cursor)?;
            subscribe.as_of_epoch.replace(epoch).is_some().then_some("AS OF EPOCH")
        } else {
            let expected = "WITH SNAPSHOT, WHERE, AS OF EPOCH or the end of the statement";
            return Err(cursor.expected_near(expected, &["WITH", "WHERE"]));
        };
        if let Some(twice) = twice {
            return Err(Error::new(code::SYNTAX, format!("{twice} is given twice")).at(position));
        }
    }
    Ok(Statement::Subscribe(subscribe))
}

fn predicate(cursor: &mut Cursor<'_>) -> Result<Box<Expr>> {
    let mut end = cursor.find(|token| is_word(token, "AS"));
    let with = cursor.find(|token| is_word(token, "WITH"));
    if is_word(cursor.token(with + 1), "SNAPSHOT") {
        end = end.min(with);
    }
    let from = cursor.index;
    let expr = cursor.parse_with(end, |parser| parser.parse_expr())?;
    if cursor.index < end && cursor.index > from {
        return Err(cursor.expected("an operator or the end of the condition"));
    }
    Ok(Box::new(expr))
}

fn epoch(cursor: &mut Cursor<'_>) -> Result<u64> {
    let epoch = match cursor.peek() {
        Token::Number(number, _) => number.parse().ok(),
        _ => None,
    };
    let Some(epoch) = epoch else {
        return Err(cursor.expected("the number of an epoch"));
    };
    cursor.index += 1;
    Ok(epoch)
}
