//! `UNNEST` of lists and structs, against the batch answer.

use crate::row;
use crate::support::changing::Changing;
use crate::support::database::{content, execute, refused, started};
use crate::support::random::{Random, for_seeds};

#[test]
fn lists_become_rows_and_structs_columns() {
    let queries = [
        "SELECT id, unnest(make_array(v, o, v)) AS e FROM r",
        "SELECT id, unnest(CASE WHEN v > 0 THEN make_array(v) WHEN o > 0 THEN make_array() END) AS e
         FROM r",
        "SELECT id, unnest(make_array(v, o)) AS a, unnest(make_array(id)) AS b FROM r",
        "SELECT unnest(struct(id, k, v)) FROM r",
        "SELECT id, unnest(unnest(make_array(make_array(v, o), make_array(id)))) AS e FROM r",
        "SELECT id, unnest(unnest(CASE WHEN v > 0 THEN make_array(make_array(v), NULL, make_array(o, v))
            END)) + 1 AS e, unnest(make_array(o, v)) AS f, k FROM r",
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

/// By hand, over rows that come and go.
#[test]
fn lists_numbered_padded_and_in_subqueries() {
    let db = started(&[
        "CREATE TABLE t (id BIGINT PRIMARY KEY, a BIGINT[], b VARCHAR[])",
        "CREATE STREAM numbered AS SELECT id, e, n FROM t, UNNEST(a) WITH ORDINALITY AS u (e, n)",
        "CREATE STREAM both AS SELECT id, e, f, ordinality FROM t
             CROSS JOIN UNNEST(a, b) WITH ORDINALITY AS u (e, f)",
        "CREATE STREAM from_zero AS SELECT id, a.a AS e, i FROM t, UNNEST(t.a) AS a WITH OFFSET AS i",
        "CREATE STREAM padded AS SELECT id, e FROM t LEFT JOIN UNNEST(a) AS u (e) ON true",
        "CREATE STREAM some AS SELECT id, e FROM t LEFT JOIN UNNEST(a) AS u (e) ON e > id + 6",
        "CREATE STREAM named AS SELECT id, u.b AS e, u.a AS n FROM t, UNNEST(t.a) WITH ORDINALITY AS u (b, a)",
        "CREATE STREAM asked AS SELECT id, e FROM t JOIN UNNEST(a) AS u (e) ON e > id",
        "CREATE STREAM best AS SELECT id, (SELECT max(e) FROM UNNEST(a) AS u (e)) AS m FROM t",
        "CREATE STREAM has AS SELECT id FROM t WHERE 7 IN (SELECT unnest(a))",
        "CREATE STREAM large AS SELECT id FROM t WHERE EXISTS
             (SELECT 1 FROM UNNEST(a) AS u (e) WHERE e > 8)",
        "CREATE STREAM pairs AS SELECT id, e, f FROM t, UNNEST(a) AS u (e), UNNEST(b) AS w (f)",
        "CREATE STREAM series AS SELECT id, s.value AS v FROM t CROSS JOIN generate_series(id, 3) AS s",
    ]);
    execute(
        &db,
        "INSERT INTO t VALUES (1, [7, 9], ['x']), (2, [], ['y', 'z']), (3, NULL, NULL), (4, [NULL], [])",
    );
    let none = None::<i64>;
    let text = None::<&str>;
    assert_eq!(content(&db, "numbered"), vec![row![1, 7, 1], row![1, 9, 2], row![4, none, 1]]);
    assert_eq!(
        content(&db, "both"),
        vec![
            row![1, 7, "x", 1],
            row![1, 9, text, 2],
            row![2, none, "y", 1],
            row![2, none, "z", 2],
            row![4, none, text, 1]
        ]
    );
    assert_eq!(content(&db, "from_zero"), vec![row![1, 7, 0], row![1, 9, 1], row![4, none, 0]]);
    let padded = vec![row![1, 7], row![1, 9], row![2, none], row![3, none], row![4, none]];
    assert_eq!(content(&db, "padded"), padded);
    assert_eq!(content(&db, "asked"), vec![row![1, 7], row![1, 9]]);
    let some = vec![row![1, 9], row![2, none], row![3, none], row![4, none]];
    assert_eq!(content(&db, "some"), some);
    assert_eq!(content(&db, "named"), content(&db, "numbered"));
    assert_eq!(content(&db, "best"), vec![row![1, 9], row![2, none], row![3, none], row![4, none]]);
    assert_eq!((content(&db, "has"), content(&db, "large")), (vec![row![1]], vec![row![1]]));
    assert_eq!(content(&db, "pairs"), vec![row![1, 7, "x"], row![1, 9, "x"]]);
    let series = vec![row![1, 1], row![1, 2], row![1, 3], row![2, 2], row![2, 3], row![3, 3]];
    assert_eq!(content(&db, "series"), series);

    execute(&db, "UPDATE t SET a = [1, 7], b = ['x', 'y'] WHERE id = 2");
    execute(&db, "DELETE FROM t WHERE id IN (1, 4)");
    assert_eq!(content(&db, "numbered"), vec![row![2, 1, 1], row![2, 7, 2]]);
    assert_eq!(content(&db, "both"), vec![row![2, 1, "x", 1], row![2, 7, "y", 2]]);
    assert_eq!(content(&db, "padded"), vec![row![2, 1], row![2, 7], row![3, none]]);
    assert_eq!(content(&db, "asked"), vec![row![2, 7]]);
    assert_eq!(content(&db, "some"), vec![row![2, none], row![3, none]]);
    assert_eq!(content(&db, "best"), vec![row![2, 7], row![3, none]]);
    assert_eq!((content(&db, "has"), content(&db, "large")), (vec![row![2]], vec![]));
    let pairs = vec![row![2, 1, "x"], row![2, 1, "y"], row![2, 7, "x"], row![2, 7, "y"]];
    assert_eq!(content(&db, "pairs"), pairs);
}

#[test]
fn what_unnest_cannot_do_is_refused() {
    let db = started(&["CREATE SOURCE t (id BIGINT, a BIGINT[], w BIGINT[][])"]);
    for (query, word) in [
        ("SELECT sum(unnest(a)) AS s FROM t", "inside of an aggregate"),
        ("SELECT unnest(w) AS a, unnest(unnest(w)) AS b FROM t", "one list"),
    ] {
        let error = refused(&db, &format!("CREATE STREAM s AS {query}"));
        assert!(error.message().contains(word), "{query}: {error}");
    }
}
