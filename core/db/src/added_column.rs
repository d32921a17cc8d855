//! `ALTER SOURCE ... ADD COLUMN`: a column that rows may leave out.
//!
//! It is NULL in every row that came before, and in those of producers that do not know it. Queries
//! that run go on with the columns they were planned over: their `SELECT *` stays what it was.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use laminar_sql::parser::statement::{AlterSource, ColumnDef};
use laminar_types::{Delta, Error, Result, code};

use crate::board::{SourceEntry, TimeMeter};
use crate::catalog::find;
use crate::database::{ExecuteResult, LaminarDB};
use crate::engine::{Core, Object, SourceId};
use crate::page;
use crate::statements::{ddl, whole_statement};

impl LaminarDB {
    pub(crate) fn add_column(&self, alter: AlterSource, sql: &str) -> Result<ExecuteResult> {
        refuse_constraints(&alter.column)?;
        let schema = self.shared.planner.schema(std::slice::from_ref(&alter.column))?;
        let field = Arc::clone(&schema.fields()[0]);
        let (name, column) = (&alter.name, &alter.column.name);
        let statement = whole_statement(sql);
        let found = self.shared.run(|core| {
            let found = match find(core, &name.value) {
                Ok(found) => found,
                Err(_) if alter.if_exists => return Ok(name.value.clone()),
                Err(error) => return Err(error.at(name.position)),
            };
            let id = match core.object(&found)? {
                Object::Source(id) => *id,
                other => {
                    let kind = other.kind();
                    let message = format!("`{found}` is a {kind}, and only a SOURCE can be altered");
                    return Err(Error::new(code::NOT_FOUND, message).at(name.position));
                }
            };
            if core.source(id)?.schema.index_of(&column.value).is_ok() {
                return match alter.column_if_not_exists {
                    true => Ok(found),
                    false => {
                        let message = format!(
                            "`{found}` has a column `{}`: take another name, or write IF NOT EXISTS",
                            column.value
                        );
                        Err(Error::new(code::EXISTS, message).at(column.position))
                    }
                };
            }
            core.add_column(id, field, &statement).map(|()| found)
        })??;
        Ok(ddl("ALTER SOURCE", found))
    }
}

impl Core {
    /// Adds a column that may be NULL to a source.
    fn add_column(&mut self, id: SourceId, field: FieldRef, statement: &str) -> Result<()> {
        let source = self.source(id)?;
        let (node, name) = (source.node, source.name.clone());
        let schema = with_field(&source.schema, &field);
        let rules = Arc::new(source.rules.widened(&with_field(&source.rules.schema, &field)));
        for Delta { batch, .. } in self.queue.changes_mut(id) {
            *batch = page::widened(batch, &schema)?;
        }
        self.epoch += 1;
        self.catalog_version += 1;
        self.graph.widen(node, Arc::clone(&schema));
        let source = self.source_mut(id)?;
        if let Some(history) = &mut source.history {
            history.widen(&schema)?;
        }
        let old = Arc::clone(&source.entry);
        let entry = Arc::new(SourceEntry {
            id,
            kind: old.kind,
            // What makes the source as it is, one statement after the other.
            sql: format!("{};\n{statement}", old.sql),
            watermark_column: old.watermark_column.clone(),
            key: old.key.clone(),
            rules: Arc::clone(&rules),
            total_rows: old.total_rows.at(),
            batches: old.batches.at(),
            missed_rows: old.missed_rows.at(),
            watermark_ms: TimeMeter::default(),
            retained_rows: old.retained_rows.at(),
            dropped_rows: old.dropped_rows.at(),
            state_bytes: old.state_bytes.at(),
        });
        entry.watermark_ms.set(old.watermark_ms.get());
        (source.schema, source.rules) = (schema, rules);
        source.entry = Arc::clone(&entry);
        self.board.add_source(name, entry);
        self.tell_sources();
        Ok(())
    }

    /// Batches of a producer that does not know columns that were added, with NULLs for them.
    /// `None` where nothing is missing.
    pub(crate) fn widened(
        &self,
        id: SourceId,
        batches: &[RecordBatch],
    ) -> Result<Option<Vec<RecordBatch>>> {
        let schema = &self.source(id)?.rules.schema;
        if batches.iter().all(|batch| batch.num_columns() == schema.fields().len()) {
            return Ok(None);
        }
        batches.iter().map(|batch| page::widened(batch, schema)).collect::<Result<_>>().map(Some)
    }
}

fn with_field(schema: &SchemaRef, field: &FieldRef) -> SchemaRef {
    let fields = schema.fields().iter().chain([field]).cloned();
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Refuses what rows without the column could not keep.
fn refuse_constraints(column: &ColumnDef) -> Result<()> {
    let refused = [
        (column.primary_key, "a source is append-only and has no PRIMARY KEY: leave it out"),
        (
            column.not_null,
            "a column that is added has no value in the rows before it: leave NOT NULL out",
        ),
        (column.proctime, "proctime() belongs to CREATE SOURCE: rows that came have no stamp"),
    ];
    match refused.into_iter().find(|(is_so, _)| *is_so) {
        Some((_, message)) => {
            Err(Error::new(code::INVALID_SCHEMA, message).at(column.name.position))
        }
        None => Ok(()),
    }
}
