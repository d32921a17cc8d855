//! How subscriptions begin: to an object by its name or to a query, with a snapshot, under a
//! condition, from an epoch on.

use std::sync::{Arc, Weak};

use arrow::array::RecordBatch;
use laminar_dataflow::Changes;
use laminar_sql::parser::{
    self,
    statement::{OnError, Statement, Subscribe, Target},
};
use laminar_sql::plan::EmitForm;
use laminar_types::{Epoch, Error, Result, Weights, code};

use crate::catalog::{quoted, resolve_sink};
use crate::database::{LaminarDB, Shared};
use crate::engine::{Backfill, Core, NewStream, Object, StreamId, StreamKind};
use crate::ring::{Policy, Ring, RingOptions};
use crate::subscription::{
    ChangeBatch, OnFull, SnapshotProvider, SubscribeOptions, UntypedSubscription,
};

/// What a subscription begins with.
enum Begin {
    /// With what comes from now on.
    Now,
    /// With the content.
    Snapshot(Vec<(RecordBatch, Option<Weights>)>),
    /// With earlier changes.
    Replay(Vec<ChangeBatch>),
}

/// The object behind a subscription by name that is made a query.
struct Followed<'a> {
    name: &'a str,
    /// Whether the query gives all of its rows.
    is_whole: bool,
}

impl LaminarDB {
    /// Subscribes to a stream, sink or source by name, from now on, or to a query, beginning with
    /// its content; `options` may say otherwise. `target` may also be the SQL statement
    /// `SUBSCRIBE`, which then says all but the capacity.
    pub fn subscribe_with(
        &self,
        target: &str,
        options: SubscribeOptions,
    ) -> Result<UntypedSubscription> {
        if let Some(name) = self.named(target)? {
            return self.subscribe_name(&name, &options);
        }
        match self.parse(target)? {
            Statement::Subscribe(subscribe) => self.subscribe_statement(subscribe, options),
            _ => self.subscribe_query(target, &options, None),
        }
    }

    fn subscribe_statement(
        &self,
        subscribe: Subscribe,
        mut options: SubscribeOptions,
    ) -> Result<UntypedSubscription> {
        if options.predicate.is_some() || options.as_of_epoch.is_some() {
            return Err(argument("SUBSCRIBE has the condition and the epoch in itself"));
        }
        match subscribe.target {
            Target::Query(query) => self.subscribe_query(&query.text, &options, None),
            Target::Name(name) => {
                options.snapshot = Some(subscribe.snapshot || options.snapshot == Some(true));
                options.predicate = subscribe.predicate.map(|predicate| predicate.to_string());
                options.as_of_epoch = subscribe.as_of_epoch;
                let found = self.shared.run(|core| crate::catalog::find(core, &name.value))?;
                let found = found.map_err(|error| error.at(name.position))?;
                self.subscribe_name(&found, &options)
            }
        }
    }

    fn subscribe_name(
        &self,
        name: &str,
        options: &SubscribeOptions,
    ) -> Result<UntypedSubscription> {
        let snapshot = options.snapshot.unwrap_or(false);
        if snapshot && options.as_of_epoch.is_some() {
            return Err(argument(
                "a subscription begins with a snapshot or from an epoch, not both",
            ));
        }
        let capacity = self.capacity(options)?;
        if options.predicate.is_none() {
            let attached = self.shared.run(|core| {
                let (Object::Stream(id) | Object::View(id)) = resolve_sink(core, name)? else {
                    return Ok(None);
                };
                let begin = match options.as_of_epoch {
                    Some(epoch) => {
                        refuse_future(core, epoch)?;
                        core.flush(id);
                        Begin::Replay(core.stream(id).changes_since(epoch)?)
                    }
                    None if snapshot => {
                        let rows = core.stream_content(id)?.batches()?;
                        Begin::Snapshot(rows.into_iter().map(|batch| (batch, None)).collect())
                    }
                    None => Begin::Now,
                };
                let is_sink = matches!(core.object(name)?, Object::Sink { .. });
                let sink = is_sink.then(|| name.to_string());
                Ok::<_, Error>(Some(self.attach(core, id, capacity, options.on_full, begin, sink)))
            })??;
            if let Some(subscription) = attached {
                return Ok(subscription);
            }
        }
        // A source is followed by the query that gives all of its rows, a condition by one of its
        // own.
        let query = self.query_over(name, options)?;
        let follows = Some(Followed { name, is_whole: options.predicate.is_none() });
        let options =
            SubscribeOptions { snapshot: Some(snapshot), predicate: None, ..options.clone() };
        self.subscribe_query(&query, &options, follows)
    }

    /// The query that gives the rows of a relation under the condition of the options, in the form
    /// in which the relation itself is told.
    fn query_over(&self, name: &str, options: &SubscribeOptions) -> Result<String> {
        let quoted = quoted(name);
        let mut query = format!("SELECT * FROM {quoted}");
        let Some(predicate) = &options.predicate else { return Ok(query) };
        // Read as the statement reads it: one expression and nothing behind it.
        let statement = format!("SUBSCRIBE {quoted} WHERE {predicate}");
        let parsed = match parser::parse_one(&statement) {
            Ok(Statement::Subscribe(Subscribe {
                predicate: Some(predicate),
                snapshot: false,
                as_of_epoch: None,
                ..
            })) => predicate,
            Ok(_) => return Err(argument(&format!("`{predicate}` is no condition"))),
            Err(error) => {
                return Err(argument(&format!(
                    "the condition `{predicate}` cannot be read: {}",
                    error.message()
                )));
            }
        };
        query.push_str(&format!(" WHERE {parsed}"));
        let emit = self.shared.run(|core| match resolve_sink(core, name)? {
            Object::Stream(id) | Object::View(id) => {
                let stream = core.stream(id);
                Ok((stream.emit != EmitForm::Final).then(|| stream.emit_sql()))
            }
            _ => Ok::<_, Error>(None),
        })??;
        if let Some(emit) = emit {
            query.push_str(&format!(" {emit}"));
        }
        Ok(query)
    }

    fn capacity(&self, options: &SubscribeOptions) -> Result<usize> {
        match options.capacity.unwrap_or(self.shared.settings.buffer_size()) {
            0 => Err(argument("a subscription's capacity must be at least one row")),
            capacity => Ok(capacity),
        }
    }

    /// Subscribes to a query, which may be that of an object by its name.
    fn subscribe_query(
        &self,
        sql: &str,
        options: &SubscribeOptions,
        follows: Option<Followed<'_>>,
    ) -> Result<UntypedSubscription> {
        let Statement::Query(query) = parser::parse_one(sql)? else {
            return Err(argument(
                "a subscription is to a stream, sink or source by name, or to a SELECT",
            ));
        };
        if options.predicate.is_some() {
            return Err(argument("a condition belongs into the query itself"));
        }
        let capacity = self.capacity(options)?;
        let snapshot = options.snapshot.unwrap_or(options.as_of_epoch.is_none());
        let backfill = match (options.as_of_epoch, snapshot) {
            (Some(epoch), _) => Backfill::Since(epoch),
            (None, true) => Backfill::All,
            (None, false) => Backfill::Updating,
        };
        let retain = self.shared.settings.retain_history();
        self.with_plan(&query, &[], |core, plan| {
            core.sweep();
            if let Some(epoch) = options.as_of_epoch {
                refuse_future(core, epoch)?;
                if plan.traits().changes != Changes::AppendOnly {
                    return Err(Error::unsupported(
                        "a subscription from an epoch is to a stream by its name, or to a query \
                         whose rows never change",
                    ));
                }
            }
            // The rows of a source are the history of its epochs.
            let past = match (options.as_of_epoch, &follows) {
                (Some(epoch), Some(Followed { name, is_whole: true })) => {
                    core.changes_of_input(name, epoch)?
                }
                _ => None,
            };
            let backfill = if past.is_some() { Backfill::Updating } else { backfill };
            let new = NewStream {
                name: String::new(),
                sql: query.text.clone(),
                statement: query.text.clone(),
                kind: StreamKind::Stream,
                on_error: query.on_error.unwrap_or(OnError::DeadLetter),
                retain,
                retain_changes: None,
                backfill,
                follows: follows.as_ref().map(|followed| followed.name.to_string()),
            };
            let (id, begin) = core.add_stream(new, plan)?;
            let begin = match backfill {
                Backfill::Updating => past.map_or(Begin::Now, Begin::Replay),
                Backfill::All => Begin::Snapshot(
                    begin.into_iter().map(|delta| (delta.batch, delta.weights)).collect(),
                ),
                Backfill::Since(_) => {
                    let epoch = core.epoch;
                    let change = |delta: laminar_types::Delta| ChangeBatch {
                        batch: delta.batch,
                        weights: delta.weights,
                        epoch,
                    };
                    Begin::Replay(begin.into_iter().map(change).collect())
                }
            };
            Ok(self.attach(core, id, capacity, options.on_full, begin, None))
        })
    }

    /// Attaches a subscription to a stream.
    fn attach(
        &self,
        core: &mut Core,
        id: StreamId,
        capacity: usize,
        on_full: OnFull,
        begin: Begin,
        sink: Option<String>,
    ) -> UntypedSubscription {
        let stream = core.stream(id);
        let append_only = stream.traits.changes == Changes::AppendOnly;
        let options = RingOptions {
            schema: stream.output_schema(),
            form: stream.form(),
            policy: match on_full {
                OnFull::Block => Policy::Block,
                OnFull::DropOldest => Policy::DropOldest,
                OnFull::Tell if append_only => Policy::Append,
                OnFull::Tell => Policy::Updating,
            },
            capacity,
            strategy: self.shared.config.wait_strategy,
            sink,
        };
        let provider = (!append_only).then(|| snapshot_provider(Arc::downgrade(&self.shared), id));
        let (writer, subscription) = UntypedSubscription::new(options, provider);
        match begin {
            Begin::Now => {}
            Begin::Snapshot(rows) => writer.publish_snapshot(core.epoch, rows),
            Begin::Replay(changes) => writer.publish_replay(changes),
        }
        if on_full == OnFull::Block {
            self.shared.admission.add(core.sources_of(id), writer.share());
        }
        if let Some(error) = core.graph.failure(core.stream(id).result()) {
            writer.fail(core.stream(id).stopped(error));
        }
        core.subscribe(id, writer);
        subscription
    }
}

fn argument(message: &str) -> Error {
    Error::new(code::SUBSCRIPTION_ARGUMENT, message)
}

fn refuse_future(core: &Core, epoch: Epoch) -> Result<()> {
    match epoch > core.epoch {
        true => Err(argument(&format!(
            "epoch {epoch} has not been yet: the last one is {}",
            core.epoch
        ))),
        false => Ok(()),
    }
}

/// Fetches the content of a stream for a subscription that starts again.
fn snapshot_provider(shared: Weak<Shared>, id: StreamId) -> SnapshotProvider {
    Box::new(move |ring: &Ring| {
        let Some(shared) = shared.upgrade() else {
            return Err(Error::new(code::CLOSED, "the database is closed"));
        };
        shared.run(|core| {
            if core.stream_if_exists(id).is_none() {
                ring.close();
                return Ok(());
            }
            // What waits to be told is in the content.
            core.flush(id);
            let rows = core.stream_content(id)?.batches()?.into_iter().map(|batch| (batch, None));
            ring.publish_snapshot(core.epoch, rows);
            Ok(())
        })?
    })
}
