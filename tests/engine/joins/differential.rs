//! Every kind of join, every kind of condition, every kind of input, against the batch answer
//! after every push.

use super::{Checked, SOURCES, SourceRow, UPDATING, random_row};
use crate::support::database::started;
use crate::support::random::{Random, for_seeds};

/// Joins that keep the columns of both sides, then those of one.
const BOTH: [&str; 4] = ["INNER", "LEFT", "RIGHT", "FULL"];
const ONE: [&str; 4] = ["LEFT SEMI", "LEFT ANTI", "RIGHT SEMI", "RIGHT ANTI"];

const CONDITIONS: [&str; 9] = [
    "l.k = r.k",
    "l.k = r.k AND l.v = r.v",
    "l.k = r.k AND l.v < r.v",
    "l.v < r.v",
    "l.k = r.v + 1",
    "l.k = r.k AND (l.v + r.v) % 2 = 0 AND l.v IS NOT NULL",
    "l.k IS NOT DISTINCT FROM r.k",
    "l.k = r.k OR l.v = r.v",
    "l.v > 2 AND r.k = l.k",
];

/// Append-only, with a unique key, without one; each with each, and with itself.
const INPUTS: [(&str, &str); 8] = [
    ("a", "b"),
    ("a", "cb"),
    ("ca", "b"),
    ("ca", "cb"),
    ("ua", "ca"),
    ("ua", "ua"),
    ("a", "a"),
    ("b", "ua"),
];

fn query(kind: &str, (left, right): (&str, &str), condition: &str) -> String {
    let columns = match kind {
        kind if BOTH.contains(&kind) => "l.k AS lk, l.v AS lv, l.s AS ls, r.k AS rk, r.v AS rv",
        "LEFT SEMI" | "LEFT ANTI" => "l.k, l.v, l.s",
        _ => "r.k, r.v, r.s",
    };
    format!("SELECT {columns} FROM {left} AS l {kind} JOIN {right} AS r ON {condition}")
}

/// Pushes random batches of at most `size` rows into either source, and checks after each.
fn run(checked: &mut Checked<'_>, random: &mut Random, size: i64, pushes: usize) {
    for _ in 0..pushes {
        let rows: Vec<SourceRow> =
            (0..random.range(1, size + 1)).map(|_| random_row(random)).collect();
        checked.push(random.range(0, 2) as usize, &rows);
        checked.check();
    }
    checked.check_no_dead_letters();
}

#[test]
fn every_join_is_the_batch_answer() {
    for_seeds(16, |seed| {
        let mut random = Random::new(seed);
        let db = started(&SOURCES);
        let mut checked = Checked::new(&db);
        UPDATING.iter().for_each(|(name, query)| checked.view(name, query));
        // The kinds in turn, so that few seeds have them all over every input.
        for index in 0..8 {
            let kind = [BOTH, ONE].as_flattened()[index];
            let inputs = INPUTS[(index + seed as usize) % INPUTS.len()];
            let condition: &str = random.pick::<&str>(&CONDITIONS);
            checked.stream(&query(kind, inputs, condition), None);
        }
        let (size, pushes) = *random.pick(&[(1, 25), (7, 14), (60, 5), (1_000, 2)]);
        run(&mut checked, &mut random, size, pushes);
    });
}

#[test]
fn joins_of_joins_are_the_batch_answer() {
    for_seeds(3, |seed| {
        let mut random = Random::new(seed);
        let db = started(&SOURCES);
        let mut checked = Checked::new(&db);
        UPDATING.iter().for_each(|(name, query)| checked.view(name, query));
        for query in [
            "SELECT k, l.v AS lv, r.v AS rv FROM a AS l JOIN b AS r USING (k)",
            "SELECT l.k AS lk, r.k AS rk, l.v AS lv, r.v AS rv FROM ca AS l FULL JOIN cb AS r USING (k)",
            "SELECT * FROM a NATURAL JOIN (SELECT k, v AS w FROM b) AS c",
            "SELECT a.k, a.v, cb.v AS w, ca.v AS x FROM a LEFT JOIN cb ON a.k = cb.k
             LEFT JOIN ca ON ca.k = cb.v",
            "SELECT a.k, r.w FROM a LEFT JOIN (SELECT cb.k, ua.v AS w FROM cb
             JOIN ua ON cb.v = ua.k) AS r ON a.k = r.k",
            "SELECT x.k, y.v, z.s FROM ca AS x, cb AS y, b AS z
             WHERE x.k = y.k AND y.k = z.k AND x.v + y.v > z.v",
            // The middle relation has no condition with the first.
            "SELECT x.k, y.v, z.s FROM ca AS x, cb AS y, b AS z WHERE z.k = x.k AND z.v = y.v",
            "SELECT x.k, y.v FROM a AS x CROSS JOIN cb AS y WHERE
             (x.k = y.k AND x.v = 1) OR (x.v > 2 AND x.k = y.k)",
            "SELECT x.v AS v, y.s AS s FROM ca AS x CROSS JOIN cb AS y",
            "SELECT count(*) AS n FROM a CROSS JOIN cb",
            "SELECT count(*) AS n FROM a CROSS JOIN b",
            "SELECT count(*) AS n FROM a LEFT SEMI JOIN b ON true",
            "SELECT a.k, a.v FROM a CROSS JOIN (SELECT 1 AS one FROM b) AS r",
            "SELECT l.k, count(r.v) AS n, sum(r.v) AS total FROM a AS l LEFT JOIN b AS r
             ON l.k = r.k GROUP BY l.k HAVING count(r.v) <> 2",
            "SELECT t.n, ca.k FROM (SELECT count(*) AS n FROM b) AS t FULL JOIN ca ON ca.v = t.n",
            "SELECT l.v, r.v AS w FROM (SELECT v FROM ca) AS l JOIN (SELECT v FROM cb) AS r
             ON l.v <> r.v",
            "SELECT 1 AS one FROM ua AS l LEFT JOIN (SELECT s FROM cb) AS r ON true",
            "SELECT a.k, r.s FROM a LEFT JOIN (SELECT s FROM b WHERE s IS NULL) AS r ON a.k > 3",
        ] {
            checked.stream(query, None);
        }
        let (size, pushes) = *random.pick(&[(1, 20), (7, 12), (40, 5)]);
        run(&mut checked, &mut random, size, pushes);
    });
}
