//! Rules of complex requests: what is asked once fits every service, nothing needed is left out,
//! and no two cases wait for each other.

use std::collections::{BTreeMap, BTreeSet};

use serde_saphyr::Spanned;

use super::{law, text};
use crate::code::{FieldPath, ServiceCode, StepCode};
use crate::pack::complex::{AskedOnce, ComplexService, JoinedService, WaitRule, covered};
use crate::pack::error::{PackRule, Problems};
use crate::pack::regulation::{Asked, RequestRule};
use crate::pack::value::ValueRef;
use crate::pack::{FormField, Service};

type Services = BTreeMap<ServiceCode, Service>;

pub(in crate::pack) fn complex(
    complex: &ComplexService,
    services: &Services,
    file: &str,
    problems: &mut Problems,
) {
    let line = Some(complex.code.referenced.line());
    text(problems, file, line, "the complex request's title", &complex.title);
    law(problems, file, line, "the complex request", &complex.law);
    let mut check = Check { complex, services, file, problems };
    check.joined();
    for once in complex.asked_once() {
        check.asked_once(once);
    }
    for once in &complex.identification {
        check.identifies(once);
    }
    for joined in &complex.services {
        check.form(joined);
        for wait in &joined.waits {
            check.wait(joined, wait);
        }
    }
    check.circle();
}

struct Check<'a> {
    complex: &'a ComplexService,
    services: &'a Services,
    file: &'a str,
    problems: &'a mut Problems,
}

impl Check<'_> {
    fn add<T>(&mut self, at: &Spanned<T>, rule: PackRule) {
        self.problems.add(self.file, Some(at.referenced.line()), rule);
    }

    fn unknown<T: ToString>(&mut self, what: &'static str, at: &Spanned<T>) {
        let name = at.value.to_string();
        self.add(at, PackRule::Unknown { what, name });
    }

    fn broken<T>(&mut self, at: &Spanned<T>, reason: String) {
        self.add(at, PackRule::Complex { reason });
    }

    /// At least two services of the pack, each once.
    fn joined(&mut self) {
        let complex = self.complex;
        if complex.services.len() < 2 {
            self.broken(&complex.code, "it joins at least two services; add them".to_owned());
        }
        if complex.identification.is_empty() {
            let reason = "nothing says who applies; add \"identification\"".to_owned();
            self.broken(&complex.code, reason);
        }
        let mut seen = BTreeSet::new();
        for joined in &complex.services {
            let code = &joined.service;
            if !self.services.contains_key(&code.value) {
                self.unknown("service", code);
            } else if !seen.insert(&code.value) {
                let name = code.value.to_string();
                self.add(code, PackRule::Duplicate { what: "service", name });
            }
        }
        let mut names = BTreeSet::new();
        for once in complex.asked_once() {
            if !names.insert(&once.name.value) {
                let name = once.name.value.to_string();
                self.add(&once.name, PackRule::Duplicate { what: "name", name });
            }
        }
    }

    /// What is asked once goes to fields of at least two services that hold the same.
    fn asked_once(&mut self, once: &AskedOnce) {
        let services = self.services;
        if once.to.len() < 2 {
            let name = &once.name.value;
            let reason = format!("{name} goes to one service; write it under its \"asks\"");
            self.broken(&once.name, reason);
        }
        let mut held: BTreeMap<&str, (&ServiceCode, &FormField)> = BTreeMap::new();
        for (code, place) in &once.to {
            if self.complex.joined(code).is_none() {
                let (what, name) = ("service", code.to_string());
                self.add(place, PackRule::Unknown { what, name });
            }
            let Some(service) = services.get(code) else { continue };
            let fields: Vec<(&FieldPath, &str)> = covered(&service.form, &place.value).collect();
            if fields.is_empty() {
                self.unknown("form field", place);
            }
            for (path, rest) in fields {
                let field = &service.form.fields()[path];
                let (other, first) = *held.entry(rest).or_insert((code, field));
                if !holds_the_same(first, field) {
                    let reason = format!(
                        "{path} of {code} holds something else than the same field of {other}; \
                         ask for it in each service"
                    );
                    self.broken(place, reason);
                }
            }
        }
    }

    /// Who applies is the same for every service.
    fn identifies(&mut self, once: &AskedOnce) {
        let complex = self.complex;
        let left_out = complex.services.iter().map(|joined| &joined.service.value);
        for code in left_out.filter(|code| !once.to.contains_key(code)) {
            let name = &once.name.value;
            let reason = format!("{name} identifies the applicant and does not go to {code}; add");
            self.broken(&once.name, format!("{reason} it to \"to\""));
        }
    }

    /// Every field of a service comes from one place, and no field that must be filled in from
    /// none.
    fn form(&mut self, joined: &JoinedService) {
        let (complex, services) = (self.complex, self.services);
        let code = &joined.service.value;
        let Some(service) = services.get(code) else { return };
        let once = complex.asked_once().filter_map(|once| once.to.get(code));
        let mut filled: BTreeSet<&FieldPath> = BTreeSet::new();
        for place in once.chain(&joined.asks) {
            let mut any = false;
            for (field, _) in covered(&service.form, &place.value) {
                any = true;
                if !filled.insert(field) {
                    let name = format!("{code}: {field}");
                    self.add(place, PackRule::Duplicate { what: "form field", name });
                }
            }
            if !any && joined.asks.iter().any(|asked| std::ptr::eq(asked, place)) {
                self.unknown("form field", place);
            }
        }
        let by_schema = service.form.fields().iter().filter(|(_, field)| field.required);
        let by_kind = service.regulation.applicants.iter().flat_map(|kind| &kind.required);
        let needed = by_schema.map(|(path, _)| path).chain(by_kind.map(|field| &field.value));
        for field in needed.collect::<BTreeSet<_>>() {
            if !filled.contains(field) {
                let (service, field) = (code.to_string(), field.to_string());
                self.add(&joined.service, PackRule::NotCovered { service, field });
            }
        }
    }

    /// A request waits for the same question of another service.
    fn wait(&mut self, joined: &JoinedService, wait: &WaitRule) {
        let code = &joined.service.value;
        let line = Some(wait.request.referenced.line());
        law(self.problems, self.file, line, "the wait", &wait.law);
        let twice = joined.waits.iter().filter(|w| w.request.value == wait.request.value).count();
        if twice > 1 {
            let name = wait.request.value.to_string();
            self.add(&wait.request, PackRule::Duplicate { what: "wait of request", name });
        }
        if self.complex.joined(&wait.service.value).is_none() || &wait.service.value == code {
            self.unknown("other service", &wait.service);
            return;
        }
        let services = self.services;
        let find = |service: &ServiceCode, step: &StepCode| {
            services.get(service).and_then(|found| found.regulation.request(step))
        };
        let waiting = find(code, &wait.request.value);
        let asked = find(&wait.service.value, &wait.answer.value);
        for (found, name) in [(waiting, &wait.request), (asked, &wait.answer)] {
            if found.is_none() {
                self.unknown("request", name);
            }
        }
        if let (Some(waiting), Some(asked)) = (waiting, asked)
            && !self.same_question((code, waiting), (&wait.service.value, asked))
        {
            let reason = format!(
                "{} of {code} and {} of {} are not the same question: ask the same one by the \
                 same values, all of them asked once or alike in the classifier",
                wait.request.value, wait.answer.value, wait.service.value
            );
            self.broken(&wait.request, reason);
        }
    }

    fn same_question(
        &self,
        (one, first): (&ServiceCode, &RequestRule),
        (other, second): (&ServiceCode, &RequestRule),
    ) -> bool {
        let same_value = |field: &FieldPath, value: &ValueRef| match (value, second.by.get(field)) {
            (ValueRef::Form(field), Some(ValueRef::Form(other_field))) => {
                let source = self.complex.source(one, field);
                source.is_some() && source == self.complex.source(other, other_field)
            }
            (ValueRef::Classifier { .. }, Some(found)) => value == found,
            _ => false,
        };
        first.by.len() == second.by.len()
            && first.by.iter().all(|(field, value)| same_value(field, value))
            && same_asked(&first.from, &second.from)
            && first.kind.as_ref().map(|kind| &kind.value)
                == second.kind.as_ref().map(|kind| &kind.value)
    }

    /// No request waits, through steps and through other cases, for itself.
    fn circle(&mut self) {
        let mut search = Search { check: self, path: Vec::new(), done: BTreeSet::new() };
        let mut circle = None;
        for joined in &search.check.complex.services {
            let code = &joined.service.value;
            let waits = joined.waits.iter().map(|wait| (code, &wait.request.value));
            for start in waits {
                circle = circle.or_else(|| search.visit(start));
            }
        }
        let Some(path) = circle else { return };
        let first = self.complex.services.iter().flat_map(|joined| {
            let code = &joined.service.value;
            joined.waits.iter().map(move |wait| (code, &wait.request))
        });
        let name = |code: &ServiceCode, step: &StepCode| format!("{code}/{step}");
        let line = first
            .filter(|(code, request)| path.contains(&name(code, &request.value)))
            .map(|(_, request)| request.referenced.line())
            .next();
        self.problems.add(self.file, line, PackRule::Cycle { path });
    }
}

type Node<'a> = (&'a ServiceCode, &'a StepCode);

/// A search for a circle, from step to what it waits for.
struct Search<'s, 'a> {
    check: &'s Check<'a>,
    path: Vec<Node<'a>>,
    done: BTreeSet<Node<'a>>,
}

impl<'a> Search<'_, 'a> {
    /// The circle that a step is found to be on, its first step again at the end.
    fn visit(&mut self, node: Node<'a>) -> Option<Vec<String>> {
        if let Some(begins) = self.path.iter().position(|earlier| *earlier == node) {
            let circle = self.path[begins..].iter().chain(std::iter::once(&node));
            return Some(circle.map(|(code, step)| format!("{code}/{step}")).collect());
        }
        if !self.done.insert(node) {
            return None;
        }
        self.path.push(node);
        let (code, step) = node;
        let (complex, services) = (self.check.complex, self.check.services);
        let own = services.get(code).and_then(|service| service.regulation.step(step));
        let own = own.into_iter().flat_map(|step| step.waits_for());
        let mut next: Vec<Node<'a>> = own.map(|step| (code, step)).collect();
        let waits = complex.joined(code).into_iter().flat_map(|joined| &joined.waits);
        let waits = waits.filter(|wait| &wait.request.value == step);
        next.extend(waits.map(|wait| (&wait.service.value, &wait.answer.value)));
        let circle = next.into_iter().find_map(|node| self.visit(node));
        self.path.pop();
        circle
    }
}

fn same_asked(one: &Asked, other: &Asked) -> bool {
    match (one, other) {
        (Asked::Registry(one), Asked::Registry(other)) => one.value == other.value,
        (Asked::Addressee(one), Asked::Addressee(other))
        | (Asked::Organisation(one), Asked::Organisation(other)) => one == other,
        (Asked::Unit(one), Asked::Unit(other))
        | (Asked::Head(one), Asked::Head(other))
        | (Asked::Executor(one), Asked::Executor(other)) => one.value == other.value,
        (Asked::Applicant(_), Asked::Applicant(_)) => true,
        _ => false,
    }
}

fn holds_the_same(one: &FormField, other: &FormField) -> bool {
    let format = |field: &FormField| field.format.map(|format| format.name());
    one.kind == other.kind
        && format(one) == format(other)
        && one.is_date == other.is_date
        && one.choices == other.choices
        && one.visibility == other.visibility
}
