//! `EMIT ON WINDOW CLOSE` over a result that changes until its event time is over.

use std::sync::Arc;

use laminar_dataflow::operators::UntilFinal;
use laminar_dataflow::{Changes, EventTime, Traits};
use laminar_types::{Error, Position, Result, code};

use super::{Lowered, Lowering};

impl Lowering<'_> {
    /// The relation as one whose rows never change: as it is, or held until its event time is
    /// over.
    ///
    /// # Errors
    /// `PLAN` when its rows can change for ever, at the place of the `EMIT`.
    pub(super) fn until_final(&mut self, input: Lowered, emit: Position) -> Result<Lowered> {
        if input.traits.changes == Changes::AppendOnly {
            return Ok(input);
        }
        let input = self.lenient(input)?;
        let (columns, window) = (input.columns.clone(), input.window);
        let (port, traits) = self.operator_input(input)?;
        // Of the bounds of a window the last one is over last.
        let Some((position, time)) = traits.times.iter().copied().enumerate().next_back() else {
            return Err(Error::new(
                code::PLAN,
                "EMIT ON WINDOW CLOSE needs rows that become final, and these can change for ever: \
                 no event time is left in the result that a watermark could pass; keep the window's \
                 bounds in it, or use EMIT CHANGES",
            )
            .at(emit));
        };
        let schema = Arc::clone(&traits.schema);
        let name = schema.field(time.column).name();
        let label = format!("Until final: rows wait until the frontier of {name} has passed them");
        let operator = UntilFinal::new(Arc::clone(&schema), time.column, time.unit, position)?;
        let time = EventTime { closed: true, ..time };
        let traits = Traits { changes: Changes::AppendOnly, times: vec![time], ..traits };
        let node = self.add(Box::new(operator), traits, vec![port], label);
        Ok(self.lowered(node, columns, window, false))
    }
}
