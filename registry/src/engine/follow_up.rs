//! Cases about an entry that exists: what an application for renewal names, and how the entry
//! stands when such a case is decided.
//!
//! Not here: who may name an entry, which the node checks, and reviews, which begin by themselves
//! (`review`).

use jiff::civil::Date;
use letopis_ledger::id::StreamName;

use super::{CaseEngine, EngineError, LedgerPort, unknown_entry};
use crate::case::{CancelCase, CaseRefusal, CaseRules, CaseState, FollowUp, KnownEntry};
use crate::code::ServiceCode;
use crate::event::{About, CancelledBy, CaseId, Cause, EntryId, Source};
use crate::private::AccessToken;
use crate::projection::{EntryRow, EntryStatus};
use crate::record_draft::Decision;

impl<P: LedgerPort> CaseEngine<P> {
    /// The entry that a service gave, by its number or its stream.
    ///
    /// # Errors
    /// The service is not offered, there is no such entry, or the tables failed.
    pub fn given_entry(
        &self,
        service: &ServiceCode,
        name: &str,
    ) -> Result<StreamName, EngineError> {
        let unknown = || EngineError::UnknownService { service: service.clone() };
        let installed = self.packs.in_force(service)?;
        let registry = installed.service(service).ok_or_else(unknown)?.effect_registry();
        let by_stream = StreamName::parse(name).ok().filter(|s| EntryId::of_stream(s).is_ok());
        let found = match by_stream {
            Some(stream) => self.model.entry(&stream)?.value,
            None => self.model.entry_by_number(registry, name)?.value,
        };
        let found = found.filter(|entry| &entry.registry == registry);
        let none = || EngineError::UnknownEntry { what: "entry", name: name.to_owned() };
        Ok(found.ok_or_else(none)?.stream)
    }

    /// Whether a token is that of a case by which somebody applied for an entry or its renewal.
    ///
    /// # Errors
    /// The tables or the store failed.
    pub fn holds_entry(
        &self,
        token: &AccessToken,
        entry: &StreamName,
    ) -> Result<bool, EngineError> {
        for case in self.model.deciding_cases(entry)?.value {
            if self.private.admits(token, &case.stream())? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What an application that renews an entry is about.
    pub(super) fn renewal(
        &self,
        service: &ServiceCode,
        entry: &StreamName,
    ) -> Result<FollowUp, EngineError> {
        let row = self.model.entry(entry)?.value.ok_or_else(|| unknown_entry(entry))?;
        if row.status == EntryStatus::Excluded {
            return Err(CaseRefusal::EntryGone { entry: entry.clone() }.into());
        }
        if self.service_of(entry)?.as_ref() != Some(service) {
            return Err(CaseRefusal::OtherService { entry: entry.clone() }.into());
        }
        if let Some(case) = self.open_follow_up(entry, &Cause::Renewal)? {
            return Err(EngineError::FollowUpOpen { entry: entry.clone(), case });
        }
        self.follow_up(row, Cause::Renewal)
    }

    pub(super) fn follow_up(&self, row: EntryRow, cause: Cause) -> Result<FollowUp, EngineError> {
        let values = self.entry_values(&row)?;
        let (valid_until, in_force) = (last_day(&row), row.status == EntryStatus::InForce);
        let entry = Source { stream: row.stream, version: row.version, leaf: row.leaf };
        Ok(FollowUp { about: About { entry, cause }, values, valid_until, in_force })
    }

    /// The number of the case that asks the same of an entry and is not decided, if there is one.
    pub(super) fn open_follow_up(
        &self,
        entry: &StreamName,
        cause: &Cause,
    ) -> Result<Option<String>, EngineError> {
        let all = self.model.follow_ups_of(entry)?.value.into_iter();
        let mut open = all.filter(|one| one.status == crate::case::CaseStatus::InProgress);
        Ok(open.find(|one| one.cause == cause.as_str()).map(|one| one.number))
    }

    /// Why a case about an entry did not begin: another one was faster.
    pub(super) fn follow_up_open(&self, follow_up: &FollowUp) -> Result<EngineError, EngineError> {
        let (entry, cause) = (&follow_up.about.entry.stream, &follow_up.about.cause);
        let case = self.open_follow_up(entry, cause)?.unwrap_or_default();
        Ok(EngineError::FollowUpOpen { entry: entry.clone(), case })
    }

    /// The service whose case decided what stands in an entry.
    pub(super) fn service_of(
        &self,
        entry: &StreamName,
    ) -> Result<Option<ServiceCode>, EngineError> {
        let Some(case) = self.model.deciding_case(entry, false)?.value else { return Ok(None) };
        Ok(self.model.case(case)?.value.map(|row| row.service))
    }

    /// The entry that a case is about, as it is now.
    pub(super) fn known_entry(
        &self,
        about: &About,
        today: Date,
    ) -> Result<KnownEntry, EngineError> {
        let stream = about.entry.stream.clone();
        let gone = || CaseRefusal::EntryGone { entry: stream.clone() };
        let row = self.entry_of(about, today)?.ok_or_else(gone)?;
        let valid_until = last_day(&row).ok_or_else(gone)?;
        Ok(KnownEntry {
            // Others may have appended to the stream too: what they wrote does not count, but the
            // ledger counts it.
            length: self.model.stream_length(&stream)?.value,
            held: self.model.held_by(&stream)?.value,
            number: row.number.unwrap_or_default(),
            valid_until,
            stream,
        })
    }

    /// The end of a case whose entry is gone: nothing can be decided about it any more.
    pub(super) fn without_entry(
        &self,
        state: &CaseState,
        rules: &CaseRules<'_>,
    ) -> Result<Option<Decision>, EngineError> {
        let Some(about) = state.about() else { return Ok(None) };
        let today = rules.calendar.date(self.clock.now());
        if self.entry_of(about, today)?.is_some() {
            return Ok(None);
        }
        Ok(Some(CancelCase { by: CancelledBy::EntryGone }.decide(state, rules)?))
    }

    /// Open cases about entries that are gone; each ends when it is taken up.
    ///
    /// # Errors
    /// The tables failed.
    pub fn cases_without_entry(&self) -> Result<Vec<CaseId>, EngineError> {
        Ok(self.model.follow_ups_without_entry()?.value)
    }

    /// The entry that a case is about, if there is still something to decide: a renewal goes on
    /// after the last day, a review changes nothing of what has passed.
    fn entry_of(&self, about: &About, today: Date) -> Result<Option<EntryRow>, EngineError> {
        let found = self.model.entry(&about.entry.stream)?.value;
        let found = found.filter(|entry| entry.status == EntryStatus::InForce);
        Ok(found.filter(|entry| about.is_renewal() || !has_passed(entry, today)))
    }
}

/// Whether the last day of an entry has passed, perhaps before the log says so.
pub(super) fn has_passed(row: &EntryRow, today: Date) -> bool {
    last_day(row).is_some_and(|last| last < today)
}

fn last_day(row: &EntryRow) -> Option<Date> {
    row.valid_until.as_deref().and_then(|date| date.parse().ok())
}
