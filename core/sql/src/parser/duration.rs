//! Durations: the spans of time that watermarks, windows and options are written with.
//!
//! A text is a sum of quantities, each a decimal number and a unit (`5 seconds`, `100ms`,
//! `1 minute 30 seconds`, `1.5h`), a time of day at its end (`1 day 02:03:04.5`), or ISO 8601
//! (`PT1M30S`, `P1DT2H`). Months and years are refused: they have no fixed length.

use datafusion::sql::sqlparser::ast::{self, Expr, UnaryOperator, Value};
use laminar_types::{Error, Result, error::code};

const MILLISECOND: i64 = 1_000_000;
const SECOND: i64 = 1_000 * MILLISECOND;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The nanoseconds of a text such as `5 seconds`; a number by itself counts milliseconds. A
/// leading `-` makes it negative.
///
/// # Errors
/// [`code::SYNTAX`] when it is not a duration, [`code::UNSUPPORTED`] for months and years. Without
/// a position: the caller knows it.
pub fn parse_duration_ns(text: &str) -> Result<i64> {
    parse_text(text, MILLISECOND)
}

/// The nanoseconds of an expression: an `INTERVAL` literal in any of its spellings, a text, or a
/// whole number of milliseconds, with a sign or not. An `INTERVAL` without a unit counts seconds.
///
/// # Errors
/// As [`parse_duration_ns`], and [`code::SYNTAX`] for what is not a literal.
pub fn duration_of_expr_ns(expr: &Expr) -> Result<i64> {
    match expr {
        Expr::Nested(inner) => duration_of_expr_ns(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => {
            duration_of_expr_ns(expr)?.checked_neg().ok_or_else(|| too_long("-"))
        }
        Expr::UnaryOp { op: UnaryOperator::Plus, expr } => duration_of_expr_ns(expr),
        Expr::Value(value) => match &value.value {
            Value::Number(text, _) => parse_quantity(text, MILLISECOND),
            Value::SingleQuotedString(text) => parse_duration_ns(text),
            _ => Err(not_a_duration(&expr.to_string())),
        },
        Expr::Interval(interval) => interval_ns(interval),
        _ => Err(not_a_duration(&expr.to_string())),
    }
}

fn interval_ns(interval: &ast::Interval) -> Result<i64> {
    if interval.last_field.is_some()
        || interval.leading_precision.is_some()
        || interval.fractional_seconds_precision.is_some()
    {
        return Err(Error::unsupported("intervals of several fields, as DAY TO SECOND"));
    }
    let (text, negative) = match interval.value.as_ref() {
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => (literal(expr)?, true),
        value => (literal(value)?, false),
    };
    let duration_ns = match &interval.leading_field {
        Some(field) => interval_with_unit_ns(text, &field.to_string())?,
        None => interval_text_ns(text)?,
    };
    if negative { duration_ns.checked_neg().ok_or_else(|| too_long(text)) } else { Ok(duration_ns) }
}

fn literal(expr: &Expr) -> Result<&str> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(text, _) | Value::SingleQuotedString(text) => Ok(text),
            _ => Err(not_a_duration(&expr.to_string())),
        },
        _ => Err(not_a_duration(&expr.to_string())),
    }
}

/// `INTERVAL 'text'`: as a text, but a number by itself counts seconds, as in PostgreSQL.
pub(super) fn interval_text_ns(text: &str) -> Result<i64> {
    parse_text(text, SECOND)
}

/// `INTERVAL 'number' unit`.
pub(super) fn interval_with_unit_ns(number: &str, unit: &str) -> Result<i64> {
    parse_quantity(number, unit_ns(unit)?)
}

/// Whether a word is a unit of time, fixed in length or not.
pub(super) fn is_unit(word: &str) -> bool {
    unit(word).is_some()
}

/// A number of milliseconds.
pub(super) fn milliseconds_ns(number: &str) -> Result<i64> {
    parse_quantity(number, MILLISECOND)
}

fn parse_text(text: &str, bare_unit_ns: i64) -> Result<i64> {
    let trimmed = text.trim();
    let (negative, rest) = match trimmed.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let total = if rest.starts_with(['P', 'p']) {
        parse_iso(rest)
    } else if rest.starts_with(|ch: char| ch.is_ascii_digit() || ch == '.') {
        parse_sum(rest, bare_unit_ns)
    } else {
        None
    };
    match total {
        Some(Ok(total)) => {
            let total = if negative { -total } else { total };
            i64::try_from(total).map_err(|_| too_long(text))
        }
        Some(Err(error)) => Err(error),
        None => Err(not_a_duration(text)),
    }
}

/// `1 minute 30 seconds`, `1 day 02:03:04`, `5`. `None` when it is not of that form.
fn parse_sum(text: &str, bare_unit_ns: i64) -> Option<Result<i128>> {
    let mut rest = text;
    let mut total = 0_i128;
    let mut first = true;
    while !rest.is_empty() {
        let split = rest.find(|ch: char| !ch.is_ascii_digit() && ch != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(split);
        if after.starts_with(':') {
            return parse_clock(rest).map(|clock| Ok(total + clock));
        }
        let after = after.trim_start();
        let split = after.find(|ch: char| !ch.is_alphabetic()).unwrap_or(after.len());
        let (word, after) = after.split_at(split);
        let unit_ns = match word {
            "" if first && after.is_empty() => Ok(bare_unit_ns),
            "" => return None,
            word if is_unit(word) => unit_ns(word),
            _ => return None,
        };
        let quantity = match unit_ns {
            Ok(unit_ns) => quantity(number, unit_ns)?,
            Err(error) => return Some(Err(error)),
        };
        total += quantity;
        first = false;
        rest = after.trim_start().trim_start_matches([',']).trim_start();
    }
    Some(Ok(total))
}

/// `hours:minutes[:seconds[.fraction]]`.
fn parse_clock(text: &str) -> Option<i128> {
    let mut parts = text.trim_end().split(':');
    let hours = quantity(parts.next()?, HOUR)?;
    let minutes = quantity(parts.next()?, MINUTE)?;
    let seconds = parts.next().map_or(Some(0), |part| quantity(part, SECOND))?;
    if parts.next().is_some() {
        return None;
    }
    Some(hours + minutes + seconds)
}

/// ISO 8601: `P[nW][nD][T[nH][nM][nS]]`.
fn parse_iso(text: &str) -> Option<Result<i128>> {
    let mut rest = &text[1..];
    let mut total = 0_i128;
    let (mut in_time, mut any) = (false, false);
    while !rest.is_empty() {
        if !in_time && let Some(time) = rest.strip_prefix(['T', 't']) {
            (rest, in_time) = (time, true);
            continue;
        }
        let split = rest.find(|ch: char| !ch.is_ascii_digit() && ch != '.')?;
        let (number, after) = rest.split_at(split);
        let letter = after.chars().next()?;
        let unit_ns = match (letter.to_ascii_uppercase(), in_time) {
            ('W', false) => 7 * DAY,
            ('D', false) => DAY,
            ('H', true) => HOUR,
            ('M', true) => MINUTE,
            ('S', true) => SECOND,
            ('M' | 'Y', false) => return Some(Err(no_fixed_length(text))),
            _ => return None,
        };
        total += quantity(number, unit_ns)?;
        rest = &after[letter.len_utf8()..];
        any = true;
    }
    any.then_some(Ok(total))
}

fn parse_quantity(text: &str, unit_ns: i64) -> Result<i64> {
    let trimmed = text.trim();
    let (negative, digits) = match trimmed.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, trimmed),
    };
    let value = quantity(digits, unit_ns).ok_or_else(|| not_a_duration(text))?;
    i64::try_from(if negative { -value } else { value }).map_err(|_| too_long(text))
}

/// A decimal number of units, in nanoseconds rounded down; `None` when it is not one. Of what is longer
/// than any duration it is not said how long it is.
fn quantity(number: &str, unit_ns: i64) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let longest = i128::from(i64::MAX);
    let whole = match whole {
        "" => 0,
        whole => whole.parse::<i128>().map_or(longest, |whole| whole.min(longest)),
    };
    let total = whole * i128::from(unit_ns);
    let mut place = i128::from(unit_ns);
    let mut rest = 0_i128;
    let mut scale = 1_i128;
    // Eighteen digits after the point are finer than a nanosecond of any unit.
    for digit in fraction.bytes().take(18) {
        scale *= 10;
        rest = rest * 10 + i128::from(digit - b'0');
    }
    place = place * rest / scale;
    // So that a sum of many is none of another sign.
    Some((total + place).min(2 * longest))
}

fn unit_ns(word: &str) -> Result<i64> {
    match unit(word) {
        Some(Some(unit_ns)) => Ok(unit_ns),
        Some(None) => Err(no_fixed_length(word)),
        None => Err(not_a_duration(word)),
    }
}

/// The length of a unit; `Some(None)` for units without a fixed one.
fn unit(word: &str) -> Option<Option<i64>> {
    Some(Some(match word.to_ascii_lowercase().as_str() {
        "ns" | "nanosecond" | "nanoseconds" => 1,
        "us" | "usec" | "usecs" | "\u{b5}s" | "\u{3bc}s" | "microsecond" | "microseconds" => 1_000,
        "ms" | "msec" | "msecs" | "millis" | "millisecond" | "milliseconds" => MILLISECOND,
        "s" | "sec" | "secs" | "second" | "seconds" => SECOND,
        "m" | "min" | "mins" | "minute" | "minutes" => MINUTE,
        "h" | "hr" | "hrs" | "hour" | "hours" => HOUR,
        "d" | "day" | "days" => DAY,
        "w" | "week" | "weeks" => 7 * DAY,
        "mon" | "mons" | "month" | "months" | "quarter" | "quarters" | "y" | "yr" | "yrs"
        | "year" | "years" | "decade" | "decades" | "century" | "centuries" => return Some(None),
        _ => return None,
    }))
}

fn not_a_duration(text: &str) -> Error {
    let text: String = text.chars().take(60).collect();
    let message = format!("'{text}' is not a duration; write one as INTERVAL '5' SECOND or '5s'");
    Error::new(code::SYNTAX, message)
}

fn no_fixed_length(text: &str) -> Error {
    let text: String = text.chars().take(60).collect();
    let message = format!("'{text}' has no fixed length; write the duration in days or shorter");
    Error::unsupported(message)
}

fn too_long(text: &str) -> Error {
    let text: String = text.chars().take(60).collect();
    Error::new(code::SYNTAX, format!("the duration '{text}' is longer than 292 years"))
}
