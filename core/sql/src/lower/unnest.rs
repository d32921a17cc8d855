//! `UNNEST`: lists into rows, structs into columns.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::logical_expr::{ColumnUnnestList, Expr, LogicalPlan, Unnest as LogicalUnnest};
use laminar_dataflow::operators::{OnTime, TimeMap, Unnest, UnnestColumn};
use laminar_dataflow::{Changes, EventTime, Traits};
use laminar_types::{Error, Result};

use super::{Lowered, Lowering};
use crate::plan::InputRef;
use crate::probe_times::first_offset_ms;
use crate::window_tables::WINDOWS;

impl Lowering<'_> {
    pub(super) fn unnest(&mut self, unnest: &LogicalUnnest) -> Result<Lowered> {
        let depth_of = |column: usize| {
            let mut lists = unnest.list_type_columns.iter().filter(|(list, _)| *list == column);
            lists.next().map_or(0, |(_, list)| list.depth)
        };
        let is_twice = |(column, list): &(usize, ColumnUnnestList)| depth_of(*column) != list.depth;
        if unnest.list_type_columns.iter().any(is_twice) {
            return Err(Error::unsupported(
                "unnest(x) and unnest(unnest(x)) of one list cannot stand in one select list of a \
                 continuous query: unnest in a subquery and again above it",
            ));
        }
        let mut input = self.plain(&unnest.input)?;
        let probes = (0..unnest.input.schema().fields().len())
            .any(|column| first_offset_ms(&unnest.input, column).is_some());
        let is_windows = unnest.exec_columns.iter().any(|column| column.name() == WINDOWS);
        if probes {
            input = self.lenient(input)?;
        } else if is_windows {
            input = self.lenient_windows(input)?;
        }
        let holds_content = input.holds_content;
        let (mut port, mut input_traits) = self.operator_input(input)?;
        let depth = unnest.list_type_columns.iter().map(|(_, list)| list.depth).max();
        for depth in (2..=depth.unwrap_or(1)).rev() {
            let columns: Vec<bool> = (0..input_traits.schema.fields().len())
                .map(|column| depth_of(column) >= depth)
                .collect();
            (port, input_traits) = self.outer_lists(unnest, port, &input_traits, &columns)?;
        }
        let mut columns = vec![UnnestColumn::Keep; unnest.input.schema().fields().len()];
        for (column, _) in &unnest.list_type_columns {
            columns[*column] = UnnestColumn::List;
        }
        for column in &unnest.struct_type_columns {
            columns[*column] = UnnestColumn::Struct;
        }
        let schema: SchemaRef = Arc::new(unnest.schema.as_arrow().clone());
        let mut times = Vec::new();
        let mut maps = Vec::new();
        let mut on_time = None;
        for (column, from) in unnest.dependency_indices.iter().enumerate() {
            // Of a list the least element carries it, and so does each.
            let Some(input) = input_traits.time_of(*from) else { continue };
            let time = input_traits.times[input];
            times.push(EventTime { column, ..time });
            maps.push(TimeMap::identity(input));
            // Of probes a row has all or none: it is late as a whole.
            if let Some(first_ms) = first_offset_ms(&unnest.input, *from)
                && input_traits.changes == Changes::AppendOnly
            {
                let ahead_ns = first_ms.saturating_mul(1_000_000);
                on_time =
                    Some(OnTime { column: *from, frontier: input, unit: time.unit, ahead_ns });
            }
        }
        let traits = Traits {
            schema: Arc::clone(&schema),
            changes: match input_traits.changes {
                Changes::AppendOnly => Changes::AppendOnly,
                _ => Changes::Retract,
            },
            unique_key: None,
            times,
            declared_watermark: input_traits.declared_watermark,
        };
        let preserve_nulls = unnest.options.preserve_nulls();
        let width = columns.iter().take_while(|column| **column == UnnestColumn::Keep).count();
        let hands_on = on_time.is_some() && self.takes_late_rows(&port);
        let mut operator = Unnest::new(columns, preserve_nulls, schema, maps, on_time);
        if hands_on {
            operator = operator.with_late_rows(width);
        }
        let names: Vec<String> =
            unnest.exec_columns.iter().map(|column| column.name().to_string()).collect();
        let label = match names.as_slice() {
            [name] if name == WINDOWS => "Windows: a row for each window of a row".to_string(),
            names => format!("Unnest {}", names.join(", ")),
        };
        let judges = on_time.is_some();
        let node = self.add(Box::new(operator), traits, vec![port], label);
        if judges {
            // What an idle side of the join is told, it is told here: it is of that join alone.
            self.nodes[node].definition = self.definition_within_join();
        }
        if hands_on {
            self.late_output(node, &input_traits, width)?;
        }
        Ok(self.lowered(node, unnest.schema.as_ref().clone(), None, holds_content))
    }

    /// Takes the outermost lists of some columns apart, whose elements are lists.
    fn outer_lists(
        &mut self,
        unnest: &LogicalUnnest,
        port: InputRef,
        traits: &Traits,
        columns: &[bool],
    ) -> Result<(InputRef, Traits)> {
        let fields = traits.schema.fields().iter().zip(columns).map(|(field, is_list)| {
            match (field.data_type(), is_list) {
                (
                    DataType::List(item)
                    | DataType::LargeList(item)
                    | DataType::FixedSizeList(item, _),
                    true,
                ) => Arc::new(Field::new(field.name(), item.data_type().clone(), true)),
                _ => Arc::clone(field),
            }
        });
        let schema: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let kept = traits.times.iter().enumerate().filter(|(_, time)| !columns[time.column]);
        let (times, maps) =
            kept.map(|(position, time)| (*time, TimeMap::identity(position))).unzip();
        let above = Traits {
            schema: Arc::clone(&schema),
            changes: match traits.changes {
                Changes::AppendOnly => Changes::AppendOnly,
                _ => Changes::Retract,
            },
            unique_key: None,
            times,
            declared_watermark: traits.declared_watermark,
        };
        let kinds = columns.iter().map(|is_list| match is_list {
            true => UnnestColumn::List,
            false => UnnestColumn::Keep,
        });
        let preserve_nulls = unnest.options.preserve_nulls();
        let operator = Unnest::new(kinds.collect(), preserve_nulls, schema, maps, None);
        let label = "Unnest lists of lists".to_string();
        let node = self.add(Box::new(operator), above.clone(), vec![port], label);
        Ok((InputRef::Node(node), above))
    }

    /// A relation with exactly the columns of its plan.
    fn plain(&mut self, plan: &LogicalPlan) -> Result<Lowered> {
        let mut lowered = self.plan(plan)?;
        if lowered.window.is_some() {
            let exprs: Vec<_> = plan.schema().columns().into_iter().map(Expr::Column).collect();
            lowered.window = None;
            lowered = self.project(lowered, &exprs, plan.schema())?;
            lowered.labels.pop();
        }
        Ok(lowered)
    }
}
