//! `state_ttl`: unbounded joins and aggregates that forget.

use datafusion::common::Column;
use datafusion::logical_expr::Expr;
use laminar_dataflow::Traits;
use laminar_dataflow::operators::{Lifetime, Side, Until};
use laminar_types::{Error, Result, code};

use super::relation::Lowered;
use super::{Lowering, duration};
use crate::plan::InputRef;

const MILLISECOND: i64 = 1_000_000;

impl Lowering<'_> {
    /// How long the rows that come by a port are kept, where they would be for ever: by event time
    /// where a watermark is declared, else by the clock. `None` without `state_ttl`.
    pub(super) fn lifetime(&mut self, traits: &Traits, port: usize) -> Option<Lifetime> {
        let column = time_column(traits);
        self.lifetime_by(traits, port, column)
    }

    /// How long the rows of a side of a join are kept. Those of a constant never go: there is
    /// nothing to bound.
    pub(super) fn side_lifetime(
        &mut self,
        input: &InputRef,
        traits: &Traits,
        of: Side,
    ) -> Option<Lifetime> {
        let lifetime = self.lifetime(traits, of.index())?;
        Some(match self.is_constant(input) {
            true => Lifetime::Clock { span_ms: i64::MAX },
            false => lifetime,
        })
    }

    /// The same by the time in this column, if it is one.
    pub(super) fn lifetime_by(
        &mut self,
        traits: &Traits,
        port: usize,
        column: Option<usize>,
    ) -> Option<Lifetime> {
        let span_ns = self.state_ttl?.ns;
        self.ttl_bounds = true;
        let time = column.and_then(|column| Some((column, traits.time_of(column)?)));
        Some(match time {
            Some((column, frontier)) => Lifetime::EventTime {
                column,
                unit: traits.times[frontier].unit,
                frontier,
                until: vec![Until { port, frontier, span_ns }],
                drops_late: false,
            },
            // Less than a millisecond is one: the clock goes by them.
            None => Lifetime::Clock { span_ms: (span_ns / MILLISECOND).max(1) },
        })
    }

    /// The time by which groups of these rows age, if it is not the clock.
    pub(super) fn ttl_time(&self, input: &Lowered) -> Option<Expr> {
        self.state_ttl?;
        let column = time_column(&input.traits)?;
        Some(Expr::Column(Column::from(input.columns.qualified_field(column))))
    }

    /// How long, for `EXPLAIN`.
    pub(super) fn ttl_label(&self) -> Option<String> {
        self.state_ttl.map(|ttl| duration(ttl.ns))
    }

    /// Refuses a `state_ttl` that bounds nothing, and notes what one that does means.
    pub(super) fn check_ttl(&mut self) -> Result<()> {
        let Some(ttl) = self.state_ttl else { return Ok(()) };
        if !self.ttl_bounds {
            let Some(position) = ttl.position else { return Ok(()) };
            let message = "option state_ttl bounds nothing here: the query has no join and no GROUP \
                           BY whose state is kept for ever";
            return Err(Error::new(code::OPTION, message).at(position));
        }
        self.notes.push(format!(
            "not exact: what is older than {} (state_ttl) is forgotten, and what it gave is not \
             taken back",
            duration(ttl.ns)
        ));
        Ok(())
    }
}

/// The event time that a declared watermark is about.
fn time_column(traits: &Traits) -> Option<usize> {
    traits.times.first().filter(|_| traits.declared_watermark).map(|time| time.column)
}
