//! Blocks from Arrow batches, and back.

use std::sync::Arc;

use arrow::array::builder::{
    BinaryBuilder, BinaryViewBuilder, LargeBinaryBuilder, LargeStringBuilder, StringBuilder,
    StringViewBuilder,
};
use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray, RecordBatch,
    downcast_primitive,
};
use arrow::datatypes::DataType;

use super::{RowBlock, Word};
use crate::{Delta, Error, Result, Weights};

impl RowBlock {
    /// The rows as Arrow arrays, with weights if some may be other than one.
    ///
    /// # Errors
    /// `INTERNAL` when a value does not fit its column, which only a defect can cause.
    pub fn to_delta(&self) -> Result<Delta> {
        let weights = self.weights().map(|weights| Weights::from(weights.to_vec()));
        Ok(Delta { batch: self.to_batch()?, weights })
    }

    /// The rows as Arrow arrays, without their weights.
    ///
    /// # Errors
    /// As [`to_delta`](Self::to_delta).
    pub fn to_batch(&self) -> Result<RecordBatch> {
        let schema = self.layout().schema();
        let fields = schema.fields().iter().enumerate();
        let columns = fields.map(|(column, field)| self.column(column, field.data_type()));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        RecordBatch::try_new(Arc::clone(schema), columns)
            .map_err(|error| Error::internal(format!("a block does not fit its columns: {error}")))
    }

    /// One column as an Arrow array.
    fn column(&self, column: usize, data_type: &DataType) -> Result<ArrayRef> {
        let words = || {
            (0..self.num_rows())
                .map(move |row| (!self.is_null(row, column)).then(|| self.word(row, column)))
        };
        macro_rules! primitive {
            ($t:ty) => {
                Ok(Arc::new(
                    words()
                        .map(|word| word.map(<$t as ArrowPrimitiveType>::Native::of_word))
                        .collect::<PrimitiveArray<$t>>()
                        .with_data_type(data_type.clone()),
                ))
            };
        }
        macro_rules! strings {
            ($builder:ty, $value:expr) => {{
                let mut builder = <$builder>::new();
                for word in words() {
                    match word {
                        Some(word) => builder.append_value($value(self.bytes_of(word))?),
                        None => builder.append_null(),
                    }
                }
                Ok(Arc::new(builder.finish()))
            }};
        }
        downcast_primitive! {
            data_type => (primitive),
            DataType::Boolean => Ok(Arc::new(
                words().map(|word| word.map(bool::of_word)).collect::<BooleanArray>(),
            )),
            DataType::Utf8 => strings!(StringBuilder, text),
            DataType::LargeUtf8 => strings!(LargeStringBuilder, text),
            DataType::Utf8View => strings!(StringViewBuilder, text),
            DataType::Binary => strings!(BinaryBuilder, Ok::<&[u8], Error>),
            DataType::LargeBinary => strings!(LargeBinaryBuilder, Ok::<&[u8], Error>),
            DataType::BinaryView => strings!(BinaryViewBuilder, Ok::<&[u8], Error>),
            other => Err(Error::internal(format!("no block holds the type {other}"))),
        }
    }

    /// Appends the rows of a batch with the columns of the block. Answers false where their strings
    /// are too long; the block then holds nothing of use.
    ///
    /// # Errors
    /// `INTERNAL` when the batch has other columns.
    pub fn append_batch(&mut self, batch: &RecordBatch, weights: Option<&[i64]>) -> Result<bool> {
        for row in 0..batch.num_rows() {
            self.begin_row(weights.map_or(1, |weights| weights[row]));
            for (column, array) in batch.columns().iter().enumerate() {
                if !array.is_null(row) && !self.set_from(column, array, row)? {
                    return Ok(false);
                }
            }
        }
        if weights.is_some() {
            self.set_weighted();
        }
        Ok(true)
    }

    fn set_from(&mut self, column: usize, array: &ArrayRef, row: usize) -> Result<bool> {
        macro_rules! primitive {
            ($t:ty) => {{
                self.set(column, array.as_primitive::<$t>().value(row).to_word());
                return Ok(true);
            }};
        }
        let bytes = downcast_primitive! {
            array.data_type() => (primitive),
            DataType::Boolean => {
                self.set(column, array.as_boolean().value(row).to_word());
                return Ok(true);
            }
            DataType::Utf8 => array.as_string::<i32>().value(row).as_bytes(),
            DataType::LargeUtf8 => array.as_string::<i64>().value(row).as_bytes(),
            DataType::Utf8View => array.as_string_view().value(row).as_bytes(),
            DataType::Binary => array.as_binary::<i32>().value(row),
            DataType::LargeBinary => array.as_binary::<i64>().value(row),
            DataType::BinaryView => array.as_binary_view().value(row),
            other => return Err(Error::internal(format!("no block holds the type {other}"))),
        };
        let fits = self.has_room(bytes.len());
        if fits {
            self.set_bytes(column, bytes);
        }
        Ok(fits)
    }
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes)
        .map_err(|error| Error::internal(format!("a text in a block is not UTF-8: {error}")))
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        BinaryArray, Date32Array, Float32Array, Float64Array, Int8Array, Int64Array, StringArray,
        StringViewArray, TimestampMicrosecondArray, UInt64Array,
    };

    use super::super::RowLayout;
    use super::*;

    fn everything() -> RecordBatch {
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("b", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
            ("i8", Arc::new(Int8Array::from(vec![Some(-128), None, Some(127)]))),
            ("i64", Arc::new(Int64Array::from(vec![i64::MIN, -1, i64::MAX]))),
            ("u64", Arc::new(UInt64Array::from(vec![Some(u64::MAX), Some(0), None]))),
            ("f32", Arc::new(Float32Array::from(vec![Some(-0.0), Some(f32::INFINITY), None]))),
            ("f64", Arc::new(Float64Array::from(vec![Some(-0.0), Some(1e300), None]))),
            ("d", Arc::new(Date32Array::from(vec![Some(-1), None, Some(i32::MAX)]))),
            (
                "t",
                Arc::new(
                    TimestampMicrosecondArray::from(vec![Some(5), None, Some(-5)])
                        .with_timezone("+02:00"),
                ),
            ),
            ("s", Arc::new(StringArray::from(vec![Some(""), None, Some("grün")]))),
            ("v", Arc::new(StringViewArray::from(vec![Some("a text that is long"), None, None]))),
            ("x", Arc::new(BinaryArray::from(vec![Some(&[0u8, 255][..]), None, Some(&[])]))),
        ];
        RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(name, column)| (name, column, true)),
        )
        .unwrap()
    }

    #[test]
    fn batches_come_back_as_they_went_in() {
        let batch = everything();
        let layout = RowLayout::new(&batch.schema()).unwrap();
        let mut block = RowBlock::new(&layout);
        assert!(block.append_batch(&batch, None).unwrap());
        assert_eq!(block.to_batch().unwrap(), batch);
        assert!(block.to_delta().unwrap().weights.is_none());
        let mut copy = RowBlock::new(&layout);
        for row in [2, 0] {
            copy.append_row(&block, row, -1);
        }
        let delta = copy.to_delta().unwrap();
        assert_eq!(delta.batch.slice(0, 1), batch.slice(2, 1));
        assert_eq!(delta.batch.slice(1, 1), batch.slice(0, 1));
        assert_eq!(delta.weights.as_deref(), Some([-1, -1].as_slice()));
        copy.take_back_row();
        assert_eq!(copy.to_batch().unwrap(), batch.slice(2, 1));
    }

    #[test]
    fn not_every_type_fits() {
        let fields = arrow::datatypes::Field::new("d", DataType::Decimal128(10, 2), true);
        let schema = Arc::new(arrow::datatypes::Schema::new(vec![fields]));
        assert!(RowLayout::new(&schema).is_none());
    }
}
