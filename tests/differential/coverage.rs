//! [`Coverage`]: how often each construct was tested, and what the engine does not know yet.

use std::collections::BTreeMap;
use std::fmt;

use super::case::{Case, Step};
use super::driver::Observed;
use super::oracle::Expected;

#[derive(Debug, Default)]
pub struct Coverage {
    pub cases: usize,
    /// Contents that were compared, and those of them that had rows.
    pub contents: usize,
    pub contents_with_rows: usize,
    /// Streams by construct: tested, and refused as unsupported.
    pub constructs: BTreeMap<&'static str, (usize, usize)>,
    /// The sentences of what was refused.
    pub refusals: BTreeMap<String, usize>,
}

impl Coverage {
    pub fn add(&mut self, case: &Case, observed: &Observed, expected: &[Expected]) {
        self.cases += 1;
        self.contents += expected.len();
        self.contents_with_rows += expected.iter().filter(|e| !e.rows.is_empty()).count();
        for refusal in observed.unsupported.values() {
            *self.refusals.entry(refusal.clone()).or_default() += 1;
        }
        for step in &case.steps {
            let constructs = match step {
                Step::Create(stream) => {
                    let stream = &case.streams[*stream];
                    let is_known = !observed.unsupported.contains_key(&stream.name);
                    let mut constructs = stream.query.constructs();
                    constructs.extend(stream.is_view.then_some("MATERIALIZED VIEW"));
                    for construct in constructs {
                        self.count(construct, is_known);
                    }
                    continue;
                }
                Step::Change { input, .. } => {
                    let name = &case.inputs[*input].name;
                    ("change of a table", !observed.unsupported.contains_key(name))
                }
                Step::Open { .. } => ("one more producer", true),
                Step::Watermark { .. } => ("explicit watermark", true),
                _ => continue,
            };
            self.count(constructs.0, constructs.1);
        }
    }

    fn count(&mut self, construct: &'static str, is_known: bool) {
        let (known, refused) = self.constructs.entry(construct).or_default();
        *if is_known { known } else { refused } += 1;
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} cases, {} contents compared, {} of them with rows",
            self.cases, self.contents, self.contents_with_rows
        )?;
        writeln!(f, "{:<24} {:>8} {:>8}", "construct", "tested", "refused")?;
        for (construct, (known, refused)) in &self.constructs {
            writeln!(f, "{construct:<24} {known:>8} {refused:>8}")?;
        }
        for (refusal, count) in &self.refusals {
            writeln!(f, "refused {count} times: {refusal}")?;
        }
        Ok(())
    }
}
