//! [`Oracle`]: DataFusion's batch engine over rows that the test hands it.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext};
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};

use super::value::{Row, rows};

pub struct Oracle {
    context: SessionContext,
    runtime: Runtime,
}

impl Default for Oracle {
    fn default() -> Self {
        Self::new()
    }
}

impl Oracle {
    pub fn new() -> Self {
        // One partition: floats are added in the order of the rows.
        let config = SessionConfig::new()
            .with_target_partitions(1)
            .set_bool("datafusion.sql_parser.map_string_types_to_utf8view", false);
        let runtime = Builder::new_current_thread().build().expect("a runtime without I/O");
        Self { context: SessionContext::new_with_config(config), runtime }
    }

    /// A table of these rows, in place of one of this name.
    pub fn table(&self, name: &str, schema: SchemaRef, batches: Vec<RecordBatch>) -> &Self {
        self.context.deregister_table(name).expect("the catalogue is in memory");
        let table = MemTable::try_new(schema, vec![batches]).expect("batches of this schema");
        self.context.register_table(name, Arc::new(table)).expect("the name is free");
        self
    }

    /// The batches that a query answers.
    pub fn batches(&self, sql: &str) -> Vec<RecordBatch> {
        let answer = self.runtime.block_on(async { self.context.sql(sql).await?.collect().await });
        answer.unwrap_or_else(|error| panic!("{sql}\n{error}"))
    }

    /// The rows that a query answers.
    pub fn rows(&self, sql: &str) -> Vec<Row> {
        rows(&self.batches(sql))
    }
}
