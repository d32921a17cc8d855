//! Reads `key = value` lists.

use datafusion::sql::sqlparser::tokenizer::Token;
use laminar_types::Result;

use super::{
    another_item,
    clauses::duration_ns,
    cursor::{Cursor, Hint},
    options::{OptionEntry, OptionValue, Options},
    statement::Connector,
};

/// `WITH (key = value, ...)`.
pub(super) fn parse_with(cursor: &mut Cursor<'_>) -> Result<Options> {
    cursor.expect(&["WITH"])?;
    parse(cursor)
}

/// `(key = value, ...)`, which may be empty.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Options> {
    let mut options = Options::default();
    cursor.expect_token(&Token::LParen, "( and options")?;
    if cursor.eat_token(&Token::RParen) {
        return Ok(options);
    }
    loop {
        let key = cursor.dotted_name("the name of an option")?;
        cursor.expect_token(&Token::Eq, "=")?;
        let value = value(cursor)?;
        options.push(OptionEntry { key: key.value, value, position: key.position })?;
        if !another_item(cursor)? {
            return Ok(options);
        }
    }
}

/// `KAFKA (key = value, ...)`; the parentheses may be left out.
pub(super) fn parse_connector(cursor: &mut Cursor<'_>) -> Result<Connector> {
    let mut name = cursor.name("the name of a connector")?;
    name.value.make_ascii_lowercase();
    let options = if cursor.peek() == &Token::LParen { parse(cursor)? } else { Options::default() };
    Ok(Connector { name, options })
}

/// A value: a string, a number, `TRUE`, `FALSE` or an `INTERVAL`.
pub(super) fn value(cursor: &mut Cursor<'_>) -> Result<OptionValue> {
    const EXPECTED: &str = "a value: a text in single quotes, a number, TRUE, FALSE or an INTERVAL";
    if cursor.is(&["INTERVAL"]) {
        return duration_ns(cursor).map(OptionValue::Interval);
    }
    if cursor.eat(&["TRUE"]) {
        return Ok(OptionValue::Boolean(true));
    }
    if cursor.eat(&["FALSE"]) {
        return Ok(OptionValue::Boolean(false));
    }
    let sign = match cursor.peek() {
        Token::Minus => "-",
        Token::Plus => "+",
        _ => "",
    };
    let value = match cursor.peek_at(sign.len()) {
        Token::Number(number, _) if sign == "-" => OptionValue::Number(format!("-{number}")),
        Token::Number(number, _) => OptionValue::Number(number.clone()),
        Token::SingleQuotedString(text)
        | Token::EscapedStringLiteral(text)
        | Token::NationalStringLiteral(text)
            if sign.is_empty() =>
        {
            OptionValue::String(text.clone())
        }
        Token::Word(word) => {
            let hint = format!("; did you mean '{}'?", word.value);
            return Err(cursor.expected(EXPECTED).hint(&hint));
        }
        _ => return Err(cursor.expected(EXPECTED)),
    };
    cursor.index += sign.len() + 1;
    Ok(value)
}
