//! The clauses behind a query, in any order, each at most once: `EMIT`, `ALLOW LATENESS`, `LATE
//! DATA TO`, `ON ERROR` and `WITH (...)`. Also durations as the clauses spell them.

use datafusion::sql::sqlparser::tokenizer::Token;
use laminar_types::{Error, Position, Result, error::code};

use super::{
    cursor::Cursor,
    duration::{
        interval_text_ns, interval_with_unit_ns, is_unit, milliseconds_ns, parse_duration_ns,
    },
    lexer::{is_word, unquoted},
    option_list,
    options::Options,
    statement::{Emit, EmitTiming, Name, OnError},
};

const EXPECTED: &str =
    "EMIT, ALLOW LATENESS, LATE DATA TO, ON ERROR, WITH (...) or the end of the statement";

/// What stands behind a query.
#[derive(Debug, Default)]
pub(super) struct Clauses {
    /// `EMIT`.
    pub(super) emit: Option<Emit>,
    /// `ALLOW LATENESS`, or the option `allowed_lateness`.
    pub(super) allow_lateness_ns: Option<i64>,
    /// `LATE DATA TO`.
    pub(super) late_data_to: Option<Name>,
    /// `ON ERROR`.
    pub(super) on_error: Option<OnError>,
    /// `WITH (...)`, without `allowed_lateness`.
    pub(super) options: Options,
}

/// Whether the words of a clause stand at an index of the statement. They may still be names.
pub(super) fn start_at(cursor: &Cursor<'_>, index: usize) -> bool {
    let word = |ahead: usize, word: &str| is_word(cursor.token(index + ahead), word);
    word(0, "EMIT")
        || (word(0, "ALLOW") && word(1, "LATENESS"))
        || (word(0, "LATE") && word(1, "DATA"))
        || (word(0, "ON") && word(1, "ERROR"))
        || (word(0, "WITH") && cursor.token(index + 1) == &Token::LParen)
}

/// Reads clauses up to the end of the statement.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Clauses> {
    let mut clauses = Clauses::default();
    let mut with = None;
    while !cursor.at_end() {
        let position = cursor.position();
        if cursor.eat(&["EMIT"]) {
            let emit = emit(cursor, position)?;
            set_once(&mut clauses.emit, emit, "EMIT", position)?;
        } else if cursor.eat(&["ALLOW"]) {
            cursor.expect(&["LATENESS"])?;
            let lateness_ns = duration_ns(cursor)?;
            set_once(&mut clauses.allow_lateness_ns, lateness_ns, "ALLOW LATENESS", position)?;
        } else if cursor.eat(&["LATE"]) {
            cursor.expect(&["DATA", "TO"])?;
            let sink = cursor.name("the name of a sink")?;
            set_once(&mut clauses.late_data_to, sink, "LATE DATA TO", position)?;
        } else if cursor.eat(&["ON"]) {
            cursor.expect(&["ERROR"])?;
            let on_error = on_error(cursor)?;
            set_once(&mut clauses.on_error, on_error, "ON ERROR", position)?;
        } else if cursor.is(&["WITH"]) {
            set_once(&mut with, (), "WITH (...)", position)?;
            clauses.options = option_list::parse_with(cursor)?;
        } else {
            return Err(cursor.expected_near(EXPECTED, &["EMIT", "ALLOW", "LATE", "WITH"]));
        }
    }
    if let Some(lateness) = clauses.options.take("allowed_lateness") {
        let lateness_ns = lateness.duration_ns()?;
        set_once(&mut clauses.allow_lateness_ns, lateness_ns, "ALLOW LATENESS", lateness.position)?;
    }
    Ok(clauses)
}

fn set_once<T>(field: &mut Option<T>, value: T, what: &str, at: Position) -> Result<()> {
    if field.replace(value).is_some() {
        return Err(Error::new(code::SYNTAX, format!("{what} is given twice")).at(at));
    }
    Ok(())
}

fn on_error(cursor: &mut Cursor<'_>) -> Result<OnError> {
    if cursor.eat(&["FAIL"]) {
        Ok(OnError::Fail)
    } else if cursor.eat(&["DEAD"]) {
        cursor.expect(&["LETTER"])?;
        Ok(OnError::DeadLetter)
    } else {
        Err(cursor.expected_one_of(&["FAIL", "DEAD LETTER"]))
    }
}

/// What follows `EMIT`.
fn emit(cursor: &mut Cursor<'_>, position: Position) -> Result<Emit> {
    let mut changes = cursor.eat(&["CHANGES"]);
    let timing = if cursor.eat(&["FINAL"]) {
        Some(EmitTiming::Final)
    } else if cursor.eat(&["AFTER"]) {
        cursor.expect(&["WATERMARK"])?;
        Some(EmitTiming::Final)
    } else if emits_on(cursor) {
        cursor.index += 1;
        Some(emit_on(cursor)?)
    } else if cursor.eat(&["EVERY"]) || cursor.eat(&["PERIODICALLY"]) {
        Some(emit_every(cursor)?)
    } else {
        None
    };
    if !changes && timing.is_some() {
        changes = cursor.eat(&["CHANGES"]);
    }
    match timing {
        Some(EmitTiming::Final) if changes => {
            let message = "EMIT takes FINAL or CHANGES, not both: what is final never changes";
            Err(Error::new(code::SYNTAX, message).at(position))
        }
        Some(timing) => Ok(Emit { timing, changes, position }),
        None if changes => Ok(Emit { timing: EmitTiming::Update, changes, position }),
        None => Err(cursor.expected_one_of(&[
            "ON WINDOW CLOSE",
            "ON UPDATE",
            "CHANGES",
            "FINAL",
            "AFTER WATERMARK",
            "EVERY",
        ])),
    }
}

/// Whether `ON` follows as a part of `EMIT`, and not as `ON ERROR`.
fn emits_on(cursor: &Cursor<'_>) -> bool {
    cursor.is(&["ON"]) && !cursor.is(&["ON", "ERROR"])
}

/// What follows `EMIT ON`.
fn emit_on(cursor: &mut Cursor<'_>) -> Result<EmitTiming> {
    if cursor.eat(&["WINDOW"]) {
        cursor.expect(&["CLOSE"])?;
        Ok(EmitTiming::Final)
    } else if cursor.eat(&["WATERMARK"]) {
        Ok(EmitTiming::Final)
    } else if cursor.eat(&["UPDATE"]) {
        Ok(EmitTiming::Update)
    } else {
        Err(cursor.expected_one_of(&["WINDOW CLOSE", "UPDATE", "WATERMARK"]))
    }
}

fn emit_every(cursor: &mut Cursor<'_>) -> Result<EmitTiming> {
    let position = cursor.position();
    let interval_ns = duration_ns(cursor)?;
    if interval_ns == 0 {
        let message = "EMIT EVERY takes an interval longer than zero; for every change, write \
                       EMIT ON UPDATE";
        return Err(Error::new(code::SYNTAX, message).at(position));
    }
    Ok(EmitTiming::Every { interval_ns })
}

/// Reads a duration: `INTERVAL '5' SECOND`, `INTERVAL '5 seconds'`, `'5 seconds'`, `5 SECONDS` or
/// a whole number of milliseconds. Never negative.
pub(super) fn duration_ns(cursor: &mut Cursor<'_>) -> Result<i64> {
    let position = cursor.position();
    let interval = cursor.eat(&["INTERVAL"]);
    let negative = cursor.eat_token(&Token::Minus);
    let (text, number) = match cursor.peek() {
        Token::SingleQuotedString(text) => (text.clone(), false),
        Token::Number(text, _) => (text.clone(), true),
        _ => return Err(cursor.expected("a duration, as INTERVAL '5' SECOND or '5 seconds'")),
    };
    cursor.index += 1;
    let unit = unquoted(cursor.peek()).map(|word| word.value.clone()).filter(|word| is_unit(word));
    let duration_ns = match unit {
        Some(unit) => {
            cursor.index += 1;
            interval_with_unit_ns(&text, &unit)
        }
        None if interval => interval_text_ns(&text),
        None if number => milliseconds_ns(&text),
        None => parse_duration_ns(&text),
    };
    let duration_ns = duration_ns.map_err(|error| error.at(position))?;
    if duration_ns < 0 || (negative && duration_ns > 0) {
        return Err(Error::new(code::SYNTAX, "a duration here is not negative").at(position));
    }
    Ok(duration_ns)
}
