//! `INSERT ... SELECT`, `UPDATE` and `DELETE`: read at one epoch, applied at one epoch.
//!
//! A statement reads its relations under the token, is evaluated outside of it, and takes effect
//! under it if the tables that it read, its target among them, have not changed meanwhile; else
//! it begins again. So no concurrent change is lost, and no push waits for an evaluation, unless
//! a table changes faster than the statement runs: then it is evaluated under the token.
//!
//! `UPDATE` and `DELETE` become a query over the target with its rows numbered, which gives the
//! numbers of the rows concerned and their new values. Where the condition tells their primary keys
//! ([`KeyLookup`]), the query is over the rows of those keys alone.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt32Type};
use arrow::error::ArrowError;
use arrow::util::display::array_value_to_string;
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast;
use laminar_dataflow::Content;
use laminar_dataflow::expr::row_text;
use laminar_sql::parser::{self, statement::Statement};
use laminar_types::{Epoch, Error, Position, Result, code, mutant};

use crate::adhoc::{self, Ready, Snapshot};
use crate::catalog::{find, resolve_sink};
use crate::database::{ExecuteResult, LaminarDB};
use crate::engine::{Core, Object, SourceId};
use crate::failing_row::FailingRow;
use crate::insert::{Insert, fit_column, normal};
use crate::key_lookup::KeyLookup;
use crate::source::Rules;

/// How often a statement is evaluated without the token before it takes it.
const TRIES_WITHOUT_TOKEN: usize = 8;
/// The name of the target with its rows numbered, in the query that a statement becomes.
const TARGET: &str = "_laminar_target";
/// The column of the numbers.
const NUMBER: &str = "_laminar_row";

/// An `UPDATE` or `DELETE` as a query.
struct Change {
    statement: &'static str,
    /// The table as written.
    target: ast::Ident,
    /// Gives the number of each row concerned, then the new values of the assigned columns.
    query: ast::Query,
    /// The columns that get new values; none for `DELETE`.
    assigned: Vec<ast::Ident>,
}

/// The table that a statement changes.
struct Target {
    name: String,
    id: SourceId,
    rules: Arc<Rules>,
    /// All of its columns, also the one that the clock fills.
    schema: SchemaRef,
}

/// Rows of a table and what comes in their place.
struct Effect {
    removed: RecordBatch,
    /// Without the column that the clock fills.
    added: RecordBatch,
}

impl LaminarDB {
    pub(crate) fn insert_rows(&self, insert: ast::Insert) -> Result<ExecuteResult> {
        let mut insert = Insert::read(insert)?;
        let (id, rules) = self.source_id(&insert.target)?;
        insert.check(&rules)?;
        insert.type_texts(&rules);
        let query = adhoc::prepared(&self.shared, &insert.rows)?;
        let names = adhoc::names_of(&self.shared.planner, &query)?;
        self.shared.admit(id, &rules)?;
        let rows = self.read_then_write(
            |core| Snapshot::of(core, &names).map(|snapshot| (snapshot, ())),
            |snapshot, ()| {
                let collected = adhoc::collect(&self.shared, &query, snapshot);
                let (_, batches) = collected.map_err(|error| {
                    let found = || FailingRow::find(&self.shared, &query, snapshot);
                    let (known, mut cell) = (error.position(), None);
                    let place = |failing: FailingRow| {
                        cell = failing.column.map(|column| (failing.number, column));
                        insert.place(&rules, &failing)
                    };
                    let error = placed(error, || found().map(place));
                    match (known, cell) {
                        (Some(known), _) => error.at(known),
                        (None, Some((row, column))) => insert.at_cell(error, row, column),
                        (None, None) => error,
                    }
                })?;
                insert.fit(&rules, &batches)
            },
            |core, batches| {
                batches.iter().try_for_each(|batch| rules.check(batch))?;
                let producer = core.own_producer(id)?;
                core.push(id, producer, batches)?;
                Ok(batches.iter().map(|batch| batch.num_rows() as u64).sum())
            },
        )?;
        Ok(ExecuteResult::Affected { statement: "INSERT", rows })
    }

    pub(crate) fn update_rows(&self, update: ast::Update) -> Result<ExecuteResult> {
        self.change_rows(Change::of_update(update)?)
    }

    pub(crate) fn delete_rows(&self, delete: ast::Delete) -> Result<ExecuteResult> {
        self.change_rows(Change::of_delete(delete)?)
    }

    /// `TRUNCATE TABLE`: takes out all rows.
    pub(crate) fn truncate(&self, truncate: &ast::Truncate) -> Result<ExecuteResult> {
        let [target] = truncate.table_names.as_slice() else {
            return Err(Error::unsupported("TRUNCATE of several tables: truncate them one by one"));
        };
        let target = last_part(&target.name)?;
        let Target { name, id, rules, schema } = self.table(target, "TRUNCATE")?;
        self.shared.admit(id, &rules)?;
        let rows = self.shared.run(|core| {
            let removed = whole(&schema, core.content(&name)?.as_ref())?;
            let added = RecordBatch::new_empty(Arc::clone(&schema));
            core.change_table(id, &removed, &added).map(|_| removed.num_rows() as u64)
        })??;
        Ok(ExecuteResult::Affected { statement: "TRUNCATE", rows })
    }

    fn change_rows(&self, change: Change) -> Result<ExecuteResult> {
        let Target { name, id, rules, schema } = self.table(&change.target, change.statement)?;
        let assigned = change.assigned_columns(&rules)?;
        let mut names = adhoc::names_of(&self.shared.planner, &change.query)?;
        names.retain(|name| name != TARGET);
        let keys = change.keys(&rules);
        self.shared.admit(id, &rules)?;
        let rows = self.read_then_write(
            |core| {
                let mut snapshot = Snapshot::of(core, &names)?;
                snapshot.watch(core, &name)?;
                let found = match &keys {
                    Some(KeyLookup(keys)) => core.rows_of_keys(id, keys)?,
                    None => None,
                };
                let content = match found {
                    Some(rows) => Box::new(Ready(rows)),
                    None => core.content(&name)?,
                };
                Ok((snapshot, content))
            },
            |snapshot, content| {
                let whole = whole(&schema, content.as_ref())?;
                snapshot.add(TARGET, numbered(&whole)?);
                let collected = adhoc::collect(&self.shared, &change.query, snapshot);
                let (schema, batches) = collected.map_err(|error| {
                    let found = || FailingRow::find(&self.shared, &change.query, snapshot);
                    let place = |failing| change.place(&rules, &whole, &assigned, &failing);
                    placed(error, || found().and_then(place))
                })?;
                let found = concat_batches(&schema, &batches).map_err(internal)?;
                change.effect(&rules, &whole, &found, &assigned)
            },
            |core, effect| {
                let rows = effect.removed.num_rows() as u64;
                if rows > 0 {
                    let stamped = core.stamped(id, std::slice::from_ref(&effect.added))?;
                    let added = stamped.as_ref().map_or(&effect.added, |stamped| &stamped[0]);
                    core.change_table(id, &effect.removed, added)
                        .map_err(|error| error.context(format!("`{name}`")))?;
                }
                Ok(rows)
            },
        )?;
        Ok(ExecuteResult::Affected { statement: change.statement, rows })
    }

    /// Reads under the token, evaluates, and writes under the token if the tables that were read
    /// are unchanged; else all over again.
    pub(crate) fn read_then_write<C: Send, E: Send + Sync, R: Send>(
        &self,
        read: impl Fn(&mut Core) -> Result<(Snapshot, C)> + Sync,
        evaluate: impl Fn(&mut Snapshot, C) -> Result<E> + Sync,
        write: impl Fn(&mut Core, &E) -> Result<R> + Sync,
    ) -> Result<R> {
        for _ in 0..TRIES_WITHOUT_TOKEN {
            let (mut snapshot, content) = self.shared.run(&read)??;
            let effect = evaluate(&mut snapshot, content)?;
            let tables = snapshot.tables();
            let written =
                self.shared.run(|core| tables.are_current(core).then(|| write(core, &effect)))?;
            if let Some(written) = written {
                return written;
            }
        }
        self.shared.run(|core| {
            let (mut snapshot, content) = read(core)?;
            write(core, &evaluate(&mut snapshot, content)?)
        })?
    }

    /// The table of a name, or an error that says why its rows cannot be changed.
    fn table(&self, name: &ast::Ident, statement: &str) -> Result<Target> {
        let position = position(name);
        let found = self.shared.run(|core| {
            let found = find(core, &normal(name))?;
            match resolve_sink(core, &found)? {
                Object::Table(id) | Object::LookupTable(id) => {
                    let table = core.source(id)?;
                    let (rules, schema) = (Arc::clone(&table.rules), Arc::clone(&table.schema));
                    Ok(Target { name: found, id, rules, schema })
                }
                Object::Source(_) => Err(Error::new(
                    code::INGESTION_ARGUMENT,
                    format!(
                        "`{found}` is a SOURCE, whose rows are events and never change: {statement} \
                         needs a table"
                    ),
                )),
                other => Err(Error::new(
                    code::INGESTION_ARGUMENT,
                    format!(
                        "`{found}` is a {}, whose rows follow from its query: {statement} needs a \
                         table",
                        other.kind()
                    ),
                )),
            }
        })?;
        found.map_err(|error| position.map_or(error.clone(), |position| error.at(position)))
    }
}

impl Change {
    fn of_update(update: ast::Update) -> Result<Self> {
        let refused = [
            (update.returning.is_some(), "RETURNING"),
            (update.output.is_some(), "OUTPUT"),
            (update.or.is_some(), "UPDATE OR"),
            (!update.order_by.is_empty(), "ORDER BY in UPDATE"),
            (update.limit.is_some(), "LIMIT in UPDATE"),
        ];
        refuse(&refused)?;
        let (target, relation) = target(update.table)?;
        let mut assigned = Vec::new();
        let mut values = Vec::new();
        for assignment in update.assignments {
            let ast::AssignmentTarget::ColumnName(column) = &assignment.target else {
                return Err(Error::unsupported(
                    "an assignment to several columns at once: assign them one by one",
                ));
            };
            assigned.push(last_part(column)?.clone());
            values.push(assignment.value);
        }
        let others = match update.from {
            Some(ast::UpdateTableFromKind::AfterSet(others)) => others,
            Some(ast::UpdateTableFromKind::BeforeSet(_)) => {
                return Err(Error::unsupported("FROM before SET: write it behind the assignments"));
            }
            None => Vec::new(),
        };
        let query = rows_query(relation, others, update.selection, values)?;
        Ok(Self { statement: "UPDATE", target, query, assigned })
    }

    fn of_delete(delete: ast::Delete) -> Result<Self> {
        let refused = [
            (delete.returning.is_some(), "RETURNING"),
            (delete.output.is_some(), "OUTPUT"),
            (!delete.order_by.is_empty(), "ORDER BY in DELETE"),
            (delete.limit.is_some(), "LIMIT in DELETE"),
            (!delete.tables.is_empty(), "DELETE from several tables"),
        ];
        refuse(&refused)?;
        let (ast::FromTable::WithFromKeyword(mut from) | ast::FromTable::WithoutKeyword(mut from)) =
            delete.from;
        let Some(table) = from.pop().filter(|_| from.is_empty()) else {
            return Err(Error::unsupported(
                "DELETE from several tables: write USING for the others",
            ));
        };
        let (target, relation) = target(table)?;
        let others = delete.using.unwrap_or_default();
        let query = rows_query(relation, others, delete.selection, Vec::new())?;
        Ok(Self { statement: "DELETE", target, query, assigned: Vec::new() })
    }

    /// The primary keys of the rows that can meet the condition, if it tells them.
    fn keys(&self, rules: &Rules) -> Option<KeyLookup> {
        let ast::SetExpr::Select(select) = self.query.body.as_ref() else { return None };
        match &select.from.first()?.relation {
            ast::TableFactor::Table { alias: Some(alias), .. } if alias.columns.is_empty() => {
                KeyLookup::of(select.selection.as_ref()?, &alias.name, rules)
            }
            _ => None,
        }
    }

    /// Where the query failed: the column, if it is no condition, and the row.
    fn place(
        &self,
        rules: &Rules,
        whole: &RecordBatch,
        assigned: &[usize],
        failing: &FailingRow,
    ) -> Option<String> {
        let number = match failing.column {
            None => failing.value(NUMBER)?,
            Some(_) => failing.values.first()?.1.as_ref()?,
        };
        let ScalarValue::UInt32(Some(number)) = number else { return None };
        let row = row_name(rules, whole, *number as usize);
        match failing.column {
            None => Some(format!("the condition for {row}")),
            Some(column) => {
                let column = rules.schema.field(*assigned.get(column.checked_sub(1)?)?).name();
                Some(format!("column `{column}` of {row}"))
            }
        }
    }

    /// The columns assigned to, by index.
    fn assigned_columns(&self, rules: &Rules) -> Result<Vec<usize>> {
        let mut columns = Vec::new();
        for ident in &self.assigned {
            let at = |error: Error| position(ident).map_or(error.clone(), |place| error.at(place));
            let name = normal(ident);
            let Ok(column) = rules.schema.index_of(&name) else {
                let message = rules.no_column(&name).message().to_string();
                return Err(at(Error::new(code::PLAN, message)));
            };
            if columns.contains(&column) {
                let message = format!("column `{name}` is assigned to twice");
                return Err(at(Error::new(code::PLAN, message)));
            }
            columns.push(column);
        }
        Ok(columns)
    }

    /// What the rows that the query found come to.
    fn effect(
        &self,
        rules: &Rules,
        whole: &RecordBatch,
        found: &RecordBatch,
        assigned: &[usize],
    ) -> Result<Effect> {
        let mut numbers = found.column(0).as_primitive::<UInt32Type>().values().to_vec();
        let is_delete = assigned.is_empty();
        if is_delete {
            numbers.sort_unstable();
            numbers.dedup();
        } else {
            let mut sorted = numbers.clone();
            sorted.sort_unstable();
            if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
                return Err(Error::new(
                    code::EXECUTION,
                    format!(
                        "a row of `{}` meets several rows of FROM, so its new value is not \
                         determined: nothing was changed",
                        rules.name
                    ),
                ));
            }
        }
        let numbers = UInt32Array::from(numbers);
        let removed = take_record_batch(whole, &numbers).map_err(internal)?;
        if is_delete {
            let added = RecordBatch::new_empty(Arc::clone(&rules.schema));
            return Ok(Effect { removed, added });
        }
        let fields = rules.schema.fields().iter().enumerate();
        let columns = fields.map(|(index, field)| {
            match assigned.iter().position(|column| *column == index) {
                Some(value) => fit_column(rules, field, found.column(value + 1), |row| {
                    row_name(rules, &removed, row)
                }),
                None => removed.column_by_name(field.name()).cloned().ok_or_else(|| {
                    Error::internal(format!("a row without its column `{}`", field.name()))
                }),
            }
        });
        let columns: Vec<ArrayRef> = columns.collect::<Result<_>>()?;
        let added = RecordBatch::try_new(nullable(&rules.schema), columns).map_err(internal)?;
        rules.check(&added)?;
        let added = RecordBatch::try_new(Arc::clone(&rules.schema), added.columns().to_vec())
            .map_err(internal)?;
        Ok(Effect { removed, added })
    }
}

impl Core {
    /// The rows of a table that have these primary keys; `None` where it has no primary key.
    pub(crate) fn rows_of_keys(
        &mut self,
        id: SourceId,
        keys: &[ArrayRef],
    ) -> Result<Option<RecordBatch>> {
        let node = self.source(id)?.node;
        match self.graph.table_mut(node) {
            Some(table) => table.rows_of(keys),
            None => Ok(None),
        }
    }

    /// Puts rows of a table in the place of others, and runs the epoch that this makes.
    pub(crate) fn change_table(
        &mut self,
        id: SourceId,
        removed: &RecordBatch,
        added: &RecordBatch,
    ) -> Result<Epoch> {
        let held = self.is_held(id)?;
        let producer = self.own_producer(id)?;
        let node = self.source(id)?.node;
        let Some(table) = self.graph.table_mut(node) else {
            return Err(Error::internal("rows of something that is no table were changed"));
        };
        let change = match added.num_rows() {
            0 => table.remove(removed)?,
            _ => table.replace(removed, added)?,
        };
        self.epoch += 1;
        let epoch = self.epoch;
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.output.clear();
        let source = self.source_mut(id)?;
        // A table keeps every row, so how late they are does not matter: one piece will do.
        if !mutant!(UpdateMovesNoWatermark) {
            source.producers.cut(producer, added, &[], &mut scratch.pieces)?;
        }
        let watermark = source.producers.watermark();
        source.entry.total_rows.add(added.num_rows() as u64);
        source.entry.batches.add(1);
        source.changed = epoch;
        self.source_frontiers(id, watermark, &mut scratch.frontiers);
        let stepped = self.step(id, node, change, held, &scratch.frontiers, &mut scratch.output);
        self.publish(&mut scratch.output);
        self.scratch = scratch;
        stepped.map(|()| self.epoch)
    }
}

/// `SELECT target._laminar_row, values ... FROM target, others WHERE selection`.
fn rows_query(
    target: ast::TableWithJoins,
    others: Vec<ast::TableWithJoins>,
    selection: Option<ast::Expr>,
    values: Vec<ast::Expr>,
) -> Result<ast::Query> {
    let ast::TableFactor::Table { alias: Some(alias), .. } = &target.relation else {
        return Err(Error::internal("a target without an alias"));
    };
    let number = ast::Expr::CompoundIdentifier(vec![alias.name.clone(), ast::Ident::new(NUMBER)]);
    let Statement::Query(template) = parser::parse_one("SELECT 1")? else {
        return Err(Error::internal("SELECT is no query"));
    };
    let mut query = *template.query;
    let ast::SetExpr::Select(select) = query.body.as_mut() else {
        return Err(Error::internal("SELECT is no selection"));
    };
    let named = |(index, expr)| ast::SelectItem::ExprWithAlias {
        expr,
        alias: ast::Ident::new(format!("_laminar_value_{index}")),
    };
    select.projection = vec![ast::SelectItem::UnnamedExpr(number)];
    select.projection.extend(values.into_iter().enumerate().map(named));
    select.from = std::iter::once(target).chain(others).collect();
    select.selection = selection;
    Ok(query)
}

/// The name of a target, and the relation of its numbered rows in its place.
fn target(table: ast::TableWithJoins) -> Result<(ast::Ident, ast::TableWithJoins)> {
    let mut table = table;
    if !table.joins.is_empty() {
        return Err(Error::unsupported("a join as the target: write the other relations in FROM"));
    }
    let ast::TableFactor::Table { name, alias, .. } = &mut table.relation else {
        return Err(Error::unsupported("a target that is not the name of a table"));
    };
    let ident = last_part(name)?.clone();
    alias.get_or_insert_with(|| ast::TableAlias {
        explicit: true,
        name: ident.clone(),
        columns: Vec::new(),
        at: None,
    });
    *name = ast::ObjectName::from(vec![ast::Ident::new(TARGET)]);
    Ok((ident, table))
}

fn last_part(name: &ast::ObjectName) -> Result<&ast::Ident> {
    match name.0.last() {
        Some(ast::ObjectNamePart::Identifier(ident)) => Ok(ident),
        _ => Err(Error::unsupported(format!("`{name}` as a name"))),
    }
}

fn refuse(clauses: &[(bool, &str)]) -> Result<()> {
    match clauses.iter().find(|(is_there, _)| *is_there) {
        Some((_, clause)) => Err(Error::unsupported(format!("{clause} is not supported"))),
        None => Ok(()),
    }
}

fn position(ident: &ast::Ident) -> Option<Position> {
    let start = ident.span.start;
    (start.line > 0).then_some(Position { line: start.line, column: start.column })
}

/// The rows of a table as one batch.
fn whole(schema: &SchemaRef, content: &dyn Content) -> Result<RecordBatch> {
    concat_batches(schema, &content.batches()?).map_err(internal)
}

/// Rows with their numbers in one more column.
fn numbered(rows: &RecordBatch) -> Result<RecordBatch> {
    let mut fields: Vec<_> = rows.schema().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(NUMBER, DataType::UInt32, false)));
    let mut columns = rows.columns().to_vec();
    columns.push(Arc::new(UInt32Array::from_iter_values(0..rows.num_rows() as u32)));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(internal)
}

/// A row of a table, for people: by its key, if there is one.
fn row_name(rules: &Rules, rows: &RecordBatch, row: usize) -> String {
    if rules.key.is_empty() {
        return format!("the row {}", row_text(rows, row));
    }
    let key = rules.key.iter().map(|column| {
        let name = rules.schema.field(*column).name();
        let values = rows.column_by_name(name);
        let value = values.and_then(|values| array_value_to_string(values, row).ok());
        format!("{name} = {}", value.unwrap_or_default())
    });
    format!("the row with {}", key.collect::<Vec<_>>().join(", "))
}

/// An error of a statement with the place of the row that failed, which is looked for where an
/// expression did.
fn placed(error: Error, find: impl FnOnce() -> Option<String>) -> Error {
    if error.code() != code::EXECUTION {
        return error;
    }
    let place = find().map(|place| format!("{place}: ")).unwrap_or_default();
    Error::new(code::EXECUTION, format!("{place}{}; nothing was changed", error.message()))
}

fn nullable(schema: &SchemaRef) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn internal(error: ArrowError) -> Error {
    Error::internal(format!("rows of a table do not line up: {error}"))
}
