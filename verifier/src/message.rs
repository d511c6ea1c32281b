//! Texts for people, in Russian and English, from the message files of this crate.
//!
//! Ids, rule codes and the JSON report stay in English. Not here: what is said when.

use std::collections::BTreeMap;
use std::str::FromStr;

use thiserror::Error;

/// A language of the reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Russian.
    Russian,
}

/// A language that there are no messages in.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("language {0:?} is not known: use en or ru")]
pub struct UnknownLanguage(String);

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(code: &str) -> Result<Self, UnknownLanguage> {
        match code {
            "en" => Ok(Self::English),
            "ru" => Ok(Self::Russian),
            other => Err(UnknownLanguage(other.to_owned())),
        }
    }
}

/// The messages of one language.
#[derive(Debug)]
pub struct Messages(BTreeMap<String, String>);

impl Messages {
    /// Takes the messages of a language.
    ///
    /// # Panics
    /// Never: the files are part of the program, and a test reads both.
    #[must_use]
    pub fn of(language: Language) -> Self {
        let file = match language {
            Language::English => include_str!("../messages/en.json"),
            Language::Russian => include_str!("../messages/ru.json"),
        };
        Self(serde_json::from_str(file).expect("invariant: the message files are valid"))
    }

    /// A message with its `{names}` filled in. A key without a message shows itself, so that a
    /// report is never cut short by a missing text.
    #[must_use]
    pub fn text(&self, key: &str, values: &[(&str, &str)]) -> String {
        let template = self.0.get(key).map_or(key, String::as_str);
        let fill = |text: String, (name, value): &(&str, &str)| {
            text.replace(&format!("{{{name}}}"), value)
        };
        values.iter().fold(template.to_owned(), fill)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Rule;

    #[test]
    fn both_languages_have_the_same_messages_with_the_same_names() {
        let english = Messages::of(Language::English);
        let russian = Messages::of(Language::Russian);
        let names = |text: &str| {
            let mut names: Vec<String> = text
                .split('{')
                .skip(1)
                .map(|part| part.split('}').next().unwrap_or_default().to_owned())
                .collect();
            names.sort();
            names
        };
        assert!(english.0.keys().eq(russian.0.keys()), "the files have different keys");
        for (key, text) in &english.0 {
            assert_eq!(names(text), names(&russian.0[key]), "message {key}");
        }
    }

    #[test]
    fn every_rule_has_its_meaning() {
        let english = Messages::of(Language::English);
        for rule in Rule::ALL {
            assert!(english.0.contains_key(&format!("rule.{}", rule.code())), "{}", rule.code());
        }
    }

    #[test]
    fn names_are_filled_in() {
        let text = Messages::of(Language::English).text("verdict.broken", &[("count", "3")]);
        assert_eq!(text, "NOT IN ORDER: 3 findings.");
    }
}
