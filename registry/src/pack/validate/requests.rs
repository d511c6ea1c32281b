//! Rules of requests: who is asked exists, what is asked and taken exists, conditions read only
//! what is known by then.

use super::services::{Check, line};
use super::{law, text};
use crate::code::{FieldPath, StepCode};
use crate::pack::error::PackRule;
use crate::pack::registry::Registry;
use crate::pack::regulation::{Asked, Condition, RequestRule, Retry, Shows, Step, TermRule};
use crate::pack::request_kind::RequestKind;

/// Most sendings after the first one.
const RETRIES_MAX: u32 = 10;

impl Check<'_, '_> {
    pub(super) fn request(&mut self, step: &Step, request: &RequestRule, decide: &StepCode) {
        let code = &step.code;
        let what = format!("request {}", code.value);
        self.term_rule(line(code), &what, &request.term);
        for (rule, name) in
            [(&request.suspends, "suspension"), (&request.changes_term, "changed term")]
        {
            if let Some(rule) = rule {
                self.term_rule(line(code), &format!("the {name} of {what}"), rule);
            }
        }
        if request.mandatory && !self.service.graph.comes_after(decide, &code.value) {
            let step = code.value.to_string();
            self.add(line(code), PackRule::DecisionDoesNotWait { step });
        }
        for value in request.by.values() {
            self.sources.check(self.problems, line(code), value, &what, &code.value);
        }
        if let Some(condition) = &request.when {
            self.condition(line(code), condition, &format!("the condition of {what}"), &code.value);
        }
        self.asked(step, request);
        if request.signature.is_some() && !request.from.is_internal() {
            let request = code.value.to_string();
            self.add(line(code), PackRule::NobodySigns { request });
        }
        if let Some(retry) = request.retry {
            self.retry(step, request, retry);
        }
        if let Some(shows) = &request.shows {
            self.shows(step, request, shows);
        }
    }

    /// Programs lose messages, and people do not forget them because they are told twice.
    fn retry(&mut self, step: &Step, request: &RequestRule, retry: Retry) {
        let (at, code) = (line(&step.code), &step.code.value);
        self.term(at, &format!("the wait before request {code} is sent again"), retry.after);
        if !(1..=RETRIES_MAX).contains(&retry.times) {
            let reason = format!(
                "request {code} is sent again {} times; give 1 to {RETRIES_MAX}, or remove \"retry\"",
                retry.times
            );
            self.add(at, PackRule::Escalation { reason });
        }
        if !matches!(request.from, Asked::Registry(_)) {
            let reason = format!(
                "request {code} is sent again though no program answers it; \"retry\" is for \
                 requests to registries"
            );
            self.add(at, PackRule::Escalation { reason });
        }
    }

    /// Entries are shown to people of the agency, by areas that anybody may see: a registry that
    /// is asked by a private value would tell it.
    fn shows(&mut self, step: &Step, request: &RequestRule, shows: &Shows) {
        let at = line(&shows.registry);
        let refused = |reason: &str| PackRule::Shows { reason: reason.to_owned() };
        if !request.from.is_internal() {
            self.add(at, refused("entries are shown to people of the agency; remove \"shows\""));
        }
        if shows.meets.len() != 1 {
            self.add(at, refused("\"meets\" has one field of the registry with one value"));
        }
        let found = self.sources.parts.registries.get(&shows.registry.value);
        if found.is_none() {
            self.unknown(at, "registry", &shows.registry.value);
        }
        let what = format!("what request {} shows", step.code.value);
        for (field, value) in &shows.meets {
            match found.map(|registry| registry.field(field)) {
                Some(None) => self.unknown(at, "field of the registry", field),
                Some(Some(field)) if !field.visibility.is_public() || !field.is_polygon() => {
                    let reason =
                        "the field of the registry must be public, with format geojson-polygon";
                    self.add(at, refused(reason));
                }
                Some(Some(_)) | None => {}
            }
            self.sources.check(self.problems, at, value, &what, &step.code.value);
            self.sources.leak(self.problems, at, value, &what);
            if !self.sources.is_polygon(value) {
                let reason = format!("{value} must have format geojson-polygon");
                self.add(at, PackRule::Shows { reason });
            }
        }
    }

    pub(super) fn term_rule(&mut self, line: Option<u64>, what: &str, rule: &TermRule) {
        law(self.problems, self.file, line, what, &rule.law);
        self.term(line, what, rule.length);
    }

    /// Values and answers that a condition looks at, when it is asked at step `at`.
    pub(super) fn condition(
        &mut self,
        line: Option<u64>,
        condition: &Condition,
        what: &str,
        at: &StepCode,
    ) {
        for value in condition.values() {
            self.sources.check(self.problems, line, value, what, at);
        }
        for request in condition.found() {
            self.sources.answer(self.problems, line, request, what, at);
        }
    }

    fn asked(&mut self, step: &Step, request: &RequestRule) {
        let code = &step.code;
        let parts = self.sources.parts;
        match &request.from {
            Asked::Registry(registry) => {
                if let Some(kind) = &request.kind {
                    let request = code.value.to_string();
                    self.add(line(kind), PackRule::KindOfRegistry { request });
                }
                match parts.registries.get(&registry.value) {
                    Some(found) => self.registry_fields(step, request, found),
                    None => self.unknown(line(registry), "registry", &registry.value),
                }
            }
            Asked::Unit(unit) | Asked::Head(unit) | Asked::Executor(unit) => self.unit(unit),
            Asked::Applicant(message) => {
                let what = format!("the message of request {}", code.value);
                text(self.problems, self.file, line(code), &what, message);
            }
            Asked::Addressee(_) | Asked::Organisation(_) => {}
        }
        for field in &request.display {
            if !request.take.iter().any(|taken| taken.value == field.value) {
                self.unknown(line(field), "fact that is taken", &field.value);
            }
        }
        match &request.kind {
            Some(kind) => match parts.request_kinds.get(&kind.value) {
                Some(found) => self.kind_fields(step, request, found),
                None => self.unknown(line(kind), "request kind", &kind.value),
            },
            None => {
                if !matches!(request.from, Asked::Registry(_)) {
                    let request = code.value.to_string();
                    self.add(line(code), PackRule::NoRequestKind { request });
                }
            }
        }
    }

    fn registry_fields(&mut self, step: &Step, request: &RequestRule, registry: &Registry) {
        self.keys(line(&step.code), registry, request.by.keys());
        for field in &request.take {
            if registry.field(&field.value).is_none() {
                self.unknown(line(field), "field of the registry", &field.value);
            }
        }
    }

    fn kind_fields(&mut self, step: &Step, request: &RequestRule, kind: &RequestKind) {
        let at = line(&step.code);
        for key in request.by.keys().filter(|key| kind.request_field(key).is_none()) {
            self.unknown(at, "field of the request", key);
        }
        for field in kind.request.iter().filter(|field| field.required) {
            let name = &field.name.value;
            let given = request.by.get(name);
            if given.is_none_or(|value| self.sources.may_be_missing(value)) {
                let (request, field) = (step.code.value.to_string(), name.to_string());
                self.add(at, PackRule::RequestIncomplete { request, field });
            }
        }
        for field in &request.take {
            if kind.response_field(&field.value).is_none() {
                self.unknown(line(field), "field of the answer", &field.value);
            }
        }
    }

    pub(super) fn keys<'k>(
        &mut self,
        line: Option<u64>,
        registry: &Registry,
        keys: impl Iterator<Item = &'k FieldPath>,
    ) {
        for key in keys.filter(|key| !registry.is_key(key)) {
            self.unknown(line, "key of the registry", key);
        }
    }
}
