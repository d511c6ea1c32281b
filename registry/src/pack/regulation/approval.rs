//! Who decides where people do: posts in units, the stages that a proposal passes, who checks what
//! comes in, and who takes over what brings nothing.
//!
//! Not here: which person holds a post, and who of several gets a case.

use letopis_rules::deadline::Term;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::TermRule;
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
    /// How long a proposal may take once the facts are there; without it the term of the case
    /// alone counts.
    #[serde(default)]
    pub term: Option<TermRule>,
    /// Stages one after another. The last stage is one post, which signs.
    pub stages: Vec<ApprovalStage>,
    /// The act that asks for it.
    #[serde(default)]
    pub law: Text,
}

/// A stage of an approval: posts that agree at the same time. Posts alone have no term of their
/// own.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "StageText")]
pub struct ApprovalStage {
    /// The posts.
    pub posts: Vec<Post>,
    /// How long all of them together may take.
    pub term: Option<TermRule>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum StageText {
    Posts(Vec<Post>),
    Stage(StageFields),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StageFields {
    posts: Vec<Post>,
    #[serde(default)]
    term: Option<TermRule>,
}

impl From<StageText> for ApprovalStage {
    fn from(text: StageText) -> Self {
        match text {
            StageText::Posts(posts) => Self { posts, term: None },
            StageText::Stage(StageFields { posts, term }) => Self { posts, term },
        }
    }
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
