//! What the partitions of an operator give, as the one delta that one operator would give.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::interleave_record_batch;
use laminar_types::{Delta, Error, Result, Weights, mutant};

use super::Place;

/// What one partition gives: rows, with the place of each, ascending.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) delta: Option<Delta>,
    pub(super) places: Vec<Place>,
}

impl Given {
    /// Forgets the rows, keeping the allocation.
    pub(super) fn clear(&mut self) {
        self.delta = None;
        self.places.clear();
    }
}

/// The rows of all partitions in the order of their places.
pub(super) fn merge(given: &[&Given]) -> Result<Option<Delta>> {
    let deltas: Vec<(&Delta, &[Place])> =
        given.iter().filter_map(|g| Some((g.delta.as_ref()?, g.places.as_slice()))).collect();
    let [(first, _), (_, _), ..] = deltas.as_slice() else {
        return Ok(deltas.first().map(|(delta, _)| (*delta).clone()));
    };
    if let Some((delta, places)) = deltas.iter().find(|(d, places)| d.num_rows() != places.len()) {
        let (rows, places) = (delta.num_rows(), places.len());
        return Err(Error::internal(format!("{rows} rows of a partition have {places} places")));
    }
    debug_assert!(deltas.iter().all(|(_, places)| places.is_sorted()), "places ascend");
    let order = match mutant!(PartitionsOneByOne) {
        true => deltas
            .iter()
            .enumerate()
            .flat_map(|(part, (_, places))| (0..places.len()).map(move |row| (part, row)))
            .collect(),
        false => order(&deltas.iter().map(|(_, places)| *places).collect::<Vec<_>>()),
    };
    let batches: Vec<_> = deltas.iter().map(|(delta, _)| &delta.batch).collect();
    let batch = match first.batch.num_columns() {
        0 => {
            let options = RecordBatchOptions::new().with_row_count(Some(order.len()));
            RecordBatch::try_new_with_options(first.batch.schema(), Vec::new(), &options)
        }
        _ => interleave_record_batch(&batches, &order),
    };
    let batch =
        batch.map_err(|error| Error::internal(format!("partitions give other rows: {error}")))?;
    let is_weighted = deltas.iter().any(|(delta, _)| delta.weights.is_some());
    let weights = is_weighted.then(|| {
        let weights = order.iter().map(|(part, row)| deltas[*part].0.weight(*row));
        Weights::from(weights.collect::<Vec<i64>>())
    });
    Ok(Some(Delta { batch, weights }))
}

/// From which list, and from where in it, the places come in their order.
fn order(lists: &[&[Place]]) -> Vec<(usize, usize)> {
    let mut order = Vec::with_capacity(lists.iter().map(|list| list.len()).sum());
    if let [one, two] = lists {
        let mut next = 0;
        for (row, place) in one.iter().enumerate() {
            while two.get(next).is_some_and(|other| other < place) {
                order.push((1, next));
                next += 1;
            }
            order.push((0, row));
        }
        order.extend((next..two.len()).map(|row| (1, row)));
        return order;
    }
    let first = |list: usize| lists[list].first().map(|place| Reverse((*place, list, 0)));
    let mut heads: BinaryHeap<_> = (0..lists.len()).filter_map(first).collect();
    while let Some(mut head) = heads.peek_mut() {
        let Reverse((_, list, row)) = *head;
        order.push((list, row));
        match lists[list].get(row + 1) {
            Some(place) => *head = Reverse((*place, list, row + 1)),
            None => {
                std::collections::binary_heap::PeekMut::pop(head);
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Places of rows that came to be.
    fn places(ordinals: &[u64]) -> Vec<Place> {
        ordinals.iter().map(|ordinal| Place::came(0, *ordinal)).collect()
    }

    #[test]
    fn lists_become_one_in_their_order() {
        let lists = [places(&[0, 5, 6]), places(&[1, 2, 9]), places(&[]), places(&[3])];
        let two: Vec<&[Place]> = lists[..2].iter().map(Vec::as_slice).collect();
        assert_eq!(order(&two), [(0, 0), (1, 0), (1, 1), (0, 1), (0, 2), (1, 2)]);
        let all: Vec<&[Place]> = lists.iter().map(Vec::as_slice).collect();
        assert_eq!(order(&all), [(0, 0), (1, 0), (1, 1), (3, 0), (0, 1), (0, 2), (1, 2)]);
    }

    #[test]
    fn what_ceased_stands_first_in_its_section() {
        let mut list =
            vec![Place::came(1, 0), Place::ceased(2, 0), Place::came(0, 7), Place::ceased(0, 9)];
        list.sort();
        let sorted =
            [Place::ceased(0, 9), Place::came(0, 7), Place::came(1, 0), Place::ceased(2, 0)];
        assert_eq!(list, sorted);
    }
}
