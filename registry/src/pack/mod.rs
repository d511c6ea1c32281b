//! Packs: the regulations of an agency as data, read, validated and tested as one.
//!
//! A pack is a folder (`pack.yaml`, `services/<code>/…`, `registries/<code>.yaml`, calendars) or
//! the same files from published blobs. Whatever loads has passed every rule of [`PackRule`];
//! [`Pack::check`] also runs its own test cases. Not here: which version a case follows.

mod act;
mod cases;
mod classifier;
mod compare;
mod complex;
mod error;
mod files;
mod follow_up;
mod form;
mod graph;
mod judgement;
mod lifecycle;
mod number;
mod plan;
mod read;
mod registry;
mod regulation;
mod request_kind;
mod route;
mod start;
mod taken;
mod template;
mod unit;
mod validate;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use jiff::civil::Date;
use letopis_ledger::Timestamp;
use letopis_ledger::id::AgencyId;
use letopis_rules::calendar::Calendars;
use letopis_rules::deadline::{
    Deadline, Pause, Term, UnixMs, UtcOffset, deadline, deadline_with_pauses,
};
use letopis_rules::decision::AdmittedModel;

pub use act::Act;
pub use cases::{CaseExpectation, ExpectedOutcome, GivenAnswer, OfferedBy, RenewedEntry, TestCase};
pub use classifier::{Classifier, Column, Day, Row, RowValues};
pub use compare::{Change, KINDS, compare};
pub use complex::{AskedOnce, ComplexService, JoinedForms, JoinedService, WaitRule};
pub use error::{PackError, PackRule};
pub use files::{PACK_MAX_BYTES, PACK_MAX_FILES, PackFiles};
pub use follow_up::NotRenewed;
pub use form::{
    CheckedForm, FORM_MAX_BYTES, FieldKind, FormError, FormField, FormSchema, KIND_FIELD, nested,
};
pub use graph::StepGraph;
pub use judgement::{JudgeError, Judgement, VALID_MONTHS_MAX, VALID_YEARS_MAX, Validity, judge};
pub use lifecycle::{Lifecycle, LifecycleStage};
pub use number::{NumberTemplate, NumberTemplateError, TEMPLATE_MAX_BYTES, WIDTH_MAX};
pub use plan::{PlanState, PlannedRequest, plan};
pub use registry::{
    Holds, QUOTA_MAX, Quota, Registry, RegistryField, RegistryKind, RestsOn, Visibility,
};
pub use regulation::{
    Action, ApplicantKind, ApplicantRule, Approval, ApprovalStage, Asked, Channel, Condition, Days,
    DecisionRule, DocumentAsked, Effect, Escalation, Every, EvidenceRule, GivesUp, Ground,
    InputRule, IntakeCheck, Level, NoData, Offer, PORTAL, Payments, Post, Regulation, RenewalRule,
    RepresentativeRule, RequestRule, Retry, Reuse, ReviewRule, Role, Shows, SignedBy, Standard,
    Step, TermRule, TimedOut, Trigger, TypicalDecision, TypicalOutcome,
};
pub use request_kind::{ANSWER_TEXT_CHARS_MAX, KindField, RequestKind, ValueType};
pub use route::{ROUTE_TEXT_MAX_BYTES, Route};
pub use start::starting_pack;
pub use template::{DocumentKind, Template, escaped};
pub use unit::Unit;
pub use value::{
    AnswerValues, CaseValues, Derivation, EntriesRule, Scalar, SumRule, ValueRef, plain_text,
};

use crate::code::{
    ClassifierCode, ComplexCode, PackCode, RegistryCode, RequestKindCode, ServiceCode, UnitCode,
};
use crate::event::{ModelRef, PackPublished};
use crate::messages::{Language, Text};

/// A pack that passed every rule.
#[derive(Debug)]
pub struct Pack {
    code: PackCode,
    version: u32,
    title: Text,
    issuer: Text,
    agency: AgencyId,
    calendar: LegalCalendar,
    lifecycle: Option<Lifecycle>,
    services: BTreeMap<ServiceCode, Service>,
    complex: BTreeMap<ComplexCode, ComplexService>,
    routes: Vec<Route>,
    acts: Vec<Act>,
    parts: Parts,
    files: PackFiles,
}

/// What the services of a pack share.
#[derive(Debug, Default)]
struct Parts {
    registries: BTreeMap<RegistryCode, Registry>,
    request_kinds: BTreeMap<RequestKindCode, RequestKind>,
    classifiers: Classifiers,
    units: Vec<Unit>,
}

/// Classifiers by code.
pub type Classifiers = Arc<BTreeMap<ClassifierCode, Classifier>>;

/// The agency's working days and its zone: what terms are counted by.
#[derive(Debug, Clone)]
pub struct LegalCalendar {
    calendars: Calendars,
    zone: UtcOffset,
}

/// A service with everything that its regulation refers to.
#[derive(Debug)]
pub struct Service {
    /// The regulation.
    pub regulation: Regulation,
    /// The steps with what they wait for.
    pub graph: StepGraph,
    /// The form.
    pub form: FormSchema,
    /// The decision model.
    pub model: AdmittedModel,
    /// The model's file.
    pub model_ref: ModelRef,
    /// Templates of documents.
    pub templates: BTreeMap<(DocumentKind, Language), Template>,
    /// The service's own test cases.
    pub cases: Vec<TestCase>,
    /// The classifiers of the pack.
    pub classifiers: Classifiers,
}

impl Pack {
    /// Reads a pack from a folder.
    ///
    /// # Errors
    /// Every problem, with its file and, where the reader can tell, its line.
    pub fn load(folder: &Path) -> Result<Self, Vec<PackError>> {
        Self::from_files(PackFiles::read(folder)?)
    }

    /// Reads a pack from its files, for example from published blobs.
    ///
    /// # Errors
    /// Every problem.
    pub fn from_files(files: PackFiles) -> Result<Self, Vec<PackError>> {
        read::read(files)
    }

    /// Runs the pack's own test cases, and tries each decision on many inputs for one that has no
    /// answer.
    ///
    /// # Errors
    /// The cases that came out otherwise than they expect, and the decisions without an answer.
    pub fn check(&self) -> Result<(), Vec<PackError>> {
        let registries = &self.parts.registries;
        let run = |service| cases::run(service, registries);
        let mut failed: Vec<PackError> = self.services.values().flat_map(run).collect();
        failed.extend(self.services.values().filter_map(|service| {
            let (inputs, reason) = judgement::gap(service)?;
            let rule = PackRule::NoAnswer { inputs, reason: reason.to_string() };
            Some(PackError { file: service.model_ref.path.clone(), line: None, rule })
        }));
        if failed.is_empty() { Ok(()) } else { Err(failed) }
    }

    /// The pack's code.
    #[must_use]
    pub const fn code(&self) -> &PackCode {
        &self.code
    }

    /// The pack's version, from 1.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// What people call it.
    #[must_use]
    pub const fn title(&self) -> &Text {
        &self.title
    }

    /// Whose name stands on papers: the agency's, as people know it.
    #[must_use]
    pub const fn issuer(&self) -> &Text {
        &self.issuer
    }

    /// The agency whose regulations these are.
    #[must_use]
    pub const fn agency(&self) -> &AgencyId {
        &self.agency
    }

    /// What terms are counted by.
    #[must_use]
    pub const fn calendar(&self) -> &LegalCalendar {
        &self.calendar
    }

    /// What the next version passes before it is published; nothing without it.
    #[must_use]
    pub const fn lifecycle(&self) -> Option<&Lifecycle> {
        self.lifecycle.as_ref()
    }

    /// The services by code.
    #[must_use]
    pub const fn services(&self) -> &BTreeMap<ServiceCode, Service> {
        &self.services
    }

    /// The service of a code.
    #[must_use]
    pub fn service(&self, code: &ServiceCode) -> Option<&Service> {
        self.services.get(code)
    }

    /// The complex requests by code.
    #[must_use]
    pub const fn complex_services(&self) -> &BTreeMap<ComplexCode, ComplexService> {
        &self.complex
    }

    /// The registries by code.
    #[must_use]
    pub const fn registries(&self) -> &BTreeMap<RegistryCode, Registry> {
        &self.parts.registries
    }

    /// The registry of a code.
    #[must_use]
    pub fn registry(&self, code: &RegistryCode) -> Option<&Registry> {
        self.parts.registries.get(code)
    }

    /// The kinds of requests by code.
    #[must_use]
    pub const fn request_kinds(&self) -> &BTreeMap<RequestKindCode, RequestKind> {
        &self.parts.request_kinds
    }

    /// The kind of a request, where its regulation names one.
    #[must_use]
    pub fn request_kind(&self, rule: &RequestRule) -> Option<&RequestKind> {
        self.parts.request_kinds.get(&rule.kind.as_ref()?.value)
    }

    /// The classifiers by code.
    #[must_use]
    pub fn classifiers(&self) -> &BTreeMap<ClassifierCode, Classifier> {
        &self.parts.classifiers
    }

    /// Where applications go that other systems send by codes of their own.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The acts that a regulation of the pack cites, in the order of the pack.
    pub fn acts_of<'a>(&'a self, regulation: &'a Regulation) -> impl Iterator<Item = &'a Act> {
        self.acts.iter().filter(|act| regulation.laws().any(|law| act.is_cited_by(law)))
    }

    /// The acts that everything in the pack follows from, in the order of the pack.
    #[must_use]
    pub fn acts(&self) -> &[Act] {
        &self.acts
    }

    /// The units of the agency, in the order of the pack.
    #[must_use]
    pub fn units(&self) -> &[Unit] {
        &self.parts.units
    }

    /// The unit of a code.
    #[must_use]
    pub fn unit(&self, code: &UnitCode) -> Option<&Unit> {
        unit::unit(&self.parts.units, code)
    }

    /// The files, to publish as blobs.
    #[must_use]
    pub const fn files(&self) -> &PackFiles {
        &self.files
    }

    /// The event that publishes the pack.
    #[must_use]
    pub fn published(&self) -> PackPublished {
        PackPublished {
            code: self.code.clone(),
            version: self.version,
            files: self.files.manifest(),
            registries: self
                .registries()
                .iter()
                .filter_map(|(code, registry)| Some((code.clone(), registry.kind.writer()?)))
                .collect(),
        }
    }
}

impl Service {
    /// The registry that granted cases enter.
    #[must_use]
    pub fn effect_registry(&self) -> &RegistryCode {
        &self.regulation.effect.registry.value
    }

    /// Adds to a case's values what follows from the day of its registration: the day itself and
    /// the values of classifiers that are in force on it.
    pub fn set_registration_day(&self, values: &mut CaseValues, on: Date) {
        values.registered_on = Some(on);
        for value in self.regulation.values() {
            let ValueRef::Classifier { code, row, column } = value else { continue };
            let found = self.classifiers.get(code).and_then(|of| of.value(row, column, on));
            if let Some(found) = found {
                values.classified.insert(value.clone(), found);
            }
        }
    }

    /// Names of the values that the documents of a kind show, in any language.
    #[must_use]
    pub fn shown(&self, kind: DocumentKind) -> BTreeSet<&str> {
        let templates = self.templates.iter().filter(|((of, _), _)| *of == kind);
        templates.flat_map(|(_, template)| template.names()).collect()
    }

    /// The document of a kind in a language, filled in.
    ///
    /// # Panics
    /// Never: a pack without one of its templates does not load.
    #[must_use]
    pub fn document(
        &self,
        kind: DocumentKind,
        language: Language,
        values: &BTreeMap<String, String>,
    ) -> String {
        let template = self.templates.get(&(kind, language));
        template.expect("invariant: a loaded pack has every template").render(values, language)
    }
}

impl LegalCalendar {
    /// Puts calendars and a zone together.
    #[must_use]
    pub const fn new(calendars: Calendars, zone: UtcOffset) -> Self {
        Self { calendars, zone }
    }

    /// These calendars with the years that only a later version of the pack has.
    #[must_use]
    pub fn completed_by(&self, later: &Self) -> Self {
        Self { calendars: self.calendars.completed_by(&later.calendars), zone: self.zone }
    }

    /// When a term that begins at `from` ends.
    ///
    /// # Panics
    /// Never for terms of a loaded pack and instants of a ledger: both lie in range.
    #[must_use]
    pub fn deadline(&self, from: Timestamp, term: Term) -> Deadline {
        deadline(UnixMs::new(from.unix_ms()), term, &self.calendars, self.zone)
            .expect("invariant: terms of a loaded pack and instants of a ledger are in range")
    }

    /// When a term that begins at `from` ends if its clock stood still at these times.
    ///
    /// # Panics
    /// Never for terms of a loaded pack and instants of a ledger: both lie in range.
    #[must_use]
    pub fn deadline_with_pauses(
        &self,
        from: Timestamp,
        term: Term,
        pauses: &[(Timestamp, Timestamp)],
    ) -> Deadline {
        let pause = |(from, until): &(Timestamp, Timestamp)| Pause {
            from: UnixMs::new(from.unix_ms()),
            until: UnixMs::new(until.unix_ms()),
        };
        let pauses: Vec<Pause> = pauses.iter().map(pause).collect();
        let from = UnixMs::new(from.unix_ms());
        deadline_with_pauses(from, term, &pauses, &self.calendars, self.zone)
            .expect("invariant: terms of a loaded pack and instants of a ledger are in range")
    }

    /// The agency's date at an instant.
    ///
    /// # Panics
    /// Never: instants of a ledger lie within the calendar's years.
    #[must_use]
    pub fn date(&self, at: Timestamp) -> Date {
        let instant = jiff::Timestamp::from_millisecond(at.unix_ms())
            .expect("invariant: instants of a ledger lie within the calendar's years");
        let offset = jiff::tz::Offset::from_seconds(self.zone.minutes() * 60)
            .expect("invariant: an offset is at most 18 hours");
        offset.to_datetime(instant).date()
    }

    /// The instant at which a day begins in the agency's zone.
    ///
    /// # Panics
    /// Never: days of a ledger lie within the calendar's years.
    #[must_use]
    pub fn begin(&self, day: Date) -> Timestamp {
        let midnight =
            jiff::tz::Offset::UTC.to_timestamp(day.to_datetime(jiff::civil::Time::midnight()));
        let midnight =
            midnight.expect("invariant: days of a ledger lie within the calendar's years");
        let unix_ms = midnight.as_millisecond() - i64::from(self.zone.minutes()) * 60_000;
        Timestamp::from_unix_ms(unix_ms)
            .expect("invariant: days of a ledger lie within the calendar's years")
    }

    /// Whether terms in working days count a day.
    #[must_use]
    pub fn is_working(&self, date: Date) -> bool {
        self.calendars.kind(date).is_working()
    }

    /// The agency's difference from UTC.
    #[must_use]
    pub const fn zone(&self) -> UtcOffset {
        self.zone
    }
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod test;
