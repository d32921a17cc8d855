//! [`History`], the recent rows that an append-only source or stream keeps for queries.
//!
//! Large batches are kept as they came. Small ones are copied value by value into a page of
//! preallocated builders (`tail`), which becomes a batch when it is full: so neither a row nor a
//! batch costs an allocation, and a query does not meet thousands of tiny batches.
//!
//! Invariants:
//! - Rows stand in the order of their arrival: `pages`, then `tail`.
//! - The content is the last `rows - skipped` rows of both; `skipped < pages[0].rows`, or nothing
//!   is skipped, or there are no pages.
//! - Bounded in bytes, `state_bytes` is at most the bound after each append: pages go as a whole,
//!   so they are a small part of it.
//! - Nothing that was handed out by [`History::snapshot`] changes.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use laminar_types::{Epoch, Error, Result, Retention, RowBlock};

use crate::epoch_marks::EpochMarks;
use crate::page::{self, Page};

/// Batches of as many rows are kept as they are.
const LARGE_ROWS: usize = 1_024;
/// Rows of a full page.
const PAGE_ROWS: usize = 4_096;
/// Bytes of strings and the like after which a page is full, and from which a batch is large.
const PAGE_VARIABLE_BYTES: usize = 1 << 20;
/// Where bytes are bounded, a page is at most this part of the bound.
const PAGES_OF_A_BOUND: usize = 8;

/// The last rows of something that only grows, bounded by their number or their bytes.
pub(crate) struct History {
    schema: SchemaRef,
    retention: Retention,
    pages: VecDeque<Kept>,
    tail: Page,
    /// Rows of the pages and the tail.
    rows: usize,
    /// The first of them, which no longer belong to the content.
    skipped: usize,
    dropped_rows: u64,
    marks: EpochMarks,
    /// Bytes of the pages.
    page_bytes: usize,
}

struct Kept {
    batch: RecordBatch,
    bytes: usize,
}

impl History {
    /// An empty history. Bounded in bytes it keeps no row that is longer than the bound.
    pub(crate) fn new(schema: SchemaRef, retention: Retention) -> Self {
        let tail = Page::new(&schema, page_rows(&schema, retention));
        Self {
            schema,
            retention,
            pages: VecDeque::new(),
            tail,
            rows: 0,
            skipped: 0,
            dropped_rows: 0,
            marks: EpochMarks::default(),
            page_bytes: 0,
        }
    }

    /// Appends the rows of a batch with the history's schema and drops what is too much.
    ///
    /// Fails with `INTERNAL` when a column has another type; nothing is appended then.
    pub(crate) fn append(&mut self, batch: &RecordBatch) -> Result<()> {
        let rows = batch.num_rows();
        if rows == 0 {
            return Ok(());
        }
        self.check(batch)?;
        if self.keeps_nothing() {
            self.dropped_rows += rows as u64;
            return Ok(());
        }
        let variable_bytes = self.tail.variable_bytes_of(batch.columns());
        if rows >= LARGE_ROWS || variable_bytes >= self.page_variable_bytes() {
            self.seal()?;
            self.keep_large(batch)?;
        } else {
            self.copy_small(batch)?;
        }
        self.drop_oldest()
    }

    /// Appends the rows of a block with the history's columns and drops what is too much.
    ///
    /// Fails with `INTERNAL` when a text is not one, which only a defect can cause.
    pub(crate) fn append_rows(&mut self, rows: &RowBlock) -> Result<()> {
        if self.keeps_nothing() {
            self.dropped_rows += rows.num_rows() as u64;
            return Ok(());
        }
        for row in 0..rows.num_rows() {
            self.tail.append_row(rows, row).map_err(internal)?;
            self.rows += 1;
            if self.is_full() {
                self.seal()?;
            }
        }
        self.drop_oldest()
    }

    /// The content in the order of its arrival. Later appends leave it as it is.
    pub(crate) fn snapshot(&self) -> Result<Vec<RecordBatch>> {
        let mut skip = self.skipped;
        let mut content = Vec::with_capacity(self.pages.len() + 1);
        let tail = (self.tail.rows() > 0).then(|| self.copy_of_tail()).transpose()?;
        for batch in self.pages.iter().map(|kept| &kept.batch).chain(&tail) {
            let rows = batch.num_rows();
            match skip {
                0 => content.push(batch.clone()),
                _ if skip < rows => content.push(batch.slice(skip, rows - skip)),
                _ => {}
            }
            skip = skip.saturating_sub(rows);
        }
        Ok(content)
    }

    /// Adds columns that may be NULL behind those there are, and are NULL in the rows there are.
    pub(crate) fn widen(&mut self, schema: &SchemaRef) -> Result<()> {
        self.seal()?;
        self.schema = Arc::clone(schema);
        self.tail = Page::new(schema, page_rows(schema, self.retention));
        for kept in &mut self.pages {
            kept.batch = page::widened(&kept.batch, schema)?;
            self.page_bytes -= kept.bytes;
            kept.bytes = page::memory_of(kept.batch.columns());
            self.page_bytes += kept.bytes;
        }
        Ok(())
    }

    /// The columns.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Notes that what was appended last belongs to an epoch.
    pub(crate) fn mark(&mut self, epoch: Epoch) {
        let total = self.dropped_rows + self.num_rows() as u64;
        self.marks.note(epoch, total, self.dropped_rows);
    }

    /// The rows of each epoch after one, in their order. Where some of them are no longer kept:
    /// the oldest epoch that can be asked for.
    pub(crate) fn since(
        &self,
        epoch: Epoch,
    ) -> Result<std::result::Result<Vec<(Epoch, RecordBatch)>, Epoch>> {
        let epochs = match self.marks.after(epoch, self.dropped_rows) {
            Ok(epochs) => epochs,
            Err(oldest) => return Ok(Err(oldest)),
        };
        let mut rows = Vec::new();
        let mut content = self.snapshot()?.into_iter();
        let mut batch = content.next();
        // The number of the first row of `batch`.
        let mut begin = self.dropped_rows;
        for (epoch, mut from, to) in epochs {
            while from < to
                && let Some(current) = &batch
            {
                let end = begin + current.num_rows() as u64;
                if from >= end {
                    begin = end;
                    batch = content.next();
                    continue;
                }
                let until = to.min(end);
                let (offset, length) = ((from - begin) as usize, (until - from) as usize);
                rows.push((epoch, current.slice(offset, length)));
                from = until;
            }
        }
        Ok(Ok(rows))
    }

    /// Rows of the content.
    pub(crate) fn num_rows(&self) -> usize {
        self.rows - self.skipped
    }

    /// Rows that were appended and are no longer kept.
    pub(crate) fn dropped_rows(&self) -> u64 {
        self.dropped_rows
    }

    /// Bytes of memory behind the content.
    pub(crate) fn state_bytes(&self) -> usize {
        self.page_bytes + self.tail.bytes()
    }

    /// Answers everything by an error that would fail half way through an append.
    fn check(&self, batch: &RecordBatch) -> Result<()> {
        if Arc::ptr_eq(batch.schema_ref(), &self.schema) {
            return Ok(());
        }
        let expected = self.schema.fields();
        let fits = batch.num_columns() == expected.len()
            && batch.columns().iter().zip(expected).all(|(c, f)| c.data_type() == f.data_type());
        if fits {
            return Ok(());
        }
        Err(Error::internal(format!(
            "a batch of a history has the schema {:?} instead of {:?}",
            batch.schema(),
            self.schema
        )))
    }

    fn keeps_nothing(&self) -> bool {
        matches!(self.retention, Retention::Rows(0) | Retention::Bytes(0))
    }

    /// Bytes of strings and the like in a full page.
    fn page_variable_bytes(&self) -> usize {
        match self.retention {
            Retention::Rows(_) => PAGE_VARIABLE_BYTES,
            Retention::Bytes(most) => PAGE_VARIABLE_BYTES.min(most / PAGES_OF_A_BOUND),
        }
    }

    /// Whether the tail is a full page.
    fn is_full(&self) -> bool {
        self.tail.room() == 0 || self.tail.variable_bytes() >= self.page_variable_bytes()
    }

    fn keep_large(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = page::compact_all(batch.columns()).map_err(internal)?;
        let rows = batch.num_rows();
        if let Retention::Bytes(most) = self.retention {
            let (bytes, most) = (page::memory_of(&columns), most / PAGES_OF_A_BOUND);
            if bytes > most {
                return self.keep_pieces(&columns, rows, (rows * most / bytes).max(1));
            }
        }
        let batch = self.batch_of(columns, rows)?;
        self.push_page(batch);
        Ok(())
    }

    /// Copies a batch to pages of so many rows each, so that it can go piece by piece.
    fn keep_pieces(&mut self, columns: &[ArrayRef], rows: usize, page_rows: usize) -> Result<()> {
        for offset in (0..rows).step_by(page_rows) {
            let length = page_rows.min(rows - offset);
            let part = columns.iter().map(|column| page::copied(&column.slice(offset, length)));
            let part = part.collect::<Result<_, _>>().map_err(internal)?;
            let batch = self.batch_of(part, length)?;
            self.push_page(batch);
            self.drop_oldest()?;
        }
        Ok(())
    }

    /// Copies a batch to the tail, which is sealed each time that it is full.
    fn copy_small(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut offset = 0;
        while offset < batch.num_rows() {
            let length = self.tail.room().min(batch.num_rows() - offset);
            if length == batch.num_rows() {
                self.tail.append(batch.columns(), length).map_err(internal)?;
            } else {
                let part = batch.slice(offset, length);
                self.tail.append(part.columns(), length).map_err(internal)?;
            }
            self.rows += length;
            offset += length;
            if self.is_full() {
                self.seal()?;
            }
        }
        Ok(())
    }

    fn seal(&mut self) -> Result<()> {
        let rows = self.tail.rows();
        if rows > 0 {
            let columns = self.tail.finish().map_err(internal)?;
            self.rows -= rows;
            // A page that is closed before it is full gives back what it had allocated.
            let columns = page::compact_all(&columns).map_err(internal)?;
            let batch = self.batch_of(columns, rows)?;
            self.push_page(batch);
        }
        Ok(())
    }

    fn copy_of_tail(&self) -> Result<RecordBatch> {
        let columns = self.tail.copy().map_err(internal)?;
        self.batch_of(columns, self.tail.rows())
    }

    fn push_page(&mut self, batch: RecordBatch) {
        let bytes = page::memory_of(batch.columns());
        self.rows += batch.num_rows();
        self.page_bytes += bytes;
        self.pages.push_back(Kept { batch, bytes });
    }

    fn drop_oldest(&mut self) -> Result<()> {
        match self.retention {
            Retention::Rows(most) => self.skip(self.num_rows().saturating_sub(most)),
            Retention::Bytes(most) => {
                while self.state_bytes() > most && self.rows > 0 {
                    if self.pages.is_empty() {
                        self.seal()?;
                    }
                    let first = self.pages.front().map_or(0, |first| first.batch.num_rows());
                    self.skip(first);
                }
            }
        }
        Ok(())
    }

    /// Takes so many rows out of the content, and out of memory what then lies before it.
    fn skip(&mut self, rows: usize) {
        self.skipped += rows;
        self.dropped_rows += rows as u64;
        while let Some(first) = self.pages.front()
            && first.batch.num_rows() <= self.skipped
        {
            self.skipped -= first.batch.num_rows();
            self.rows -= first.batch.num_rows();
            self.page_bytes -= first.bytes;
            self.pages.pop_front();
        }
    }

    fn batch_of(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(internal)
    }
}

/// Rows of a full page of small batches.
fn page_rows(schema: &SchemaRef, retention: Retention) -> usize {
    match retention {
        Retention::Rows(most) => PAGE_ROWS.min(most.max(64)),
        Retention::Bytes(most) => {
            let row_bytes = Page::row_bytes(schema).max(1);
            PAGE_ROWS.min(most / PAGES_OF_A_BOUND / row_bytes).max(1)
        }
    }
}

fn internal(error: ArrowError) -> Error {
    Error::internal(format!("rows cannot be kept: {error}"))
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        ArrayData, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray,
        FixedSizeBinaryArray, Float64Array, Int8Array, Int64Array, LargeStringArray, ListArray,
        NullArray, StringArray, StringViewArray, StructArray, TimestampMicrosecondArray,
        UInt32Array, new_empty_array,
    };
    use arrow::buffer::NullBuffer;
    use arrow::compute::concat_batches;
    use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema};

    use super::*;

    fn numbers(from: i64, rows: usize) -> RecordBatch {
        let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Int64, false)]));
        let values: Int64Array = (from..from + rows as i64).collect::<Vec<_>>().into();
        RecordBatch::try_new(schema, vec![Arc::new(values)]).unwrap()
    }

    fn joined(history: &History) -> RecordBatch {
        let content = history.snapshot().unwrap();
        assert!(content.iter().all(|batch| batch.num_rows() > 0));
        concat_batches(&history.schema, &content).unwrap()
    }

    /// Rows of every kind of type, with nulls where `salt` says.
    fn everything(rows: usize, salt: usize) -> RecordBatch {
        let text = |row: usize| "long enough not to be inlined ".repeat(row % 3) + &row.to_string();
        let some = |row: usize| !(row + salt).is_multiple_of(3);
        let each = 0..rows;
        macro_rules! array {
            ($type:ty, $value:expr) => {
                Arc::new(each.clone().map(|row| some(row).then(|| $value(row))).collect::<$type>())
                    as ArrayRef
            };
        }
        let decimals = array!(Decimal128Array, |row| row as i128).as_ref().to_data();
        let decimals = Decimal128Array::from(decimals).with_precision_and_scale(20, 3).unwrap();
        let times = array!(TimestampMicrosecondArray, |row| row as i64).as_ref().to_data();
        let times = TimestampMicrosecondArray::from(times).with_timezone("+02:00");
        let lists = each.clone().map(|row| some(row).then(|| vec![Some(row as i64), None]));
        let words: DictionaryArray<Int32Type> =
            each.clone().map(|row| some(row).then_some(["a", "b"][row % 2])).collect();
        let bytes = each.clone().map(|row| some(row).then_some([row as u8; 3]));
        let nulls: NullBuffer = each.clone().map(some).collect();
        let field = Arc::new(Field::new("s", DataType::Utf8, true));
        let inner = array!(StringArray, text);
        let columns: Vec<ArrayRef> = vec![
            array!(BooleanArray, |row: usize| row.is_multiple_of(2)),
            array!(Int8Array, |row| row as i8),
            array!(UInt32Array, |row| row as u32),
            array!(Int64Array, |row| row as i64),
            array!(Float64Array, |row| row as f64),
            array!(Date32Array, |row| row as i32),
            Arc::new(decimals),
            Arc::new(times),
            array!(StringArray, text),
            array!(LargeStringArray, text),
            array!(StringViewArray, text),
            array!(BinaryArray, |row| text(row).into_bytes()),
            Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(bytes, 3).unwrap()),
            Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists)),
            Arc::new(StructArray::new(vec![field].into(), vec![inner], Some(nulls))),
            Arc::new(words),
            Arc::new(NullArray::new(rows)),
        ];
        let field = |(index, column): (usize, &ArrayRef)| {
            Field::new(format!("c{index}"), column.data_type().clone(), true)
        };
        let schema = Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>());
        RecordBatch::try_new(Arc::new(schema), columns).unwrap()
    }

    #[test]
    fn what_came_after_an_epoch_comes_again() {
        let mut history = History::new(numbers(0, 0).schema(), Retention::Rows(3_000));
        let (mut next, mut epochs) = (0, Vec::new());
        for (epoch, rows) in [(3, 1), (4, 2_000), (7, 2), (8, 1), (12, 500), (13, 700)] {
            history.append(&numbers(next, rows)).unwrap();
            history.mark(epoch);
            epochs.extend((next..next + rows as i64).map(|value| (epoch, value)));
            next += rows as i64;
        }
        // 3,204 rows came: the first 204 are gone, all of epoch 3 and a part of epoch 4.
        for epoch in 0..15 {
            match history.since(epoch).unwrap() {
                Err(oldest) => assert!(epoch < 4 && oldest == 4, "{epoch}: {oldest}"),
                Ok(parts) => {
                    let values = parts.iter().flat_map(|(epoch, batch)| {
                        let values = batch.column(0).as_any().downcast_ref::<Int64Array>();
                        values.unwrap().values().iter().map(|value| (*epoch, *value))
                    });
                    let got: Vec<(u64, i64)> = values.collect();
                    let after = epochs.iter().filter(|(of, _)| *of > epoch).copied();
                    assert!(epoch >= 4);
                    assert_eq!(got, after.collect::<Vec<_>>(), "{epoch}");
                }
            }
        }
    }

    #[test]
    fn every_type_is_kept_with_its_nulls() {
        let parts: Vec<RecordBatch> = [1, 7, 0, 300, 1_000, 1_500, 2, 1_023, 5_000, 64, 1]
            .into_iter()
            .enumerate()
            .map(|(salt, rows)| everything(rows + 5, salt).slice(3, rows))
            .collect();
        let schema = parts[0].schema();
        let mut history = History::new(Arc::clone(&schema), Retention::Rows(100_000));
        for (count, part) in parts.iter().enumerate() {
            history.append(part).unwrap();
            let expected = concat_batches(&schema, &parts[..=count]).unwrap();
            let content = joined(&history);
            assert_eq!(content.num_rows(), expected.num_rows());
            for (got, expected) in content.columns().iter().zip(expected.columns()) {
                assert_eq!(got, expected);
            }
        }
        assert_eq!(history.dropped_rows(), 0);
    }

    #[test]
    fn the_bound_is_exact_whatever_the_batches() {
        for retain in [1, 2, 63, 64, 100, 1_023, 4_096, 5_000, 20_000] {
            let mut history = History::new(numbers(0, 0).schema(), Retention::Rows(retain));
            let (mut random, mut appended) = (retain as u64, 0_usize);
            while appended < 60_000 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let most = [2, 10, 100, 1_500, 6_000][(random >> 33) as usize % 5];
                let rows = (random >> 40) as usize % most;
                history.append(&numbers(appended as i64, rows)).unwrap();
                appended += rows;
                let kept = appended.min(retain);
                assert_eq!(history.num_rows(), kept);
                assert_eq!(history.dropped_rows(), (appended - kept) as u64);
                if (random >> 50).is_multiple_of(16) {
                    assert_eq!(joined(&history), numbers((appended - kept) as i64, kept));
                }
            }
            // Of what is dropped at most a batch and a page stay in memory.
            let most_rows = retain + 6_000 + 2 * PAGE_ROWS;
            assert!(history.state_bytes() <= most_rows * 8, "{}", history.state_bytes());
        }
    }

    #[test]
    fn a_snapshot_is_not_disturbed() {
        let mut history = History::new(numbers(0, 0).schema(), Retention::Rows(1_500));
        history.append(&numbers(0, 1_200)).unwrap();
        history.append(&numbers(1_200, 10)).unwrap();
        let before = history.snapshot().unwrap();
        for row in 0..9_000 {
            history.append(&numbers(1_210 + row, 1)).unwrap();
        }
        assert_eq!(concat_batches(&history.schema, &before).unwrap(), numbers(0, 1_210));
        assert_eq!(joined(&history), numbers(8_710, 1_500));
    }

    #[test]
    fn nothing_is_kept_where_nothing_is_to_be() {
        let mut history = History::new(numbers(0, 0).schema(), Retention::Rows(0));
        history.append(&numbers(0, 5)).unwrap();
        assert!(history.snapshot().unwrap().is_empty());
        assert_eq!((history.num_rows(), history.dropped_rows()), (0, 5));
        assert_eq!(history.state_bytes(), 0);
    }

    #[test]
    fn small_batches_become_pages() {
        let mut history = History::new(numbers(0, 0).schema(), Retention::Rows(65_536));
        for row in 0..10_000 {
            history.append(&numbers(row, 1)).unwrap();
        }
        let content = history.snapshot().unwrap();
        assert_eq!(
            content.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(),
            [4096, 4096, 1808]
        );
        // A large batch does not overtake the rows before it.
        history.append(&numbers(10_000, 2_000)).unwrap();
        assert_eq!(joined(&history), numbers(0, 12_000));
    }

    #[test]
    fn a_large_batch_is_shared_unless_it_is_a_small_part_of_its_buffers() {
        let whole = numbers(0, 10_000);
        let data = |batch: &RecordBatch| -> ArrayData { batch.column(0).to_data() };
        for (part, is_shared) in [(whole.slice(10, 6_000), true), (whole.slice(10, 2_000), false)] {
            let mut history = History::new(whole.schema(), Retention::Rows(65_536));
            history.append(&part).unwrap();
            let kept = &history.snapshot().unwrap()[0];
            assert_eq!(kept, &part);
            let same = data(kept).buffers()[0].data_ptr() == data(&whole).buffers()[0].data_ptr();
            assert_eq!(same, is_shared);
        }
    }

    #[test]
    fn bytes_bound_it_too() {
        let mut history = History::new(numbers(0, 0).schema(), Retention::Bytes(40_000));
        for batch in 0..10 {
            history.append(&numbers(batch * 2_000, 2_000)).unwrap();
            assert!(history.state_bytes() <= 40_000);
        }
        // 5,000 rows fit; they go by pages of at most 5,000 bytes: 625, 625, 625 and 125 of a batch.
        assert_eq!(joined(&history), numbers(15_250, 4_750));
        assert_eq!(history.dropped_rows(), 15_250);
        // Of a batch that is more than the bound the newest rows stay.
        history.append(&numbers(20_000, 9_000)).unwrap();
        assert!(history.state_bytes() <= 40_000);
        let kept = history.num_rows();
        assert!((4_300..=5_000).contains(&kept), "{kept}");
        assert_eq!(joined(&history), numbers(29_000 - kept as i64, kept));
        assert_eq!(history.dropped_rows(), 29_000 - kept as u64);
    }

    #[test]
    fn the_bound_in_bytes_holds_whatever_the_batches() {
        let schema = everything(0, 0).schema();
        for most in [0, 100, 3_000, 50_000, 1_000_000] {
            let mut history = History::new(Arc::clone(&schema), Retention::Bytes(most));
            let (mut random, mut all) = (most as u64, everything(0, 0));
            for _ in 0..40 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let rows =
                    (random >> 40) as usize % [2, 10, 100, 1_500][(random >> 33) as usize % 4];
                let batch = everything(rows, rows);
                history.append(&batch).unwrap();
                all = concat_batches(&schema, [&all, &batch]).unwrap();
                assert!(history.state_bytes() <= most, "{} of {most}", history.state_bytes());
                let (kept, came) = (history.num_rows(), all.num_rows());
                assert_eq!(history.dropped_rows(), (came - kept) as u64);
                assert_eq!(joined(&history), all.slice(came - kept, kept));
            }
            // What is kept is near the bound.
            let bytes = page::batch_bytes(&joined(&history));
            assert!(most < 50_000 || bytes > most / 3, "{bytes} of {most}");
        }
    }

    #[test]
    fn long_strings_do_not_make_long_pages() {
        let schema = Arc::new(Schema::new(vec![Field::new("s", DataType::Utf8, false)]));
        let batch = |bytes: usize| {
            let text: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(bytes)]));
            RecordBatch::try_new(Arc::clone(&schema), vec![text]).unwrap()
        };
        let mut history = History::new(Arc::clone(&schema), Retention::Rows(65_536));
        for _ in 0..30 {
            history.append(&batch(100_000)).unwrap();
        }
        history.append(&batch(3_000_000)).unwrap();
        let rows: Vec<usize> =
            history.snapshot().unwrap().iter().map(RecordBatch::num_rows).collect();
        assert_eq!(rows, [11, 11, 8, 1]);
    }

    #[test]
    fn rows_without_columns_and_wrong_columns() {
        let schema = Arc::new(Schema::empty());
        let mut history = History::new(Arc::clone(&schema), Retention::Rows(5));
        let options = RecordBatchOptions::new().with_row_count(Some(3));
        let rows = RecordBatch::try_new_with_options(schema, vec![], &options).unwrap();
        history.append(&rows).unwrap();
        history.append(&rows).unwrap();
        assert_eq!((history.num_rows(), history.dropped_rows()), (5, 1));
        let content: usize = history.snapshot().unwrap().iter().map(RecordBatch::num_rows).sum();
        assert_eq!(content, 5);
        assert!(history.append(&numbers(0, 1)).is_err());

        let text = Arc::new(Schema::new(vec![Field::new("x", DataType::Utf8, true)]));
        let mut history = History::new(Arc::clone(&text), Retention::Rows(5));
        assert!(history.append(&numbers(0, 1)).is_err());
        let empty = RecordBatch::try_new(text, vec![new_empty_array(&DataType::Utf8)]).unwrap();
        history.append(&empty).unwrap();
        assert_eq!(history.num_rows(), 0);
    }
}
