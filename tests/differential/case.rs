//! [`Case`]: a whole test as data, which the driver and the oracle both interpret and which
//! shrinking cuts down.

use super::data::{self, Datum, Row};
use super::query::{Nature, Query, Relation, Shape};
use super::schema::{Column, Input, InputKind};
use crate::support::random::Random;

/// A test: the inputs, the streams over them, and what happens in which order.
#[derive(Debug, Clone)]
pub struct Case {
    pub inputs: Vec<Input>,
    pub streams: Vec<Stream>,
    pub steps: Vec<Step>,
}

/// A stream or materialized view.
#[derive(Debug, Clone)]
pub struct Stream {
    pub name: String,
    pub query: Query,
    pub is_view: bool,
    /// Whether `EMIT CHANGES` is written behind it; windows say it in the query.
    pub emit_changes: bool,
}

/// One thing that happens. Inputs and streams are named by their position.
#[derive(Debug, Clone)]
pub enum Step {
    Start,
    Create(usize),
    Open {
        input: usize,
        producer: usize,
    },
    Close {
        input: usize,
        producer: usize,
    },
    /// Rows by a producer, in batches of so many; 0 is the database's own producer.
    Push {
        input: usize,
        producer: usize,
        rows: Vec<Row>,
        batch_rows: usize,
    },
    Watermark {
        input: usize,
        producer: usize,
        ts_ms: i64,
    },
    Change {
        input: usize,
        change: Change,
    },
    /// Everything is compared.
    Check,
}

impl Step {
    /// The input that it is about.
    pub fn input(&self) -> Option<usize> {
        match self {
            Self::Open { input, .. }
            | Self::Close { input, .. }
            | Self::Push { input, .. }
            | Self::Watermark { input, .. }
            | Self::Change { input, .. } => Some(*input),
            Self::Start | Self::Create(_) | Self::Check => None,
        }
    }
}

/// A change of a table, in one statement.
#[derive(Debug, Clone)]
pub enum Change {
    Insert(Vec<Row>),
    /// Rows whose column (by position) has a value.
    Delete {
        column: usize,
        value: Datum,
    },
    /// Sets a column to a value in rows whose other column has a value.
    Update {
        set: usize,
        to: Datum,
        column: usize,
        value: Datum,
    },
}

impl Case {
    pub fn random(seed: u64) -> Self {
        let random = &mut Random::new(seed);
        let count = random.range(1, 4) as usize;
        let inputs: Vec<Input> = (0..count).map(|index| Input::random(index, random)).collect();
        let mut maker = Maker {
            relations: inputs.iter().map(relation).collect(),
            producers: vec![vec![0]; count],
            now: vec![0; count],
            case: Self { inputs, streams: Vec::new(), steps: Vec::new() },
        };
        let early = random.range(0, 3);
        if random.chance(40) {
            // Some streams and rows wait for the start.
            for _ in 0..early {
                maker.create(random);
                maker.feed(random);
            }
        }
        maker.case.steps.push(Step::Start);
        for _ in 0..random.range(8, 24) {
            match random.range(0, 100) {
                0..20 if maker.case.streams.len() < 6 => maker.create(random),
                0..85 => maker.feed(random),
                _ => maker.case.steps.push(Step::Check),
            }
        }
        maker.case.steps.push(Step::Check);
        maker.case
    }
}

fn relation(input: &Input) -> Relation {
    let (nature, source) = match input.kind {
        InputKind::Source { delay } => (Nature::AppendOnly, Some(delay.is_some())),
        InputKind::Table { .. } => (Nature::Updating, None),
    };
    Relation { name: input.name.clone(), columns: input.columns.clone(), nature, source }
}

/// A case in the making.
struct Maker {
    case: Case,
    relations: Vec<Relation>,
    /// The open producers of each input.
    producers: Vec<Vec<usize>>,
    /// About the largest time of each input.
    now: Vec<i64>,
}

impl Maker {
    fn create(&mut self, random: &mut Random) {
        let query = Query::random(&self.relations, random);
        let index = self.case.streams.len();
        let name = format!("q{index}");
        let is_view = random.chance(20) && !query.is_final();
        if let Some(nature) = query.nature().filter(|_| !is_view) {
            let columns = query.columns();
            self.relations.push(Relation { name: name.clone(), columns, nature, source: None });
        }
        let is_windowed = matches!(query.shape, Shape::Window { .. });
        let emit_changes = !is_view && !is_windowed && random.chance(70);
        self.case.streams.push(Stream { name, query, is_view, emit_changes });
        self.case.steps.push(Step::Create(index));
    }

    fn feed(&mut self, random: &mut Random) {
        let input = random.range(0, self.case.inputs.len() as i64) as usize;
        if self.case.inputs[input].is_table() {
            let change = self.change(input, random);
            self.case.steps.push(Step::Change { input, change });
            return;
        }
        let producers = &mut self.producers[input];
        let producer = *random.pick(producers);
        let step = match random.range(0, 100) {
            0..9 if producers.len() < 3 => {
                let producer = self.case.steps.len() + 1;
                producers.push(producer);
                Step::Open { input, producer }
            }
            9..12 if producer != 0 => {
                producers.retain(|other| *other != producer);
                Step::Close { input, producer }
            }
            12..30 if producer != 0 => {
                let ts_ms = self.now[input] + random.range(-6, 4);
                Step::Watermark { input, producer, ts_ms }
            }
            _ => {
                let count = *random.pick(&[1, 1, 3, 8, 20]);
                let mut rows = Vec::new();
                for _ in 0..count {
                    self.now[input] += random.range(0, 3);
                    rows.push(data::row(&self.case.inputs[input], self.now[input], random));
                }
                let batch_rows = *random.pick(&[1, 3, 7, 1000]);
                Step::Push { input, producer, rows, batch_rows }
            }
        };
        self.case.steps.push(step);
    }

    fn change(&self, index: usize, random: &mut Random) -> Change {
        let input = &self.case.inputs[index];
        let column = random.range(0, 2) as usize;
        let value = data::row(input, 0, random)[column].clone();
        match random.range(0, 10) {
            0..6 => {
                let count = *random.pick(&[1, 2, 6]);
                Change::Insert((0..count).map(|_| data::row(input, 0, random)).collect())
            }
            6..8 => Change::Delete { column, value },
            _ => {
                let set = random.range(1, input.columns.len() as i64) as usize;
                let to = Datum::random(input.columns[set].data_type, random);
                Change::Update { set, to, column, value }
            }
        }
    }
}

impl Change {
    /// Its statement.
    pub fn sql(&self, input: &Input) -> String {
        let equals = |column: usize, value: &Datum| {
            let Column { name, data_type } = &input.columns[column];
            match value {
                Datum::Null => format!("{name} IS NULL"),
                value => format!("{name} = {}", value.sql(*data_type)),
            }
        };
        match self {
            Self::Insert(rows) => format!("INSERT INTO {} {}", input.name, values(input, rows)),
            Self::Delete { column, value } => {
                format!("DELETE FROM {} WHERE {}", input.name, equals(*column, value))
            }
            Self::Update { set, to, column, value } => {
                let Column { name, data_type } = &input.columns[*set];
                let to = to.sql(*data_type);
                format!("UPDATE {} SET {name} = {to} WHERE {}", input.name, equals(*column, value))
            }
        }
    }
}

/// Rows as `VALUES`.
pub fn values(input: &Input, rows: &[Row]) -> String {
    let rows = rows.iter().map(|row| {
        let values = row.iter().zip(&input.columns).map(|(value, c)| value.sql(c.data_type));
        format!("({})", values.collect::<Vec<_>>().join(", "))
    });
    format!("VALUES {}", rows.collect::<Vec<_>>().join(", "))
}
