//! Writes `codes.ts` of `@laminardb/node`.

use std::fmt::Write;

use crate::header::Header;

/// Outcomes below this number are no errors, and JavaScript never shows them.
const FIRST_ERROR: i64 = 100;

/// The text of `codes.ts`: one constant for each error, and the table of their names.
pub fn write(header: &Header) -> Result<String, String> {
    let errors: Vec<_> =
        header.statuses().into_iter().filter(|(_, value, _)| *value >= FIRST_ERROR).collect();
    if errors.is_empty() {
        return Err("the header names no errors".into());
    }
    let mut out = String::from(
        "// Written from include/laminar.h by `cargo run -p laminar-bindings-generate`.\n\
         /**\n \
          * The numbers of errors: the `code` of every `LaminarError`.\n \
          *\n \
          * Bands: 1xx connection, 2xx schema, 3xx ingestion, 4xx query, 5xx subscription, 6xx stream,\n \
          * 7xx checkpoint, 8xx connector, 9xx internal. A number is never given a new meaning.\n \
          */\n",
    );
    for (name, value, docs) in &errors {
        out.push('\n');
        let line = docs.join(" ").replace("*/", "* /");
        if !line.trim().is_empty() {
            let _ = writeln!(out, "/** {} */", line.trim());
        }
        let _ = writeln!(out, "export const {name} = {value};");
    }
    let _ = writeln!(out, "\n/** The name of each number. */");
    let _ = writeln!(out, "export const NAMES: {{ readonly [code: number]: string }} = {{");
    for (name, value, _) in &errors {
        let _ = writeln!(out, "  {value}: \"{name}\",");
    }
    let _ = writeln!(out, "}};");
    Ok(out)
}
