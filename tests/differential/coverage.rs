//! [`Coverage`]: how often each construct was tested, and what the engine does not know yet.

use std::collections::BTreeMap;
use std::fmt;

use super::case::{Case, Step};
use super::driver::Observed;
use super::oracle::Expected;
use super::schema::Input;

/// What a run of the first cases must have tested, each at least once.
const CONSTRUCTS: [&str; 192] = [
    "projection",
    "WHERE",
    "failing expression",
    "failing condition",
    "GROUP BY",
    "global aggregate",
    "HAVING",
    "DISTINCT",
    "FILTER",
    "ORDER BY in an aggregate",
    "ROLLUP",
    "CUBE",
    "GROUPING SETS",
    "grouping()",
    "count(*)",
    "count",
    "count(DISTINCT)",
    "sum",
    "sum(DISTINCT)",
    "avg",
    "min",
    "max",
    "stddev",
    "var_pop",
    "median",
    "percentile_cont",
    "first",
    "last",
    "nth_value",
    "string_agg",
    "bool_and",
    "bool_or",
    "bit_and",
    "bit_or",
    "bit_xor",
    "UNION ALL",
    "UNION ALL of event times",
    "UNION",
    "INTERSECT",
    "INTERSECT ALL",
    "EXCEPT",
    "EXCEPT ALL",
    "JOIN",
    "LEFT JOIN",
    "RIGHT JOIN",
    "FULL JOIN",
    "LEFT SEMI JOIN",
    "LEFT ANTI JOIN",
    "RIGHT SEMI JOIN",
    "RIGHT ANTI JOIN",
    "condition of a join",
    "self-join",
    "tumble",
    "hop",
    "cumulate",
    "session",
    "TUMBLE table function",
    "HOP table function",
    "CUMULATE table function",
    "SESSION table function",
    "final windows",
    "windows with corrections",
    "final sessions",
    "sessions with corrections",
    "window offset",
    "windows over windows or joins",
    "windows over several sources",
    "windows without WATERMARK FOR",
    "ALLOW LATENESS that waits",
    "ALLOW LATENESS that corrects",
    "interval JOIN",
    "interval LEFT JOIN",
    "interval RIGHT JOIN",
    "interval FULL JOIN",
    "interval LEFT SEMI JOIN",
    "interval LEFT ANTI JOIN",
    "interval join without keys",
    "interval join of windows",
    "join in time without WATERMARK FOR",
    "ASOF >=",
    "ASOF >",
    "ASOF <=",
    "ASOF <",
    "ASOF NEAREST",
    "FOR SYSTEM_TIME AS OF",
    "ASOF JOIN",
    "ASOF LEFT JOIN",
    "final ASOF",
    "ASOF with corrections",
    "ASOF without keys",
    "OVER",
    "aggregate OVER",
    "lag",
    "lead",
    "row_number",
    "rank",
    "dense_rank",
    "percent_rank, cume_dist",
    "ntile",
    "first, last, nth_value OVER",
    "IGNORE NULLS OVER",
    "moments OVER",
    "ROWS frame",
    "RANGE frame",
    "GROUPS frame",
    "OVER without PARTITION BY",
    "OVER changing rows",
    "ORDER BY LIMIT",
    "OFFSET",
    "row_number() <= n",
    "rank() <= n",
    "dense_rank() <= n",
    "DISTINCT ON",
    "top-N of added rows",
    "top-N of changing rows",
    "IN (SELECT)",
    "NOT IN (SELECT)",
    "EXISTS",
    "NOT EXISTS",
    "scalar subquery",
    "correlated scalar subquery",
    "correlated count",
    "comparison with a scalar subquery",
    "subquery correlated by a comparison",
    "EXISTS as a value",
    "ALL (SELECT)",
    "correlated NOT IN",
    "UNNEST",
    "UNNEST in FROM",
    "UNNEST WITH ORDINALITY",
    "EMIT by default",
    "EMIT ON UPDATE",
    "EMIT CHANGES",
    "EMIT EVERY",
    "LATE DATA TO",
    "EMIT ON WINDOW CLOSE",
    "MATERIALIZED VIEW",
    "over a stream",
    "over a table",
    "change of a table",
    "one more producer",
    "a producer less",
    "explicit watermark",
    "end of input",
    "idle producers",
    "late subscription",
    "projection of versions",
    "versions of a table",
    "versions of a changelog",
    "temporal JOIN",
    "temporal LEFT JOIN",
    "final versions",
    "versions with corrections",
    "lookup join",
    "FOR SYSTEM_TIME AS OF proctime()",
    "join with what is there LEFT",
    "condition of a join with what is there",
    "PROBE JOIN RANGE",
    "PROBE JOIN LIST",
    "TEMPORAL PROBE JOIN",
    "TEMPORAL PROBE LEFT JOIN",
    "final probes",
    "probes with corrections",
    "windows over a table",
    "windows over an updating stream",
    "final windows of changing rows",
    "windows of changing rows",
    "sessions of changing rows",
    "join in time with a table",
    "groups of an event time",
    "ASOF of changing rows",
    "window with ROLLUP",
    "window with CUBE",
    "window with GROUPING SETS",
    "rows of TUMBLE",
    "rows of HOP",
    "rows of CUMULATE",
    "rows of SESSION",
    "windows of changing rows as rows",
    "state_ttl of JOIN",
    "state_ttl of GROUP BY",
    "state_ttl of an outer JOIN",
    "state_ttl of a SEMI JOIN",
    "state_ttl of an ANTI JOIN",
    "watermark by key",
    "watermark_group",
    "idle sources beside others",
    "proctime()",
    "push into a table",
    "equal queries",
    "a part of an equal query",
    "DROP",
];

/// The constructs that a stream of a case has, with those of what it reads.
pub fn constructs_of(case: &Case, stream: usize) -> Vec<&'static str> {
    let stream = &case.streams[stream];
    let mut constructs = stream.query.constructs();
    constructs.extend(stream.is_view.then_some("MATERIALIZED VIEW"));
    constructs.push(stream.emit.construct());
    constructs.extend(stream.has_late_sink.then_some("LATE DATA TO"));
    let inputs = stream.query.inputs();
    let reads = |prefix: &str| inputs.iter().any(|i| i.name.starts_with(prefix));
    constructs.extend(reads("q").then_some("over a stream"));
    constructs.extend(reads("t").then_some("over a table"));
    let sources = inputs.iter().flat_map(|input| &input.sources);
    let of = |is: &dyn Fn(&Input) -> bool| sources.clone().any(|source| is(&case.inputs[*source]));
    constructs.extend(of(&|i| i.watermark_key.is_some()).then_some("watermark by key"));
    constructs.extend(of(&|i| i.has_group).then_some("watermark_group"));
    constructs.extend(of(&Input::is_of_the_clock).then_some("proctime()"));
    let idle = inputs.len() > 1 && inputs.iter().any(|input| input.may_be_idle);
    constructs.extend(idle.then_some("idle sources beside others"));
    constructs
}

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
                    let name = &case.streams[*stream].name;
                    let is_known = !observed.unsupported.contains_key(name);
                    for construct in constructs_of(case, *stream) {
                        self.count(construct, is_known);
                    }
                    continue;
                }
                Step::Change { input, .. } => {
                    let name = &case.inputs[*input].name;
                    ("change of a table", !observed.unsupported.contains_key(name))
                }
                Step::Push { input, .. } if case.inputs[*input].is_table() => {
                    ("push into a table", true)
                }
                Step::Open { .. } => ("one more producer", true),
                Step::Close { .. } => ("a producer less", true),
                Step::Watermark { .. } => ("explicit watermark", true),
                Step::End { .. } => ("end of input", true),
                Step::Clock { .. } => ("idle producers", true),
                Step::Subscribe(_) => ("late subscription", true),
                Step::Drop(_) => ("DROP", true),
                _ => continue,
            };
            self.count(constructs.0, constructs.1);
        }
    }

    /// The constructs that no stream had which the engine took.
    pub fn missing(&self) -> Vec<&'static str> {
        let is_tested =
            |construct: &&&str| self.constructs.get(**construct).is_some_and(|counts| counts.0 > 0);
        CONSTRUCTS.iter().filter(|construct| !is_tested(construct)).copied().collect()
    }

    /// Adds what others counted.
    pub fn merge(&mut self, other: Self) {
        self.cases += other.cases;
        self.contents += other.contents;
        self.contents_with_rows += other.contents_with_rows;
        for (construct, (known, refused)) in other.constructs {
            let counts = self.constructs.entry(construct).or_default();
            *counts = (counts.0 + known, counts.1 + refused);
        }
        for (refusal, count) in other.refusals {
            *self.refusals.entry(refusal).or_default() += count;
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
