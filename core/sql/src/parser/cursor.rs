//! A place in the tokens of one statement, the questions a parser asks there, and what it says
//! when the answer is not the one expected.

use datafusion::common::utils::datafusion_strsim::levenshtein;
use datafusion::sql::sqlparser::{
    parser::{Parser, ParserError},
    tokenizer::{Location, Span, Token, TokenWithSpan},
};
use laminar_types::{Error, Position, Result, error::code};

use super::{
    lexer::{Lexeme, StatementTokens, bracket, is_word, position, unquoted},
    run::run_parser,
    statement::Name,
};

/// Words that cannot be the name of an object or a column unless they are quoted: a statement
/// that leaves its name out must not take the next clause for it.
pub(super) const RESERVED: [&str; 13] = [
    "AS", "BY", "FROM", "GROUP", "HAVING", "INTO", "LIMIT", "ORDER", "SELECT", "UNION", "WHERE",
    "WITH", "ON",
];

/// A place in the tokens of one statement.
pub(super) struct Cursor<'a> {
    text: &'a str,
    lexemes: Vec<Lexeme>,
    end: Location,
    /// The next token.
    pub(super) index: usize,
}

impl<'a> Cursor<'a> {
    /// The start of a statement.
    pub(super) fn new(text: &'a str, statement: StatementTokens) -> Self {
        Self { text, lexemes: statement.lexemes, end: statement.end, index: 0 }
    }

    /// The next token; `EOF` behind the last.
    pub(super) fn peek(&self) -> &Token {
        self.peek_at(0)
    }

    /// The token `ahead` of the next one.
    pub(super) fn peek_at(&self, ahead: usize) -> &Token {
        self.token(self.index + ahead)
    }

    /// The token at an index of the statement.
    pub(super) fn token(&self, index: usize) -> &Token {
        self.lexemes.get(index).map_or(&Token::EOF, |lexeme| &lexeme.token.token)
    }

    /// How many tokens the statement has.
    pub(super) fn len(&self) -> usize {
        self.lexemes.len()
    }

    /// Whether the statement ends here.
    pub(super) fn at_end(&self) -> bool {
        self.index >= self.lexemes.len()
    }

    /// Where the next token stands.
    pub(super) fn position(&self) -> Position {
        self.position_of(self.index)
    }

    /// Where a token stands.
    pub(super) fn position_of(&self, index: usize) -> Position {
        position(self.location(index))
    }

    fn location(&self, index: usize) -> Location {
        self.lexemes.get(index).map_or(self.end, |lexeme| lexeme.token.span.start)
    }

    /// The text from one token up to another, which is left out, without the white space around.
    pub(super) fn text(&self, from: usize, to: usize) -> &'a str {
        match (self.lexemes.get(from), to.checked_sub(1).and_then(|last| self.lexemes.get(last))) {
            (Some(first), Some(last)) => self.text.get(first.start..last.end).unwrap_or_default(),
            _ => "",
        }
    }

    /// Whether these words come next.
    pub(super) fn is(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(ahead, word)| is_word(self.peek_at(ahead), word))
    }

    /// Passes these words if they come next.
    pub(super) fn eat(&mut self, words: &[&str]) -> bool {
        let found = self.is(words);
        if found {
            self.index += words.len();
        }
        found
    }

    /// Passes this token if it comes next.
    pub(super) fn eat_token(&mut self, token: &Token) -> bool {
        let found = self.peek() == token;
        if found {
            self.index += 1;
        }
        found
    }

    /// Passes these words, which must come next.
    pub(super) fn expect(&mut self, words: &[&str]) -> Result<()> {
        for word in words {
            if !self.eat(&[word]) {
                return Err(self.expected_one_of(&[word]));
            }
        }
        Ok(())
    }

    /// Passes this token, which must come next.
    pub(super) fn expect_token(&mut self, token: &Token, expected: &str) -> Result<()> {
        if self.eat_token(token) { Ok(()) } else { Err(self.expected(expected)) }
    }

    /// The statement must end here.
    pub(super) fn expect_end(&self) -> Result<()> {
        if self.at_end() { Ok(()) } else { Err(self.expected("the end of the statement")) }
    }

    /// A name, which must come next; `what` says of what.
    pub(super) fn name(&mut self, what: &str) -> Result<Name> {
        let at = self.position();
        let value = match self.peek() {
            Token::Word(word) if word.quote_style.is_some() => word.value.clone(),
            Token::Word(word) => {
                if RESERVED.iter().any(|reserved| word.value.eq_ignore_ascii_case(reserved)) {
                    let hint = format!("; a name that is a word of SQL is quoted: \"{word}\"");
                    return Err(self.expected(what).hint(&hint));
                }
                word.value.to_ascii_lowercase()
            }
            _ => return Err(self.expected(what)),
        };
        if value.is_empty() {
            return Err(self.expected(what));
        }
        self.index += 1;
        if self.peek() == &Token::Period {
            let message = format!("{what} has one part here, not several joined by points");
            return Err(Error::new(code::SYNTAX, message).at(self.position()));
        }
        Ok(Name { value, position: at })
    }

    /// A name with points in it, joined by points: a setting or the key of an option.
    pub(super) fn dotted_name(&mut self, what: &str) -> Result<Name> {
        let at = self.position();
        let mut value = String::new();
        loop {
            match self.peek() {
                Token::Word(word) => value.push_str(&word.value.to_ascii_lowercase()),
                Token::SingleQuotedString(text) if !text.is_empty() => {
                    value.push_str(&text.to_ascii_lowercase());
                }
                _ => return Err(self.expected(what)),
            }
            self.index += 1;
            if !self.eat_token(&Token::Period) {
                return Ok(Name { value, position: at });
            }
            value.push('.');
        }
    }

    /// The index of the first token from the next one on, outside of brackets opened meanwhile,
    /// that is a closing bracket, the end of the statement or one that `stop` wants.
    pub(super) fn find(&self, stop: impl Fn(&Token) -> bool) -> usize {
        let mut depth = 0;
        for index in self.index..self.lexemes.len() {
            let token = self.token(index);
            let change = bracket(token);
            if depth == 0 && (change < 0 || stop(token)) {
                return index;
            }
            depth += change;
        }
        self.lexemes.len()
    }

    /// Takes the tokens from the next one up to another out of this cursor, whose next token is
    /// then the one behind them. An `EOF` ends them, at the place of that one.
    pub(super) fn take_tokens(&mut self, to: usize) -> Vec<TokenWithSpan> {
        let end = self.location(to);
        let mut tokens: Vec<TokenWithSpan> =
            self.lexemes.drain(self.index..to).map(|lexeme| lexeme.token).collect();
        tokens.push(TokenWithSpan::new(Token::EOF, Span::new(end, end)));
        tokens
    }

    /// Reads the tokens from the next one up to another with sqlparser and passes those it used.
    pub(super) fn parse_with<T>(
        &mut self,
        to: usize,
        parse: impl FnOnce(&mut Parser<'_>) -> Result<T, ParserError>,
    ) -> Result<T> {
        let end = self.location(to);
        let mut tokens: Vec<TokenWithSpan> =
            self.lexemes[self.index..to].iter().map(|lexeme| lexeme.token.clone()).collect();
        tokens.push(TokenWithSpan::new(Token::EOF, Span::new(end, end)));
        let (parsed, used) =
            run_parser(tokens, |parser| parse(parser).map(|parsed| (parsed, parser.index())))?;
        self.index += used;
        Ok(parsed)
    }

    /// An error: something else was expected here.
    pub(super) fn expected(&self, expected: &str) -> Error {
        let message = format!("expected {expected}, found {}", describe(self.peek()));
        Error::new(code::SYNTAX, message).at(self.position())
    }

    /// An error: one of these words was expected here. Says which of them the word found is
    /// close to.
    pub(super) fn expected_one_of(&self, words: &[&str]) -> Error {
        let expected = match words {
            [most @ .., last] if !most.is_empty() => format!("{} or {last}", most.join(", ")),
            words => words.concat(),
        };
        self.expected_near(&expected, words)
    }

    /// An error: something else was expected here. Says which of these words the word found is
    /// close to.
    pub(super) fn expected_near(&self, expected: &str, words: &[&str]) -> Error {
        let error = self.expected(expected);
        match unquoted(self.peek()).and_then(|word| closest(&word.value, words)) {
            Some(word) => error.hint(&format!("; did you mean {word}?")),
            None => error,
        }
    }

    /// An error: the construct here is known but not to be had.
    pub(super) fn unsupported(&self, message: impl Into<String>) -> Error {
        Error::unsupported(message).at(self.position())
    }
}

/// Adds to what an error says.
pub(super) trait Hint {
    /// The same error with words put behind its message.
    fn hint(self, hint: &str) -> Self;
}

impl Hint for Error {
    fn hint(self, hint: &str) -> Self {
        let error = Error::new(self.code(), format!("{}{hint}", self.message()));
        match self.position() {
            Some(position) => error.at(position),
            None => error,
        }
    }
}

/// The word of a list that another is a misspelling of.
pub fn closest<'w>(word: &str, words: &[&'w str]) -> Option<&'w str> {
    let word = word.to_ascii_uppercase();
    let allowed = if word.chars().count() < 4 { 1 } else { 2 };
    words
        .iter()
        .map(|candidate| (levenshtein(&word, &candidate.to_ascii_uppercase()), *candidate))
        .filter(|(distance, _)| (1..=allowed).contains(distance))
        .min()
        .map(|(_, candidate)| candidate)
}

/// A token as a person sees it, cut when it is long.
fn describe(token: &Token) -> String {
    const MAX_CHARS: usize = 40;
    if token == &Token::EOF {
        return "the end of the statement".to_string();
    }
    let text = token.to_string();
    match text.char_indices().nth(MAX_CHARS) {
        Some((byte, _)) => format!("{}...", &text[..byte]),
        None => text,
    }
}
