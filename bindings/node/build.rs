//! Lets the addon find `liblaminar` beside itself. The functions of Node are those of the process
//! that loads it.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-rpath,$ORIGIN");
}
