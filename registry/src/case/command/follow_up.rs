//! What a case about an entry that exists needs to begin, and what its decision does to the entry.
//!
//! A grant revises the entry and leaves its names where they are; a refusal of a review takes it
//! out; a refusal of a renewal does nothing to it. Not here: which facts a review follows.

use std::collections::BTreeMap;

use jiff::civil::Date;
use letopis_ledger::StreamVersion;
use letopis_ledger::id::{ClaimName, StreamName};
use letopis_ledger::json::{Json, Object};
use letopis_ledger::record::{Claim, ClaimOperation};

use crate::case::{CaseRefusal, CaseRules, CaseState, follow_up_claim};
use crate::code::FieldPath;
use crate::entry::take_out;
use crate::event::{
    About, Basis, Cause, DomainEvent, EntryEvent, EntryId, EntryRemoved, EntryRevised,
};
use crate::pack::{CheckedForm, Validity};
use crate::record_draft::{Decision, NewEvent, PrivateField};

/// The entry that an application is about.
#[derive(Debug, Clone)]
pub struct FollowUp {
    /// What the case will say of it.
    pub about: About,
    /// Its values by field.
    pub values: BTreeMap<FieldPath, Json>,
    /// Its last day.
    pub valid_until: Option<Date>,
    /// Whether it is in force by the log.
    pub in_force: bool,
}

/// The entry that a case is about, as it is when the case is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownEntry {
    /// Its stream.
    pub stream: StreamName,
    /// How many events it has.
    pub length: StreamVersion,
    /// Its number.
    pub number: String,
    /// Its last day.
    pub valid_until: Date,
    /// Names that it holds.
    pub held: Vec<ClaimName>,
}

impl FollowUp {
    /// That the regulation has such cases, and that the application is about this entry.
    pub(super) fn check(
        &self,
        rules: &CaseRules<'_>,
        form: &CheckedForm,
        registered_on: Date,
    ) -> Result<(), CaseRefusal> {
        let code = rules.service.effect_registry();
        let entry = &self.about.entry.stream;
        let of_service = EntryId::of_stream(entry).is_ok_and(|entry| entry.registry() == code);
        let registry = rules.pack.registry(code).filter(|_| of_service);
        let other = || CaseRefusal::OtherService { entry: entry.clone() };
        let registry = registry.ok_or_else(other)?;
        match self.about.cause {
            Cause::Review { .. } if rules.service.regulation.review.is_some() => Ok(()),
            Cause::Review { .. } => Err(CaseRefusal::NoReview),
            Cause::Renewal => {
                let known = (&self.values, self.valid_until);
                rules.service.check_renewal(registry, form, known, registered_on)?;
                // What came in time may be entered after the entry has ended.
                if self.in_force {
                    return Ok(());
                }
                Err(CaseRefusal::EntryGone { entry: entry.clone() })
            }
        }
    }

    /// One case at a time asks the same of an entry.
    pub(super) fn claim(&self, case: &StreamName) -> Claim {
        let (name, holder) = (follow_up_claim(&self.about), case.clone());
        Claim { name, operation: ClaimOperation::Take, holder }
    }
}

impl KnownEntry {
    /// From when and until when the entry stands as it is now decided: a renewal goes on after the
    /// last day, a review changes what holds from today and leaves the end.
    pub(super) fn period(&self, about: &About, validity: Validity, today: Date) -> (Date, Date) {
        match about.cause {
            Cause::Review { .. } => (today, self.valid_until),
            Cause::Renewal => {
                let from = self
                    .valid_until
                    .tomorrow()
                    .expect("invariant: at most 100 years from now lie within the calendar");
                (from, validity.last_day(from))
            }
        }
    }

    /// The event that a grant writes.
    pub(super) fn revised(
        &self,
        (fields, private): (Object, Vec<PrivateField>),
        (valid_from, valid_until): (Date, Date),
        basis: Basis,
    ) -> NewEvent {
        let revised = EntryRevised { fields, valid_from, valid_until, basis };
        NewEvent {
            stream: self.stream.clone(),
            version: self.length,
            event: DomainEvent::Entry(EntryEvent::Revised(revised)),
            private,
        }
    }

    /// What a refused review does: the entry ends, and what had to be unique is free again.
    pub(super) fn ended(&self, basis: Basis) -> Decision {
        let event = EntryEvent::Excluded(EntryRemoved { basis });
        take_out(self.stream.clone(), self.length, self.held.clone(), event)
    }
}

/// The name that a case about an entry holds until it ends.
pub(super) fn released(state: &CaseState) -> Option<Claim> {
    let (name, holder) = (follow_up_claim(state.about()?), state.stream().clone());
    Some(Claim { name, operation: ClaimOperation::Release, holder })
}

/// That a case is none that began by itself: nobody who is concerned by it can stop it.
pub(super) fn check_not_a_review(state: &CaseState) -> Result<(), CaseRefusal> {
    match state.about() {
        Some(about) if !about.is_renewal() => Err(CaseRefusal::ReviewGoesOn),
        _ => Ok(()),
    }
}
