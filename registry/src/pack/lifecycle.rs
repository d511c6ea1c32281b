//! How a newer version of a pack comes into force: stages, each with a post that signs and a term.
//!
//! The lifecycle of a published version is for the version after it: who may change the rules is
//! said by the rules in force. Not here: proposals, remarks and signatures (`crate::lifecycle`).

use letopis_rules::deadline::Term;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::regulation::Post;
use crate::code::StageCode;
use crate::messages::Text;

/// The stages that the next version of a pack passes before it is published.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lifecycle {
    /// One after another; after the last one the version may be published.
    pub stages: Vec<LifecycleStage>,
}

/// A stage, which one official signs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LifecycleStage {
    /// Its code.
    pub code: Spanned<StageCode>,
    /// What people call it.
    #[serde(default)]
    pub title: Text,
    /// Who signs it.
    pub by: Post,
    /// How long it may take, counted from the proposal or the signature of the stage before.
    pub term: Term,
    /// The act that asks for it.
    #[serde(default)]
    pub law: Text,
}

impl Lifecycle {
    /// The stage of a code.
    #[must_use]
    pub fn stage(&self, code: &StageCode) -> Option<&LifecycleStage> {
        self.stages.iter().find(|stage| &stage.code.value == code)
    }

    /// The stage after the one of a code.
    #[must_use]
    pub fn after(&self, code: &StageCode) -> Option<&LifecycleStage> {
        let place = self.stages.iter().position(|stage| &stage.code.value == code)?;
        self.stages.get(place + 1)
    }
}
