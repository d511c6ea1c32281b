//! Bringing in what other systems recorded.
//!
//! Not here: appending; the engine does that.

pub mod xes;
