//! Reading a form's schema: its fields, and only what a form can show.

use std::collections::BTreeMap;

use jsonschema::Draft;
use serde_json::{Map, Value};

use super::{FieldKind, FormField, FormSchema};
use crate::code::FieldPath;
use crate::messages::Text;
use crate::pack::error::PackRule;
use crate::pack::registry::Visibility;
use crate::value_format::ValueFormat;

/// Keywords that an object of a form may have.
const OBJECT_KEYWORDS: &[&str] = &[
    "$schema",
    "$id",
    "type",
    "title",
    "description",
    "x-title",
    "properties",
    "required",
    "additionalProperties",
];

/// Keywords that a field may have beside its limits.
const FIELD_KEYWORDS: &[&str] = &[
    "type",
    "title",
    "description",
    "x-title",
    "x-visibility",
    "format",
    "pattern",
    "enum",
    "const",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "examples",
];

/// Formats of JSON Schema itself that a form may use.
const STANDARD_FORMATS: &[&str] = &["date", "email", "uuid"];

impl FormSchema {
    /// Reads and compiles a schema.
    ///
    /// # Errors
    /// Every rule that the schema breaks.
    pub fn parse(text: &str) -> Result<Self, Vec<PackRule>> {
        let malformed = |e: serde_json::Error| vec![PackRule::Malformed { reason: e.to_string() }];
        let schema: Value = serde_json::from_str(text).map_err(malformed)?;
        let mut reader = Reader { fields: BTreeMap::new(), problems: Vec::new() };
        reader.object(&schema, "", "", true);
        let mut options = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(true)
            .should_ignore_unknown_formats(false);
        for format in ValueFormat::all() {
            options =
                options.with_format(format.name(), move |text| format.normalise(text).is_ok());
        }
        match options.build(&schema) {
            Ok(validator) if reader.problems.is_empty() => {
                Ok(Self { fields: reader.fields, validator })
            }
            Ok(_) => Err(reader.problems),
            Err(e) => {
                let reason = format!("{}: {e}", e.instance_path().as_str());
                reader.problems.push(PackRule::Schema { reason });
                Err(reader.problems)
            }
        }
    }
}

struct Reader {
    fields: BTreeMap<FieldPath, FormField>,
    problems: Vec<PackRule>,
}

impl Reader {
    fn object(&mut self, schema: &Value, pointer: &str, prefix: &str, required: bool) {
        let Some(members) = schema.as_object() else {
            return self.refuse(pointer, "is not an object");
        };
        if members.get("type").and_then(Value::as_str) != Some("object") {
            self.refuse(pointer, "a form is an object; write \"type\": \"object\"");
        }
        self.check_keywords(members, pointer, OBJECT_KEYWORDS);
        if members.get("additionalProperties") != Some(&Value::Bool(false)) {
            self.refuse(
                pointer,
                "write \"additionalProperties\": false, so that no field slips by",
            );
        }
        let Some(properties) = members.get("properties").and_then(Value::as_object) else {
            return self.refuse(pointer, "has no \"properties\"");
        };
        let names: Vec<&str> = match members.get("required").and_then(Value::as_array) {
            Some(names) => names.iter().filter_map(Value::as_str).collect(),
            None => vec![],
        };
        for (name, property) in properties {
            let pointer = format!("{pointer}/properties/{name}");
            let path = format!("{prefix}{name}");
            let required = required && names.contains(&name.as_str());
            if property.get("type").and_then(Value::as_str) == Some("object") {
                self.object(property, &pointer, &format!("{path}."), required);
            } else {
                self.field(property, &pointer, &path, required);
            }
        }
    }

    fn field(&mut self, schema: &Value, pointer: &str, path: &str, required: bool) {
        let Some(members) = schema.as_object() else {
            return self.refuse(pointer, "is not an object");
        };
        self.check_keywords(members, pointer, FIELD_KEYWORDS);
        let path = match FieldPath::parse(path) {
            Ok(path) => path,
            Err(e) => return self.refuse(pointer, &e.to_string()),
        };
        let kind = match members.get("type").and_then(Value::as_str) {
            Some("string") => FieldKind::Text,
            Some("integer") => FieldKind::Integer,
            Some("boolean") => FieldKind::Boolean,
            _ => {
                return self.refuse(pointer, "a field is a \"string\", \"integer\" or \"boolean\"");
            }
        };
        if kind == FieldKind::Text && !is_bounded(members) {
            self.refuse(pointer, "a text needs \"maxLength\", \"enum\", \"const\" or a \"format\"");
        }
        let visibility = members.get("x-visibility").and_then(Value::as_str);
        let Some(visibility) = visibility.and_then(Visibility::parse) else {
            return self.refuse(pointer, "\"x-visibility\" must be public, official or private");
        };
        let format = match members.get("format").and_then(Value::as_str) {
            None => None,
            Some(name) if STANDARD_FORMATS.contains(&name) => None,
            Some(name) => match ValueFormat::by_name(name) {
                Some(format) => Some(format),
                None => {
                    let (what, name) = ("format", name.to_owned());
                    return self.problems.push(PackRule::Unknown { what, name });
                }
            },
        };
        let title = self.title(members, pointer);
        let is_date = members.get("format").and_then(Value::as_str) == Some("date");
        let choices = members.get("enum").and_then(Value::as_array).into_iter().flatten();
        let choices = choices.filter_map(Value::as_str).map(str::to_owned).collect();
        let field = FormField { title, kind, visibility, required, format, is_date, choices };
        self.fields.insert(path, field);
    }

    fn title(&mut self, members: &Map<String, Value>, pointer: &str) -> Text {
        let title = members.get("x-title").cloned().unwrap_or_else(|| Value::Object(Map::new()));
        let text = match serde_json::from_value::<Text>(title) {
            Ok(text) => text,
            Err(e) => {
                self.refuse(pointer, &format!("\"x-title\": {e}"));
                return Text::default();
            }
        };
        for language in text.missing() {
            let what = format!("{pointer}/x-title");
            self.problems.push(PackRule::MissingLanguage { what, language });
        }
        text
    }

    fn check_keywords(&mut self, members: &Map<String, Value>, pointer: &str, known: &[&str]) {
        for keyword in members.keys().filter(|keyword| !known.contains(&keyword.as_str())) {
            self.refuse(
                pointer,
                &format!("a form cannot use {keyword:?}; use: {}", known.join(", ")),
            );
        }
    }

    fn refuse(&mut self, pointer: &str, reason: &str) {
        let pointer = format!("#{pointer}");
        self.problems.push(PackRule::SchemaShape { pointer, reason: reason.to_owned() });
    }
}

/// Whether a text cannot be longer than its field is made for.
fn is_bounded(members: &Map<String, Value>) -> bool {
    ["maxLength", "enum", "const", "format"].iter().any(|keyword| members.contains_key(*keyword))
}
