//! Officials: which posts they hold, whether they are at work, and who of several gets a case.
//!
//! Pure: a fold of `staff/…` events and a choice that anybody repeats. Not here: names, which are
//! private, and how an official proves who it is.

use std::collections::BTreeSet;

use jiff::civil::Date;
use letopis_ledger::key::AuthorKey;

use crate::code::{ServiceCode, UnitCode};
use crate::event::{Candidate, HeldPost, OfficialId, StaffEvent};
use crate::pack::{Post, Role};

/// An official as the log tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Official {
    /// The id.
    pub id: OfficialId,
    /// Posts held now; none after dismissal.
    pub posts: BTreeSet<HeldPost>,
    /// Services that the official can work on; every one when there are none.
    pub skills: BTreeSet<ServiceCode>,
    /// The key with which the official signs now.
    pub key: Option<AuthorKey>,
    /// Days on which the official is away, first and last.
    pub absences: Vec<(Date, Date)>,
}

impl Official {
    /// Somebody of whom nothing is known.
    #[must_use]
    pub const fn new(id: OfficialId) -> Self {
        Self {
            id,
            posts: BTreeSet::new(),
            skills: BTreeSet::new(),
            key: None,
            absences: Vec::new(),
        }
    }

    /// Takes the next event of the official's stream.
    pub fn evolve(&mut self, event: &StaffEvent) {
        match event {
            StaffEvent::Appointed(appointed) => {
                self.posts = appointed.posts.iter().cloned().collect();
                self.skills = appointed.skills.iter().cloned().collect();
                self.key = Some(appointed.key);
            }
            StaffEvent::Absent { from, until } => self.absences.push((*from, *until)),
            StaffEvent::Dismissed => {
                self.posts.clear();
                self.key = None;
            }
        }
    }

    /// Whether the official holds a post.
    #[must_use]
    pub fn holds(&self, post: &Post) -> bool {
        self.has_role(&post.unit.value, post.role)
    }

    /// Whether the official has a role in a unit.
    #[must_use]
    pub fn has_role(&self, unit: &UnitCode, role: Role) -> bool {
        self.posts.iter().any(|held| &held.unit == unit && held.role == role)
    }

    /// Whether the official has any role in a unit.
    #[must_use]
    pub fn is_of(&self, unit: &UnitCode) -> bool {
        self.posts.iter().any(|held| &held.unit == unit)
    }

    /// Whether the official can be given a case of a service in a post on a day.
    #[must_use]
    pub fn can_take(&self, post: &Post, service: &ServiceCode, day: Date) -> bool {
        let away = self.absences.iter().any(|(from, until)| (*from..=*until).contains(&day));
        let skilled = self.skills.is_empty() || self.skills.contains(service);
        self.holds(post) && skilled && !away
    }
}

/// The rule of assignment: whoever has the fewest open cases; of several, the one appointed first,
/// whose id is the smallest.
#[must_use]
pub fn choose(candidates: &[Candidate]) -> Option<OfficialId> {
    candidates.iter().min().map(|candidate| candidate.official)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use letopis_ledger::key::AuthorSigner;
    use serde_saphyr::from_str;

    use super::*;
    use crate::event::Appointed;

    fn id(number: u8) -> OfficialId {
        OfficialId::from_parts(u64::from(number), &[number; 10])
    }

    fn executor() -> Official {
        let mut official = Official::new(id(1));
        official.evolve(&StaffEvent::Appointed(Box::new(Appointed {
            posts: vec![HeldPost {
                unit: UnitCode::parse("permits").unwrap(),
                role: Role::Executor,
            }],
            skills: vec![ServiceCode::parse("building-permit").unwrap()],
            key: AuthorSigner::from_seed(&[1; 32]).key(),
        })));
        official
    }

    #[test]
    fn the_least_loaded_gets_the_case_and_the_first_of_equals() {
        let candidate = |official, open_cases| Candidate { official: id(official), open_cases };
        assert_eq!(choose(&[candidate(3, 1), candidate(2, 1), candidate(1, 2)]), Some(id(2)));
        assert_eq!(choose(&[]), None);
    }

    #[test]
    fn who_is_away_unskilled_or_dismissed_gets_nothing() {
        let post: Post = from_str("{unit: permits, role: executor}").unwrap();
        let other: Post = from_str("{unit: permits, role: head}").unwrap();
        let service = ServiceCode::parse("building-permit").unwrap();
        let day = date(2026, 11, 25);
        let mut official = executor();
        assert!(official.can_take(&post, &service, day));
        assert!(!official.can_take(&other, &service, day));
        assert!(!official.can_take(&post, &ServiceCode::parse("other").unwrap(), day));
        official.evolve(&StaffEvent::Absent { from: day, until: date(2026, 12, 1) });
        assert!(!official.can_take(&post, &service, day));
        assert!(official.can_take(&post, &service, date(2026, 12, 2)));
        official.evolve(&StaffEvent::Dismissed);
        assert!(!official.can_take(&post, &service, date(2026, 12, 2)));
        assert_eq!(official.key, None, "what a dismissed official signs does not count");
    }
}
