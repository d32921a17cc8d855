//! Names: what they stand for, and the catalogue as a plan is made from it.

use std::collections::{BTreeMap, BTreeSet};

use laminar_dataflow::Traits;
use laminar_sql::catalog::Catalog;
use laminar_sql::parser::statement::Name;
use laminar_types::{Error, Result, code};

use crate::engine::{Core, Object};
use crate::introspection::DEAD_LETTERS;
use crate::system_tables::SystemTable;

/// A catalogue as it was at one moment.
pub(crate) struct Relations {
    pub(crate) version: u64,
    relations: BTreeMap<String, Traits>,
    lookups: BTreeSet<String>,
    /// The inputs behind each relation.
    inputs: BTreeMap<String, Vec<String>>,
    /// The relations whose rows arrive in no order of their own.
    unordered: BTreeSet<String>,
}

impl Relations {
    pub(crate) fn of(core: &Core) -> Self {
        let named = core.objects.keys();
        let relations = named.filter_map(|name| {
            let (_, traits) = core.relation(name)?;
            Some((name.clone(), traits))
        });
        let is_lookup = |(_, object): &(&String, &Object)| matches!(object, Object::LookupTable(_));
        let lookups = core.objects.iter().filter(is_lookup).map(|(name, _)| name.clone());
        let inputs =
            core.objects.keys().map(|name| (name.clone(), Catalog::inputs_behind(core, name)));
        let unordered = core.objects.keys().filter(|name| !core.arrives_in_order(name));
        Self {
            version: core.catalog_version,
            relations: relations.collect(),
            lookups: lookups.collect(),
            inputs: inputs.collect(),
            unordered: unordered.cloned().collect(),
        }
    }
}

impl Catalog for Relations {
    fn relation(&self, name: &str) -> Option<Traits> {
        self.relations.get(name).cloned()
    }

    fn is_lookup(&self, name: &str) -> bool {
        self.lookups.contains(name)
    }

    fn inputs_behind(&self, name: &str) -> Vec<String> {
        self.inputs.get(name).cloned().unwrap_or_default()
    }

    fn arrives_in_order(&self, name: &str) -> bool {
        !self.unordered.contains(name)
    }

    fn names(&self) -> Vec<String> {
        self.relations.keys().cloned().collect()
    }
}

/// The name as catalogued: exactly so, or in lower case as unquoted SQL names are.
pub(crate) fn find(core: &Core, name: &str) -> Result<String> {
    if core.objects.contains_key(name) {
        return Ok(name.to_string());
    }
    let lower = name.to_lowercase();
    if core.objects.contains_key(&lower) { Ok(lower) } else { Err(core.not_found(name)) }
}

/// A name as catalogued, as SQL spells it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// What stands behind a name, through any sinks.
pub(crate) fn resolve_sink(core: &Core, name: &str) -> Result<Object> {
    match core.object(name)?.clone() {
        Object::Sink { from, .. } => resolve_sink(core, &from),
        Object::LateRows { rows: id, .. } | Object::QuerySink(id) => Ok(Object::Stream(id)),
        other => Ok(other),
    }
}

/// Whether a name can be given to something new; an error where it is taken and may not be.
pub(crate) fn is_free(core: &Core, name: &Name, if_not_exists: bool) -> Result<bool> {
    if SystemTable::named(&name.value).is_some() || name.value == DEAD_LETTERS {
        let message = format!("`{}` is a system table: take another name", name.value);
        return Err(Error::new(code::EXISTS, message).at(name.position));
    }
    match core.objects.get(&name.value) {
        None => Ok(true),
        Some(_) if if_not_exists => Ok(false),
        Some(object) => Err(Error::new(
            code::EXISTS,
            format!(
                "a {} called `{}` exists: drop it first, or write IF NOT EXISTS",
                object.kind(),
                name.value
            ),
        )
        .at(name.position)),
    }
}
