//! Packs: the regulations of an agency as data, read, validated and tested as one.
//!
//! A pack is a folder (`pack.yaml`, `services/<code>/…`, `registries/<code>.yaml`, calendars) or
//! the same files from published blobs. Whatever loads has passed every rule of [`PackRule`];
//! [`Pack::check`] also runs its own test cases. Not here: which version a case follows.

mod cases;
mod error;
mod files;
mod form;
mod graph;
mod judgement;
mod number;
mod read;
mod registry;
mod regulation;
mod template;
mod validate;
mod value;

use std::collections::BTreeMap;
use std::path::Path;

use jiff::civil::Date;
use letopis_ledger::Timestamp;
use letopis_ledger::id::AgencyId;
use letopis_rules::calendar::Calendars;
use letopis_rules::deadline::{
    Deadline, Pause, Term, UnixMs, UtcOffset, deadline, deadline_with_pauses,
};
use letopis_rules::decision::AdmittedModel;

pub use cases::{CaseExpectation, ExpectedOutcome, GivenAnswer, TestCase};
pub use error::{PackError, PackRule};
pub use files::{PACK_MAX_BYTES, PACK_MAX_FILES, PackFiles};
pub use form::{CheckedForm, FORM_MAX_BYTES, FieldKind, FormError, FormField, FormSchema};
pub use graph::StepGraph;
pub use judgement::{JudgeError, Judgement, VALID_YEARS_MAX, judge};
pub use number::{NumberTemplate, NumberTemplateError, TEMPLATE_MAX_BYTES, WIDTH_MAX};
pub use registry::{QUOTA_MAX, Quota, Registry, RegistryField, RegistryKind, Visibility};
pub use regulation::{
    Action, ApplicantKind, ApplicantRule, Approval, Asked, Channel, Condition, DecisionRule,
    DocumentAsked, Effect, EvidenceRule, Ground, InputRule, NoData, Post, Regulation,
    RepresentativeRule, RequestRule, Reuse, Role, Step, TermRule, TimedOut,
};
pub use template::{DocumentKind, Template};
pub use value::{AnswerValues, CaseValues, Derivation, EntriesRule, Scalar, ValueRef, plain_text};

use crate::code::{PackCode, RegistryCode, ServiceCode};
use crate::event::{ModelRef, PackPublished};
use crate::messages::{Language, Text};

/// A pack that passed every rule.
#[derive(Debug)]
pub struct Pack {
    code: PackCode,
    version: u32,
    title: Text,
    agency: AgencyId,
    calendar: LegalCalendar,
    services: BTreeMap<ServiceCode, Service>,
    registries: BTreeMap<RegistryCode, Registry>,
    files: PackFiles,
}

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

    /// Runs the pack's own test cases.
    ///
    /// # Errors
    /// The cases that came out otherwise than they expect.
    pub fn check(&self) -> Result<(), Vec<PackError>> {
        let failed: Vec<PackError> = self.services.values().flat_map(cases::run).collect();
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

    /// The registries by code.
    #[must_use]
    pub const fn registries(&self) -> &BTreeMap<RegistryCode, Registry> {
        &self.registries
    }

    /// The registry of a code.
    #[must_use]
    pub fn registry(&self, code: &RegistryCode) -> Option<&Registry> {
        self.registries.get(code)
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
        }
    }
}

impl Service {
    /// The registry that granted cases enter.
    #[must_use]
    pub fn effect_registry(&self) -> &RegistryCode {
        &self.regulation.effect.registry.value
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
        template.expect("invariant: a loaded pack has every template").render(values)
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
