//! Notices to applicants go out: queued by the channel that an application came by, and settled.
//!
//! What goes to the applicant's own page is there as soon as it is on record; a letter or a call is
//! settled by the official who made it. Many notices share a record, so that telling people does
//! not double what a case costs. Not here: text messages and e-mail, which adapters will bring.

use std::collections::BTreeMap;

use letopis_ledger::{StreamVersion, Timestamp};

use super::work::entitle_entering;
use super::{Appended, CaseEngine, EngineError, LedgerPort, Race};
use crate::case::CaseRefusal;
use crate::code::ChannelCode;
use crate::event::{CaseEvent, CaseId, DomainEvent, NoticeQueued, NoticeSettled};
use crate::pack::PORTAL;
use crate::projection::NoticeRow;
use crate::record_draft::{Decision, NewEvent};
use crate::staff::Official;

/// Most notices of one record.
const RECORD_NOTICES_MAX: u32 = 100;
/// A case that moves by itself is left alone until it rests: its stream would be contended for.
const REST_MS: i64 = 1_000;

impl<P: LedgerPort> CaseEngine<P> {
    /// Queues notices that are due, and settles those that are there by being on record. Gives
    /// how many; nothing is lost when somebody else was faster, they are taken next time.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn send_notices(&self) -> Result<usize, EngineError> {
        let before = self.clock.now().unix_ms() - REST_MS;
        let before = Timestamp::from_unix_ms(before.max(0)).unwrap_or(Timestamp::EPOCH);
        let due = self.model.due_notices(before, RECORD_NOTICES_MAX)?.value;
        if due.is_empty() {
            return Ok(0);
        }
        match self.append(self.seal(self.queue(&due)?)?).await {
            Ok(_) => self.forget_cases(&due),
            // Some case moved on meanwhile: each by itself, so that one does not hold the others.
            Err(error) if Race::of(&error).is_some() => {
                self.catch_up().await?;
                for notice in &due {
                    let one = std::slice::from_ref(notice);
                    match self.append(self.seal(self.queue(one)?)?).await {
                        Ok(_) => self.forget_cases(one),
                        Err(error) if Race::of(&error).is_some() => {}
                        Err(error) => return Err(error),
                    }
                }
            }
            Err(error) => return Err(error),
        }
        self.catch_up().await?;
        Ok(due.len())
    }

    /// Notes what became of a letter or a call.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn settle_notice(
        &self,
        (case, notice): (CaseId, StreamVersion),
        official: &Official,
        delivered: bool,
    ) -> Result<Appended, EngineError> {
        self.work_on(case, |_, state, _| {
            entitle_entering(Some(official), state)?;
            if !state.notices().contains(&notice) {
                return Err(CaseRefusal::NoSuchNotice { notice }.into());
            }
            let official = Some(official.id);
            let event = CaseEvent::NoticeSettled(NoticeSettled { notice, delivered, official });
            let event = NewEvent {
                stream: state.stream().clone(),
                version: state.length(),
                event: DomainEvent::Case(event),
                private: vec![],
            };
            Ok(Decision { events: vec![event], claims: vec![] })
        })
        .await
    }

    /// The events that queue these notices.
    fn queue(&self, due: &[NoticeRow]) -> Result<Decision, EngineError> {
        let mut events = Vec::new();
        let mut lengths: BTreeMap<CaseId, StreamVersion> = BTreeMap::new();
        for notice in due {
            let stream = notice.case.stream();
            let mut version = match lengths.get(&notice.case) {
                Some(version) => *version,
                None => self.model.stream_length(&stream)?.value,
            };
            let (channel, at_once) = told_by(self.notice_channel(notice.case)?);
            let queued = version;
            let about = notice.about;
            let told = CaseEvent::NoticeQueued(NoticeQueued { about, channel });
            let settled = at_once.then_some(CaseEvent::NoticeSettled(NoticeSettled {
                notice: queued,
                delivered: true,
                official: None,
            }));
            for event in std::iter::once(told).chain(settled) {
                let (event, private) = (DomainEvent::Case(event), vec![]);
                events.push(NewEvent { stream: stream.clone(), version, event, private });
                version = version.next();
            }
            lengths.insert(notice.case, version);
        }
        Ok(Decision { events, claims: vec![] })
    }

    /// How the applicant of a case is told: as the regulation says for the channel of the
    /// application.
    pub(super) fn notice_channel(&self, case: CaseId) -> Result<ChannelCode, EngineError> {
        // The holder is told of a review as of the case by which the holder applied.
        let applied = match self.model.follow_up(case)?.value {
            Some(about) if about.cause == "review" => {
                self.model.deciding_case(&about.entry, true)?.value
            }
            _ => None,
        };
        let case = applied.unwrap_or(case);
        let row = self.model.case(case)?.value.map(|row| (row.pack, row.service, row.channel));
        let not_taken = || Ok::<_, EngineError>(self.model.not_taken(case)?.value);
        let row = match row {
            Some(row) => Some(row),
            None => not_taken()?.map(|row| (row.pack, row.service, row.channel)),
        };
        let channel = row.and_then(|(pack, service, came_by)| {
            let installed = self.packs.pinned(&pack).ok()?;
            let regulation = &installed.service(&service)?.regulation;
            let channels = regulation.channels.iter();
            let found = channels.filter(|channel| channel.code.value == came_by);
            found.map(|channel| channel.notice.clone()).next()?
        });
        let portal = || ChannelCode::parse(PORTAL).expect("invariant: it is a code");
        Ok(channel.unwrap_or_else(portal))
    }

    fn forget_cases(&self, due: &[NoticeRow]) {
        due.iter().for_each(|notice| self.forget(notice.case));
    }
}

/// A channel, and whether what goes by it is with the applicant as soon as it is on record.
pub(super) fn told_by(channel: ChannelCode) -> (ChannelCode, bool) {
    let told = channel.as_str() == PORTAL;
    (channel, told)
}
