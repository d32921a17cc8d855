//! [`FromRecordBatch`]: what subscriptions and queries give their rows as.

use std::collections::VecDeque;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, SchemaRef};
use laminar_types::{Epoch, Error, Result, RowBlock, Weights, code};

use super::from_row::{FromRow, RowBinding};
use crate::stream::WEIGHT_COLUMN;

/// What the rows of a result are given as: each row as a [`FromRow`], each row with what happened to
/// it as a [`ChangeRow`], or the batches themselves, as Arrow's `RecordBatch`.
#[diagnostic::on_unimplemented(
    message = "rows cannot be given as `{Self}`",
    note = "derive it: #[derive(laminar_db::FromRow)]; or take a tuple, a ChangeRow<T> or a RecordBatch"
)]
pub trait FromRecordBatch: Sized {
    /// Whether rows that ceased are told from those that came to be.
    #[doc(hidden)]
    const TELLS_CHANGES: bool = false;

    /// All items of a batch.
    ///
    /// # Errors
    /// `SCHEMA_MISMATCH` for a column that is not there, of a type that is not read, or with a value
    /// that is not read.
    fn from_record_batch(batch: &RecordBatch) -> Result<Vec<Self>> {
        let reader = Self::reader(&batch.schema())?;
        let mut items = VecDeque::new();
        let rows = Rows::Batch(batch.clone(), None);
        Self::read_rows(&reader, rows, 0, &mut items)?;
        items.into_iter().collect()
    }

    /// Finds the columns that are read.
    #[doc(hidden)]
    fn reader(schema: &SchemaRef) -> Result<Reader>;

    /// Reads the rows of an epoch.
    #[doc(hidden)]
    fn read_rows(
        reader: &Reader,
        rows: Rows<'_>,
        epoch: Epoch,
        items: &mut VecDeque<Result<Self>>,
    ) -> Result<()>;
}

/// The columns that are read.
#[doc(hidden)]
#[derive(Debug)]
pub struct Reader {
    binding: Option<RowBinding>,
    /// The column with the weights of changes.
    weight: Option<usize>,
}

/// Rows as the engine has them.
#[doc(hidden)]
pub enum Rows<'a> {
    /// As Arrow arrays, with weights where some may be other than one.
    Batch(RecordBatch, Option<Weights>),
    /// A few rows as a block.
    Block(&'a RowBlock),
}

impl Reader {
    fn of<T: FromRow>(schema: &SchemaRef) -> Result<Self> {
        let binding = RowBinding::of::<T>(schema)?;
        Ok(Self { binding: Some(binding), weight: schema.index_of(WEIGHT_COLUMN).ok() })
    }

    /// Refuses to take the rows that ceased for rows.
    pub(crate) fn refuse_hidden_changes(&self) -> Result<()> {
        let is_hidden = self.weight.is_some()
            && self.binding.as_ref().is_some_and(|binding| !binding.reads(WEIGHT_COLUMN));
        match is_hidden {
            false => Ok(()),
            true => Err(Error::new(
                code::SCHEMA_MISMATCH,
                "these are changes, rows that ceased among them: subscribe to ChangeRow<T>, or read \
                 the column `_weight` in a field",
            )),
        }
    }

    fn binding(&self) -> Result<&RowBinding> {
        self.binding.as_ref().ok_or_else(|| Error::internal("the reader of batches reads no rows"))
    }
}

impl<T: FromRow> FromRecordBatch for T {
    fn reader(schema: &SchemaRef) -> Result<Reader> {
        Reader::of::<T>(schema)
    }

    fn read_rows(
        reader: &Reader,
        rows: Rows<'_>,
        _epoch: Epoch,
        items: &mut VecDeque<Result<Self>>,
    ) -> Result<()> {
        let binding = reader.binding()?;
        match rows {
            Rows::Batch(batch, _) => {
                items.reserve(batch.num_rows());
                binding.read_batch(&batch, |_, item| items.push_back(item));
            }
            Rows::Block(block) => {
                items.extend((0..block.num_rows()).map(|row| binding.read_block(block, row)));
            }
        }
        Ok(())
    }
}

/// Batches as they are, those of a subscription by epochs.
impl FromRecordBatch for RecordBatch {
    fn reader(_schema: &SchemaRef) -> Result<Reader> {
        Ok(Reader { binding: None, weight: None })
    }

    fn read_rows(
        _reader: &Reader,
        rows: Rows<'_>,
        _epoch: Epoch,
        items: &mut VecDeque<Result<Self>>,
    ) -> Result<()> {
        items.push_back(match rows {
            Rows::Batch(batch, _) => Ok(batch),
            Rows::Block(block) => block.to_batch(),
        });
        Ok(())
    }
}

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// It came to be.
    Insert,
    /// It ceased.
    Delete,
}

/// A row and what happened to it, as streams with `EMIT CHANGES` and views tell it. An update is the
/// row before, deleted, and the row after, inserted, in one epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeRow<T> {
    /// What happened.
    pub op: Op,
    /// The row.
    pub row: T,
    /// The epoch in which it happened; 0 for the rows of a query.
    pub epoch: Epoch,
}

impl<T> ChangeRow<T> {
    /// 1 for a row that came to be, -1 for one that ceased.
    pub fn weight(&self) -> i64 {
        match self.op {
            Op::Insert => 1,
            Op::Delete => -1,
        }
    }
}

impl<T: FromRow> FromRecordBatch for ChangeRow<T> {
    const TELLS_CHANGES: bool = true;

    fn reader(schema: &SchemaRef) -> Result<Reader> {
        Reader::of::<T>(schema)
    }

    fn read_rows(
        reader: &Reader,
        rows: Rows<'_>,
        epoch: Epoch,
        items: &mut VecDeque<Result<Self>>,
    ) -> Result<()> {
        let binding = reader.binding()?;
        let change = |weight: i64, row: T| {
            let op = if weight < 0 { Op::Delete } else { Op::Insert };
            Self { op, row, epoch }
        };
        match rows {
            Rows::Batch(batch, weights) => {
                let told = reader.weight.map(|column| batch.column(column));
                let told = told.and_then(|column| column.as_primitive_opt::<Int64Type>());
                let weight = |row: usize| match (&weights, told) {
                    (Some(weights), _) => weights[row],
                    (None, Some(weights)) => weights.value(row),
                    (None, None) => 1,
                };
                binding.read_batch(&batch, |row, item: Result<T>| {
                    items.push_back(item.map(|item| change(weight(row), item)));
                });
            }
            Rows::Block(block) => {
                items.extend(
                    (0..block.num_rows())
                        .map(|row| Ok(change(block.weight(row), binding.read_block(block, row)?))),
                );
            }
        }
        Ok(())
    }
}
