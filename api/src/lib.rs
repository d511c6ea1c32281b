//! The `letopis` program: HTTP interface, command line, and the wiring of all the parts.
//!
//! This is the only place where consensus, registry and the outside world meet. Not here: domain
//! rules (`letopis-registry`) and rules of the log (`letopis-ledger`, `letopis-consensus`).

#[cfg_attr(not(test), expect(dead_code, reason = "`letopis init` makes one when it founds a node"))]
mod certificate;
pub mod cli;
mod demo;
mod folder;
mod genesis;
mod http;
mod keys;
mod message;
mod service;
