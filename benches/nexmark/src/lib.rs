//! Nexmark: an auction house in events, and questions about it.
//!
//! The events and the queries are those of the benchmark (Tucker, Tufte, Papadimos, Maier,
//! "NEXMark: a benchmark for queries over data streams", 2002), with the proportions, the fields and
//! the skew that Apache Beam gave its generator and the queries q9 to q22 that Flink's edition added.
//!
//! | module | what it holds |
//! |---|---|
//! | [`generator`] | persons, auctions and bids, the same for the same number of the event |
//! | [`schema`] | their columns, in Arrow and as `CREATE SOURCE` |
//! | [`queries`] | q0 to q22, each as a continuous query and as one over all rows |

pub mod generator;
pub mod queries;
mod random;
pub mod schema;

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;

use crate::schema::Relation;

/// Bids as the queries over all rows know them: with `arrival`, which counts on from `arrival`, and
/// with `p`, the clock in milliseconds when these came.
pub fn bids_for_reference(
    bids: &RecordBatch,
    arrival: usize,
    clock_ms: i64,
) -> Result<RecordBatch, ArrowError> {
    let rows = bids.num_rows();
    let numbers = Int64Array::from_iter_values((arrival..arrival + rows).map(|row| row as i64));
    let clock = TimestampMillisecondArray::from_value(clock_ms, rows);
    let added: [ArrayRef; 2] = [Arc::new(numbers), Arc::new(clock)];
    let columns = bids.columns().iter().cloned().chain(added).collect();
    RecordBatch::try_new(reference_schema(Relation::Bid), columns)
}

/// The columns of a relation as the queries over all rows know it.
pub fn reference_schema(relation: Relation) -> SchemaRef {
    let schema = relation.schema();
    if relation != Relation::Bid {
        return schema;
    }
    let time = DataType::Timestamp(TimeUnit::Millisecond, None);
    let added =
        [Field::new("arrival", DataType::Int64, false), Field::new("p", time, false)].map(Arc::new);
    Arc::new(Schema::new(schema.fields().iter().cloned().chain(added).collect::<Vec<_>>()))
}
