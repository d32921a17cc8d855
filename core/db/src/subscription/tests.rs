//! Subscriptions over rings that the tests fill.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use arrow::array::{AsArray, Int64Array};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use laminar_types::WaitStrategy;
use laminar_types::error::code;

use super::*;
use crate::admission::Admission;
use crate::clock::Clock;
use crate::engine::SourceId;
use crate::ring::{Form, Policy};
use crate::source::Rules;
use crate::token::Token;

const NOW: Option<Duration> = Some(Duration::ZERO);
const SOON: Option<Duration> = Some(Duration::from_millis(20));

fn schema(names: &[&str]) -> SchemaRef {
    let fields = names.iter().map(|name| Field::new(*name, DataType::Int64, true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn rows(values: &[i64]) -> RecordBatch {
    RecordBatch::try_new(schema(&["x"]), vec![Arc::new(Int64Array::from(values.to_vec()))]).unwrap()
}

fn insert(epoch: Epoch, values: &[i64]) -> ChangeBatch {
    ChangeBatch { batch: rows(values), weights: None, epoch }
}

fn change(epoch: Epoch, values: &[(i64, i64)]) -> ChangeBatch {
    let (values, weights): (Vec<i64>, Vec<i64>) = values.iter().copied().unzip();
    ChangeBatch { batch: rows(&values), weights: Some(weights.into()), epoch }
}

fn options(policy: Policy, capacity: usize) -> RingOptions {
    RingOptions {
        sink: None,
        schema: schema(&["x"]),
        form: Form::Plain,
        policy,
        capacity,
        strategy: WaitStrategy::default(),
    }
}

fn pair(policy: Policy, capacity: usize) -> (RingWriter, UntypedSubscription) {
    UntypedSubscription::new(options(policy, capacity), None)
}

/// The next answer in words, for comparing.
fn next(subscription: &mut UntypedSubscription) -> String {
    match subscription.poll(NOW) {
        Ok(Polled::Batch(ChangeBatch { batch, weights, epoch })) => {
            let columns = batch.columns().iter();
            let columns: Vec<_> =
                columns.map(|column| column.as_primitive::<Int64Type>().values()).collect();
            let columns: Vec<&[i64]> = columns.into_iter().map(|values| &**values).collect();
            match weights {
                None => format!("{epoch}: {columns:?}"),
                Some(weights) => format!("{epoch}: {columns:?} by {:?}", &*weights),
            }
        }
        Ok(Polled::Lagged(rows)) => format!("lagged {rows}"),
        Ok(other) => format!("{other:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn changes_come_in_order_with_their_epochs() {
    let (writer, mut subscription) = pair(Policy::Append, 100);
    assert_eq!(subscription.schema(), schema(&["x"]));
    assert_eq!(next(&mut subscription), "Empty");
    assert!(matches!(subscription.poll(SOON), Ok(Polled::Empty)));
    writer.publish(insert(3, &[1, 2]));
    writer.publish(insert(4, &[]));
    writer.publish(insert(5, &[3]));
    assert_eq!(writer.queued_rows(), 3);
    assert_eq!(next(&mut subscription), "3: [[1, 2]]");
    assert_eq!(next(&mut subscription), "5: [[3]]");
    assert_eq!(next(&mut subscription), "Empty");
}

#[test]
fn a_full_append_only_ring_forgets_the_oldest_epochs_and_says_so() {
    let (writer, mut subscription) = pair(Policy::Append, 4);
    for epoch in 1..=6 {
        writer.publish(insert(epoch, &[epoch as i64]));
    }
    assert_eq!(next(&mut subscription), "lagged 2");
    assert_eq!(next(&mut subscription), "3: [[3]]");
    writer.publish(insert(7, &[7]));
    writer.publish(insert(8, &[8]));
    writer.publish(insert(8, &[8]));
    assert_eq!(next(&mut subscription), "lagged 2");
    // Epoch 9 is larger than the ring, in two batches, and alone overshoots.
    writer.publish(insert(9, &[9; 3]));
    writer.publish(insert(9, &[9; 3]));
    assert_eq!(next(&mut subscription), "lagged 4");
    assert_eq!(next(&mut subscription), "9: [[9, 9, 9]]");
    assert_eq!(next(&mut subscription), "9: [[9, 9, 9]]");
    assert_eq!(next(&mut subscription), "Empty");
    assert_eq!(subscription.handle().missed_rows(), 8);
}

#[test]
fn an_epoch_is_forgotten_as_a_whole() {
    let (writer, mut subscription) = pair(Policy::DropOldest, 4);
    for epoch in [1, 1, 1, 2, 3] {
        writer.publish(insert(epoch, &[epoch as i64]));
    }
    assert_eq!(next(&mut subscription), "2: [[2]]");
    assert_eq!(writer.missed_rows(), 3);
}

#[test]
fn an_updating_ring_merges_what_is_queued() {
    let (writer, mut subscription) = pair(Policy::Updating, 4);
    writer.publish(insert(1, &[0]));
    for epoch in 1..=8 {
        let step = epoch as i64;
        writer.publish(change(epoch, &[(step - 1, -1), (step, 1)]));
    }
    assert_eq!(next(&mut subscription), "8: [[8]] by [1]");
    assert_eq!(next(&mut subscription), "Empty");
    // What cancels leaves nothing.
    writer.publish(insert(10, &[1, 2, 3]));
    writer.publish(change(11, &[(1, -1), (2, -1), (3, -1)]));
    assert_eq!(next(&mut subscription), "Empty");
}

#[test]
fn an_updating_ring_that_cannot_be_merged_starts_again() {
    let content = |ring: &Ring| {
        let content = [(rows(&[1, 2, 3]), None), (rows(&[4]), Some(vec![2].into()))];
        ring.publish_snapshot(7, content);
        Ok(())
    };
    let options = options(Policy::Updating, 2);
    let (writer, mut subscription) = UntypedSubscription::new(options, Some(Box::new(content)));
    for epoch in 1..=4 {
        writer.publish(insert(epoch, &[epoch as i64]));
    }
    assert!(writer.needs_snapshot());
    assert_eq!(writer.queued_rows(), 0);
    assert_eq!(next(&mut subscription), "Reset");
    writer.publish(insert(6, &[4]));
    assert_eq!(next(&mut subscription), "7: [[1, 2, 3, 4]] by [1, 1, 1, 2]");
    writer.publish(insert(8, &[5]));
    assert_eq!(next(&mut subscription), "8: [[5]]");
    assert_eq!(next(&mut subscription), "Empty");
}

#[test]
fn content_that_is_empty_is_a_batch_without_rows() {
    let (writer, mut subscription) = pair(Policy::Updating, 1);
    writer.publish(insert(1, &[1]));
    writer.publish(insert(2, &[2]));
    assert_eq!(next(&mut subscription), "Reset");
    assert!(next(&mut subscription).contains("LDB-9001"), "there is no provider");
    writer.publish_snapshot(5, []);
    assert_eq!(next(&mut subscription), "5: [[]]");
    assert_eq!(next(&mut subscription), "Empty");
    // A ring that overflowed and ended has nothing left to say.
    writer.publish(insert(6, &[1]));
    writer.publish(insert(7, &[2]));
    writer.close();
    assert_eq!(next(&mut subscription), "End");
}

#[test]
fn a_first_snapshot_is_not_counted_and_comes_first() {
    let (writer, mut subscription) = pair(Policy::Append, 1);
    writer.publish_snapshot(3, [(rows(&[1, 2]), None), (rows(&[3]), None)]);
    writer.publish(insert(4, &[4]));
    writer.publish(insert(5, &[5]));
    for answer in ["3: [[1, 2]]", "3: [[3]]", "lagged 1", "5: [[5]]", "Empty"] {
        assert_eq!(next(&mut subscription), answer);
    }
}

/// Whatever is merged, forgotten and started again, the consumer ends with the content.
#[test]
fn an_updating_subscriber_always_arrives_at_the_content() {
    struct Core {
        epoch: Epoch,
        content: BTreeMap<i64, i64>,
    }
    let snapshot = |core: &Core| {
        let (values, weights): (Vec<i64>, Vec<i64>) =
            core.content.iter().map(|(&value, &weight)| (value, weight)).unzip();
        (core.epoch, [(rows(&values), Some(weights.into()))])
    };
    for seed in 1..=8_u64 {
        let core = Core { epoch: 0, content: BTreeMap::new() };
        let token = Arc::new(Token::new(core, WaitStrategy::SpinYield(10)));
        let provider = {
            let token = Arc::clone(&token);
            move |ring: &Ring| {
                token.run(|core| {
                    let (epoch, content) = snapshot(core);
                    ring.publish_snapshot(epoch, content);
                })
            }
        };
        let capacity = 1 << (seed % 4 + 2);
        let (writer, mut subscription) =
            UntypedSubscription::new(options(Policy::Updating, capacity), Some(Box::new(provider)));
        let engine = Arc::clone(&token);
        let producer = thread::spawn(move || {
            let mut random = seed;
            for _ in 0..3_000 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let (value, keys) = ((random >> 40) as i64, 3 + 20 * (seed as i64 % 3));
                let publish = |core: &mut Core| {
                    core.epoch += 1;
                    let value = value % keys;
                    let weight = if core.content.contains_key(&value) { -1 } else { 1 };
                    *core.content.entry(value).or_default() += weight;
                    core.content.retain(|_, weight| *weight != 0);
                    writer.publish(change(core.epoch, &[(value, weight)]));
                };
                engine.run(publish).unwrap();
                if (random >> 33).is_multiple_of(16) {
                    thread::yield_now();
                }
            }
            // Dropping the writer ends the subscription; a snapshot owed then never comes.
            while engine.run(|_| writer.needs_snapshot()).unwrap() {
                thread::yield_now();
            }
        });
        let mut seen: BTreeMap<i64, i64> = BTreeMap::new();
        let mut last_epoch = 0;
        loop {
            match subscription.poll(None).unwrap() {
                Polled::Batch(ChangeBatch { batch, weights, epoch }) => {
                    assert!(epoch >= last_epoch);
                    last_epoch = epoch;
                    let values = batch.column(0).as_primitive::<Int64Type>().values();
                    for (row, value) in values.iter().enumerate() {
                        let weight = weights.as_ref().map_or(1, |weights| weights[row]);
                        *seen.entry(*value).or_default() += weight;
                    }
                    seen.retain(|_, weight| *weight != 0);
                }
                Polled::Reset => seen.clear(),
                Polled::End => break,
                other => panic!("{other:?}"),
            }
        }
        producer.join().unwrap();
        assert_eq!(seen, token.run(|core| core.content.clone()).unwrap(), "seed {seed}");
    }
}

#[test]
fn a_blocking_ring_holds_pushes_back() {
    let (writer, mut subscription) = pair(Policy::Block, 2);
    let rules = Rules::new("t", &schema(&["x"]), None, vec![], 8, &Arc::new(Clock::by_hand(0)));
    let admission = Arc::new(Admission::default());
    admission.add(vec![SourceId(0)], writer.share());
    let admit = |timeout| admission.admit(SourceId(0), &rules, timeout, WaitStrategy::SpinYield(3));
    let (soon, late) = (Duration::from_millis(20), Duration::from_secs(60));
    assert!(writer.has_room());
    writer.publish(insert(1, &[1, 2, 3]));
    assert!(!writer.has_room());
    // Nobody has polled: the push waits, in vain.
    assert_eq!(admit(soon).unwrap_err().code(), code::FULL);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| admit(late));
        thread::sleep(Duration::from_millis(5));
        assert_eq!(next(&mut subscription), "1: [[1, 2, 3]]");
        waiter.join().unwrap().unwrap();
    });
    writer.publish(insert(2, &[4, 5]));
    assert!(writer.is_owned_by_current_thread());
    assert_eq!(admit(late).unwrap_err().code(), code::FULL);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| admit(late));
        thread::sleep(Duration::from_millis(5));
        subscription.handle().cancel();
        waiter.join().unwrap().unwrap();
    });
}

#[test]
fn the_end_comes_after_what_is_queued() {
    let (writer, mut subscription) = pair(Policy::Append, 10);
    writer.publish(insert(1, &[1]));
    subscription.handle().cancel();
    assert!(writer.is_closed());
    writer.publish(insert(2, &[2]));
    for answer in ["1: [[1]]", "End", "End"] {
        assert_eq!(next(&mut subscription), answer);
    }
}

#[test]
fn a_failure_comes_after_what_is_queued_and_stays() {
    let (writer, mut subscription) = pair(Policy::Append, 10);
    writer.publish(insert(1, &[1]));
    writer.fail(Error::new(code::EXECUTION, "division by zero"));
    writer.close();
    assert_eq!(next(&mut subscription), "1: [[1]]");
    for _ in 0..2 {
        let text = next(&mut subscription);
        assert!(text.starts_with("LDB-6001") && text.contains("LDB-4003"), "{text}");
    }
}

#[test]
fn whoever_waits_is_woken() {
    for strategy in [WaitStrategy::Spin, WaitStrategy::SpinYield(10), WaitStrategy::Park] {
        let options = RingOptions { strategy, ..options(Policy::Append, 1 << 20) };
        let (writer, mut subscription) = UntypedSubscription::new(options, None);
        let handle = subscription.handle();
        let consumer = thread::spawn(move || {
            let mut sum = 0;
            loop {
                match subscription.poll(None).unwrap() {
                    Polled::Batch(change) => sum += change.epoch,
                    Polled::End => return sum,
                    other => panic!("{other:?}"),
                }
            }
        });
        for epoch in 1..=1_000 {
            writer.publish(insert(epoch, &[0]));
            if epoch.is_multiple_of(20) {
                thread::sleep(Duration::from_micros(100));
            }
        }
        while writer.queued_rows() > 0 {
            thread::yield_now();
        }
        handle.cancel();
        assert_eq!(consumer.join().unwrap(), 500_500);
    }
}

/// A waker that counts its calls.
fn counting(handle: &SubscriptionHandle) -> Arc<AtomicUsize> {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    handle.on_ready(Box::new(move || {
        assert!(!outside::is_inside());
        counter.fetch_add(1, SeqCst);
    }));
    calls
}

#[test]
fn the_waker_is_called_on_edges() {
    let (writer, mut subscription) = pair(Policy::Append, 10);
    let handle = subscription.handle();
    let calls = counting(&handle);
    assert_eq!(calls.load(SeqCst), 0);
    for epoch in 1..=3 {
        writer.publish(insert(epoch, &[1]));
        assert_eq!(calls.load(SeqCst), 1);
    }
    for _ in 0..3 {
        next(&mut subscription);
    }
    writer.publish(insert(4, &[1]));
    assert_eq!(calls.load(SeqCst), 1, "no poll has answered Empty");
    next(&mut subscription);
    assert_eq!(next(&mut subscription), "Empty");
    // Under the token it is put off until the token was given back.
    let inside = outside::enter();
    writer.publish(insert(5, &[1]));
    assert_eq!(calls.load(SeqCst), 1);
    drop(inside);
    assert_eq!(calls.load(SeqCst), 2);
    // A second waker takes the place of the first, and is called as something waits.
    let others = counting(&handle);
    assert_eq!((calls.load(SeqCst), others.load(SeqCst)), (2, 1));
    writer.close();
    assert_eq!((calls.load(SeqCst), others.load(SeqCst)), (2, 2));
    assert_eq!(counting(&handle).load(SeqCst), 1, "the end waits");
}

#[test]
fn a_waker_that_was_removed_is_not_called_and_dropped() {
    let (writer, subscription) = pair(Policy::Append, 10);
    let handle = subscription.handle();
    let calls = counting(&handle);
    let inside = outside::enter();
    writer.publish(insert(1, &[1]));
    handle.clear_on_ready();
    drop(inside);
    assert_eq!(calls.load(SeqCst), 0);
    assert_eq!(Arc::strong_count(&calls), 1);
    let calls = counting(&handle);
    drop(subscription);
    assert_eq!(Arc::strong_count(&calls), 1);
}

#[test]
fn a_waker_may_use_the_handle_and_publish() {
    let (writer, subscription) = pair(Policy::Append, 10);
    let writer = Arc::new(writer);
    let subscription = Arc::new(Mutex::new(subscription));
    let handle = subscription.lock().unwrap().handle();
    let (publisher, consumer, itself) =
        (Arc::clone(&writer), Arc::clone(&subscription), handle.clone());
    let log = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&log);
    handle.on_ready(Box::new(move || {
        seen.lock().unwrap().push(next(&mut consumer.lock().unwrap()));
        publisher.publish(insert(2, &[2]));
        itself.clear_on_ready();
    }));
    writer.publish(insert(1, &[1]));
    assert_eq!(*log.lock().unwrap(), ["1: [[1]]"]);
    assert_eq!(next(&mut subscription.lock().unwrap()), "2: [[2]]");
}

#[test]
fn dropping_a_subscription_unlinks_it() {
    let (writer, mut subscription) = pair(Policy::Append, 10);
    let column = Arc::clone(insert(1, &[1]).batch.column(0));
    let batch = RecordBatch::try_new(schema(&["x"]), vec![Arc::clone(&column)]).unwrap();
    writer.publish(ChangeBatch { batch, weights: None, epoch: 1 });
    assert_eq!(Arc::strong_count(&column), 2);
    assert!(!writer.is_closed());
    // Under the token a poll does not wait.
    let inside = outside::enter();
    assert_eq!(next(&mut subscription), "1: [[1]]");
    assert!(matches!(subscription.poll(None), Ok(Polled::Empty)));
    drop(inside);
    writer.publish(insert(2, &[1]));
    drop(subscription);
    assert!(writer.is_closed());
    assert_eq!(writer.queued_rows(), 0);
    assert_eq!(Arc::strong_count(&column), 1);
}

#[test]
fn each_form_shows_what_its_emit_says() {
    let form = |form, names: &[&str]| {
        let options = options(Policy::Updating, 2);
        let options = RingOptions { form, schema: schema(names), ..options };
        UntypedSubscription::new(options, None)
    };
    let (writer, mut changes) = form(Form::Changes, &["x", "_weight"]);
    writer.publish(insert(1, &[1, 2]));
    writer.publish(change(2, &[(1, -1)]));
    assert_eq!(next(&mut changes), "2: [[2], [1]] by [1]");

    let (writer, mut new_rows) = form(Form::NewRows, &["x"]);
    writer.publish(change(1, &[(1, -1), (2, 2), (3, 1)]));
    assert_eq!(next(&mut new_rows), "1: [[2, 2, 3]]");
    writer.publish(change(2, &[(3, -1)]));
    writer.publish(change(2, &[(4, 1)]));
    assert_eq!(next(&mut new_rows), "2: [[4]]");
    writer.publish(insert(3, &[1, 2]));
    writer.publish(insert(4, &[3]));
    writer.publish_snapshot(4, [(rows(&[5]), Some(vec![1].into()))]);
    assert_eq!(next(&mut new_rows), "Reset");
    assert_eq!(next(&mut new_rows), "4: [[5]]");
}
