//! `letopis work answer`: facts by field, or that there are none and why.
//!
//! Facts are written as text; the card of the case says of which type each is. Not here: whether
//! they are right, which the node says field by field.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Map, Value, json};

use super::card;
use super::intake::scan_of;
use crate::cli::remote::Remote;

/// An answer.
#[derive(Debug, Args)]
pub(super) struct Answer {
    /// Id of the case.
    pub(super) case: String,
    /// The request; a dotted path answers a subrequest.
    request: String,
    /// A fact, as field=value. None: no data.
    #[arg(long = "fact", value_name = "FIELD=VALUE")]
    facts: Vec<String>,
    /// The answer of a subrequest in words.
    #[arg(long)]
    text: Option<String>,
    /// Why there are no facts, in words, where the request was escalated.
    #[arg(long, conflicts_with = "facts")]
    motive: Option<String>,
    /// workplace, paper or phone.
    #[arg(long, default_value = "workplace")]
    way: String,
    /// Number of the letter or of the document.
    #[arg(long)]
    letter: Option<String>,
    /// The scan of it; its digest goes on record, the file does not leave this computer.
    #[arg(long, value_name = "FILE")]
    scan: Option<PathBuf>,
    /// Id of a second official who heard the call.
    #[arg(long)]
    second: Option<String>,
}

impl Answer {
    /// The body of the request.
    pub(super) fn body(&self, remote: &Remote) -> anyhow::Result<Value> {
        let mut body = json!({"request": self.request, "way": self.way});
        if !self.facts.is_empty() {
            let types = self.types(remote);
            let facts = read_facts(&self.facts, |field| types.get(field).map(String::as_str))?;
            body["facts"] = Value::Object(facts);
        }
        let texts = [
            ("text", &self.text),
            ("motive", &self.motive),
            ("letter", &self.letter),
            ("second", &self.second),
        ];
        for (name, value) in texts {
            if let Some(value) = value {
                body[name] = json!(value);
            }
        }
        if let Some(scan) = &self.scan {
            body["scan"] = scan_of(scan)?;
        }
        Ok(body)
    }

    /// Whether the card says that the official signs the answer.
    pub(super) fn is_signed(&self, remote: &Remote) -> bool {
        self.asked(remote).is_some_and(|asked| asked["signature"] == "official")
    }

    /// The request as the card of the case has it.
    fn asked(&self, remote: &Remote) -> Option<Value> {
        let card = card(remote, &self.case).ok()?;
        let mut requests = card["requests"].as_array()?.iter();
        requests.find(|one| one["request"] == self.request.as_str()).cloned()
    }

    /// The types of the facts by field, as the card of the case says; who may not see it is told
    /// so by the answer itself.
    fn types(&self, remote: &Remote) -> BTreeMap<String, String> {
        let asked = self.asked(remote).unwrap_or_default();
        let facts = asked["asks"].as_array().into_iter().flatten();
        let typed = |fact: &Value| {
            Some((fact["field"].as_str()?.to_owned(), fact["type"].as_str()?.to_owned()))
        };
        facts.filter_map(typed).collect()
    }
}

/// Facts by field. Where no type is known, true, false and whole numbers are read as such.
pub(super) fn read_facts<'t>(
    facts: &[String],
    type_of: impl Fn(&str) -> Option<&'t str>,
) -> anyhow::Result<Map<String, Value>> {
    let fact = |text: &String| {
        let (field, value) = text
            .split_once('=')
            .with_context(|| format!("{text:?} is not of the form field=value"))?;
        Ok((field.to_owned(), read_value(field, value, type_of(field))?))
    };
    facts.iter().map(fact).collect()
}

fn read_value(field: &str, value: &str, known: Option<&str>) -> anyhow::Result<Value> {
    let number = || value.parse::<i64>().ok();
    let truth = || value.parse::<bool>().ok();
    Ok(match known {
        Some("string" | "date") => json!(value),
        Some("integer") => match number() {
            Some(number) => json!(number),
            None => bail!("{field} is a whole number, {value:?} is none"),
        },
        Some("boolean") => match truth() {
            Some(truth) => json!(truth),
            None => bail!("{field} is true or false, {value:?} is neither"),
        },
        // A number with leading zeros is an identifier.
        _ => match number().filter(|number| number.to_string() == value) {
            Some(number) => json!(number),
            None => truth().map_or_else(|| json!(value), Value::Bool),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_have_the_types_that_are_asked_for_and_are_guessed_where_none_is_known() {
        let facts = ["number=1", "issued_on=2026-12-01", "positive=true", "area=12"];
        let facts = facts.map(str::to_owned);
        let types = [("number", "string"), ("area", "integer"), ("positive", "boolean")];
        let type_of = |field: &str| Some(types.iter().find(|(name, _)| *name == field)?.1);
        let read = read_facts(&facts, type_of).unwrap();
        let expected =
            json!({"number": "1", "issued_on": "2026-12-01", "positive": true, "area": 12});
        assert_eq!(Value::Object(read), expected);
        let guessed = read_facts(&["number=1".into(), "code=007".into()], |_| None).unwrap();
        assert_eq!(Value::Object(guessed), json!({"number": 1, "code": "007"}));
        for (field, value) in [("area", "большая"), ("positive", "да")] {
            let wrong = read_facts(&[format!("{field}={value}")], type_of).unwrap_err();
            assert!(wrong.to_string().starts_with(field), "{wrong}");
        }
        assert!(read_facts(&["number".into()], type_of).is_err());
    }
}
