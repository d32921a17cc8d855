//! A query that another stream has as well, as it is or with one more column: the two may use the same
//! operators.

use super::{Ask, Emit, Query, Shape};
use crate::differential::schema::Type;

#[derive(Debug)]
pub struct Twin {
    pub of: Query,
    /// Whether it has a column of its own.
    pub has_more: bool,
}

impl Twin {
    fn text(&self, of: String) -> String {
        match self.has_more {
            true => format!("SELECT *, 7 AS o{} FROM ({of}) AS twin", self.of.types().len()),
            false => of,
        }
    }
}

impl Shape for Twin {
    fn inputs(&self) -> Vec<&super::Relation> {
        self.of.inputs()
    }

    fn constructs(&self) -> Vec<&'static str> {
        let own = if self.has_more { "a part of an equal query" } else { "equal queries" };
        vec![own]
    }

    fn types(&self) -> Vec<Type> {
        let mut types = self.of.types();
        types.extend(self.has_more.then_some(Type::BigInt));
        types
    }

    fn engine(&self) -> String {
        self.text(self.of.engine())
    }

    fn oracle(&self, frontiers: &[i64]) -> String {
        self.text(self.of.oracle(frontiers))
    }

    fn accumulates(&self) -> bool {
        self.of.accumulates()
    }

    fn taken(&self, ask: &Ask<'_>) -> Result<Option<Vec<i64>>, String> {
        self.of.taken(ask)
    }

    fn forgets_content(&self) -> bool {
        self.of.forgets_content()
    }

    fn emit(&self) -> Option<Emit> {
        self.of.emit()
    }

    fn options(&self) -> Option<String> {
        self.of.options()
    }

    fn suffix(&self) -> String {
        self.of.suffix()
    }

    fn simpler(&self) -> Vec<Query> {
        vec![self.of.clone()]
    }
}
