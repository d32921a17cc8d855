//! `CREATE TABLE` and `CREATE LOOKUP TABLE`: relations that are kept whole and can be changed.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::sql::sqlparser::ast;
use laminar_sql::parser::statement::{CreateLookupTable, CreateTable, Name};
use laminar_types::{Error, Result, Retention, code};

use crate::adhoc::{self, Snapshot};
use crate::catalog::is_free;
use crate::database::{ExecuteResult, LaminarDB};
use crate::engine::{Core, InputKind, NewSource, SourceId};
use crate::insert::fit_rows;
use crate::source_policy::SourcePolicy;
use crate::source_timing;
use crate::statements::{
    connector_not_built, ddl, declared_watermark, refuse_options, whole_statement,
};

impl LaminarDB {
    pub(crate) fn create_table(&self, table: CreateTable, sql: &str) -> Result<ExecuteResult> {
        self.create_kept(table, false, sql)
    }

    /// A lookup table without a connector is a table of this database.
    pub(crate) fn create_lookup_table(
        &self,
        table: CreateLookupTable,
        sql: &str,
    ) -> Result<ExecuteResult> {
        let table = CreateTable {
            name: table.name,
            or_replace: table.or_replace,
            if_not_exists: table.if_not_exists,
            columns: table.columns,
            primary_key: table.primary_key,
            watermark: None,
            options: table.options,
            connector: table.connector,
            query: None,
        };
        self.create_kept(table, true, sql)
    }

    fn create_kept(
        &self,
        mut table: CreateTable,
        is_lookup: bool,
        sql: &str,
    ) -> Result<ExecuteResult> {
        if let Some(connector) = &table.connector {
            return Err(connector_not_built(connector));
        }
        let policy = SourcePolicy::read(&mut table.options, true)?;
        refuse_options(&table.options, OF_TABLES)?;
        let statement = if is_lookup { "CREATE LOOKUP TABLE" } else { "CREATE TABLE" };
        let done = ddl(statement, table.name.value.clone());
        let kind = statement.trim_start_matches("CREATE ");
        let replaced = |core: &Core| -> Result<Option<SourceId>> {
            match table.or_replace {
                true => Ok(core.replaced(&table.name, kind)?.and_then(|object| object.input())),
                false => Ok(None),
            }
        };
        let (is_wanted, old) = self.shared.run(|core| {
            let old = replaced(core)?;
            let free = old.is_some() || is_free(core, &table.name, table.if_not_exists)?;
            Ok::<_, Error>((free, old))
        })??;
        if !is_wanted {
            return Ok(done);
        }
        if let Some(id) = old {
            let rules =
                self.shared.run(|core| core.source(id).map(|old| Arc::clone(&old.rules)))??;
            self.shared.admit(id, &rules)?;
        }
        let declared_schema = match table.columns.is_empty() {
            true => None,
            false => Some(self.shared.planner.schema(&table.columns)?),
        };
        let install = |core: &mut Core, new: NewSource, rows: &[RecordBatch]| -> Result<()> {
            if let Some(id) = replaced(core)? {
                let replaced = core.replace_table(id, new, rows);
                return replaced.map_err(|error| error.at(table.name.position));
            }
            if is_free(core, &table.name, table.if_not_exists)? {
                let id = core.add_source(new)?;
                if !rows.is_empty() {
                    let producer = core.own_producer(id)?;
                    core.push(id, producer, rows)?;
                }
            }
            Ok(())
        };
        let new = |schema: SchemaRef| -> Result<NewSource> {
            let key = table.primary_key.iter().map(|column| {
                schema.index_of(&column.value).map_err(|_| {
                    let message = format!("there is no column {}", column.value);
                    Error::new(code::INVALID_SCHEMA, message).at(column.position)
                })
            });
            let key = key.collect::<Result<Vec<usize>>>()?;
            let watermark = table.watermark.as_ref();
            let timing = source_timing::of_clock("a table", &table.columns, watermark, &schema)?;
            if let Some(at) = key.iter().position(|column| Some(*column) == timing.proctime) {
                let column = &table.primary_key[at];
                let message = format!(
                    "the clock fills `{}`, so no row could be named by it: leave it out of the \
                     PRIMARY KEY",
                    column.value
                );
                return Err(Error::new(code::INVALID_SCHEMA, message).at(column.position));
            }
            Ok(NewSource {
                name: table.name.value.clone(),
                sql: whole_statement(sql),
                kind: InputKind::Table { key: (!key.is_empty()).then_some(key), is_lookup },
                declared: declared_watermark(&schema, watermark)?,
                schema,
                timing,
                retain: Retention::Rows(0),
                policy,
                capacity: policy.capacity(&self.shared.settings),
            })
        };
        match (&table.query, declared_schema) {
            (Some(query), schema) => self.create_filled(&table, query, schema, new, install)?,
            (None, Some(schema)) => {
                let new = new(schema)?;
                self.shared.run(|core| install(core, new, &[]))??;
            }
            (None, None) => {
                return Err(Error::new(code::INVALID_SCHEMA, "a table needs at least one column")
                    .at(table.name.position));
            }
        }
        Ok(done)
    }

    /// `CREATE TABLE ... AS query`: the table appears with the rows of the query.
    fn create_filled(
        &self,
        table: &CreateTable,
        query: &ast::Query,
        declared: Option<SchemaRef>,
        new: impl Fn(SchemaRef) -> Result<NewSource> + Sync,
        install: impl Fn(&mut Core, NewSource, &[RecordBatch]) -> Result<()> + Sync,
    ) -> Result<()> {
        let query = adhoc::prepared(&self.shared, query)?;
        let names = adhoc::names_of(&self.shared.planner, &query)?;
        self.read_then_write(
            |core| Snapshot::of(core, &names).map(|snapshot| (snapshot, ())),
            |snapshot, ()| {
                let (given, batches) = adhoc::collect(&self.shared, &query, snapshot)?;
                let schema = match &declared {
                    Some(schema) => Arc::clone(schema),
                    None => schema_of(&given, &table.name)?,
                };
                let rules = new(Arc::clone(&schema))?.rules(&self.shared.clock)?;
                let mut first = 0;
                let batches = batches.iter().map(|batch| {
                    let rows = fit_rows(&rules, &[], batch, first).map_err(|no| no.error)?;
                    first += batch.num_rows();
                    rules.check(&rows).map(|()| rows)
                });
                Ok((schema, batches.collect::<Result<Vec<_>>>()?))
            },
            |core, (schema, batches)| install(core, new(Arc::clone(schema))?, batches),
        )
    }
}

/// What a table knows of options.
const OF_TABLES: &str =
    "a table knows backpressure, buffer_size, push_timeout_ms and wait_strategy";

/// The columns of a table that is made of a query.
fn schema_of(given: &SchemaRef, table: &Name) -> Result<SchemaRef> {
    let mut fields: Vec<Field> = Vec::with_capacity(given.fields().len());
    for field in given.fields() {
        let refuse =
            |message: String| Err(Error::new(code::INVALID_SCHEMA, message).at(table.position));
        if fields.iter().any(|other| other.name() == field.name()) {
            return refuse(format!(
                "the query has two columns called `{}`: name one with AS",
                field.name()
            ));
        }
        let data_type = plain(field.data_type());
        if data_type == DataType::Null {
            return refuse(format!(
                "column `{}` of the query is NULL in every row and has no type: CAST it",
                field.name()
            ));
        }
        fields.push(Field::new(field.name(), data_type, field.is_nullable()));
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// The type that values of a type are kept as.
fn plain(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, values) => plain(values),
        DataType::RunEndEncoded(_, values) => plain(values.data_type()),
        other => other.clone(),
    }
}
