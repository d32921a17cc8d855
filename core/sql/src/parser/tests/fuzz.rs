//! No text makes the parser panic, and every error has its place in the text.

use super::corpus::STATEMENTS;
use crate::parser::{Statement, parse, windows::rewrite_windows};

/// A generator of numbers that is the same on every run (xorshift, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap_or(0)
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

const PIECES: &[&str] = &[
    "(",
    ")",
    ",",
    ";",
    "'",
    "\"",
    "`",
    "--",
    "/*",
    "*/",
    "$1",
    "${A}",
    "<",
    ">>",
    "[",
    "]",
    "{",
    "}",
    "::",
    ".",
    "..",
    "\u{0}",
    "\u{1F600}",
    "\u{e9}",
    "\n",
    "\r",
    "EMIT",
    "ON",
    "WITH (",
    "FROM",
    "TABLE(TUMBLE(TABLE ",
    "AS",
    "ASOF",
    "LEFT ASOF JOIN",
    "MATCH_CONDITION(",
    "WATERMARK FOR",
    "INTERVAL",
    "'-1e9 days'",
    "99999999999999999999",
    "GROUP BY",
    "tumble(",
    "window_end",
    "hop_end(",
    "CASE",
    "CAST(",
    "NOT",
    "-",
    "+",
    "E'\\",
    "U&'\\",
    "X'",
    "N'",
    "0x",
    "1e",
    "1.",
    "@",
    "#",
    ":",
    "=>",
];

/// Parses a text and does with it what a planner would do first.
fn exercise(text: &str) {
    match parse(text) {
        Ok(statements) => {
            for statement in statements {
                let copy = statement.clone();
                assert_eq!(copy, statement);
                if let Statement::Query(mut query) = copy {
                    let _ = rewrite_windows(&mut query.query);
                }
            }
        }
        Err(error) => {
            let at = error.position().unwrap_or_else(|| panic!("no position: {error}\n{text}"));
            let lines = text.matches('\n').count() as u64 + 1;
            assert!((1..=lines).contains(&at.line), "{error}\n{text}");
            let line = text.split('\n').nth(at.line as usize - 1).unwrap_or_default();
            assert!(at.column as usize <= line.chars().count() + 1, "{error}\n{text}");
        }
    }
}

#[test]
fn mutated_statements() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for round in 0..4_000 {
        let mut chars: Vec<char> = STATEMENTS[round % STATEMENTS.len()].chars().collect();
        for _ in 0..=random.below(4) {
            let at = random.below(chars.len() + 1);
            let upto = (at + random.below(12)).min(chars.len());
            match random.below(5) {
                0 => drop(chars.drain(at..upto)),
                1 => drop(chars.splice(at..at, random.pick(PIECES).chars())),
                2 => drop(chars.splice(at..upto, random.pick(PIECES).chars())),
                3 => chars.truncate(at),
                _ => {
                    let other = random.pick(STATEMENTS);
                    let skip = random.below(other.chars().count());
                    drop(chars.splice(at..upto, other.chars().skip(skip).take(20)));
                }
            }
        }
        exercise(&chars.into_iter().collect::<String>());
    }
}

#[test]
fn repeated_pieces() {
    for piece in
        PIECES.iter().chain(&["NOT ", "a.", "x IN (", "(SELECT ", "ARRAY<", "[1]", "~", "a -> "])
    {
        for count in [1, 7, 30, 2000] {
            for start in ["", "SELECT ", "SELECT * FROM ", "CREATE SOURCE s (a "] {
                exercise(&format!("{start}{}", piece.repeat(count)));
            }
        }
    }
}

#[test]
fn every_start_of_every_statement() {
    for sql in STATEMENTS {
        for (end, _) in sql.char_indices().step_by(3) {
            exercise(&sql[..end]);
        }
    }
}
