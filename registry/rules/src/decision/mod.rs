//! Decision tables: OMG DMN 1.3 to 1.5 models, or tables in Markdown, admitted once, evaluated and
//! re-evaluated for ever.
//!
//! A decision is reproducible from three things: the exact bytes of the document
//! ([`AdmittedModel::digest`]), the engine ([`ENGINE`]) and the inputs. [`AdmittedModel::admit`]
//! refuses every construct that could make two evaluations differ, run without bound, or leave an
//! applicant without an explanation; [`AdmittedModel::evaluate`] then returns the result together
//! with the rules that matched.
//!
//! Absent: files, decision services, imports, threads and time limits. Admission
//! bounds the work of an evaluation ([`admission::WORK_MAX`]), but the engine is foreign code: a
//! caller that serves strangers still evaluates in a thread with a deadline.

pub mod admission;
mod document;
mod engine;
pub mod evaluation;
mod feel;
mod graph;
mod logic;
mod markdown;
mod model;
mod sample;
mod shadow;
mod tree;
pub mod types;
mod work;

pub use admission::AdmissionError;
pub use engine::ENGINE;
pub use evaluation::{Asked, Evaluation, EvaluationError, TableTrace};
pub use model::{AdmittedModel, ModelDigest};
pub use types::{InputSpec, InputType};

#[cfg(test)]
mod test;
