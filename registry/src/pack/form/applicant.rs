//! Whether a form keeps to what a regulation asks of applicants, of those who apply for others,
//! and of documents.
//!
//! What the applicant can correct is an error of a field; what the regulation names as a ground
//! for not taking an application is found here too. Not here: what a ground then leads to.

use std::collections::BTreeSet;

use jiff::civil::Date;
use letopis_ledger::json::Json;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::check::error;
use super::{CheckedForm, FormError};
use crate::code::{FieldPath, GroundCode};
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

    /// The grounds for not taking an application that is registered on a day, in the order of
    /// the regulation; none when it is taken.
    #[must_use]
    pub fn intake_grounds(&self, form: &CheckedForm, on: Date) -> Vec<GroundCode> {
        let mut found = BTreeSet::new();
        if let Some(rule) = &self.regulation.representative
            && form.values.contains_key(&rule.by.value)
            && form.date(&rule.power_until.value).is_none_or(|until| until < on)
        {
            found.insert(&rule.ground.value);
        }
        for document in &self.regulation.documents {
            if let Some(ground) = document.ground.as_ref().filter(|_| !form.is_taken(document)) {
                found.insert(&ground.value);
            }
        }
        let listed = self.regulation.intake_grounds.iter().map(|ground| &ground.code.value);
        listed.filter(|code| found.contains(code)).cloned().collect()
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

    /// Whether a document, if there is one, is of a media type that is taken.
    fn is_taken(&self, document: &DocumentAsked) -> bool {
        let field = document.form.as_ref().and_then(|group| media_type(&group.value));
        let given = field.and_then(|field| self.values.get(&field)?.as_str());
        let Some(given) = given else { return true };
        document.accept.is_empty() || document.accept.iter().any(|accepted| accepted == given)
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
