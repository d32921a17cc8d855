//! docs/C_API.md: its table of errors is the whole table of the code.

use std::fmt::Write;
use std::path::Path;

use laminar_types::ErrorKind;
use laminar_types::error::code;

#[test]
fn every_status_and_code_is_in_the_document() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/C_API.md");
    let document = std::fs::read_to_string(&path).expect("docs/C_API.md is there");
    let rows: Vec<&str> =
        document.lines().filter(|line| is_status(line) && line.contains("`L")).collect();
    let mut expected = Vec::new();
    for kind in ErrorKind::ALL {
        expected.push(format!("| {} | `LAMINAR_{}` | |", kind.status(), kind.name()));
        let codes = code::ALL.iter().filter(|code| code.kind() == *kind);
        expected.extend(codes.map(|code| format!("| {} | | `{code}` |", kind.status())));
    }
    let mut differences = String::new();
    for row in &rows {
        if !expected.iter().any(|start| row.starts_with(start)) {
            writeln!(differences, "the code has not: {row}").unwrap();
        }
    }
    for start in &expected {
        if rows.iter().filter(|row| row.starts_with(start.as_str())).count() != 1 {
            writeln!(differences, "the document has not, once: {start}").unwrap();
        }
    }
    assert!(differences.is_empty(), "\n{differences}");
}

/// Whether a line is a row of a table that begins with a status from 100 on.
fn is_status(line: &str) -> bool {
    let cell = line.strip_prefix("| ").and_then(|rest| rest.split_once(" |"));
    cell.is_some_and(|(number, _)| number.len() == 3 && number.parse::<u16>().is_ok())
}
