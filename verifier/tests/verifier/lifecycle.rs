//! A version of a pack that passes the lifecycle of the version before, written by hand from
//! `docs/EVENTS.md`: sound ones hold, and every step that is made otherwise is found.

use letopis_ledger::Hash;
use letopis_ledger::json::{Json, Object};
use letopis_ledger::record::Event;
use letopis_verifier::finding::Rule;

use super::rules::Broken;
use super::written::{FOUNDER, Written, ZARECHNY, found_in, signer};

const DRAFTER: &str = "019ba000-0000-7000-8000-000000000021";
const LAWYER: &str = "019ba000-0000-7000-8000-000000000022";
const STREAM: &str = "proposal/zarechny/2";
const PAYLOAD_TYPE: &str = "application/vnd.letopis.pack-stage.v1+json";
/// Ten calendar days after 12 January 2026 in a zone of three hours.
const AT: &str = "2026-01-12T09:00:00.000Z";
const DUE: &str = "2026-01-22T20:59:59.999Z";
/// The leaf of version 1, and the one that publishes version 2.
const PACK_LEAF: u32 = 2;
const PUBLISHED_LEAF: u64 = 9;

const PACK: &str = "
code: zarechny
version: 1
agency: zarechny
utc_offset_minutes: 180
calendars: []
services: []
registries: []
";
const LIFECYCLE: &str = "
lifecycle:
  stages:
    - {code: draft, by: {unit: permits, role: executor}, term: {calendar_days: 10}}
    - {code: law, by: {unit: legal, role: lawyer}, term: {calendar_days: 10}}
";

/// How version 2 came into force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Rightly,
    /// A proposal before it, which is done with.
    SecondProposal,
    WithoutLifecycle,
    // What is found.
    JustPublished,
    JustPublishedThoughFilesAreGone,
    NotSaidInTheRecord,
    ByAnotherAgency,
    OtherFiles,
    OneStage,
    StagesOutOfTurn,
    OneForBoth,
    OtherPost,
    DismissedBefore,
    OtherKey,
    OtherText,
    SignedBeforeTheProposal,
    RemarkOpen,
    RemarkResolvedByAuthor,
    OtherTerm,
    OtherVersionsRules,
    ProposedByStranger,
}

impl How {
    const BROKEN: [Self; 17] = [
        Self::JustPublished,
        Self::NotSaidInTheRecord,
        Self::ByAnotherAgency,
        Self::OtherFiles,
        Self::OneStage,
        Self::StagesOutOfTurn,
        Self::OneForBoth,
        Self::OtherPost,
        Self::DismissedBefore,
        Self::OtherKey,
        Self::OtherText,
        Self::SignedBeforeTheProposal,
        Self::RemarkOpen,
        Self::RemarkResolvedByAuthor,
        Self::OtherTerm,
        Self::OtherVersionsRules,
        Self::ProposedByStranger,
    ];

    fn log(self) -> Written {
        let mut written = Written::new();
        let lifecycle = if self == Self::WithoutLifecycle { "" } else { LIFECYCLE };
        let manifest = format!("{PACK}{lifecycle}").into_bytes();
        self.publish(&mut written, 1, &manifest);
        if self != Self::JustPublishedThoughFilesAreGone {
            written.blobs.push(manifest);
        }
        self.appoint(&mut written);
        let just =
            [Self::WithoutLifecycle, Self::JustPublished, Self::JustPublishedThoughFilesAreGone];
        if !just.contains(&self) {
            self.way(&mut written);
        }
        while (written.leaves.len() as u64) < PUBLISHED_LEAF {
            let note = written.event("note/1", "note.taken", Object::new());
            written.push(ZARECHNY, vec![note]);
        }
        let said = !matches!(
            self,
            Self::WithoutLifecycle
                | Self::JustPublished
                | Self::JustPublishedThoughFilesAreGone
                | Self::NotSaidInTheRecord
                | Self::ByAnotherAgency
        );
        let mut events = Vec::new();
        if said {
            let data = Object::new().with("proposal", self.number());
            events.push(written.event(STREAM, "pack.proposal_published", data));
        }
        let manifest = if self == Self::OtherFiles { "other" } else { "two" };
        events.push(published(&mut written, 2, manifest.as_bytes()));
        written.push(ZARECHNY, events);
        written
    }

    /// The number of the proposal that is signed.
    fn number(self) -> u32 {
        u32::from(matches!(self, Self::SecondProposal | Self::SignedBeforeTheProposal))
    }

    fn publish(self, written: &mut Written, version: u32, manifest: &[u8]) {
        let event = published(written, version, manifest);
        written.push(ZARECHNY, vec![event]);
    }

    fn appoint(self, written: &mut Written) {
        let unit = if self == Self::OtherPost { "permits" } else { "legal" };
        let posts = [(DRAFTER, "permits", "executor"), (LAWYER, unit, "lawyer")];
        for (official, unit, role) in posts {
            let post = Object::new().with("unit", unit).with("role", role);
            let mut held: Vec<Json> = vec![post.into()];
            if self == Self::OneForBoth {
                held.push(Object::new().with("unit", "legal").with("role", "lawyer").into());
            }
            let appointed = Object::new()
                .with("posts", held)
                .with("skills", Json::Array(vec![]))
                .with("key", signer(official).key().to_base64().as_str());
            let event = written.event(&format!("staff/{official}"), "staff.appointed", appointed);
            written.push(ZARECHNY, vec![event]);
        }
    }

    /// Everything between the appointments and the publication.
    fn way(self, written: &mut Written) {
        let author = if self == Self::ByAnotherAgency { FOUNDER } else { ZARECHNY };
        if self == Self::SecondProposal {
            let event = self.proposed(written, b"one");
            written.push(author, vec![event]);
        }
        let number = self.number();
        if self == Self::SignedBeforeTheProposal {
            let event = self.signed(written, number, DRAFTER, "draft", Some("law"));
            written.push(author, vec![event]);
        }
        let event = self.proposed(written, b"two");
        written.push(author, vec![event]);
        self.remark(written, author, number);
        if self == Self::DismissedBefore {
            let event = written.event(&format!("staff/{LAWYER}"), "staff.dismissed", Object::new());
            written.push(author, vec![event]);
        }
        let stages: &[bool] = match self {
            Self::SignedBeforeTheProposal => &[true],
            Self::OneStage => &[false],
            Self::StagesOutOfTurn => &[true, false],
            _ => &[false, true],
        };
        let signed = stages.iter().map(|last| match last {
            false => self.signed(written, number, DRAFTER, "draft", Some("law")),
            true => {
                let who = if self == Self::OneForBoth { DRAFTER } else { LAWYER };
                self.signed(written, number, who, "law", None)
            }
        });
        let signed = signed.collect();
        written.push(author, signed);
    }

    fn proposed(self, written: &mut Written, manifest: &[u8]) -> Event {
        let leaf = if self == Self::OtherVersionsRules { 1 } else { PACK_LEAF };
        let lifecycle =
            Object::new().with("code", ZARECHNY).with("version", 1_u32).with("leaf", leaf);
        let stranger = "019ba000-0000-7000-8000-000000000029";
        let official = if self == Self::ProposedByStranger { stranger } else { DRAFTER };
        let data = files(2, manifest)
            .with("lifecycle", lifecycle)
            .with("official", official)
            .with("opens", self.opens("draft"));
        written.event(STREAM, "pack.proposed", data)
    }

    fn opens(self, stage: &str) -> Object {
        let due = if self == Self::OtherTerm { "2026-01-23T20:59:59.999Z" } else { DUE };
        Object::new().with("stage", stage).with("at", AT).with("due", due)
    }

    fn remark(self, written: &mut Written, author: &str, number: u32) {
        let data = Object::new()
            .with("proposal", number)
            .with("stage", "law")
            .with("official", LAWYER)
            .with("text", "wrong");
        let raised = written.event(STREAM, "pack.remark_raised", data);
        let by = if self == Self::RemarkResolvedByAuthor { DRAFTER } else { LAWYER };
        let remark = u32::try_from(raised.version.get()).unwrap();
        let mut events = vec![raised];
        if self != Self::RemarkOpen {
            let data =
                Object::new().with("remark", remark).with("official", by).with("text", "right");
            events.push(written.event(STREAM, "pack.remark_resolved", data));
        }
        written.push(author, events);
    }

    fn signed(
        self,
        written: &mut Written,
        number: u32,
        official: &str,
        stage: &str,
        next: Option<&str>,
    ) -> Event {
        let digest = match files(2, b"two").get("files") {
            Some(files) => Hash::of(files.to_string().as_bytes()).to_hex(),
            None => unreachable!("the list of files has a name"),
        };
        let version = if self == Self::OtherText { 3_u32 } else { 2 };
        let text = Object::new()
            .with("files_sha256", digest.as_str())
            .with("official", official)
            .with("pack", ZARECHNY)
            .with("proposal", number)
            .with("stage", stage)
            .with("version", version);
        let text = Json::from(text).to_string();
        let by = if self == Self::OtherKey { signer("somebody") } else { signer(official) };
        let signature = Object::new()
            .with("key", by.key().id().to_string().as_str())
            .with("ed25519", by.sign_as(PAYLOAD_TYPE, text.as_bytes()).to_base64().as_str());
        let data = Object::new()
            .with("proposal", number)
            .with("stage", stage)
            .with("official", official)
            .with("signature", signature);
        let data = match next {
            Some(next) => data.with("opens", self.opens(next)),
            None => data,
        };
        written.event(STREAM, "pack.stage_signed", data)
    }
}

fn published(written: &mut Written, version: u32, manifest: &[u8]) -> Event {
    written.event("pack/zarechny", "pack.published", files(version, manifest))
}

fn files(version: u32, manifest: &[u8]) -> Object {
    let file = Object::new()
        .with("path", "pack.yaml")
        .with("sha256", Hash::of(manifest).to_hex().as_str())
        .with("size_bytes", u32::try_from(manifest.len()).unwrap())
        .with("media_type", "application/yaml");
    Object::new()
        .with("code", ZARECHNY)
        .with("version", version)
        .with("files", vec![Json::from(file)])
}

pub(crate) fn break_rule() -> Broken {
    let found = How::OneStage.log().found();
    Broken::alone(found, Some(PUBLISHED_LEAF))
}

#[test]
fn a_version_that_passed_the_lifecycle_of_the_one_before_is_sound() {
    for how in [How::Rightly, How::SecondProposal, How::WithoutLifecycle] {
        let found = found_in(how.log().published().path());
        assert!(found.is_empty(), "{how:?} {found:?}");
    }
}

#[test]
fn every_step_of_a_lifecycle_that_is_made_otherwise_is_found() {
    for how in How::BROKEN {
        let found = how.log().found();
        assert_eq!(found, [(Rule::PackLifecycle, Some(PUBLISHED_LEAF))], "{how:?}");
    }
}

/// An event that cannot be read publishes nothing, so nothing is asked of it.
#[test]
fn what_cannot_be_read_is_no_version() {
    let mut written = How::Rightly.log();
    let data = Object::new().with("code", ZARECHNY).with("version", 3_u32);
    let unreadable = written.event("pack/zarechny", "pack.published", data);
    written.push(ZARECHNY, vec![unreadable]);
    assert!(written.found().is_empty());
}

/// Without the files of the version before nobody can say what it asked for.
#[test]
fn the_files_of_the_version_before_must_be_there() {
    let found = How::JustPublishedThoughFilesAreGone.log().found();
    assert_eq!(found, [(Rule::PackLifecycle, Some(PUBLISHED_LEAF))]);
}
