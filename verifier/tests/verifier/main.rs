//! Tests of the verifier on logs written here, sound ones and broken ones.
//!
//! The writer of these logs checks nothing, so every rule can be broken alone.

mod answers;
mod command;
mod compare;
mod decision_case;
mod decisions;
mod escalation;
mod follow_up;
mod golden;
mod joint;
mod lifecycle;
mod mirrors;
mod nodes;
mod offers;
mod order;
mod payments;
mod policies;
mod proofs;
mod random;
mod rules;
mod sound;
mod web;
mod written;
