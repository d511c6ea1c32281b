//! A new version of a pack on its way into force: proposed, remarked on, signed stage by stage.
//!
//! Who may do what is said by the lifecycle of the version in force. What is signed are exactly
//! the files: a version with another byte is another proposal, which begins at the first stage.
//! Remarks stay until they are resolved, whatever is proposed meanwhile. `decide` and `evolve` are
//! pure. Not here: whether a change is right, which people judge.

mod command;
mod refusal;

use std::collections::BTreeMap;

use letopis_ledger::id::StreamName;
use letopis_ledger::json::{INTEGER_MAX, Json, Object};
use letopis_ledger::{Hash, StreamVersion, Timestamp};

pub use command::{ProposeVersion, REMARK_MAX_CHARS, RaiseRemark, ResolveRemark, SignStage};
pub use refusal::LifecycleRefusal;

use crate::code::{PackCode, StageCode};
use crate::event::{
    DomainEvent, OfficialId, PackPublished, PackRef, PackStageBreached, ProposalEvent,
    RemarkRaised, RemarkResolved, StageOpened, StageSigned, VersionProposed,
};
use crate::pack::{LegalCalendar, Lifecycle, LifecycleStage};
use crate::record_draft::{Decision, NewEvent};

/// Payload type of a signed stage in the pre-authentication encoding.
pub const STAGE_PAYLOAD_TYPE: &str = "application/vnd.letopis.pack-stage.v1+json";

/// The version in force: whose lifecycle a proposal goes by.
#[derive(Debug, Clone, Copy)]
pub struct InForce<'a> {
    /// Its lifecycle.
    pub lifecycle: &'a Lifecycle,
    /// Its calendars and zone.
    pub calendar: &'a LegalCalendar,
    /// Where it was published.
    pub pack_ref: &'a PackRef,
}

/// A proposal with what happened to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Its number in the stream.
    pub number: StreamVersion,
    /// What is proposed, and by whom.
    pub event: VersionProposed,
    /// Signed stages, in order.
    pub signed: Vec<StageSigned>,
    /// The stage that is open; nothing after the last signature.
    pub open: Option<StageOpened>,
    /// The stages whose term passed before they were signed.
    pub breached: Vec<PackStageBreached>,
}

/// A remark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// Its number in the stream.
    pub number: StreamVersion,
    /// What is wrong.
    pub raised: RemarkRaised,
    /// How it was resolved, if it was.
    pub resolved: Option<RemarkResolved>,
}

/// The state of a version on its way, folded from its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionState {
    stream: StreamName,
    length: StreamVersion,
    proposal: Option<Proposal>,
    remarks: BTreeMap<StreamVersion, Remark>,
    published: bool,
}

/// The text that an official signs: canonical JSON under [`STAGE_PAYLOAD_TYPE`]. `files` is
/// [`PackPublished::files_digest`].
#[must_use]
pub fn stage_text(
    (pack, version): (&PackCode, u32),
    proposal: StreamVersion,
    stage: &StageCode,
    files: &Hash,
    official: OfficialId,
) -> Vec<u8> {
    let number = i64::try_from(proposal.get()).unwrap_or(INTEGER_MAX).min(INTEGER_MAX);
    let number = Json::integer(number).expect("invariant: at most the largest integer");
    let text = Object::new()
        .with("files_sha256", files.to_hex().as_str())
        .with("official", official.to_string().as_str())
        .with("pack", pack.as_str())
        .with("proposal", number)
        .with("stage", stage.as_str())
        .with("version", version);
    Json::from(text).to_string().into_bytes()
}

impl InForce<'_> {
    fn opened(&self, stage: &LifecycleStage, at: Timestamp) -> StageOpened {
        let due = self.calendar.deadline(at, stage.term).due;
        let due = Timestamp::from_unix_ms(due.get())
            .expect("invariant: terms end within the years of the ledger");
        StageOpened { stage: stage.code.value.clone(), at, due }
    }
}

impl VersionState {
    /// The state before anything happened.
    #[must_use]
    pub const fn new(stream: StreamName) -> Self {
        let length = StreamVersion::ZERO;
        Self { stream, length, proposal: None, remarks: BTreeMap::new(), published: false }
    }

    /// The newest proposal, if there is one.
    #[must_use]
    pub const fn proposal(&self) -> Option<&Proposal> {
        self.proposal.as_ref()
    }

    /// Every remark in order, to whatever proposal.
    pub fn remarks(&self) -> impl Iterator<Item = &Remark> {
        self.remarks.values()
    }

    /// Whether the version is in force.
    #[must_use]
    pub const fn is_published(&self) -> bool {
        self.published
    }

    /// Says how long the stream is: what others wrote there does not count, but is counted.
    #[must_use]
    pub fn of_length(mut self, length: StreamVersion) -> Self {
        self.length = length;
        self
    }

    /// Takes the agency's next event, which has this number in the stream.
    ///
    /// # Errors
    /// It cannot follow.
    pub fn evolve(
        &mut self,
        number: StreamVersion,
        event: &ProposalEvent,
    ) -> Result<(), LifecycleRefusal> {
        if self.published || !self.take(number, event) {
            return Err(LifecycleRefusal::OutOfPlace {
                stream: self.stream.clone(),
                version: number,
                event: event.event_type(),
            });
        }
        self.length = number.next();
        Ok(())
    }

    /// Takes the event if it can follow, and says so.
    fn take(&mut self, number: StreamVersion, event: &ProposalEvent) -> bool {
        match event {
            ProposalEvent::Proposed(event) => {
                self.proposal = Some(Proposal {
                    number,
                    event: (**event).clone(),
                    signed: vec![],
                    open: Some(event.opens.clone()),
                    breached: vec![],
                });
                true
            }
            ProposalEvent::RemarkRaised(raised) => {
                let remark = Remark { number, raised: raised.clone(), resolved: None };
                self.proposal.is_some() && self.remarks.insert(number, remark).is_none()
            }
            ProposalEvent::RemarkResolved(resolved) => {
                let remark = self.remarks.get_mut(&resolved.remark);
                let open = remark.filter(|remark| remark.resolved.is_none());
                open.is_some_and(|remark| {
                    remark.resolved = Some(resolved.clone());
                    true
                })
            }
            ProposalEvent::StageSigned(signed) => {
                let open = |proposal: &&mut Proposal| {
                    proposal.number == signed.proposal
                        && proposal.open.as_ref().is_some_and(|open| open.stage == signed.stage)
                };
                self.proposal.as_mut().filter(open).is_some_and(|proposal| {
                    proposal.open.clone_from(&signed.opens);
                    proposal.signed.push(signed.clone());
                    true
                })
            }
            ProposalEvent::StageBreached(breached) => {
                let proposal =
                    self.proposal.as_mut().filter(|known| known.number == breached.proposal);
                proposal.is_some_and(|proposal| {
                    proposal.breached.push(breached.clone());
                    true
                })
            }
            ProposalEvent::Published { proposal } => {
                self.published = self.proposal.as_ref().is_some_and(|p| p.number == *proposal);
                self.published
            }
        }
    }

    /// Publishes: to go into the record that has the `pack.published`.
    ///
    /// # Errors
    /// A stage is not signed, a remark is open, or other files were signed.
    pub fn publish(&self, published: &PackPublished) -> Result<Decision, LifecycleRefusal> {
        self.unpublished()?;
        let not_proposed = || LifecycleRefusal::NotProposed { stream: self.stream.clone() };
        let proposal = self.proposal.as_ref().ok_or_else(not_proposed)?;
        let number = proposal.number;
        if &proposal.event.published != published {
            let proposed = proposal.event.published.files_digest();
            let found = published.files_digest();
            return Err(LifecycleRefusal::OtherFiles { proposal: number, proposed, found });
        }
        self.without_remarks()?;
        if let Some(open) = &proposal.open {
            let stage = open.stage.clone();
            return Err(LifecycleRefusal::NotSigned { proposal: number, stage });
        }
        Ok(self.next(ProposalEvent::Published { proposal: number }))
    }

    /// The record of a breach, if the term of the open stage has passed and no record says so.
    #[must_use]
    pub fn breach(&self, now: Timestamp) -> Option<Decision> {
        let proposal = self.proposal.as_ref().filter(|_| !self.published)?;
        let open = proposal.open.as_ref().filter(|open| open.due < now)?;
        if proposal.breached.iter().any(|breached| breached.stage == open.stage) {
            return None;
        }
        Some(self.next(ProposalEvent::StageBreached(PackStageBreached {
            proposal: proposal.number,
            stage: open.stage.clone(),
            due: open.due,
        })))
    }

    fn unpublished(&self) -> Result<(), LifecycleRefusal> {
        match self.published {
            true => Err(LifecycleRefusal::Published { stream: self.stream.clone() }),
            false => Ok(()),
        }
    }

    fn waiting(&self, number: StreamVersion) -> Result<&Proposal, LifecycleRefusal> {
        self.unpublished()?;
        let found = self.proposal.as_ref().filter(|proposal| proposal.number == number);
        found.ok_or_else(|| LifecycleRefusal::NoSuchProposal {
            stream: self.stream.clone(),
            proposal: number,
        })
    }

    fn without_remarks(&self) -> Result<(), LifecycleRefusal> {
        let open = self.remarks.values().filter(|remark| remark.resolved.is_none());
        let remarks: Vec<StreamVersion> = open.map(|remark| remark.number).collect();
        match remarks.is_empty() {
            true => Ok(()),
            false => Err(LifecycleRefusal::RemarksOpen { remarks }),
        }
    }

    fn next(&self, event: ProposalEvent) -> Decision {
        self.after(Decision::default(), event)
    }

    /// An event that follows those of a decision.
    fn after(&self, mut decision: Decision, event: ProposalEvent) -> Decision {
        let version = decision.events.last().map_or(self.length, |last| last.version.next());
        decision.events.push(NewEvent {
            stream: self.stream.clone(),
            version,
            event: DomainEvent::Proposal(event),
            private: vec![],
        });
        decision
    }
}

#[cfg(test)]
mod test;
