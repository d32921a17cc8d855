//! Some rows, in Arrow's columns.

use std::sync::Arc;

use crate::arrow::Array;
use crate::reader::Column;
use crate::share::share_array;
use crate::{Error, Result, Schema};

/// Rows that never change and may be shared; cloning counts, nothing is copied.
#[derive(Debug, Clone)]
pub struct Batch {
    schema: Arc<Schema>,
    array: Arc<Array>,
}

impl Batch {
    /// Takes over a batch that the library gave out with this schema.
    pub fn new(schema: Arc<Schema>, array: Array) -> Result<Self> {
        if array.is_released() || array.raw().n_children != schema.fields().len() as i64 {
            return Err(Error::new(900, 9001, "a batch does not have the columns of its schema"));
        }
        Ok(Self { schema, array: Arc::new(array) })
    }

    /// The columns.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// How many rows there are.
    pub fn num_rows(&self) -> usize {
        self.array.raw().length.max(0) as usize
    }

    /// A column, by its place.
    ///
    /// # Panics
    /// When there is no such column.
    pub fn column(&self, index: usize) -> Column<'_> {
        let field = &self.schema.fields()[index];
        let raw = self.array.raw();
        // SAFETY: there are as many children as fields, and each has its field's type. The struct's
        // own offset and nulls apply to the rows of its children.
        unsafe {
            let child = &**raw.children.add(index);
            Column::new(field.data_type(), child, raw.offset.max(0) as usize, self.num_rows())
        }
    }

    /// The same rows for someone else to own; the buffers are shared.
    pub fn export(&self) -> Array {
        share_array(&self.array)
    }
}
