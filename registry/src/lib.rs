//! The domain of Letopis: regulations as packs, cases, requests, decisions, registries.
//!
//! A command meets a state and becomes events (`decide`, pure); events become state (`evolve`,
//! pure) and rows (`projection`). The engine ties these to a ledger through one port.
//!
//! Not here: consensus, HTTP, a clock, a random generator. The first two are other crates; the
//! last two come in through the traits of `environment`.

#![deny(missing_docs)]

// What everything else is said with.
pub mod code;
pub mod environment;
pub mod geometry;
pub mod messages;
pub mod secret;
pub mod value_format;

// Regulations as data.
pub mod pack;

// What happened, and what follows from it.
pub mod case;
pub mod complex;
pub mod entry;
pub mod event;
pub mod lifecycle;
pub mod offer;
pub mod payment;
pub mod record_draft;
pub mod staff;

// What is kept beside the log.
pub mod private;
pub mod projection;

// What is told of all of it.
pub mod export;
pub mod statistics;

// Where commands come in.
pub mod engine;
pub mod import;
