use std::sync::Arc;
use std::time::Duration;

use arrow::array::*;
use arrow::util::pretty::pretty_format_batches;
use laminar_db::*;

fn rows(db: &LaminarDB, sql: &str) -> String {
    let mut query = match db.query_blocking(sql) {
        Ok(q) => q,
        Err(e) => return format!("ERR {e}"),
    };
    let mut out = vec![];
    loop {
        match query.next_blocking() {
            Ok(Some(b)) => out.push(b),
            Ok(None) => break,
            Err(e) => return format!("ERR {e}"),
        }
    }
    pretty_format_batches(&out).unwrap().to_string()
}

fn drain(sub: &mut Subscription) {
    loop {
        match sub.poll(Some(Duration::ZERO)).unwrap() {
            Polled::Batch(b) => println!("epoch {} weights {:?}\n{}", b.epoch, b.weights, pretty_format_batches(&[b.batch]).unwrap()),
            other => { println!("{other:?}"); break }
        }
    }
}

#[test]
fn smoke() {
    let db = LaminarDB::open().unwrap();
    for sql in [
        "CREATE SOURCE t (k VARCHAR NOT NULL, v DOUBLE, ts BIGINT NOT NULL, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)",
        "CREATE STREAM big AS SELECT k, v * 2 AS w FROM t WHERE v > 10",
        "CREATE STREAM agg AS SELECT k, count(*) AS n, sum(v) AS s, sum(v)/count(*) AS m, max(v) FROM t GROUP BY k",
        "CREATE STREAM agg_changes AS SELECT k, count(*) AS n FROM t GROUP BY k HAVING count(*) > 1 EMIT CHANGES",
        "CREATE STREAM win AS SELECT k, window_start, window_end, count(*) n, avg(v) a FROM t GROUP BY k, tumble(ts, INTERVAL '10' SECOND)",
        "CREATE STREAM hopw AS SELECT hop(ts, INTERVAL '5' SECOND, INTERVAL '10' SECOND) AS w, count(*) n FROM t GROUP BY 1",
        "CREATE STREAM winup AS SELECT k, window_start, count(*) n FROM t GROUP BY k, tumble(ts, INTERVAL '10' SECOND) EMIT CHANGES",
        "CREATE STREAM over AS SELECT tumble(window_end, INTERVAL '20' SECOND) w, sum(n) s FROM win GROUP BY tumble(window_end, INTERVAL '20' SECOND)",
        "CREATE STREAM total AS SELECT count(*) c, sum(n) s FROM agg",
        "CREATE SINK out FROM win",
    ] {
        if let Err(e) = db.execute_blocking(sql) { println!("{sql}\n  -> {e}"); }
    }
    let mut subs: Vec<_> = ["big", "agg", "agg_changes", "out", "hopw", "winup", "over", "total", "SELECT k, ts FROM t"]
        .iter().map(|n| (n, db.subscribe_with(n, SubscribeOptions::default()).map_err(|e| println!("{n}: {e}")).unwrap())).collect();
    let src = db.source_untyped("t").unwrap();
    let push = |rows: &[(&str, Option<f64>, i64)]| {
        let b = RecordBatch::try_new(src.schema(), vec![
            Arc::new(StringArray::from_iter_values(rows.iter().map(|r| r.0))),
            Arc::new(Float64Array::from_iter(rows.iter().map(|r| r.1))),
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.2))),
        ]).unwrap();
        println!("push -> {:?}", src.push_arrow(b));
    };
    push(&[("a", Some(5.0), 1000), ("b", Some(15.0), 2000), ("a", None, 12000)]);
    db.start().unwrap();
    push(&[("a", Some(50.0), 17000), ("b", Some(1.0), 3000), ("c", Some(20.), 30000)]);
    println!("{}", src.watermark(100_000).unwrap());
    for (n, s) in &mut subs { println!("== {n}"); drain(s); }
    for q in ["SELECT * FROM t", "SELECT * FROM agg ORDER BY k", "SELECT * FROM win", "SELECT * FROM winup", "SELECT * FROM total", "SHOW STREAMS", "SHOW SOURCES", "DESCRIBE win", "SELECT k, window_end, count(*) FROM t GROUP BY k, tumble(ts, INTERVAL '10' SECOND) ORDER BY 1,2", "EXPLAIN SELECT k, count(*) FROM t GROUP BY k", "SELECT * FROM nope", "SELECT nope FROM t", "DESCRIBE EXTENDED win"] {
        println!("-- {q}\n{}", rows(&db, q));
    }
}
