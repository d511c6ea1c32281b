//! What members said to the leader that they have, and which of them later deny it.
//!
//! Openraft makes several clients for one member (replication, heartbeats) and makes them anew when
//! the membership changes. Any of them may be the first to hear a denial, so what was acknowledged
//! is remembered for the member and not for a client.
//!
//! Not here: what follows from a denial; openraft sends the entries again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::types::Vote;

/// The vote under which a member acknowledged entries, and the index of the last one.
type Last = (Vote, Option<u64>);

/// The last entry that each member acknowledged to the leader of a vote. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Acknowledged(Arc<Mutex<BTreeMap<u64, Last>>>);

impl Acknowledged {
    /// Index of the last entry that a member has acknowledged under this vote.
    ///
    /// Ask before a request is sent: an answer says nothing of what was acknowledged meanwhile.
    pub(crate) fn last(&self, member: u64, vote: &Vote) -> Option<u64> {
        match self.lock().get(&member) {
            Some((of, last)) if of == vote => *last,
            _ => None,
        }
    }

    /// A member has all entries up to this one.
    pub(crate) fn confirm(&self, member: u64, vote: &Vote, last: Option<u64>) {
        let mut members = self.lock();
        let known = members.entry(member).or_insert_with(|| (*vote, None));
        // An entry that another leader's member acknowledged may have been cut off since.
        if known.0 != *vote {
            *known = (*vote, None);
        }
        known.1 = known.1.max(last);
    }

    /// A member denies an entry. Whether it had acknowledged that entry before it was asked, which
    /// `before` says, and nobody has reported that yet.
    pub(crate) fn deny(&self, member: u64, vote: &Vote, before: Option<u64>, denied: u64) -> bool {
        let mut members = self.lock();
        let Some((of, last)) = members.get_mut(&member) else { return false };
        let reverted = of == vote && before >= Some(denied) && *last >= before;
        if reverted {
            *last = None;
        }
        reverted
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Last>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vote(term: u64) -> Vote {
        Vote::new_committed(term, 1)
    }

    #[test]
    fn a_member_that_denies_what_it_acknowledged_is_reported_once() {
        let acknowledged = Acknowledged::default();
        acknowledged.confirm(3, &vote(2), Some(20));
        let [first, second] = [(); 2].map(|()| acknowledged.last(3, &vote(2)));
        assert_eq!(first, Some(20));
        // Replication and a heartbeat were on their way together: both are denied.
        assert!(acknowledged.deny(3, &vote(2), first, 20));
        assert!(!acknowledged.deny(3, &vote(2), second, 20));
        assert!(!acknowledged.deny(2, &vote(2), Some(20), 20), "nothing is known of node 2");
    }

    #[test]
    fn what_a_member_never_had_or_got_meanwhile_is_no_lie() {
        let acknowledged = Acknowledged::default();
        let before = acknowledged.last(3, &vote(2));
        acknowledged.confirm(3, &vote(2), Some(20));
        assert!(!acknowledged.deny(3, &vote(2), before, 15), "the answer is older than the entry");
        assert!(!acknowledged.deny(3, &vote(2), acknowledged.last(3, &vote(2)), 21));
        assert_eq!(acknowledged.last(3, &vote(2)), Some(20));
    }

    #[test]
    fn under_another_vote_nothing_is_known() {
        let acknowledged = Acknowledged::default();
        acknowledged.confirm(3, &vote(2), Some(20));
        assert_eq!(acknowledged.last(3, &vote(3)), None);
        acknowledged.confirm(3, &vote(3), Some(12));
        assert!(!acknowledged.deny(3, &vote(2), Some(20), 20), "another leader cut it off");
        assert_eq!(acknowledged.last(3, &vote(3)), Some(12));
    }
}
