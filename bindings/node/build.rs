//! Lets the addon find `liblaminar` beside itself. The functions of Node are those of the process
//! that loads it.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-rpath,$ORIGIN");
    // Node unloads an addon with the last of its environments, and threads that have been in
    // it end later; their code must stay mapped.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
