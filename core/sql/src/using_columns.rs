//! `SELECT *` over joins by `USING`: each column that the join is by comes once, first, and is the
//! one that SQL says: of the left side, of the right side in a right join, the one that there is in
//! a full join. The binder would keep that of the relation whose name comes first in the alphabet.
//!
//! `*` becomes `l.k, l.* EXCLUDE (k), r.* EXCLUDE (k)`. Where that cannot be told from the text, it
//! stays as it is: over relations without names, natural joins, and a column of several left
//! relations that no join before merged.

use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    ExcludeSelectItem, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, JoinConstraint, JoinOperator, ObjectName, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, TableFactor, TableWithJoins, VisitMut, VisitorMut,
    WildcardAdditionalOptions,
};

/// Spells out the wildcards of a query, its subqueries included.
pub fn spell_wildcards(query: &mut Query) {
    match query.visit(&mut Spell) {
        ControlFlow::Continue(()) => {}
        ControlFlow::Break(never) => match never {},
    }
}

struct Spell;

impl VisitorMut for Spell {
    type Break = Infallible;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Infallible> {
        if let Some(items) = columns_of_all(&select.from) {
            let projection = std::mem::take(&mut select.projection);
            select.projection = projection
                .into_iter()
                .flat_map(|item| match item {
                    SelectItem::Wildcard(options)
                        if options == WildcardAdditionalOptions::default() =>
                    {
                        items.clone()
                    }
                    item => vec![item],
                })
                .collect();
        }
        ControlFlow::Continue(())
    }
}

/// What `*` stands for; `None` where no column is merged, or it is not known how.
fn columns_of_all(from: &[TableWithJoins]) -> Option<Vec<SelectItem>> {
    let mut items = Vec::new();
    let mut merges = false;
    for tables in from {
        let columns = Columns::of(tables)?;
        merges |= !columns.merged.is_empty();
        items.extend(columns.items());
    }
    merges.then_some(items)
}

/// The columns of joined relations, in their order.
struct Columns {
    /// Those that joins are by, the last join's first.
    merged: Vec<(Ident, Expr)>,
    /// The relations, each without the columns that were merged.
    relations: Vec<(Ident, Vec<Ident>)>,
}

impl Columns {
    fn of(tables: &TableWithJoins) -> Option<Self> {
        let first = name_of(&tables.relation)?;
        let mut columns = Self { merged: Vec::new(), relations: vec![(first, Vec::new())] };
        for join in &tables.joins {
            let relation = name_of(&join.relation)?;
            let (kind, constraint) = kind_of(&join.join_operator)?;
            match constraint {
                Some(JoinConstraint::Using(names)) => columns.join(relation, kind, names)?,
                Some(JoinConstraint::Natural) => return None,
                _ => columns.relations.push((relation, Vec::new())),
            }
        }
        Some(columns)
    }

    /// Joins a relation by columns.
    fn join(&mut self, relation: Ident, kind: Kind, names: &[ObjectName]) -> Option<()> {
        let mut merged = Vec::with_capacity(names.len());
        let mut own = Vec::with_capacity(names.len());
        for name in names {
            let [part] = name.0.as_slice() else { return None };
            let name = normal(part.as_ident()?);
            let right = column(&relation, &name);
            let left = match self.merged.iter().position(|(known, _)| *known == name) {
                Some(known) => self.merged.remove(known).1,
                None => {
                    let [(relation, left_out)] = self.relations.as_mut_slice() else { return None };
                    left_out.push(name.clone());
                    column(relation, &name)
                }
            };
            let value = match kind {
                Kind::Left => left,
                Kind::Right => right,
                Kind::Full => coalesce(left, right),
            };
            merged.push((name.clone(), value));
            own.push(name);
        }
        merged.append(&mut self.merged);
        self.merged = merged;
        self.relations.push((relation, own));
        Some(())
    }

    fn items(self) -> impl Iterator<Item = SelectItem> {
        let merged = self.merged.into_iter().map(|(name, value)| match value {
            value @ Expr::CompoundIdentifier(_) => SelectItem::UnnamedExpr(value),
            expr => SelectItem::ExprWithAlias { expr, alias: name },
        });
        merged.chain(self.relations.into_iter().map(|(relation, left_out)| {
            let names = left_out.into_iter().map(ObjectName::from).collect::<Vec<_>>();
            let opt_exclude = (!names.is_empty()).then_some(ExcludeSelectItem::Multiple(names));
            SelectItem::QualifiedWildcard(
                SelectItemQualifiedWildcardKind::ObjectName(ObjectName::from(relation)),
                WildcardAdditionalOptions { opt_exclude, ..WildcardAdditionalOptions::default() },
            )
        }))
    }
}

/// Whose value a merged column has.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Left,
    Right,
    Full,
}

/// Which side's rows all stay, and the condition; `None` for joins that have no columns of both.
fn kind_of(operator: &JoinOperator) -> Option<(Kind, Option<&JoinConstraint>)> {
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
