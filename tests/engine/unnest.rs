//! `UNNEST` of lists and structs, against the batch answer.

use crate::row;
use crate::support::changing::Changing;
use crate::support::database::{content, execute, started};
use crate::support::random::{Random, for_seeds};

#[test]
fn lists_become_rows_and_structs_columns() {
    let queries = [
        "SELECT id, unnest(make_array(v, o, v)) AS e FROM r",
        "SELECT id, unnest(CASE WHEN v > 0 THEN make_array(v) WHEN o > 0 THEN make_array() END) AS e
         FROM r",
        "SELECT id, unnest(make_array(v, o)) AS a, unnest(make_array(id)) AS b FROM r",
        "SELECT unnest(struct(id, k, v)) FROM r",
        "SELECT e, count(*) AS n FROM (SELECT unnest(make_array(v, o)) AS e FROM r) AS q GROUP BY e",
        "SELECT id, e FROM (SELECT id, unnest(make_array(v, o)) AS e FROM r) AS q WHERE e > 3",
    ];
    for_seeds(3, |seed| {
        let mut changing = Changing::new(&queries);
        let mut random = Random::new(seed);
        for _ in 0..8 {
            changing.push(&mut random, 6);
            changing.check();
        }
    });
}

#[test]
fn a_list_in_from() {
    let db = started(&[
        "CREATE SOURCE t (id BIGINT, tags BIGINT[])",
        "CREATE STREAM s AS SELECT t.id, tag FROM t CROSS JOIN UNNEST(t.tags) AS l(tag)",
        "CREATE STREAM n AS SELECT tag, count(*) AS n FROM t, LATERAL UNNEST(tags) AS l(tag)
             GROUP BY tag",
    ]);
    execute(&db, "INSERT INTO t VALUES (1, [10, 20]), (2, []), (3, NULL), (4, [20, NULL])");
    let expected = vec![row![1, 10], row![1, 20], row![4, None::<i64>], row![4, 20]];
    assert_eq!(content(&db, "s"), expected);
    assert_eq!(content(&db, "n"), vec![row![None::<i64>, 1], row![10, 1], row![20, 2]]);
}
