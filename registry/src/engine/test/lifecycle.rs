//! Versions of packs on their way into force, over the ledger in memory.

use letopis_ledger::key::AuthorSigner;
use letopis_ledger::{Hash, StreamVersion};

use super::*;
use crate::code::{PackCode, StageCode, UnitCode};
use crate::event::{HeldPost, OfficialId, PackPublished, proposal_stream};
use crate::lifecycle::{
    LifecycleRefusal, RaiseRemark, ResolveRemark, STAGE_PAYLOAD_TYPE, stage_text,
};
use crate::pack::{Pack, PackFiles, Role, fixture};
use crate::projection::ProposalRow;
use crate::staff::Official;

const LIFECYCLE: &str = "
lifecycle:
  stages:
    - code: draft
      title: {en: Draft, ru: Проект}
      by: {unit: permits, role: executor}
      term: {working_days: 3}
      law: {en: \"Resolution No 9, clause 3.1\", ru: \"Постановление № 9, пункт 3.1\"}
    - code: law
      title: {en: Law, ru: Право}
      by: {unit: legal, role: lawyer}
      term: {working_days: 10}
      law: {en: \"Resolution No 9, clause 3.2\", ru: \"Постановление № 9, пункт 3.2\"}
";

/// A version of the pack of Zarechny with its lifecycle, or with none.
fn version(number: u32, lifecycle: &str) -> Pack {
    let mut files = fixture::files();
    let manifest = String::from_utf8(files["pack.yaml"].clone()).unwrap();
    let manifest = manifest.replacen("version: 1", &format!("version: {number}"), 1) + lifecycle;
    files.insert("pack.yaml".to_owned(), manifest.into_bytes());
    Pack::from_files(PackFiles::new(files).unwrap()).unwrap()
}

fn official(number: u8, unit: &str, role: Role) -> Official {
    let mut official = Official::new(OfficialId::from_parts(u64::from(number), &[number; 10]));
    official.posts.insert(HeldPost { unit: UnitCode::parse(unit).unwrap(), role });
    official.key = Some(AuthorSigner::from_seed(&[number; 32]).key());
    official
}

fn drafter() -> Official {
    official(1, "permits", Role::Executor)
}

fn lawyer() -> Official {
    official(2, "legal", Role::Lawyer)
}

fn code() -> PackCode {
    PackCode::parse("zarechny").unwrap()
}

fn publish(node: &TwinNode, pack: Pack) -> Result<(), EngineError> {
    block_on(async {
        node.engine.publish_pack(&pack).await?;
        node.engine.install_pack(pack).await.map(|_| ())
    })
}

fn refused(answer: Result<(), EngineError>) -> LifecycleRefusal {
    let Err(EngineError::Lifecycle(refusal)) = answer else { panic!("{answer:?}") };
    refusal
}

fn sign(
    node: &TwinNode,
    (acting, seed): (&Official, u8),
    stage: &str,
    published: &PackPublished,
) -> Result<(), EngineError> {
    let version = (&published.code, published.version);
    let status = block_on(node.engine.version_status(version)).unwrap();
    let proposal = status.state.proposal().unwrap().number;
    let stage = StageCode::parse(stage).unwrap();
    let digest: Hash = published.files_digest();
    let text = stage_text(version, proposal, &stage, &digest, acting.id);
    let signature = AuthorSigner::from_seed(&[seed; 32]).sign_as(STAGE_PAYLOAD_TYPE, &text);
    let signed = node.engine.sign_stage(version, acting, (proposal, &stage), signature);
    block_on(signed).map(|_| ())
}

fn row(node: &TwinNode) -> ProposalRow {
    block_on(node.engine.catch_up()).unwrap();
    node.engine.model().proposals().unwrap().value.remove(0)
}

/// F1, F2: the next version is published once it was proposed, remarks were resolved, and every
/// stage was signed over just its files; in one record with what says so.
#[test]
fn a_version_goes_through_the_lifecycle_of_the_one_before() {
    let node = TwinNode::start_with(version(1, LIFECYCLE));
    let two = || version(2, LIFECYCLE);
    assert!(matches!(refused(publish(&node, two())), LifecycleRefusal::NotProposed { .. }));
    block_on(node.engine.propose_version(&two(), &drafter())).unwrap();
    let again = block_on(node.engine.propose_version(&two(), &drafter())).map(|_| ());
    assert!(matches!(refused(again), LifecycleRefusal::SameFiles { .. }));

    let (code, published) = (code(), two().published());
    let (lawyer, drafter) = (lawyer(), drafter());
    let remark = RaiseRemark {
        acting: &lawyer,
        proposal: StreamVersion::ZERO,
        text: "Нет пункта".into(),
        file: None,
    };
    block_on(node.engine.raise_remark((&code, 2), &remark)).unwrap();
    let stopped = refused(sign(&node, (&drafter, 1), "draft", &published));
    assert!(matches!(stopped, LifecycleRefusal::RemarksOpen { .. }));
    let remark = StreamVersion::new(1);
    let resolved = ResolveRemark { acting: &lawyer, remark, text: "Есть".into() };
    block_on(node.engine.resolve_remark((&code, 2), &resolved)).unwrap();

    let waits_for = |official: &Official| {
        let inbox = block_on(node.engine.inbox(official)).unwrap();
        inbox.versions.len()
    };
    assert_eq!((waits_for(&drafter), waits_for(&lawyer)), (1, 0));
    sign(&node, (&drafter, 1), "draft", &published).unwrap();
    assert_eq!((waits_for(&drafter), waits_for(&lawyer)), (0, 1));
    assert!(matches!(refused(publish(&node, two())), LifecycleRefusal::NotSigned { .. }));
    sign(&node, (&lawyer, 2), "law", &published).unwrap();
    assert_eq!((waits_for(&drafter), waits_for(&lawyer)), (0, 0));
    assert_eq!(row(&node).state, "signed");
    let other = version(2, &format!("{LIFECYCLE}# another byte\n"));
    assert!(matches!(refused(publish(&node, other)), LifecycleRefusal::OtherFiles { .. }));
    publish(&node, two()).unwrap();
    let leaves = node.ledger.leaves_now();
    let last = leaves.last().unwrap();
    assert_eq!(event_types(last), ["pack.proposal_published", "pack.published"]);
    assert_eq!(row(&node).state, "published");
    // Published again as it is, it stays where it is.
    publish(&node, two()).unwrap();
    assert_eq!(node.ledger.leaves_now().len(), leaves.len());
    let early = block_on(node.engine.version_status((&code, 4)));
    assert!(matches!(early, Err(EngineError::PackVersionGap { last: 2, .. })));
}

/// Whoever drops the lifecycle still goes through it; the version after is free.
#[test]
fn the_lifecycle_in_force_is_the_one_of_the_version_before() {
    let node = TwinNode::start_with(version(1, LIFECYCLE));
    let two = version(2, "");
    let published = two.published();
    block_on(node.engine.propose_version(&two, &drafter())).unwrap();
    sign(&node, (&drafter(), 1), "draft", &published).unwrap();
    sign(&node, (&lawyer(), 2), "law", &published).unwrap();
    publish(&node, two).unwrap();
    let nothing = block_on(node.engine.propose_version(&version(3, LIFECYCLE), &drafter()));
    let nothing = refused(nothing.map(|_| ()));
    assert!(matches!(nothing, LifecycleRefusal::NoLifecycle { version: 2, .. }));
    publish(&node, version(3, LIFECYCLE)).unwrap();
    let four = refused(publish(&node, version(4, "")));
    assert!(matches!(four, LifecycleRefusal::NotProposed { .. }));
}

/// A stage that nobody signs in its term is on record as soon as the term has passed, once.
#[test]
fn an_overdue_stage_is_on_record_at_the_instant_and_can_still_be_signed() {
    let node = TwinNode::start_with(version(1, LIFECYCLE));
    let two = version(2, LIFECYCLE);
    block_on(node.engine.propose_version(&two, &drafter())).unwrap();
    let note = || block_on(node.engine.note_stage_breaches()).unwrap();
    let due = "2026-11-25T20:59:59.999Z";
    assert_eq!(note(), (0, letopis_ledger::Timestamp::parse(due).ok()));
    node.clock.set("2026-11-25T21:00:00.000Z");
    assert_eq!(note(), (1, None));
    assert_eq!(note(), (0, None));
    assert_eq!(row(&node).state, "breached");
    sign(&node, (&drafter(), 1), "draft", &two.published()).unwrap();
    assert_eq!(row(&node).state, "open");
    // Where nobody looked, the signature says that it comes too late.
    node.clock.set("2027-01-25T21:00:00.000Z");
    sign(&node, (&lawyer(), 2), "law", &two.published()).unwrap();
    let leaves = node.ledger.leaves_now();
    assert_eq!(event_types(leaves.last().unwrap()), ["pack.stage_breached", "pack.stage_signed"]);
    assert_eq!(note(), (0, None));
    publish(&node, two).unwrap();
}

/// A remark that comes while the version is published is either in time or too late.
#[test]
fn a_remark_that_is_faster_than_the_publication_stops_it() {
    let node = TwinNode::start_with(version(1, LIFECYCLE));
    let two = version(2, LIFECYCLE);
    let published = two.published();
    block_on(node.engine.propose_version(&two, &drafter())).unwrap();
    sign(&node, (&drafter(), 1), "draft", &published).unwrap();
    sign(&node, (&lawyer(), 2), "law", &published).unwrap();
    let rival = node.beside_with(1, version(1, LIFECYCLE));
    node.ledger.next(Mishap::Rival(Box::new(move || {
        let (acting, code) = (lawyer(), code());
        let (proposal, text) = (StreamVersion::ZERO, "Стойте".to_owned());
        let remark = RaiseRemark { acting: &acting, proposal, text, file: None };
        block_on(rival.engine.raise_remark((&code, 2), &remark)).unwrap();
    })));
    let stopped = refused(publish(&node, two));
    assert!(matches!(stopped, LifecycleRefusal::RemarksOpen { .. }));
    let stream = proposal_stream(&code(), 2);
    assert_eq!(node.engine.model().stream(&stream).unwrap().value.len(), 4);
}
