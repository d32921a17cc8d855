//! `TEMPORAL PROBE` joins, which sqlparser does not know. One stands for its rows at fixed
//! offsets, each joined as of its time, and is written so before sqlparser reads it:
//!
//! ```text
//! l TEMPORAL PROBE JOIN r ON (k) TIMESTAMPS (a, b) LIST (0s, 5s) AS p
//! l CROSS JOIN UNNEST(make_array(0, 5000), __probe_times(a, 0, 5000)) AS p(offset_ms, probe_ts)
//!   ASOF JOIN r MATCH_CONDITION (p.probe_ts >= r.b) USING (k)
//! ```
//!
//! Offsets are in milliseconds, in ascending order, each once.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use laminar_types::{Error, Result, error::code, mutant};

use super::duration::{
    interval_text_ns, interval_with_unit_ns, is_unit, milliseconds_ns, parse_duration_ns,
};
use super::joins::{ASOF_LEFT, Edits};
use super::lexer::{bracket, is_word, position, unquoted};

/// The function that gives the times of a row's probes, as a list in their order: of a time and
/// offsets in milliseconds.
pub const PROBE_TIMES: &str = "__probe_times";

/// How many offsets a join may have.
const MAX_OFFSETS: usize = 1_000;

const MILLISECOND: i64 = 1_000_000;

/// Whether a `TEMPORAL PROBE` join begins at an index.
pub(super) fn starts(tokens: &[TokenWithSpan], at: usize) -> bool {
    let word = |index: usize, expected: &str| {
        tokens.get(index).is_some_and(|token| is_word(&token.token, expected))
    };
    let join = (at + 2..at + 5).find(|index| word(*index, "JOIN"));
    word(at, "TEMPORAL") && word(at + 1, "PROBE") && join.is_some()
}

/// Changes the tokens of the join that begins at an index.
///
/// # Errors
/// [`code::SYNTAX`] for what is not of its form, [`code::UNSUPPORTED`] for right and full ones.
pub(super) fn prepare(tokens: &[TokenWithSpan], at: usize, edits: &mut Edits) -> Result<()> {
    let mut reader = Reader { tokens, index: at + 2 };
    let mut left = false;
    let mut from = at;
    if let Some(mut before) = at.checked_sub(1) {
        let outer = reader.is_word(before, "OUTER");
        if outer && before > 0 {
            before -= 1;
        }
        for kind in ["LEFT", "INNER", "RIGHT", "FULL"] {
            if reader.is_word(before, kind) && !(outer && kind == "INNER") {
                reader.refuse_kind(before, kind)?;
                left |= kind == "LEFT";
                from = before;
            }
        }
    }
    for kind in ["LEFT", "INNER", "RIGHT", "FULL"] {
        let index = reader.index;
        if reader.eat(kind) {
            reader.refuse_kind(index, kind)?;
            left |= kind == "LEFT";
            reader.eat("OUTER");
        }
    }
    reader.expect("JOIN")?;
    let relation = reader.index;
    let keys = reader.until("ON")?;
    let name = match keys.checked_sub(1).map(|index| &tokens[index].token) {
        Some(name @ Token::Word(_)) if keys > relation => name.clone(),
        _ => return Err(reader.error_at(keys, "a name of the right side before ON")),
    };
    let on = reader.keys()?;
    reader.expect("TIMESTAMPS")?;
    let [left_time, right_time] = reader.timestamps(&name)?;
    let offsets = reader.offsets()?;
    reader.expect("AS")?;
    let Some(alias @ Token::Word(_)) = reader.next() else {
        return Err(reader.error_at(reader.index - 1, "a name for the offsets behind AS"));
    };

    let call = |name: &str| vec![Token::make_word(name, None), Token::LParen];
    let list =
        || offsets.iter().flat_map(|offset| [Token::Comma].into_iter().chain(number(*offset)));
    let mut before = vec![Token::make_keyword("CROSS"), Token::make_keyword("JOIN")];
    before.extend([Token::make_keyword("UNNEST"), Token::LParen]);
    before.extend(call("make_array"));
    before.extend(list().skip(1));
    before.extend([Token::RParen, Token::Comma]);
    before.extend(call(PROBE_TIMES));
    before.extend(left_time);
    before.extend(list());
    before.extend([Token::RParen, Token::RParen, Token::make_keyword("AS"), alias.clone()]);
    before.extend([Token::LParen, Token::make_word("offset_ms", None), Token::Comma]);
    before.extend([Token::make_word("probe_ts", None), Token::RParen]);
    before.extend(["ASOF", "JOIN"].map(Token::make_keyword));

    let mut behind = call("MATCH_CONDITION");
    if left {
        behind.extend(call(ASOF_LEFT));
    }
    behind.extend([alias.clone(), Token::Period, Token::make_word("probe_ts", None), Token::GtEq]);
    behind.extend(right_time);
    if left {
        behind.push(Token::RParen);
    }
    behind.push(Token::RParen);
    behind.extend(on);
    edits.insert_before.push((from, before));
    edits.insert_before.push((keys, behind));
    edits.delete.extend((from..relation).chain(keys..reader.index));
    Ok(())
}

/// A whole number as tokens.
fn number(value: i64) -> Vec<Token> {
    let digits = Token::Number(value.unsigned_abs().to_string(), false);
    if value < 0 { vec![Token::Minus, digits] } else { vec![digits] }
}

struct Reader<'a> {
    tokens: &'a [TokenWithSpan],
    index: usize,
}

impl<'a> Reader<'a> {
    fn token(&self, index: usize) -> &'a Token {
        self.tokens.get(index).map_or(&Token::EOF, |token| &token.token)
    }

    fn is_word(&self, index: usize, word: &str) -> bool {
        is_word(self.token(index), word)
    }

    fn next(&mut self) -> Option<&'a Token> {
        self.index += 1;
        self.tokens.get(self.index - 1).map(|token| &token.token)
    }

    fn eat(&mut self, word: &str) -> bool {
        let found = self.is_word(self.index, word);
        self.index += usize::from(found);
        found
    }

    fn eat_token(&mut self, expected: &Token) -> bool {
        let found = self.token(self.index) == expected;
        self.index += usize::from(found);
        found
    }

    fn expect(&mut self, word: &str) -> Result<()> {
        if self.eat(word) { Ok(()) } else { Err(self.error_at(self.index, word)) }
    }

    fn expect_token(&mut self, token: &Token) -> Result<()> {
        let found = self.eat_token(token);
        if found { Ok(()) } else { Err(self.error_at(self.index, &token.to_string())) }
    }

    fn error_at(&self, index: usize, expected: &str) -> Error {
        let found = match self.token(index) {
            Token::EOF => "the end".to_string(),
            token => token.to_string(),
        };
        let message = format!(
            "expected {expected}, found {found}: TEMPORAL PROBE JOIN r ON (k) TIMESTAMPS (ts, ts) \
             RANGE FROM a TO b STEP c AS p, or LIST (a, b) AS p"
        );
        let error = Error::new(code::SYNTAX, message);
        let token = self.tokens.get(index).or(self.tokens.last());
        match token {
            Some(token) => error.at(position(token.span.start)),
            None => error,
        }
    }

    fn refuse_kind(&self, index: usize, kind: &str) -> Result<()> {
        if matches!(kind, "LEFT" | "INNER") {
            return Ok(());
        }
        let message = "TEMPORAL PROBE JOIN is an inner or a left join, not a right or full one";
        Err(Error::unsupported(message).at(position(self.tokens[index].span.start)))
    }

    /// Goes on to a word outside of brackets.
    fn until(&mut self, word: &str) -> Result<usize> {
        let mut depth = 0;
        while let Some(token) = self.tokens.get(self.index) {
            depth += bracket(&token.token);
            if depth < 0 {
                break;
            }
            if depth == 0 && is_word(&token.token, word) {
                self.index += 1;
                return Ok(self.index - 1);
            }
            self.index += 1;
        }
        Err(self.error_at(self.index, word))
    }

    /// What stands behind `ON`, as the constraint of an ordinary join.
    fn keys(&mut self) -> Result<Vec<Token>> {
        let from = self.index;
        let to = self.until("TIMESTAMPS")?;
        self.index = to;
        let tokens: Vec<Token> = (from..to).map(|index| self.token(index).clone()).collect();
        let names = tokens.strip_prefix([Token::LParen].as_slice());
        let names = names.and_then(|names| names.strip_suffix([Token::RParen].as_slice()));
        let is_list = names.is_some_and(|names| {
            names.len() % 2 == 1
                && names.iter().enumerate().all(|(index, token)| match index % 2 {
                    0 => matches!(token, Token::Word(_)),
                    _ => token == &Token::Comma,
                })
        });
        let word = if is_list { "USING" } else { "ON" };
        Ok([Token::make_keyword(word)].into_iter().chain(tokens).collect())
    }

    /// `(l.ts, r.ts)`, of which the second is a column of the right side.
    fn timestamps(&mut self, right: &Token) -> Result<[Vec<Token>; 2]> {
        self.expect_token(&Token::LParen)?;
        let mut sides = [Vec::new(), Vec::new()];
        let mut depth = 1;
        let mut side = 0;
        loop {
            let Some(token) = self.next() else { return Err(self.error_at(self.index - 1, ")")) };
            depth += bracket(token);
            match token {
                _ if depth == 0 => break,
                Token::Comma if depth == 1 && side == 0 => side = 1,
                token => sides[side].push(token.clone()),
            }
        }
        if sides.iter().any(Vec::is_empty) {
            return Err(self.error_at(self.index - 1, "a time of each side"));
        }
        if let [column] = sides[1].as_slice() {
            sides[1] = vec![right.clone(), Token::Period, column.clone()];
        }
        Ok(sides)
    }

    /// `RANGE FROM a TO b STEP c` or `LIST (a, b, ...)`, in milliseconds.
    fn offsets(&mut self) -> Result<Vec<i64>> {
        let start = self.index;
        let invalid = |message: String| {
            let at = position(self.tokens[start].span.start);
            Err(Error::new(code::SYNTAX, message).at(at))
        };
        let mut offsets = Vec::new();
        let mut reader = Reader { tokens: self.tokens, index: start };
        if reader.eat("LIST") {
            reader.expect_token(&Token::LParen)?;
            loop {
                offsets.push(reader.offset()?);
                if !reader.eat_token(&Token::Comma) {
                    break;
                }
            }
            reader.expect_token(&Token::RParen)?;
        } else if reader.eat("RANGE") {
            reader.expect("FROM")?;
            let from = reader.offset()?;
            reader.expect("TO")?;
            let to = reader.offset()?;
            reader.expect("STEP")?;
            let step = reader.offset()?;
            if step <= 0 || from > to {
                return invalid(
                    "RANGE FROM a TO b STEP c goes up from a to b by a step of more than zero"
                        .to_string(),
                );
            }
            let mut at = Some(from);
            let to = to - i64::from(mutant!(RangeWithoutItsEnd) && from < to);
            while let Some(offset) = at.filter(|at| *at <= to && offsets.len() <= MAX_OFFSETS) {
                offsets.push(offset);
                at = offset.checked_add(step);
            }
        } else {
            return Err(self.error_at(start, "RANGE or LIST"));
        }
        if offsets.len() > MAX_OFFSETS {
            return invalid(format!("a TEMPORAL PROBE JOIN has at most {MAX_OFFSETS} offsets"));
        }
        self.index = reader.index;
        offsets.sort_unstable();
        offsets.dedup();
        Ok(offsets)
    }

    /// One offset: `-5s`, `INTERVAL '5' SECOND`, `'5 seconds'`, or milliseconds.
    fn offset(&mut self) -> Result<i64> {
        let start = self.index;
        let mut negative = false;
        while let Token::Minus | Token::Plus = self.token(self.index) {
            negative ^= self.token(self.index) == &Token::Minus;
            self.index += 1;
        }
        let is_interval = self.eat("INTERVAL");
        let text = match self.next() {
            Some(Token::Number(text, _) | Token::SingleQuotedString(text)) => text.as_str(),
            _ => return Err(self.error_at(self.index - 1, "a duration")),
        };
        let is_number = matches!(self.token(self.index - 1), Token::Number(..));
        let unit = unquoted(self.token(self.index)).filter(|word| is_unit(&word.value));
        let unit = unit.filter(|_| is_interval || is_number);
        self.index += usize::from(unit.is_some());
        let ns = match unit {
            Some(unit) => interval_with_unit_ns(text, &unit.value),
            None if is_interval => interval_text_ns(text),
            None if is_number => milliseconds_ns(text),
            None => parse_duration_ns(text),
        };
        let at = position(self.tokens[start].span.start);
        let ns = ns.map_err(|error| error.at(at))?;
        if ns % MILLISECOND != 0 {
            let message = "an offset is a whole number of milliseconds";
            return Err(Error::unsupported(message).at(at));
        }
        Ok(if negative { -(ns / MILLISECOND) } else { ns / MILLISECOND })
    }
}
