//! One run of DataFusion: the batch answer over the same batches, on one thread.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::datasource::MemTable;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt;
use laminar_benches::sink::{Outcome, Sink};

use crate::workload::Workload;
use crate::{Result, input};

/// Plans outside the clock, as Laminar does, and reads the answer to its end.
pub(crate) fn run(workload: &Workload, batches: &[RecordBatch]) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let context =
            SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
        let table = MemTable::try_new(input::schema(), vec![batches.to_vec()])?;
        context.register_table("events", Arc::new(table))?;
        let plan = context.sql(&workload.reference).await?.create_physical_plan().await?;
        let columns = plan.schema().fields().len();
        let mut sink = Sink::start(columns);
        let mut answer = execute_stream(plan, context.task_ctx())?;
        while let Some(batch) = answer.next().await {
            sink.take(batch?)?;
        }
        sink.finish(|_| Ok(()))
    })
}
