//! The name of the engine whose semantics decisions were made with.

/// Recorded in every decision: the evaluator with its exact version, then the version of what this
/// crate adds to it (admission rules that change results, conversion of inputs and outputs, trace).
///
/// Any change after which some admitted model could give another output, trace or error for the
/// same inputs changes this text; a change of messages or speed does not. A verifier that meets
/// another name must use the program that carries it.
pub const ENGINE: &str = "dsntk-0.3.0+letopis-1";
