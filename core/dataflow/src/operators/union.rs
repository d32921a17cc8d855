//! [`Union`]: `UNION ALL`, the sum of its inputs. Stateless.

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use laminar_types::{Delta, Error, Frontier, Result, Weights, mutant};

use crate::consolidate::consolidate;
use crate::operator::{Context, Marks, Operator};
use crate::state::Parts;

/// Adds up its inputs. Its frontier is the minimum of theirs.
pub struct Union {
    schema: SchemaRef,
    /// By port, the frontiers of the output's event-time columns.
    frontiers: Vec<Vec<Frontier>>,
    /// By port, the positions of the output's event-time columns among the input's.
    times: Vec<Vec<usize>>,
    pending: Vec<Delta>,
}

impl Union {
    /// A union of rows of one schema; `times` tells, by port, where each event-time column of the
    /// output stands among those of the input.
    pub fn new(schema: SchemaRef, times: Vec<Vec<usize>>) -> Self {
        let frontiers = times.iter().map(|times| vec![Frontier::MIN; times.len()]).collect();
        Self { schema, frontiers, times, pending: Vec::new() }
    }
}

impl Operator for Union {
    fn input(&mut self, _port: usize, delta: Delta, _cx: &mut Context<'_>) -> Result<()> {
        self.pending.push(delta);
        Ok(())
    }

    fn marks(&self) -> Marks {
        Marks::AsReaders
    }

    fn advance(&mut self, port: usize, frontiers: &[Frontier], _: &mut Context<'_>) -> Result<()> {
        for (position, input) in self.times[port].iter().enumerate() {
            self.frontiers[port][position] = frontiers[*input];
        }
        Ok(())
    }

    fn finish(&mut self, _cx: &mut Context<'_>) -> Result<Option<Delta>> {
        let mut pending = std::mem::take(&mut self.pending);
        if mutant!(UnionSkipsASide) {
            pending.truncate(1);
        }
        if pending.is_empty() {
            return Ok(None);
        }
        let batches: Vec<RecordBatch> = pending
            .iter()
            .map(|delta| {
                // The inputs' names and nullability may differ from the union's own.
                RecordBatch::try_new(self.schema.clone(), delta.batch.columns().to_vec())
            })
            .collect::<Result<_, _>>()
            .map_err(|error| Error::internal(format!("the inputs of a union differ: {error}")))?;
        let batch = match batches.as_slice() {
            [batch] => batch.clone(),
            batches => concat_batches(&self.schema, batches)
                .map_err(|error| Error::internal(format!("a union cannot add up: {error}")))?,
        };
        let weighted = pending.iter().any(|delta| delta.weights.is_some());
        let weights = weighted.then(|| {
            let rows =
                pending.iter().flat_map(|delta| (0..delta.num_rows()).map(|row| delta.weight(row)));
            let rows = rows.map(|w| if mutant!(UnionForgetsWeights) { 1 } else { w });
            Weights::from(rows.collect::<Vec<i64>>())
        });
        let delta = Delta { batch, weights };
        if pending.len() < 2 || !delta.is_mixed() {
            return Ok(Some(delta));
        }
        // What one input takes back another may give, and retractions go first.
        let net = consolidate(&self.schema, &[(delta.batch, delta.weights)])?;
        Ok(net.map(|(batch, weights)| Delta::weighted(batch, weights)))
    }

    fn frontiers(&self, out: &mut Vec<Frontier>) {
        out.clear();
        let columns = self.times.first().map_or(0, Vec::len);
        out.extend((0..columns).map(|column| {
            self.frontiers.iter().map(|port| port[column]).min().unwrap_or(Frontier::MIN)
        }));
    }

    fn follows_content(&self) -> bool {
        true
    }

    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        let Self { schema: _, frontiers, times: _, pending: _ } = self;
        frontiers.iter_mut().try_for_each(|port| parts.numbers(port))
    }
}
