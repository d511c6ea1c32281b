//! What the public is told of a service, read from its regulation.

use letopis_registry::code::ServiceCode;
use letopis_registry::engine::InstalledPack;
use letopis_registry::messages::Text;
use letopis_registry::pack::{
    Action, ApplicantRule, Asked, Channel, DocumentAsked, Ground, Regulation, RequestRule, Step,
    TermRule,
};
use letopis_rules::deadline::Term;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::super::application::TextDto;

/// A service.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServiceDto {
    code: String,
    title: TextDto,
    /// The act that the service rests on.
    law: TextDto,
    agency: String,
    /// Code and version of the pack that new applications follow.
    pack: String,
    version: u32,
    standard: StandardDto,
    /// Who may apply, and what each must give beside what the form asks of everybody.
    applicants: Vec<ApplicantDto>,
    /// The act that lets somebody apply for another; absent when nobody may.
    representative: Option<TextDto>,
    channels: Vec<ChannelDto>,
    /// Documents that the applicant brings.
    documents: Vec<DocumentDto>,
    term: TermDto,
    /// What is done, in the order of the regulation.
    steps: Vec<StepDto>,
    /// For which reasons an application is not taken at all.
    intake_grounds: Vec<GroundDto>,
    /// For which reasons it is refused.
    grounds: Vec<GroundDto>,
    /// `rules` alone, or `officials` on what the rules say.
    decided_by: &'static str,
    /// What can be done without coming, and how.
    actions: Vec<ActionDto>,
    /// Every act that is cited above.
    acts: Vec<ActDto>,
    /// The JSON Schema of the form.
    #[schema(value_type = Object)]
    form: Value,
}

/// The standard of a service.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StandardDto {
    /// `national`, `regional` or `municipal`.
    level: &'static str,
    /// What somebody gets whose application is granted.
    result: TextDto,
    /// What it costs; it is free when absent.
    fee: Option<TextDto>,
    /// Longest wait in a queue, in minutes.
    queue_minutes: u32,
    /// How a time at the agency is booked; absent when nobody needs one.
    appointment: Option<TextDto>,
    law: TextDto,
}

/// Who may apply.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApplicantDto {
    kind: &'static str,
    required: Vec<String>,
    absent: Vec<String>,
}

/// A way in which applications come.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChannelDto {
    code: String,
    title: TextDto,
    /// Who applies by it: `applicants`, `officials` who enter what came, `drafts` that the
    /// applicant submits another way, or `nobody`: cases begin by themselves.
    open_to: &'static str,
    /// How the applicant is told of what happens.
    notice: String,
}

/// A document that the applicant brings.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DocumentDto {
    title: TextDto,
    /// The group of the form that holds it; absent when it is shown and not handed in.
    form: Option<String>,
    /// Media types that are taken; empty when every one is.
    accept: Vec<String>,
    law: TextDto,
}

/// A term.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TermDto {
    /// `working_days`, `calendar_days` or `hours`.
    unit: &'static str,
    count: u32,
    law: TextDto,
}

/// A step.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StepDto {
    code: String,
    title: TextDto,
    law: TextDto,
    /// The steps that it waits for.
    after: Vec<String>,
    /// `register`, `request`, `decide`, `grant` or `refuse`.
    action: &'static str,
    request: Option<AskedDto>,
}

/// What a step asks: the package that goes to the one asked, and what comes back.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AskedDto {
    /// `registry`, `external`, `organisation`, `unit`, `head`, `executor` or `applicant`.
    kind: &'static str,
    /// Who is asked: a code or a name; absent for the applicant.
    of: Option<String>,
    /// Values of the case that are sent.
    sends: Vec<String>,
    /// Facts that come back.
    takes: Vec<String>,
    mandatory: bool,
    blocking: bool,
    /// The condition on which it is sent at all.
    condition: Option<String>,
    term: TermDto,
    /// For how long the clock of the case stands still meanwhile.
    suspends: Option<TermDto>,
}

/// A ground.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GroundDto {
    code: String,
    text: TextDto,
    law: TextDto,
}

/// An action of the applicant.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ActionDto {
    /// `inform`, `book`, `apply`, `pay`, `track` or `result`.
    action: &'static str,
    /// Whether it is possible without coming.
    electronic: bool,
    /// Channels by which it is; empty where the action is not bound to one.
    channels: Vec<String>,
}

/// An act.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ActDto {
    /// How it is cited.
    cite: TextDto,
    title: TextDto,
    /// The day on which it was adopted.
    adopted: String,
}

impl ServiceDto {
    pub(super) fn of(code: &ServiceCode, installed: &InstalledPack) -> Option<Self> {
        let service = installed.service(code)?;
        let (pack, regulation) = (&installed.pack, &service.regulation);
        let form = pack.files().get(&format!("services/{code}/form.schema.json"))?;
        let grounds = |grounds: &[Ground]| grounds.iter().map(GroundDto::of).collect();
        Some(Self {
            code: code.to_string(),
            title: TextDto::of(&regulation.title),
            law: TextDto::of(&regulation.law),
            agency: pack.agency().to_string(),
            pack: pack.code().to_string(),
            version: pack.version(),
            standard: StandardDto::of(regulation),
            applicants: regulation.applicants.iter().map(ApplicantDto::of).collect(),
            representative: regulation.representative.as_ref().map(|rule| TextDto::of(&rule.law)),
            channels: regulation.channels.iter().map(ChannelDto::of).collect(),
            documents: regulation.documents.iter().map(DocumentDto::of).collect(),
            term: TermDto::of(&regulation.term),
            steps: regulation.steps.iter().map(StepDto::of).collect(),
            intake_grounds: grounds(&regulation.intake_grounds),
            grounds: grounds(&regulation.grounds),
            decided_by: if regulation.approval.is_some() { "officials" } else { "rules" },
            actions: actions(regulation),
            acts: pack.acts_of(regulation).map(ActDto::of).collect(),
            form: serde_json::from_slice(form).ok()?,
        })
    }
}

/// The matrix of actions, as the regulation makes it.
fn actions(regulation: &Regulation) -> Vec<ActionDto> {
    let open = regulation.channels.iter().filter(|channel| open_to(channel) == "applicants");
    let applies: Vec<String> = open.map(|channel| channel.code.value.to_string()).collect();
    let action = |action, electronic| ActionDto { action, electronic, channels: vec![] };
    let apply = ActionDto { action: "apply", electronic: !applies.is_empty(), channels: applies };
    let standard = &regulation.standard;
    let book = standard.appointment.as_ref().map(|_| action("book", false));
    let pay = standard.fee.as_ref().map(|_| action("pay", false));
    let always = [action("track", true), action("result", true)];
    [action("inform", true)]
        .into_iter()
        .chain(book)
        .chain([apply])
        .chain(pay)
        .chain(always)
        .collect()
}

const fn open_to(channel: &Channel) -> &'static str {
    match (channel.by_rule, channel.draft_only, channel.entered_by_official) {
        (true, _, _) => "nobody",
        (_, true, _) => "drafts",
        (_, _, true) => "officials",
        _ => "applicants",
    }
}

impl StandardDto {
    fn of(regulation: &Regulation) -> Self {
        let standard = &regulation.standard;
        Self {
            level: standard.level.as_str(),
            result: TextDto::of(&standard.result),
            fee: standard.fee.as_ref().map(TextDto::of),
            queue_minutes: standard.queue_minutes,
            appointment: standard.appointment.as_ref().map(TextDto::of),
            law: TextDto::of(&standard.law),
        }
    }
}

impl ApplicantDto {
    fn of(rule: &ApplicantRule) -> Self {
        Self {
            kind: rule.kind.as_str(),
            required: rule.required.iter().map(|field| field.value.to_string()).collect(),
            absent: rule.absent.iter().map(|field| field.value.to_string()).collect(),
        }
    }
}

impl ChannelDto {
    fn of(channel: &Channel) -> Self {
        Self {
            code: channel.code.value.to_string(),
            title: TextDto::of(&channel.title),
            open_to: open_to(channel),
            notice: channel.told_by().to_owned(),
        }
    }
}

impl DocumentDto {
    fn of(document: &DocumentAsked) -> Self {
        Self {
            title: TextDto::of(&document.title),
            form: document.form.as_ref().map(|form| form.value.to_string()),
            accept: document.accept.clone(),
            law: TextDto::of(&document.law),
        }
    }
}

impl TermDto {
    fn of(rule: &TermRule) -> Self {
        let (unit, count) = match rule.length {
            Term::WorkingDays(days) => ("working_days", days),
            Term::CalendarDays(days) => ("calendar_days", days),
            Term::Hours(hours) => ("hours", hours),
        };
        Self { unit, count, law: TextDto::of(&rule.law) }
    }
}

impl StepDto {
    fn of(step: &Step) -> Self {
        Self {
            code: step.code.value.to_string(),
            title: TextDto::of(&step.title),
            law: TextDto::of(&step.law),
            after: step.waits_for().map(ToString::to_string).collect(),
            action: step.action.as_str(),
            request: match &step.action {
                Action::Request(rule) => Some(AskedDto::of(rule)),
                _ => None,
            },
        }
    }
}

impl AskedDto {
    fn of(rule: &RequestRule) -> Self {
        let (kind, of) = match &rule.from {
            Asked::Registry(registry) => ("registry", Some(registry.value.to_string())),
            Asked::Addressee(name) => ("external", Some(name.clone())),
            Asked::Organisation(name) => ("organisation", Some(name.clone())),
            Asked::Unit(unit) => ("unit", Some(unit.value.to_string())),
            Asked::Head(unit) => ("head", Some(unit.value.to_string())),
            Asked::Executor(unit) => ("executor", Some(unit.value.to_string())),
            Asked::Applicant(_) => ("applicant", None),
        };
        Self {
            kind,
            of,
            sends: rule.by.values().map(ToString::to_string).collect(),
            takes: rule.take.iter().map(|field| field.value.to_string()).collect(),
            mandatory: rule.mandatory,
            blocking: rule.blocking,
            condition: rule.when.as_ref().map(ToString::to_string),
            term: TermDto::of(&rule.term),
            suspends: rule.suspends.as_ref().map(TermDto::of),
        }
    }
}

impl GroundDto {
    fn of(ground: &Ground) -> Self {
        Self {
            code: ground.code.value.to_string(),
            text: TextDto::of(&ground.text),
            law: TextDto::of(&ground.law),
        }
    }
}

impl ActDto {
    fn of(act: &letopis_registry::pack::Act) -> Self {
        let title: &Text = act.title.as_ref().unwrap_or(&act.cite.value);
        Self {
            cite: TextDto::of(&act.cite.value),
            title: TextDto::of(title),
            adopted: act.adopted.0.to_string(),
        }
    }
}
