//! The committed header is what the sources say, and the symbols are those of the header.
//!
//! `LAMINAR_UPDATE_HEADER=1 cargo test -p laminar-ffi --test header` rewrites both.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

fn generate() -> String {
    let config = cbindgen::Config::from_file(path("cbindgen.toml")).unwrap();
    let builder = cbindgen::Builder::new().with_crate(path(".")).with_config(config);
    let mut header = Vec::new();
    builder.generate().unwrap().write(&mut header);
    String::from_utf8(header).unwrap()
}

/// The functions that a header declares, in the order of their names.
fn functions(header: &str) -> Vec<&str> {
    let code = header.split("extern \"C\" {").last().unwrap();
    let mut names: Vec<_> = code
        .lines()
        .filter(|line| !line.starts_with([' ', '/', '#']))
        .filter_map(|line| line.split_once('('))
        .map(|(declarator, _)| declarator.trim_end().rsplit([' ', '*']).next().unwrap())
        .collect();
    names.sort_unstable();
    names
}

#[track_caller]
fn compare(relative: &str, expected: &str) {
    let file = path(relative);
    if env::var_os("LAMINAR_UPDATE_HEADER").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, expected).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == expected,
        "{} is stale: run LAMINAR_UPDATE_HEADER=1 cargo test -p laminar-ffi --test header",
        file.display()
    );
}

#[test]
fn the_header_is_fresh() {
    compare("../include/laminar.h", &generate());
}

#[test]
fn the_symbols_are_those_of_the_header() {
    let header = generate();
    let mut symbols = functions(&header).join("\n");
    symbols.push('\n');
    compare("symbols.txt", &symbols);
}

#[test]
fn the_version_is_that_of_the_package() {
    let version = env!("CARGO_PKG_VERSION");
    assert!(generate().contains(&format!("#define LAMINAR_VERSION \"{version}\"\n")));
}
