//! Sessions that a deletion ends: the frontier is past the end that a session has without its last
//! rows, and not past the one that it had with them. Chance hardly ever makes that.

use super::case::{Case, Change, Step, Stream, relation};
use super::data::{self, Datum, Row};
use super::query::{Emit, session};
use super::schema::{Input, Type};
use crate::support::random::Random;

/// Adds one to a case in which a table by a key declares a watermark.
pub fn add(case: &mut Case, random: &mut Random) {
    let table = case.inputs.iter().position(|input| input.is_table() && input.has_key());
    let Some((input, delay)) = table
        .and_then(|input| Some((input, case.inputs[input].delay()?)))
        .filter(|_| random.chance(40))
    else {
        return;
    };
    let gap = random.range(4, 9);
    let query = session::of_all(relation((input, &case.inputs[input]), &case.inputs), gap, random);
    let index = case.streams.len();
    let emit = query.emit().unwrap_or(Emit::Default);
    let name = format!("q{index}");
    case.streams.push(Stream { name, query, is_view: false, emit, has_late_sink: false });
    // What the database takes in by itself moves the watermark alone.
    for producer in open_producers(case, input) {
        case.steps.push(Step::Close { input, producer });
    }
    case.steps.push(Step::Create(index));

    let of = &case.inputs[input];
    let begin = latest(case, input) + 3 * gap;
    let last = begin + random.range(1, gap);
    let ahead = begin + gap + delay + random.range(0, 2);
    let rows: Vec<Row> = [begin, last, ahead]
        .iter()
        .zip(keys(of))
        .map(|(time, key)| row(of, *time, key, random))
        .collect();
    let deleted = |row: &Row| Change::Delete { column: 0, value: row[0].clone() };
    let changes = rows.iter().map(|row| Change::Insert(vec![row.clone()]));
    let changes: Vec<Change> = changes.chain([deleted(&rows[1]), deleted(&rows[2])]).collect();
    case.steps.extend(changes.into_iter().map(|change| Step::Change { input, change }));
    case.steps.push(Step::Check);
}

fn keys(of: &Input) -> [Datum; 3] {
    match of.columns[0].data_type {
        Type::Text => ["a", "b", "c"].map(Datum::Text),
        _ => [1, 2, 3].map(Datum::Int),
    }
}

fn row(of: &Input, time: i64, key: Datum, random: &mut Random) -> Row {
    let mut row = data::row(of, time, random);
    row[0] = key;
    row[1] = Datum::Int(time);
    row
}

fn open_producers(case: &Case, of: usize) -> Vec<usize> {
    let mut open = Vec::new();
    for step in &case.steps {
        match step {
            Step::Open { input, producer } if *input == of => open.push(*producer),
            Step::Close { input, producer } | Step::End { input, producer } if *input == of => {
                open.retain(|other| other != producer);
            }
            _ => {}
        }
    }
    open
}

/// The latest time that a table was given.
fn latest(case: &Case, of: usize) -> i64 {
    let time_of = |row: &Row| match row[1] {
        Datum::Int(time) => Some(time),
        _ => None,
    };
    let times =
        case.steps.iter().filter(|step| step.input() == Some(of)).flat_map(|step| match step {
            Step::Push { rows, .. } | Step::Change { change: Change::Insert(rows), .. } => {
                rows.iter().filter_map(time_of).collect()
            }
            Step::Change {
                change: Change::Update { set: 1, to: Datum::Int(time), .. }, ..
            } => {
                vec![*time]
            }
            Step::Watermark { ts_ms, .. } => vec![*ts_ms],
            _ => Vec::new(),
        });
    times.max().unwrap_or(0)
}
