//! How the released program is linked. It is pulled at the start of every job, so two things go that it never reads:
//! tables for unwinding, because a panic aborts, and the long form of relocations (musl reads the short one since 1.2.4).
#![expect(clippy::disallowed_macros, clippy::disallowed_methods, reason = "a build script is told and tells like this")]

use std::env::var;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build.ld");
    let is = |name: &str, value: &str| var(name).is_ok_and(|text| text == value);
    if is("CARGO_CFG_TARGET_ENV", "musl") && is("PROFILE", "release") {
        let root = var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo::rustc-link-arg-bin=deploy-action=-Wl,-z,pack-relative-relocs");
        println!("cargo::rustc-link-arg-bin=deploy-action=-Wl,-T,{root}/build.ld");
    }
}
