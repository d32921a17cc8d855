//! Delay rankings per airport and day over real flights, against the batch answer after each of
//! several pushes.

use arrow::array::RecordBatch;
use arrow::compute::{cast, concat_batches};

use crate::support::database::{batch, batches, content, execute, started, subscribe};
use crate::support::oracle::Oracle;
use crate::support::replay::Replay;
use crate::support::value::assert_same;

const QUERIES: [(&str, &str); 5] = [
    (
        "worst",
        "SELECT origin, day, carrier, flight, dep_delay, n FROM (SELECT *, row_number() OVER
            (PARTITION BY origin, day ORDER BY dep_delay DESC, sched, carrier, flight) AS n
            FROM f) AS q WHERE n <= 3",
    ),
    (
        "carriers",
        "SELECT origin, day, carrier, mean, rank() OVER (PARTITION BY origin, day ORDER BY mean DESC)
            AS place FROM (SELECT origin, day, carrier, avg(dep_delay) AS mean FROM f
            GROUP BY origin, day, carrier) AS q",
    ),
    (
        "above",
        "SELECT carrier, origin, flight, dep_delay FROM f WHERE day = DATE '2013-01-02'
            AND dep_delay > 3 * (SELECT avg(g.dep_delay) FROM f AS g WHERE g.origin = f.origin
            AND g.day = f.day AND g.dep_delay > 0)",
    ),
    (
        "punctual",
        "SELECT DISTINCT carrier FROM f WHERE NOT EXISTS (SELECT 1 FROM f AS g
            WHERE g.carrier = f.carrier AND g.dep_delay > 120)",
    ),
    (
        "steps",
        "SELECT origin, day, sched, carrier, flight, dep_delay - lag(dep_delay) OVER w AS step,
            avg(dep_delay) OVER (PARTITION BY origin, day ORDER BY sched, carrier, flight
                ROWS BETWEEN 9 PRECEDING AND CURRENT ROW) AS recent FROM f
            WINDOW w AS (PARTITION BY origin, day ORDER BY sched, carrier, flight)",
    ),
];

/// The first flights of the year that left, by their rows.
fn flights(db: &laminar_db::LaminarDB, rows: usize) -> RecordBatch {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/demo/data/flights.parquet");
    let read = batches(
        db,
        &format!(
            "SELECT origin, carrier, flight, dep_delay, CAST(ts AS DATE) AS day,
                CAST(sched_ts AS BIGINT) AS sched FROM '{file}'
                WHERE dep_delay IS NOT NULL LIMIT {rows}"
        ),
    );
    let all = concat_batches(&read[0].schema(), &read).unwrap();
    assert_eq!(all.num_rows(), rows);
    let schema = db.source_untyped("f").unwrap().schema();
    let columns = all.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| cast(column, field.data_type()).unwrap());
    batch(schema.clone(), columns.collect())
}

#[test]
fn delays_are_ranked_per_airport_and_day() {
    let db =
        started(&["CREATE SOURCE f (origin VARCHAR, carrier VARCHAR, flight INT, dep_delay INT,
        day DATE, sched BIGINT)"]);
    let mut streams = Vec::new();
    for (name, query) in QUERIES {
        execute(&db, &format!("CREATE STREAM {name} AS {query} EMIT CHANGES"));
        streams.push((name, query, subscribe(&db, name), Replay::default()));
    }
    let all = flights(&db, 6_000);
    let source = db.source_untyped("f").unwrap();
    let oracle = Oracle::new();
    let mut end = 0;
    for rows in [1, 7, 992, 1_000, 4_000] {
        source.push_arrow(all.slice(end, rows)).unwrap();
        end += rows;
        oracle.table("f", all.schema(), vec![all.slice(0, end)]);
        for (name, query, subscription, replay) in &mut streams {
            let got = content(&db, name);
            assert_same(&format!("{name} after {end} flights"), &got, &oracle.rows(query), 1e-9);
            replay.drain(subscription);
            assert_eq!(replay.content(), got, "what {name} told adds up");
        }
    }
}
