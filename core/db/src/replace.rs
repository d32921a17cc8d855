//! `CREATE OR REPLACE`: another definition under the same name, in one epoch.
//!
//! What is replaced keeps its columns, and what reads it keeps its state and receives the
//! difference between the old content and the new. What cannot be kept is refused before anything
//! has changed: a definition that is refused or fails leaves the old one whole.

use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{Field, Schema};
use laminar_dataflow::state::TableRows;
use laminar_dataflow::{Changes, Content, Traits, consolidate};
use laminar_sql::parser::statement::Name;
use laminar_sql::plan::StreamPlan;
use laminar_types::{Delta, Error, Result, Weights, code};

use crate::engine::{
    Core, InputKind, Installed, NewSource, NewStream, Object, SourceId, StreamId, StreamKind,
};
use crate::history::History;
use crate::producers::Declared;
use crate::stream::form;

/// Pieces of content, with weights where they are not all +1.
type Pieces = Vec<(RecordBatch, Option<Weights>)>;

impl Core {
    /// The object that a `CREATE OR REPLACE` of this kind replaces, if there is one.
    pub(crate) fn replaced(&self, name: &Name, kind: &str) -> Result<Option<Object>> {
        let Some(object) = self.objects.get(&name.value) else { return Ok(None) };
        let name_of = &name.value;
        let message = match object {
            Object::LateRows { of, .. } => {
                format!("`{name_of}` gives the late rows of `{of}`: replace that")
            }
            object if object.kind() == kind => return Ok(Some(object.clone())),
            object => format!(
                "`{name_of}` is a {}, which CREATE OR REPLACE {kind} does not replace: drop it \
                 first",
                object.kind()
            ),
        };
        Err(Error::new(code::EXISTS, message).at(name.position))
    }

    /// Puts another query in the place of that of a stream or view. Its dependants and subscribers
    /// receive the difference in this epoch.
    ///
    /// The rows of an append-only stream are events that happened: they stay with whoever received
    /// them, and those of the new query come on top. Everything else is content, and is replaced.
    pub(crate) fn replace_stream(
        &mut self,
        id: StreamId,
        new: NewStream,
        mut plan: StreamPlan,
    ) -> Result<()> {
        self.sweep();
        let name = new.name.clone();
        self.refuse_circle(&name, &plan.relations())?;
        if new.kind == StreamKind::View {
            plan.default_to_changes();
        }
        let readers = self.streams_over(&name);
        let old = self.stream(id);
        let promised = old.traits.clone();
        // Whoever asks for the changes since an epoch reads, too.
        let is_read = !readers.is_empty() || !old.subscribers.is_empty() || old.changes.is_some();
        refuse_other_columns(&name, &promised.schema, &plan.traits().schema, is_read)?;
        if !old.subscribers.is_empty() {
            let form = |emit, traits: &Traits| {
                (form(emit, traits.changes), traits.changes == Changes::AppendOnly)
            };
            if form(old.emit, &promised) != form(plan.emit, plan.traits()) {
                return Err(Error::new(
                    code::HAS_DEPENDANTS,
                    format!(
                        "`{name}` has subscribers, who would get its changes in another form: \
                         state {}, or end the subscriptions first",
                        old.emit_sql()
                    ),
                ));
            }
        }
        let stopped = self.graph.failure(old.result()).is_some();
        if !readers.is_empty() {
            let readers = readers.join(", ");
            if let Some(broken) = broken_promise(&promised, plan.traits()) {
                let message =
                    format!("`{name}` is read by {readers}, and {broken}: drop the readers first");
                return Err(Error::new(code::HAS_DEPENDANTS, message));
            }
            if stopped {
                let message = format!(
                    "`{name}` is read by {readers}, which stopped with it: drop the readers first"
                );
                return Err(Error::new(code::HAS_DEPENDANTS, message));
            }
        }
        for (sink, rows) in self.late_sinks(&name) {
            let late = self.stream(rows);
            if !self.readers(&sink).is_empty() || !late.subscribers.is_empty() {
                let message =
                    format!("the late rows `{sink}` of `{name}` are read: drop that first");
                return Err(Error::new(code::HAS_DEPENDANTS, message));
            }
        }
        if is_read {
            // No more than before, so that a later definition can keep it, too.
            plan.promise(&promised);
        }
        let mut pieces = Pieces::new();
        let is_content = new.kind == StreamKind::View || promised.changes != Changes::AppendOnly;
        if is_read && is_content && !stopped {
            for batch in self.stream_content(id)?.batches()? {
                let weights = vec![-1; batch.num_rows()].into();
                pieces.push((batch, Some(weights)));
            }
        }
        let installed = self.install_stream(new, plan)?;
        let difference = self.difference(&installed, pieces, is_read, &promised);
        match difference {
            Ok(difference) => self.switch_stream(id, installed, difference),
            Err(error) => {
                self.uninstall(installed);
                Err(error.context(format!("`{name}` stays as it was")))
            }
        }
    }

    /// What the readers of a stream are to receive: what its successor begins with, less these
    /// pieces.
    fn difference(
        &self,
        installed: &Installed,
        mut pieces: Pieces,
        is_read: bool,
        promised: &Traits,
    ) -> Result<Option<Delta>> {
        let new = self.stream(installed.id);
        if let Some(error) = self.graph.failure(new.result()) {
            return Err(error.clone());
        }
        if !is_read {
            return Ok(None);
        }
        pieces.extend(installed.begin.iter().map(|d| (d.batch.clone(), d.weights.clone())));
        let Some((batch, weights)) = consolidate(&promised.schema, &pieces)? else {
            return Ok(None);
        };
        if promised.changes != Changes::AppendOnly {
            return Ok(Some(Delta::weighted(batch, weights)));
        }
        let ceased: i64 = weights.iter().filter(|weight| **weight < 0).map(|weight| -weight).sum();
        if ceased > 0 {
            return Err(Error::new(
                code::HAS_DEPENDANTS,
                format!(
                    "its rows only ever come to be, and {ceased} of them would cease for its \
                     readers: drop those first"
                ),
            ));
        }
        let rows = weights.iter().enumerate();
        let rows = rows.flat_map(|(row, n)| std::iter::repeat_n(row as u32, *n as usize));
        let batch = take_record_batch(&batch, &UInt32Array::from_iter_values(rows))
            .map_err(|error| Error::internal(format!("the rows of a replacement: {error}")))?;
        Ok(Some(Delta::insert(batch)))
    }

    /// The rest of a replacement, which is not refused any more: the id, the readers and the
    /// subscribers of the old stream go to the new one.
    fn switch_stream(
        &mut self,
        id: StreamId,
        installed: Installed,
        difference: Option<Delta>,
    ) -> Result<()> {
        // What waits for the end of an interval was made by the old query.
        self.flush(id);
        let name = self.stream(id).name.clone();
        for (sink, rows) in self.late_sinks(&name) {
            self.board.remove(&sink);
            self.objects.remove(&sink);
            self.remove_stream(rows);
        }
        let new = self.streams[installed.id.0 as usize].take();
        let old = self.streams[id.0 as usize].take();
        let (Some(mut new), Some(mut old)) = (new, old) else {
            return Err(Error::internal("a stream to be replaced is not there"));
        };
        for node in &new.nodes {
            let users = self.usage.get_mut(node).map(|usage| &mut usage.streams);
            users
                .into_iter()
                .flatten()
                .filter(|user| **user == installed.id)
                .for_each(|user| *user = id);
        }
        let (from, to) = (old.result(), new.result());
        self.graph.tap(to, id.0);
        new.subscribers = std::mem::take(&mut old.subscribers);
        let told = new.succeed(&mut old, self.epoch, difference.as_ref());
        self.board.remove_stream(installed.id.0);
        self.board.remove_stream(id.0);
        self.board.add_stream(id.0, Arc::clone(&new.entry));
        self.streams[id.0 as usize] = Some(new);
        self.name_stream(id, installed.late);
        // Another stream may read the old result as a part of its own plan, and stays with it.
        let reads_stream = |reader, port: usize| {
            let usage = self.usage.get(&reader);
            usage.and_then(|usage| usage.of_relations.get(port)).is_none_or(|reads| *reads)
        };
        let moved = self.graph.redirect(from, to, difference.as_ref(), reads_stream);
        for (before, now) in moved {
            if let Some(usage) = self.usage.remove(&before) {
                self.usage.insert(now, usage);
            }
            let nodes = self.streams.iter_mut().flatten().flat_map(|stream| &mut stream.nodes);
            nodes.filter(|node| **node == before).for_each(|node| *node = now);
        }
        self.note_redirected(to);
        self.disuse(id, &old.nodes);
        let mut output = std::mem::take(&mut self.scratch.output);
        output.clear();
        self.graph.run(self.epoch, &mut output);
        self.publish(&mut output);
        self.scratch.output = output;
        self.tell_sources();
        told
    }

    /// Takes back what `install_stream` did.
    fn uninstall(&mut self, installed: Installed) {
        if let Some((_, rows)) = installed.late {
            self.remove_stream(rows);
        }
        self.remove_stream(installed.id);
    }

    /// What reads a stream, itself or through its sinks.
    fn streams_over(&self, name: &str) -> Vec<String> {
        let mut names = vec![name.to_string()];
        let mut at = 0;
        while let Some(behind) = names.get(at).cloned() {
            names.extend(self.objects.iter().filter_map(|(sink, object)| match object {
                Object::Sink { from, .. } if *from == behind => Some(sink.clone()),
                _ => None,
            }));
            at += 1;
        }
        let streams = self.streams.iter().flatten().filter(|stream| stream.late_of.is_none());
        let reads = streams.filter(|stream| stream.reads.iter().any(|read| names.contains(read)));
        let described = reads.map(|stream| match stream.is_anonymous() {
            true => format!("the subscription to `{}`", stream.sql),
            false => format!("`{}`", stream.name),
        });
        described.collect()
    }

    /// Refuses a query that would read its own result.
    fn refuse_circle(&self, name: &str, reads: &[String]) -> Result<()> {
        for read in reads {
            let mut names = vec![read.clone()];
            let mut seen = Vec::new();
            while let Some(behind) = names.pop() {
                if behind == name {
                    let through = match read == name {
                        true => String::new(),
                        false => format!(" through `{read}`"),
                    };
                    let message = format!("`{name}` would read itself{through}");
                    return Err(Error::new(code::PLAN, message));
                }
                match self.objects.get(&behind) {
                    Some(Object::Sink { from, .. } | Object::LateRows { of: from, .. }) => {
                        names.push(from.clone());
                    }
                    Some(object) => {
                        let reads = object.stream().map(|id| self.stream(id).reads.clone());
                        names.extend(reads.unwrap_or_default());
                    }
                    None => {}
                }
                names.retain(|name| !seen.contains(name));
                seen.push(behind);
            }
        }
        Ok(())
    }

    /// Puts another declaration in the place of that of a source. Events that came before are
    /// forgotten here, and stay with the streams that received them; the watermark goes on, by the
    /// new delay and never back.
    pub(crate) fn replace_source(&mut self, id: SourceId, new: NewSource) -> Result<()> {
        self.refuse_other_input(id, &new)?;
        let source = self.source(id)?;
        let (old_timing, timing) = (&source.timing, &new.timing);
        let differs = [
            (old_timing.watermark_key != timing.watermark_key, "watermark_per"),
            (old_timing.max_future_ms != timing.max_future_ms, "max_future_ms"),
        ];
        if let Some((_, what)) = differs.iter().find(|(differs, _)| *differs) {
            return Err(other(&source.name, &format!("{what} is another one")));
        }
        let idle_timeout_ms = timing.idle_timeout_ms;
        let history = History::new(Arc::clone(&source.schema), new.retain);
        self.epoch += 1;
        self.catalog_version += 1;
        let (epoch, now_ms) = (self.epoch, self.clock.now_ms());
        self.relist(id, &new)?;
        let source = self.source_mut(id)?;
        source.timing = new.timing;
        source.history = Some(history);
        source.changed = epoch;
        source.since_ms = now_ms;
        source.producers.redeclare(new.declared);
        if let Some(timeout_ms) = idle_timeout_ms {
            self.alarm.set(now_ms.saturating_add(timeout_ms));
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.output.clear();
        self.advance_source(id, &mut scratch);
        self.publish(&mut scratch.output);
        self.scratch = scratch;
        Ok(())
    }

    /// Puts other rows, and another statement, in the place of those of a table.
    pub(crate) fn replace_table(
        &mut self,
        id: SourceId,
        new: NewSource,
        rows: &[RecordBatch],
    ) -> Result<()> {
        self.refuse_other_input(id, &new)?;
        let (name, schema) = (new.name.clone(), Arc::clone(&self.source(id)?.schema));
        let concat = |batches: &[RecordBatch]| {
            concat_batches(&schema, batches)
                .map_err(|error| Error::internal(format!("the rows of `{name}`: {error}")))
        };
        let removed = concat(&self.content(&name)?.batches()?)?;
        let stamped = self.stamped(id, rows)?;
        // Rows of one key replace each other, as in any new table.
        let InputKind::Table { key, .. } = &new.kind else {
            return Err(Error::internal("a source is no table"));
        };
        let mut added = TableRows::new(Arc::clone(&schema), key.clone())?;
        for batch in stamped.as_deref().unwrap_or(rows) {
            added.insert(batch)?;
        }
        let added = concat(&added.snapshot().batches()?)?;
        self.change_table(id, &removed, &added)?;
        self.source_mut(id)?.producers.redeclare(new.declared);
        self.catalog_version += 1;
        self.relist(id, &new)
    }

    /// Lists a source or table by its new statement, with counters that begin anew.
    fn relist(&mut self, id: SourceId, new: &NewSource) -> Result<()> {
        let source = self.source_mut(id)?;
        let entry = Arc::new(new.entry(id, &source.rules));
        source.entry = Arc::clone(&entry);
        self.board.add_source(new.name.clone(), entry);
        Ok(())
    }

    /// Refuses columns, a key or an event time that are not those of the source or table.
    fn refuse_other_input(&self, id: SourceId, new: &NewSource) -> Result<()> {
        let source = self.source(id)?;
        refuse_other_columns(&source.name, &source.schema, &new.schema, true)?;
        let key = new.key().iter().map(|column| source.schema.field(*column).name().clone());
        let key: Vec<String> = key.collect();
        if key != source.entry.key {
            let names = |key: &[String]| match key {
                [] => "no PRIMARY KEY".to_string(),
                key => format!("PRIMARY KEY ({})", key.join(", ")),
            };
            let what = format!("it has {} and had {}", names(&key), names(&source.entry.key));
            return Err(other(&source.name, &what));
        }
        if let Some(what) = new.policy.difference(&source.rules.policy) {
            let name = &source.name;
            let message = format!(
                "OR REPLACE keeps the options that the handles of `{name}` live by, and {what}: \
                 state it as it was, or drop it first"
            );
            return Err(Error::new(code::SCHEMA_MISMATCH, message));
        }
        if source.timing.proctime != new.timing.proctime {
            return Err(other(&source.name, "the proctime() column is another one"));
        }
        let column = |declared: Option<Declared>| declared.map(|declared| declared.column);
        let (had, has) = (column(source.producers.declared()), column(new.declared));
        if had != has {
            let of = |column: Option<usize>| match column {
                Some(column) => format!("WATERMARK FOR {}", source.schema.field(column).name()),
                None => "no WATERMARK FOR".to_string(),
            };
            return Err(other(&source.name, &format!("it has {} and had {}", of(has), of(had))));
        }
        Ok(())
    }

    /// Gives a sink another relation with the same columns.
    pub(crate) fn replace_sink(&mut self, name: &str, from: String, sql: String) -> Result<()> {
        let schema = |name: &str| {
            let (_, traits) = self.relation(name).ok_or_else(|| self.not_found(name))?;
            Ok::<_, Error>(traits.schema)
        };
        let (old, new) = (schema(name)?, schema(&from)?);
        refuse_other_columns(name, &old, &new, false)?;
        self.refuse_circle(name, std::slice::from_ref(&from))?;
        let readers = self.streams_over(name);
        let moves =
            !matches!(self.objects.get(name), Some(Object::Sink { from: old, .. }) if *old == from);
        if moves && !readers.is_empty() {
            let message = format!(
                "`{name}` is read by {}, which would get another relation: drop the readers first",
                readers.join(", ")
            );
            return Err(Error::new(code::HAS_DEPENDANTS, message));
        }
        self.epoch += 1;
        self.board.remove(name);
        self.board.add_sink(name.to_string(), from.clone(), sql.clone());
        self.add_object(name.to_string(), Object::Sink { from, sql });
        Ok(())
    }
}

/// Refuses columns that differ from those of what is to be replaced; in whether they can be NULL,
/// too, where somebody relies on it.
fn refuse_other_columns(name: &str, old: &Schema, new: &Schema, is_read: bool) -> Result<()> {
    if old.fields().len() != new.fields().len() {
        let what = format!("it has {} columns and had {}", new.fields().len(), old.fields().len());
        return Err(other(name, &what));
    }
    let pairs = old.fields().iter().zip(new.fields()).enumerate();
    for (index, (old, new)) in pairs {
        let can_be_null = is_read && new.is_nullable() && !old.is_nullable();
        if old.name() != new.name() || old.data_type() != new.data_type() || can_be_null {
            let describe = |field: &Field| {
                let null = if field.is_nullable() { "" } else { " NOT NULL" };
                format!("`{} {}{null}`", field.name(), field.data_type())
            };
            let what =
                format!("column {} is {} and was {}", index + 1, describe(new), describe(old));
            return Err(other(name, &what));
        }
    }
    Ok(())
}

fn other(name: &str, what: &str) -> Error {
    Error::new(
        code::SCHEMA_MISMATCH,
        format!(
            "OR REPLACE keeps the columns, keys and event times of `{name}`, and {what}: drop it first"
        ),
    )
}

/// What readers of an edge rely on and would not have any more.
fn broken_promise(old: &Traits, new: &Traits) -> Option<&'static str> {
    let is_within = |new: &Option<Vec<usize>>, old: &[usize]| {
        new.as_ref().is_some_and(|key| key.iter().all(|column| old.contains(column)))
    };
    if old.changes == Changes::AppendOnly && new.changes != Changes::AppendOnly {
        Some("rows that only ever came to be could cease")
    } else if old.unique_key.as_ref().is_some_and(|key| !is_within(&new.unique_key, key)) {
        Some("its rows would not have the same key any more")
    } else if old.times != new.times {
        Some("its event times would be others")
    } else if !old.times.is_empty() && old.declared_watermark && !new.declared_watermark {
        Some("not all of its inputs would declare a watermark any more")
    } else {
        None
    }
}
