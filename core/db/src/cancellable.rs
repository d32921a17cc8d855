//! [`CancellableRule`] and [`in_place`]: a query that is cancelled stops, and keeps no other waiting.
//!
//! A query's task runs on the one thread of the queries. Where it computes for long without giving
//! the thread back, the others would wait, so each of its steps runs [in place](in_place): the
//! others go on on another thread meanwhile. Its leaves look whether it was cancelled before each
//! batch, so that it ends with the batch that it is at.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, RecordBatchStream,
    SendableRecordBatchStream,
};
use futures::{Stream, StreamExt};

use crate::query::QueryCanceller;

/// Puts a look at the canceller over every leaf of a plan.
#[derive(Debug)]
pub(crate) struct CancellableRule(pub(crate) QueryCanceller);

impl PhysicalOptimizerRule for CancellableRule {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let wrapped = plan.transform_up(|node| {
            if !node.children().is_empty() {
                return Ok(Transformed::no(node));
            }
            let leaf = CancellableExec { input: node, canceller: self.0.clone() };
            Ok(Transformed::yes(Arc::new(leaf) as Arc<dyn ExecutionPlan>))
        });
        wrapped.data()
    }

    fn name(&self) -> &str {
        "cancellable"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// A leaf of a plan that fails once the query was cancelled. It is put in when nothing optimises
/// the plan any more, so it need not be one of those that let optimisers through.
#[derive(Debug)]
struct CancellableExec {
    input: Arc<dyn ExecutionPlan>,
    canceller: QueryCanceller,
}

impl DisplayAs for CancellableExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CancellableExec")
    }
}

impl ExecutionPlan for CancellableExec {
    fn name(&self) -> &str {
        "CancellableExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = children.pop().ok_or_else(|| {
            DataFusionError::Internal("a leaf that can be cancelled has one input".to_string())
        })?;
        Ok(Arc::new(Self { input, canceller: self.canceller.clone() }))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        Ok(Box::pin(Cancellable { input, canceller: self.canceller.clone() }))
    }
}

/// Batches until the query is cancelled.
struct Cancellable {
    input: SendableRecordBatchStream,
    canceller: QueryCanceller,
}

impl Stream for Cancellable {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.canceller.is_cancelled() {
            let cancelled = "the query was cancelled".to_string();
            return Poll::Ready(Some(Err(DataFusionError::Execution(cancelled))));
        }
        self.input.poll_next_unpin(context)
    }
}

impl RecordBatchStream for Cancellable {
    fn schema(&self) -> SchemaRef {
        self.input.schema()
    }
}

/// A future each step of which may take its time: what else the runtime has to do is done by
/// another thread meanwhile. Only for tasks of a runtime with several threads.
pub(crate) async fn in_place<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    std::future::poll_fn(|context| tokio::task::block_in_place(|| future.as_mut().poll(context)))
        .await
}
