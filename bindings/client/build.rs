//! Lets the tests of this crate find `liblaminar` in the staged tree.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if let Some(lib) = std::env::var_os("DEP_LAMINAR_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
    }
}
