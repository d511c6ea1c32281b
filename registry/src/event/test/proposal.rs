//! Samples of the events of proposed versions.

use letopis_ledger::key::AuthorSigner;

use super::*;
use crate::code::StageCode;

pub(super) fn samples() -> Vec<(StreamName, DomainEvent)> {
    let code = PackCode::parse("zarechny").unwrap();
    let stream = proposal_stream(&code, 2);
    let stage = |code: &str| StageCode::parse(code).unwrap();
    let opens = |code: &str| StageOpened {
        stage: stage(code),
        at: at("2026-11-20T12:00:00.000Z"),
        due: at("2026-12-04T20:59:59.999Z"),
    };
    let official = OfficialId::from_parts(0x0192_3456_789a, &[4; 10]);
    let file = PackFile {
        path: "pack.yaml".into(),
        sha256: Hash::of(b"pack"),
        size_bytes: 4,
        media_type: "application/yaml".into(),
    };
    let registries = std::collections::BTreeMap::new();
    let published = PackPublished { code: code.clone(), version: 2, files: vec![file], registries };
    let lifecycle = PackRef { code, version: 1, leaf: LeafIndex::new(3) };
    let (proposal, remark) = (StreamVersion::ZERO, StreamVersion::new(1));
    let raised = |file: Option<&str>| {
        let text = "Пункт 2.4: срок не тот".to_owned();
        let (stage, file) = (stage("law"), file.map(str::to_owned));
        ProposalEvent::RemarkRaised(RemarkRaised { proposal, stage, official, text, file })
    };
    let signer = AuthorSigner::from_seed(&[4; 32]);
    let signature =
        OfficialSignature { key: signer.key().id(), signature: signer.sign_as("t", b"x") };
    let signed = |code: &str, opens| {
        let stage = stage(code);
        ProposalEvent::StageSigned(StageSigned { proposal, stage, official, signature, opens })
    };
    let due = at("2026-12-04T20:59:59.999Z");
    let events = [
        ProposalEvent::Proposed(Box::new(VersionProposed {
            published,
            lifecycle,
            official,
            opens: opens("draft"),
        })),
        raised(None),
        raised(Some("pack.yaml")),
        ProposalEvent::RemarkResolved(RemarkResolved {
            remark,
            official,
            text: "Исправлено".to_owned(),
        }),
        signed("draft", Some(opens("law"))),
        signed("law", None),
        ProposalEvent::StageBreached(PackStageBreached { proposal, stage: stage("law"), due }),
        ProposalEvent::Published { proposal },
    ];
    events.map(|event| (stream.clone(), DomainEvent::Proposal(event))).into()
}
