//! How subscriptions begin: from an epoch on, under a condition, by the statement; and writers.
//! Expected rows follow from what was pushed, by hand.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use laminar_db::{
    ChangeBatch, Epoch, ErrorKind, LaminarDB, Polled, Result, SubscribeOptions, UntypedSource,
    UntypedSubscription, Writer,
};

use crate::row;
use crate::support::database::{batch, drain, execute, query, started, texts};
use crate::support::value::{Row, rows};

const SOURCE: &str = "CREATE SOURCE t (k VARCHAR NOT NULL, v BIGINT)";
const COUNTS: &str = "CREATE STREAM counts AS SELECT k, count(*) AS n FROM t GROUP BY k EMIT CHANGES \
     WITH (retain_history = 8)";
const BIG: &str = "CREATE STREAM big AS SELECT k, v FROM t WHERE v > 10";

fn pairs(source: &UntypedSource, values: &[(&str, i64)]) -> RecordBatch {
    let keys = texts(values.iter().map(|row| Some(row.0)));
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(values.iter().map(|row| row.1)));
    batch(source.schema(), vec![keys, numbers])
}

fn push(source: &UntypedSource, values: &[(&str, i64)]) -> Epoch {
    source.push_arrow(pairs(source, values)).unwrap()
}

fn from_epoch(db: &LaminarDB, target: &str, epoch: Epoch) -> Result<UntypedSubscription> {
    let options = SubscribeOptions { as_of_epoch: Some(epoch), ..SubscribeOptions::default() };
    db.subscribe_with(target, options)
}

/// The epoch, weights and rows of each change that waits.
fn changes(subscription: &mut UntypedSubscription) -> Vec<(Epoch, Vec<Row>)> {
    let change = |change: ChangeBatch| (change.epoch, rows(&[change.batch]));
    drain(subscription).into_iter().map(change).collect()
}

/// A consumer that comes back at any epoch gets what it would have got: over append-only and over
/// updating results, however rows were cut.
#[test]
fn a_consumer_that_comes_back_misses_nothing() {
    for cut in [1, 3, 40] {
        let db = started(&[SOURCE, BIG, &COUNTS.replace("= 8", "= 100000")]);
        let source = db.source_untyped("t").unwrap();
        let targets = ["big", "counts"];
        let mut whole: Vec<UntypedSubscription> = targets
            .iter()
            .map(|target| db.subscribe_with(target, SubscribeOptions::default()).unwrap())
            .collect();
        let values: Vec<(&str, i64)> =
            (0..120).map(|n| (["a", "b", "c"][n as usize % 3], n * 7 % 23)).collect();
        let epochs: Vec<Epoch> = values.chunks(cut).map(|part| push(&source, part)).collect();
        for (target, whole) in targets.iter().zip(&mut whole) {
            let all = changes(whole);
            assert!(all.len() > 1);
            let first = epochs[0] - 1;
            for epoch in std::iter::once(first).chain(epochs.iter().copied()).step_by(3) {
                let mut again = from_epoch(&db, target, epoch).unwrap();
                let expected = all.iter().filter(|(of, _)| *of > epoch).cloned();
                let expected: Vec<_> = expected.collect();
                assert_eq!(changes(&mut again), expected, "{target} after {epoch}, cut {cut}");
                // And it goes on.
                let next = push(&source, &[("a", 20)]);
                assert_eq!(changes(&mut again).iter().map(|of| of.0).collect::<Vec<_>>(), [next]);
                let last = changes(whole);
                assert_eq!(last.len(), 1);
                // What came now would be missed by the comparison above.
                if epoch != *epochs.last().unwrap() {
                    break;
                }
            }
        }
    }
}

#[test]
fn changes_are_kept_as_far_as_they_are_to_be() {
    let db = started(&[SOURCE, BIG, COUNTS, "CREATE STREAM sums AS SELECT sum(v) AS s FROM t"]);
    let source = db.source_untyped("t").unwrap();
    let before = push(&source, &[("a", 11)]);
    let epochs: Vec<Epoch> = (0..6).map(|n| push(&source, &[("a", 12 + n)])).collect();
    // 13 rows of changes, of which 8 are kept: those of the last four epochs.
    let error = from_epoch(&db, "counts", before).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::SubscriptionFailed);
    let oldest = format!("the oldest one to go on from is {}", epochs[1]);
    assert!(error.message().contains(&oldest), "{error}");
    let mut again = from_epoch(&db, "counts", epochs[1]).unwrap();
    let told = changes(&mut again);
    assert_eq!(told.len(), 4);
    assert_eq!(told[0], (epochs[2], vec![row!["a", 3, -1], row!["a", 4, 1]]));
    // The sums keep no changes, and say so.
    let error = from_epoch(&db, "sums", before).err().unwrap();
    assert!(error.message().contains("WITH (retain_history = rows)"), "{error}");
    let error = from_epoch(&db, "big", epochs[5] + 1).err().unwrap();
    assert!(error.message().contains("has not been yet"), "{error}");
    let options = SubscribeOptions {
        snapshot: Some(true),
        as_of_epoch: Some(before),
        ..SubscribeOptions::default()
    };
    assert!(db.subscribe_with("big", options).is_err());
}

#[test]
fn sources_and_queries_go_on_from_an_epoch() {
    let db = started(&[SOURCE, "CREATE SINK out FROM t"]);
    let source = db.source_untyped("t").unwrap();
    let first = push(&source, &[("a", 1), ("b", 20)]);
    push(&source, &[("c", 30)]);
    let rest = [row!["c", 30], row!["d", 40]];
    for target in ["t", "out", "SELECT * FROM t"] {
        let mut again = from_epoch(&db, target, first).unwrap();
        let told: Vec<Row> = changes(&mut again).into_iter().flat_map(|of| of.1).collect();
        assert_eq!(told, rest[..1], "{target}");
    }
    let mut again = from_epoch(&db, "SELECT * FROM t WHERE v < 35", first - 1).unwrap();
    push(&source, &[("d", 40), ("e", 34)]);
    let told: Vec<Row> = changes(&mut again).into_iter().flat_map(|of| of.1).collect();
    assert_eq!(told, [row!["a", 1], row!["b", 20], row!["c", 30], row!["e", 34]]);
    let error = from_epoch(&db, "SELECT count(*) FROM t", first).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn the_past_of_a_source_comes_epoch_by_epoch() {
    let db = started(&[SOURCE, "CREATE SINK out FROM t"]);
    let source = db.source_untyped("t").unwrap();
    let mut whole = db.subscribe_with("t", SubscribeOptions::default()).unwrap();
    let parts: [&[(&str, i64)]; 3] = [&[("a", 1), ("b", 20)], &[("c", 30)], &[("d", 40)]];
    let epochs = parts.map(|part| push(&source, part));
    let all = changes(&mut whole);
    assert_eq!(all.iter().map(|of| of.0).collect::<Vec<_>>(), epochs);
    let mut again = ["t", "out"].map(|target| from_epoch(&db, target, epochs[0]).unwrap());
    let next = push(&source, &[("e", 50)]);
    for again in &mut again {
        let told = changes(again);
        assert_eq!(told[..2], all[1..]);
        assert_eq!(told[2..], [(next, vec![row!["e", 50]])]);
    }
}

#[test]
fn a_condition_keeps_the_form_of_the_stream() {
    let db = started(&[SOURCE, COUNTS, BIG]);
    let source = db.source_untyped("t").unwrap();
    let options = |predicate: &str| SubscribeOptions {
        predicate: Some(predicate.to_string()),
        ..SubscribeOptions::default()
    };
    push(&source, &[("a", 1), ("b", 50)]);
    let mut twos = db.subscribe_with("counts", options("n = 2")).unwrap();
    let mut fifties = db.subscribe_with("big", options("v >= 50 OR k = 'z'")).unwrap();
    let mut of_source = db.subscribe_with("t", options("k = 'a'")).unwrap();
    push(&source, &[("a", 2), ("b", 51)]);
    push(&source, &[("a", 60)]);
    let told = |subscription: &mut UntypedSubscription| -> Vec<Row> {
        changes(subscription).into_iter().flat_map(|of| of.1).collect()
    };
    // Both counts come to be two, then that of a ceases to be.
    assert_eq!(told(&mut twos), [row!["a", 2, 1], row!["b", 2, 1], row!["a", 2, -1]]);
    assert_eq!(told(&mut fifties), [row!["b", 51], row!["a", 60]]);
    assert_eq!(told(&mut of_source), [row!["a", 2], row!["a", 60]]);
    for wrong in
        ["", "n = 2; DROP STREAM counts", "n = 2 WITH SNAPSHOT", "n = 2 AS OF EPOCH 1", "n ="]
    {
        let error = db.subscribe_with("counts", options(wrong)).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::SubscriptionFailed, "{wrong}: {error}");
    }
    assert!(db.subscribe_with("counts", options("no_column = 1")).is_err());
}

#[test]
fn the_statement_subscribes() {
    let db = started(&[SOURCE, BIG]);
    let source = db.source_untyped("t").unwrap();
    let first = push(&source, &[("a", 11), ("b", 12)]);
    push(&source, &[("a", 13)]);
    let told = |sql: &str| -> Vec<Row> {
        let mut subscription = db.subscribe_with(sql, SubscribeOptions::default()).unwrap();
        changes(&mut subscription).into_iter().flat_map(|of| of.1).collect()
    };
    assert_eq!(told("SUBSCRIBE big"), Vec::<Row>::new());
    assert_eq!(told("SUBSCRIBE big WITH SNAPSHOT").len(), 3);
    assert_eq!(
        told("SUBSCRIBE TO big WITH SNAPSHOT WHERE k = 'a'"),
        [row!["a", 11], row!["a", 13]]
    );
    assert_eq!(told(&format!("SUBSCRIBE big AS OF EPOCH {first}")), [row!["a", 13]]);
    let both = format!("SUBSCRIBE big WHERE k <> 'a' AS OF EPOCH {}", first - 1);
    assert_eq!(told(&both), [row!["b", 12]]);
    assert_eq!(told("SUBSCRIBE SELECT v FROM big").len(), 3);
}

#[test]
fn a_writer_gathers_batches_for_one_epoch() {
    let db = started(&[
        "CREATE SOURCE w (k VARCHAR NOT NULL, ts BIGINT, WATERMARK FOR ts AS ts)",
        "CREATE STREAM tens AS SELECT count(*) AS n FROM w \
         GROUP BY tumble(ts, INTERVAL '10' SECOND) EMIT ON WINDOW CLOSE",
    ]);
    let mut all = db.subscribe_with("SELECT k FROM w", SubscribeOptions::default()).unwrap();
    let mut tens = db.subscribe_with("tens", SubscribeOptions::default()).unwrap();
    let source = db.source_untyped("w").unwrap();
    let of = |values: &[(&str, i64)]| pairs(&source, values);
    let batches = [of(&[("a", 1)]), of(&[]), of(&[("b", 2), ("c", 3)])];
    let mut writer = Writer::new(db.source_untyped("w").unwrap());
    drop(source);
    for batch in batches {
        writer.append(batch).unwrap();
    }
    assert_eq!(writer.num_rows(), 3);
    assert!(drain(&mut all).is_empty());
    let epoch = writer.flush().unwrap().unwrap();
    let told = changes(&mut all);
    assert_eq!(told, [(epoch, vec![row!["a"], row!["b"], row!["c"]])]);
    assert_eq!(writer.flush().unwrap(), None);
    // What does not fit leaves the rest as it was.
    let times: ArrayRef = Arc::new(Int64Array::from(vec![None]));
    let nulls = batch(writer.schema(), vec![texts([Some("d")]), times]);
    let error = writer.append(nulls).unwrap_err();
    assert!(error.message().contains("row 0 has no value in column `ts`"), "{error}");
    writer.watermark(9_999).unwrap();
    assert_eq!(changes(&mut tens).into_iter().flat_map(|of| of.1).collect::<Vec<_>>(), [row![3]]);
    writer.close().unwrap();
    writer.close().unwrap();
    assert_eq!(writer.flush().unwrap_err().kind(), ErrorKind::WriterClosed);
    assert!(matches!(tens.poll(Some(std::time::Duration::ZERO)).unwrap(), Polled::Empty));
    execute(&db, "DROP STREAM tens");
    assert_eq!(query(&db, "SELECT count(*) FROM w"), [row![3]]);
}
