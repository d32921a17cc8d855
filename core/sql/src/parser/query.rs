//! A query and the clauses behind it, and everything that sqlparser reads for us.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::{
    ast::{
        Expr, GroupByExpr, GroupByWithModifier, Ident, LimitClause, ObjectNamePart, Query, Select,
        Spanned, Statement as SqlStatement, Value, Visit, VisitMut, VisitorMut, visit_relations,
    },
    keywords::Keyword,
    parser::{Parser, ParserError},
    tokenizer::{Token, TokenWithSpan},
};
use laminar_types::{Error, Position, Result, error::code};

use super::{
    clauses::{self, Clauses},
    cursor::{Cursor, RESERVED},
    ignored, joins,
    lexer::{bracket, is_word, position},
    options::Options,
    run::run_parser,
    statement::{StateTtl, StreamQuery},
    windows::spell_partitions,
};

/// Whether a query starts here.
pub(super) fn starts(cursor: &Cursor<'_>) -> bool {
    cursor.peek() == &Token::LParen
        || ["SELECT", "WITH", "VALUES", "FROM", "TABLE"].iter().any(|word| cursor.is(&[word]))
}

/// Reads a query and its clauses up to the end of the statement. `options` are those given
/// before it.
///
/// The clauses begin at the first place outside of brackets from which everything up to the end
/// reads as clauses and before which a query can end. So `SELECT emit FROM t` and `SELECT emit
/// final FROM t` have none, and `FROM t EMIT FINAL` has no table alias `emit`.
pub(super) fn parse(cursor: &mut Cursor<'_>, options: Options) -> Result<StreamQuery> {
    if !starts(cursor) {
        return Err(cursor.expected("a query"));
    }
    let start = cursor.index;
    let (end, clauses, refused) = find_clauses(cursor)?;
    let text = cursor.text(start, end).to_string();
    let inner = inner_emits(cursor, end);
    let query = query(cursor.take_tokens(end)).map_err(|error| match refused {
        // What stands before the clause was in order, so it is the clause that is not.
        Some(refused) if place(Some(refused.start)) <= place(error.position()) => refused.error,
        _ => match inner.iter().find(|(_, next)| Some(*next) == error.position()) {
            Some((emit, _)) => {
                let message = "EMIT stands at the end of the statement, not inside of brackets";
                Error::new(code::SYNTAX, message).at(*emit)
            }
            None => error,
        },
    })?;
    cursor.index = cursor.len();
    merge(clauses, options, query, text)
}

/// Reads a query without clauses up to the end of the statement.
pub(super) fn parse_plain(cursor: &mut Cursor<'_>) -> Result<Box<Query>> {
    if !starts(cursor) {
        return Err(cursor.expected("a query"));
    }
    let tokens = cursor.take_tokens(cursor.len());
    query(tokens)
}

/// Words that seemed to begin clauses and did not.
struct Refused {
    start: Position,
    error: Error,
}

/// Where the clauses begin, and what they are; and of the places where they only seemed to begin,
/// the one whose error is the furthest.
fn find_clauses(cursor: &mut Cursor<'_>) -> Result<(usize, Clauses, Option<Refused>)> {
    let start = cursor.index;
    let mut refused: Option<Refused> = None;
    let mut depth = 0;
    for index in start..cursor.len() {
        depth += bracket(cursor.token(index));
        let here = depth == 0 && index > start && clauses::start_at(cursor, index);
        if !here || !can_end_query(cursor.token(index - 1)) {
            continue;
        }
        cursor.index = index;
        let parsed = clauses::parse(cursor);
        cursor.index = start;
        match parsed {
            Ok(clauses) => return Ok((index, clauses, refused)),
            Err(error) => {
                let furthest = refused.as_ref().and_then(|refused| refused.error.position());
                let is_name = continues_query(cursor.token(index + 1));
                if !is_name && place(furthest) < place(error.position()) {
                    refused = Some(Refused { start: cursor.position_of(index), error });
                }
            }
        }
    }
    Ok((cursor.len(), Clauses::default(), refused))
}

/// The places of the `EMIT`s inside of brackets, and of the tokens behind them.
fn inner_emits(cursor: &Cursor<'_>, end: usize) -> Vec<(Position, Position)> {
    let mut depth = 0;
    let mut places = Vec::new();
    for index in cursor.index..end {
        depth += bracket(cursor.token(index));
        if depth > 0 && is_word(cursor.token(index), "EMIT") {
            places.push((cursor.position_of(index), cursor.position_of(index + 1)));
        }
    }
    places
}

fn place(position: Option<Position>) -> Option<(u64, u64)> {
    position.map(|at| (at.line, at.column))
}

/// Whether a token behind `EMIT` shows that it is a name.
fn continues_query(token: &Token) -> bool {
    match token {
        Token::Word(word) if word.quote_style.is_none() => matches!(
            word.keyword,
            Keyword::AND
                | Keyword::AS
                | Keyword::ASC
                | Keyword::BETWEEN
                | Keyword::CROSS
                | Keyword::DESC
                | Keyword::EXCEPT
                | Keyword::FROM
                | Keyword::FULL
                | Keyword::GROUP
                | Keyword::HAVING
                | Keyword::IN
                | Keyword::INNER
                | Keyword::INTERSECT
                | Keyword::IS
                | Keyword::JOIN
                | Keyword::LEFT
                | Keyword::LIKE
                | Keyword::LIMIT
                | Keyword::NOT
                | Keyword::OR
                | Keyword::ORDER
                | Keyword::RIGHT
                | Keyword::UNION
                | Keyword::WHERE
        ),
        Token::LParen => false,
        _ => true,
    }
}

/// Whether a query can end with this token.
fn can_end_query(token: &Token) -> bool {
    match token {
        Token::Word(word) if word.quote_style.is_none() => !matches!(
            word.keyword,
            Keyword::ALL
                | Keyword::AND
                | Keyword::AS
                | Keyword::BETWEEN
                | Keyword::BY
                | Keyword::CASE
                | Keyword::DISTINCT
                | Keyword::ELSE
                | Keyword::EXCEPT
                | Keyword::FROM
                | Keyword::HAVING
                | Keyword::IN
                | Keyword::INTERSECT
                | Keyword::IS
                | Keyword::JOIN
                | Keyword::LIKE
                | Keyword::LIMIT
                | Keyword::NOT
                | Keyword::ON
                | Keyword::OR
                | Keyword::SELECT
                | Keyword::THEN
                | Keyword::UNION
                | Keyword::USING
                | Keyword::WHEN
                | Keyword::WHERE
                | Keyword::WITH
        ),
        Token::Word(_)
        | Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::DoubleQuotedString(_)
        | Token::EscapedStringLiteral(_)
        | Token::NationalStringLiteral(_)
        | Token::UnicodeStringLiteral(_)
        | Token::HexStringLiteral(_)
        | Token::Placeholder(_)
        | Token::RParen
        | Token::RBracket
        | Token::RBrace
        | Token::Mul => true,
        _ => false,
    }
}

fn merge(
    clauses: Clauses,
    mut options: Options,
    query: Box<Query>,
    text: String,
) -> Result<StreamQuery> {
    let mut allow_lateness_ns = clauses.allow_lateness_ns;
    if let Some(entry) = options.take("allowed_lateness")
        && allow_lateness_ns.replace(entry.duration_ns()?).is_some()
    {
        return Err(entry.error("is given twice"));
    }
    for entry in clauses.options.iter() {
        options.push(entry.clone())?;
    }
    let state_ttl = match options.take("state_ttl") {
        None => None,
        Some(entry) => match entry.duration_ns()? {
            0 => return Err(entry.error("takes a duration of more than zero")),
            ns => Some(StateTtl { ns, position: Some(entry.position) }),
        },
    };
    let workers = options.take("workers").map(|entry| entry.workers()).transpose()?;
    Ok(StreamQuery {
        query,
        text,
        emit: clauses.emit,
        allow_lateness_ns,
        late_data_to: clauses.late_data_to,
        on_error: clauses.on_error,
        state_ttl,
        workers,
        options,
    })
}

/// Reads tokens that are exactly one query.
fn query(tokens: Vec<TokenWithSpan>) -> Result<Box<Query>> {
    let mut query = whole(tokens, |parser| parser.parse_query())?;
    normalise(query.as_mut())?;
    Ok(query)
}

/// Reads tokens that are exactly one statement of sqlparser.
pub(super) fn sql_statement(tokens: Vec<TokenWithSpan>) -> Result<SqlStatement> {
    let mut statement = whole(tokens, |parser| parser.parse_statement())?;
    normalise(&mut statement)?;
    Ok(statement)
}

/// Spells what sqlparser read as the planner takes it, and refuses what nobody would look at.
fn normalise(node: &mut (impl Visit + VisitMut)) -> Result<()> {
    refuse_reserved_relations(node)?;
    ignored::refuse(node)?;
    spell_grouping(node)?;
    spell_fetch(node)?;
    joins::normalise(node)
}

/// Refuses a word of SQL without quotes behind `FROM` or `JOIN`, where only a name or an expression
/// can stand: sqlparser takes `FROM WHERE x` for a table `where`.
fn refuse_reserved_words(tokens: &[TokenWithSpan]) -> Result<()> {
    let opens = |token: &Token| is_word(token, "FROM") || is_word(token, "JOIN");
    for pair in tokens.windows(2) {
        let Token::Word(word) = &pair[1].token else { continue };
        let is_reserved = RESERVED.iter().any(|other| word.value.eq_ignore_ascii_case(other));
        if opens(&pair[0].token) && word.quote_style.is_none() && is_reserved {
            return Err(reserved(&word.value).at(position(pair[1].span.start)));
        }
    }
    Ok(())
}

fn reserved(word: &str) -> Error {
    let message = format!(
        "expected the name of a relation, found {word}; a name that is a word of SQL is quoted: \
         \"{}\"",
        word.to_lowercase()
    );
    Error::new(code::SYNTAX, message)
}

/// The same for relations that stand elsewhere.
fn refuse_reserved_relations(node: &impl Visit) -> Result<()> {
    let refused = visit_relations(node, |relation| match relation.0.as_slice() {
        [ObjectNamePart::Identifier(name)] if is_reserved(name) => {
            let error = reserved(&name.value);
            ControlFlow::Break(error.at(position(name.span.start)))
        }
        _ => ControlFlow::Continue(()),
    });
    refused.break_value().map_or(Ok(()), Err)
}

/// Writes `GROUP BY ()`, which sqlparser reads as a tuple without values, as the grouping set it is,
/// and `WITH ROLLUP` or `WITH CUBE` behind the keys as `ROLLUP (keys)` or `CUBE (keys)`.
fn spell_grouping(node: &mut impl VisitMut) -> Result<()> {
    struct Spell;

    impl VisitorMut for Spell {
        type Break = Error;

        fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
            let GroupByExpr::Expressions(keys, modifiers) = &mut select.group_by else {
                return ControlFlow::Continue(());
            };
            let empty = |key: &&mut Expr| matches!(key, Expr::Tuple(of) if of.is_empty());
            for key in keys.iter_mut().filter(empty) {
                *key = Expr::GroupingSets(vec![Vec::new()]);
            }
            let sets = |keys: &mut Vec<Expr>| keys.drain(..).map(|key| vec![key]).collect();
            match std::mem::take(modifiers).as_slice() {
                [] => {}
                [GroupByWithModifier::Rollup] => *keys = vec![Expr::Rollup(sets(keys))],
                [GroupByWithModifier::Cube] => *keys = vec![Expr::Cube(sets(keys))],
                [other, ..] => {
                    let message = format!(
                        "GROUP BY keys {other} is not part of the dialect: write ROLLUP (keys), CUBE \
                         (keys) or GROUPING SETS (...) instead of the keys"
                    );
                    let start = keys.first().map(|key| position(key.span().start));
                    let error = Error::new(code::UNSUPPORTED, message);
                    return ControlFlow::Break(start.map_or(error.clone(), |at| error.at(at)));
                }
            }
            ControlFlow::Continue(())
        }
    }

    node.visit(&mut Spell).break_value().map_or(Ok(()), Err)
}

/// Writes `FETCH FIRST n ROWS ONLY` as the `LIMIT` it is.
fn spell_fetch(node: &mut impl VisitMut) -> Result<()> {
    struct Spell;

    impl VisitorMut for Spell {
        type Break = Error;

        fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
            let Some(fetch) = query.fetch.take() else { return ControlFlow::Continue(()) };
            let one = Expr::value(Value::Number("1".to_string(), false));
            let quantity = fetch.quantity.unwrap_or(one);
            if fetch.percent || fetch.with_ties {
                let message = "FETCH takes a number of rows and ONLY those: filter by \
                               percent_rank() or rank() for a share of the rows or for ties";
                let error = Error::new(code::UNSUPPORTED, message);
                return ControlFlow::Break(error.at(position(quantity.span().start)));
            }
            match &mut query.limit_clause {
                Some(LimitClause::LimitOffset { limit: limit @ None, .. }) => {
                    *limit = Some(quantity);
                }
                clause @ None => {
                    let (limit, offset) = (Some(quantity), None);
                    *clause = Some(LimitClause::LimitOffset { limit, offset, limit_by: vec![] });
                }
                Some(_) => {
                    let error = Error::new(code::SYNTAX, "LIMIT and FETCH exclude each other");
                    return ControlFlow::Break(error.at(position(quantity.span().start)));
                }
            }
            ControlFlow::Continue(())
        }
    }

    node.visit(&mut Spell).break_value().map_or(Ok(()), Err)
}

fn is_reserved(name: &Ident) -> bool {
    let is_word = RESERVED.iter().any(|word| name.value.eq_ignore_ascii_case(word));
    is_word && name.quote_style.is_none() && name.span.start.line > 0
}

fn whole<T>(
    mut tokens: Vec<TokenWithSpan>,
    parse: impl FnOnce(&mut Parser<'_>) -> Result<T, ParserError>,
) -> Result<T> {
    refuse_reserved_words(&tokens)?;
    spell_partitions(&mut tokens);
    joins::prepare(&mut tokens)?;
    run_parser(tokens, |parser| {
        let parsed = parse(parser)?;
        match parser.peek_token_ref() {
            found if found.token == Token::EOF => Ok(parsed),
            found => parser.expected_ref("end of statement", found),
        }
    })
}
