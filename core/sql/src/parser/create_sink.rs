//! `CREATE SINK`.

use laminar_types::{Error, Result, error::code};

use super::{
    create::{Header, header},
    cursor::Cursor,
    option_list, query,
    statement::{CreateSink, SinkInput},
};

/// Reads what follows `SINK`: `[IF NOT EXISTS] name`, then `FROM name`, `INTO connector (...)` and
/// `WITH (...)` in any order, then `AS query` in place of `FROM`. Without a connector the options
/// are those of the query.
pub(super) fn parse(cursor: &mut Cursor<'_>, or_replace: bool) -> Result<CreateSink> {
    let Header { name, or_replace, if_not_exists } = header(cursor, or_replace, "sink")?;
    let (mut from, mut connector, mut options) = (None, None, None);
    let input = loop {
        let position = cursor.position();
        let twice = if cursor.eat(&["FROM"]) {
            let input = cursor.name("the name of a stream, view, table or source")?;
            from.replace(input).is_some().then_some("FROM")
        } else if cursor.eat(&["INTO"]) {
            connector.replace(option_list::parse_connector(cursor)?).is_some().then_some("INTO")
        } else if cursor.is(&["WITH"]) {
            options.replace(option_list::parse_with(cursor)?).is_some().then_some("WITH (...)")
        } else if from.is_none() && cursor.eat(&["AS"]) {
            let of_query = options.take_if(|_| connector.is_none()).unwrap_or_default();
            let query = query::parse(cursor, of_query)?;
            break SinkInput::Query(Box::new(query));
        } else if let (true, Some(from)) = (cursor.at_end(), from.clone()) {
            break SinkInput::Name(from);
        } else if from.is_some() {
            let expected = "INTO and a connector, WITH (...) or the end of the statement";
            return Err(cursor.expected_near(expected, &["INTO", "WITH"]));
        } else {
            let expected = "FROM and the name of a stream, INTO and a connector, or AS and a query";
            return Err(cursor.expected_near(expected, &["FROM", "INTO", "AS", "WITH"]));
        };
        if let Some(twice) = twice {
            return Err(Error::new(code::SYNTAX, format!("{twice} is given twice")).at(position));
        }
    };
    let options = options.unwrap_or_default();
    Ok(CreateSink { name, or_replace, if_not_exists, input, connector, options })
}
