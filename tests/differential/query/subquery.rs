//! Subqueries in expressions; for the oracle as joins by their definitions.

use std::sync::Arc;

use super::{Gives, Query, Relation, Shape, conditions, filtered, join, numbered, sound_filter};
use crate::differential::expression::{Dialect, Predicate};
use crate::differential::schema::{Column, Type};
use crate::support::random::Random;

#[derive(Debug, Clone)]
struct Subquery {
    form: Form,
    outer: Relation,
    inner: Relation,
    keys: (Column, Column),
    /// A number of the inner relation, for scalar subqueries.
    value: Column,
    /// Of the inner rows.
    filter: Option<Predicate>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    In,
    NotIn,
    Exists,
    NotExists,
    /// `(SELECT max(value))` in the select list.
    Scalar,
    /// The same of the rows with the outer row's key.
    Correlated,
    CorrelatedCount,
    /// `key >= (SELECT min(key))` as a condition.
    Compared,
    /// How many inner rows have a smaller key than the outer row.
    CountOfSmaller,
    /// Whether one has a smaller key, as a value.
    ExistsSmaller,
    /// `key <= ALL (SELECT key)` as a value.
    LeastOfAll,
    /// `key NOT IN (SELECT key)` of the rows with a smaller value.
    NotInSmaller,
}

const FORMS: [(Form, &str); 12] = [
    (Form::In, "IN (SELECT)"),
    (Form::NotIn, "NOT IN (SELECT)"),
    (Form::Exists, "EXISTS"),
    (Form::NotExists, "NOT EXISTS"),
    (Form::Scalar, "scalar subquery"),
    (Form::Correlated, "correlated scalar subquery"),
    (Form::CorrelatedCount, "correlated count"),
    (Form::Compared, "comparison with a scalar subquery"),
    (Form::CountOfSmaller, "subquery correlated by a comparison"),
    (Form::ExistsSmaller, "EXISTS as a value"),
    (Form::LeastOfAll, "ALL (SELECT)"),
    (Form::NotInSmaller, "correlated NOT IN"),
];

pub(super) fn random(
    outer: Relation,
    relations: &[Relation],
    random: &mut Random,
) -> Option<Query> {
    let inner = random.pick(relations).clone();
    let keys = join::pair(&outer, &inner)?;
    let form = if random.chance(15) { Form::NotIn } else { random.pick(&FORMS).0 };
    let exact = |column: &&Column| column.data_type.is_number() && column.data_type != Type::Double;
    let value = inner.columns.iter().find(exact).cloned().unwrap_or_else(|| keys.1.clone());
    let filter = sound_filter(&inner, 40, random);
    Some(Arc::new(Subquery { form, outer, inner, keys, value, filter }))
}

impl Subquery {
    /// The columns of the outer relation that come out.
    fn items(&self) -> Vec<Column> {
        self.outer.columns.iter().take(3).cloned().collect()
    }

    fn has_value(&self) -> Option<Type> {
        match self.form {
            Form::Scalar | Form::Correlated => Some(self.value.data_type),
            Form::CorrelatedCount | Form::CountOfSmaller => Some(Type::BigInt),
            Form::ExistsSmaller | Form::LeastOfAll => Some(Type::BigInt),
            _ => None,
        }
    }
}

impl Shape for Subquery {
    fn inputs(&self) -> Vec<&Relation> {
        vec![&self.outer, &self.inner]
    }

    fn constructs(&self) -> Vec<&'static str> {
        FORMS.iter().filter(|(form, _)| *form == self.form).map(|(_, name)| *name).collect()
    }

    fn types(&self) -> Vec<Type> {
        let items = self.items().into_iter().map(|column| column.data_type);
        items.chain(self.has_value()).collect()
    }

    fn engine(&self) -> String {
        let (a, b) = (&self.keys.0.name, &self.keys.1.name);
        let inner = &self.inner.name;
        let filter = conditions(self.filter.as_ref(), Dialect::Engine);
        let filter: Vec<String> = filter.into_iter().map(|text| format!("({text})")).collect();
        let plain = filtered(&filter);
        let with = |own: String| std::iter::once(own).chain(filter.iter().cloned()).collect();
        let (keyed, smaller): (Vec<String>, Vec<String>) =
            (with(format!("i.{b} = l.{a}")), with(format!("i.{b} < l.{a}")));
        let keyed = filtered(&keyed);
        let smaller = filtered(&smaller);
        let value = &self.value.name;
        let (item, condition) = match self.form {
            Form::In => (None, format!("l.{a} IN (SELECT i.{b} FROM {inner} i{plain})")),
            Form::NotIn => (None, format!("l.{a} NOT IN (SELECT i.{b} FROM {inner} i{plain})")),
            Form::Exists => (None, format!("EXISTS (SELECT 1 FROM {inner} i{keyed})")),
            Form::NotExists => (None, format!("NOT EXISTS (SELECT 1 FROM {inner} i{keyed})")),
            Form::Scalar => {
                (Some(format!("(SELECT max(i.{value}) FROM {inner} i{plain})")), String::new())
            }
            Form::Correlated => {
                (Some(format!("(SELECT max(i.{value}) FROM {inner} i{keyed})")), String::new())
            }
            Form::CorrelatedCount => {
                (Some(format!("(SELECT count(*) FROM {inner} i{keyed})")), String::new())
            }
            Form::Compared => (None, format!("l.{a} >= (SELECT min(i.{b}) FROM {inner} i{plain})")),
            Form::CountOfSmaller => {
                (Some(format!("(SELECT count(*) FROM {inner} i{smaller})")), String::new())
            }
            Form::ExistsSmaller => {
                let exists = format!("EXISTS (SELECT 1 FROM {inner} i{smaller})");
                (Some(format!("CASE WHEN {exists} THEN 1 ELSE 0 END")), String::new())
            }
            Form::LeastOfAll => {
                let all = format!("l.{a} <= ALL (SELECT i.{b} FROM {inner} i{plain})");
                (Some(format!("CASE WHEN {all} THEN 1 WHEN NOT ({all}) THEN 0 END")), String::new())
            }
            Form::NotInSmaller => {
                let rows = format!("SELECT i.{b} FROM {inner} i{smaller}");
                (None, format!("l.{a} NOT IN ({rows})"))
            }
        };
        let items = self.items().into_iter().map(|column| format!("l.{}", column.name));
        let condition = match condition.as_str() {
            "" => String::new(),
            condition => format!(" WHERE {condition}"),
        };
        format!("SELECT {} FROM {} l{condition}", numbered(items.chain(item)), self.outer.name)
    }

    fn oracle(&self, _frontiers: &[i64]) -> String {
        let (a, b) = (&self.keys.0.name, &self.keys.1.name);
        let filter = filtered(&conditions(self.filter.as_ref(), Dialect::Oracle));
        let inner = format!("(SELECT * FROM {}{filter})", self.inner.name);
        let keys = format!("(SELECT DISTINCT {b} AS _k FROM {inner} WHERE {b} IS NOT NULL)");
        let value = &self.value.name;
        // For each key of the outer rows: the inner keys below it, and those of which that is unknown.
        let counted = format!(
            "JOIN (SELECT d._d, count(i._i) FILTER (WHERE i._y < d._d) AS _smaller, \
             count(i._i) FILTER (WHERE (i._y < d._d) IS NULL) AS _unknown \
             FROM (SELECT DISTINCT {a} AS _d FROM {}) d LEFT JOIN (SELECT {b} AS _y, 1 AS _i \
             FROM {inner}) i ON true GROUP BY d._d) i ON l.{a} IS NOT DISTINCT FROM i._d",
            self.outer.name
        );
        let (item, join) = match self.form {
            Form::In | Form::Exists => (None, format!("JOIN {keys} i ON l.{a} = i._k")),
            Form::NotExists => {
                (None, format!("LEFT JOIN {keys} i ON l.{a} = i._k WHERE i._k IS NULL"))
            }
            // True where there are no rows, or where nothing is NULL and nothing equal.
            Form::NotIn => (
                None,
                format!(
                    "CROSS JOIN (SELECT count(*) AS _rows, count({b}) AS _known FROM {inner}) n \
                     LEFT JOIN {keys} i ON l.{a} = i._k WHERE n._rows = 0 OR (l.{a} IS NOT NULL \
                     AND n._rows = n._known AND i._k IS NULL)"
                ),
            ),
            Form::Scalar => (
                Some("i._v".to_string()),
                format!("CROSS JOIN (SELECT max({value}) AS _v FROM {inner}) i"),
            ),
            Form::Compared => (
                None,
                format!("CROSS JOIN (SELECT min({b}) AS _v FROM {inner}) i WHERE l.{a} >= i._v"),
            ),
            Form::Correlated => (
                Some("i._v".to_string()),
                format!(
                    "LEFT JOIN (SELECT {b} AS _k, max({value}) AS _v FROM {inner} GROUP BY {b}) i \
                     ON l.{a} = i._k"
                ),
            ),
            Form::CorrelatedCount => (
                Some("coalesce(i._v, 0)".to_string()),
                format!(
                    "LEFT JOIN (SELECT {b} AS _k, count(*) AS _v FROM {inner} GROUP BY {b}) i ON \
                     l.{a} = i._k"
                ),
            ),
            Form::CountOfSmaller => (Some("i._smaller".to_string()), counted),
            Form::ExistsSmaller => {
                (Some("CASE WHEN i._smaller > 0 THEN 1 ELSE 0 END".to_string()), counted)
            }
            Form::LeastOfAll => (
                Some(
                    "CASE WHEN i._smaller > 0 THEN 0 WHEN i._unknown > 0 THEN NULL ELSE 1 END"
                        .to_string(),
                ),
                counted,
            ),
            // A smaller key is known, and not the row's own.
            Form::NotInSmaller => (None, String::new()),
        };
        let items = self.items().into_iter().map(|column| format!("l.{}", column.name));
        format!("SELECT {} FROM {} l {join}", numbered(items.chain(item)), self.outer.name)
    }

    fn gives(&self) -> Gives {
        Gives::updating_over(&self.inputs())
    }

    fn simpler(&self) -> Vec<Query> {
        let simpler = self.filter.as_ref().map(|_| Self { filter: None, ..self.clone() });
        simpler.into_iter().map(|simpler| Arc::new(simpler) as Query).collect()
    }
}
