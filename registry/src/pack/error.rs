//! What can be wrong with a pack: one variant per rule, each saying what to do.

use std::fmt;

use letopis_rules::calendar::CalendarError;
use letopis_rules::decision::AdmissionError;
use thiserror::Error;

use super::act::Citation;
use crate::messages::Language;

/// A problem of a pack: where it is and which rule is broken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct PackError {
    /// Path of the file inside the pack.
    pub file: String,
    /// Line in the file, from 1, where the reader could tell.
    pub line: Option<u64>,
    /// The broken rule.
    pub rule: PackRule,
}

/// A rule that packs follow.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PackRule {
    // ---- files
    /// The folder or a file cannot be read.
    #[error("cannot be read: {reason}; check the path and the permissions")]
    Unreadable {
        /// What the system says.
        reason: String,
    },
    /// A link, a device, or a name that other systems cannot hold.
    #[error("is not a plain file with a plain name; use a-z, 0-9, '_', '-' and '.' in names")]
    NotPlain,
    /// The pack is too large to publish.
    #[error("the pack has {found} {unit}, the limit is {limit}; remove what services do not use")]
    TooLarge {
        /// What was counted.
        unit: &'static str,
        /// The count.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// A file that something needs is not there.
    #[error("is missing; add the file")]
    MissingFile,
    /// A file that nothing refers to would be published for nothing.
    #[error("nothing in the pack uses this file; refer to it or remove it")]
    UnusedFile,
    /// The file's text cannot be read as what it must be.
    #[error("{reason}; correct the text")]
    Malformed {
        /// What the reader says.
        reason: String,
    },

    // ---- texts
    /// A text is missing in one language.
    #[error("{what} has no text in {}; add it", language.code())]
    MissingLanguage {
        /// What the text is of.
        what: String,
        /// The language.
        language: Language,
    },
    /// A rule without the act that it comes from.
    #[error("{what} cites no act; add \"law\" with the article it follows from")]
    MissingCitation {
        /// What must cite.
        what: String,
    },
    /// Only people of the agency have keys that the log knows.
    #[error("the answer of {request} cannot be signed: no official is asked; remove \"signature\"")]
    NobodySigns {
        /// The request.
        request: String,
    },
    /// Who comes on paper is not told on a page that nobody gave them.
    #[error(
        "channel {channel} is for officials who enter: say with \"notice\" how people are told"
    )]
    NoNotice {
        /// The channel.
        channel: String,
    },
    /// A citation of an act that the pack does not name.
    #[error("{what} cites {citation:?}, which begins with no act of pack.yaml; name the act there")]
    UnknownAct {
        /// What cites.
        what: String,
        /// The citation.
        citation: String,
    },
    /// A citation of a clause that the act does not have.
    #[error("{what} cites {citation:?}; pack.yaml has the act without this clause: add or correct")]
    UnknownClause {
        /// What cites.
        what: String,
        /// The citation.
        citation: String,
    },
    /// One citation names different clauses in different languages.
    #[error("{what} cites one clause in Russian and another one in English; make them agree")]
    CitationsDiffer {
        /// What cites.
        what: String,
    },
    /// A name is defined twice.
    #[error("{what} {name:?} is defined twice; keep one")]
    Duplicate {
        /// What kind of thing.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A name is used that nothing defines.
    #[error("{what} {name:?} is not defined; define it or correct the name")]
    Unknown {
        /// What kind of thing.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The code inside a file is not the one its place says.
    #[error("the file is of {found:?}, its place in the pack says {expected:?}; make them agree")]
    CodeMismatch {
        /// The code by place.
        expected: String,
        /// The code in the file.
        found: String,
    },
    /// The decision that the regulation asks for is not in the model.
    #[error("decision {name:?} is not in the model; name one of its decisions")]
    NoSuchDecision {
        /// The name.
        name: String,
    },

    // ---- steps
    /// Steps wait for one another in a circle.
    #[error("steps wait for one another in a circle: {}; break the circle", path.join(" → "))]
    Cycle {
        /// The steps of the circle, the first again at the end.
        path: Vec<String>,
    },
    /// A step that no case ever comes to.
    #[error("step {step:?} is never reached from registration; add what it comes after")]
    Unreachable {
        /// The step.
        step: String,
    },
    /// The regulation needs exactly one step of this kind.
    #[error("there are {found} steps that {action}, there must be exactly one")]
    StepCount {
        /// What such a step does.
        action: &'static str,
        /// Steps found.
        found: usize,
    },
    /// A step comes after a step after which it makes no sense.
    #[error("step {step:?} comes after {after:?}; {expected}")]
    StepOrder {
        /// The step.
        step: String,
        /// The step before it.
        after: String,
        /// What it may come after.
        expected: &'static str,
    },
    /// The decision would not wait for a mandatory request.
    #[error("the decision does not come after the mandatory request {step:?}; add it to \"after\"")]
    DecisionDoesNotWait {
        /// The request.
        step: String,
    },
    /// A value is read before the request that brings it is answered.
    #[error("{what} reads the answer of {request:?}, which it does not come after; add it")]
    ReadBeforeAnswer {
        /// Who reads.
        what: String,
        /// The request.
        request: String,
    },

    /// The decision is read before it is made.
    #[error("{what} reads {value:?} before the decision is made; only the effect can")]
    ReadBeforeDecision {
        /// Who reads.
        what: String,
        /// The value.
        value: String,
    },

    // ---- requests, people, units
    /// An answer that people give needs fields.
    #[error("request {request:?} is answered by people; add \"kind\", which says what they answer")]
    NoRequestKind {
        /// The request.
        request: String,
    },
    /// A registry has fields of its own.
    #[error("request {request:?} asks a registry, whose fields are its own; remove \"kind\"")]
    KindOfRegistry {
        /// The request.
        request: String,
    },
    /// The one asked would not get what the request must have.
    #[error("request {request:?} may lack {field:?}, which its kind requires; fill it in \"by\"")]
    RequestIncomplete {
        /// The request.
        request: String,
        /// The field.
        field: String,
    },
    /// A field of an answer that no official would see.
    #[error("the field {field:?} of the answer is not in \"display\"; add it")]
    NotDisplayed {
        /// The field.
        field: String,
    },
    /// Units are parts of one another in a circle.
    #[error("units are parts of one another in a circle: {}; break the circle", path.join(" → "))]
    UnitCircle {
        /// The units, the first again at the end.
        path: Vec<String>,
    },
    /// Applicants, representatives or documents cannot be checked as the regulation says.
    #[error("{reason}")]
    Applicants {
        /// What is wrong and what to write.
        reason: String,
    },
    /// A registry that is the program's own.
    #[error(
        "registry {registry}: system registries are computed from the log and are always there; \
         give a registry of your own another code and the kind automatic or manual"
    )]
    SystemRegistry {
        /// Its code.
        registry: String,
    },
    /// A typical decision that puts no decision into words.
    #[error("{reason}")]
    Typical {
        /// What is wrong and what to write.
        reason: String,
    },
    /// An offer that cannot be made as the regulation says.
    #[error("{reason}")]
    Offer {
        /// What is wrong and what to write.
        reason: String,
    },
    /// Payments that cannot be made as the regulation says.
    #[error("{reason}")]
    Payments {
        /// What is wrong and what to write.
        reason: String,
    },
    /// Intake cannot be refused as the regulation says.
    #[error("{reason}")]
    Intake {
        /// What is wrong and what to write.
        reason: String,
    },
    /// A request that brings nothing would stay so, or is followed up as cannot be.
    #[error("{reason}")]
    Escalation {
        /// What is wrong and what to write.
        reason: String,
    },
    /// Nobody would sign.
    #[error("the last stage of an approval is one post, which signs; no stage is empty")]
    ApprovalShape,
    /// A classifier without a value.
    #[error("row {row:?} sets no value of column {column:?} from this day; add it to \"set\"")]
    ClassifierGap {
        /// The row.
        row: String,
        /// The column.
        column: String,
    },

    // ---- form
    /// The schema is not valid JSON Schema 2020-12.
    #[error("the form's schema is not valid JSON Schema 2020-12: {reason}")]
    Schema {
        /// What the schema compiler says.
        reason: String,
    },
    /// The schema uses something that a form cannot have.
    #[error("{pointer}: {reason}")]
    SchemaShape {
        /// JSON pointer into the schema.
        pointer: String,
        /// What is wrong and what to write.
        reason: String,
    },
    /// A field that nothing reads must not be asked for.
    #[error("nothing reads the field {field:?}; do not ask for data that is not needed")]
    FieldNotRead {
        /// The field.
        field: String,
    },
    /// A personal value would be published.
    #[error("{what} is public but is made of {source_field:?}, which is not; make it private")]
    Leak {
        /// What would show it.
        what: String,
        /// The field.
        source_field: String,
    },

    // ---- grounds and decision
    /// A ground that the decision never gives.
    #[error("ground {ground:?} is never given by the decision; remove it or add the rule")]
    GroundUnused {
        /// The ground.
        ground: String,
    },
    /// A ground without anything that supports it.
    #[error(
        "ground {ground:?} names no evidence that every case has; add to \"evidence\" a form \
             field, an input or the answer of a mandatory request"
    )]
    GroundWithoutEvidence {
        /// The ground.
        ground: String,
    },
    /// A decision that gives nothing for inputs that a case may have.
    #[error("the decision gives no answer for {inputs}: {reason}; add a rule for it")]
    NoAnswer {
        /// The inputs.
        inputs: String,
        /// Why there is none.
        reason: String,
    },
    /// The decision model breaks a rule of admission.
    #[error("{0}")]
    Admission(#[from] AdmissionError),
    /// An input of the model that nothing fills.
    #[error("the model's input {name:?} is not filled; add it to \"inputs\"")]
    InputNotFilled {
        /// The input.
        name: String,
    },
    /// A missing value would leave the model without an input.
    #[error("input {name:?} may be missing; say what it is then with \"when_missing\"")]
    InputMayBeMissing {
        /// The input.
        name: String,
    },

    // ---- complex requests
    /// Services are joined in a way that cannot work.
    #[error("{reason}")]
    Complex {
        /// What is wrong and what to write.
        reason: String,
    },
    /// A field that a service needs would never be filled in.
    #[error("{field:?}, which {service:?} needs, is asked nowhere; add it to its \"asks\"")]
    NotCovered {
        /// The service.
        service: String,
        /// The field.
        field: String,
    },

    // ---- numbers, terms, calendars
    /// A number template that cannot make unique numbers.
    #[error("number template {template:?}: {reason}")]
    NumberTemplate {
        /// The template.
        template: String,
        /// What is wrong and what to write.
        reason: String,
    },
    /// A placeholder that a template does not know.
    #[error("the template has no value for {{{{{name}}}}}; use one of: {known}")]
    TemplatePlaceholder {
        /// The name between the braces.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// A lifecycle of no stages, or of too many.
    #[error("the lifecycle has {found} stages; give 1 to {most}, or leave it out")]
    LifecycleShape {
        /// Stages found.
        found: usize,
        /// Most stages.
        most: usize,
    },
    /// A term that cannot be counted.
    #[error("{what}: {reason}")]
    Term {
        /// What has the term.
        what: String,
        /// Why not.
        reason: String,
    },
    /// A calendar that cannot be used.
    #[error("{0}")]
    Calendar(#[from] CalendarError),

    // ---- registries
    /// Only an automatic registry takes results of decisions.
    #[error("registry {registry:?} is {kind}; a decision writes only to an automatic registry")]
    EffectOnRegistry {
        /// The registry.
        registry: String,
        /// Its kind.
        kind: &'static str,
    },
    /// A field of the entry that the effect leaves empty.
    #[error("the effect does not fill the field {field:?} of the registry; fill it")]
    EffectIncomplete {
        /// The field.
        field: String,
    },
    /// How long an entry is in force must be said in one way.
    #[error("the effect needs exactly one of \"valid_years\" and \"valid_months\"")]
    EffectValidity,
    /// A limit on equal values that cannot be kept.
    #[error("{reason}")]
    RegistryLimit {
        /// What is wrong and what to write.
        reason: String,
    },

    /// A case has an official answer a request that no official takes over.
    #[error("case {case:?}: request {request} is never escalated; answer it as the one asked does")]
    CaseNotEscalated {
        /// The case.
        case: String,
        /// The request.
        request: String,
    },
    /// Entries that cannot be shown so.
    #[error("{reason}")]
    Shows {
        /// What is wrong and what to write.
        reason: String,
    },

    /// What is renewed or reviewed in a way that cannot work.
    #[error("{reason}")]
    FollowUp {
        /// What is wrong and what to write.
        reason: String,
    },

    // ---- test cases
    /// A service without tests cannot be published.
    #[error("service {service:?} has no test case for {what}; add one")]
    NotTested {
        /// The service.
        service: String,
        /// What is not tested.
        what: String,
    },
    /// A test case answers a request that is not sent.
    #[error("case {case:?}: request {request:?} is left out for this form; remove its answer")]
    CaseAnswersLeftOut {
        /// Title of the case.
        case: String,
        /// The request.
        request: String,
    },
    /// A test case came out otherwise.
    #[error("case {case:?}: expected {expected}, got {found}; correct the rule or the case")]
    CaseFailed {
        /// Title of the case.
        case: String,
        /// What it expects.
        expected: String,
        /// What came out.
        found: String,
    },
}

impl fmt::Display for PackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.rule),
            None => write!(f, "{}: {}", self.file, self.rule),
        }
    }
}

/// Collects every problem instead of stopping at the first.
#[derive(Debug, Default)]
pub(super) struct Problems {
    errors: Vec<PackError>,
    citations: Vec<Citation>,
}

impl Problems {
    pub(super) fn add(&mut self, file: &str, line: Option<u64>, rule: PackRule) {
        self.errors.push(PackError { file: file.to_owned(), line, rule });
    }

    /// The value, or its problem noted.
    pub(super) fn keep<T>(&mut self, result: Result<T, PackError>) -> Option<T> {
        result.map_err(|error| self.errors.push(error)).ok()
    }

    /// Notes where an act is cited.
    pub(super) fn cite(&mut self, citation: Citation) {
        self.citations.push(citation);
    }

    /// Every citation noted so far; they are noted no more then.
    pub(super) fn citations(&mut self) -> Vec<Citation> {
        std::mem::take(&mut self.citations)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    pub(super) fn into_errors(self) -> Vec<PackError> {
        self.errors
    }
}
