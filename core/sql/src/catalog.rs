//! What the planner asks of a catalogue.

use laminar_dataflow::Traits;

/// The relations that a query can read, by their normalised names.
pub trait Catalog {
    /// What is known of a relation's rows, or `None` when there is none of that name.
    fn relation(&self, name: &str) -> Option<Traits>;

    /// Whether a relation is a lookup table.
    fn is_lookup(&self, name: &str) -> bool {
        let _ = name;
        false
    }

    /// The names of all relations, for suggestions.
    fn names(&self) -> Vec<String>;
}
