//! [`RowCodec`]: the rows of a call as byte strings in the call's order.
//!
//! A row is what the call orders by, then its arguments, in Arrow's row format: comparing bytes
//! compares rows. The arguments come back out of it.

use std::sync::Arc;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::{SortOptions, cast, take};
use arrow::datatypes::DataType;
use arrow::row::{Row, RowConverter, Rows, SortField};
use laminar_types::{Error, Result};

use super::call::{AggregateFunction, CallSpec};
use crate::state::arrow_error;

/// Encodes the columns of a call and decodes its arguments.
pub(super) struct RowCodec {
    converter: Arc<RowConverter>,
    args: Vec<DataType>,
    order: usize,
    rows: Rows,
}

impl RowCodec {
    pub(super) fn new(call: &CallSpec) -> Result<Self> {
        let order = call.order.iter();
        let order = order.map(|(of, options)| SortField::new_with_options(of.clone(), *options));
        // To min and max, as DataFusion has them, a null inside a list is above every value.
        let is_extreme = matches!(call.function, AggregateFunction::Min | AggregateFunction::Max);
        let options = SortOptions { descending: false, nulls_first: !is_extreme };
        let args = call.args.iter();
        let args = args.map(|of| SortField::new_with_options(of.clone(), options));
        let fields = order.chain(args).collect();
        let converter = RowConverter::new(fields).map_err(|error| {
            let name = call.function.name();
            Error::unsupported(format!("{name}(...) over these types is not supported: {error}"))
        })?;
        Ok(Self::with(Arc::new(converter), call.args.clone(), call.order.len()))
    }

    fn with(converter: Arc<RowConverter>, args: Vec<DataType>, order: usize) -> Self {
        let rows = converter.empty_rows(0, 0);
        Self { converter, args, order, rows }
    }

    /// The same codec, to be used beside this one.
    pub(super) fn beside(&self) -> Self {
        Self::with(Arc::clone(&self.converter), self.args.clone(), self.order)
    }

    /// Encodes the arguments of a call and, behind them, what it orders by.
    pub(super) fn encode(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let (args, order) = columns.split_at(self.args.len());
        debug_assert_eq!(order.len(), self.order);
        let columns: Vec<ArrayRef> = order.iter().chain(args).cloned().collect();
        self.rows.clear();
        self.converter.append(&mut self.rows, &columns).map_err(arrow_error)
    }

    /// A row of the batch last encoded.
    pub(super) fn row(&self, row: usize) -> Row<'_> {
        self.rows.row(row)
    }

    /// The arguments of encoded rows.
    pub(super) fn decode<'a>(&self, rows: impl Iterator<Item = &'a [u8]>) -> Result<Vec<ArrayRef>> {
        let parser = self.converter.parser();
        let rows = rows.map(|row| parser.parse(row));
        let columns = self.converter.convert_rows(rows).map_err(arrow_error)?;
        let args = columns.into_iter().skip(self.order).zip(&self.args);
        args.map(|(column, data_type)| match column.data_type() == data_type {
            true => Ok(column),
            // Dictionaries come back as their values.
            false => cast(&column, data_type).map_err(arrow_error),
        })
        .collect()
    }

    /// The first argument of encoded rows; null where there is no row.
    pub(super) fn decode_each<'a>(
        &self,
        rows: impl Iterator<Item = Option<&'a [u8]>>,
    ) -> Result<ArrayRef> {
        let mut known = Vec::new();
        let positions = rows.map(|row| {
            row.map(|row| {
                known.push(row);
                known.len() as u32 - 1
            })
        });
        let positions: UInt32Array = positions.collect();
        let mut columns = self.decode(known.into_iter())?;
        take(&columns.swap_remove(0), &positions, None).map_err(arrow_error)
    }

    pub(super) fn state_bytes(&self) -> usize {
        self.rows.size()
    }
}
