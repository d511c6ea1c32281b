//! The dependency arrows of ARCHITECTURE.md, held against `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// Which crates of the workspace each crate may use in what it ships.
const ALLOWED: [(&str, &[&str]); 9] = [
    ("letopis-ledger", &[]),
    ("letopis-rules", &[]),
    ("letopis-registry", &["letopis-ledger", "letopis-rules"]),
    ("letopis-consensus", &["letopis-ledger"]),
    ("letopis-verifier", &["letopis-ledger", "letopis-rules"]),
    ("letopis-documents", &[]),
    (
        "letopis-api",
        &[
            "letopis-consensus",
            "letopis-documents",
            "letopis-ledger",
            "letopis-registry",
            "letopis-rules",
        ],
    ),
    // Most tests start the programs as users do; the simulation runs the consensus itself, and a
    // node that lies speaks to others in their own words.
    ("letopis-tests", &["letopis-consensus", "letopis-ledger"]),
    ("letopis-benches", &["letopis-consensus", "letopis-ledger", "letopis-rules"]),
];

/// What the pure crates must never be able to reach: IO, clocks, randomness, async, storage.
const FORBIDDEN_IN_PURE: [(&str, &[&str]); 1] = [(
    "letopis-ledger",
    &["tokio", "rocksdb", "openraft", "rusqlite", "axum", "ureq", "getrandom", "rand", "futures"],
)];

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .other_options(vec!["--locked".into(), "--offline".into()])
        .exec()
        .expect("cargo metadata runs")
}

#[test]
fn dependency_arrows_are_those_of_the_design() {
    let metadata = metadata();
    let members: BTreeSet<&str> =
        metadata.workspace_packages().iter().map(|package| package.name.as_str()).collect();
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.into_iter().collect();
    assert_eq!(
        members,
        allowed.keys().copied().collect(),
        "a crate came or went: decide its arrows"
    );
    for package in metadata.workspace_packages() {
        let used: BTreeSet<&str> = package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind == DependencyKind::Normal)
            .map(|dependency| dependency.name.as_str())
            .filter(|name| members.contains(name))
            .collect();
        let surplus: Vec<_> =
            used.iter().filter(|name| !allowed[package.name.as_str()].contains(name)).collect();
        assert!(surplus.is_empty(), "{} must not depend on {surplus:?}", package.name);
    }
}

#[test]
fn the_pure_core_reaches_no_io_clock_or_randomness() {
    let metadata = metadata();
    for (name, forbidden) in FORBIDDEN_IN_PURE {
        let package = metadata
            .workspace_packages()
            .into_iter()
            .find(|package| package.name.as_str() == name)
            .expect("the pure crate is a member");
        for dependency in &package.dependencies {
            let ships = dependency.kind == DependencyKind::Normal;
            assert!(
                !(ships && forbidden.contains(&dependency.name.as_str())),
                "{name} must not depend on {}",
                dependency.name
            );
        }
    }
}
