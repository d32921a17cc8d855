//! Writes `io/laminardb/ErrorCode.java`.

use std::fmt::Write;

use crate::header::Header;

/// Outcomes below this number are no errors, and Java never shows them.
const FIRST_ERROR: i64 = 100;

/// What follows the constants.
const TAIL: &str = "
    private final int code;

    ErrorCode(int code) {
        this.code = code;
    }

    /**
     * The number of the error.
     *
     * @return the number
     */
    public int code() {
        return code;
    }

    /**
     * The error with a number.
     *
     * @param code the number
     * @return the error; {@link #INTERNAL_ERROR} for a number that is not known here
     */
    public static ErrorCode of(int code) {
        for (ErrorCode error : values()) {
            if (error.code == code) {
                return error;
            }
        }
        return INTERNAL_ERROR;
    }
}
";

/// The text of `ErrorCode.java`: one constant of an enumeration for each error.
pub fn write(header: &Header) -> Result<String, String> {
    let errors: Vec<_> =
        header.statuses().into_iter().filter(|(_, value, _)| *value >= FIRST_ERROR).collect();
    if errors.is_empty() {
        return Err("the header names no errors".into());
    }
    let mut out = String::from(
        "// Written from include/laminar.h by `cargo run -p laminar-bindings-generate`.\n\
         package io.laminardb;\n\n\
         /**\n \
         * The errors by name: what {@link LaminarException#errorCode()} answers.\n \
         *\n \
         * <p>Bands: 1xx connection, 2xx schema, 3xx ingestion, 4xx query, 5xx subscription, 6xx\n \
         * stream, 7xx checkpoint, 8xx connector, 9xx internal. A number is never given a new\n \
         * meaning.\n \
         */\n\
         public enum ErrorCode {\n",
    );
    for (index, (name, value, docs)) in errors.iter().enumerate() {
        let line = docs.join(" ").replace("*/", "*&#47;");
        let _ = writeln!(out, "    /** {}", wrap(line.trim()));
        let end = if index + 1 == errors.len() { ";" } else { ",\n" };
        let _ = writeln!(out, "    {name}({value}){end}");
    }
    out.push_str(TAIL);
    Ok(out)
}

/// A sentence as the body of a comment that is open, broken at 100 columns, and its end.
fn wrap(text: &str) -> String {
    let mut out = String::new();
    let mut column = "    /** ".len();
    for word in text.split_whitespace() {
        let word = word.replace('`', "");
        if column + word.len() + " */".len() > 100 {
            out.push_str("\n     * ");
            column = "     * ".len();
        }
        out.push_str(&word);
        out.push(' ');
        column += word.len() + 1;
    }
    out.push_str("*/");
    out
}
