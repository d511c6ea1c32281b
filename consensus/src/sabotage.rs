//! Bugs that a test plants, to show that the simulation finds them.
//!
//! Without the feature `sabotage` nothing can be planted and every question is answered "no" at
//! compile time. With it, which the whole-system tests turn on, a bug is planted by code that makes
//! a [`crate::NodeConfig`]; no setting, argument or variable of the `letopis` binary reaches it.

/// A bug that can be planted in one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// The Raft log answers "synced" before it has written.
    AcknowledgeBeforeSync,
    /// A record that is in the log already is judged as if it were new.
    SkipDedup,
    /// A head is signed that Raft has not agreed on.
    SignBeforeCommit,
    /// Every record of an entry is applied twice.
    ApplyTwice,
    /// A claim is lost at each start.
    ForgetClaim,
    /// Whatever root a leader sends is cosigned.
    TrustPeer,
    /// A leader asks for cosignatures over a root that is not that of its leaves.
    LieAboutRoot,
}

/// The bug that is planted in a node, or none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sabotage {
    #[cfg(feature = "sabotage")]
    bug: Option<Bug>,
}

impl Sabotage {
    /// No bug: what every node in service has.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Plants a bug.
    #[cfg(feature = "sabotage")]
    #[must_use]
    pub const fn plant(bug: Bug) -> Self {
        Self { bug: Some(bug) }
    }

    /// Whether this bug is planted.
    #[cfg(feature = "sabotage")]
    pub(crate) fn has(self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Whether this bug is planted: never.
    #[cfg(not(feature = "sabotage"))]
    pub(crate) const fn has(self, _: Bug) -> bool {
        false
    }
}
