//! [`KeyHash`]: the hash by which keys are shared out among partitions.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use laminar_types::{Result, RowBlock};

use super::GroupIndex;

/// Hashes keys, equal ones alike: equal as they are to a [`GroupIndex`], in whatever type of column
/// they come. The hash has no seed, so that a key stays where it is for ever. Whoever prepares keys
/// can bring them all into one partition, which is then as slow as it would be alone.
pub struct KeyHash(GroupIndex);

impl KeyHash {
    /// Of keys of these types.
    ///
    /// # Errors
    /// `UNSUPPORTED` when a type cannot be grouped by.
    pub fn new(types: &[DataType]) -> Result<Self> {
        GroupIndex::unseeded(types).map(Self)
    }

    /// Whether [`row`](Self::row) works.
    pub fn takes_rows(&self) -> bool {
        self.0.takes_rows()
    }

    /// Puts the hashes of some rows' keys into `hashes`.
    ///
    /// # Errors
    /// When the keys are not of the types.
    pub fn rows(&mut self, keys: &[ArrayRef], rows: usize, hashes: &mut Vec<u32>) -> Result<()> {
        self.0.hash(keys, rows, hashes)
    }

    /// The hash of the key of one row of a block, whose keys stand in these columns; `None` where
    /// keys have no form as a row.
    pub fn row(&self, rows: &RowBlock, row: usize, columns: &[usize]) -> Option<u32> {
        self.0.hash_row(rows, row, columns)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray};
    use arrow::datatypes::{Field, Int32Type, Schema};
    use laminar_types::RowLayout;

    use super::*;

    fn hashes(columns: &[ArrayRef]) -> Vec<u32> {
        let types: Vec<DataType> = columns.iter().map(|c| c.data_type().clone()).collect();
        let mut hashes = Vec::new();
        KeyHash::new(&types).unwrap().rows(columns, columns[0].len(), &mut hashes).unwrap();
        hashes
    }

    #[test]
    fn equal_keys_have_equal_hashes() {
        let nan = f64::from_bits(f64::NAN.to_bits() ^ 1);
        let floats = hashes(&[Arc::new(Float64Array::from(vec![0.0, -0.0, f64::NAN, nan, 1.0]))]);
        assert_eq!((floats[0], floats[2]), (floats[1], floats[3]));
        assert_ne!(floats[0], floats[4]);
        let nulls = hashes(&[Arc::new(Int64Array::from(vec![None, Some(0), None]))]);
        assert_eq!(nulls[0], nulls[2]);
        assert_ne!(nulls[0], nulls[1]);
    }

    #[test]
    fn what_a_value_is_held_as_makes_no_difference() {
        let texts = ["a", "", "a text that is longer than a cell", "a"];
        let plain = hashes(&[Arc::new(StringArray::from(texts.to_vec()))]);
        let dictionary: DictionaryArray<Int32Type> = texts.into_iter().collect();
        assert_eq!(hashes(&[Arc::new(dictionary)]), plain);
        assert_eq!(plain[0], plain[3]);
    }

    #[test]
    fn rows_of_a_block_hash_as_those_of_a_batch() {
        let schema = Arc::new(Schema::new(vec![
            Field::new("a", DataType::Int64, true),
            Field::new("b", DataType::Utf8, true),
        ]));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![Some(1), None, Some(-5), Some(1)])),
            Arc::new(StringArray::from(vec![
                Some("x"),
                Some("y"),
                None,
                Some("much longer than it"),
            ])),
        ];
        let mut block = RowBlock::new(&RowLayout::new(&schema).unwrap());
        let batch = RecordBatch::try_new(schema, columns.clone()).unwrap();
        assert!(block.append_batch(&batch, None).unwrap());
        for (column, data_type) in [DataType::Int64, DataType::Utf8].into_iter().enumerate() {
            let mut hash = KeyHash::new(&[data_type]).unwrap();
            let mut of_batch = Vec::new();
            hash.rows(&columns[column..=column], 4, &mut of_batch).unwrap();
            let of_block: Vec<u32> =
                (0..4).map(|row| hash.row(&block, row, &[column]).unwrap()).collect();
            assert_eq!(of_block, of_batch);
        }
    }

    #[test]
    fn a_hash_is_the_same_in_every_process() {
        // Computed apart: the halves of (key ^ seed) * multiplier, one xor the other, upper 32 bits.
        let keys = hashes(&[Arc::new(Int64Array::from(vec![0, 1, 2]))]);
        assert_eq!(keys, [0x46ea_c034, 0x003d_221e, 0xcd05_04e0]);
    }
}
