//! A form that an offer filled in, completed by the person to whom the offer was made.
//!
//! What was filled in stands: the person adds to it. Not here: whether the whole is right, which
//! `check` says.

use std::collections::BTreeMap;

use letopis_ledger::json::Json;
use serde_json::{Map, Value};

use super::check::error;
use super::{FormError, FormSchema};
use crate::code::FieldPath;
use crate::messages::MessageId;

impl FormSchema {
    /// The given form with the values that were filled in before; a value that is given for one
    /// of those must be the same.
    ///
    /// # Errors
    /// Every field that is given another value than was filled in, or a form that is no object.
    pub fn completed(
        &self,
        filled: &BTreeMap<FieldPath, Json>,
        given: &Value,
    ) -> Result<Value, Vec<FormError>> {
        let mut form = given.clone();
        let mut errors = Vec::new();
        for (field, value) in filled {
            let pointer = field.pointer();
            match form.pointer(&pointer) {
                Some(found) if !self.is_same(field, found, value) => {
                    errors.push(error(&pointer, MessageId::FieldPrefilled, vec![]));
                }
                Some(_) => {}
                None => {
                    if !insert(&mut form, field.as_str(), value.to_value()) {
                        errors.push(error(&pointer, MessageId::FieldInvalid, vec![]));
                    }
                }
            }
        }
        if errors.is_empty() { Ok(form) } else { Err(errors) }
    }

    /// Whether a value that somebody gives is the one that was filled in, however it is spelled.
    fn is_same(&self, field: &FieldPath, found: &Value, value: &Json) -> bool {
        let format = self.fields.get(field).and_then(|known| known.format);
        match (format, found.as_str()) {
            (Some(format), Some(text)) => {
                format.normalise(text).is_ok_and(|text| value.as_str() == Some(&text))
            }
            _ => *found == value.to_value(),
        }
    }
}

/// Puts a value at a dotted path; tells whether every part on the way is an object.
fn insert(form: &mut Value, path: &str, value: Value) -> bool {
    let Some(members) = form.as_object_mut() else { return false };
    match path.split_once('.') {
        None => {
            members.insert(path.to_owned(), value);
            true
        }
        Some((first, rest)) => {
            let below = members.entry(first).or_insert_with(|| Value::Object(Map::new()));
            insert(below, rest, value)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pack::fixture::{self, zarechny};

    fn filled() -> BTreeMap<FieldPath, Json> {
        let pairs = [("applicant.snils", "112-233-445 95"), ("plate", "А123ВС77")];
        pairs.map(|(field, value)| (FieldPath::parse(field).unwrap(), value.into())).into()
    }

    #[test]
    fn what_is_given_is_added_and_what_was_filled_in_stands() {
        let pack = zarechny();
        let form = &fixture::parking(&pack).form;
        let given = json!({"applicant": {"surname": "А", "snils": "11223344595"}, "zone": "Z1"});
        let expected = json!({
            "applicant": {"surname": "А", "snils": "11223344595"}, "zone": "Z1",
            "plate": "А123ВС77"
        });
        assert_eq!(form.completed(&filled(), &given).unwrap(), expected);
        let all = form.completed(&filled(), &json!({})).unwrap();
        assert_eq!(all, json!({"applicant": {"snils": "112-233-445 95"}, "plate": "А123ВС77"}));
    }

    #[test]
    fn another_value_for_what_was_filled_in_is_named() {
        let pack = zarechny();
        let form = &fixture::parking(&pack).form;
        let given = json!({"applicant": {"snils": "087-654-303 00"}, "plate": "Е234КМ77"});
        let errors = form.completed(&filled(), &given).unwrap_err();
        let pointers: Vec<_> = errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["/applicant/snils", "/plate"]);
        assert!(form.completed(&filled(), &json!([])).is_err());
        assert!(form.completed(&filled(), &json!({"applicant": "A"})).is_err());
    }
}
