//! The pure core of Letopis: record and leaf bytes, the RFC 6962 tree, C2SP log formats,
//! signatures.
//!
//! Here is every byte that is hashed or signed, each format in a file named after it. Writer,
//! reader and verifier all build on it; `docs/FORMAT.md` states the same bytes in prose.
//!
//! Not here: files, sockets, clocks, randomness, threads, async, storage engines, service rules.
//! Whatever needs one of those takes its value as an argument (a timestamp, a salt, a seed).

#![deny(clippy::float_arithmetic, clippy::iter_over_hash_type, missing_docs)]
#![cfg_attr(not(test), deny(clippy::cast_possible_truncation, clippy::unwrap_used))]

// Foundations.
pub mod encoding;
pub mod hash;
pub mod position;
pub mod time;

// What the log says: records, their authors, what they keep private.
pub mod disclosure;
pub mod governance;
pub mod id;
pub mod json;
pub mod key;
pub mod leaf;
pub mod record;

// How the log is committed to: tree, tiles, notes, checkpoints, proofs.
pub mod bundle;
pub mod checkpoint;
pub mod cosignature;
pub mod equivocation;
pub mod note;
pub mod policy;
pub mod proof;
pub mod tile;
pub mod tree;

pub use hash::Hash;
pub use position::{LeafIndex, StreamVersion, TreeSize};
pub use time::Timestamp;
