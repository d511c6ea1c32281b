//! Links a seeded `getrandom` into the test programs, so that a simulation replays exactly; see
//! `src/simulation/getrandom.c`. Nothing else is linked with it.

use std::path::PathBuf;
use std::process::Command;

fn main() {
    let source = "src/simulation/getrandom.c";
    println!("cargo::rerun-if-changed={source}");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let object = out.join("getrandom.o");
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let compiled = Command::new(compiler)
        .args(["-O2", "-fPIC", "-c", source, "-o"])
        .arg(&object)
        .status()
        .expect("a C compiler runs");
    assert!(compiled.success(), "{source} does not compile");
    println!("cargo::rustc-link-arg-tests={}", object.display());
    // Libraries that look the function up by name must find this one too.
    println!("cargo::rustc-link-arg-tests=-Wl,--export-dynamic-symbol=getrandom");
}
