//! The standard of a service: what the public is told of it beside its rules.
//!
//! Not here: what follows from the rules themselves (terms, documents, grounds, channels).

use serde::Deserialize;

use crate::messages::Text;

/// The standard.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standard {
    /// Whose service it is.
    pub level: Level,
    /// What somebody gets whose application is granted.
    #[serde(default)]
    pub result: Text,
    /// What it costs; it is free without it.
    #[serde(default)]
    pub fee: Option<Text>,
    /// Longest wait in a queue at the agency, in minutes.
    pub queue_minutes: u32,
    /// How a time at the agency is booked; nobody needs one without it.
    #[serde(default)]
    pub appointment: Option<Text>,
    /// The act that sets all this.
    #[serde(default)]
    pub law: Text,
}

/// The level of government that a service is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Of the whole state.
    National,
    /// Of a region.
    Regional,
    /// Of a municipality.
    Municipal,
}

impl Level {
    /// The level as packs and interfaces spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::National => "national",
            Self::Regional => "regional",
            Self::Municipal => "municipal",
        }
    }
}
