//! What the derives say of mistakes, and where: each file of `mistakes` is compiled, and every
//! error of it must stand in the comment `//~ message` of its line; nothing else may be said.
//!
//! The files need the derives alone, so a call of `rustc` is enough: nothing is linked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

#[test]
fn mistakes_are_told_where_they_are() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes");
    let mut files: Vec<PathBuf> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 3, "{}", folder.display());
    let derives = derives();
    for file in files {
        assert_eq!(told(&file, &derives), expected(&file), "{}", file.display());
    }
}

/// Line and message of each error that the compiler tells.
fn told(file: &Path, derives: &Path) -> Vec<(usize, String)> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut library = std::ffi::OsString::from("laminar_derive=");
    library.push(derives);
    let output = Command::new(rustc)
        .args(["--edition", "2024", "--crate-type", "lib", "--emit", "metadata"])
        .args(["--error-format", "short", "--out-dir", env!("CARGO_TARGET_TMPDIR"), "--extern"])
        .arg(library)
        .arg(file)
        .output()
        .expect("rustc runs");
    assert!(!output.status.success(), "{} was compiled", file.display());
    let text = String::from_utf8(output.stderr).unwrap();
    let errors = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(file.to_str().unwrap())?.strip_prefix(':')?;
        let (line, rest) = rest.split_once(':')?;
        let (_, message) = rest.split_once(" error: ")?;
        Some((line.parse().ok()?, message.to_string()))
    });
    let mut errors: Vec<(usize, String)> = errors.collect();
    errors.sort();
    // The last line counts the errors: one that has no place would be missed otherwise.
    let last = text.lines().last().unwrap_or_default();
    let count = match errors.len() {
        1 => "aborting due to 1 previous error".to_string(),
        count => format!("aborting due to {count} previous errors"),
    };
    assert!(last.contains(&count), "{text}");
    errors
}

/// Line and message of each error that a file expects.
fn expected(file: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(file).unwrap();
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(index, line)| {
            let (_, message) = line.split_once("//~ ")?;
            Some((index + 1, message.to_string()))
        })
        .collect()
}

/// The library with the derives: cargo made it for this test, beside it.
fn derives() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let made = |path: &Path| -> SystemTime { fs::metadata(path).unwrap().modified().unwrap() };
    let beside = fs::read_dir(own.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let derives = beside.filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(&format!("{}laminar_derive-", std::env::consts::DLL_PREFIX))
            && name.ends_with(std::env::consts::DLL_SUFFIX)
    });
    derives.max_by_key(|path| made(path)).expect("the derives were compiled")
}
