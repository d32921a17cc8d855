//! `DROP` and `ALTER SOURCE`.

use laminar_types::Result;

use super::{
    columns,
    cursor::{Cursor, closest},
    lexer::unquoted,
    other,
    statement::{AlterSource, Drop, ObjectKind, Statement},
};

/// The kinds of objects as they are spelled.
const KINDS: [(&[&str], ObjectKind); 6] = [
    (&["SOURCE"], ObjectKind::Source),
    (&["TABLE"], ObjectKind::Table),
    (&["LOOKUP", "TABLE"], ObjectKind::LookupTable),
    (&["STREAM"], ObjectKind::Stream),
    (&["MATERIALIZED", "VIEW"], ObjectKind::MaterializedView),
    (&["SINK"], ObjectKind::Sink),
];

const FIRST_WORDS: [&str; 6] = ["SOURCE", "TABLE", "LOOKUP", "STREAM", "MATERIALIZED", "SINK"];

/// What the kinds are called in an error.
pub(super) const EXPECTED_KIND: &str =
    "SOURCE, TABLE, STREAM, MATERIALIZED VIEW, SINK or LOOKUP TABLE";

/// Passes the kind of an object, if one comes next.
pub(super) fn eat_kind(cursor: &mut Cursor<'_>) -> Option<ObjectKind> {
    KINDS.iter().find(|(words, _)| cursor.eat(words)).map(|(_, kind)| *kind)
}

/// Reads the kind of an object, which must come next.
pub(super) fn kind(cursor: &mut Cursor<'_>) -> Result<ObjectKind> {
    match eat_kind(cursor) {
        Some(kind) => Ok(kind),
        None => Err(cursor.expected_near(EXPECTED_KIND, &FIRST_WORDS)),
    }
}

/// `DROP kind [IF EXISTS] name [CASCADE | RESTRICT]`.
pub(super) fn parse_drop(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let start = cursor.index;
    cursor.expect(&["DROP"])?;
    let Some(kind) = eat_kind(cursor) else {
        let error = cursor.expected_near(EXPECTED_KIND, &FIRST_WORDS);
        let is_ours = unquoted(cursor.peek()).is_none_or(|word| {
            FIRST_WORDS.iter().any(|first| word.value.eq_ignore_ascii_case(first))
                || closest(&word.value, &FIRST_WORDS).is_some()
        });
        cursor.index = start;
        return if is_ours { Err(error) } else { other(cursor) };
    };
    let if_exists = cursor.eat(&["IF", "EXISTS"]);
    let name = cursor.name("the name of what to drop")?;
    let cascade = cursor.eat(&["CASCADE"]);
    if !cascade {
        cursor.eat(&["RESTRICT"]);
    }
    if !cursor.at_end() {
        let expected = "CASCADE or the end of the statement";
        return Err(cursor.expected_near(expected, &["CASCADE", "RESTRICT"]));
    }
    Ok(Statement::Drop(Drop { kind, name, if_exists, cascade }))
}

/// `ALTER SOURCE [IF EXISTS] name ADD [COLUMN] [IF NOT EXISTS] column`; other `ALTER`s are
/// sqlparser's.
pub(super) fn parse_alter(cursor: &mut Cursor<'_>) -> Result<Statement> {
    if !cursor.is(&["ALTER", "SOURCE"]) {
        return other(cursor);
    }
    cursor.expect(&["ALTER", "SOURCE"])?;
    let if_exists = cursor.eat(&["IF", "EXISTS"]);
    let name = cursor.name("the name of a source")?;
    if !cursor.eat(&["ADD"]) {
        return Err(match cursor.peek() {
            token
                if ["DROP", "RENAME", "ALTER", "SET"]
                    .iter()
                    .any(|word| super::lexer::is_word(token, word)) =>
            {
                cursor.unsupported("a source can only be altered by ADD COLUMN")
            }
            _ => cursor.expected_near("ADD COLUMN", &["ADD"]),
        });
    }
    cursor.eat(&["COLUMN"]);
    let column_if_not_exists = cursor.eat(&["IF", "NOT", "EXISTS"]);
    let column = columns::column(cursor)?;
    cursor.expect_end()?;
    Ok(Statement::AlterSource(AlterSource { name, if_exists, column_if_not_exists, column }))
}
