//! [`Replay`]: the content that the changes of a subscription add up to.

use std::collections::BTreeMap;
use std::time::Duration;

use laminar_db::{ChangeBatch, Epoch, Polled, UntypedSubscription};

use super::value::{Row, rows};

/// Rows with how often they are there. Checks on the way what every changelog must keep: epochs
/// never go back, and no row ceases that is not there.
#[derive(Default)]
pub struct Replay {
    rows: BTreeMap<Row, i64>,
    pub epoch: Epoch,
    /// Batches received.
    pub batches: usize,
    /// How often the subscription had to start again.
    pub resets: usize,
}

impl Replay {
    /// Takes in what the subscription has now.
    #[track_caller]
    pub fn drain(&mut self, subscription: &mut UntypedSubscription) {
        while self.poll(subscription, Duration::ZERO) {}
    }

    /// Takes in one answer; whether there was one.
    #[track_caller]
    pub fn poll(&mut self, subscription: &mut UntypedSubscription, timeout: Duration) -> bool {
        match subscription.poll(Some(timeout)).unwrap() {
            Polled::Batch(change) => self.apply(&change),
            Polled::Reset => {
                self.rows.clear();
                self.resets += 1;
            }
            Polled::Empty | Polled::End => return false,
            Polled::Lagged(rows) => panic!("missed {rows} rows"),
        }
        true
    }

    #[track_caller]
    pub fn apply(&mut self, change: &ChangeBatch) {
        assert!(change.epoch >= self.epoch, "epoch {} after {}", change.epoch, self.epoch);
        self.epoch = change.epoch;
        self.batches += 1;
        let weighted = change.batch.schema().column_with_name("_weight").is_some();
        for (index, mut row) in rows(std::slice::from_ref(&change.batch)).into_iter().enumerate() {
            let weight = change.weights.as_ref().map_or(1, |weights| weights[index]);
            assert_ne!(weight, 0, "a row with weight zero: {row:?}");
            if weighted {
                let column = row.pop().expect("a column _weight");
                assert_eq!(column, weight.into(), "the two weights of {row:?} differ");
            }
            let count = self.rows.entry(row.clone()).or_default();
            *count += weight;
            assert!(*count >= 0, "{row:?} ceased and was not there");
            if *count == 0 {
                self.rows.remove(&row);
            }
        }
    }

    /// The content now, sorted.
    pub fn content(&self) -> Vec<Row> {
        let repeated = self.rows.iter();
        repeated.flat_map(|(row, count)| vec![row.clone(); *count as usize]).collect()
    }
}
