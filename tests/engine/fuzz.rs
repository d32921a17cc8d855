//! SQL text that nobody wrote: whatever it says, the database answers and does not panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

use laminar_db::{ExecuteResult, LaminarDB};
use laminar_tests::differential::case::Case;
use laminar_tests::support::random::Random;

/// Mutated statements.
const STATEMENTS: u64 = 1_500;

const WORDS: [&str; 24] = [
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "(",
    ")",
    ",",
    "'",
    "\"",
    "tumble",
    "NULL",
    "*",
    "-",
    "/",
    "INTERVAL",
    "EMIT CHANGES",
    "JOIN",
    "99999999999999999999",
    "0",
    "''",
    "CASE",
    ";",
    "é",
    "AS",
];

#[test]
fn mutated_statements_never_panic() {
    for seed in 0..STATEMENTS / 30 {
        let random = &mut Random::new(seed);
        let case = Case::random(seed);
        let db = LaminarDB::open().unwrap();
        db.start_blocking().unwrap();
        let mut statements: Vec<String> = case.inputs.iter().map(|input| input.create()).collect();
        statements.extend(case.streams.iter().map(|stream| stream.create()));
        for sql in &statements {
            // What others read has to be there.
            let _ = db.execute_blocking(sql);
        }
        for _ in 0..30 {
            let statement: &String = random.pick(&statements);
            let sql = mutated(statement, random);
            let result = catch_unwind(AssertUnwindSafe(|| {
                if let Ok(ExecuteResult::Rows(mut query)) = db.execute_blocking(&sql) {
                    while let Ok(Some(_)) = query.next_blocking() {}
                }
            }));
            assert!(result.is_ok(), "seed {seed}: a panic at\n{sql}");
        }
    }
}

/// The text with some of its words left out, doubled, moved or replaced, or some characters cut.
fn mutated(sql: &str, random: &mut Random) -> String {
    let mut words: Vec<String> = sql.split_inclusive(' ').map(str::to_string).collect();
    for _ in 0..random.range(1, 4) {
        let at = random.range(0, words.len() as i64) as usize;
        match random.range(0, 5) {
            0 if words.len() > 1 => {
                words.remove(at);
            }
            1 => words.insert(at, words[at].clone()),
            2 => {
                let other = random.range(0, words.len() as i64) as usize;
                words.swap(at, other);
            }
            3 => words[at] = format!("{} ", random.pick(&WORDS)),
            _ => words[at] = words[at].chars().skip(1).collect(),
        }
    }
    words.concat()
}
