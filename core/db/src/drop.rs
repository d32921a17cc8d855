//! Dropping: what reads an object, and how objects go.
//!
//! What others read is dropped only with them. Subscriptions to an object by its name are no
//! readers: dropping it drops their rings, and what follows it for them, which ends them.

use std::sync::atomic::Ordering;

use laminar_types::{Error, Result, code};

use crate::engine::{Core, Object, StreamId};
use crate::stream::Stream;

impl Core {
    /// Removes an object that nobody reads.
    pub(crate) fn drop_object(&mut self, name: &str) -> Result<Object> {
        if let Some(Object::LateRows { of, .. }) = self.objects.get(name) {
            return Err(Error::new(
                code::HAS_DEPENDANTS,
                format!("`{name}` gives the late rows of `{of}`: drop that"),
            ));
        }
        let late = self.late_sinks(name);
        let mut readers = self.readers(name);
        readers.extend(late.iter().flat_map(|(sink, _)| self.readers(sink)));
        if !readers.is_empty() {
            return Err(Error::new(
                code::HAS_DEPENDANTS,
                format!("`{name}` is read by {}: drop that first", readers.join(", ")),
            ));
        }
        self.epoch += 1;
        self.remove_followers(name);
        let object = self.objects.remove(name).ok_or_else(|| self.not_found(name))?;
        self.catalog_version += 1;
        self.board.remove(name);
        for (sink, rows) in late {
            self.board.remove(&sink);
            self.objects.remove(&sink);
            self.remove_stream(rows);
        }
        match &object {
            Object::Source(id) | Object::Table(id) | Object::LookupTable(id) => {
                self.queue.forget(*id);
                self.board.queued_bytes.set(self.queue.bytes() as u64);
                if let Some(source) = self.sources[id.0 as usize].take() {
                    source.rules.pending.store(0, Ordering::Relaxed);
                    self.graph.remove(source.node);
                }
            }
            Object::Stream(id) | Object::View(id) | Object::QuerySink(id) => {
                self.remove_stream(*id);
            }
            Object::Sink { .. } => {
                for stream in self.streams.iter_mut().flatten() {
                    stream.subscribers.retain(|ring| !ring.is_of_sink(name));
                }
            }
            Object::LateRows { .. } => {}
        }
        if let Some(id) = object.input() {
            self.board.admission.end(id);
        }
        Ok(object)
    }

    /// Removes an object and everything that reads it.
    pub(crate) fn drop_cascade(&mut self, name: &str) -> Result<()> {
        // What reads the late rows of a stream reads the stream.
        let mut names: Vec<String> =
            self.late_sinks(name).into_iter().map(|(sink, _)| sink).collect();
        names.push(name.to_string());
        let reads = |stream: &Stream| {
            stream.late_of.is_none() && stream.reads.iter().any(|read| names.contains(read))
        };
        let streams = self.streams.iter().enumerate();
        let streams = streams.filter_map(|(index, stream)| {
            let stream = stream.as_ref().filter(|stream| reads(stream))?;
            Some((StreamId(index as u32), stream.name.clone()))
        });
        let (anonymous, named): (Vec<_>, Vec<_>) =
            streams.partition(|(_, name): &(StreamId, String)| name.is_empty());
        let sinks = self.objects.iter().filter_map(|(sink, object)| match object {
            Object::Sink { from, .. } if names.contains(from) => Some(sink.clone()),
            _ => None,
        });
        let readers: Vec<String> = named.into_iter().map(|(_, name)| name).chain(sinks).collect();
        for (id, _) in anonymous {
            self.remove_stream(id);
        }
        for reader in readers {
            // One may have gone with another that it read as well.
            if self.objects.contains_key(&reader) {
                self.drop_cascade(&reader)?;
            }
        }
        self.drop_object(name).map(|_| ())
    }

    /// The names of what reads an object, in order.
    pub(crate) fn readers(&self, name: &str) -> Vec<String> {
        let streams = self.streams.iter().flatten();
        let mut readers: Vec<String> = streams
            .filter(|stream| stream.late_of.is_none())
            .filter(|stream| stream.follows.as_deref() != Some(name))
            .filter(|stream| stream.reads.iter().any(|read| read == name))
            .map(|stream| match stream.is_anonymous() {
                true => format!("the subscription to `{}`", stream.sql),
                false => format!("`{}`", stream.name),
            })
            .collect();
        readers.extend(self.objects.iter().filter_map(|(sink, object)| match object {
            Object::Sink { from, .. } if from == name => Some(format!("`{sink}`")),
            _ => None,
        }));
        readers
    }

    /// Removes the anonymous streams behind subscriptions to an object by its name.
    fn remove_followers(&mut self, name: &str) {
        let streams = self.streams.iter().enumerate();
        let followers = streams.filter_map(|(index, stream)| {
            let follows = stream.as_ref()?.follows.as_deref() == Some(name);
            follows.then_some(StreamId(index as u32))
        });
        let followers: Vec<StreamId> = followers.collect();
        followers.into_iter().for_each(|id| self.remove_stream(id));
    }

    pub(crate) fn remove_stream(&mut self, id: StreamId) {
        if let Some(stream) = self.streams[id.0 as usize].take() {
            self.board.remove_stream(id.0);
            self.disuse(id, &stream.nodes);
        }
        self.tell_sources();
    }
}
