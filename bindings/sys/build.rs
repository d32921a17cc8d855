//! Finds the staged install tree and links `liblaminar` from it.
//!
//! The tree is `$LAMINAR_DIST`, or `laminar-dist` in the target directory of the main workspace.
//! Crates that make executables or shared libraries read where it is from `DEP_LAMINAR_LIB` and
//! set their own run-time search path.

use std::env;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo:rerun-if-env-changed=LAMINAR_DIST");
    println!("cargo:rerun-if-env-changed=CARGO_TARGET_DIR");
    let candidates = candidates();
    let Some(dist) = candidates.iter().find(|dist| dist.join("include/laminar.h").exists()) else {
        let list: Vec<_> = candidates.iter().map(|dist| dist.display().to_string()).collect();
        println!(
            "cargo:warning=liblaminar is not staged in {}: run `make dist` in the root of the \
             repository, or set LAMINAR_DIST",
            list.join(" or ")
        );
        std::process::exit(1);
    };
    let lib = dist.join("lib");
    println!("cargo:rerun-if-changed={}", dist.join("include/laminar.h").display());
    println!("cargo:rustc-link-search=native={}", lib.display());
    println!("cargo:rustc-link-lib=dylib=laminar");
    println!("cargo:lib={}", lib.display());
}

fn candidates() -> Vec<PathBuf> {
    if let Some(dist) = env::var_os("LAMINAR_DIST") {
        return vec![dist.into()];
    }
    let mut candidates = Vec::new();
    if let Some(target) = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from) {
        candidates.push(target.join("laminar-dist"));
        candidates.extend(target.parent().map(|parent| parent.join("laminar-dist")));
    }
    if let Some(manifest) = env::var_os("CARGO_MANIFEST_DIR") {
        candidates.push(Path::new(&manifest).join("../../target/laminar-dist"));
    }
    candidates
}
