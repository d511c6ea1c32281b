//! Formulas on numbers that a reader can check, and the recount of every figure from the leaves.

mod formulas;
mod leaves;
mod recount;
mod topics;
pub(crate) mod town;
