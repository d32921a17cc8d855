//! `CREATE STREAM` and `CREATE MATERIALIZED VIEW`.

use datafusion::sql::sqlparser::tokenizer::Token;
use laminar_types::Result;

use super::{
    another_item,
    create::{Header, header},
    cursor::Cursor,
    option_list,
    options::Options,
    query,
    statement::CreateStream,
};

/// Reads what follows the kind: `[IF NOT EXISTS] name [(columns)] [WITH (...)] AS query clauses`.
pub(super) fn parse(cursor: &mut Cursor<'_>, or_replace: bool) -> Result<CreateStream> {
    let Header { name, or_replace, if_not_exists } = header(cursor, or_replace, "stream or view")?;
    let mut columns = Vec::new();
    if cursor.eat_token(&Token::LParen) {
        loop {
            columns.push(cursor.name("the name of a column")?);
            if !another_item(cursor)? {
                break;
            }
        }
    }
    let options =
        if cursor.is(&["WITH"]) { option_list::parse_with(cursor)? } else { Options::default() };
    if !cursor.eat(&["AS"]) {
        return Err(cursor.expected_near("AS and a query", &["AS"]));
    }
    let query = query::parse(cursor, options)?;
    Ok(CreateStream { name, or_replace, if_not_exists, columns, query })
}
