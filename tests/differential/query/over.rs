//! Window functions: `f(...) OVER (PARTITION BY ... ORDER BY ...)`.

use std::sync::Arc;

use super::call::ordered;
use super::{
    Gives, Nature, Query, Relation, Shape, conditions, filtered, names, numbered, without,
};
use crate::differential::expression::{Dialect, Predicate};
use crate::differential::schema::{Column, Type};
use crate::support::random::Random;

#[derive(Debug, Clone)]
struct Over {
    from: Relation,
    partition: Vec<Column>,
    /// One column, whose ties are broken by arrival; or all of them.
    order: Vec<Column>,
    descending: bool,
    functions: Vec<Function>,
    filter: Option<Predicate>,
}

#[derive(Debug, Clone)]
struct Function {
    name: &'static str,
    argument: Option<Column>,
    frame: &'static str,
    ignores_nulls: bool,
}

const RANKS: [&str; 5] = ["rank", "dense_rank", "percent_rank", "cume_dist", "row_number"];

const ROW_FRAMES: [&str; 4] = [
    " ROWS BETWEEN 2 PRECEDING AND CURRENT ROW",
    " ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
    " ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
    " ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING",
];

const RUNNING_FRAMES: [&str; 2] = ["", " ROWS UNBOUNDED PRECEDING"];

/// Frames that end where peers end: they do not depend on the order of ties.
const PEER_FRAMES: [&str; 5] = [
    "",
    " RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
    " GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW",
    " GROUPS BETWEEN CURRENT ROW AND 1 FOLLOWING",
    " RANGE BETWEEN 2 PRECEDING AND 1 FOLLOWING",
];

pub(super) fn random(from: Relation, random: &mut Random) -> Option<Query> {
    let partition = if random.chance(90) { from.some_columns(1, random) } else { Vec::new() };
    let by_arrival = from.arrives && from.nature == Nature::AppendOnly && random.chance(70);
    let order = match by_arrival {
        true => vec![random.pick(&from.columns).clone()],
        false => ordered(&from, random),
    };
    let functions = (0..random.range(1, 4))
        .map(|_| Function::random(&from, &order, !partition.is_empty(), random))
        .collect();
    let filter = random.chance(25).then(|| Predicate::random(&from.columns, random));
    let descending = random.chance(30);
    Some(Arc::new(Over { from, partition, order, descending, functions, filter }))
}

impl Function {
    /// `is_partitioned`: else only what looks at a bounded number of rows is taken.
    fn random(
        from: &Relation,
        order: &[Column],
        is_partitioned: bool,
        random: &mut Random,
    ) -> Self {
        // DataFusion takes NaN out of a sliding sum by subtraction, which leaves NaN; and its
        // `lead IGNORE NULLS` miscounts. Neither can be an oracle, so neither is asked for.
        let exact: Vec<Column> = from
            .columns
            .iter()
            .filter(|c| c.data_type.is_number() && c.data_type != Type::Double)
            .cloned()
            .collect();
        let any = Some(random.pick(&from.columns).clone());
        let number = (!exact.is_empty()).then(|| random.pick(&exact).clone());
        let function = |name, argument, frame| Self { name, argument, frame, ignores_nulls: false };
        let sum = match number {
            Some(_) => *random.pick(&["sum", "min", "max", "count", "avg"]),
            None => "count(*)",
        };
        let has_distance = order.len() == 1 && order[0].data_type.is_integer();
        match random.range(0, 10) {
            0 | 1 => function(*random.pick(&["lag", "lead"]), any, ""),
            2 | 3 => {
                let ranks = if is_partitioned { &RANKS[..] } else { &RANKS[..2] };
                function(*random.pick(ranks), None, "")
            }
            4 if is_partitioned => function("ntile", None, ""),
            5 => {
                let frame = *random.pick(&ROW_FRAMES[..if is_partitioned { 4 } else { 3 }]);
                let name = *random.pick(&["first_value", "last_value", "nth_value"]);
                Self { ignores_nulls: random.chance(30), ..function(name, any, frame) }
            }
            // Sliding moments lose digits to subtraction, so these are not asked of the oracle.
            6 if number.is_some() && random.chance(50) => function(
                *random.pick(&["stddev", "var_pop"]),
                number,
                *random.pick(&RUNNING_FRAMES),
            ),
            6 | 7 => {
                let frame = *random.pick(&ROW_FRAMES[..if is_partitioned { 4 } else { 3 }]);
                function(sum, number, frame)
            }
            _ => {
                let frames = match (is_partitioned, has_distance) {
                    (true, true) => &PEER_FRAMES[..],
                    (true, false) => &PEER_FRAMES[..4],
                    (false, _) => &PEER_FRAMES[2..4],
                };
                function(sum, number, *random.pick(frames))
            }
        }
    }

    /// Whether it depends on the order of ties.
    fn minds_ties(&self) -> bool {
        matches!(self.name, "lag" | "lead" | "row_number" | "ntile")
            || self.frame.starts_with(" ROWS")
    }

    fn data_type(&self) -> Type {
        let argument = self.argument.as_ref().map_or(Type::BigInt, |column| column.data_type);
        match self.name {
            "percent_rank" | "cume_dist" | "stddev" | "var_pop" => Type::Double,
            "avg" if argument == Type::Decimal => Type::Decimal,
            "avg" => Type::Double,
            "sum" if argument == Type::SmallInt => Type::BigInt,
            "sum" | "min" | "max" | "lag" | "lead" | "first_value" | "last_value" | "nth_value" => {
                argument
            }
            _ => Type::BigInt,
        }
    }

    fn call(&self) -> String {
        let argument = self.argument.as_ref().map_or("", |column| &column.name);
        match self.name {
            "count(*)" => "count(*)".to_string(),
            "ntile" => "ntile(3)".to_string(),
            "nth_value" => format!("nth_value({argument}, 2){}", self.nulls()),
            name => format!("{name}({argument}){}", self.nulls()),
        }
    }

    fn nulls(&self) -> &'static str {
        if self.ignores_nulls { " IGNORE NULLS" } else { "" }
    }
}

impl Over {
    fn sql(&self, dialect: Dialect) -> String {
        let by = match self.partition.as_slice() {
            [] => String::new(),
            columns => format!("PARTITION BY {} ", names(columns)),
        };
        let direction = if self.descending { " DESC" } else { "" };
        let order = self.order.iter().map(|column| format!("{}{direction}", column.name));
        let order = order.collect::<Vec<_>>().join(", ");
        let calls = self.functions.iter().map(|function| {
            let ties = match dialect == Dialect::Oracle && self.order.len() == 1 {
                true if function.minds_ties() && self.from.arrives => ", _a",
                _ => "",
            };
            let over = format!("OVER ({by}ORDER BY {order}{ties}{})", function.frame);
            match &function.argument {
                // DataFusion adds integers up as floats, which lose digits as rows leave the frame.
                Some(Column { name, data_type })
                    if function.name == "avg"
                        && data_type.is_integer()
                        && dialect == Dialect::Oracle =>
                {
                    let sum = format!("sum(CAST({name} AS DECIMAL(30, 0)) + 0) {over}");
                    format!("CAST({sum} AS DOUBLE) / count({name}) {over}")
                }
                _ => format!("{} {over}", function.call()),
            }
        });
        let plain = self.from.columns.iter().map(|column| column.name.clone());
        let filter = filtered(&conditions(self.filter.as_ref(), dialect));
        format!("SELECT {} FROM {}{filter}", numbered(plain.chain(calls)), self.from.name)
    }
}

impl Shape for Over {
    fn inputs(&self) -> Vec<&Relation> {
        vec![&self.from]
    }

    fn constructs(&self) -> Vec<&'static str> {
        let mut constructs = vec!["OVER"];
        for function in &self.functions {
            constructs.push(match function.name {
                "sum" | "min" | "max" | "count" | "count(*)" | "avg" => "aggregate OVER",
                "percent_rank" | "cume_dist" => "percent_rank, cume_dist",
                "stddev" | "var_pop" => "moments OVER",
                "first_value" | "last_value" | "nth_value" => "first, last, nth_value OVER",
                name => name,
            });
            constructs.extend(function.ignores_nulls.then_some("IGNORE NULLS OVER"));
            constructs.extend(match function.frame.split_whitespace().next() {
                Some("ROWS") => Some("ROWS frame"),
                Some("RANGE") => Some("RANGE frame"),
                Some("GROUPS") => Some("GROUPS frame"),
                _ => None,
            });
        }
        constructs.extend(self.partition.is_empty().then_some("OVER without PARTITION BY"));
        constructs.extend((self.from.nature == Nature::Updating).then_some("OVER changing rows"));
        constructs
    }

    fn types(&self) -> Vec<Type> {
        let plain = self.from.columns.iter().map(|column| column.data_type);
        plain.chain(self.functions.iter().map(Function::data_type)).collect()
    }

    fn engine(&self) -> String {
        self.sql(Dialect::Engine)
    }

    fn oracle(&self, _frontiers: &[i64]) -> String {
        self.sql(Dialect::Oracle)
    }

    fn gives(&self) -> Gives {
        Gives::updating_over(&self.inputs())
    }

    fn simpler(&self) -> Vec<Query> {
        let mut simpler: Vec<Query> = Vec::new();
        if self.filter.is_some() {
            simpler.push(Arc::new(Self { filter: None, ..self.clone() }));
        }
        if self.functions.len() > 1 {
            for index in 0..self.functions.len() {
                let functions = without(&self.functions, index);
                simpler.push(Arc::new(Self { functions, ..self.clone() }));
            }
        }
        if self.descending {
            simpler.push(Arc::new(Self { descending: false, ..self.clone() }));
        }
        simpler
    }
}
