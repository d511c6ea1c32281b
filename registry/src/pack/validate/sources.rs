//! Rules of values: each comes from a field that exists, after it is known, and stays private.

use std::collections::BTreeSet;

use crate::code::{FieldPath, StepCode};
use crate::pack::error::{PackRule, Problems};
use crate::pack::registry::{RegistryField, Visibility};
use crate::pack::regulation::{Action, Asked, RequestRule};
use crate::pack::request_kind::KindField;
use crate::pack::value::ValueRef;
use crate::pack::{Parts, Service};
use crate::value_format::ValueFormat;

/// Checks references to values and keeps account of the form's fields that are read.
pub(super) struct Sources<'a> {
    pub(super) service: &'a Service,
    pub(super) parts: &'a Parts,
    pub(super) file: &'a str,
    pub(super) read: BTreeSet<FieldPath>,
}

impl Sources<'_> {
    /// Notes what is wrong with `value`, which `reader` (in words) reads at step `at`.
    pub(super) fn check(
        &mut self,
        problems: &mut Problems,
        line: Option<u64>,
        value: &ValueRef,
        reader: &str,
        at: &StepCode,
    ) {
        match value {
            ValueRef::Form(field) => self.form_field(problems, line, field),
            ValueRef::Answer(request, field) => {
                let Some(rule) = self.answer(problems, line, request, reader, at) else { return };
                if !rule.take.iter().any(|taken| &taken.value == field) {
                    let (what, name) = ("fact taken by the request", value.to_string());
                    problems.add(self.file, line, PackRule::Unknown { what, name });
                }
            }
            ValueRef::Decision(_) => {
                let step = self.service.regulation.step(at);
                if !step.is_some_and(|step| matches!(step.action, Action::Grant)) {
                    let (what, value) = (reader.to_owned(), value.to_string());
                    problems.add(self.file, line, PackRule::ReadBeforeDecision { what, value });
                }
            }
            ValueRef::Classifier { code, row, column } => {
                let (what, name) = match self.parts.classifiers.get(code) {
                    None => ("classifier", code.to_string()),
                    Some(found) if found.row(row).is_none() => ("row", row.clone()),
                    Some(found) if found.column(column).is_none() => ("column", column.clone()),
                    Some(_) => return,
                };
                problems.add(self.file, line, PackRule::Unknown { what, name });
            }
        }
    }

    /// Notes a form field that does not exist; one that does is read from now on.
    pub(super) fn form_field(
        &mut self,
        problems: &mut Problems,
        line: Option<u64>,
        field: &FieldPath,
    ) {
        if self.service.form.fields().contains_key(field) {
            self.read.insert(field.clone());
        } else {
            let (what, name) = ("form field", field.to_string());
            problems.add(self.file, line, PackRule::Unknown { what, name });
        }
    }

    /// The request whose answer `reader` reads at step `at`, if that is in order.
    pub(super) fn answer(
        &self,
        problems: &mut Problems,
        line: Option<u64>,
        request: &StepCode,
        reader: &str,
        at: &StepCode,
    ) -> Option<&RequestRule> {
        let Some(rule) = self.service.regulation.request(request) else {
            let (what, name) = ("request", request.to_string());
            problems.add(self.file, line, PackRule::Unknown { what, name });
            return None;
        };
        if !self.service.graph.comes_after(at, request) {
            let (what, request) = (reader.to_owned(), request.to_string());
            problems.add(self.file, line, PackRule::ReadBeforeAnswer { what, request });
        }
        Some(rule)
    }

    /// Who may see a value; `None` for one that does not exist.
    pub(super) fn visibility(&self, value: &ValueRef) -> Option<Visibility> {
        match value {
            ValueRef::Form(field) => Some(self.service.form.fields().get(field)?.visibility),
            ValueRef::Answer(request, field) => {
                let rule = self.service.regulation.request(request)?;
                match (&rule.from, &rule.kind) {
                    (Asked::Registry(code), _) => {
                        Some(self.parts.registries.get(&code.value)?.field(field)?.visibility)
                    }
                    (_, Some(kind)) => {
                        let kind = self.parts.request_kinds.get(&kind.value)?;
                        Some(kind.response_field(field)?.visibility)
                    }
                    (_, None) => Some(Visibility::Private),
                }
            }
            ValueRef::Classifier { .. } => Some(Visibility::Public),
            // Whoever sees what a decision gives learns something of everything that it was
            // made of.
            ValueRef::Decision(_) => {
                let inputs = self.service.regulation.decision.inputs.iter();
                inputs.map(|input| input.visibility).max()
            }
        }
    }

    /// Whether the value is an area; one that does not exist is taken for one.
    pub(super) fn is_polygon(&self, value: &ValueRef) -> bool {
        match value {
            ValueRef::Form(field) => self
                .service
                .form
                .fields()
                .get(field)
                .is_none_or(|field| field.format.is_some_and(ValueFormat::is_polygon)),
            ValueRef::Answer(request, field) => {
                let Some(rule) = self.service.regulation.request(request) else { return true };
                let in_registry = match &rule.from {
                    Asked::Registry(code) => self.parts.registries.get(&code.value),
                    _ => None,
                };
                let kind = rule.kind.as_ref();
                let kind = kind.and_then(|kind| self.parts.request_kinds.get(&kind.value));
                let in_registry = in_registry.and_then(|registry| registry.field(field));
                let in_answer = kind.and_then(|kind| kind.response_field(field));
                in_registry.is_some_and(RegistryField::is_polygon)
                    || in_answer.is_some_and(KindField::is_polygon)
            }
            ValueRef::Classifier { .. } | ValueRef::Decision(_) => false,
        }
    }

    /// Whether the case may be without the value when it is decided.
    pub(super) fn may_be_missing(&self, value: &ValueRef) -> bool {
        match value {
            ValueRef::Form(field) => {
                self.service.form.fields().get(field).is_some_and(|field| !field.required)
            }
            // An official to whom a request was escalated may affirm that there is nothing.
            ValueRef::Answer(..) => true,
            // A day before the first value of a classifier means that an official decides.
            ValueRef::Decision(_) | ValueRef::Classifier { .. } => false,
        }
    }

    /// Notes a value that would be published though it must not be.
    pub(super) fn leak(
        &self,
        problems: &mut Problems,
        line: Option<u64>,
        value: &ValueRef,
        what: &str,
    ) {
        if self.visibility(value).is_some_and(|visibility| !visibility.is_public()) {
            let (what, source_field) = (what.to_owned(), value.to_string());
            problems.add(self.file, line, PackRule::Leak { what, source_field });
        }
    }
}
