//! Writes `laminardb/codes.py`.

use std::fmt::Write;

use crate::header::Header;

/// Outcomes below this number are no errors, and Python never shows them.
const FIRST_ERROR: i64 = 100;

/// The text of `codes.py`: one constant for each error, and the table of their names.
pub fn write(header: &Header) -> Result<String, String> {
    let errors: Vec<_> =
        header.statuses().into_iter().filter(|(_, value, _)| *value >= FIRST_ERROR).collect();
    if errors.is_empty() {
        return Err("the header names no errors".into());
    }
    let mut out = String::from(
        "# Written from include/laminar.h by `cargo run -p laminar-bindings-generate`.\n\
         \"\"\"The numbers of errors: the ``code`` of every `laminardb.LaminarError`.\n\n\
         Bands: 1xx connection, 2xx schema, 3xx ingestion, 4xx query, 5xx subscription, 6xx stream,\n\
         7xx checkpoint, 8xx connector, 9xx internal. A number is never given a new meaning.\n\
         \"\"\"\n\n\
         from typing import Final\n",
    );
    for (name, value, docs) in &errors {
        let _ = writeln!(out, "\n{name}: Final = {value}");
        let line = docs.join(" ").replace('\\', "\\\\").replace('"', "'");
        if !line.trim().is_empty() {
            let _ = writeln!(out, "\"\"\"{}\"\"\"", line.trim());
        }
    }
    let _ = writeln!(out, "\nNAMES: Final[dict[int, str]] = {{");
    for (name, value, _) in &errors {
        let _ = writeln!(out, "    {value}: \"{name}\",");
    }
    let _ = writeln!(out, "}}\n\"\"\"The name of each number.\"\"\"");
    Ok(out)
}
