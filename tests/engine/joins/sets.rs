//! `INTERSECT`, `EXCEPT`, their multiset forms, and `DISTINCT`.

use super::{Checked, SOURCES, SourceRow, UPDATING, random_row};
use crate::row;
use crate::support::database::{content, drain_rows, execute, refused, started, subscribe};
use crate::support::random::{Random, for_seeds};

/// A multiset operation as DataFusion has it: the n-th copy of a row is a row of its own.
fn numbered(operation: &str, left: &str, right: &str) -> String {
    let copies = |relation: &str| {
        format!(
            "SELECT k, v, row_number() OVER (PARTITION BY k, v ORDER BY k) AS copy FROM {relation}"
        )
    };
    format!("SELECT k, v FROM ({} {operation} {})", copies(left), copies(right))
}

#[test]
fn set_operations_are_the_batch_answer() {
    for_seeds(4, |seed| {
        let mut random = Random::new(seed);
        let db = started(&SOURCES);
        let mut checked = Checked::new(&db);
        UPDATING.iter().for_each(|(name, query)| checked.view(name, query));
        for (left, right) in [("a", "b"), ("a", "ua"), ("ua", "ca"), ("cb", "b")] {
            for operation in ["INTERSECT", "EXCEPT"] {
                let plain = format!("SELECT k, v FROM {left} {operation} SELECT k, v FROM {right}");
                checked.stream(&plain, None);
                let all =
                    format!("SELECT k, v FROM {left} {operation} ALL SELECT k, v FROM {right}");
                checked.stream(&all, Some(&numbered(operation, left, right)));
            }
        }
        checked.stream("SELECT DISTINCT k, v FROM ua", None);
        checked.stream("SELECT DISTINCT k FROM a", None);
        checked.stream("SELECT k FROM ca UNION SELECT v FROM ua", None);
        checked.stream("SELECT k FROM a INTERSECT SELECT v FROM b EXCEPT SELECT v FROM ua", None);
        let (size, pushes) = *random.pick(&[(1, 20), (7, 10), (50, 4)]);
        for _ in 0..pushes {
            let count = random.range(1, size + 1);
            let rows: Vec<SourceRow> = (0..count).map(|_| random_row(&mut random)).collect();
            checked.push(random.range(0, 2) as usize, &rows);
            checked.check();
        }
        checked.check_no_dead_letters();
    });
}

#[test]
fn copies_of_a_row_are_counted() {
    let db = started(&SOURCES);
    execute(&db, "CREATE STREAM both AS SELECT k FROM a INTERSECT ALL SELECT k FROM b");
    execute(&db, "CREATE STREAM more AS SELECT k FROM a EXCEPT ALL SELECT k FROM b");
    let (mut both, mut more) = (subscribe(&db, "both"), subscribe(&db, "more"));
    let row: SourceRow = (Some(1), None, None);
    super::push(&db, "a", &[row, row, row]);
    super::push(&db, "b", &[row, row]);
    assert_eq!(content(&db, "both"), vec![row![1], row![1]]);
    assert_eq!(drain_rows(&mut both), vec![row![1], row![1]]);
    assert_eq!(content(&db, "more"), vec![row![1]]);
    let (came, ceased) = (row![1, 1], row![1, -1]);
    assert_eq!(drain_rows(&mut more), [vec![came; 3], vec![ceased; 2]].concat());
    super::push(&db, "b", &[row, row]);
    assert_eq!(content(&db, "both"), vec![row![1], row![1], row![1]]);
    assert_eq!(drain_rows(&mut both), vec![row![1]]);
    assert_eq!(content(&db, "more"), Vec::<crate::support::value::Row>::new());
    assert_eq!(drain_rows(&mut more), vec![row![1, -1]]);
}

#[test]
fn multisets_of_different_types_are_refused() {
    let db = started(&SOURCES);
    let error = refused(
        &db,
        "CREATE STREAM x AS SELECT CAST(k AS INT) AS k FROM a EXCEPT ALL SELECT k FROM b",
    );
    assert!(error.to_string().contains("EXCEPT ALL of columns of different types"), "{error}");
}
