//! The form of a service: a JSON Schema (2020-12) with who may see each field.
//!
//! Every field is a scalar with a dotted path; objects only group them. Identifier formats are
//! those of the rules, by name. Not here: what the fields are for.

mod applicant;
mod check;
mod offered;
mod schema;

use std::collections::BTreeMap;
use std::fmt;

use jsonschema::Validator;
use letopis_ledger::json::{Json, Object};

use super::registry::Visibility;
use crate::code::FieldPath;
use crate::messages::{MessageId, Text};
use crate::record_draft::PrivateField;
use crate::value_format::ValueFormat;

pub use applicant::KIND_FIELD;
pub(super) use check::explain_format;

/// Most bytes of a form as JSON: it must fit into a leaf with room for the rest.
pub const FORM_MAX_BYTES: usize = 32 << 10;

/// A form's schema, ready to check forms against.
pub struct FormSchema {
    fields: BTreeMap<FieldPath, FormField>,
    validator: Validator,
}

/// A field of a form.
#[derive(Debug, Clone)]
pub struct FormField {
    /// What people call it.
    pub title: Text,
    /// What kind of value it holds.
    pub kind: FieldKind,
    /// Who may see it.
    pub visibility: Visibility,
    /// Whether it must be filled in.
    pub required: bool,
    /// The identifier that it holds.
    pub format: Option<ValueFormat>,
    /// Whether it holds a date.
    pub is_date: bool,
    /// The texts offered to choose from; empty when any text may be given.
    pub choices: Vec<String>,
}

/// What kind of value a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// A text.
    Text,
    /// An integer.
    Integer,
    /// True or false.
    Boolean,
}

/// A form whose every field was checked; identifiers are in their normal form.
#[derive(Clone, PartialEq, Eq)]
pub struct CheckedForm {
    values: BTreeMap<FieldPath, Json>,
    public: Object,
    private: Vec<PrivateField>,
}

/// What is wrong with one field of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormError {
    /// JSON pointer (RFC 6901) of the field; empty for the form as a whole.
    pub pointer: String,
    /// The message.
    pub message: MessageId,
    /// The message's arguments. Values of fields are never among them, except characters that
    /// make an identifier wrong.
    pub arguments: Vec<String>,
}

impl FormSchema {
    /// The fields by path.
    #[must_use]
    pub const fn fields(&self) -> &BTreeMap<FieldPath, FormField> {
        &self.fields
    }
}

/// A form as an applicant fills it in, from its values by path.
#[must_use]
pub fn nested(values: &BTreeMap<FieldPath, Json>) -> serde_json::Value {
    let mut form = serde_json::Map::new();
    for (path, value) in values {
        let mut names = path.as_str().split('.');
        let last = names.next_back().unwrap_or_default();
        let group = names.fold(&mut form, |group, name| {
            let below = group.entry(name).or_insert_with(|| serde_json::json!({}));
            // No path of a form's schema is both a value and a group.
            below.as_object_mut().expect("invariant: a group of a form holds values")
        });
        group.insert(last.to_owned(), value.to_value());
    }
    form.into()
}

impl fmt::Debug for FormSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FormSchema").field("fields", &self.fields).finish_non_exhaustive()
    }
}

impl CheckedForm {
    /// Every value by path, public and private.
    #[must_use]
    pub const fn values(&self) -> &BTreeMap<FieldPath, Json> {
        &self.values
    }

    /// The public fields.
    #[must_use]
    pub const fn public(&self) -> &Object {
        &self.public
    }

    /// The other fields, named `form.<path>` as disclosures are.
    #[must_use]
    pub fn private(&self) -> &[PrivateField] {
        &self.private
    }
}

impl fmt::Debug for CheckedForm {
    /// Shows names only: a private value must not reach a log line by accident.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckedForm").field("fields", &self.values.keys()).finish_non_exhaustive()
    }
}

impl FormError {
    /// The message in both languages.
    #[must_use]
    pub fn text(&self) -> Text {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        self.message.texts(&arguments)
    }
}
