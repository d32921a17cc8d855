//! [`Sink`], what can be subscribed to by name.

use std::fmt;
use std::marker::PhantomData;

use arrow::datatypes::SchemaRef;
use laminar_types::Result;

use super::subscription::Subscription;
use crate::catalog::{find, quoted};
use crate::database::LaminarDB;
use crate::records::FromRecordBatch;
use crate::subscription::SubscribeOptions;

/// A sink, stream, view or source by its name, whose rows are given as `T`.
///
/// ```
/// use laminar_db::{FromRow, LaminarDB};
///
/// #[derive(FromRow)]
/// struct Double { twice: i64 }
///
/// let db = LaminarDB::open()?;
/// db.execute_blocking("CREATE SOURCE numbers (n BIGINT)")?;
/// db.execute_blocking("CREATE STREAM doubles AS SELECT 2 * n AS twice FROM numbers")?;
/// db.execute_blocking("CREATE SINK output FROM doubles")?;
/// let mut doubles = db.sink::<Double>("output")?.subscribe()?;
/// db.start_blocking()?;
/// db.execute_blocking("INSERT INTO numbers VALUES (21)")?;
/// assert_eq!(doubles.recv_blocking()?.unwrap().twice, 42);
/// # Ok::<(), laminar_db::Error>(())
/// ```
pub struct Sink<T> {
    db: LaminarDB,
    name: String,
    schema: SchemaRef,
    rows: PhantomData<fn() -> T>,
}

impl<T: FromRecordBatch> Sink<T> {
    /// Follows it from now on. Each subscription gets every change.
    ///
    /// # Errors
    /// `NOT_FOUND` where it was dropped meanwhile.
    pub fn subscribe(&self) -> Result<Subscription<T>> {
        self.subscribe_with(SubscribeOptions::default())
    }

    /// Follows it: from a snapshot, from an epoch, under a condition, as the options say.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe), and for options that do not go together.
    pub fn subscribe_with(&self, options: SubscribeOptions) -> Result<Subscription<T>> {
        self.db.subscribe_as(&quoted(&self.name), options)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The columns that subscriptions get.
    pub fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }
}

impl<T> Clone for Sink<T> {
    fn clone(&self) -> Self {
        Self {
            db: self.db.clone(),
            name: self.name.clone(),
            schema: SchemaRef::clone(&self.schema),
            rows: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Sink<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").field("name", &self.name).finish_non_exhaustive()
    }
}

impl LaminarDB {
    /// A sink, stream, view or source by its name, to be subscribed to.
    ///
    /// # Errors
    /// `NOT_FOUND`; `SCHEMA_MISMATCH` where its rows cannot be given as `T`, with the column.
    pub fn sink<T: FromRecordBatch>(&self, name: &str) -> Result<Sink<T>> {
        let name = self.shared.run(|core| find(core, name))??;
        // A subscription is the one who knows its columns; this one ends at once.
        let options = SubscribeOptions::default();
        let schema = self.subscribe_as::<T>(&quoted(&name), options)?.schema();
        Ok(Sink { db: self.clone(), name, schema, rows: PhantomData })
    }
}
