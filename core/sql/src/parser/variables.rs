//! `${NAME}` in the strings of definitions.
//!
//! In the string literals of `CREATE` and `ALTER` statements, those of options and of the query
//! alike, `${NAME}` stands for the value of a variable, `${NAME:-default}` for the default where
//! there is no such variable, and `$${` for `${` itself. Values are not looked into again.

use datafusion::sql::sqlparser::tokenizer::Token;
use laminar_types::{Error, Position, Result, error::code};

use super::lexer::{self, Lexeme, is_word};

/// Gives the value of a variable, if there is one.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Puts values in the place of variables, if this is the definition of something.
///
/// # Errors
/// [`code::SYNTAX`] at the string for a variable that does not exist or is not well-formed.
pub(super) fn substitute(lexemes: &mut [Lexeme], variables: Variables<'_>) -> Result<()> {
    let defines =
        |word: &Lexeme| is_word(&word.token.token, "CREATE") || is_word(&word.token.token, "ALTER");
    let explained = lexemes.first().is_some_and(|first| is_word(&first.token.token, "EXPLAIN"));
    let first = if explained { lexemes.get(1) } else { lexemes.first() };
    if !first.is_some_and(defines) {
        return Ok(());
    }
    for lexeme in lexemes {
        let place = lexer::position(lexeme.token.span.start);
        if let Token::SingleQuotedString(text) = &mut lexeme.token.token
            && text.contains("${")
        {
            *text = filled(text, variables, place)?;
        }
    }
    Ok(())
}

fn filled(text: &str, variables: Variables<'_>, place: Position) -> Result<String> {
    let refuse = |message: String| Err(Error::new(code::SYNTAX, message).at(place));
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        if let Some(before) = before.strip_suffix('$') {
            filled.push_str(before);
            filled.push_str("${");
            rest = after;
            continue;
        }
        filled.push_str(before);
        let Some(end) = after.find('}') else {
            return refuse("a variable begins with ${ and has no }; write $${ for ${".to_string());
        };
        let (name, default) = match after[..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&after[..end], None),
        };
        let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_name {
            return refuse(format!("`{name}` is not the name of a variable; write $${{ for ${{"));
        }
        match (variables(name), default) {
            (Some(value), _) => filled.push_str(&value),
            (None, Some(default)) => filled.push_str(default),
            (None, None) => {
                return refuse(format!(
                    "there is no variable `{name}` in the configuration or the environment: set \
                     it, or write ${{{name}:-default}}"
                ));
            }
        }
        rest = &after[end + 1..];
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(text: &str) -> Result<String> {
        let variables = |name: &str| (name == "HOST").then(|| "db ${PORT}".to_string());
        filled(text, &variables, Position { line: 1, column: 8 })
    }

    #[test]
    fn values_defaults_and_escapes() {
        for (text, expected) in [
            ("${HOST}:${PORT:-54}", "db ${PORT}:54"),
            ("${HOST:-x}${A:-}.", "db ${PORT}."),
            ("$${HOST} $HOST {HOST} $", "${HOST} $HOST {HOST} $"),
            ("${A:-a:-b}", "a:-b"),
        ] {
            assert_eq!(fill(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn mistakes_have_their_place() {
        for (text, part) in [("${PORT}", "`PORT`"), ("x${HOST", "no }"), ("${1a}", "`1a`")] {
            let error = fill(text).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("line 1, column 8"), "{error}");
        }
    }
}
