//! How a regulation has a case worked, as far as a verifier looks at it: who agrees and in which
//! terms, how often a request is sent again, and who takes over what brings nothing.
//!
//! Not here: the rules that decide (`rule`).

use letopis_rules::deadline::Term;
use serde::Deserialize;

use crate::staff::Post;

/// Who takes over what brings nothing.
#[derive(Debug, Deserialize)]
pub(super) struct EscalationDocument {
    pub(super) to: Post,
}

/// Who decides where people do.
#[derive(Debug, Deserialize)]
pub(super) struct ApprovalDocument {
    #[serde(default)]
    pub(super) proposes: Option<Post>,
    #[serde(default)]
    pub(super) term: Option<TermDocument>,
    pub(super) stages: Vec<Stage>,
}

/// Posts that agree at the same time, perhaps with a term.
#[derive(Debug, Deserialize)]
#[serde(from = "StageDocument")]
pub(super) struct Stage {
    pub(super) posts: Vec<Post>,
    pub(super) term: Option<Term>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum StageDocument {
    Posts(Vec<Post>),
    Stage {
        posts: Vec<Post>,
        #[serde(default)]
        term: Option<TermDocument>,
    },
}

impl From<StageDocument> for Stage {
    fn from(document: StageDocument) -> Self {
        match document {
            StageDocument::Posts(posts) => Self { posts, term: None },
            StageDocument::Stage { posts, term } => {
                Self { posts, term: term.map(|term| term.length) }
            }
        }
    }
}

/// A term with its act.
#[derive(Debug, Deserialize)]
pub(super) struct TermDocument {
    pub(super) length: Term,
}

/// What follows when the one asked holds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum NoData {
    Decide,
    Official,
}

/// How often a request is sent again.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Retry {
    pub(super) times: u32,
    pub(super) after: Term,
    #[serde(default)]
    pub(super) then: GivesUp,
}

/// What follows when no reply came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum GivesUp {
    #[default]
    Official,
    TimedOut,
}
