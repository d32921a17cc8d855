//! From text to the tokens of its statements.
//!
//! Comments and white space are left out. Every token knows its bytes in the text, so that the
//! text of a query can be cut out of it exactly.

use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, Word};
use laminar_types::{Error, Position, Result, error::code};

use super::dialect::LaminarDialect;

/// How deep brackets may nest. sqlparser stops at 50 levels of its own grammar; this covers what
/// it does not count, such as the types of `ARRAY<ARRAY<...>>`.
const MAX_NESTING: usize = 128;

/// How many operators may follow one another between two commas or clauses, with those around the
/// brackets they stand in. sqlparser makes a chain of them a tree of that depth, and everything
/// that walks, copies or drops a tree recurses: on a stack of 2 MiB, 2,000 are well.
const MAX_OPERATORS: usize = 1_000;

/// The same for `UNION`, `INTERSECT` and `EXCEPT`, which take more of the stack.
const MAX_SET_OPERATORS: usize = 100;

/// How deep queries may nest in parentheses. In vain, sqlparser tries each as a query and as a
/// join, so an error inside of all of them costs twice as much for each.
const MAX_SUBQUERIES: usize = 16;

/// A token and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Lexeme {
    /// The token with its lines and columns.
    pub(super) token: TokenWithSpan,
    /// Its first byte in the text.
    pub(super) start: usize,
    /// The byte behind it.
    pub(super) end: usize,
}

/// The tokens of one statement: at least one, and none is white space or a semicolon.
#[derive(Debug)]
pub(super) struct StatementTokens {
    /// The tokens.
    pub(super) lexemes: Vec<Lexeme>,
    /// Where the statement ends: its semicolon, or the end of the text.
    pub(super) end: Location,
}

/// Splits a text into its statements.
///
/// # Errors
/// [`code::SYNTAX`] for an unterminated string or comment, for brackets that nest too deep and for
/// chains of too many operators.
pub(super) fn statements(text: &str) -> Result<Vec<StatementTokens>> {
    let mut tokens = Vec::new();
    Tokenizer::new(&LaminarDialect::new(0), text)
        .tokenize_with_location_into_buf(&mut tokens)
        .map_err(|error| {
            Error::new(code::SYNTAX, lower_first(&error.message)).at(position(error.location))
        })?;

    let mut statements = Vec::new();
    let mut lexemes = Vec::new();
    let mut place = Place { text, byte: 0, location: Location { line: 1, column: 1 } };
    let mut limits = Limits::default();
    for token in tokens {
        match token.token {
            Token::Whitespace(_) => {}
            Token::SemiColon => {
                limits = Limits::default();
                if !lexemes.is_empty() {
                    let lexemes = std::mem::take(&mut lexemes);
                    statements.push(StatementTokens { lexemes, end: token.span.start });
                }
            }
            _ => {
                limits.admit(&token)?;
                let start = place.advance_to(token.span.start);
                let end = place.advance_to(token.span.end);
                lexemes.push(Lexeme { token, start, end });
            }
        }
    }
    if !lexemes.is_empty() {
        place.advance_to(Location { line: u64::MAX, column: u64::MAX });
        statements.push(StatementTokens { lexemes, end: place.location });
    }
    Ok(statements)
}

/// The place of a location; one that the tokenizer did not know becomes the start.
pub(super) fn position(location: Location) -> Position {
    Position { line: location.line.max(1), column: location.column.max(1) }
}

/// Whether a token is the unquoted word given, in any case.
pub(super) fn is_word(token: &Token, expected: &str) -> bool {
    unquoted(token).is_some_and(|word| word.value.eq_ignore_ascii_case(expected))
}

/// The word, when a token is an unquoted one.
pub(super) fn unquoted(token: &Token) -> Option<&Word> {
    match token {
        Token::Word(word) if word.quote_style.is_none() => Some(word),
        _ => None,
    }
}

/// How a token changes the depth of brackets.
pub(super) fn bracket(token: &Token) -> i32 {
    match token {
        Token::LParen | Token::LBracket | Token::LBrace => 1,
        Token::RParen | Token::RBracket | Token::RBrace => -1,
        _ => 0,
    }
}

/// A message without the capital of its first word, to stand behind a code.
pub(super) fn lower_first(message: &str) -> String {
    let mut chars = message.chars();
    match chars.next() {
        Some(first) if !chars.as_str().starts_with(|next: char| next.is_uppercase()) => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => message.to_string(),
    }
}

/// A byte of the text and its location, moving forward.
struct Place<'a> {
    text: &'a str,
    byte: usize,
    location: Location,
}

impl Place<'_> {
    /// Moves to a location, or to the end of the text, and gives the byte there.
    fn advance_to(&mut self, target: Location) -> usize {
        let reached = |at: Location| (at.line, at.column) >= (target.line, target.column);
        for ch in self.text[self.byte..].chars() {
            if reached(self.location) {
                break;
            }
            self.byte += ch.len_utf8();
            if ch == '\n' {
                self.location = Location { line: self.location.line + 1, column: 1 };
            } else {
                self.location.column += 1;
            }
        }
        self.byte
    }
}

/// Watches that the tree of a statement cannot become too deep.
#[derive(Default)]
struct Limits {
    /// For each open bracket.
    inside: Vec<Depth>,
    outside: Depth,
    /// The sum of all of them.
    total: Depth,
    /// `<` of types opened one in another.
    angles: usize,
    /// Whether the last token opened a bracket.
    opened: bool,
}

/// What makes a tree deep.
#[derive(Default, Clone, Copy)]
struct Depth {
    /// Operators since the last comma or clause.
    operators: usize,
    /// `UNION`s, `INTERSECT`s and `EXCEPT`s.
    set_operators: usize,
    /// Queries in brackets: none or one.
    queries: usize,
}

impl Limits {
    fn admit(&mut self, token: &TokenWithSpan) -> Result<()> {
        let opened = std::mem::replace(&mut self.opened, bracket(&token.token) > 0);
        match &token.token {
            Token::LParen | Token::LBracket | Token::LBrace => self.inside.push(Depth::default()),
            Token::RParen | Token::RBracket | Token::RBrace => {
                let closed = self.inside.pop().unwrap_or_default();
                self.total.operators -= closed.operators;
                self.total.set_operators -= closed.set_operators;
                self.total.queries -= closed.queries;
            }
            Token::Comma => self.reset_operators(),
            Token::Word(word) if word.quote_style.is_none() => {
                self.admit_word(&word.value, opened);
            }
            Token::Word(_)
            | Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::DoubleQuotedString(_)
            | Token::Period => {}
            operator => {
                self.angles = match operator {
                    Token::Lt => self.angles + 1,
                    Token::Gt | Token::ShiftRight => 0,
                    _ => self.angles,
                };
                self.add(|depth| &mut depth.operators);
            }
        }
        match self.exceeded() {
            None => Ok(()),
            Some(message) => Err(Error::new(code::SYNTAX, message).at(position(token.span.start))),
        }
    }

    fn exceeded(&self) -> Option<String> {
        if self.inside.len() > MAX_NESTING || self.angles > MAX_NESTING {
            Some(format!("brackets nest deeper than {MAX_NESTING} levels"))
        } else if self.total.queries > MAX_SUBQUERIES {
            Some(format!("queries nest deeper than {MAX_SUBQUERIES} levels; use WITH"))
        } else if self.total.operators > MAX_OPERATORS {
            Some(format!("more than {MAX_OPERATORS} operators follow one another; use IN (...)"))
        } else if self.total.set_operators > MAX_SET_OPERATORS {
            Some(format!(
                "more than {MAX_SET_OPERATORS} set operators follow one another; use several views"
            ))
        } else {
            None
        }
    }

    fn admit_word(&mut self, word: &str, opens: bool) {
        const QUERIES: [&str; 4] = ["SELECT", "WITH", "VALUES", "FROM"];
        const OPERATORS: [&str; 10] =
            ["AND", "OR", "NOT", "IS", "IN", "LIKE", "ILIKE", "BETWEEN", "AT", "COLLATE"];
        const SET_OPERATORS: [&str; 4] = ["UNION", "INTERSECT", "EXCEPT", "MINUS"];
        const CLAUSES: [&str; 11] = [
            "SELECT", "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "JOIN", "ON", "WHEN", "THEN",
            "ELSE",
        ];
        let is_one_of = |words: &[&str]| words.iter().any(|other| word.eq_ignore_ascii_case(other));
        if opens && is_one_of(&QUERIES) {
            self.add(|depth| &mut depth.queries);
        }
        if is_one_of(&OPERATORS) {
            self.add(|depth| &mut depth.operators);
        } else if is_one_of(&SET_OPERATORS) {
            self.add(|depth| &mut depth.set_operators);
        } else if is_one_of(&CLAUSES) {
            self.reset_operators();
        }
    }

    fn add(&mut self, part: impl Fn(&mut Depth) -> &mut usize) {
        *part(self.inside.last_mut().unwrap_or(&mut self.outside)) += 1;
        *part(&mut self.total) += 1;
    }

    fn reset_operators(&mut self) {
        let depth = self.inside.last_mut().unwrap_or(&mut self.outside);
        self.total.operators -= std::mem::take(&mut depth.operators);
    }
}
