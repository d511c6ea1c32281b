//! Versions of packs: where the version before has a lifecycle, every stage of it was signed by
//! who held the post, over exactly the files that were published, and no remark was open.
//!
//! Written from `docs/EVENTS.md`. Only the agency's own events count. Kept are officials, the
//! newest version of each pack, and versions on their way. Not here: what the rules say.

use std::collections::BTreeMap;

use letopis_ledger::id::{AgencyId, StreamName};
use letopis_ledger::json::{FieldError, Fields, Json, Object};
use letopis_ledger::key::{AuthorKeyId, AuthorSignature};
use letopis_ledger::leaf::Leaf;
use letopis_ledger::record::Event;
use letopis_ledger::{Hash, LeafIndex, Timestamp};
use letopis_rules::calendar::{Calendars, YearCalendar};
use letopis_rules::deadline::{Term, UnixMs, UtcOffset, deadline};
use serde::Deserialize;

use crate::finding::{Finding, Rule};
use crate::source::{LogSource, SourceError};
use crate::staff::{Post, Staff};

/// Payload type of a signed stage in the pre-authentication encoding.
const PAYLOAD_TYPE: &str = "application/vnd.letopis.pack-stage.v1+json";

/// Packs, officials and versions on their way, after the leaves seen so far.
pub(super) struct Lifecycles<'a> {
    source: &'a dyn LogSource,
    staff: BTreeMap<AgencyId, Staff>,
    packs: BTreeMap<(AgencyId, String), Published>,
    ways: BTreeMap<(AgencyId, StreamName), Vec<(LeafIndex, Event)>>,
}

/// What `pack.published` states.
struct Published {
    code: String,
    version: u64,
    leaf: LeafIndex,
    files: BTreeMap<String, Hash>,
    /// The list of files as the event has it.
    listed: Json,
}

/// The part of `pack.yaml` that counts here.
#[derive(Debug, Deserialize)]
struct PackDocument {
    calendars: Vec<String>,
    utc_offset_minutes: i32,
    #[serde(default)]
    lifecycle: Option<LifecycleDocument>,
}

#[derive(Debug, Deserialize)]
struct LifecycleDocument {
    stages: Vec<StageDocument>,
}

#[derive(Debug, Deserialize)]
struct StageDocument {
    code: String,
    by: Post,
    term: Term,
}

/// What a version goes by: the stages and calendars of the version before.
struct Rules {
    stages: Vec<StageDocument>,
    calendars: Calendars,
    zone: UtcOffset,
}

/// Why a version was not checked, or what is wrong with its way.
enum Stop {
    Broken(String),
    Source(SourceError),
}

/// A version on its way, event by event.
struct Way<'a> {
    rules: &'a Rules,
    before: &'a Published,
    staff: &'a Staff,
    /// The newest proposal: its number and data.
    proposal: Option<(u64, &'a Object)>,
    /// Who signed its stages, in order.
    signed: Vec<String>,
    /// When the term of the open stage ends.
    due: Option<Timestamp>,
    /// Open remarks with the stage that each came from.
    remarks: BTreeMap<u64, String>,
    /// The leaf and the proposal that were published.
    published: Option<(LeafIndex, u64)>,
}

impl<'a> Lifecycles<'a> {
    pub(super) fn new(source: &'a dyn LogSource) -> Self {
        let (staff, packs, ways) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { source, staff, packs, ways }
    }

    /// Takes the events of a leaf that are about packs and officials.
    pub(super) fn take(
        &mut self,
        place: LeafIndex,
        leaf: &Leaf,
    ) -> Result<Vec<Finding>, SourceError> {
        let author = leaf.record().author();
        let mut findings = Vec::new();
        for event in leaf.record().events() {
            match event.stream.kind() {
                "staff" => self.staff.entry(author.clone()).or_default().take(place, event),
                "proposal" => {
                    let way = self.ways.entry((author.clone(), event.stream.clone()));
                    way.or_default().push((place, event.clone()));
                }
                _ => {}
            }
        }
        let publishes = |event: &&Event| {
            event.stream.kind() == "pack" && event.event_type.as_str() == "pack.published"
        };
        for event in leaf.record().events().iter().filter(publishes) {
            match self.published(place, author, event) {
                Ok(()) => {}
                Err(Stop::Broken(detail)) => {
                    let detail = format!("{}: {detail}", event.stream);
                    findings.push(Finding::at(Rule::PackLifecycle, place, detail));
                }
                Err(Stop::Source(error)) => return Err(error),
            }
        }
        Ok(findings)
    }

    fn published(
        &mut self,
        place: LeafIndex,
        author: &AgencyId,
        event: &Event,
    ) -> Result<(), Stop> {
        // What cannot be read publishes nothing, to whoever follows the log.
        let Ok(published) = Published::read(place, &event.data) else { return Ok(()) };
        let (code, version) = (published.code.clone(), published.version);
        let stream = format!("proposal/{code}/{version}");
        let steps = StreamName::parse(&stream).ok();
        let steps = steps.and_then(|stream| self.ways.remove(&(author.clone(), stream)));
        let key = (author.clone(), code);
        // Whatever is wrong with its way, it is the version before the next one.
        let before = self.packs.remove(&key);
        let checked = match before {
            None => Ok(()),
            Some(before) => {
                let staff = self.staff.entry(author.clone()).or_default();
                Rules::load(self.source, &before).and_then(|rules| match rules {
                    Some(rules) => {
                        let way = Way::new(&rules, &before, staff);
                        way.check(&steps.unwrap_or_default(), &published).map_err(Stop::Broken)
                    }
                    None => Ok(()),
                })
            }
        };
        self.packs.insert(key, published);
        checked
    }
}

fn broken(reason: impl ToString) -> Stop {
    Stop::Broken(reason.to_string())
}

impl Published {
    fn read(leaf: LeafIndex, data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("pack.published", data);
        let mut files = BTreeMap::new();
        for file in fields.array("files")? {
            let mut file = Fields::of("pack file", file)?;
            let hash = |text: &str| Hash::from_hex(text).ok_or("not a SHA-256");
            files.insert(file.string("path")?.to_owned(), file.parsed("sha256", hash)?);
        }
        Ok(Self {
            code: fields.string("code")?.to_owned(),
            version: fields.unsigned("version")?,
            leaf,
            files,
            listed: data.get("files").cloned().unwrap_or_else(|| Json::Array(vec![])),
        })
    }
}

impl Rules {
    /// What the version after one goes by, where that one has a lifecycle.
    fn load(source: &dyn LogSource, pack: &Published) -> Result<Option<Self>, Stop> {
        let text = |path: &str| {
            let wrong = |reason: &dyn ToString| {
                let (version, reason) = (pack.version, reason.to_string());
                Stop::Broken(format!("{path} of version {version}: {reason}"))
            };
            let hash = pack.files.get(path).ok_or_else(|| wrong(&"it is not in the pack"))?;
            let bytes = source.blob(*hash).map_err(|error| match error.is_of_log() {
                // A file that is absent or altered is a statement about the log.
                true => wrong(&error),
                false => Stop::Source(error),
            })?;
            String::from_utf8(bytes).map_err(|_| wrong(&"it is not UTF-8 text"))
        };
        let document: PackDocument = serde_saphyr::from_str(&text("pack.yaml")?)
            .map_err(|error| broken(error.without_snippet()))?;
        let Some(lifecycle) = document.lifecycle else { return Ok(None) };
        let zone = UtcOffset::from_minutes(document.utc_offset_minutes).map_err(broken)?;
        let mut years = Vec::new();
        for path in &document.calendars {
            years.push(YearCalendar::from_json(&text(path)?).map_err(broken)?);
        }
        let calendars = Calendars::new(years).map_err(broken)?;
        Ok(Some(Self { stages: lifecycle.stages, calendars, zone }))
    }

    fn stage(&self, code: &str) -> Result<&StageDocument, String> {
        let found = self.stages.iter().find(|stage| stage.code == code);
        found.ok_or_else(|| format!("there is no stage {code}"))
    }
}

impl<'a> Way<'a> {
    fn new(rules: &'a Rules, before: &'a Published, staff: &'a Staff) -> Self {
        let (signed, remarks) = (Vec::new(), BTreeMap::new());
        let (proposal, due, published) = (None, None, None);
        Self { rules, before, staff, proposal, signed, due, remarks, published }
    }

    /// Whether the way led to what was published.
    fn check(mut self, steps: &'a [(LeafIndex, Event)], found: &Published) -> Result<(), String> {
        for (place, event) in steps {
            self.step(*place, event)
                .map_err(|error| format!("event {} of its way: {error}", event.version))?;
        }
        let (number, data) = self.proposal.ok_or("it was not proposed")?;
        if self.published != Some((found.leaf, number)) {
            return Err("its record does not say which proposal it publishes".to_owned());
        }
        if data.get("files") != Some(&found.listed) {
            return Err("it has other files than those that were proposed".to_owned());
        }
        if let Some(stage) = self.rules.stages.get(self.signed.len()) {
            return Err(format!("stage {} was not signed", stage.code));
        }
        self.without_remarks()
    }

    fn step(&mut self, place: LeafIndex, event: &'a Event) -> Result<(), String> {
        if self.published.is_some() {
            return Err("it was published already".to_owned());
        }
        let number = event.version.get();
        let mut fields = Fields::of_object("proposal", &event.data);
        match event.event_type.as_str() {
            "pack.proposed" => self.proposed(place, number, &event.data),
            "pack.remark_raised" => {
                let stage = field(fields.string("stage"))?.to_owned();
                self.check_holder(place, &mut fields, &stage)?;
                self.remarks.insert(number, stage);
                Ok(())
            }
            "pack.remark_resolved" => {
                let remark = field(fields.unsigned("remark"))?;
                let stage = self.remarks.remove(&remark);
                let stage = stage.ok_or_else(|| format!("no remark {remark} was open"))?;
                self.check_holder(place, &mut fields, &stage)
            }
            "pack.stage_signed" => self.stage_signed(place, &mut fields),
            "pack.stage_breached" => {
                let due = field(fields.parsed("due", Timestamp::parse))?;
                match self.due == Some(due) {
                    true => Ok(()),
                    false => Err(format!("no stage had its term until {due}")),
                }
            }
            "pack.proposal_published" => {
                self.published = Some((place, field(fields.unsigned("proposal"))?));
                Ok(())
            }
            other => Err(format!("{other} is no event of a way")),
        }
    }

    fn proposed(&mut self, place: LeafIndex, number: u64, data: &'a Object) -> Result<(), String> {
        let mut fields = Fields::of_object("pack.proposed", data);
        let official = field(fields.string("official"))?;
        let posts = self.rules.stages.iter().map(|stage| &stage.by);
        let mut held = posts.map(|post| self.staff.check_post(official, post, place));
        if !held.any(|held| held.is_ok()) {
            return Err(format!("{official} held no post of the lifecycle"));
        }
        let mut rules = Fields::of_object("lifecycle", field(fields.object("lifecycle"))?);
        let named = (field(rules.unsigned("version"))?, field(rules.unsigned("leaf"))?);
        if named != (self.before.version, self.before.leaf.get()) {
            return Err("it goes by another version than the one before it".to_owned());
        }
        self.signed.clear();
        self.proposal = Some((number, data));
        self.opens(data, 0)
    }

    fn stage_signed(&mut self, place: LeafIndex, fields: &mut Fields<'a>) -> Result<(), String> {
        let (number, data) = self.proposal.ok_or("nothing was proposed")?;
        let given = (field(fields.unsigned("proposal"))?, field(fields.string("stage"))?);
        let open = self.rules.stages.get(self.signed.len());
        let open = open.filter(|open| given == (number, open.code.as_str()));
        let open = open.ok_or_else(|| format!("stage {} was not open", given.1))?;
        self.without_remarks()?;
        let official = field(fields.string("official"))?;
        if self.signed.iter().any(|before| before == official) {
            return Err(format!("{official} signed two stages"));
        }
        let mut signature = Fields::of_object("signature", field(fields.object("signature"))?);
        let key = field(signature.parsed("key", AuthorKeyId::parse))?;
        let made = field(signature.parsed("ed25519", AuthorSignature::from_base64))?;
        let text = signed_text(data, number, &open.code, official)?;
        let by = (official, &open.by, place);
        self.staff.check_signature(by, (PAYLOAD_TYPE, &text), (key, &made))?;
        self.signed.push(official.to_owned());
        self.due = None;
        match fields.optional("opens") {
            Some(_) => self.opens_in(field(fields.object("opens"))?, self.signed.len()),
            None if self.signed.len() == self.rules.stages.len() => Ok(()),
            None => Err("the next stage did not begin".to_owned()),
        }
    }

    fn opens(&mut self, data: &Object, stage: usize) -> Result<(), String> {
        let opens = field(Fields::of_object("proposal", data).object("opens"))?;
        self.opens_in(opens, stage)
    }

    /// That a stage began in its turn, with the term that the calendars give.
    fn opens_in(&mut self, opens: &Object, stage: usize) -> Result<(), String> {
        let mut fields = Fields::of_object("opens", opens);
        let code = field(fields.string("stage"))?;
        let expected = self.rules.stages.get(stage).filter(|stage| stage.code == code);
        let expected = expected.ok_or_else(|| format!("stage {code} began out of turn"))?;
        let at = field(fields.parsed("at", Timestamp::parse))?;
        let due = field(fields.parsed("due", Timestamp::parse))?;
        let (calendars, zone) = (&self.rules.calendars, self.rules.zone);
        let counted = deadline(UnixMs::new(at.unix_ms()), expected.term, calendars, zone);
        let counted = counted.map_err(|error| error.to_string())?.due.get();
        if counted != due.unix_ms() {
            return Err(format!("the term of {code} does not end {due}"));
        }
        self.due = Some(due);
        Ok(())
    }

    fn check_holder(
        &self,
        place: LeafIndex,
        fields: &mut Fields<'_>,
        stage: &str,
    ) -> Result<(), String> {
        let official = field(fields.string("official"))?;
        self.staff.check_post(official, &self.rules.stage(stage)?.by, place)
    }

    fn without_remarks(&self) -> Result<(), String> {
        match self.remarks.keys().next() {
            Some(remark) => Err(format!("remark {remark} was open")),
            None => Ok(()),
        }
    }
}

fn field<T>(read: Result<T, FieldError>) -> Result<T, String> {
    read.map_err(|error| error.to_string())
}

/// The text that an official signs.
fn signed_text(
    proposed: &Object,
    proposal: u64,
    stage: &str,
    official: &str,
) -> Result<Vec<u8>, String> {
    let member = |name: &'static str| {
        proposed.get(name).cloned().ok_or_else(|| format!("the proposal has no {name}"))
    };
    let number = i64::try_from(proposal).ok().and_then(|number| Json::integer(number).ok());
    let number = number.ok_or("a number above 2^53")?;
    let text = Object::new()
        .with("files_sha256", Hash::of(member("files")?.to_string().as_bytes()).to_hex().as_str())
        .with("official", official)
        .with("pack", member("code")?)
        .with("proposal", number)
        .with("stage", stage)
        .with("version", member("version")?);
    Ok(Json::from(text).to_string().into_bytes())
}
