//! Names the shared library, keeps it loaded, and collects what `laminar_build_info` says.

use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../Cargo.lock");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        let minor = env::var("CARGO_PKG_VERSION_MINOR").unwrap_or_default();
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,liblaminar.so.0.{minor}");
        // Threads of the library outlive `dlclose`; their code must stay mapped.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
    println!("cargo::rustc-env=LAMINAR_BUILD_INFO={}", build_info());
}

fn build_info() -> String {
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    // Cargo calls every profile that is not derived from `release` "debug".
    let profile = match env::var("PROFILE").as_deref() {
        Ok("release") => "release",
        _ => "dev",
    };
    let lock = fs::read_to_string("../Cargo.lock").unwrap_or_default();
    format!(
        "laminar {version} (profile {profile}, rustc {}, datafusion {}, arrow {})",
        rustc_version(),
        locked_version(&lock, "datafusion"),
        locked_version(&lock, "arrow"),
    )
}

fn rustc_version() -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output().ok();
    let text = output.and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    text.split_whitespace().nth(1).unwrap_or("unknown").to_owned()
}

/// The version of a package in the text of a `Cargo.lock`.
fn locked_version<'a>(lock: &'a str, package: &str) -> &'a str {
    lock.split_once(&format!("\nname = \"{package}\"\nversion = \""))
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or("unknown", |(version, _)| version)
}
