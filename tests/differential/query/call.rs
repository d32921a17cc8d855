//! [`Call`]: the aggregate functions of a grouping.

use super::{Nature, Relation, sound_filter, without};
use crate::differential::expression::{Dialect, Predicate};
use crate::differential::schema::{Column, Type};
use crate::support::random::Random;

/// An aggregate.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) function: &'static str,
    /// None for `count(*)`.
    argument: Option<Column>,
    filter: Option<Predicate>,
    /// What the values are ordered by: all columns, so that ties are equal.
    order: Vec<Column>,
    /// What breaks ties, and is the order where none is given, for the oracle.
    arrival: &'static str,
}

impl Call {
    pub(super) fn random(from: &Relation, random: &mut Random) -> Self {
        let of_type = |is: &dyn Fn(Type) -> bool| -> Vec<Column> {
            from.columns.iter().filter(|column| is(column.data_type)).cloned().collect()
        };
        let numbers = of_type(&Type::is_number);
        let exact = of_type(&|t| t.is_number() && t != Type::Double);
        let integers = of_type(&Type::is_integer);
        let texts = of_type(&|t| t == Type::Text);
        let booleans = of_type(&|t| t == Type::Boolean);
        let any = vec![from.columns[from.columns.len() - 1].clone()];
        let arrival = match (from.arrives, from.is_declared()) {
            (true, true) => "_t, _a",
            (true, false) => "_a",
            _ => "",
        };
        let arrives = from.arrives && from.nature == Nature::AppendOnly;
        // What fails inside of an aggregate is a row of its own kind: plain columns only.
        let filter = sound_filter(from, 15, random);
        let (function, arguments, is_ordered): (&'static str, &[Column], bool) =
            match random.range(0, 26) {
                0 | 1 => ("count(*)", &[], false),
                2 => ("count", &any, false),
                3 => ("count(DISTINCT)", &any, false),
                4 | 5 => (*random.pick(&["min", "max"]), &from.columns, false),
                6 => (*random.pick(&["stddev", "var_pop"]), &numbers, false),
                7 => (*random.pick(&["median", "percentile_cont"]), &numbers, false),
                8 | 9 if arrives => (*random.pick(&["first", "last"]), &any, false),
                8 | 9 => (*random.pick(&["first", "last"]), &any, true),
                10 => (*random.pick(&["first", "last"]), &any, true),
                11 => ("nth_value", &any, true),
                12 => ("string_agg", &texts, true),
                13 | 19 | 20 if !booleans.is_empty() => {
                    (*random.pick(&["bool_and", "bool_or"]), &booleans, false)
                }
                14 => (*random.pick(&["bit_and", "bit_or", "bit_xor"]), &integers, false),
                15 | 16 => ("sum(DISTINCT)", &exact, false),
                17 | 18 => ("count(DISTINCT)", &from.columns, false),
                _ => (*random.pick(&["sum", "sum", "avg", "min", "max"]), &numbers, false),
            };
        let (function, argument) = match arguments {
            [] => ("count(*)", None),
            columns => (function, Some(random.pick(columns).clone())),
        };
        let order =
            if is_ordered && argument.is_some() { ordered(from, random) } else { Vec::new() };
        Self { function, argument, filter, order, arrival }
    }

    /// One to three calls. DataFusion's batch engine takes one order for all of a query, so those that
    /// ask for another one count instead.
    pub(super) fn some(from: &Relation, random: &mut Random) -> Vec<Self> {
        let mut calls: Vec<Self> =
            (0..random.range(1, 4)).map(|_| Self::random(from, random)).collect();
        let first = calls.iter().find_map(Self::takes_order);
        for call in &mut calls {
            if call.takes_order().is_some_and(|order| Some(order) != first) {
                (call.function, call.argument, call.order) = ("count(*)", None, Vec::new());
            }
        }
        calls
    }

    /// What its values are ordered by, where that matters; nothing is the order of arrival.
    fn takes_order(&self) -> Option<Vec<Column>> {
        match self.function {
            "percentile_cont" => Some(self.argument.iter().cloned().collect()),
            "first" | "last" => Some(self.order.clone()),
            _ => (!self.order.is_empty()).then(|| self.order.clone()),
        }
    }

    pub(super) fn data_type(&self) -> Type {
        let argument = self.argument.as_ref().map(|column| column.data_type);
        match (self.function, argument) {
            ("count(*)" | "count" | "count(DISTINCT)", _) => Type::BigInt,
            ("avg" | "median", Some(Type::Decimal)) => Type::Decimal,
            ("avg" | "stddev" | "var_pop" | "median" | "percentile_cont", _) => Type::Double,
            ("sum" | "sum(DISTINCT)", Some(Type::SmallInt)) => Type::BigInt,
            (_, data_type) => data_type.unwrap_or(Type::BigInt),
        }
    }

    pub(super) fn constructs(calls: &[Self]) -> Vec<&'static str> {
        let mut constructs = Vec::new();
        for call in calls {
            constructs.push(call.function);
            constructs.extend(call.filter.as_ref().map(|_| "FILTER"));
            constructs.extend((!call.order.is_empty()).then_some("ORDER BY in an aggregate"));
        }
        constructs
    }

    pub(super) fn sql(&self, dialect: Dialect) -> String {
        let argument = self.argument.as_ref().map_or("*", |column| &column.name);
        let filter = match &self.filter {
            Some(filter) => format!(" FILTER (WHERE {})", filter.sql(dialect)),
            None => String::new(),
        };
        let is_double = self.argument.as_ref().is_some_and(|c| c.data_type == Type::Double);
        let order = match (self.order.is_empty(), dialect) {
            (false, _) => format!(" ORDER BY {}", super::names(&self.order)),
            (true, Dialect::Oracle) if !self.arrival.is_empty() => {
                format!(" ORDER BY {}", self.arrival)
            }
            _ => String::new(),
        };
        match (self.function, dialect) {
            ("count(*)", _) => format!("count(*){filter}"),
            ("count(DISTINCT)", _) => format!("count(DISTINCT {argument}){filter}"),
            ("sum(DISTINCT)", _) => format!("sum(DISTINCT {argument}){filter}"),
            ("first" | "last", _) => {
                format!("{}_value({argument}{order}){filter}", self.function)
            }
            ("nth_value", _) => format!("nth_value({argument}, 2{order}){filter}"),
            ("string_agg", _) => format!("string_agg({argument}, ','{order}){filter}"),
            ("percentile_cont", dialect) => {
                // The engine's are exact over doubles, whatever the argument's type.
                let order = match dialect {
                    Dialect::Engine => argument.to_string(),
                    Dialect::Oracle => format!("CAST({argument} AS DOUBLE)"),
                };
                format!("percentile_cont(0.25) WITHIN GROUP (ORDER BY {order}){filter}")
            }
            // NaN is the greatest value, as in ORDER BY and as PostgreSQL has it, so that min and
            // max are the first and the last of the group's rows in their order (SQL_REFERENCE.md,
            // "Aggregate functions"). DataFusion's batch min and max depend on where they meet one,
            // so the definition is written out.
            (function @ ("min" | "max"), Dialect::Oracle) if is_double => {
                let nan = "CAST('NaN' AS DOUBLE)";
                // The mean of decimals, a double to this tester, is a decimal that holds no NaN.
                let argument = format!("CAST({argument} AS DOUBLE)");
                let numbers = format!("{function}(nullif({argument}, {nan})){filter}");
                let has_nan = format!("bool_or(isnan({argument})){filter}");
                let nan = format!("CASE WHEN {has_nan} THEN {nan} END");
                match function {
                    "max" => format!("coalesce({nan}, {numbers})"),
                    _ => format!("coalesce({numbers}, {nan})"),
                }
            }
            (function, _) => format!("{function}({argument}){filter}"),
        }
    }

    /// Fewer and simpler calls.
    pub(super) fn simpler(calls: &[Self]) -> Vec<Vec<Self>> {
        let mut simpler = Vec::new();
        for (index, call) in calls.iter().enumerate() {
            if calls.len() > 1 {
                simpler.push(without(calls, index));
            }
            if call.filter.is_some() {
                let mut calls = calls.to_vec();
                calls[index].filter = None;
                simpler.push(calls);
            }
        }
        simpler
    }
}

/// All columns, beginning with any: a total order but for equal rows.
pub(super) fn ordered(from: &Relation, random: &mut Random) -> Vec<Column> {
    let mut columns = from.columns.clone();
    let first = random.range(0, columns.len() as i64) as usize;
    columns.rotate_left(first);
    columns
}
