//! Writes the raw declarations of `laminar-sys`.

use std::fmt::Write;

use crate::header::{Header, Type};

/// The text of `sys/src/declarations.rs`.
pub fn write(header: &Header) -> Result<String, String> {
    let mut out = String::from(
        "// Written from include/laminar.h by `cargo run -p laminar-bindings-generate`.\n\n\
         use core::ffi::{c_char, c_void};\n\n\
         use crate::arrow::{ArrowArray, ArrowArrayStream, ArrowSchema};\n\n\
         /// An outcome (0 to 5) or the number of an error.\n\
         pub type laminar_status = i32;\n",
    );
    for (name, text) in header.texts.iter().filter(|(name, _)| name.starts_with("LAMINAR_")) {
        let _ = writeln!(out, "\npub const {name}: &str = {text:?};");
    }
    for constant in header.constants.iter().filter(|it| it.name.starts_with("LAMINAR_")) {
        let ty = if constant.status_name().is_some() { "laminar_status" } else { "u32" };
        out.push('\n');
        docs(&mut out, "", &constant.docs);
        let _ = writeln!(out, "pub const {}: {ty} = {};", constant.name, constant.value);
    }
    let _ = writeln!(out, "\n/// Every status with its name, by number.");
    let _ = writeln!(out, "pub const STATUSES: &[(laminar_status, &str)] = &[");
    for (name, value, _) in header.statuses() {
        let _ = writeln!(out, "    ({value}, {name:?}),");
    }
    let _ = writeln!(out, "];");
    for handle in &header.handles {
        out.push('\n');
        docs(&mut out, "", &handle.docs);
        let _ = writeln!(
            out,
            "#[repr(C)]\n#[derive(Debug)]\npub struct {} {{\n    _opaque: [u8; 0],\n    \
             _marker: core::marker::PhantomData<(*mut u8, core::marker::PhantomPinned)>,\n}}",
            handle.name
        );
    }
    let _ = writeln!(out, "\nunsafe extern \"C\" {{");
    for (index, function) in header.functions.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        docs(&mut out, "    ", &function.docs);
        let mut parameters = Vec::new();
        for (index, parameter) in function.parameters.iter().enumerate() {
            let name = parameter.name.clone().unwrap_or_else(|| format!("arg{index}"));
            let ty = type_name(&parameter.ty)
                .map_err(|error| format!("{}({name}): {error}", function.name))?;
            parameters.push(format!("{name}: {ty}"));
        }
        let result = match &function.result {
            Type::Named(name) if name == "void" => String::new(),
            result => type_name(result)
                .map(|ty| format!(" -> {ty}"))
                .map_err(|error| format!("{}: {error}", function.name))?,
        };
        let line = format!("    pub fn {}({}){result};", function.name, parameters.join(", "));
        if line.len() <= 100 {
            let _ = writeln!(out, "{line}");
        } else {
            let _ = writeln!(out, "    pub fn {}(", function.name);
            for parameter in parameters {
                let _ = writeln!(out, "        {},", broken(&parameter));
            }
            let _ = writeln!(out, "    ){result};");
        }
    }
    let _ = writeln!(out, "}}");
    Ok(out)
}

/// A parameter over several lines where rustfmt would break it: a callback of many.
fn broken(parameter: &str) -> String {
    let callback = (parameter.len() + 9 > 100).then(|| parameter.split_once("Option<")).flatten();
    let Some((name, callback)) = callback else { return parameter.to_string() };
    let Some((head, rest)) = callback.split_once('(') else { return parameter.to_string() };
    let Some((types, result)) = rest.rsplit_once(')') else { return parameter.to_string() };
    let types: String = types.split(", ").map(|ty| format!("                {ty},\n")).collect();
    let result = result.strip_suffix('>').unwrap_or(result);
    format!("{name}Option<\n            {head}(\n{types}            ){result},\n        >")
}

/// The header's comment as documentation; its prose is C's, so code blocks must not become tests.
fn docs(out: &mut String, indent: &str, lines: &[String]) {
    let mut in_code = false;
    for line in lines {
        let line = if line.trim_start().starts_with("```") {
            in_code = !in_code;
            if in_code { "```text" } else { "```" }
        } else {
            line.as_str()
        };
        // What documentation of Rust would take for a link.
        let line = line.replace("@param[out]", "@param (out)");
        let _ = writeln!(out, "{}", format!("{indent}/// {line}").trim_end());
    }
}

fn type_name(ty: &Type) -> Result<String, String> {
    Ok(match ty {
        Type::Named(name) => match name.as_str() {
            "void" => "c_void".into(),
            "char" => "c_char".into(),
            "bool" => "bool".into(),
            "double" => "f64".into(),
            "size_t" | "uintptr_t" => "usize".into(),
            "int32_t" | "int" => "i32".into(),
            "int64_t" => "i64".into(),
            "uint8_t" => "u8".into(),
            "uint32_t" => "u32".into(),
            "uint64_t" => "u64".into(),
            "ArrowArray" | "ArrowSchema" | "ArrowArrayStream" => name.clone(),
            other if other.starts_with("laminar_") => other.into(),
            other => return Err(format!("the C type {other} is not known here")),
        },
        Type::Pointer { constant, to } => {
            let to = type_name(to)?;
            if *constant { format!("*const {to}") } else { format!("*mut {to}") }
        }
        Type::Callback(parameters, result) => {
            let parameters = parameters.iter().map(type_name).collect::<Result<Vec<_>, _>>()?;
            let result = match result.as_ref() {
                Type::Named(name) if name == "void" => String::new(),
                result => format!(" -> {}", type_name(result)?),
            };
            format!("Option<unsafe extern \"C\" fn({}){result}>", parameters.join(", "))
        }
    })
}
