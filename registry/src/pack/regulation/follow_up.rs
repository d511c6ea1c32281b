//! Entries that are looked at again: renewed before they end, reviewed when a fact changes.
//!
//! Not here: whether somebody may renew an entry now (`pack::follow_up`), and finding the facts
//! that changed (`engine::review`).

use letopis_rules::deadline::Term;
use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::code::StepCode;
use crate::messages::Text;

/// Who holds an entry may ask for it to go on.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenewalRule {
    /// How long before its last day; calendar days.
    pub within: Spanned<Term>,
    /// The act that allows it.
    #[serde(default)]
    pub law: Text,
}

/// An entry is decided again by itself when a fact that its decision rested on has changed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewRule {
    /// The requests to registries whose facts count.
    pub on: Vec<Spanned<StepCode>>,
    /// The act that asks for it.
    #[serde(default)]
    pub law: Text,
}

impl RenewalRule {
    /// How many days before its last day an entry may be renewed.
    #[must_use]
    pub const fn days(&self) -> u32 {
        match self.within.value {
            Term::CalendarDays(days) => days,
            // A loaded pack has calendar days only.
            Term::WorkingDays(_) | Term::Hours(_) => 0,
        }
    }
}

impl ReviewRule {
    /// Whether the facts of a request count.
    #[must_use]
    pub fn is_on(&self, request: &StepCode) -> bool {
        self.on.iter().any(|on| &on.value == request)
    }
}
