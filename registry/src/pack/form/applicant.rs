//! Whether a form keeps to what a regulation asks of applicants, of those who apply for others,
//! and of documents.
//!
//! What the applicant can correct is an error of a field; what the regulation names as a ground
//! for not taking an application is found here too. Not here: what a ground then leads to.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use letopis_ledger::json::Json;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::check::error;
use super::{CheckedForm, FormError};
use crate::code::{FieldPath, GroundCode};
use crate::event::{IntakeEvidence, IntakeGround};
use crate::messages::MessageId;
use crate::pack::Service;
use crate::pack::regulation::{ApplicantRule, DocumentAsked};

/// The field of a form that says what kind of applicant applies.
pub const KIND_FIELD: &str = "applicant.kind";

impl Service {
    /// Checks a form by its schema and by the rules of its applicant.
    ///
    /// # Errors
    /// Every problem of every field.
    pub fn check_form(&self, form: &Value) -> Result<CheckedForm, Vec<FormError>> {
        let checked = self.form.check(form)?;
        let mut errors = Vec::new();
        match self.applicant_rule(&checked) {
            Ok(rule) => {
                missing(&checked, &rule.required, MessageId::FieldForApplicant, &mut errors);
                for field in rule.absent.iter().filter(|f| checked.values.contains_key(&f.value)) {
                    let pointer = field.value.pointer();
                    errors.push(error(&pointer, MessageId::FieldNotForApplicant, vec![]));
                }
            }
            Err(found) => errors.push(found),
        }
        if let Some(rule) = &self.regulation.representative
            && checked.values.contains_key(&rule.by.value)
        {
            let message = MessageId::FieldForRepresentative;
            missing(&checked, &rule.required, message, &mut errors);
            missing(&checked, std::slice::from_ref(&rule.power_until), message, &mut errors);
        }
        errors.sort_by(|a, b| a.pointer.cmp(&b.pointer));
        errors.dedup_by(|a, b| a.pointer == b.pointer);
        if errors.is_empty() { Ok(checked) } else { Err(errors) }
    }

    /// Checks what is filled in of a form that may be incomplete: nothing is required, and what is
    /// asked of kinds of applicants is not asked yet.
    ///
    /// # Errors
    /// Every problem of every field that is filled in.
    pub fn check_partly(&self, form: &Value) -> Result<CheckedForm, Vec<FormError>> {
        self.form.check_partly(form)
    }

    /// The grounds for not taking an application that is registered on a day, in the order of
    /// the regulation, each with the fields that it rests on; none when it is taken.
    #[must_use]
    pub fn intake_grounds(&self, form: &CheckedForm, on: Date) -> Vec<IntakeGround> {
        let mut found: BTreeMap<&GroundCode, BTreeSet<FieldPath>> = BTreeMap::new();
        if let Some(rule) = &self.regulation.representative
            && form.values.contains_key(&rule.by.value)
            && form.date(&rule.power_until.value).is_none_or(|until| until < on)
        {
            found.entry(&rule.ground.value).or_default().insert(rule.power_until.value.clone());
        }
        for document in &self.regulation.documents {
            if let Some(ground) = &document.ground
                && let Some(field) = form.wrong_type(document)
            {
                found.entry(&ground.value).or_default().insert(field);
            }
        }
        let listed = self.regulation.intake_grounds.iter().map(|ground| &ground.code.value);
        let ground = |code: &GroundCode| {
            let evidence = found.get(code)?.iter().cloned().map(IntakeEvidence::Form).collect();
            Some(IntakeGround { code: code.clone(), evidence })
        };
        listed.filter_map(ground).collect()
    }

    fn applicant_rule(&self, form: &CheckedForm) -> Result<&ApplicantRule, FormError> {
        let rules = &self.regulation.applicants;
        let field = FieldPath::parse(KIND_FIELD).expect("invariant: a plain field path");
        let given = match (form.values.get(&field).and_then(Json::as_str), rules.as_slice()) {
            (Some(given), _) => given,
            (None, [only]) => return Ok(only),
            (None, _) => return Err(error(&field.pointer(), MessageId::FieldRequired, vec![])),
        };
        rules.iter().find(|rule| rule.kind.as_str() == given).ok_or_else(|| {
            let kinds: Vec<&str> = rules.iter().map(|rule| rule.kind.as_str()).collect();
            error(&field.pointer(), MessageId::FieldChoice, vec![kinds.join(", ")])
        })
    }
}

impl CheckedForm {
    fn date(&self, field: &FieldPath) -> Option<Date> {
        self.values.get(field)?.as_str()?.parse().ok()
    }

    /// The field with a document's media type, if there is one that is not taken.
    fn wrong_type(&self, document: &DocumentAsked) -> Option<FieldPath> {
        let field = media_type(&document.form.as_ref()?.value)?;
        let given = self.values.get(&field)?.as_str()?;
        let taken = document.accept.is_empty() || document.accept.iter().any(|one| one == given);
        (!taken).then_some(field)
    }
}

impl DocumentAsked {
    /// The fields of the form that tell of the document; none where the form has no group for it.
    #[must_use]
    pub fn fields(&self) -> Vec<FieldPath> {
        let group = self.form.iter().map(|group| &group.value);
        let names = |group: &FieldPath| {
            ["sha256", "size_bytes", "media_type"].map(|name| format!("{group}.{name}"))
        };
        group.flat_map(names).filter_map(|name| FieldPath::parse(&name).ok()).collect()
    }
}

fn media_type(group: &FieldPath) -> Option<FieldPath> {
    FieldPath::parse(&format!("{group}.media_type")).ok()
}

fn missing(
    form: &CheckedForm,
    fields: &[Spanned<FieldPath>],
    message: MessageId,
    errors: &mut Vec<FormError>,
) {
    for field in fields.iter().filter(|field| !form.values.contains_key(&field.value)) {
        errors.push(error(&field.value.pointer(), message, vec![]));
    }
}
