//! Who decides where people do: posts in units, the stages that a proposal passes, who checks what
//! comes in, and who takes over what brings nothing.
//!
//! Not here: which person holds a post, and who of several gets a case.

use letopis_rules::deadline::Term;
use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::code::UnitCode;
use crate::messages::Text;

/// What a person does in a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Leads the unit and signs for it.
    Head,
    /// Works on cases.
    Executor,
    /// Agrees to proposals from the side of the law.
    Lawyer,
    /// Enters what comes at the desk, on paper and by phone.
    Operator,
    /// Keeps registries.
    Keeper,
}

/// A role in a unit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Post {
    /// The unit.
    pub unit: Spanned<UnitCode>,
    /// The role.
    pub role: Role,
}

/// How a decision comes about where people decide.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Who works on the case and proposes.
    pub proposes: Post,
    /// Stages one after another; the posts of one stage at the same time. The last stage is one
    /// post, which signs.
    pub stages: Vec<Vec<Post>>,
    /// The act that asks for it.
    #[serde(default)]
    pub law: Text,
}

/// Who takes over a request that brings nothing.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Escalation {
    /// Who.
    pub to: Post,
    /// The act that asks for it.
    #[serde(default)]
    pub law: Text,
}

/// Who checks what came in, and for how long after registration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntakeCheck {
    /// Who.
    pub by: Post,
    /// For how long, counted from registration.
    pub within: Term,
    /// The act that allows it.
    #[serde(default)]
    pub law: Text,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] =
        [Self::Head, Self::Executor, Self::Lawyer, Self::Operator, Self::Keeper];

    /// The role as packs and events spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Executor => "executor",
            Self::Lawyer => "lawyer",
            Self::Operator => "operator",
            Self::Keeper => "keeper",
        }
    }

    /// Reads the spelling of [`Role::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}
