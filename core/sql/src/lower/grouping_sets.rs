//! `GROUPING SETS`, `ROLLUP` and `CUBE`: every row once for each set, with the keys outside the
//! set as NULL and the set's number as one more key. A set without keys has its one group with and
//! without rows.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, UInt64Array, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::{Expr, GroupingSet};
use datafusion::physical_expr::expressions::Literal;
use laminar_dataflow::expr::Expr as Compiled;
use laminar_dataflow::operators::{Map, Stage, Union};
use laminar_dataflow::{Changes, Traits};
use laminar_types::{Error, Result, code};

use super::event_time::identity;
use super::{Lowered, Lowering};
use crate::plan::InputRef;
use crate::planner::sentence;

/// The sets of a `GROUP BY`: which of its distinct expressions each has, and its number.
pub(super) struct GroupingSets {
    sets: Vec<Vec<bool>>,
    /// As DataFusion numbers them: one bit for each expression, set where it is left out, the last
    /// expression's being the lowest; above them how many equal sets stand before this one.
    numbers: Vec<u64>,
    exprs: usize,
}

impl GroupingSets {
    pub(super) fn of(grouping: &GroupingSet, exprs: &[&Expr]) -> Self {
        let sets: Vec<Vec<&Expr>> = match grouping {
            GroupingSet::GroupingSets(sets) => {
                sets.iter().map(|set| set.iter().collect()).collect()
            }
            GroupingSet::Rollup(of) => {
                (0..=of.len()).map(|keys| of[..keys].iter().collect()).collect()
            }
            GroupingSet::Cube(of) => (0..1usize << of.len())
                .map(|set| {
                    of.iter()
                        .enumerate()
                        .filter(|(at, _)| set >> at & 1 == 1)
                        .map(|e| e.1)
                        .collect()
                })
                .collect(),
        };
        let sets: Vec<Vec<bool>> =
            sets.iter().map(|set| exprs.iter().map(|expr| set.contains(expr)).collect()).collect();
        let mut before: HashMap<u64, u64> = HashMap::new();
        let numbers = sets.iter().map(|set| {
            let mask = set.iter().fold(0, |mask, has| mask << 1 | u64::from(!has));
            let ordinal = before.entry(mask).or_insert(0);
            *ordinal += 1;
            mask | (*ordinal - 1) << set.len()
        });
        Self { numbers: numbers.collect(), sets, exprs: exprs.len() }
    }

    /// The number of the first set.
    pub(super) fn first_number(&self) -> Option<u64> {
        self.numbers.first().copied()
    }

    /// How many expressions the sets choose from.
    pub(super) fn exprs(&self) -> usize {
        self.exprs
    }

    /// The groups of the sets without keys, as columns of keys for rows whose `keys` are these
    /// columns; no columns if every set has a key.
    pub(super) fn empty_sets(&self, columns: &DFSchema, keys: &[usize]) -> Result<Vec<ArrayRef>> {
        let is_empty = |set: &[bool]| !set.contains(&true);
        let sets = self.sets.iter().zip(&self.numbers);
        let numbers: Vec<u64> =
            sets.filter(|(set, _)| is_empty(set)).map(|(_, number)| *number).collect();
        let Some((number, keys)) = keys.split_last().filter(|_| !numbers.is_empty()) else {
            return Ok(Vec::new());
        };
        let data_type = |column: &usize| columns.field(*column).data_type();
        let nulls = keys.iter().map(|key| new_null_array(data_type(key), numbers.len()));
        let mut permanent: Vec<ArrayRef> = nulls.collect();
        let numbers = cast(&UInt64Array::from(numbers), data_type(number));
        permanent.push(
            numbers.map_err(|error| {
                Error::internal(format!("the numbers of grouping sets: {error}"))
            })?,
        );
        Ok(permanent)
    }

    /// Leaves the choice to the other expressions: the one at `index` is the window of all sets.
    pub(super) fn take_out_window(&mut self, index: usize) -> Result<()> {
        for set in &mut self.sets {
            if !set.remove(index) {
                return Err(Error::unsupported(
                    "a window must be in every grouping set: write GROUP BY window, ROLLUP (...)",
                ));
            }
        }
        Ok(())
    }
}

impl Lowering<'_> {
    /// The rows of `input` once for each set: the columns of the input, the keys anew as far as a
    /// set has them, and the number of the set. Tells where the new columns begin.
    pub(super) fn expand(
        &mut self,
        input: Lowered,
        keys: &[usize],
        sets: &GroupingSets,
        number_type: &DataType,
    ) -> Result<(Lowered, usize)> {
        let columns = input.columns.clone();
        let (input, traits) = self.operator_input(input)?;
        let known = traits.schema.fields().len();
        let mut fields: Vec<_> = traits.schema.fields().iter().cloned().collect();
        for (position, key) in keys.iter().enumerate() {
            let data_type = traits.schema.field(*key).data_type().clone();
            fields.push(Arc::new(Field::new(format!("__key_{position}"), data_type, true)));
        }
        fields.push(Arc::new(Field::new("__set", number_type.clone(), false)));
        let new_fields = fields[known..].to_vec();
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let mut expanded = traits.clone();
        expanded.schema = Arc::clone(&schema);
        expanded.unique_key = None;
        if expanded.changes == Changes::Upsert {
            expanded.changes = Changes::Retract;
        }
        let mut ports = Vec::new();
        for (set, number) in sets.sets.iter().zip(&sets.numbers) {
            let exprs = expand_row(&traits, keys, set, *number, number_type)?;
            let stage = Stage::Project { exprs, schema: Arc::clone(&schema) };
            let map = Map::new(Arc::clone(&traits.schema), vec![stage], identity(&traits));
            let names: Vec<&str> = keys
                .iter()
                .zip(set)
                .filter(|(_, has)| **has)
                .map(|(key, _)| traits.schema.field(*key).name().as_str())
                .collect();
            let label = format!("Map: every row for the grouping set ({})", names.join(", "));
            let inputs = vec![input.clone()];
            ports.push(self.add(Box::new(map), expanded.clone(), inputs, label));
        }
        let times = vec![(0..expanded.times.len()).collect(); ports.len()];
        let operator = Union::new(Arc::clone(&schema), times);
        let inputs = ports.into_iter().map(InputRef::Node).collect();
        let node = self.add(Box::new(operator), expanded, inputs, "Union all".to_string());
        let old = columns.iter().map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field)));
        let all = old.chain(new_fields.into_iter().map(|field| (None, field))).collect();
        let columns = DFSchema::new_with_metadata(all, Default::default())
            .map_err(|error| Error::internal(sentence(&error)))?;
        Ok((self.lowered(node, columns, None, false), known))
    }
}

fn expand_row(
    traits: &Traits,
    keys: &[usize],
    set: &[bool],
    number: u64,
    number_type: &DataType,
) -> Result<Vec<Compiled>> {
    let literal = |value| Compiled::new(Arc::new(Literal::new(value)));
    let wrong = |error| Error::new(code::PLAN, sentence(&error));
    let column = |index: usize| Compiled::column(traits.schema.field(index).name(), index);
    let mut exprs: Vec<Compiled> = (0..traits.schema.fields().len()).map(column).collect();
    for (key, has) in keys.iter().zip(set) {
        exprs.push(match has {
            true => column(*key),
            false => {
                let data_type = traits.schema.field(*key).data_type();
                literal(ScalarValue::try_from(data_type).map_err(wrong)?)
            }
        });
    }
    let number = ScalarValue::UInt64(Some(number)).cast_to(number_type).map_err(wrong)?;
    exprs.push(literal(number));
    Ok(exprs)
}
