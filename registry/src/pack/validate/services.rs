//! Rules of a service: its regulation, form, decision, effect, templates and test cases.

use std::collections::BTreeSet;

use serde_saphyr::Spanned;

use super::sources::Sources;
use super::{law, text};
use crate::code::{FieldPath, StepCode};
use crate::pack::cases::{ExpectedOutcome, GivenAnswer};
use crate::pack::error::{PackRule, Problems};
use crate::pack::registry::RegistryKind;
use crate::pack::regulation::{Action, EvidenceRule, Ground, InputRule, Standard};
use crate::pack::value::{Derivation, ValueRef};
use crate::pack::{Parts, Service, StepGraph};

/// Values that every template may show, beside `form.<field>`.
const DOCUMENT_VALUES: &[&str] = &[
    "case.number",
    "case.registered_on",
    "case.due",
    "decision.date",
    "decision.grounds",
    "result.number",
    "result.valid_from",
    "result.valid_until",
];

pub(in crate::pack) fn service(service: &Service, parts: &Parts, problems: &mut Problems) {
    let file = format!("services/{}/regulation.yaml", service.regulation.service.value);
    let sources = Sources { service, parts, file: &file, read: BTreeSet::new() };
    let mut check = Check { service, file: &file, sources, problems };
    check.texts();
    check.names();
    check.people();
    check.steps();
    let Some((decide, grant)) = check.ends() else { return };
    for (step, request) in service.regulation.requests() {
        check.request(step, request, &decide);
    }
    check.inputs(&decide);
    check.grounds(&decide);
    check.effect(&grant);
    check.follow_ups();
    check.templates();
    check.typical_decisions();
    check.offers();
    check.payments();
    check.fields_are_read();
    check.cases();
}

/// The check of one service.
pub(super) struct Check<'a, 'p> {
    pub(super) service: &'a Service,
    pub(super) file: &'a str,
    pub(super) sources: Sources<'a>,
    pub(super) problems: &'p mut Problems,
}

pub(super) fn line<T>(spanned: &Spanned<T>) -> Option<u64> {
    Some(spanned.referenced.line())
}

impl Check<'_, '_> {
    pub(super) fn add(&mut self, line: Option<u64>, rule: PackRule) {
        self.problems.add(self.file, line, rule);
    }

    pub(super) fn unknown(&mut self, line: Option<u64>, what: &'static str, name: &impl ToString) {
        self.add(line, PackRule::Unknown { what, name: name.to_string() });
    }

    fn texts(&mut self) {
        let regulation = &self.service.regulation;
        let at = line(&regulation.service);
        text(self.problems, self.file, at, "the service's title", &regulation.title);
        law(self.problems, self.file, at, "the service", &regulation.law);
        law(self.problems, self.file, at, "the term", &regulation.term.law);
        self.term(at, "the term", regulation.term.length);
        for channel in &regulation.channels {
            let what = format!("channel {}", channel.code.value);
            text(self.problems, self.file, line(&channel.code), &what, &channel.title);
            if channel.entered_by_official && channel.notice.is_none() {
                let (at, channel) = (line(&channel.code), channel.code.value.to_string());
                self.add(at, PackRule::NoNotice { channel });
            }
        }
        for step in &regulation.steps {
            let what = format!("step {}", step.code.value);
            text(self.problems, self.file, line(&step.code), &what, &step.title);
            law(self.problems, self.file, line(&step.code), &what, &step.law);
        }
        self.standard(at);
        for ground in regulation.grounds.iter().chain(&regulation.intake_grounds) {
            let what = format!("ground {}", ground.code.value);
            text(self.problems, self.file, line(&ground.code), &what, &ground.text);
            law(self.problems, self.file, line(&ground.code), &what, &ground.law);
        }
    }

    fn standard(&mut self, at: Option<u64>) {
        let Standard { result, fee, appointment, law: act, .. } = &self.service.regulation.standard;
        text(self.problems, self.file, at, "the result of the standard", result);
        for (what, told) in [("fee", fee), ("appointment", appointment)] {
            if let Some(told) = told {
                let what = format!("the {what} of the standard");
                text(self.problems, self.file, at, &what, told);
            }
        }
        law(self.problems, self.file, at, "the standard", act);
    }

    pub(super) fn term(
        &mut self,
        line: Option<u64>,
        what: &str,
        term: letopis_rules::deadline::Term,
    ) {
        if let Err(rule) = check_term(what, term) {
            self.add(line, rule);
        }
    }

    fn names(&mut self) {
        let regulation = &self.service.regulation;
        let steps = regulation.steps.iter().map(|step| ("step", at(&step.code)));
        let grounds = regulation.grounds.iter().chain(&regulation.intake_grounds);
        let grounds = grounds.map(|ground| ("ground", at(&ground.code)));
        let channels = regulation.channels.iter().map(|channel| ("channel", at(&channel.code)));
        let inputs = regulation.decision.inputs.iter().map(|input| ("input", at(&input.name)));
        let typical = regulation.typical_decisions.iter();
        let inputs = inputs.chain(typical.map(|one| ("typical decision", at(&one.code))));
        let inputs = inputs.chain(regulation.offers.iter().map(|one| ("offer", at(&one.code))));
        let mut seen = BTreeSet::new();
        for (what, (name, line)) in steps.chain(grounds).chain(channels).chain(inputs) {
            if !seen.insert((what, name.clone())) {
                self.add(line, PackRule::Duplicate { what, name });
            }
        }
        for step in &regulation.steps {
            for after in &step.after {
                if regulation.step(&after.value).is_none() {
                    self.unknown(line(after), "step", &after.value);
                }
            }
        }
    }

    fn steps(&mut self) {
        let regulation = &self.service.regulation;
        let registration = StepGraph::registration(regulation);
        for step in &regulation.steps {
            let code = &step.code;
            let reached = registration.is_some_and(|first| {
                first == &code.value || self.service.graph.comes_after(&code.value, first)
            });
            if !reached {
                self.add(line(code), PackRule::Unreachable { step: code.value.to_string() });
            }
            for after in &step.after {
                let Some(earlier) = regulation.step(&after.value) else { continue };
                if let Some(expected) = misplaced(&step.action, &earlier.action) {
                    let (step, after) = (code.value.to_string(), earlier.code.value.to_string());
                    self.add(line(code), PackRule::StepOrder { step, after, expected });
                }
            }
        }
    }

    /// The steps that decide and grant, when there is exactly one of each kind.
    fn ends(&mut self) -> Option<(StepCode, StepCode)> {
        let steps = &self.service.regulation.steps;
        let mut complete = true;
        for action in ["register", "decide", "grant", "refuse"] {
            let found = steps.iter().filter(|step| step.action.as_str() == action).count();
            if found != 1 {
                complete = false;
                self.add(None, PackRule::StepCount { action, found });
            }
        }
        let of = |action: &str| {
            let step = steps.iter().find(|step| step.action.as_str() == action)?;
            Some(step.code.value.clone())
        };
        if complete { of("decide").zip(of("grant")) } else { None }
    }

    fn inputs(&mut self, decide: &StepCode) {
        let rule = &self.service.regulation.decision;
        let Some(needed) = self.service.model.inputs(&rule.name.value) else {
            let name = rule.name.value.clone();
            return self.add(line(&rule.name), PackRule::NoSuchDecision { name });
        };
        for spec in &needed {
            if !rule.inputs.iter().any(|input| input.name.value == spec.name) {
                let name = spec.name.clone();
                self.add(line(&rule.name), PackRule::InputNotFilled { name });
            }
        }
        for input in &rule.inputs {
            if !needed.iter().any(|spec| spec.name == input.name.value) {
                self.unknown(line(&input.name), "input of the model", &input.name.value);
            }
            self.input(input, decide);
        }
    }

    fn input(&mut self, input: &InputRule, decide: &StepCode) {
        let (at, what) = (line(&input.name), format!("input {}", input.name.value));
        for value in input.from.values() {
            self.sources.check(self.problems, at, value, &what, decide);
        }
        match &input.from {
            Derivation::Found(request) => {
                let rule = self.sources.answer(self.problems, at, request, &what, decide);
                if rule.is_some_and(|rule| !rule.mandatory) && input.when_missing.is_none() {
                    let name = input.name.value.clone();
                    self.add(at, PackRule::InputMayBeMissing { name });
                }
            }
            Derivation::Value(value) | Derivation::Age(value) => self.made_of(input, &[value]),
            Derivation::Sum(sum) if !sum.missing_as_zero => {
                self.made_of(input, &sum.of.iter().collect::<Vec<_>>());
            }
            Derivation::Sum(sum) => self.no_leak(input, &sum.of.iter().collect::<Vec<_>>()),
            Derivation::Holds(condition) => self.condition(at, condition, &what, decide),
            Derivation::Entries(entries) | Derivation::AnyEntry(entries) => {
                match self.sources.parts.registries.get(&entries.registry) {
                    Some(found) => self.keys(at, found, entries.by.keys()),
                    None => self.unknown(at, "registry", &entries.registry),
                }
            }
            Derivation::Equal(_) | Derivation::Among { .. } => {}
        }
        if input.when_missing.as_ref().is_some_and(|value| value.to_json().is_none()) {
            let reason = "\"when_missing\" is out of range or not in form C".to_owned();
            self.add(at, PackRule::Malformed { reason });
        }
    }

    /// That an input which shows values neither leaks them nor may be without them unawares.
    fn made_of(&mut self, input: &InputRule, values: &[&ValueRef]) {
        self.no_leak(input, values);
        let missing = values.iter().any(|value| self.sources.may_be_missing(value));
        if missing && input.when_missing.is_none() {
            let name = input.name.value.clone();
            self.add(line(&input.name), PackRule::InputMayBeMissing { name });
        }
    }

    fn no_leak(&mut self, input: &InputRule, values: &[&ValueRef]) {
        let what = format!("input {}", input.name.value);
        for value in values.iter().filter(|_| input.visibility.is_public()) {
            self.sources.leak(self.problems, line(&input.name), value, &what);
        }
    }

    fn grounds(&mut self, decide: &StepCode) {
        let service = self.service;
        for ground in &service.regulation.grounds {
            if !ground.evidence.iter().any(|evidence| self.is_certain(&evidence.value)) {
                let name = ground.code.value.to_string();
                self.add(line(&ground.code), PackRule::GroundWithoutEvidence { ground: name });
            }
            self.evidence(ground, decide);
            let refused = service.cases.iter().any(|case| {
                case.expect.outcome == ExpectedOutcome::Refused
                    && case.expect.grounds.contains(&ground.code.value)
            });
            if !refused {
                // A ground that no passing case gives is one that the decision never gives.
                let name = ground.code.value.to_string();
                self.add(line(&ground.code), PackRule::GroundUnused { ground: name });
            }
        }
    }

    fn evidence(&mut self, ground: &Ground, decide: &StepCode) {
        let what = format!("ground {}", ground.code.value);
        for evidence in &ground.evidence {
            let at = line(evidence);
            match &evidence.value {
                EvidenceRule::Form(field) => self.sources.form_field(self.problems, at, field),
                EvidenceRule::Answer(request) => {
                    self.sources.answer(self.problems, at, request, &what, decide);
                }
                EvidenceRule::Input(name) => {
                    if self.service.regulation.input(name).is_none() {
                        self.unknown(at, "input", name);
                    }
                }
            }
        }
    }

    /// Whether every decided case has the fact.
    fn is_certain(&self, evidence: &EvidenceRule) -> bool {
        match evidence {
            EvidenceRule::Form(_) | EvidenceRule::Input(_) => true,
            EvidenceRule::Answer(request) => {
                let rule = self.service.regulation.request(request);
                rule.is_some_and(|rule| rule.mandatory && rule.when.is_none())
            }
        }
    }

    fn effect(&mut self, grant: &StepCode) {
        let effect = &self.service.regulation.effect;
        let at = line(&effect.registry);
        if effect.valid_years.is_some() == effect.valid_months.is_some() {
            self.add(at, PackRule::EffectValidity);
        }
        let Some(registry) = self.sources.parts.registries.get(&effect.registry.value) else {
            return self.unknown(at, "registry", &effect.registry.value);
        };
        if registry.kind != RegistryKind::Automatic {
            let (name, kind) = (effect.registry.value.to_string(), registry.kind.as_str());
            self.add(at, PackRule::EffectOnRegistry { registry: name, kind });
        }
        for (field, value) in &effect.fields {
            let what = format!("field {field} of the entry");
            self.sources.check(self.problems, at, value, &what, grant);
            match registry.field(field) {
                None => self.unknown(at, "field of the registry", field),
                Some(found) if found.visibility.is_public() => {
                    self.sources.leak(self.problems, at, value, &what);
                }
                Some(_) => {}
            }
        }
        for field in &registry.fields {
            let name = &field.name.value;
            let filled = effect.fields.get(name);
            let missing = filled.is_none_or(|value| {
                matches!(value, ValueRef::Classifier { .. }) || self.sources.may_be_missing(value)
            });
            if missing && !field.optional {
                self.add(at, PackRule::EffectIncomplete { field: name.to_string() });
            }
        }
    }

    fn templates(&mut self) {
        let folder = format!("services/{}", self.service.regulation.service.value);
        for ((kind, language), template) in &self.service.templates {
            let file = format!("{folder}/{}", kind.path(*language));
            for name in template.names() {
                let field = name.strip_prefix("form.").and_then(|f| FieldPath::parse(f).ok());
                match field {
                    Some(field) if self.service.form.fields().contains_key(&field) => {
                        self.sources.read.insert(field);
                    }
                    _ if DOCUMENT_VALUES.contains(&name) => {}
                    _ if kind.shows_entry() && self.is_of_the_entry(name) => {}
                    _ => {
                        let known = DOCUMENT_VALUES.join(", ");
                        let known = format!("{known}, form.<field>, entry.<field> of a result");
                        let name = name.to_owned();
                        let rule = PackRule::TemplatePlaceholder { name, known };
                        self.problems.add(&file, None, rule);
                    }
                }
            }
        }
    }

    /// Whether a template names a field of the entry that a granted case makes.
    fn is_of_the_entry(&self, name: &str) -> bool {
        let field = name.strip_prefix("entry.").and_then(|field| FieldPath::parse(field).ok());
        let effect = &self.service.regulation.effect;
        field.is_some_and(|field| effect.fields.keys().any(|known| *known == field))
    }

    fn fields_are_read(&mut self) {
        let file = format!("services/{}/form.schema.json", self.service.regulation.service.value);
        for field in self.service.form.fields().keys() {
            if !self.sources.read.contains(field) {
                let field = field.to_string();
                self.problems.add(&file, None, PackRule::FieldNotRead { field });
            }
        }
    }

    fn cases(&mut self) {
        let granted =
            |case: &crate::pack::TestCase| case.expect.outcome == ExpectedOutcome::Granted;
        if !self.service.cases.iter().any(granted) {
            let service = self.service.regulation.service.value.to_string();
            let what = "an application that is granted".to_owned();
            self.add(None, PackRule::NotTested { service, what });
        }
        for case in &self.service.cases {
            let line = line(&case.title);
            for (request, answer) in &case.answers {
                let Some(rule) = self.service.regulation.request(request) else {
                    let (what, name) = ("request", request.to_string());
                    self.problems.add(&case.file, line, PackRule::Unknown { what, name });
                    continue;
                };
                let GivenAnswer::Answered(facts) = answer else { continue };
                for fact in facts.keys() {
                    if !rule.take.iter().any(|taken| &taken.value == fact) {
                        let (what, name) = ("fact taken", format!("answer.{request}.{fact}"));
                        self.problems.add(&case.file, line, PackRule::Unknown { what, name });
                    }
                }
            }
        }
    }
}

fn at<T: ToString>(spanned: &Spanned<T>) -> (String, Option<u64>) {
    (spanned.value.to_string(), line(spanned))
}

/// What a step may come after, when it does not come after `earlier`.
fn misplaced(action: &Action, earlier: &Action) -> Option<&'static str> {
    let fits = match action {
        Action::Register => false,
        Action::Request(_) | Action::Decide => {
            matches!(earlier, Action::Register | Action::Request(_))
        }
        Action::Grant | Action::Refuse => matches!(earlier, Action::Decide),
    };
    let expected = match action {
        Action::Register => "registration is the first step",
        Action::Request(_) | Action::Decide => "it may come after registration and requests",
        Action::Grant | Action::Refuse => "it comes after the decision",
    };
    (!fits).then_some(expected)
}

/// That a term can be counted.
pub(super) fn check_term(what: &str, term: letopis_rules::deadline::Term) -> Result<(), PackRule> {
    use letopis_rules::deadline::{DAYS_MAX, HOURS_MAX, Term};
    let (found, most) = match term {
        Term::WorkingDays(days) | Term::CalendarDays(days) => (days, DAYS_MAX),
        Term::Hours(hours) => (hours, HOURS_MAX),
    };
    if (1..=most).contains(&found) {
        return Ok(());
    }
    let reason = format!("a term of {found}; give 1 to {most}");
    Err(PackRule::Term { what: what.to_owned(), reason })
}
