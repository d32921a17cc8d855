//! Against a sorted vector per partition.

use std::collections::BTreeMap;

use super::*;
use crate::state::Snapshot;

/// The same numbers for the same seed (Vigna, xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % end
    }
}

type Model = BTreeMap<u32, Vec<Vec<u8>>>;

fn content(rows: &OrderedRows, partition: u32) -> Vec<Vec<u8>> {
    let mut slots = Vec::new();
    rows.collect(partition, 0..usize::MAX, &mut slots);
    slots.into_iter().map(|slot| rows.bytes(slot).to_vec()).collect()
}

fn check(rows: &OrderedRows, model: &Model) {
    for (partition, expected) in model {
        assert_eq!(rows.len(*partition), expected.len());
        assert_eq!(&content(rows, *partition), expected);
    }
}

fn probe(rows: &OrderedRows, model: &Model, random: &mut Random, bytes: &[u8]) {
    for (partition, expected) in model {
        let before = |row: &&Vec<u8>| row.as_slice() < bytes;
        let not_after = |row: &&Vec<u8>| row.as_slice() <= bytes;
        let rank = expected.iter().filter(before).count();
        assert_eq!(rows.rank(*partition, bytes, false), rank);
        let with_equal = expected.iter().filter(not_after).count();
        assert_eq!(rows.rank(*partition, bytes, true), with_equal);
        assert_eq!(rows.point(*partition, |row| row < bytes), rank);
        if !expected.is_empty() {
            let at = random.below(expected.len() as u64) as usize;
            assert_eq!(rows.bytes(rows.row_at(*partition, at)), expected[at]);
            let end = at + random.below(40) as usize;
            let mut some = Vec::new();
            rows.collect(*partition, at..end, &mut some);
            let some: Vec<&[u8]> = some.into_iter().map(|row| rows.bytes(row)).collect();
            assert_eq!(some, expected[at..end.min(expected.len())]);
        }
    }
}

/// A row: short or long, and often with the same beginning as another.
fn row(random: &mut Random, values: u64) -> Vec<u8> {
    let value = random.below(values);
    let mut bytes = match random.below(3) {
        0 => Vec::new(),
        1 => b"the same beginning of many bytes".to_vec(),
        _ => vec![1],
    };
    bytes.extend_from_slice(&value.to_be_bytes());
    bytes
}

fn run(seed: u64, partitions: u64, values: u64, steps: usize, grow: u64) {
    let mut random = Random(seed);
    let mut rows = OrderedPartitions::default();
    let mut model = Model::new();
    let mut snapshots = Vec::new();
    for step in 0..steps {
        let partition = random.below(partitions) as u32;
        let expected = model.entry(partition).or_default();
        let bytes = row(&mut random, values);
        if random.below(100) < grow {
            let at = expected.iter().filter(|row| **row <= bytes).count();
            expected.insert(at, bytes.clone());
            let (slot, position) = rows.insert(partition, &bytes).unwrap();
            assert_eq!((position, rows.bytes(slot)), (at, bytes.as_slice()));
        } else if random.below(2) == 0 && !expected.is_empty() {
            let at = random.below(expected.len() as u64) as usize;
            let slot = rows.remove_at(partition, at);
            assert_eq!(rows.bytes(slot), expected.remove(at));
        } else {
            let at = expected.iter().rposition(|row| *row == bytes);
            at.map(|at| expected.remove(at));
            let removed = rows.remove(partition, &bytes);
            assert_eq!(removed.map(|(_, position)| position), at);
            assert!(removed.is_none_or(|(slot, _)| rows.bytes(slot) == bytes));
        }
        if random.below(10) == 0 {
            rows.settle();
        }
        if step % 97 == 0 {
            check(&rows, &model);
            probe(&rows, &model, &mut random, &bytes);
        }
        if step % 1_500 == 700 {
            rows.settle();
            snapshots.push((rows.snapshot(), Snapshot::take(&mut rows).unwrap(), model.clone()));
        }
        if step % 2_000 == 1_900 {
            // Back to an earlier time, and on from there.
            let (_, parts, then) = &snapshots[random.below(snapshots.len() as u64) as usize];
            rows.settle();
            parts.restore(&mut rows).unwrap();
            model = then.clone();
            check(&rows, &model);
        }
    }
    check(&rows, &model);
    for (snapshot, parts, model) in &snapshots {
        check(snapshot, model);
        let mut restored = OrderedPartitions::default();
        parts.restore(&mut restored).unwrap();
        check(&restored, model);
        for (partition, rows) in model {
            rows.iter().for_each(|row| {
                restored.remove(*partition, row).unwrap();
            });
            assert!(restored.is_empty(*partition));
        }
        restored.settle();
    }
}

#[test]
fn rows_stand_as_in_a_sorted_vector() {
    run(1, 1, 1_000_000, 6_000, 60);
    run(2, 5, 300, 6_000, 55);
    run(3, 200, 50, 6_000, 50);
    run(4, 1, 4, 3_000, 60);
}

#[test]
fn a_partition_grows_shrinks_and_grows_again() {
    let mut rows = OrderedPartitions::default();
    for round in 0..3u64 {
        for value in 0..5_000u64 {
            let (_, position) = rows.insert(0, &value.to_be_bytes()).unwrap();
            assert_eq!(position, value as usize);
        }
        let full = rows.state_bytes();
        for left in (0..5_000u64).rev() {
            // From the front, the back and the middle by turns.
            let at = match round {
                0 => 0,
                1 => left as usize,
                _ => left as usize / 2,
            };
            rows.remove_at(0, at);
            assert_eq!(rows.len(0), left as usize);
        }
        rows.settle();
        assert!(rows.is_empty(0) && rows.state_bytes() <= full * 2);
    }
    // What was given back was used again.
    assert!(rows.slots() <= 5_000);
}

#[test]
fn what_is_removed_can_be_read_until_it_is_settled() {
    let mut rows = OrderedPartitions::default();
    let long = [7u8; 100];
    let (slot, _) = rows.insert(3, &long).unwrap();
    assert_eq!(rows.remove(3, &long), Some((slot, 0)));
    assert_eq!(rows.remove(3, &long), None);
    let (other, _) = rows.insert(3, b"x").unwrap();
    assert_eq!((rows.bytes(slot), rows.bytes(other)), (&long[..], &b"x"[..]));
    rows.settle();
    let (again, _) = rows.insert(0, b"y").unwrap();
    assert_eq!(again, slot);
}
