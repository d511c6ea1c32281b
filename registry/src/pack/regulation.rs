//! A regulation: what a service asks, does, decides and enters, and by which acts.
//!
//! The types are those of `regulation.yaml`. Not here: whether the parts fit; see `validate`.

mod applicant;
mod approval;
mod condition;
mod follow_up;
mod offer;
mod payments;
mod request;
mod standard;
mod typical;

use std::collections::BTreeMap;

use letopis_rules::deadline::Term;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::number::NumberTemplate;
use super::registry::Visibility;
use super::value::{Derivation, Scalar, ValueRef};
use crate::code::{
    ChannelCode, FieldPath, GroundCode, OfferCode, RegistryCode, ServiceCode, StepCode, TypicalCode,
};
use crate::messages::{Language, Text};

pub use applicant::{ApplicantKind, ApplicantRule, RepresentativeRule};
pub use approval::{Approval, ApprovalStage, Escalation, IntakeCheck, Post, Role};
pub use condition::Condition;
pub use follow_up::{RenewalRule, ReviewRule};
pub use offer::{Days, Offer, Trigger};
pub use payments::{Every, Payments};
pub use request::{Asked, GivesUp, NoData, RequestRule, Retry, Reuse, Shows, SignedBy, TimedOut};
pub use standard::{Level, Standard};
pub use typical::{TypicalDecision, TypicalOutcome};

/// The channel by which applicants are told on their own page.
pub const PORTAL: &str = "portal";

/// The regulation of one service.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regulation {
    /// The service.
    pub service: Spanned<ServiceCode>,
    /// What people call it.
    #[serde(default)]
    pub title: Text,
    /// The act that the service rests on.
    #[serde(default)]
    pub law: Text,
    /// What the public is told of it beside its rules.
    pub standard: Standard,
    /// Who may apply, and what each kind must give.
    pub applicants: Vec<ApplicantRule>,
    /// What somebody must give who applies for another; without it nobody may.
    #[serde(default)]
    pub representative: Option<RepresentativeRule>,
    /// How applications may come.
    pub channels: Vec<Channel>,
    /// Documents that an applicant must bring; none when the agency asks for all facts itself.
    #[serde(default)]
    pub documents: Vec<DocumentAsked>,
    /// How cases are numbered.
    pub number: NumberTemplate,
    /// How long a case may take.
    pub term: TermRule,
    /// What is done, as a graph.
    pub steps: Vec<Step>,
    /// The closed list of grounds for not taking an application at all.
    #[serde(default)]
    pub intake_grounds: Vec<Ground>,
    /// How refusals of intake are numbered; without it they have no number.
    #[serde(default)]
    pub intake_number: Option<NumberTemplate>,
    /// Who may still refuse the intake of what is registered; without it nobody may.
    #[serde(default)]
    pub intake_check: Option<IntakeCheck>,
    /// The closed list of grounds for refusal.
    pub grounds: Vec<Ground>,
    /// How the case is decided.
    pub decision: DecisionRule,
    /// Who proposes, agrees and signs; without it the decision is automatic.
    #[serde(default)]
    pub approval: Option<Approval>,
    /// Who takes over requests that bring nothing; who proposes, without it.
    #[serde(default)]
    pub escalation: Option<Escalation>,
    /// Reasons that the official who proposes can take over.
    #[serde(default)]
    pub typical_decisions: Vec<TypicalDecision>,
    /// What a granted case enters.
    pub effect: Effect,
    /// When the service is offered of itself.
    #[serde(default)]
    pub offers: Vec<Offer>,
    /// What a granted entry pays; nothing without it.
    #[serde(default)]
    pub payments: Option<Payments>,
    /// When an entry may be renewed; without it nobody may.
    #[serde(default)]
    pub renewal: Option<RenewalRule>,
    /// Which facts are watched while an entry is in force; without it none is.
    #[serde(default)]
    pub review: Option<ReviewRule>,
}

/// A way in which applications come.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// Its code.
    pub code: Spanned<ChannelCode>,
    /// What people call it.
    #[serde(default)]
    pub title: Text,
    /// How the applicant is told of what happens; on the portal without it.
    #[serde(default)]
    pub notice: Option<ChannelCode>,
    /// Whether only a draft comes this way, which the applicant must submit by another one.
    #[serde(default)]
    pub draft_only: bool,
    /// Whether somebody of the agency enters the application, perhaps days after it came.
    #[serde(default)]
    pub entered_by_official: bool,
    /// Whether cases begin by themselves this way, and nobody applies by it.
    #[serde(default)]
    pub by_rule: bool,
}

/// A document that the applicant brings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentAsked {
    /// The form's group that holds its `sha256`, `size_bytes` and `media_type`.
    #[serde(default)]
    pub form: Option<Spanned<FieldPath>>,
    /// What it is.
    #[serde(default)]
    pub title: Text,
    /// The act that asks for it.
    #[serde(default)]
    pub law: Text,
    /// Media types that are taken; empty when every one is.
    #[serde(default)]
    pub accept: Vec<String>,
    /// The intake ground when the type is another one.
    #[serde(default)]
    pub ground: Option<Spanned<GroundCode>>,
}

/// A term with the act that sets it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TermRule {
    /// How long.
    pub length: Term,
    /// The act that sets it.
    #[serde(default)]
    pub law: Text,
}

/// A step of the service.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its code.
    pub code: Spanned<StepCode>,
    /// What people call it.
    #[serde(default)]
    pub title: Text,
    /// The act that has it done.
    #[serde(default)]
    pub law: Text,
    /// The steps that it waits for.
    #[serde(default)]
    pub after: Vec<Spanned<StepCode>>,
    /// What it does.
    pub action: Action,
}

/// What a step does.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Gives the application its number and term.
    Register,
    /// Asks for facts.
    Request(Box<RequestRule>),
    /// Decides.
    Decide,
    /// Issues the result and makes the registry entry.
    Grant,
    /// Issues the refusal.
    Refuse,
}

/// A ground for refusal.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ground {
    /// Its code.
    pub code: Spanned<GroundCode>,
    /// What the applicant reads.
    #[serde(default)]
    pub text: Text,
    /// The act that allows it.
    #[serde(default)]
    pub law: Text,
    /// What supports it.
    #[serde(default)]
    pub evidence: Vec<Spanned<EvidenceRule>>,
}

/// Which fact of the case supports a ground.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceRule {
    /// A field of the form.
    Form(FieldPath),
    /// The answer of a request.
    Answer(StepCode),
    /// An input of the decision.
    Input(String),
}

/// How a case is decided.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionRule {
    /// Name or id of the decision in `decision.md` or `decision.dmn`.
    /// It gives an object: `outcome` ("granted" or
    /// "refused"), `grounds` (a list of ground codes) and what the effect needs.
    pub name: Spanned<String>,
    /// How its inputs are filled.
    pub inputs: Vec<InputRule>,
}

/// How an input of the decision is filled.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputRule {
    /// Name of the input in the model.
    pub name: Spanned<String>,
    /// Who may see the value.
    pub visibility: Visibility,
    /// How it is made.
    pub from: Derivation,
    /// What it is when the values that it is made of are missing.
    #[serde(default)]
    pub when_missing: Option<Scalar>,
}

/// What a granted case enters.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Effect {
    /// The registry.
    pub registry: Spanned<RegistryCode>,
    /// Values by field of the entry.
    pub fields: BTreeMap<FieldPath, ValueRef>,
    /// How many years the entry is in force: a member of what the decision gives.
    #[serde(default)]
    pub valid_years: Option<String>,
    /// How many months the entry is in force: a member of what the decision gives.
    #[serde(default)]
    pub valid_months: Option<String>,
}

impl Regulation {
    /// The step of a code.
    #[must_use]
    pub fn step(&self, code: &StepCode) -> Option<&Step> {
        self.steps.iter().find(|step| &step.code.value == code)
    }

    /// The request of a code.
    #[must_use]
    pub fn request(&self, code: &StepCode) -> Option<&RequestRule> {
        self.step(code).and_then(Step::request)
    }

    /// The requests with their steps, in the order of the regulation.
    pub fn requests(&self) -> impl Iterator<Item = (&Step, &RequestRule)> {
        self.steps.iter().filter_map(|step| Some((step, step.request()?)))
    }

    /// The post that takes over requests that bring nothing.
    #[must_use]
    pub fn escalates_to(&self) -> Option<&Post> {
        let named = self.escalation.as_ref().map(|escalation| &escalation.to);
        named.or_else(|| self.approval.as_ref().map(|approval| &approval.proposes))
    }

    /// The typical decision of a code.
    #[must_use]
    pub fn typical(&self, code: &TypicalCode) -> Option<&TypicalDecision> {
        self.typical_decisions.iter().find(|typical| &typical.code.value == code)
    }

    /// The offer of a code.
    #[must_use]
    pub fn offer(&self, code: &OfferCode) -> Option<&Offer> {
        self.offers.iter().find(|offer| &offer.code.value == code)
    }

    /// The field of the entry that holds the amount of payments.
    #[must_use]
    pub fn payment_field(&self, payments: &Payments) -> Option<&FieldPath> {
        let mut fields = self.effect.fields.iter();
        fields.find(|(_, value)| **value == payments.amount.value).map(|(field, _)| field)
    }

    /// The first channel that is open to applicants themselves.
    #[must_use]
    pub fn applicants_channel(&self) -> Option<&ChannelCode> {
        let own = |open: &&Channel| !open.draft_only && !open.entered_by_official && !open.by_rule;
        self.channels.iter().find(own).map(|open| &open.code.value)
    }

    /// The registry whose entries trigger an offer.
    #[must_use]
    pub fn offer_registry<'a>(&'a self, offer: &'a Offer) -> &'a RegistryCode {
        match &offer.trigger {
            Trigger::EntryCreated { registry } => &registry.value,
            Trigger::EntryEnds { .. } => &self.effect.registry.value,
        }
    }

    /// The ground of a code.
    #[must_use]
    pub fn ground(&self, code: &GroundCode) -> Option<&Ground> {
        self.grounds.iter().find(|ground| &ground.code.value == code)
    }

    /// Grounds as people read them, a line of a Markdown list for each: code, text, act.
    #[must_use]
    pub fn ground_list<'a>(
        &self,
        codes: impl IntoIterator<Item = &'a GroundCode>,
        language: Language,
    ) -> String {
        let line = |code: &GroundCode| {
            let ground = self.ground(code)?;
            let (text, law) = (ground.text.in_language(language), ground.law.in_language(language));
            Some(format!("- {code}: {text}. {law}."))
        };
        codes.into_iter().filter_map(line).collect::<Vec<_>>().join("\n")
    }

    /// The input of a name.
    #[must_use]
    pub fn input(&self, name: &str) -> Option<&InputRule> {
        self.decision.inputs.iter().find(|input| input.name.value == name)
    }

    /// The channel of a code; nothing when the service is not open to it.
    #[must_use]
    pub fn channel(&self, code: &ChannelCode) -> Option<&Channel> {
        self.channels.iter().find(|open| &open.code.value == code)
    }

    /// The acts that the regulation cites, each perhaps several times.
    pub fn laws(&self) -> impl Iterator<Item = &Text> {
        let own = [&self.law, &self.standard.law, &self.term.law];
        let represented = self.representative.iter().map(|rule| &rule.law);
        let documents = self.documents.iter().map(|document| &document.law);
        let terms = self.requests().flat_map(|(_, rule)| {
            let others = rule.suspends.iter().chain(&rule.changes_term);
            others.chain([&rule.term]).map(|term| &term.law)
        });
        let grounds = self.grounds.iter().chain(&self.intake_grounds).map(|ground| &ground.law);
        let steps = self.steps.iter().map(|step| &step.law);
        own.into_iter().chain(represented).chain(documents).chain(steps).chain(terms).chain(grounds)
    }

    /// Every value that the regulation reads, each perhaps several times.
    pub fn values(&self) -> impl Iterator<Item = &ValueRef> {
        let requests = self.requests().flat_map(|(_, rule)| {
            rule.by.values().chain(rule.when.iter().flat_map(Condition::values))
        });
        let inputs = self.decision.inputs.iter().flat_map(|input| input.from.values());
        requests.chain(inputs).chain(self.effect.fields.values())
    }
}

impl Channel {
    /// How the applicant is told of what happens.
    #[must_use]
    pub fn told_by(&self) -> &str {
        self.notice.as_ref().map_or(PORTAL, ChannelCode::as_str)
    }
}

impl Step {
    /// What the step asks, if it is a request.
    #[must_use]
    pub fn request(&self) -> Option<&RequestRule> {
        if let Action::Request(request) = &self.action { Some(request) } else { None }
    }

    /// The steps that it waits for.
    pub fn waits_for(&self) -> impl Iterator<Item = &StepCode> {
        self.after.iter().map(|step| &step.value)
    }
}

impl Action {
    /// What the step does, in words.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Request(_) => "request",
            Self::Decide => "decide",
            Self::Grant => "grant",
            Self::Refuse => "refuse",
        }
    }
}
