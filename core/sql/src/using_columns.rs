//! Joins by `USING` and `NATURAL`: each column that a join is by comes once in `*`, first, and its name
//! alone means the value that SQL says: that of the left side, of the right side in a right join, the
//! one that there is in a full join. The binder would take that of the relation whose name comes first
//! in the alphabet.
//!
//! `NATURAL` becomes `USING` the columns that both sides have; `*` becomes `l.k, l.* EXCLUDE (k), r.*
//! EXCLUDE (k)`; `k` becomes `l.k`, `r.k` or `coalesce(l.k, r.k)`. Where that cannot be told from the
//! text, over relations without names, everything stays as it is.

use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Distinct, ExcludeSelectItem, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, GroupByExpr, Ident, Join, JoinConstraint,
    JoinOperator, ObjectName, OrderByKind, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, TableAlias, TableFactor, TableWithJoins, Value,
    VisitMut, VisitorMut, WildcardAdditionalOptions,
};

/// The columns of a relation of the catalogue.
type ColumnsOf<'a> = &'a dyn Fn(&str) -> Option<Vec<String>>;

/// Spells out the merged columns of a query, its subqueries included.
pub fn spell_merged(query: &mut Query, columns_of: ColumnsOf<'_>) {
    match query.visit(&mut Spell { columns_of, queries: Vec::new() }) {
        ControlFlow::Continue(()) => {}
        ControlFlow::Break(never) => match never {},
    }
}

/// The names of columns, where they are known.
type Names = Option<Vec<Ident>>;

struct Spell<'a> {
    columns_of: ColumnsOf<'a>,
    /// The queries around, the innermost last.
    queries: Vec<Scope>,
}

#[derive(Default)]
struct Scope {
    /// The columns of its `WITH` queries, by their names.
    with: Vec<(Ident, Names)>,
    /// The merged columns of its `SELECT`, and their values.
    merged: Vec<(Ident, Expr)>,
}

impl VisitorMut for Spell<'_> {
    type Break = Infallible;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Infallible> {
        self.queries.push(Scope::default());
        for with in query.with.iter().flat_map(|with| &with.cte_tables) {
            let names = self.named_by(&with.alias, self.names_of_query(&with.query));
            if let Some(scope) = self.queries.last_mut() {
                scope.with.push((normal(&with.alias.name), names));
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Infallible> {
        if let Some(columns) = self.columns_of_all(&mut select.from) {
            let merged = columns.merged();
            spell_wildcards(select, &columns);
            spell_names(select, &merged);
            if let Some(scope) = self.queries.last_mut() {
                scope.merged = merged;
            }
        }
        ControlFlow::Continue(())
    }

    /// What is ordered by is a column of the result, if that has one of the name.
    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Infallible> {
        let merged = self.queries.pop().map(|scope| scope.merged).unwrap_or_default();
        if let SetExpr::Select(select) = query.body.as_ref()
            && let Some(order) = &mut query.order_by
            && let OrderByKind::Expressions(order) = &mut order.kind
        {
            let mut merged = merged;
            merged.retain(|(name, _)| !select.projection.iter().any(|item| gives(item, name)));
            order.iter_mut().for_each(|by| replace(&mut by.expr, &merged));
        }
        ControlFlow::Continue(())
    }
}

impl Spell<'_> {
    /// The columns of what is read; `None` where none is merged, or it is not known how.
    fn columns_of_all(&self, from: &mut [TableWithJoins]) -> Option<AllColumns> {
        let mut joins = from.iter_mut().flat_map(|tables| &mut tables.joins);
        let merges = |join: &mut Join| {
            let constraint =
                kind_of(&mut join.join_operator).and_then(|(_, constraint)| constraint);
            matches!(constraint, Some(JoinConstraint::Using(_) | JoinConstraint::Natural))
        };
        if !joins.any(merges) {
            return None;
        }
        let tables = from.iter_mut().map(|tables| self.columns_of_joins(tables));
        let tables = tables.collect::<Option<Vec<_>>>()?;
        tables.iter().any(|columns| !columns.merged.is_empty()).then_some(AllColumns(tables))
    }

    /// The columns of joined relations. `NATURAL` joins become such by `USING`, and columns that are
    /// merged are replaced in the conditions behind them.
    fn columns_of_joins(&self, tables: &mut TableWithJoins) -> Option<Columns> {
        let mut columns =
            Columns { merged: Vec::new(), relations: vec![self.relation(&tables.relation)?] };
        for join in &mut tables.joins {
            let relation = self.relation(&join.relation)?;
            let (kind, mut constraint) = kind_of(&mut join.join_operator)?;
            if let Some(natural @ JoinConstraint::Natural) = constraint.as_deref_mut() {
                let common = columns.common(&relation)?;
                *natural = match common.is_empty() {
                    // Without a column in common every row matches, which the binder takes for an
                    // inner join, whatever it is.
                    true => JoinConstraint::On(Expr::Value(Value::Boolean(true).into())),
                    false => {
                        JoinConstraint::Using(common.into_iter().map(ObjectName::from).collect())
                    }
                };
            }
            match constraint {
                Some(constraint @ JoinConstraint::Using(_)) => {
                    columns.join(relation, kind, constraint)?
                }
                constraint => {
                    if let Some(JoinConstraint::On(condition)) = constraint {
                        replace(condition, &columns.merged);
                    }
                    columns.relations.push(relation);
                }
            }
        }
        Some(columns)
    }

    /// A relation by the name that qualifies its columns.
    fn relation(&self, relation: &TableFactor) -> Option<Relation> {
        let name = name_of(relation)?;
        let names = match relation {
            TableFactor::Table { name, alias, args: None, .. } => {
                let names = match name.0.as_slice() {
                    [part] => self.names_of(&normal(part.as_ident()?)),
                    _ => None,
                };
                alias.as_ref().map_or(names.clone(), |alias| self.named_by(alias, names))
            }
            TableFactor::Derived { subquery, alias: Some(alias), .. } => {
                self.named_by(alias, self.names_of_query(subquery))
            }
            _ => None,
        };
        Some(Relation { name, names, left_out: Vec::new() })
    }

    /// The names of columns of a relation of the query or of the catalogue.
    fn names_of(&self, relation: &Ident) -> Names {
        let mut queries = self.queries.iter().rev().flat_map(|scope| scope.with.iter().rev());
        match queries.find(|(name, _)| name == relation) {
            Some((_, names)) => names.clone(),
            None => {
                let names = (self.columns_of)(&relation.value)?;
                Some(names.into_iter().map(|name| Ident::with_quote('"', name)).collect())
            }
        }
    }

    /// The names that an alias gives columns.
    fn named_by(&self, alias: &TableAlias, names: Names) -> Names {
        match alias.columns.is_empty() {
            true => names,
            false => Some(alias.columns.iter().map(|column| normal(&column.name)).collect()),
        }
    }

    /// The names of the columns that a query gives.
    fn names_of_query(&self, query: &Query) -> Names {
        let mut body = query.body.as_ref();
        while let SetExpr::SetOperation { left, .. } = body {
            body = left;
        }
        let select = match body {
            SetExpr::Select(select) => select,
            SetExpr::Query(query) => return self.names_of_query(query),
            _ => return None,
        };
        // A `WITH` of its own may hide what is known.
        if query.with.is_some() {
            return None;
        }
        let mut names = Vec::new();
        for item in &select.projection {
            match item {
                SelectItem::Wildcard(options)
                    if *options == WildcardAdditionalOptions::default() =>
                {
                    for tables in &mut select.from.clone() {
                        names.extend(self.columns_of_joins(tables)?.names()?);
                    }
                }
                item => names.push(name_given(item)?),
            }
        }
        Some(names)
    }
}

/// A relation of `FROM`.
struct Relation {
    name: Ident,
    names: Names,
    /// Its columns that are merged.
    left_out: Vec<Ident>,
}

impl Relation {
    /// Its columns that are not merged.
    fn names(&self) -> Option<impl Iterator<Item = &Ident>> {
        let names = self.names.as_ref()?;
        Some(names.iter().filter(|name| !self.left_out.contains(name)))
    }
}

/// The columns of joined relations, in their order.
struct Columns {
    /// Those that joins are by, and their values, the last join's first.
    merged: Vec<(Ident, Expr)>,
    relations: Vec<Relation>,
}

impl Columns {
    /// Joins a relation by columns. Where one was merged before, the condition is spelled out: the
    /// binder would take it of one side.
    fn join(&mut self, mut relation: Relation, kind: Kind, by: &mut JoinConstraint) -> Option<()> {
        let JoinConstraint::Using(names) = by else { return None };
        let mut merged = Vec::with_capacity(names.len());
        let mut condition: Option<Expr> = None;
        let mut was_merged = false;
        for name in names {
            let [part] = name.0.as_slice() else { return None };
            let name = normal(part.as_ident()?);
            let right = column(&relation.name, &name);
            let left = match self.merged.iter().position(|(known, _)| *known == name) {
                Some(known) => {
                    was_merged = true;
                    self.merged.remove(known).1
                }
                None => {
                    let left = self.relation_with(&name)?;
                    left.left_out.push(name.clone());
                    column(&left.name, &name)
                }
            };
            let equal = binary(left.clone(), BinaryOperator::Eq, right.clone());
            condition = Some(match condition {
                Some(before) => binary(before, BinaryOperator::And, equal),
                None => equal,
            });
            let value = match kind {
                Kind::Left => left,
                Kind::Right => right,
                Kind::Full => coalesce(left, right),
            };
            merged.push((name.clone(), value));
            relation.left_out.push(name);
        }
        merged.append(&mut self.merged);
        self.merged = merged;
        self.relations.push(relation);
        if let Some(condition) = condition.filter(|_| was_merged) {
            *by = JoinConstraint::On(condition);
        }
        Some(())
    }

    /// The one relation that has a column.
    fn relation_with(&mut self, name: &Ident) -> Option<&mut Relation> {
        if self.relations.len() == 1 {
            return self.relations.first_mut();
        }
        let has = |relation: &Relation| Some(relation.names()?.any(|of| of == name));
        let mut found = None;
        for (index, relation) in self.relations.iter().enumerate() {
            if has(relation)? && found.replace(index).is_some() {
                return None;
            }
        }
        self.relations.get_mut(found?)
    }

    /// The columns that a relation has as well.
    fn common(&self, relation: &Relation) -> Names {
        let theirs = relation.names.as_ref()?;
        Some(self.names()?.into_iter().filter(|name| theirs.contains(name)).collect())
    }

    fn names(&self) -> Names {
        let mut names: Vec<Ident> = self.merged.iter().map(|(name, _)| name.clone()).collect();
        for relation in &self.relations {
            names.extend(relation.names()?.cloned());
        }
        Some(names)
    }

    /// What `*` stands for.
    fn items(&self) -> impl Iterator<Item = SelectItem> {
        let merged = self.merged.iter().map(|(name, value)| item_of(name, value));
        merged.chain(self.relations.iter().map(|relation| {
            let names = relation.left_out.iter().cloned().map(ObjectName::from).collect::<Vec<_>>();
            let opt_exclude = (!names.is_empty()).then_some(ExcludeSelectItem::Multiple(names));
            SelectItem::QualifiedWildcard(
                SelectItemQualifiedWildcardKind::ObjectName(ObjectName::from(
                    relation.name.clone(),
                )),
                WildcardAdditionalOptions { opt_exclude, ..WildcardAdditionalOptions::default() },
            )
        }))
    }
}

/// The columns of all that a query reads.
struct AllColumns(Vec<Columns>);

impl AllColumns {
    /// The merged columns that a name alone can mean.
    fn merged(&self) -> Vec<(Ident, Expr)> {
        let all = || self.0.iter().flat_map(|columns| &columns.merged);
        let is_one = |name: &Ident| all().filter(|(other, _)| other == name).count() == 1;
        all().filter(|(name, _)| is_one(name)).cloned().collect()
    }
}

fn spell_wildcards(select: &mut Select, columns: &AllColumns) {
    let projection = std::mem::take(&mut select.projection);
    let is_all = |item: &SelectItem| match item {
        SelectItem::Wildcard(options) => *options == WildcardAdditionalOptions::default(),
        _ => false,
    };
    for item in projection {
        match is_all(&item) {
            true => select.projection.extend(columns.0.iter().flat_map(Columns::items)),
            false => select.projection.push(item),
        }
    }
}

/// Puts the values of merged columns in the place of their names.
fn spell_names(select: &mut Select, merged: &[(Ident, Expr)]) {
    for item in &mut select.projection {
        match item {
            SelectItem::UnnamedExpr(Expr::Identifier(name)) => {
                let name = normal(name);
                if let Some((_, value)) = merged.iter().find(|(of, _)| *of == name) {
                    *item = item_of(&name, value);
                }
            }
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                replace(expr, merged);
            }
            _ => {}
        }
    }
    if let Some(Distinct::On(exprs)) = &mut select.distinct {
        exprs.iter_mut().for_each(|expr| replace(expr, merged));
    }
    if let GroupByExpr::Expressions(exprs, _) = &mut select.group_by {
        exprs.iter_mut().for_each(|expr| replace(expr, merged));
    }
    let conditions = [&mut select.selection, &mut select.having, &mut select.qualify];
    conditions.into_iter().flatten().for_each(|expr| replace(expr, merged));
}

/// Replaces names, but in subqueries, which have columns of their own.
fn replace(expr: &mut Expr, merged: &[(Ident, Expr)]) {
    struct Replace<'a> {
        merged: &'a [(Ident, Expr)],
        subqueries: usize,
    }
    impl VisitorMut for Replace<'_> {
        type Break = Infallible;

        fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<Infallible> {
            self.subqueries += 1;
            ControlFlow::Continue(())
        }

        fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Infallible> {
            self.subqueries -= 1;
            ControlFlow::Continue(())
        }

        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
            if self.subqueries == 0
                && let Expr::Identifier(name) = expr
            {
                let name = normal(name);
                if let Some((_, value)) = self.merged.iter().find(|(of, _)| *of == name) {
                    *expr = value.clone();
                }
            }
            ControlFlow::Continue(())
        }
    }
    match expr.visit(&mut Replace { merged, subqueries: 0 }) {
        ControlFlow::Continue(()) => {}
        ControlFlow::Break(never) => match never {},
    }
}

/// A merged column as an item of the select list.
fn item_of(name: &Ident, value: &Expr) -> SelectItem {
    match value {
        value @ Expr::CompoundIdentifier(_) => SelectItem::UnnamedExpr(value.clone()),
        value => SelectItem::ExprWithAlias { expr: value.clone(), alias: name.clone() },
    }
}

/// The name of the column that an item gives, where that is told by its text.
fn name_given(item: &SelectItem) -> Option<Ident> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(normal(alias)),
        SelectItem::UnnamedExpr(Expr::Identifier(name)) => Some(normal(name)),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last().map(normal),
        _ => None,
    }
}

/// Whether a select list has a column of a name by an item.
fn gives(item: &SelectItem, name: &Ident) -> bool {
    name_given(item).is_some_and(|given| given == *name)
}

/// Whose value a merged column has.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Left,
    Right,
    Full,
}

/// Which side's rows all stay, and the condition; `None` for joins that have no columns of both.
fn kind_of(operator: &mut JoinOperator) -> Option<(Kind, Option<&mut JoinConstraint>)> {
    Some(match operator {
        JoinOperator::Join(on)
        | JoinOperator::Inner(on)
        | JoinOperator::Left(on)
        | JoinOperator::LeftOuter(on) => (Kind::Left, Some(on)),
        JoinOperator::Right(on) | JoinOperator::RightOuter(on) => (Kind::Right, Some(on)),
        JoinOperator::FullOuter(on) => (Kind::Full, Some(on)),
        JoinOperator::CrossJoin(_) => (Kind::Left, None),
        _ => return None,
    })
}

/// The name by which the columns of a relation are qualified.
fn name_of(relation: &TableFactor) -> Option<Ident> {
    match relation {
        TableFactor::Table { alias: Some(alias), .. }
        | TableFactor::Derived { alias: Some(alias), .. } => Some(normal(&alias.name)),
        TableFactor::Table { name, args: None, .. } => match name.0.as_slice() {
            [part] => Some(normal(part.as_ident()?)),
            _ => None,
        },
        _ => None,
    }
}

/// A name as the binder has it.
fn normal(name: &Ident) -> Ident {
    match name.quote_style {
        Some(_) => name.clone(),
        None => Ident::with_quote('"', name.value.to_lowercase()),
    }
}

fn column(relation: &Ident, name: &Ident) -> Expr {
    Expr::CompoundIdentifier(vec![relation.clone(), name.clone()])
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

fn coalesce(left: Expr, right: Expr) -> Expr {
    let args = [left, right].map(|expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)));
    let list = FunctionArgumentList {
        duplicate_treatment: None,
        args: args.to_vec(),
        clauses: Vec::new(),
    };
    Expr::Function(Function {
        name: ObjectName::from(Ident::new("coalesce")),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(list),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
