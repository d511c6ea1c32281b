//! Typical decisions: reasons that are the same in many cases, with the act that they cite.
//!
//! Not here: the decision itself, which the rules give; a typical one only puts it into words.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::code::{GroundCode, TypicalCode};
use crate::event::Outcome;
use crate::messages::{Language, Text};
use crate::pack::Template;

/// The reasons of a decision that comes about again and again.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypicalDecision {
    /// Its code.
    pub code: Spanned<TypicalCode>,
    /// What people call it.
    #[serde(default)]
    pub title: Text,
    /// The outcome that it is for.
    pub outcome: TypicalOutcome,
    /// The grounds that it is for, exactly these; none when granted.
    #[serde(default)]
    pub grounds: Vec<Spanned<GroundCode>>,
    /// The reasons in Markdown, with `{{name}}` where a value of the case goes.
    #[serde(default)]
    pub reasons: Text,
    /// The act that the reasons rest on.
    #[serde(default)]
    pub law: Text,
}

/// The outcome that a typical decision is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TypicalOutcome {
    /// The applicant gets what was asked for.
    Granted,
    /// The applicant does not.
    Refused,
}

impl TypicalOutcome {
    /// The same as events have it.
    #[must_use]
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::Granted => Outcome::Granted,
            Self::Refused => Outcome::Refused,
        }
    }
}

impl TypicalDecision {
    /// Whether it puts a decision into words.
    #[must_use]
    pub fn is_of(&self, outcome: Outcome, grounds: &[GroundCode]) -> bool {
        let same = self.grounds.iter().map(|ground| &ground.value).all(|g| grounds.contains(g));
        self.outcome.outcome() == outcome && same && self.grounds.len() == grounds.len()
    }

    /// The reasons with the act that they rest on; nothing when a `{{` has no `}}`.
    #[must_use]
    pub fn text(&self, language: Language, values: &BTreeMap<String, String>) -> Option<String> {
        let reasons = Template::parse(self.reasons.in_language(language))?.render(values, language);
        Some(format!("{}\n\n{}", reasons.trim_end(), self.law.in_language(language)))
    }
}
