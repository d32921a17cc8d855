//! Content: what a relation holds or retains, read at the current epoch.

use arrow::array::RecordBatch;
use laminar_dataflow::{Changes, Content, Traits};
use laminar_types::{Delta, Epoch, Error, Result};

use super::{Core, Object, StreamId};
use crate::catalog::resolve_sink;
use crate::history::History;
use crate::stream::too_old;
use crate::subscription::ChangeBatch;

impl Core {
    /// The content of a relation as one delta.
    pub(super) fn rows_of(&mut self, name: &str, traits: &Traits) -> Result<Delta> {
        whole(name, traits, self.content(name)?.as_ref())
    }

    /// What an append-only relation got after an epoch, as one delta.
    pub(super) fn rows_since(&self, name: &str, epoch: Epoch, traits: &Traits) -> Result<Delta> {
        let rows = self.history(name)?.since(epoch)?.map_err(|oldest| too_old(epoch, oldest))?;
        let batches = rows.iter().map(|(_, batch)| batch);
        let batch = arrow::compute::concat_batches(&traits.schema, batches)
            .map_err(|error| Error::internal(format!("the content of `{name}`: {error}")))?;
        Ok(Delta::insert(batch))
    }

    /// The rows that an append-only relation retains.
    pub(super) fn history(&self, name: &str) -> Result<&History> {
        let history = match self.object(name)? {
            Object::Sink { from, .. } => return self.history(from),
            Object::Source(id) | Object::Table(id) | Object::LookupTable(id) => {
                self.source(*id)?.history.as_ref()
            }
            Object::Stream(id)
            | Object::View(id)
            | Object::QuerySink(id)
            | Object::LateRows { rows: id, .. } => self.stream(*id).history.as_ref(),
        };
        history.ok_or_else(|| Error::internal(format!("`{name}` keeps no history")))
    }

    /// What an append-only input got after an epoch, epoch by epoch; `None` for anything else.
    pub(crate) fn changes_of_input(
        &self,
        name: &str,
        epoch: Epoch,
    ) -> Result<Option<Vec<ChangeBatch>>> {
        let Some(id) = resolve_sink(self, name)?.input() else { return Ok(None) };
        let Some(history) = &self.source(id)?.history else { return Ok(None) };
        let rows = history.since(epoch)?.map_err(|oldest| too_old(epoch, oldest))?;
        let change = |(epoch, batch)| ChangeBatch { batch, weights: None, epoch };
        Ok(Some(rows.into_iter().map(change).collect()))
    }

    /// A consistent read of what a relation holds or retains now.
    pub(crate) fn content(&mut self, name: &str) -> Result<Box<dyn Content>> {
        match self.object(name)?.clone() {
            Object::Sink { from, .. } => self.content(&from),
            Object::Source(id) | Object::Table(id) | Object::LookupTable(id) => {
                let source = self.source(id)?;
                if let Some(history) = &source.history {
                    return Ok(Box::new(Batches(history.snapshot()?)));
                }
                let node = source.node;
                let content = self.graph.content(node);
                content.ok_or_else(|| Error::internal(format!("the table `{name}` has no rows")))
            }
            Object::Stream(id)
            | Object::View(id)
            | Object::QuerySink(id)
            | Object::LateRows { rows: id, .. } => self.stream_content(id),
        }
    }

    /// A consistent read of what a stream holds or retains now.
    pub(crate) fn stream_content(&mut self, id: StreamId) -> Result<Box<dyn Content>> {
        let stream = self.stream(id);
        let (name, result) = (stream.name.clone(), stream.result());
        if let Some(error) = self.graph.failure(stream.result()) {
            return Err(stream.stopped(error));
        }
        if let Some(history) = &stream.history {
            return Ok(Box::new(Batches(history.snapshot()?)));
        }
        self.graph.content(result).ok_or_else(|| {
            Error::internal(format!("the content of the stream `{name}` is not held"))
        })
    }
}

/// Rows that lie ready.
struct Batches(Vec<RecordBatch>);

impl Content for Batches {
    fn batches(&self) -> Result<Vec<RecordBatch>> {
        Ok(self.0.clone())
    }
}

/// The content of a relation as one delta.
pub(crate) fn whole(name: &str, traits: &Traits, content: &dyn Content) -> Result<Delta> {
    let batch = arrow::compute::concat_batches(&traits.schema, &content.batches()?)
        .map_err(|error| Error::internal(format!("the content of `{name}`: {error}")))?;
    // Where rows can cease, weights are present.
    let weighted = traits.changes != Changes::AppendOnly;
    let weights = weighted.then(|| vec![1; batch.num_rows()].into());
    Ok(Delta { batch, weights })
}
