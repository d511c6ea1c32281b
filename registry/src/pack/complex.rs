//! Complex requests as a pack defines them: services asked for at once, and what is asked once.
//!
//! Also how one form becomes the forms of the services. Not here: whether a definition fits the
//! services, which `validate` says, and the cases that come of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value};
use serde_saphyr::Spanned;

use super::form::FormError;
use super::{FormSchema, Pack};
use crate::code::{ComplexCode, FieldPath, ServiceCode, StepCode};
use crate::messages::{MessageId, Text};

/// Services that are asked for at once.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComplexService {
    /// Its code.
    pub code: Spanned<ComplexCode>,
    /// What people call the situation.
    #[serde(default)]
    pub title: Text,
    /// The act that joins the services.
    #[serde(default)]
    pub law: Text,
    /// What says who applies; every service gets it.
    pub identification: Vec<AskedOnce>,
    /// What else is asked once.
    #[serde(default)]
    pub shared: Vec<AskedOnce>,
    /// The services.
    pub services: Vec<JoinedService>,
}

/// A field, or a group of fields, that is asked once.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedOnce {
    /// Its name in the form of the complex request.
    pub name: Spanned<FieldPath>,
    /// The field or group that it fills in, by service.
    pub to: BTreeMap<ServiceCode, Spanned<FieldPath>>,
}

/// A service of a complex request.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinedService {
    /// The service.
    pub service: Spanned<ServiceCode>,
    /// Fields, or groups of fields, that are asked for it alone.
    #[serde(default)]
    pub asks: Vec<Spanned<FieldPath>>,
    /// Requests that wait for the answer of another service's case.
    #[serde(default)]
    pub waits: Vec<WaitRule>,
}

/// A request that waits for the answer which another service's case gets to the same question.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaitRule {
    /// The request that waits.
    pub request: Spanned<StepCode>,
    /// The other service.
    pub service: Spanned<ServiceCode>,
    /// Its request.
    pub answer: Spanned<StepCode>,
    /// The act that lets the answer serve twice.
    #[serde(default)]
    pub law: Text,
}

/// The forms of the services, in the order of the definition, not yet checked.
pub type JoinedForms = Vec<(ServiceCode, Value)>;

impl JoinedService {
    /// Whether a field of the service's form is asked for it alone.
    #[must_use]
    pub fn asks_for(&self, field: &FieldPath) -> bool {
        self.asks.iter().any(|asked| below(&asked.value, field).is_some())
    }
}

impl ComplexService {
    /// Everything that is asked once.
    pub fn asked_once(&self) -> impl Iterator<Item = &AskedOnce> {
        self.identification.iter().chain(&self.shared)
    }

    /// The service of a code.
    #[must_use]
    pub fn joined(&self, service: &ServiceCode) -> Option<&JoinedService> {
        self.services.iter().find(|joined| &joined.service.value == service)
    }

    /// Where a field of a service's form is asked once: its place in the form of the complex
    /// request.
    #[must_use]
    pub fn source(&self, service: &ServiceCode, field: &FieldPath) -> Option<String> {
        self.asked_once().find_map(|once| {
            let target = once.to.get(service)?;
            Some(format!("{}{}", once.name.value, below(&target.value, field)?))
        })
    }

    /// Facts that the answer of a service's request brings for services that wait for it, beside
    /// those that its own regulation takes.
    #[must_use]
    pub fn also_taken(
        &self,
        pack: &Pack,
        service: &ServiceCode,
        request: &StepCode,
    ) -> BTreeSet<FieldPath> {
        let taken = |service: &ServiceCode, request: &StepCode| -> BTreeSet<FieldPath> {
            let rule = pack.service(service).and_then(|found| found.regulation.request(request));
            let fields = rule.into_iter().flat_map(|rule| &rule.take);
            fields.map(|field| field.value.clone()).collect()
        };
        let mut also = BTreeSet::new();
        for joined in &self.services {
            let waits = joined.waits.iter();
            for wait in waits.filter(|w| &w.service.value == service && &w.answer.value == request)
            {
                also.extend(taken(&joined.service.value, &wait.request.value));
            }
        }
        also.difference(&taken(service, request)).cloned().collect()
    }

    /// Makes the forms of the services of what is asked once and of what each is asked alone.
    ///
    /// # Errors
    /// Fields that the complex request does not ask for, at their place in
    /// `{"shared": …, "forms": {service: …}}`.
    pub fn split(
        &self,
        pack: &Pack,
        shared: &Value,
        own: &BTreeMap<String, Value>,
    ) -> Result<JoinedForms, Vec<FormError>> {
        let mut errors = self.unknown(pack, shared, own);
        let mut forms = Vec::new();
        for joined in &self.services {
            let code = &joined.service.value;
            let mut form = own.get(code.as_str()).cloned().unwrap_or_else(|| Map::new().into());
            let Some(service) = pack.service(code) else { continue };
            for field in service.form.fields().keys() {
                let Some(source) = self.source(code, field) else { continue };
                let value = shared.pointer(&format!("/{}", source.replace('.', "/")));
                if let Some(value) = value {
                    set(&mut form, field, value.clone());
                }
            }
            forms.push((code.clone(), form));
        }
        if errors.is_empty() {
            return Ok(forms);
        }
        errors.sort_by(|a, b| a.pointer.cmp(&b.pointer));
        Err(errors)
    }

    /// The place of a service's field in the form of the complex request, by its place in the
    /// service's own form.
    #[must_use]
    pub fn pointer(&self, service: &ServiceCode, pointer: &str) -> String {
        let path = FieldPath::parse(&pointer.trim_start_matches('/').replace('/', "."));
        match path.ok().and_then(|path| self.source(service, &path)) {
            Some(source) => format!("/shared/{}", source.replace('.', "/")),
            None => format!("/forms/{service}{pointer}"),
        }
    }

    /// Values that nothing asks for.
    fn unknown(
        &self,
        pack: &Pack,
        shared: &Value,
        own: &BTreeMap<String, Value>,
    ) -> Vec<FormError> {
        let mut known = BTreeSet::new();
        for joined in &self.services {
            let code = &joined.service.value;
            let fields = pack.service(code).into_iter().flat_map(|one| one.form.fields().keys());
            known.extend(fields.filter_map(|field| self.source(code, field)));
        }
        let mut errors = Vec::new();
        let mut refuse = |pointer: String| {
            let (message, arguments) = (MessageId::FieldUnknown, vec![]);
            errors.push(FormError { pointer, message, arguments });
        };
        for (path, pointer) in leaves(shared) {
            // An empty group may be one that something fills in.
            let group = path.ends_with('.') && known.iter().any(|field| field.starts_with(&path));
            if !known.contains(&path) && !group {
                refuse(format!("/shared{pointer}"));
            }
        }
        for (name, form) in own {
            let joined = self.services.iter().find(|one| one.service.value.as_str() == name);
            let Some(joined) = joined else {
                refuse(format!("/forms/{name}"));
                continue;
            };
            for (path, pointer) in leaves(form) {
                // An empty group is for the schema of the service to judge.
                if path.ends_with('.') {
                    continue;
                }
                let asked = FieldPath::parse(&path).is_ok_and(|path| joined.asks_for(&path));
                if !asked {
                    refuse(format!("/forms/{name}{pointer}"));
                }
            }
        }
        errors
    }
}

/// What of `field` lies below `place`, with its dot: empty for the field itself.
pub(super) fn below<'f>(place: &FieldPath, field: &'f FieldPath) -> Option<&'f str> {
    let rest = field.as_str().strip_prefix(place.as_str())?;
    (rest.is_empty() || rest.starts_with('.')).then_some(rest)
}

/// The fields of a form that a place covers, each with what lies below the place.
pub(super) fn covered<'f>(
    form: &'f FormSchema,
    place: &'f FieldPath,
) -> impl Iterator<Item = (&'f FieldPath, &'f str)> {
    form.fields().keys().filter_map(|field| Some((field, below(place, field)?)))
}

/// Every value that is no object, with its path and its JSON pointer; of an object without members
/// the path ends with a dot.
fn leaves(value: &Value) -> Vec<(String, String)> {
    fn walk(value: &Value, path: &str, pointer: &str, found: &mut Vec<(String, String)>) {
        match value.as_object() {
            Some(members) if members.is_empty() && !path.is_empty() => {
                found.push((format!("{path}."), pointer.to_owned()));
            }
            Some(members) => {
                for (name, value) in members {
                    let dot = if path.is_empty() { "" } else { "." };
                    let name_in_pointer = name.replace('~', "~0").replace('/', "~1");
                    let pointer = format!("{pointer}/{name_in_pointer}");
                    walk(value, &format!("{path}{dot}{name}"), &pointer, found);
                }
            }
            None => found.push((path.to_owned(), pointer.to_owned())),
        }
    }
    let mut found = Vec::new();
    walk(value, "", "", &mut found);
    found
}

/// Puts a value at a path; what is no object on the way stays, for the schema to refuse.
fn set(form: &mut Value, field: &FieldPath, value: Value) {
    let mut place = form;
    for label in field.as_str().split('.') {
        let Some(members) = place.as_object_mut() else { return };
        place = members.entry(label).or_insert_with(|| Map::new().into());
    }
    *place = value;
}
