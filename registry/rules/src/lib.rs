//! Pure re-execution for Letopis: decision tables, deadline arithmetic, identifier checks.
//!
//! Everything here is a function of its arguments. A registry uses it to decide; an independent
//! verifier uses the same functions to repeat the decision years later from the published rule,
//! the named engine and the disclosed inputs.
//!
//! Absent on purpose: clock, randomness, environment, files, network, threads and time limits. The
//! caller that evaluates a rule written by someone else runs it in a thread with a deadline.

#![deny(clippy::float_arithmetic, clippy::iter_over_hash_type)]
#![cfg_attr(not(test), deny(clippy::cast_possible_truncation, clippy::unwrap_used))]

pub mod calendar;
pub mod deadline;
pub mod decision;
pub mod identifier;
