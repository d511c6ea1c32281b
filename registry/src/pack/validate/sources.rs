//! Rules of values: each comes from a field that exists, after it is known, and stays private.

use std::collections::{BTreeMap, BTreeSet};

use crate::code::{FieldPath, RegistryCode, StepCode};
use crate::pack::Service;
use crate::pack::error::{PackRule, Problems};
use crate::pack::registry::{Registry, Visibility};
use crate::pack::regulation::{Asked, RequestRule};
use crate::pack::value::ValueRef;

/// Checks references to values and keeps account of the form's fields that are read.
pub(super) struct Sources<'a> {
    pub(super) service: &'a Service,
    pub(super) registries: &'a BTreeMap<RegistryCode, Registry>,
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
            ValueRef::Decision(_) | ValueRef::Classifier { .. } => {}
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
                match &self.service.regulation.request(request)?.from {
                    Asked::Registry(code) => {
                        Some(self.registries.get(&code.value)?.field(field)?.visibility)
                    }
                    _ => Some(Visibility::Private),
                }
            }
            ValueRef::Decision(_) | ValueRef::Classifier { .. } => Some(Visibility::Public),
        }
    }

    /// Whether the case may be without the value when it is decided.
    pub(super) fn may_be_missing(&self, value: &ValueRef) -> bool {
        match value {
            ValueRef::Form(field) => {
                self.service.form.fields().get(field).is_some_and(|field| !field.required)
            }
            ValueRef::Answer(..) | ValueRef::Classifier { .. } => true,
            ValueRef::Decision(_) => false,
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
