//! Checks a Letopis log from public data alone, trusting no agency and no node.
//!
//! It reads what any web server can serve (checkpoint, tiles, entry bundles, public files) and
//! never writes a log. It shares the formats with the writer (`letopis-ledger`) but not the way:
//! the tree is computed here by the recursive definition of RFC 6962, while the writer keeps a
//! frontier, so that one mistake cannot hide in both.
//!
//! Not here: anything that can append a record, and anything that needs a secret.

#![deny(missing_docs)]

pub mod audit;
pub mod compare;
pub mod decision;
pub mod finding;
pub mod message;
pub mod mirror;
pub mod proof;
pub mod report;
pub mod source;
mod staff;
