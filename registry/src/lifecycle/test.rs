//! What officials may do with a version on its way, and what is refused.

use letopis_ledger::LeafIndex;
use letopis_ledger::key::AuthorSigner;
use serde_saphyr::from_str;

use super::*;
use crate::code::UnitCode;
use crate::event::{HeldPost, proposal_stream};
use crate::pack::{Pack, Role, fixture};
use crate::staff::Official;

const AT: &str = "2026-11-20T12:00:00.000Z";
const STAGES: &str = "
stages:
  - {code: draft, by: {unit: permits, role: executor}, term: {working_days: 3}}
  - {code: law, by: {unit: legal, role: lawyer}, term: {working_days: 10}}
  - {code: approval, by: {unit: administration, role: head}, term: {working_days: 2}}
";

/// A version on its way, with the rules in force and who works on it.
struct Way {
    pack: Pack,
    lifecycle: Lifecycle,
    pack_ref: PackRef,
    state: VersionState,
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn stage(code: &str) -> StageCode {
    StageCode::parse(code).unwrap()
}

fn signer(number: u8) -> AuthorSigner {
    AuthorSigner::from_seed(&[number; 32])
}

fn official(number: u8, unit: &str, role: Role) -> Official {
    let mut official = Official::new(OfficialId::from_parts(u64::from(number), &[number; 10]));
    official.posts.insert(HeldPost { unit: UnitCode::parse(unit).unwrap(), role });
    official.key = Some(signer(number).key());
    official
}

fn drafter() -> Official {
    official(1, "permits", Role::Executor)
}

fn lawyer() -> Official {
    official(2, "legal", Role::Lawyer)
}

fn head() -> Official {
    official(3, "administration", Role::Head)
}

impl Way {
    fn new() -> Self {
        let pack = fixture::zarechny();
        let code = pack.code().clone();
        let state = VersionState::new(proposal_stream(&code, 2));
        let pack_ref = PackRef { code, version: 1, leaf: LeafIndex::new(3) };
        Self { pack, lifecycle: from_str(STAGES).unwrap(), pack_ref, state }
    }

    fn in_force(&self) -> InForce<'_> {
        let (calendar, pack_ref) = (self.pack.calendar(), &self.pack_ref);
        InForce { lifecycle: &self.lifecycle, calendar, pack_ref }
    }

    fn take(
        &mut self,
        decided: Result<Decision, LifecycleRefusal>,
    ) -> Result<(), LifecycleRefusal> {
        for new in decided?.events {
            let DomainEvent::Proposal(event) = new.event else { panic!("{new:?}") };
            self.state.evolve(new.version, &event)?;
        }
        Ok(())
    }

    /// The next version, with one file that says so.
    fn version(&self, says: &[u8]) -> PackPublished {
        let mut published = PackPublished { version: 2, ..self.pack.published() };
        published.files[0].sha256 = Hash::of(says);
        published
    }

    fn propose(&mut self, says: &[u8]) -> Result<(), LifecycleRefusal> {
        let (acting, published) = (&drafter(), self.version(says));
        let command = ProposeVersion { acting, published, at: at(AT) };
        let decided = command.decide(&self.state, &self.in_force());
        self.take(decided)
    }

    fn number(&self) -> StreamVersion {
        self.state.proposal().unwrap().number
    }

    fn remark(&mut self, acting: &Official, file: Option<&str>) -> Result<(), LifecycleRefusal> {
        let (proposal, file) = (self.number(), file.map(str::to_owned));
        let remark = RaiseRemark { acting, proposal, text: "Срок не тот".into(), file };
        let decided = remark.decide(&self.state, &self.in_force());
        self.take(decided)
    }

    fn resolve(&mut self, acting: &Official, remark: u64) -> Result<(), LifecycleRefusal> {
        let (remark, text) = (StreamVersion::new(remark), "Исправлено".to_owned());
        let decided = ResolveRemark { acting, remark, text }.decide(&self.state, &self.in_force());
        self.take(decided)
    }

    fn sign(&mut self, acting: &Official, number: u8, code: &str) -> Result<(), LifecycleRefusal> {
        let proposed = &self.state.proposal().unwrap().event.published;
        let (proposal, stage, digest) = (self.number(), stage(code), proposed.files_digest());
        let pack = (&proposed.code, 2);
        let text = stage_text(pack, proposal, &stage, &digest, acting.id);
        let signature = signer(number).sign_as(STAGE_PAYLOAD_TYPE, &text);
        let command = SignStage { acting, proposal, stage, signature, at: at(AT) };
        let decided = command.decide(&self.state, &self.in_force());
        self.take(decided)
    }

    fn publish(&mut self, says: &[u8]) -> Result<(), LifecycleRefusal> {
        let decided = self.state.publish(&self.version(says));
        self.take(decided)
    }
}

#[test]
fn a_version_is_published_once_every_stage_signed_just_its_files() {
    let mut way = Way::new();
    assert!(matches!(way.publish(b"a"), Err(LifecycleRefusal::NotProposed { .. })));
    way.propose(b"a").unwrap();
    assert!(matches!(way.propose(b"a"), Err(LifecycleRefusal::SameFiles { .. })));
    for (who, number, code) in
        [(drafter(), 1, "draft"), (lawyer(), 2, "law"), (head(), 3, "approval")]
    {
        let early = way.publish(b"a");
        let Err(LifecycleRefusal::NotSigned { stage: open, .. }) = early else {
            panic!("{early:?}")
        };
        assert_eq!(open, stage(code));
        way.sign(&who, number, code).unwrap();
    }
    assert!(matches!(way.publish(b"b"), Err(LifecycleRefusal::OtherFiles { .. })));
    way.publish(b"a").unwrap();
    assert!(way.state.is_published());
    for late in [way.publish(b"a"), way.propose(b"c")] {
        assert!(matches!(late, Err(LifecycleRefusal::Published { .. })));
    }
}

#[test]
fn stages_are_signed_in_turn_by_who_holds_the_post_with_their_own_key() {
    let mut way = Way::new();
    way.propose(b"a").unwrap();
    let early = way.sign(&lawyer(), 2, "law");
    assert!(matches!(early, Err(LifecycleRefusal::StageNotOpen { open: Some(_), .. })));
    let other = way.sign(&lawyer(), 2, "draft");
    assert!(matches!(other, Err(LifecycleRefusal::NotEntitled { .. })));
    let forged = way.sign(&drafter(), 9, "draft");
    assert!(matches!(forged, Err(LifecycleRefusal::BadSignature { .. })));
    way.sign(&drafter(), 1, "draft").unwrap();
    // Who holds two posts signs for one of them.
    let mut both = drafter();
    both.posts.extend(lawyer().posts);
    assert!(matches!(way.sign(&both, 1, "law"), Err(LifecycleRefusal::SecondTime { .. })));
    // A signature is of one proposal: the same files proposed again are another one.
    way.propose(b"b").unwrap();
    way.propose(b"a").unwrap();
    assert_eq!(way.state.proposal().unwrap().signed, []);
}

#[test]
fn an_open_remark_stops_every_stage_whatever_is_proposed_meanwhile() {
    let mut way = Way::new();
    way.propose(b"a").unwrap();
    let stranger = official(7, "treasury", Role::Executor);
    assert!(matches!(way.remark(&stranger, None), Err(LifecycleRefusal::NotEntitled { .. })));
    let missing = way.remark(&lawyer(), Some("none.yaml"));
    assert!(matches!(missing, Err(LifecycleRefusal::NoSuchFile { .. })));
    way.remark(&lawyer(), Some("pack.yaml")).unwrap();
    let open = |refused| match refused {
        Err(LifecycleRefusal::RemarksOpen { remarks }) => remarks == [StreamVersion::new(1)],
        _ => false,
    };
    assert!(open(way.sign(&drafter(), 1, "draft")));
    way.propose(b"b").unwrap();
    assert!(open(way.sign(&drafter(), 1, "draft")));
    // Who wrote the version does not decide that the remark is dealt with.
    assert!(matches!(way.resolve(&drafter(), 1), Err(LifecycleRefusal::NotEntitled { .. })));
    way.resolve(&lawyer(), 1).unwrap();
    assert!(matches!(way.resolve(&lawyer(), 1), Err(LifecycleRefusal::NoSuchRemark { .. })));
    way.sign(&drafter(), 1, "draft").unwrap();
    way.sign(&lawyer(), 2, "law").unwrap();
    way.sign(&head(), 3, "approval").unwrap();
    // A remark after the last signature still stops it.
    way.remark(&lawyer(), None).unwrap();
    assert!(matches!(way.publish(b"b"), Err(LifecycleRefusal::RemarksOpen { .. })));
}

#[test]
fn terms_count_working_days_and_a_breach_is_noted_once() {
    let mut way = Way::new();
    way.propose(b"a").unwrap();
    // Three working days after a Friday: Wednesday.
    let due = at("2026-11-25T20:59:59.999Z");
    assert_eq!(way.state.proposal().unwrap().open.as_ref().unwrap().due, due);
    assert_eq!(way.state.breach(due), None);
    let late = at("2026-11-25T21:00:00.000Z");
    let breach = way.state.breach(late).unwrap();
    way.take(Ok(breach)).unwrap();
    assert_eq!(way.state.proposal().unwrap().breached.len(), 1);
    assert_eq!(way.state.breach(late), None);
    // It can still be signed, and the next stage has a term of its own.
    way.sign(&drafter(), 1, "draft").unwrap();
    assert_eq!(way.state.breach(late), None);
}

#[test]
fn events_out_of_place_do_not_fold() {
    let mut way = Way::new();
    let published = ProposalEvent::Published { proposal: StreamVersion::ZERO };
    let refused = way.state.evolve(StreamVersion::ZERO, &published);
    assert!(matches!(refused, Err(LifecycleRefusal::OutOfPlace { .. })));
}
