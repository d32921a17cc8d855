//! Streams that have a query which another one has as well, made at once or later, and streams that
//! are dropped while the other goes on: what several streams use must be right for each.

use std::sync::Arc;

use super::case::{Case, Step, Stream};
use super::query::twin::Twin;
use crate::support::random::Random;

/// Twins in a case, at most.
const MOST: i64 = 4;

/// Adds twins of the streams of a case, and drops.
pub fn add(case: &mut Case, random: &mut Random) {
    let originals = case.streams.len();
    if originals == 0 || random.chance(35) {
        return;
    }
    for _ in 0..random.range(1, MOST) {
        let of = random.range(0, originals as i64) as usize;
        add_twin(case, of, random);
        if random.chance(50) {
            // Either of the two goes, and perhaps another one comes.
            let newest = case.streams.len() - 1;
            let gone = if random.chance(50) { of } else { newest };
            add_drop(case, gone, newest, random);
            if random.chance(40) {
                add_twin(case, of, random);
            }
        }
    }
}

/// Adds a stream with the query of another one, after that is made.
fn add_twin(case: &mut Case, of: usize, random: &mut Random) {
    let Some(made) = creation(case, of) else { return };
    let original = &case.streams[of];
    let query = Arc::new(Twin { of: original.query.clone(), has_more: random.chance(50) });
    let index = case.streams.len();
    case.streams.push(Stream {
        name: format!("q{index}"),
        query,
        is_view: original.is_view,
        emit: original.emit,
        has_late_sink: false,
    });
    let at = match random.chance(40) {
        true => made + 1,
        false => later(case, made, random),
    };
    case.steps.insert(at, Step::Create(index));
}

/// Drops a stream that nobody reads, after it and another one are made and all that is told of it.
fn add_drop(case: &mut Case, stream: usize, other: usize, random: &mut Random) {
    let name = &case.streams[stream].name;
    let reads = |of: &Stream| of.query.inputs().iter().any(|input| input.name == *name);
    let is_dropped = case.steps.iter().any(|step| matches!(step, Step::Drop(i) if *i == stream));
    let told = |step: &Step| matches!(step, Step::Subscribe(index) if *index == stream);
    let told = case.steps.iter().rposition(told);
    let made = creation(case, stream).max(creation(case, other)).max(told);
    if let Some(made) = made.filter(|_| !is_dropped && !case.streams.iter().any(reads)) {
        let at = later(case, made, random);
        case.steps.insert(at, Step::Drop(stream));
    }
}

fn creation(case: &Case, stream: usize) -> Option<usize> {
    case.steps.iter().position(|step| matches!(step, Step::Create(index) if *index == stream))
}

/// A place behind a step and not behind the last one, which is a check.
fn later(case: &Case, step: usize, random: &mut Random) -> usize {
    random.range(step as i64 + 1, case.steps.len() as i64) as usize
}
