//! [`Query`]: the queries of streams, one [`Shape`] for each construct.
//!
//! The columns of every result are called `o0`, `o1` and so on. To add a construct: a shape, its
//! text in both dialects, and when [`Query::random`] makes it.

use super::expression::{Dialect, Expression, Predicate};
use super::schema::{Column, Type};
use crate::support::random::Random;

/// A relation that a query can read.
#[derive(Debug, Clone)]
pub struct Relation {
    pub name: String,
    pub columns: Vec<Column>,
    pub nature: Nature,
    /// Whether it is a source, whose first column is its event time, and declares a watermark.
    pub source: Option<bool>,
}

/// What a relation hands to those that read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nature {
    /// Rows that are only added: a new reader gets those that come after it.
    AppendOnly,
    /// Rows that change: a new reader begins with the content.
    Updating,
}

#[derive(Debug, Clone)]
pub struct Query {
    pub shape: Shape,
    pub filter: Option<Predicate>,
}

#[derive(Debug, Clone)]
pub enum Shape {
    Map { from: Relation, items: Vec<Expression> },
    Aggregate { from: Relation, keys: Vec<Column>, calls: Vec<Call>, having: Option<i64> },
    Distinct { from: Relation, columns: Vec<Column> },
    SetOperation { word: &'static str, left: Side, right: Side },
    Window { from: Relation, windows: Windows, keys: Vec<Column>, calls: Vec<Call>, is_final: bool },
    Join { word: &'static str, left: Relation, right: Relation, keys: (Column, Column) },
}

/// One side of a set operation.
#[derive(Debug, Clone)]
pub struct Side {
    pub from: Relation,
    pub columns: Vec<Column>,
}

/// An aggregate.
#[derive(Debug, Clone)]
pub struct Call {
    pub function: &'static str,
    /// None for `count(*)`.
    pub argument: Option<Column>,
    pub filter: Option<Predicate>,
}

/// The windows of a grouping, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Windows {
    pub size: i64,
    pub slide: i64,
    pub offset: i64,
}

impl Call {
    fn random(from: &Relation, random: &mut Random) -> Self {
        let numbers: Vec<&Column> =
            from.columns.iter().filter(|column| column.data_type.is_number()).collect();
        let filter = random.chance(15).then(|| Predicate::random(&from.columns, random));
        // What fails inside of an aggregate is a row of its own kind: plain columns only.
        let filter = filter.filter(|filter| filter.succeeds().is_none());
        let any = || Some(from.columns[from.columns.len() - 1].clone());
        let (function, argument) = match (random.range(0, 14), numbers.is_empty()) {
            (0..=2, _) => ("count", None),
            (3, _) => ("count", any()),
            (4, _) => ("count_distinct", any()),
            (5 | 6, _) => (*random.pick(&["min", "max"]), Some(random.pick(&from.columns).clone())),
            (7, false) => ("stddev", Some((*random.pick(&numbers)).clone())),
            (8, false) => ("median", Some((*random.pick(&numbers)).clone())),
            (9, _) if from.source == Some(true) => (*random.pick(&["first", "last"]), any()),
            (_, false) => {
                let function = *random.pick(&["sum", "sum", "avg", "min", "max"]);
                (function, Some((*random.pick(&numbers)).clone()))
            }
            _ => ("count", None),
        };
        Self { function, argument, filter }
    }

    fn data_type(&self) -> Type {
        match (self.function, self.argument.as_ref().map(|column| column.data_type)) {
            ("count" | "count_distinct", _) => Type::BigInt,
            ("avg", Some(Type::Decimal)) => Type::Decimal,
            ("avg" | "stddev" | "median", _) => Type::Double,
            ("sum", Some(Type::SmallInt)) => Type::BigInt,
            (_, data_type) => data_type.unwrap_or(Type::BigInt),
        }
    }

    fn sql(&self, dialect: Dialect) -> String {
        let argument = self.argument.as_ref().map_or("*", |column| &column.name);
        let filter = match &self.filter {
            Some(filter) => format!(" FILTER (WHERE {})", filter.sql(dialect)),
            None => String::new(),
        };
        let is_double = self.argument.as_ref().is_some_and(|c| c.data_type == Type::Double);
        match (self.function, dialect) {
            ("count_distinct", _) => format!("count(DISTINCT {argument}){filter}"),
            ("first" | "last", Dialect::Oracle) => {
                format!("{}_value({argument} ORDER BY _t, _a){filter}", self.function)
            }
            // NaN is the greatest, as in every order; DataFusion's depends on where it meets one.
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
}

impl Query {
    pub fn random(relations: &[Relation], random: &mut Random) -> Self {
        let from = random.pick(relations).clone();
        let filter = random.chance(40).then(|| Predicate::random(&from.columns, random));
        let some = |random: &mut Random, most: i64| -> Vec<Column> {
            let count = random.range(1, most + 1);
            let mut columns: Vec<Column> =
                (0..count).map(|_| random.pick(&from.columns).clone()).collect();
            columns.dedup();
            columns.sort_by(|a, b| a.name.cmp(&b.name));
            columns.dedup();
            columns
        };
        let calls = |random: &mut Random| -> Vec<Call> {
            (0..random.range(1, 4)).map(|_| Call::random(&from, random)).collect()
        };
        let shape = match random.range(0, 100) {
            0..22 => Shape::Map {
                items: (0..random.range(1, 4))
                    .map(|_| Expression::random(&from.columns, random))
                    .collect(),
                from,
            },
            22..50 => {
                let keys = if random.chance(20) { Vec::new() } else { some(random, 2) };
                let having = random.chance(25).then(|| random.range(1, 4));
                Shape::Aggregate { keys, calls: calls(random), having, from }
            }
            50..56 => Shape::Distinct { columns: some(random, 2), from },
            56..68 => return Self::set_operation(from, relations, random),
            68..84 if from.source.is_some() => {
                let slide = random.range(2, 8);
                let size = if random.chance(50) { slide } else { slide + random.range(1, 9) };
                let offset = if random.chance(30) { random.range(-3, slide) } else { 0 };
                let keys =
                    if random.chance(30) { Vec::new() } else { vec![from.columns[1].clone()] };
                let windows = Windows { size, slide, offset };
                let is_final = random.chance(60);
                Shape::Window { windows, keys, calls: calls(random), is_final, from }
            }
            _ => return Self::join(from, relations, random),
        };
        Self { shape, filter }
    }

    fn set_operation(left: Relation, relations: &[Relation], random: &mut Random) -> Self {
        let right = random.pick(relations).clone();
        let mut pairs = Vec::new();
        for a in &left.columns {
            let mut same = right.columns.iter().filter(|b| b.data_type == a.data_type);
            if let Some(b) = same.next_back() {
                pairs.push((a.clone(), b.clone()));
            }
        }
        let most = random.range(1, 3) as usize;
        let (a, b): (Vec<Column>, Vec<Column>) = pairs.into_iter().rev().take(most).unzip();
        if a.is_empty() {
            let columns = vec![left.columns[0].clone()];
            return Self { shape: Shape::Distinct { from: left, columns }, filter: None };
        }
        let words = ["UNION ALL", "UNION", "INTERSECT", "INTERSECT ALL", "EXCEPT", "EXCEPT ALL"];
        let shape = Shape::SetOperation {
            word: random.pick::<&str>(&words),
            left: Side { from: left, columns: a },
            right: Side { from: right, columns: b },
        };
        Self { shape, filter: None }
    }

    fn join(left: Relation, relations: &[Relation], random: &mut Random) -> Self {
        let mut right = random.pick(relations).clone();
        let pair = |left: &Relation, right: &Relation| {
            let is_alike = |a: &Column, b: &Column| {
                let texts = a.data_type == Type::Text && b.data_type == Type::Text;
                texts || (a.data_type.is_integer() && b.data_type.is_integer())
            };
            let pairs = left
                .columns
                .iter()
                .rev()
                .flat_map(|a| right.columns.iter().rev().map(move |b| (a.clone(), b.clone())));
            pairs.into_iter().find(|(a, b)| is_alike(a, b))
        };
        if pair(&left, &right).is_none() {
            right = left.clone();
        }
        let Some(keys) = pair(&left, &right) else {
            let columns = vec![left.columns[0].clone()];
            return Self { shape: Shape::Distinct { from: left, columns }, filter: None };
        };
        let words =
            ["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "LEFT SEMI JOIN", "LEFT ANTI JOIN"];
        let word = *random.pick(&words);
        Self { shape: Shape::Join { word, left, right, keys }, filter: None }
    }

    /// The relations that it reads.
    pub fn inputs(&self) -> Vec<&Relation> {
        match &self.shape {
            Shape::Map { from, .. }
            | Shape::Aggregate { from, .. }
            | Shape::Distinct { from, .. }
            | Shape::Window { from, .. } => vec![from],
            Shape::SetOperation { left, right, .. } => vec![&left.from, &right.from],
            Shape::Join { left, right, .. } => vec![left, right],
        }
    }

    /// The constructs that it is made of, for the coverage.
    pub fn constructs(&self) -> Vec<&'static str> {
        let mut constructs = Vec::new();
        let calls: &[Call] = match &self.shape {
            Shape::Map { items, .. } => {
                constructs.push("projection");
                if items.iter().any(|item| item.succeeds().is_some()) {
                    constructs.push("failing expression");
                }
                &[]
            }
            Shape::Aggregate { keys, calls, having, .. } => {
                constructs.push(if keys.is_empty() { "global aggregate" } else { "GROUP BY" });
                constructs.extend(having.map(|_| "HAVING"));
                calls
            }
            Shape::Distinct { .. } => {
                constructs.push("DISTINCT");
                &[]
            }
            Shape::SetOperation { word, .. } | Shape::Join { word, .. } => {
                constructs.push(word);
                &[]
            }
            Shape::Window { windows, calls, is_final, .. } => {
                constructs.push(if windows.size == windows.slide { "tumble" } else { "hop" });
                constructs.push(if *is_final { "ON WINDOW CLOSE" } else { "window EMIT CHANGES" });
                calls
            }
        };
        for call in calls {
            constructs.push(call.function);
            constructs.extend(call.filter.as_ref().map(|_| "FILTER"));
        }
        constructs.extend(self.filter.as_ref().map(|_| "WHERE"));
        if self.inputs().iter().any(|input| input.source.is_none()) {
            constructs.push("over a stream or table");
        }
        constructs
    }

    /// What its result is as an input; `None` where it is left to the engine to say.
    pub fn nature(&self) -> Option<Nature> {
        let append_only =
            |inputs: Vec<&Relation>| inputs.iter().all(|input| input.nature == Nature::AppendOnly);
        match &self.shape {
            Shape::Map { from, .. } => Some(from.nature),
            Shape::Aggregate { .. } => Some(Nature::Updating),
            Shape::Window { is_final: true, .. } => Some(Nature::AppendOnly),
            Shape::Window { .. } => Some(Nature::Updating),
            Shape::SetOperation { word: "UNION ALL", .. } if append_only(self.inputs()) => {
                Some(Nature::AppendOnly)
            }
            _ => None,
        }
    }

    /// Whether windows wait for their close.
    pub fn is_final(&self) -> bool {
        matches!(self.shape, Shape::Window { is_final: true, .. })
    }

    /// The columns of its result.
    pub fn columns(&self) -> Vec<Column> {
        let types: Vec<Type> = match &self.shape {
            Shape::Map { items, .. } => items.iter().map(Expression::data_type).collect(),
            Shape::Aggregate { keys, calls, .. } => keys
                .iter()
                .map(|key| key.data_type)
                .chain(calls.iter().map(Call::data_type))
                .collect(),
            Shape::Distinct { columns, .. } => {
                columns.iter().map(|column| column.data_type).collect()
            }
            Shape::SetOperation { left, .. } => {
                left.columns.iter().map(|column| column.data_type).collect()
            }
            Shape::Window { from, keys, calls, .. } => {
                let time = from.columns[0].data_type;
                let keys = keys.iter().map(|key| key.data_type);
                [time, time]
                    .into_iter()
                    .chain(keys)
                    .chain(calls.iter().map(Call::data_type))
                    .collect()
            }
            Shape::Join { word, left, right, .. } => {
                let sides = self.join_columns(word, left, right);
                sides.into_iter().map(|(_, column)| column.data_type).collect()
            }
        };
        let named = types.into_iter().enumerate();
        named.map(|(index, data_type)| Column::new(format!("o{index}"), data_type)).collect()
    }

    fn join_columns(&self, word: &str, left: &Relation, right: &Relation) -> Vec<(char, Column)> {
        let side = |name, relation: &Relation| -> Vec<(char, Column)> {
            relation.columns.iter().take(3).map(|column| (name, column.clone())).collect()
        };
        let mut columns = side('l', left);
        if !word.contains("SEMI") && !word.contains("ANTI") {
            columns.extend(side('r', right));
        }
        columns
    }

    /// Its text. `frontier` is how far the event time of its source has come, for final windows.
    pub fn sql(&self, dialect: Dialect, frontier: i64) -> String {
        let mut conditions: Vec<String> = Vec::new();
        if let Some(filter) = &self.filter {
            conditions.push(filter.sql(dialect));
            if dialect == Dialect::Oracle {
                conditions.extend(filter.succeeds());
            }
        }
        let filtered = |conditions: &[String]| match conditions {
            [] => String::new(),
            conditions => format!(" WHERE {}", conditions.join(" AND ")),
        };
        match &self.shape {
            Shape::Map { from, items } => {
                if dialect == Dialect::Oracle {
                    conditions.extend(items.iter().filter_map(Expression::succeeds));
                }
                let items = items.iter().map(|item| item.sql(dialect));
                let filter = filtered(&conditions);
                format!("SELECT {} FROM {}{filter}", numbered(items), from.name)
            }
            Shape::Aggregate { from, keys, calls, having } => {
                let items = keys.iter().map(|key| key.name.clone());
                let items = numbered(items.chain(calls.iter().map(|call| call.sql(dialect))));
                let by = match keys.as_slice() {
                    [] => String::new(),
                    keys => format!(" GROUP BY {}", names(keys)),
                };
                let having = having.map_or(String::new(), |n| format!(" HAVING count(*) > {n}"));
                format!("SELECT {items} FROM {}{}{by}{having}", from.name, filtered(&conditions))
            }
            Shape::Distinct { from, columns } => {
                let items = numbered(columns.iter().map(|column| column.name.clone()));
                format!("SELECT DISTINCT {items} FROM {}{}", from.name, filtered(&conditions))
            }
            Shape::SetOperation { word, left, right } => set_operation(word, left, right, dialect),
            Shape::Window { from, windows, keys, calls, is_final } => {
                let calls = calls.iter().map(|call| call.sql(dialect));
                let keyed = keys.iter().map(|key| key.name.clone());
                let also = keys.iter().map(|key| format!(", {}", key.name)).collect::<String>();
                let Windows { size, slide, offset } = windows;
                if dialect == Dialect::Oracle {
                    conditions.push(format!("_s + {size} > _f"));
                    conditions.push(format!("_t < _s + {size}"));
                    if *is_final {
                        conditions.push(format!("_s + {size} <= {frontier}"));
                    }
                    let bound = |time: String| match from.columns[0].data_type {
                        Type::Timestamp => {
                            format!("arrow_cast({time}, 'Timestamp(Millisecond, None)')")
                        }
                        _ => time,
                    };
                    let bounds = [bound("_s".into()), bound(format!("_s + {size}"))];
                    let items = numbered(bounds.into_iter().chain(keyed).chain(calls));
                    let back = (0..=size / slide).map(|n| format!("({n})"));
                    let back = back.collect::<Vec<_>>().join(", ");
                    return format!(
                        "SELECT {items} FROM (SELECT *, _t - ((_t - ({offset})) % {slide} + \
                         {slide}) % {slide} - n * {slide} AS _s FROM {} CROSS JOIN (VALUES {back}) \
                         AS back(n)){} GROUP BY _s{also}",
                        from.name,
                        filtered(&conditions),
                    );
                }
                let name = if size == slide { "tumble" } else { "hop" };
                let lengths = match (size == slide, offset) {
                    (true, 0) => format!("{size}"),
                    (true, offset) => format!("{size}, {offset}"),
                    (false, 0) => format!("{size}, {slide}"),
                    (false, offset) => format!("{size}, {slide}, {offset}"),
                };
                let call = format!("{name}(ts, {lengths})");
                let bounds = [call.clone(), "window_end".to_string()];
                let items = numbered(bounds.into_iter().chain(keyed).chain(calls));
                let filter = filtered(&conditions);
                let emit = if *is_final { " EMIT ON WINDOW CLOSE" } else { " EMIT CHANGES" };
                format!("SELECT {items} FROM {}{filter} GROUP BY {call}{also}{emit}", from.name)
            }
            Shape::Join { word, left, right, keys: (a, b) } => {
                let columns = self.join_columns(word, left, right);
                let items =
                    columns.into_iter().map(|(side, column)| format!("{side}.{}", column.name));
                format!(
                    "SELECT {} FROM {} l {word} {} r ON l.{} = r.{}",
                    numbered(items),
                    left.name,
                    right.name,
                    a.name,
                    b.name
                )
            }
        }
    }

    /// Simpler queries, to shrink to.
    pub fn simpler(&self) -> Vec<Self> {
        let mut simpler = Vec::new();
        if self.filter.is_some() {
            simpler.push(Self { filter: None, ..self.clone() });
        }
        let mut with = |shape: Shape| simpler.push(Self { shape, ..self.clone() });
        match &self.shape {
            Shape::Map { from, items } => {
                for (index, item) in items.iter().enumerate() {
                    if items.len() > 1 {
                        with(Shape::Map { from: from.clone(), items: without(items, index) });
                    }
                    for other in item.simpler() {
                        let mut items = items.clone();
                        items[index] = other;
                        with(Shape::Map { from: from.clone(), items });
                    }
                }
            }
            Shape::Aggregate { from, keys, calls, having } => {
                let shape = |keys, calls, having| Shape::Aggregate {
                    from: from.clone(),
                    keys,
                    calls,
                    having,
                };
                if having.is_some() {
                    with(shape(keys.clone(), calls.clone(), None));
                }
                for calls in fewer_calls(calls) {
                    with(shape(keys.clone(), calls, *having));
                }
                for index in 0..keys.len() {
                    with(shape(without(keys, index), calls.clone(), *having));
                }
            }
            Shape::Window { from, windows, keys, calls, is_final } => {
                let shape = |keys, calls| Shape::Window {
                    from: from.clone(),
                    windows: *windows,
                    keys,
                    calls,
                    is_final: *is_final,
                };
                for calls in fewer_calls(calls) {
                    with(shape(keys.clone(), calls));
                }
                for index in 0..keys.len() {
                    with(shape(without(keys, index), calls.clone()));
                }
            }
            Shape::Distinct { .. } | Shape::SetOperation { .. } | Shape::Join { .. } => {}
        }
        simpler
    }
}

fn fewer_calls(calls: &[Call]) -> Vec<Vec<Call>> {
    let mut fewer = Vec::new();
    for (index, call) in calls.iter().enumerate() {
        if calls.len() > 1 {
            fewer.push(without(calls, index));
        }
        if call.filter.is_some() {
            let mut calls = calls.to_vec();
            calls[index].filter = None;
            fewer.push(calls);
        }
    }
    fewer
}

fn without<T: Clone>(list: &[T], index: usize) -> Vec<T> {
    let mut list = list.to_vec();
    list.remove(index);
    list
}

/// DataFusion's batch engine forgets how often rows are there in `INTERSECT ALL` and `EXCEPT ALL`,
/// so for the oracle equal rows are numbered and become different ones.
fn set_operation(word: &str, left: &Side, right: &Side, dialect: Dialect) -> String {
    let side = |side: &Side| {
        let items = numbered(side.columns.iter().map(|column| column.name.clone()));
        format!("SELECT {items} FROM {}", side.from.name)
    };
    let plain = format!("{} {word} {}", side(left), side(right));
    let (Dialect::Oracle, Some(word)) = (dialect, word.strip_suffix(" ALL")) else { return plain };
    if word == "UNION" {
        return plain;
    }
    let outputs = (0..left.columns.len()).map(|index| format!("o{index}"));
    let outputs = outputs.collect::<Vec<_>>().join(", ");
    let counted = |text: String| {
        format!("SELECT {outputs}, row_number() OVER (PARTITION BY {outputs}) AS _n FROM ({text})")
    };
    let (left, right) = (counted(side(left)), counted(side(right)));
    format!("SELECT {outputs} FROM ({left} {word} {right})")
}

fn numbered(items: impl Iterator<Item = String>) -> String {
    let items = items.enumerate().map(|(index, item)| format!("{item} AS o{index}"));
    items.collect::<Vec<_>>().join(", ")
}

fn names(columns: &[Column]) -> String {
    columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
}
