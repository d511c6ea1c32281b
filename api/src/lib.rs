//! The `letopis` program: HTTP interface, command line, and the wiring of all the parts.
//!
//! This is the only place where consensus, registry and the outside world meet. Not here: domain
//! rules (`letopis-registry`) and rules of the log (`letopis-ledger`, `letopis-consensus`).

mod certificate;
pub mod cli;
mod demo;
mod enrolment;
mod folder;
mod genesis;
mod http;
mod keys;
mod message;
mod peers;
mod service;
