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

impl Language {
    /// The language's code, as regulations use it too.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Russian => "ru",
        }
    }
}

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

/// A value within a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Words {
    /// The same in every language.
    Plain(String),
    /// Texts by language code, as a regulation gives them.
    InLanguages(BTreeMap<String, String>),
}

/// A message to be said in some language: its key and the values of its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Key in the message files.
    pub key: &'static str,
    /// Values by name.
    pub values: Vec<(&'static str, Words)>,
}

impl Message {
    /// A message whose values are the same in every language.
    #[must_use]
    pub fn new<const N: usize>(key: &'static str, values: [(&'static str, String); N]) -> Self {
        let values = values.map(|(name, value)| (name, Words::Plain(value)));
        Self { key, values: values.into() }
    }
}

/// The messages of one language.
#[derive(Debug)]
pub struct Messages {
    language: Language,
    texts: BTreeMap<String, String>,
}

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
        let texts = serde_json::from_str(file).expect("invariant: the message files are valid");
        Self { language, texts }
    }

    /// A message in this language.
    #[must_use]
    pub fn say(&self, message: &Message) -> String {
        let words = |(name, value): &(&'static str, Words)| match value {
            Words::Plain(text) => (*name, text.clone()),
            Words::InLanguages(texts) => {
                let text = texts.get(self.language.code()).or_else(|| texts.values().next());
                (*name, text.cloned().unwrap_or_default())
            }
        };
        let values: Vec<(&str, String)> = message.values.iter().map(words).collect();
        let values: Vec<(&str, &str)> =
            values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.text(message.key, &values)
    }

    /// A message with its `{names}` filled in. A key without a message shows itself, so that a
    /// report is never cut short by a missing text.
    ///
    /// Values come from a log that may be hostile: what could move a terminal's cursor, colour its
    /// text or turn its direction is shown as an escape.
    #[must_use]
    pub fn text(&self, key: &str, values: &[(&str, &str)]) -> String {
        let mut rest = self.texts.get(key).map_or(key, String::as_str);
        let mut text = String::new();
        while let Some((before, after)) = rest.split_once('{') {
            text += before;
            let (name, later) = after.split_once('}').unwrap_or((after, ""));
            match values.iter().find(|(known, _)| *known == name) {
                Some((_, value)) => text.extend(value.chars().map(visible)),
                None => text += &format!("{{{name}}}"),
            }
            rest = later;
        }
        text + rest
    }
}

/// A character as it may be shown: itself, or its escape.
fn visible(character: char) -> String {
    let turns_direction = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(character, '\u{2066}'..='\u{2069}');
    if character.is_control() || turns_direction {
        character.escape_unicode().to_string()
    } else {
        character.to_string()
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
        assert!(english.texts.keys().eq(russian.texts.keys()), "the files have different keys");
        for (key, text) in &english.texts {
            assert_eq!(names(text), names(&russian.texts[key]), "message {key}");
        }
    }

    #[test]
    fn every_rule_has_its_meaning() {
        let english = Messages::of(Language::English);
        for rule in Rule::ALL {
            assert!(
                english.texts.contains_key(&format!("rule.{}", rule.code())),
                "{}",
                rule.code()
            );
        }
    }

    #[test]
    fn names_are_filled_in() {
        let text = Messages::of(Language::English).text("verdict.broken", &[("count", "3")]);
        assert_eq!(text, "NOT IN ORDER, findings: 3.");
    }

    #[test]
    fn a_hostile_value_can_neither_command_a_terminal_nor_name_another_value() {
        let messages = Messages::of(Language::English);
        let values = [("origin", "\u{1b}[2J\u{202e}{place}"), ("place", "/log")];
        let text = messages.text("log.heading", &values);
        assert_eq!(text, "Log \\u{1b}[2J\\u{202e}{place}, read from /log");
    }

    #[test]
    fn texts_of_a_regulation_are_said_in_the_language_of_the_report() {
        let texts = [("en", "too late"), ("ru", "поздно")];
        let texts = texts.map(|(code, text)| (code.to_owned(), text.to_owned()));
        let words = Words::InLanguages(texts.into_iter().collect());
        let message = Message { key: "{text}", values: vec![("text", words)] };
        assert_eq!(Messages::of(Language::English).say(&message), "too late");
        assert_eq!(Messages::of(Language::Russian).say(&message), "поздно");
        let empty = Words::InLanguages(BTreeMap::new());
        let message = Message { key: "{text}", values: vec![("text", empty)] };
        assert_eq!(Messages::of(Language::Russian).say(&message), "");
    }
}
