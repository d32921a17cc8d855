//! What the board tells and only a walk through the state finds.

use laminar_dataflow::state::Container;

use super::{Core, StreamId};
use crate::board::OperatorEntry;
use crate::history::History;
use crate::stream::Stream;

impl Core {
    /// Brings the gauges of the board up to date.
    pub(crate) fn read_gauges(&self) {
        self.board.epochs.set(self.epoch);
        for source in self.sources.iter().flatten() {
            let entry = &source.entry;
            let watermark = source.producers.watermark();
            entry.watermark_ms.set(watermark.and_then(|watermark| watermark.millis()));
            if let Some(history) = &source.history {
                entry.retained_rows.set(history.num_rows() as u64);
                entry.dropped_rows.set(history.dropped_rows());
                entry.state_bytes.set(history.state_bytes() as u64);
            }
            if let Some(rows) = self.graph.table(source.node) {
                entry.retained_rows.set(rows.len());
                entry.state_bytes.set(rows.state_bytes() as u64);
            }
        }
        for (index, stream) in self.streams.iter().enumerate() {
            let (id, Some(stream)) = (StreamId(index as u32), stream) else { continue };
            let (mut late_rows, mut state_bytes) = (0, 0);
            for node in &stream.nodes {
                let metrics = self.graph.metrics(*node);
                late_rows += metrics.late_rows;
                if self.counts_for(*node, id) {
                    state_bytes += metrics.state_bytes;
                }
            }
            let history = stream.history.as_ref();
            state_bytes += history.map_or(0, History::state_bytes);
            let entry = &stream.entry;
            entry.set_operators(self.operators_of(id, stream));
            entry.late_rows.set(late_rows);
            entry.state_bytes.set(state_bytes as u64);
            entry.retained_rows.set(history.map_or(0, History::num_rows) as u64);
            entry.watermark_ms.set(self.stream_watermark(stream));
            if let Some(error) = self.graph.failure(stream.result()) {
                let _ = entry.failure.set(error.to_string());
            }
        }
    }

    /// What the operators of a stream, and their partitions, did and hold.
    fn operators_of(&self, id: StreamId, stream: &Stream) -> Vec<OperatorEntry> {
        let mut entries = Vec::new();
        for (number, (node, outline)) in stream.nodes.iter().zip(&stream.outline.nodes).enumerate()
        {
            let shared_with = self.users(*node, Some(id)).join(", ");
            let entry = |partition, work, metrics| OperatorEntry {
                shared_with: (!shared_with.is_empty()).then(|| shared_with.clone()),
                number: number as u64,
                label: outline.label.clone(),
                partition,
                work,
                metrics,
            };
            entries.push(entry(None, self.graph.work(*node), self.graph.metrics(*node)));
            for (number, of) in self.graph.partitions(*node).into_iter().enumerate() {
                entries.push(entry(Some(number as u64), of.work, of.metrics));
            }
        }
        entries
    }
}
