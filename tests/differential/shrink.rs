//! [`shrink`]: makes a failing case small, by leaving out what it fails without.

use super::case::{Case, Change, Step};
use super::judge;

/// Attempts at most; each runs a case on both sides.
const MOST_ATTEMPTS: usize = 600;

/// The smallest case found that fails, and how it fails.
pub fn shrink(mut case: Case) -> (Case, String) {
    let mut message = match judge(&case) {
        Err(message) => message,
        Ok(_) => return (case, "failed once, and not again".to_string()),
    };
    let mut attempts = 0;
    loop {
        let mut is_smaller = false;
        let mut candidates = Candidates::new(&case);
        while let Some(candidate) = candidates.next(&case) {
            if attempts == MOST_ATTEMPTS {
                return (case, message);
            }
            attempts += 1;
            if let Err(failure) = judge(&candidate) {
                // A candidate must not fail because it makes no sense.
                if failure.contains("the oracle: ") != message.contains("the oracle: ") {
                    continue;
                }
                (case, message, is_smaller) = (candidate, failure, true);
                candidates = candidates.again(&case);
            }
        }
        if !is_smaller {
            return (case, message);
        }
    }
}

/// The ways to make a case smaller, from those that leave out most.
struct Candidates {
    chunk: usize,
    at: usize,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Steps,
    Rows,
    Queries,
}

impl Candidates {
    fn new(case: &Case) -> Self {
        Self { chunk: (case.steps.len() / 2).max(1), at: 0, phase: Phase::Steps }
    }

    /// Goes on where a smaller case was found.
    fn again(self, case: &Case) -> Self {
        Self { chunk: self.chunk.min(case.steps.len().max(1)), ..self }
    }

    fn next(&mut self, case: &Case) -> Option<Case> {
        loop {
            let candidate = match self.phase {
                Phase::Steps => self.without_steps(case),
                Phase::Rows => self.without_rows(case),
                Phase::Queries => self.with_simpler_query(case),
            };
            if candidate.is_some() {
                return candidate;
            }
            (self.phase, self.at) = match self.phase {
                Phase::Steps if self.chunk > 1 => {
                    self.chunk /= 2;
                    (Phase::Steps, 0)
                }
                Phase::Steps => (Phase::Rows, 0),
                Phase::Rows => (Phase::Queries, 0),
                Phase::Queries => return None,
            };
        }
    }

    fn without_steps(&mut self, case: &Case) -> Option<Case> {
        while self.at < case.steps.len() {
            let from = self.at;
            self.at += self.chunk;
            let mut candidate = case.clone();
            candidate.steps.drain(from..(from + self.chunk).min(case.steps.len()));
            if makes_sense(&candidate) {
                return Some(candidate);
            }
        }
        None
    }

    fn without_rows(&mut self, case: &Case) -> Option<Case> {
        loop {
            let mut candidate = case.clone();
            let rows = candidate.steps.iter_mut().filter_map(|step| match step {
                Step::Push { rows, .. } | Step::Change { change: Change::Insert(rows), .. } => {
                    Some(rows)
                }
                _ => None,
            });
            let mut index = self.at;
            self.at += 1;
            let mut found = None;
            for rows in rows {
                if index < rows.len() {
                    found = Some((rows, index));
                    break;
                }
                index -= rows.len();
            }
            let (rows, index) = found?;
            if rows.len() > 1 {
                rows.remove(index);
                return Some(candidate);
            }
        }
    }

    fn with_simpler_query(&mut self, case: &Case) -> Option<Case> {
        let mut index = self.at;
        self.at += 1;
        for (stream, of) in case.streams.iter().enumerate() {
            let is_there = case.steps.iter().any(|s| matches!(s, Step::Create(i) if *i == stream));
            // A query that others read keeps its columns.
            let is_read = case
                .streams
                .iter()
                .any(|other| other.query.inputs().iter().any(|input| input.name == of.name));
            if !is_there || is_read {
                continue;
            }
            let mut simpler = of.query.simpler();
            if index < simpler.len() {
                let mut candidate = case.clone();
                candidate.streams[stream].query = simpler.swap_remove(index);
                return Some(candidate);
            }
            index -= simpler.len();
        }
        None
    }
}

/// Whether every stream that is created finds the streams that it reads, and there is a start.
fn makes_sense(case: &Case) -> bool {
    let mut created: Vec<&str> = case.inputs.iter().map(|input| input.name.as_str()).collect();
    let mut opened = vec![0];
    let mut has_started = false;
    for step in &case.steps {
        match step {
            Step::Start => has_started = true,
            Step::Create(stream) => {
                let stream = &case.streams[*stream];
                let inputs = stream.query.inputs();
                if inputs.iter().any(|input| !created.contains(&input.name.as_str())) {
                    return false;
                }
                created.push(&stream.name);
            }
            Step::Drop(stream) => {
                let name = case.streams[*stream].name.as_str();
                if !created.contains(&name) {
                    return false;
                }
                created.retain(|other| *other != name);
            }
            Step::Subscribe(stream) if !created.contains(&case.streams[*stream].name.as_str()) => {
                return false;
            }
            Step::Open { producer, .. } => opened.push(*producer),
            Step::Push { producer, .. } if !opened.contains(producer) => return false,
            Step::Close { producer, .. }
            | Step::End { producer, .. }
            | Step::Watermark { producer, .. }
                if !opened.contains(producer) =>
            {
                return false;
            }
            _ => {}
        }
    }
    has_started
}
