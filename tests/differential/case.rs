//! [`Case`]: a whole test as data, which the driver and the oracle both interpret and which
//! shrinking cuts down.

use super::data::{self, Datum, Row};
use super::query::{self, Emit, Nature, Query, Relation, Time};
use super::schema::{Column, Input, InputKind, Type};
use super::{shrinking, twins};
use crate::support::random::Random;

/// A test: the inputs, the streams over them, and what happens in which order.
#[derive(Debug, Clone)]
pub struct Case {
    pub inputs: Vec<Input>,
    pub streams: Vec<Stream>,
    pub steps: Vec<Step>,
    /// Into how many partitions operators are divided.
    pub workers: usize,
}

/// A stream or materialized view.
#[derive(Debug, Clone)]
pub struct Stream {
    pub name: String,
    pub query: Query,
    pub is_view: bool,
    /// What its EMIT clause says.
    pub emit: Emit,
    /// Whether its late rows are a sink.
    pub has_late_sink: bool,
}

impl Stream {
    /// The sink of its late rows.
    pub fn late_sink(&self) -> Option<String> {
        self.has_late_sink.then(|| format!("late_{}", self.name))
    }
}

/// One thing that happens. Inputs and streams are named by their position.
#[derive(Debug, Clone)]
pub enum Step {
    Start,
    Create(usize),
    /// A stream that nobody reads goes.
    Drop(usize),
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
    /// A producer says that it sends nothing any more.
    End {
        input: usize,
        producer: usize,
    },
    /// The clock goes on.
    Clock {
        by_ms: i64,
    },
    Change {
        input: usize,
        change: Change,
    },
    /// One more subscription to a stream, with a snapshot.
    Subscribe(usize),
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
            | Self::End { input, .. }
            | Self::Change { input, .. } => Some(*input),
            Self::Start
            | Self::Create(_)
            | Self::Drop(_)
            | Self::Subscribe(_)
            | Self::Clock { .. }
            | Self::Check => None,
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
        // Apart, so that a case is the same with workers and without.
        let workers = *Random::new(!seed).pick(&[1, 1, 2, 3, 8]);
        let random = &mut Random::new(seed);
        // Of three cases one is about event time above all.
        let theme = if seed % 3 == 2 { Theme::Time } else { Theme::General };
        let inputs = match theme {
            Theme::General => general_inputs(random),
            Theme::Time => inputs_in_time(random),
        };
        let paces = inputs.iter().map(|_| *random.pick(&[2, 3, 3, 6])).collect();
        let mut maker = Maker {
            theme,
            relations: inputs.iter().enumerate().map(|input| relation(input, &inputs)).collect(),
            producers: vec![vec![0]; inputs.len()],
            now: vec![0; inputs.len()],
            paces,
            case: Self { inputs, streams: Vec::new(), steps: Vec::new(), workers },
        };
        let early = random.range(0, 4);
        if random.chance(40) {
            // Some streams and rows wait for the start.
            for _ in 0..early {
                maker.create(random);
                maker.feed(random);
                maker.feed(random);
            }
        }
        maker.case.steps.push(Step::Start);
        for _ in 0..random.range(10, 30) {
            match random.range(0, 100) {
                0..28 if maker.case.streams.len() < 7 => maker.create(random),
                28..38 if theme == Theme::Time && maker.case.streams.len() < 7 => {
                    maker.create(random);
                }
                0..86 => maker.feed(random),
                86..90 => maker.subscribe(random),
                _ => maker.case.steps.push(Step::Check),
            }
        }
        maker.case.steps.push(Step::Check);
        // Apart as well, so that the rest of a case is the same without.
        twins::add(&mut maker.case, &mut Random::new(seed.rotate_left(32) ^ 0x5eed));
        shrinking::add(&mut maker.case, &mut Random::new(seed.rotate_left(16) ^ 0xe7d5));
        maker.case
    }

    /// Whether subscribers of some stream are told at intervals, so that each check moves the clock
    /// on.
    pub fn ticks_at_checks(&self) -> bool {
        self.streams.iter().any(|stream| stream.emit == Emit::Every)
    }
}

/// Sources and tables of any kind.
fn general_inputs(random: &mut Random) -> Vec<Input> {
    let count = random.range(1, 4) as usize;
    let mut inputs: Vec<Input> = (0..count).map(|index| Input::random(index, random)).collect();
    if inputs.len() > 1 && random.chance(50) {
        // Two sources whose times and keys can be compared.
        inputs[1] = inputs[0].alike(1, random);
    }
    if inputs.iter().filter(|input| !input.is_table()).count() == 1 && random.chance(45) {
        // A source that is idle is left out of what reads others too: only alone is that simple.
        inputs[0].idle_timeout_ms = Some(random.range(5, 20));
    }
    inputs
}

/// Two sources in time, and what they are joined with: versions, lookup tables, the clock.
fn inputs_in_time(random: &mut Random) -> Vec<Input> {
    let mut first = Input::random(0, random);
    if random.chance(60) {
        first.kind = InputKind::Source { delay: Some(random.range(0, 4)) };
    }
    let second = first.alike(1, random);
    let mut inputs = vec![first, second];
    if random.chance(70) {
        inputs.push(Input::timed_table(2, &inputs[0], random));
    }
    if random.chance(50) {
        inputs.push(Input::lookup(inputs.len(), random));
    }
    if random.chance(15) {
        inputs.push(Input::of_the_clock(inputs.len(), random));
    }
    let are_idle = random.chance(25);
    let have_group = random.chance(15);
    for input in &mut inputs[..2] {
        input.idle_timeout_ms = are_idle.then(|| random.range(5, 20));
        input.has_group = have_group;
        if input.delay().is_some() && random.chance(25) {
            input.watermark_key = Some(1);
            if input.idle_timeout_ms.is_none() && random.chance(50) {
                input.idle_timeout_ms = Some(random.range(5, 20));
            }
        }
    }
    inputs
}

pub(super) fn relation((index, input): (usize, &Input), all: &[Input]) -> Relation {
    let nature = if input.is_table() { Nature::Updating } else { Nature::AppendOnly };
    let declared = input.delay().is_some() || input.is_of_the_clock();
    let time = input.time().map(|column| Time { column, declared });
    // Without a declared watermark each time and BIGINT is an event time.
    let is_time = |at: usize, column: &Column| match time {
        Some(Time { declared: false, .. }) => {
            matches!(column.data_type, Type::BigInt | Type::Timestamp)
        }
        Some(time) => at == time.column,
        None => false,
    };
    let columns = input.columns.iter().enumerate();
    let is_source = |input: &&Input| !input.is_table();
    let has_others = all.iter().filter(is_source).count() > 1;
    Relation {
        name: input.name.clone(),
        columns: input.columns.clone(),
        nature,
        time,
        times: columns.filter(|(at, column)| is_time(*at, column)).map(|(at, _)| at).collect(),
        arrives: !input.is_table(),
        sources: if input.is_table() && time.is_none() { Vec::new() } else { vec![index] },
        key: input.has_key().then_some(0),
        is_lookup: input.kind == InputKind::Lookup,
        may_be_idle: has_others && input.idle_timeout_ms.is_some(),
        is_settled: !input.is_table(),
    }
}

/// What a case is about above all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    General,
    /// Event time: versions, windows and joins over rows that change, watermarks of every kind.
    Time,
}

/// A case in the making.
struct Maker {
    theme: Theme,
    case: Case,
    relations: Vec<Relation>,
    /// The open producers of each input.
    producers: Vec<Vec<usize>>,
    /// About the largest time of each input.
    now: Vec<i64>,
    /// How far the time of each input goes from row to row, at most.
    paces: Vec<i64>,
}

impl Maker {
    fn create(&mut self, random: &mut Random) {
        let query = query::random(&self.relations, self.theme, random);
        let index = self.case.streams.len();
        let name = format!("q{index}");
        let is_view = random.chance(15);
        let gives = query.gives();
        if let Some(nature) = gives.nature.filter(|_| !is_view) {
            let mut sources: Vec<usize> =
                query.inputs().iter().flat_map(|input| input.sources.clone()).collect();
            sources.sort_unstable();
            sources.dedup();
            let time = (!gives.known.is_empty())
                .then(|| Time { column: *random.pick(&gives.known), declared: gives.declared });
            let may_be_idle = query.inputs().iter().any(|input| input.may_be_idle);
            self.relations.push(Relation {
                name: name.clone(),
                columns: query::columns(query.as_ref()),
                nature,
                time,
                times: gives.times,
                arrives: gives.arrives,
                sources,
                key: gives.key,
                is_lookup: false,
                may_be_idle,
                is_settled: nature == Nature::AppendOnly
                    || query.inputs().iter().all(|input| input.is_settled),
            });
        }
        let forms = [Emit::Default, Emit::Changes, Emit::Changes, Emit::Update];
        let has_clock = self.theme == Theme::General
            && self.case.inputs.iter().any(|input| input.idle_timeout_ms.is_some());
        // What comes about by the clock at a check is told an interval after it.
        let is_moved = self.case.inputs.iter().any(Input::is_of_the_clock);
        let emit = match query.emit() {
            Some(emit) => emit,
            None if !has_clock && random.chance(12) && !is_moved => Emit::Every,
            None => *random.pick(&forms),
        };
        let has_late_sink = !is_view && query.late().is_some() && random.chance(40);
        self.case.streams.push(Stream { name, query, is_view, emit, has_late_sink });
        self.case.steps.push(Step::Create(index));
    }

    fn subscribe(&mut self, random: &mut Random) {
        if !self.case.streams.is_empty() {
            let stream = random.range(0, self.case.streams.len() as i64) as usize;
            self.case.steps.push(Step::Subscribe(stream));
        }
    }

    fn feed(&mut self, random: &mut Random) {
        let input = random.range(0, self.case.inputs.len() as i64) as usize;
        let of = self.case.inputs[input].clone();
        if of.is_table() && (of.time().is_none() || random.chance(50)) {
            for _ in 0..random.range(1, 4) {
                if of.time().is_some() {
                    self.now[input] += random.range(0, self.paces[input]);
                }
                let change = self.change(input, random);
                self.case.steps.push(Step::Change { input, change });
            }
            return;
        }
        if let Some((key, timeout_ms)) = of.watermark_key.zip(of.idle_timeout_ms)
            && random.chance(15)
        {
            return self.silence_of_a_key(input, key, timeout_ms, random);
        }
        let has_clock = of.idle_timeout_ms.is_some() || of.is_of_the_clock();
        if has_clock && random.chance(20) {
            self.case.steps.push(Step::Clock { by_ms: random.range(1, 25) });
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
            9..14 if producer != 0 => {
                producers.retain(|other| *other != producer);
                Step::Close { input, producer }
            }
            14..20 if producer != 0 => {
                producers.retain(|other| *other != producer);
                Step::End { input, producer }
            }
            20..36 if producer != 0 => {
                let ahead = if random.chance(20) { 15 } else { 0 };
                let ts_ms = self.now[input] + random.range(-6, 4) + ahead;
                Step::Watermark { input, producer, ts_ms }
            }
            _ => {
                let count = *random.pick(&[1, 1, 2, 4, 8, 20]);
                let mut rows = Vec::new();
                for _ in 0..count {
                    self.now[input] += random.range(0, self.paces[input]);
                    rows.push(data::row(&self.case.inputs[input], self.now[input], random));
                }
                let batch_rows = *random.pick(&[1, 3, 7, 1000]);
                Step::Push { input, producer, rows, batch_rows }
            }
        };
        self.case.steps.push(step);
    }

    /// A key sends a last row, and others go on for longer than silence is waited for.
    fn silence_of_a_key(&mut self, input: usize, key: usize, timeout_ms: i64, random: &mut Random) {
        let producer = *random.pick(&self.producers[input]);
        let last = data::row(&self.case.inputs[input], self.now[input], random);
        let silent = last[key].clone();
        self.case.steps.push(Step::Push { input, producer, rows: vec![last], batch_rows: 1 });
        for _ in 0..3 {
            self.case.steps.push(Step::Clock { by_ms: timeout_ms / 2 + 1 });
            let mut rows = Vec::new();
            for _ in 0..random.range(1, 5) {
                self.now[input] += random.range(0, self.paces[input]) + 1;
                let row = data::row(&self.case.inputs[input], self.now[input], random);
                rows.extend(Some(row).filter(|row| row[key] != silent));
            }
            if !rows.is_empty() {
                self.case.steps.push(Step::Push { input, producer, rows, batch_rows: 3 });
            }
        }
    }

    fn change(&self, index: usize, random: &mut Random) -> Change {
        let input = &self.case.inputs[index];
        let about = self.now[index];
        let is_timed = input.time().is_some();
        let column = random.range(0, 2) as usize;
        // A condition on the time would hardly ever be true.
        let column = if is_timed && column == 1 { 2 } else { column };
        let value = data::row(input, about, random)[column].clone();
        match random.range(0, 10) {
            0..6 => {
                let count = *random.pick(&[1, 2, 6]);
                Change::Insert((0..count).map(|_| data::row(input, about, random)).collect())
            }
            6..8 => Change::Delete { column, value },
            _ if is_timed && random.chance(50) => {
                // A time that may be the largest so far.
                let to = Datum::Int(about + random.range(0, 12));
                Change::Update { set: 1, to, column, value }
            }
            _ => {
                let set = random.range(1, input.columns.len() as i64) as usize;
                let to = match is_timed {
                    true => data::row(input, about, random)[set].clone(),
                    false => Datum::random(input.columns[set].data_type, random),
                };
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
        let values = row.iter().zip(input.pushed()).map(|(value, c)| value.sql(c.data_type));
        format!("({})", values.collect::<Vec<_>>().join(", "))
    });
    format!("VALUES {}", rows.collect::<Vec<_>>().join(", "))
}
