//! A decided case, written by hand from `docs/EVENTS.md`, of which every statement can be altered.

use letopis_ledger::disclosure::Disclosure;
use letopis_ledger::json::{Json, Object};
use letopis_ledger::record::{ClaimOperation, Event};
use letopis_ledger::{Hash, Timestamp};
use letopis_rules::decision::ENGINE;
use letopis_verifier::audit::Nobody;
use letopis_verifier::decision::{CheckedDecision, Options, check_decision};
use letopis_verifier::source::DirectorySource;
use tempfile::TempDir;

use super::answers::Signed;
use super::escalation::Silence;
use super::follow_up::Follow;
use super::joint::Joint;
use super::offers::Offered;
use super::payments::Paid;
use super::written::{START_MS, Written, ZARECHNY, claim};

pub(crate) const CASE: &str = "019ba000-0000-7000-8000-000000000001";
pub(crate) const NUMBER: &str = "П-2026-000001";
const ENTRY: &str = "registry/permits/019ba000-0000-7000-8000-000000000002";
pub(crate) const CASE_CLAIM: &str = "number/case/parking/П-2026-000001";
pub(crate) const ENTRY_CLAIM: &str = "number/entry/permits/РП-1";
const DAY_MS: i64 = 86_400_000;

pub(crate) const MODEL: &str = include_str!("../../testdata/pack/services/parking/decision.dmn");
pub(crate) const REGULATION: &str =
    include_str!("../../testdata/pack/services/parking/regulation.yaml");
const PACK: &str = include_str!("../../testdata/pack/pack.yaml");
const CALENDAR: &str = include_str!("../../testdata/pack/calendars/ru-2026.json");

/// The leaf that publishes the pack, in every log here.
pub(crate) const PACK_LEAF: u64 = 2;
/// The leaf that submits and registers the case.
pub(crate) const SUBMITTED_LEAF: u64 = 3;
/// The leaf that decides it.
pub(crate) const DECIDED_LEAF: u64 = 5;

/// What the records of a case say.
pub(crate) struct CaseSpec {
    pub(crate) resident: bool,
    pub(crate) permits: u32,
    pub(crate) outcome: &'static str,
    pub(crate) grounds: Vec<&'static str>,
    /// Grounds of the refusal, when others than those of the decision.
    pub(crate) refusal_grounds: Option<Vec<&'static str>>,
    /// Event that the grounds refer to.
    pub(crate) evidence_version: u32,
    pub(crate) trace: [(&'static str, Vec<&'static str>); 2],
    pub(crate) engine: String,
    pub(crate) decision: &'static str,
    pub(crate) due: &'static str,
    /// Days from the registration to the decision.
    pub(crate) decided_after_days: i64,
    /// How much later than it was entered the case says that it was registered.
    pub(crate) registered_late_ms: i64,
    pub(crate) pack_leaf: u64,
    /// The version that the case names.
    pub(crate) pack_version: u32,
    /// The version that the pack was published as.
    pub(crate) published_version: u32,
    pub(crate) entry: EntrySpec,
    pub(crate) valid_until: &'static str,
    pub(crate) disclosed: Disclosed,
    pub(crate) regulation: String,
    pub(crate) model: String,
    /// SHA-256 that the decision names for the model.
    pub(crate) model_sha256: Option<Hash>,
    /// Files that are published with other content.
    pub(crate) altered_file: Option<&'static str>,
    /// Files that are not published.
    pub(crate) missing_file: Option<&'static str>,
    /// The request that is answered; "residence" was sent.
    pub(crate) answered: &'static str,
    pub(crate) read_size: u32,
    /// Whether the refusal stands in a record of its own.
    pub(crate) ends_later: bool,
    pub(crate) valid_from: &'static str,
    pub(crate) ends: usize,
    pub(crate) registrations: usize,
    /// Claims that the records take.
    pub(crate) claims: [&'static str; 2],
    /// Whether another case is registered under the same number.
    pub(crate) has_double: bool,
    /// How the case is joined to another one.
    pub(crate) joint: Option<Joint>,
    /// The offer that the case accepts.
    pub(crate) offered: Option<Offered>,
    /// What the entry pays.
    pub(crate) paid: Option<Paid>,
    /// The entry that the case is about.
    pub(crate) follow: Option<Follow>,
    /// How the result goes out of its registry again.
    /// How the answer is signed, where the regulation asks for that.
    pub(crate) signed: Option<Signed>,
    pub(crate) withdrawn: Option<Withdrawn>,
    /// How a request that brings nothing is followed up.
    pub(crate) silence: Option<Silence>,
}

/// How a result is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Withdrawn {
    Rightly,
    Twice,
    OtherEntry,
    NotExcluded,
    ByOtherRule,
    ByDocument,
    ByLaterFact,
}

/// The registry entry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntrySpec {
    None,
    WithDecision,
    InLaterLeaf,
    Twice,
    OtherNumber,
    OtherRegistry,
    Revised,
}

/// Which inputs are opened to whom.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disclosed {
    /// Both, to everybody.
    Public,
    /// One of them to the applicant alone.
    OneToApplicant,
    /// Both, but one of them with another value.
    OtherValue,
    /// Both, but the list is no list.
    Garbage,
}

impl CaseSpec {
    pub(crate) fn granted() -> Self {
        Self {
            resident: true,
            permits: 1,
            outcome: "granted",
            grounds: vec![],
            refusal_grounds: None,
            evidence_version: 3,
            trace: [("grounds", vec![]), ("outcome", vec!["no_ground"])],
            engine: ENGINE.to_owned(),
            decision: "resolution",
            // Five working days after Monday 12 January, Wednesday 14 being off by the calendar.
            due: "2026-01-20T20:59:59.999Z",
            decided_after_days: 1,
            registered_late_ms: 0,
            pack_leaf: PACK_LEAF,
            pack_version: 1,
            published_version: 1,
            entry: EntrySpec::WithDecision,
            valid_until: "2028-01-12",
            disclosed: Disclosed::Public,
            regulation: REGULATION.to_owned(),
            model: MODEL.to_owned(),
            model_sha256: None,
            altered_file: None,
            missing_file: None,
            answered: "residence",
            read_size: 4,
            ends_later: false,
            valid_from: "2026-01-13",
            ends: 1,
            registrations: 1,
            claims: [CASE_CLAIM, ENTRY_CLAIM],
            has_double: false,
            joint: None,
            offered: None,
            paid: None,
            follow: None,
            signed: None,
            withdrawn: None,
            silence: None,
        }
    }

    pub(crate) fn refused() -> Self {
        Self {
            resident: false,
            permits: 2,
            outcome: "refused",
            grounds: vec!["G1", "G3"],
            trace: [
                ("grounds", vec!["not_resident", "quota_exhausted"]),
                ("outcome", vec!["some_ground"]),
            ],
            entry: EntrySpec::None,
            ..Self::granted()
        }
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn files(&self) -> [(&'static str, &str); 4] {
        [
            ("calendars/ru-2026.json", CALENDAR),
            ("pack.yaml", PACK),
            ("services/parking/decision.dmn", &self.model),
            ("services/parking/regulation.yaml", &self.regulation),
        ]
    }

    /// The log with the case: genesis, agency, pack, submission, answers, decision, one more.
    pub(crate) fn written(&self) -> Written {
        let mut written = Written::new();
        let published = self.publish_pack(&mut written);
        let appointed = self.signed.map(|signed| signed.appointed(&mut written));
        written.push(ZARECHNY, [published].into_iter().chain(appointed).collect());
        if let Some(offered) = self.offered {
            offered.make(&mut written);
        }
        if let Some(follow) = self.follow {
            follow.past(&mut written);
        }
        written.now_ms = START_MS + 60_000;
        let mut submission = self.submission(&mut written);
        if let Some(offered) = self.offered {
            offered.accept(&mut written, &mut submission);
        }
        let mut draft = written.draft(ZARECHNY, submission);
        draft.claims = vec![claim(self.claims[0], &stream(), ClaimOperation::Take)];
        draft.claims.extend(self.follow.iter().flat_map(|follow| follow.claims(&stream())));
        written.put(&draft);
        match (self.joint, self.follow) {
            _ if let Some(silence) = self.silence => silence.follow(&mut written),
            (Some(joint), _) => joint.release(&mut written, self.sent()),
            (None, Some(follow)) => follow.answers(&mut written),
            _ if let Some(signed) = self.signed => {
                let answer = signed.answer(&mut written);
                written.push(ZARECHNY, vec![answer]);
            }
            (None, None) => {
                let answer = Object::new().with("request", self.answered);
                let answer = answer.with("outcome", "answered");
                let answer = written.event(&stream(), "request.answered", answer);
                written.push(ZARECHNY, vec![answer]);
            }
        }
        written.now_ms = START_MS + self.decided_after_days * DAY_MS;
        let mut decided = self.decided(&mut written);
        if self.ends_later {
            let end = decided.pop().unwrap();
            written.push(ZARECHNY, decided);
            decided = vec![end];
        }
        let entries = self.entries(&mut written);
        if self.entry == EntrySpec::InLaterLeaf {
            written.push(ZARECHNY, decided);
            written.push(ZARECHNY, entries);
        } else {
            decided.extend(entries);
            let mut draft = written.draft(ZARECHNY, decided);
            if let Some(follow) = self.follow {
                draft.claims = follow.moved();
            } else if self.entry != EntrySpec::None {
                draft.claims = vec![claim(self.claims[1], ENTRY, ClaimOperation::Take)];
            }
            written.put(&draft);
        }
        if let Some(withdrawn) = self.withdrawn {
            let events = withdrawn.events(&mut written);
            written.push(ZARECHNY, events);
        }
        if let Some(paid) = self.paid {
            paid.pay(&mut written);
        }
        let mut note = written.event("note/1", "note.taken", Object::new());
        if self.has_double {
            let number = Object::new().with("number", NUMBER);
            note = written.event("application/other", "application.registered", number);
        }
        written.push(ZARECHNY, vec![note]);
        written
    }

    pub(crate) fn published(&self) -> TempDir {
        let folder = self.written().published();
        for (path, content) in self.files() {
            let blob =
                folder.path().join(format!("blob/{}", Hash::of(content.as_bytes()).to_hex()));
            if self.altered_file == Some(path) {
                std::fs::write(&blob, "something else").unwrap();
            }
            if self.missing_file == Some(path) {
                std::fs::remove_file(&blob).unwrap();
            }
        }
        if self.disclosed == Disclosed::Garbage {
            std::fs::write(folder.path().join(format!("disclosure/{CASE}")), "[]").unwrap();
        }
        folder
    }

    /// The disclosure that the applicant has and nobody else.
    pub(crate) fn given(&self) -> Vec<String> {
        vec![self.disclosures()[0].as_str().to_owned()]
    }

    pub(crate) fn check(&self) -> CheckedDecision {
        self.check_with(CASE, vec![])
    }

    pub(crate) fn check_with(&self, id: &str, disclosures: Vec<String>) -> CheckedDecision {
        let folder = self.published();
        let source = DirectorySource::new(folder.path());
        let options = Options { disclosures, ..Options::default() };
        check_decision(&source, id, &options, &mut Nobody).unwrap()
    }

    fn publish_pack(&self, written: &mut Written) -> Event {
        let mut files = Vec::new();
        for (path, content) in self.files() {
            written.blobs.push(content.as_bytes().to_vec());
            let file = Object::new()
                .with("path", path)
                .with("sha256", Hash::of(content.as_bytes()).to_hex().as_str())
                .with("size_bytes", u32::try_from(content.len()).unwrap())
                .with("media_type", "text/plain");
            files.push(Json::from(file));
        }
        let data = Object::new()
            .with("code", ZARECHNY)
            .with("version", self.published_version)
            .with("files", files);
        written.event("pack/zarechny", "pack.published", data)
    }

    fn submission(&self, written: &mut Written) -> Vec<Event> {
        let pack = Object::new()
            .with("code", ZARECHNY)
            .with("version", self.pack_version)
            .with("leaf", u32::try_from(self.pack_leaf).unwrap());
        let submitted = Object::new()
            .with("service", "parking")
            .with("pack", pack)
            .with("channel", "portal")
            .with("form", Object::new());
        let submitted = match self.follow {
            Some(follow) => submitted.with("about", follow.about()),
            None => submitted,
        };
        let registered_at = written.now_ms + self.registered_late_ms;
        let registered = Object::new()
            .with("number", NUMBER)
            .with("registered_at", instant(registered_at).as_str())
            .with("term", Object::new().with("working_days", 5_u32))
            .with("due", self.due)
            .with("last_day", &self.due[..10])
            .with("provisional", false);
        let mut events = self.joint.map_or_else(Vec::new, |joint| joint.opening(written));
        events.push(written.event(&stream(), "application.submitted", submitted));
        for _ in 0..self.registrations {
            let data = registered.clone();
            events.push(written.event(&stream(), "application.registered", data));
        }
        match self.joint {
            Some(joint) => events.push(joint.joined(written)),
            None => {
                let mut sent = written.event(&stream(), "request.sent", self.sent());
                sent.schema = if self.silence.is_some() { 3 } else { 1 };
                events.push(sent);
            }
        }
        events
    }

    fn sent(&self) -> Object {
        let sent = Object::new()
            .with("request", "residence")
            .with("kind", "registry")
            .with("registry", "residence")
            .with("mandatory", true)
            .with("due", self.due);
        match self.silence {
            Some(silence) => silence.sent(sent),
            None => sent,
        }
    }

    fn disclosures(&self) -> [Disclosure; 2] {
        let resident = Json::Bool(self.resident);
        let permits = Json::from(self.permits);
        [
            Disclosure::new(&[1; 16], "input.resident of zone", resident).unwrap(),
            Disclosure::new(&[2; 16], "input.permits at dwelling", permits).unwrap(),
        ]
    }

    fn decided(&self, written: &mut Written) -> Vec<Event> {
        let evidence = Object::new()
            .with("kind", "answer")
            .with("of", "residence")
            .with("version", self.evidence_version);
        let ground = |code: &&str| {
            let evidence = vec![Json::from(evidence.clone())];
            Json::from(Object::new().with("code", *code).with("evidence", evidence))
        };
        let table = |(decision, rules): &(&str, Vec<&str>)| {
            let rules: Vec<Json> = rules.iter().map(|rule| (*rule).into()).collect();
            Json::from(Object::new().with("decision", *decision).with("rules", rules))
        };
        let sha256 = self.model_sha256.unwrap_or_else(|| Hash::of(self.model.as_bytes()));
        let model = Object::new()
            .with("path", "services/parking/decision.dmn")
            .with("sha256", sha256.to_hex().as_str());
        let data = Object::new()
            .with("outcome", self.outcome)
            .with("grounds", self.grounds.iter().map(ground).collect::<Vec<_>>())
            .with("model", model)
            .with("decision", self.decision)
            .with("engine", self.engine.as_str())
            .with("trace", self.trace.iter().map(table).collect::<Vec<_>>())
            .with("read_size", self.read_size);
        let mut decided = written.event(&stream(), "application.decided", data);
        let disclosures = self.disclosures();
        decided.private = disclosures.iter().map(Disclosure::digest).collect();
        let mut public: Vec<String> = disclosures.iter().map(|d| d.as_str().to_owned()).collect();
        match self.disclosed {
            Disclosed::Public | Disclosed::Garbage => {}
            Disclosed::OneToApplicant => drop(public.remove(0)),
            Disclosed::OtherValue => {
                let other = Json::Bool(!self.resident);
                let other = Disclosure::new(&[1; 16], "input.resident of zone", other).unwrap();
                public[0] = other.as_str().to_owned();
            }
        }
        written.disclosures.insert(CASE.to_owned(), public);
        let mut events = vec![decided];
        for _ in 0..self.ends {
            events.push(self.end(written));
        }
        events
    }

    fn end(&self, written: &mut Written) -> Event {
        if self.outcome == "granted" {
            let data = Object::new()
                .with("registry_entry", ENTRY)
                .with("number", "РП-1")
                .with("valid_from", self.valid_from)
                .with("valid_until", self.valid_until);
            return written.event(&stream(), "application.result_issued", data);
        }
        let grounds = self.refusal_grounds.as_ref().unwrap_or(&self.grounds);
        let grounds: Vec<Json> = grounds.iter().map(|ground| (*ground).into()).collect();
        let data = Object::new().with("grounds", grounds);
        written.event(&stream(), "application.refusal_issued", data)
    }

    fn entries(&self, written: &mut Written) -> Vec<Event> {
        let followed_up = self.silence.map_or(0, Silence::more_events);
        let decided = 3 + followed_up + u32::try_from(self.registrations).unwrap();
        if let Some(follow) = self.follow {
            return follow.effect(written, (self.valid_from, self.valid_until), decided);
        }
        let number = if self.entry == EntrySpec::OtherNumber { "РП-2" } else { "РП-1" };
        let registry = if self.entry == EntrySpec::OtherRegistry { "vehicles" } else { "permits" };
        let basis = Object::new()
            .with("kind", "decision")
            .with("stream", stream().as_str())
            .with("version", decided + u32::from(self.joint.is_some()));
        let data = Object::new()
            .with("registry", registry)
            .with("number", number)
            .with("fields", Object::new())
            .with("valid_from", self.valid_from)
            .with("valid_until", self.valid_until)
            .with("basis", basis);
        let streams: &[&str] = match self.entry {
            EntrySpec::None => &[],
            EntrySpec::Twice => &[ENTRY, "registry/permits/019ba000-0000-7000-8000-000000000003"],
            _ => &[ENTRY],
        };
        let name = match self.entry {
            EntrySpec::Revised => "registry.entry_revised",
            _ => "registry.entry_created",
        };
        let entry = |stream: &&str| written.event(stream, name, data.clone());
        streams.iter().map(entry).collect()
    }
}

impl Withdrawn {
    fn events(self, written: &mut Written) -> Vec<Event> {
        let kind = if self == Self::ByDocument { "document" } else { "fact" };
        let rule = if self == Self::ByOtherRule { "other" } else { "owner-changed" };
        let leaf = if self == Self::ByLaterFact { 6_u32 } else { 1 };
        let basis = Object::new().with("kind", kind).with("rule", rule).with("leaf", leaf);
        let excluded = Object::new().with("basis", basis);
        let other = "registry/permits/019ba000-0000-7000-8000-000000000004";
        let entry = if self == Self::OtherEntry { other } else { ENTRY };
        let told = Object::new().with("registry_entry", entry).with("rule", "owner-changed");
        let mut events = vec![written.event(&stream(), "result.withdrawn", told.clone())];
        if self != Self::NotExcluded {
            events.push(written.event(ENTRY, "registry.entry_excluded", excluded));
        }
        if self == Self::Twice {
            events.push(written.event(&stream(), "result.withdrawn", told));
        }
        events
    }
}

fn stream() -> String {
    format!("application/{CASE}")
}

fn instant(unix_ms: i64) -> String {
    Timestamp::from_unix_ms(unix_ms).unwrap().to_string()
}
