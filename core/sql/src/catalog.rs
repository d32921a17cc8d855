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

    /// The sources and tables whose rows can reach a relation, by name.
    fn inputs_behind(&self, name: &str) -> Vec<String> {
        vec![name.to_string()]
    }

    /// Whether the order in which the rows of a relation arrive is the same however those of its
    /// inputs are cut into pushes.
    fn arrives_in_order(&self, name: &str) -> bool {
        let _ = name;
        true
    }

    /// The names of all relations, for suggestions.
    fn names(&self) -> Vec<String>;
}
