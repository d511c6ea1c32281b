//! The facts that somebody gives for a request, checked before they count: by the kind of request,
//! else by the registry that was asked and by what the decision makes of them.
//!
//! Not here: facts that a program reads from a registry, whose entries were checked when they came.

use std::collections::BTreeMap;

use letopis_ledger::json::Json;
use letopis_rules::decision::InputType;
use serde_json::Value;

use super::form::FormError;
use super::registry::{RegistryField, Visibility};
use super::regulation::{Asked, RequestRule};
use super::request_kind::{KindField, ValueType, check_fields};
use super::value::{Derivation, ValueRef};
use super::{Pack, Service};
use crate::code::{FieldPath, StepCode};

impl Pack {
    /// Checks the facts of an answer, an object with a member for each field by its whole name,
    /// and brings them to their normal form.
    ///
    /// # Errors
    /// Every problem of every field.
    pub fn check_facts(
        &self,
        service: &Service,
        request: &StepCode,
        facts: &Value,
    ) -> Result<BTreeMap<FieldPath, Json>, Vec<FormError>> {
        let Some(rule) = service.regulation.request(request) else {
            // What nobody asked for is set aside, whatever it says.
            return Ok(BTreeMap::new());
        };
        match self.request_kind(rule) {
            Some(kind) => kind.check(facts),
            None => check_fields(&self.taken_fields(service, (request, rule), facts), facts),
        }
    }

    /// The facts that a request takes, each with its type where the pack says one.
    #[must_use]
    pub fn asked_facts(
        &self,
        service: &Service,
        request: &StepCode,
    ) -> Vec<(FieldPath, Option<ValueType>)> {
        let taken = service.regulation.request(request).into_iter().flat_map(|rule| &rule.take);
        let fact = |field: &serde_saphyr::Spanned<FieldPath>| {
            (field.value.clone(), self.fact_type(service, request, &field.value))
        };
        taken.map(fact).collect()
    }

    /// The type of a fact of a request, where the pack says one.
    #[must_use]
    pub fn fact_type(
        &self,
        service: &Service,
        request: &StepCode,
        field: &FieldPath,
    ) -> Option<ValueType> {
        let rule = service.regulation.request(request)?;
        if let Some(kind) = self.request_kind(rule) {
            return kind.response_field(field).map(|field| field.value_type);
        }
        if self.asked_field(rule, field).is_some_and(|field| field.format.is_some()) {
            return Some(ValueType::String);
        }
        read_as(service, &ValueRef::Answer(request.clone(), field.clone()))
    }

    fn asked_field(&self, rule: &RequestRule, field: &FieldPath) -> Option<&RegistryField> {
        match &rule.from {
            Asked::Registry(code) => self.registry(&code.value)?.field(field),
            _ => None,
        }
    }

    /// The fields that a request takes, as those of an answer; where nothing says what type one
    /// has, it is that of the value given.
    fn taken_fields(
        &self,
        service: &Service,
        (request, rule): (&StepCode, &RequestRule),
        facts: &Value,
    ) -> Vec<KindField> {
        let field = |name: &serde_saphyr::Spanned<FieldPath>| {
            let given = facts.get(name.value.as_str());
            let value_type = self.fact_type(service, request, &name.value);
            let value_type = value_type.or_else(|| ValueType::of(given?));
            let asked = self.asked_field(rule, &name.value);
            KindField {
                name: name.clone(),
                title: asked.map(|field| field.title.clone()).unwrap_or_default(),
                value_type: value_type.unwrap_or(ValueType::String),
                format: asked.and_then(|field| field.format.clone()),
                required: asked.is_some_and(|field| !field.optional),
                visibility: asked.map_or(Visibility::Private, |field| field.visibility),
            }
        };
        rule.take.iter().map(field).collect()
    }
}

/// The type with which the decision reads a value, if it does.
fn read_as(service: &Service, value: &ValueRef) -> Option<ValueType> {
    let rule = &service.regulation.decision;
    let model = service.model.inputs(&rule.name.value)?;
    rule.inputs.iter().find_map(|input| match &input.from {
        Derivation::Value(read) if read == value => {
            let found = model.iter().find(|found| found.name == input.name.value)?;
            match found.input_type {
                InputType::Boolean => Some(ValueType::Boolean),
                InputType::Number => Some(ValueType::Integer),
                InputType::String => Some(ValueType::String),
                InputType::Date => Some(ValueType::Date),
                _ => None,
            }
        }
        Derivation::Age(read) if read == value => Some(ValueType::Date),
        Derivation::Sum(sum) if sum.of.contains(value) => Some(ValueType::Integer),
        _ => None,
    })
}
