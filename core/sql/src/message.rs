//! [`Told`]: an error of DataFusion's planning in our words: what was wrong, where, and what to do.
//!
//! DataFusion's errors are structured only where a column is concerned; the others are known by
//! the beginning of their text. One that is not known here is told as it is.

use std::ops::ControlFlow;

use datafusion::common::utils::datafusion_strsim::levenshtein;
use datafusion::common::utils::quote_identifier;
use datafusion::common::{Column, SchemaError};
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Ident, Query, Select, SelectItem, Spanned, TableFactor, Value, Visit,
    Visitor,
};
use datafusion::sql::sqlparser::tokenizer::Location;
use laminar_types::{Error, Position};

use crate::catalog::Catalog;
use crate::planner::sentence;

/// How many names are listed.
const MOST_NAMES: usize = 24;

/// What is said of an error.
pub(crate) struct Told {
    pub(crate) text: String,
    /// The place of what it is about, where the query shows that.
    pub(crate) place: Option<Position>,
}

impl Told {
    /// What is said of an error in a query over the relations of a catalogue.
    pub(crate) fn of(
        error: &DataFusionError,
        query: &Query,
        catalog: &dyn Catalog,
        functions: &SessionState,
    ) -> Self {
        let remembered = error
            .diagnostic()
            .and_then(|diagnostic| diagnostic.span)
            .map(|span| Position { line: span.start.line, column: span.start.column })
            .filter(|position| position.line > 0);
        match error.find_root() {
            // Of columns of one name the error remembers which it was.
            DataFusionError::SchemaError(error, _) => {
                let Self { text, place } = of_columns(error, query, catalog);
                Self { text, place: remembered.or(place) }
            }
            _ => {
                let text = sentence(error);
                let told = of_text(&text, query, functions);
                let Self { text, place } = told.unwrap_or(Self { text, place: None });
                Self { text, place: place.or(remembered) }
            }
        }
    }

    fn new(text: String, place: Option<Position>) -> Self {
        Self { text, place }
    }
}

fn of_columns(error: &SchemaError, query: &Query, catalog: &dyn Catalog) -> Told {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let text = missing_column(field, valid_fields);
            Told::new(text, place_of_column(query, field))
        }
        SchemaError::AmbiguousReference { field } => {
            let name = quote_identifier(&field.name);
            let relations = relations_with(query, catalog, &field.name);
            let text = match relations.as_slice() {
                [first, second, ..] => format!(
                    "`{name}` is a column of {}: write {first}.{name} or {second}.{name}",
                    relations.join(" and of ")
                ),
                _ => format!(
                    "`{name}` could be one of several columns: write the name of its relation \
                     before it"
                ),
            };
            Told::new(text, place_of_column(query, field))
        }
        SchemaError::DuplicateQualifiedField { qualifier, .. } => {
            let relation = qualifier.table();
            let text = format!(
                "two relations are called `{relation}` here: give one of them another name, as in \
                 {relation} AS other"
            );
            Told::new(text, None)
        }
        SchemaError::DuplicateUnqualifiedField { name } => {
            let text = format!(
                "two columns are called `{name}` here: give one of them another name with AS"
            );
            Told::new(text, None)
        }
    }
}

/// That there is no such column; which is near, and which there are.
fn missing_column(wanted: &Column, valid: &[Column]) -> String {
    let mut known: Vec<&Column> = Vec::new();
    for column in valid {
        // Names that begin with these are ours, and an expression is no name.
        let is_internal = column.name.starts_with("__") || column.name.starts_with("_laminar");
        let is_name = column.relation.is_some() || !column.name.contains('(');
        if is_name && !is_internal && !known.contains(&column) {
            known.push(column);
        }
    }
    let of_one = known.windows(2).all(|pair| pair[0].relation == pair[1].relation);
    let told = |column: &Column| match of_one {
        true => quote_identifier(&column.name).into_owned(),
        false => column.quoted_flat_name(),
    };
    let text = format!("no column is called `{}`", wanted.quoted_flat_name());
    let distance =
        |column: &Column| levenshtein(&column.name.to_lowercase(), &wanted.name.to_lowercase());
    let nearest =
        known.iter().min_by_key(|column| (distance(column), column.relation != wanted.relation));
    let near = nearest.filter(|column| is_near(distance(column), &wanted.name));
    let names: Vec<String> = known.iter().map(|column| told(column)).collect();
    let there_are = match names.len() {
        0 => return format!("{text}: there are no columns here"),
        n if n > MOST_NAMES => {
            format!("{} and {} more", names[..MOST_NAMES].join(", "), n - MOST_NAMES)
        }
        _ => names.join(", "),
    };
    match near {
        Some(column) => format!("{text}: did you mean `{}`? There are {there_are}", told(column)),
        None => format!("{text}: there are {there_are}"),
    }
}

/// Whether a name that differs in so many characters may have been meant.
fn is_near(distance: usize, wanted: &str) -> bool {
    distance <= 1 + wanted.len() / 4 && distance < wanted.len()
}

/// An error at the value that a query writes down and that is none of its type, or by which it
/// divides: what is constant fails where no row shows it.
pub fn at_value(error: Error, query: &Query) -> Error {
    let quoted = error.message().strip_prefix("Cast error: Cannot cast string '");
    let quoted = quoted.and_then(|rest| rest.split_once("' to value of ")).map(|(text, _)| text);
    let divides = error.message().starts_with("Divide by zero");
    let text = |expr: &Expr| match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::Number(text, _) => {
                Some((text.clone(), value.span.start))
            }
            _ => None,
        },
        Expr::TypedString(typed) => match &typed.value.value {
            Value::SingleQuotedString(text) => Some((text.clone(), typed.value.span.start)),
            _ => None,
        },
        _ => None,
    };
    let place = first(query, |node| match node {
        Node::Expr(Expr::BinaryOp {
            op: BinaryOperator::Divide | BinaryOperator::Modulo,
            right,
            ..
        }) if divides => text(right).filter(|(number, _)| number == "0").map(|(_, place)| place),
        Node::Expr(expr) => {
            text(expr).filter(|(text, _)| Some(text.as_str()) == quoted).map(|(_, place)| place)
        }
        _ => None,
    });
    match (error.position(), place) {
        (None, Some(place)) => error.at(place),
        _ => error,
    }
}

/// What is said of an error that is known by its text.
fn of_text(text: &str, query: &Query, functions: &SessionState) -> Option<Told> {
    let told = |text: String| Some(Told::new(text, None));
    if let Some(rest) = text.strip_prefix("Invalid function '") {
        return told(missing_function(rest.split('\'').next()?, functions));
    }
    if let Some((reason, rest)) =
        text.split_once("No function matches the given name and argument types '")
    {
        return told(other_arguments(reason.trim(), rest));
    }
    if text.starts_with("Column in ") && text.contains(" must be in GROUP BY") {
        let column = text.split("column \"").nth(1)?.split('"').next()?;
        return told(format!(
            "`{column}` is neither in GROUP BY nor inside of an aggregate function: add it to \
             GROUP BY, or take one of its values, as by min({column})"
        ));
    }
    if let Some(rest) = text.strip_prefix("Cannot create filter with non-boolean predicate '") {
        let (condition, of_type) = rest.split_once("' returning ")?;
        let text = format!(
            "a condition is a BOOLEAN, and {condition} is {}: compare it with a value",
            of_type.trim()
        );
        return Some(Told::new(text, place_of_condition(query, condition)));
    }
    if let Some(of_type) = text.strip_prefix("Unsupported SQL type ") {
        let text = format!(
            "there is no type {of_type}: there are BOOLEAN, INT, BIGINT, DOUBLE, DECIMAL(p, s), \
             VARCHAR, BYTEA, DATE, TIME, TIMESTAMP, INTERVAL and lists, as in BIGINT[]"
        );
        return Some(Told::new(text, place_of_type(query, of_type)));
    }
    if text.starts_with("Projections require unique expression names") {
        return same_names(text, query);
    }
    if let Some(name) = text.strip_prefix("Invalid qualifier ") {
        let known = relations(query).into_iter().map(|(called, _)| called).collect::<Vec<_>>();
        let text = format!("no relation is called `{name}` here: there are {}", known.join(", "));
        return Some(Told::new(text, place_of_wildcard(query, name)));
    }
    for start in ["Cannot coerce arithmetic expression ", "Cannot infer common argument type for "]
    {
        if let Some(rest) = text.strip_prefix(start) {
            let of = rest.split_once(" operation ").map_or(rest, |(_, of)| of);
            let of = of.trim_end_matches(" to valid types");
            return told(format!(
                "there is no {of}: these types do not go together; cast one of the two, as by \
                 CAST(x AS BIGINT)"
            ));
        }
    }
    if let Some((_, types)) = text.split_once("Failed to coerce types ")
        && let Some((types, _)) = types.split_once(" in ")
    {
        return told(format!(
            "{types} cannot be compared by BETWEEN or IN: cast one of the two, as by \
             to_timestamp_millis(x) for a BIGINT of milliseconds"
        ));
    }
    if text.starts_with("Too many columns! ") {
        let columns = text.rsplit(": ").next()?;
        return told(format!(
            "a subquery that stands for a value has one column, and this one has {columns}: \
             select one of them"
        ));
    }
    if text.ends_with("queries have different number of columns") {
        let operator = text.split(' ').next()?;
        return told(format!(
            "the queries of the {operator} have different numbers of columns: select as many in \
             each"
        ));
    }
    if text.starts_with("Aggregate functions are not allowed in the WHERE") {
        return told(
            "an aggregate function is not allowed in the WHERE clause, whose rows it would come \
             of: write HAVING"
                .to_string(),
        );
    }
    if text.starts_with("Substring without for/from") {
        return told("substr(...) is called as substr(text, from [, length])".to_string());
    }
    if text.starts_with("Recursive CTE") {
        return told(
            "this version cannot keep WITH RECURSIVE up to date in a continuous query: use an \
             ad-hoc SELECT"
                .to_string(),
        );
    }
    if let Some(node) = text.strip_prefix("Unsupported ast node ") {
        let node = node.strip_prefix("in sqltorel: ").unwrap_or(node);
        let end = node.find(|c: char| !c.is_alphanumeric()).unwrap_or(node.len());
        let construct = spelled(&node[..end]);
        let text = format!("this version has no {construct}: write the query without it");
        return Some(Told::new(text, place_of_factor(query)));
    }
    None
}

/// `MatchRecognize` as it is written in SQL.
fn spelled(node: &str) -> String {
    let mut words = String::new();
    for c in node.chars() {
        if c.is_uppercase() && !words.is_empty() {
            words.push('_');
        }
        words.extend(c.to_uppercase());
    }
    words
}

fn missing_function(name: &str, functions: &SessionState) -> String {
    if functions.window_functions().contains_key(name) {
        return format!(
            "{name}(...) is a window function: write {name}(...) OVER (PARTITION BY ... ORDER BY ...)"
        );
    }
    let scalar = functions.scalar_functions().keys();
    let known = scalar.chain(functions.aggregate_functions().keys());
    let known = known.chain(functions.window_functions().keys());
    // Of names that are equally near, one as long, and then the first: they come in no order.
    let distance = |known: &String| (levenshtein(known, name), known.len().abs_diff(name.len()));
    let nearest = known.map(|known| (distance(known), known)).min();
    match nearest.filter(|((distance, _), _)| is_near(*distance, name)) {
        Some((_, near)) => format!("no function is called `{name}`: did you mean `{near}`?"),
        None => format!(
            "no function is called `{name}`: one of the host's is registered before a query calls it"
        ),
    }
}

/// That a function does not take these arguments: in its own words, where those are ours, or with
/// what it takes.
fn other_arguments(reason: &str, rest: &str) -> String {
    let (call, candidates) = rest.split_once('\'').unwrap_or((rest, ""));
    let candidates: Vec<&str> = candidates
        .lines()
        .skip_while(|line| !line.contains("Candidate functions:"))
        .skip(1)
        .map(str::trim)
        .filter(|candidate| !candidate.is_empty() && !candidate.contains("UserDefined"))
        .collect();
    let is_own = !reason.is_empty()
        && !reason.contains("Internal error")
        && !reason.contains("Function '")
        && candidates.is_empty();
    if is_own {
        return reason.trim_end_matches('.').to_string();
    }
    let (name, types) = call.split_once('(').unwrap_or((call, ")"));
    let types = types.trim_end_matches(')');
    let given = if types.is_empty() { "no arguments".to_string() } else { format!("({types})") };
    let text = format!("{name}(...) does not take {given}");
    match candidates.is_empty() {
        true => format!("{text}: cast the arguments to types that it takes"),
        false => format!("{text}: it takes {}; cast the arguments", candidates.join(", ")),
    }
}

/// That two columns of a result have one name.
fn same_names(text: &str, query: &Query) -> Option<Told> {
    let second = text.split(" and \"").nth(1)?;
    let (expr, rest) = second.split_once("\" at position ")?;
    let number: usize = rest.split(' ').next()?.parse().ok()?;
    let name = expr.rsplit(" AS ").next()?;
    let text = format!(
        "two columns of the result are called `{name}`: give one of them another name with AS"
    );
    let place = first(query, |node| match node {
        Node::Select(select) => select.projection.get(number).map(|item| item.span().start),
        _ => None,
    });
    Some(Told::new(text, place))
}

/// The names under which a query reads relations, each with that of the catalogue.
fn relations(query: &Query) -> Vec<(String, String)> {
    let mut found = Vec::new();
    first(query, |node| {
        if let Node::Factor(TableFactor::Table { name, alias, .. }) = node {
            let relation = name.0.last()?.as_ident()?.value.clone();
            let called =
                alias.as_ref().map_or_else(|| relation.clone(), |alias| alias.name.value.clone());
            if !found.iter().any(|(known, _)| *known == called) {
                found.push((called, relation));
            }
        }
        None
    });
    found
}

/// The names of a query's relations that have a column.
fn relations_with(query: &Query, catalog: &dyn Catalog, column: &str) -> Vec<String> {
    let has = |relation: &str| {
        let traits = catalog.relation(relation);
        traits.is_some_and(|traits| traits.schema.index_of(column).is_ok())
    };
    let named = relations(query).into_iter().filter(|(_, relation)| has(relation));
    named.map(|(called, _)| called).collect()
}

/// Where a column is first named, under its relation if it is.
fn place_of_column(query: &Query, column: &Column) -> Option<Position> {
    let is = |ident: &Ident, name: &str| match ident.quote_style {
        Some(_) => ident.value == name,
        None => ident.value.eq_ignore_ascii_case(name),
    };
    first(query, |node| match (node, &column.relation) {
        (Node::Expr(Expr::Identifier(name)), None) if is(name, &column.name) => {
            Some(name.span.start)
        }
        (Node::Expr(Expr::CompoundIdentifier(names)), Some(relation)) => {
            let [.., of, name] = names.as_slice() else { return None };
            (is(name, &column.name) && is(of, relation.table())).then(|| names[0].span.start)
        }
        _ => None,
    })
}

/// Where a condition stands that is told as this.
fn place_of_condition(query: &Query, told: &str) -> Option<Position> {
    first(query, |node| {
        let Node::Select(select) = node else { return None };
        let mut inner = select.selection.iter().chain(&select.having).map(|condition| {
            let mut condition = condition;
            while let Expr::Nested(of) = condition {
                condition = of;
            }
            condition
        });
        let is_it = inner.find(|condition| {
            let text = condition.to_string().to_lowercase();
            told.to_lowercase().ends_with(&text)
        });
        is_it.map(|condition| condition.span().start)
    })
}

/// Where something is cast to a type.
fn place_of_type(query: &Query, of_type: &str) -> Option<Position> {
    first(query, |node| match node {
        Node::Expr(Expr::Cast { data_type, expr, .. }) if data_type.to_string() == of_type => {
            Some(expr.span().start)
        }
        _ => None,
    })
}

/// Where `name.*` stands.
fn place_of_wildcard(query: &Query, name: &str) -> Option<Position> {
    first(query, |node| {
        let Node::Select(select) = node else { return None };
        let mut is_it = select.projection.iter().filter(
            |item| matches!(item, SelectItem::QualifiedWildcard(kind, _) if kind.to_string() == format!("{name}.*") || kind.to_string() == name),
        );
        is_it.next().map(|item| item.span().start)
    })
}

/// Where something stands in a `FROM` that is neither a relation nor one of the query's own.
fn place_of_factor(query: &Query) -> Option<Position> {
    first(query, |node| match node {
        Node::Factor(
            factor @ (TableFactor::Pivot { .. }
            | TableFactor::Unpivot { .. }
            | TableFactor::MatchRecognize { .. }
            | TableFactor::JsonTable { .. }
            | TableFactor::XmlTable { .. }),
        ) => Some(factor.span().start),
        _ => None,
    })
}

/// What a query consists of.
enum Node<'a> {
    Expr(&'a Expr),
    Factor(&'a TableFactor),
    Select(&'a Select),
}

/// The first place that is found at a node of a query, if it is known.
fn first(query: &Query, find: impl FnMut(Node<'_>) -> Option<Location>) -> Option<Position> {
    struct Nodes<F>(F);

    impl<F: FnMut(Node<'_>) -> Option<Location>> Nodes<F> {
        fn at(&mut self, node: Node<'_>) -> ControlFlow<Location> {
            match (self.0)(node).filter(|place| place.line > 0) {
                Some(place) => ControlFlow::Break(place),
                None => ControlFlow::Continue(()),
            }
        }
    }

    impl<F: FnMut(Node<'_>) -> Option<Location>> Visitor for Nodes<F> {
        type Break = Location;

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Location> {
            self.at(Node::Expr(expr))
        }

        fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Location> {
            self.at(Node::Factor(factor))
        }

        fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Location> {
            self.at(Node::Select(select))
        }
    }

    match query.visit(&mut Nodes(find)) {
        ControlFlow::Break(place) => Some(Position { line: place.line, column: place.column }),
        ControlFlow::Continue(()) => None,
    }
}
