//! Documents from templates: Markdown with `{{name}}` where a value goes.
//!
//! Not here: signing a document, or turning it into another format.

use std::collections::{BTreeMap, BTreeSet};

use super::Regulation;
use crate::messages::Language;

/// Written after a value's name, `{{entry.amount_kopecks|hundredths}}`: the integer is a count of
/// hundredths, such as money in its smaller unit, and is shown as people write it.
const HUNDREDTHS: &str = "hundredths";

/// The value that is a list of paragraphs, made of the regulation's own texts.
pub(super) const GROUNDS: &str = "decision.grounds";

/// Which document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocumentKind {
    /// The result of a granted case.
    Result,
    /// The refusal.
    Refusal,
    /// The result of a case that renewed an entry.
    Renewal,
    /// The result of a review that left an entry in force.
    Revision,
    /// The refusal of a review, by which an entry ended.
    Ending,
}

/// A template of a document in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Value { name: String, as_hundredths: bool },
}

impl DocumentKind {
    /// The documents that a service issues, as far as its regulation could be read.
    pub fn of(regulation: Option<&Regulation>) -> impl Iterator<Item = Self> {
        let renewal = regulation.and_then(|of| of.renewal.as_ref()).map(|_| Self::Renewal);
        let review = regulation.and_then(|of| of.review.as_ref());
        let review = review.map(|_| [Self::Revision, Self::Ending]);
        [Self::Result, Self::Refusal].into_iter().chain(renewal).chain(review.into_iter().flatten())
    }

    /// The kind as the log spells it: a renewal and a revision are results, an ending is a refusal.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Result | Self::Renewal | Self::Revision => "result",
            Self::Refusal | Self::Ending => "refusal",
        }
    }

    /// Whether it may show fields of the entry that the decision made or revised.
    #[must_use]
    pub const fn shows_entry(self) -> bool {
        matches!(self, Self::Result | Self::Renewal | Self::Revision)
    }

    /// Path of the template inside the service's folder.
    #[must_use]
    pub fn path(self, language: Language) -> String {
        let name = match self {
            Self::Result | Self::Refusal => self.as_str(),
            Self::Renewal => "renewal",
            Self::Revision => "revision",
            Self::Ending => "ending",
        };
        format!("templates/{name}.{}.md", language.code())
    }
}

impl Template {
    /// Reads a template; `None` when a `{{` has no `}}`, or a value is to be shown in an unknown
    /// way.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, tail) = after.split_once("}}")?;
            parts.push(Part::Literal(before.to_owned()));
            let (name, way) = name.split_once('|').map_or((name, None), |(n, w)| (n, Some(w)));
            let as_hundredths = match way.map(str::trim) {
                None => false,
                Some(HUNDREDTHS) => true,
                Some(_) => return None,
            };
            parts.push(Part::Value { name: name.trim().to_owned(), as_hundredths });
            rest = tail;
        }
        parts.push(Part::Literal(rest.to_owned()));
        Some(Self { parts })
    }

    /// The names of the values that the template takes.
    #[must_use]
    pub fn names(&self) -> BTreeSet<&str> {
        let names = self.parts.iter().filter_map(|part| match part {
            Part::Value { name, .. } => Some(name.as_str()),
            Part::Literal(_) => None,
        });
        names.collect()
    }

    /// The document; a value that is absent leaves its place empty, with the space before it.
    /// Characters that Markdown would read as marks are escaped in values.
    #[must_use]
    pub fn render(&self, values: &BTreeMap<String, String>, language: Language) -> String {
        let mut document = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => document.push_str(text),
                Part::Value { name, as_hundredths } => match values.get(name) {
                    Some(value) if *as_hundredths => {
                        document.push_str(&hundredths(value, language));
                    }
                    // The list of grounds is made here, and is to stay a list.
                    Some(value) if name == GROUNDS => document.push_str(value),
                    Some(value) => escape(value, &mut document),
                    // A name without a patronymic must not leave a space before the comma.
                    None => document.truncate(document.trim_end_matches(' ').len()),
                },
            }
        }
        document
    }
}

/// A count of hundredths as `12 345,06` or `12,345.06`; any other text as it is.
fn hundredths(value: &str, language: Language) -> String {
    let Ok(count) = value.parse::<i64>() else { return value.to_owned() };
    // U+00A0: the number must not be broken between lines.
    let (point, gap) = match language {
        Language::Ru => (',', '\u{a0}'),
        Language::En => ('.', ','),
    };
    let whole = (count.unsigned_abs() / 100).to_string();
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(gap);
        }
        grouped.push(digit);
    }
    let sign = if count < 0 { "-" } else { "" };
    format!("{sign}{grouped}{point}{:02}", count.unsigned_abs() % 100)
}

/// A value as text of a Markdown document: nothing in it is a mark.
#[must_use]
pub fn escaped(value: &str) -> String {
    let mut document = String::new();
    escape(value, &mut document);
    document
}

fn escape(value: &str, document: &mut String) {
    for character in value.chars() {
        if "\\`*_{}[]<>()#+!|".contains(character) {
            document.push('\\');
        }
        document.push(character);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_in_their_places_and_bring_no_marks() {
        let template = Template::parse("# {{ number }}\n{{name}}, {{none}}.").unwrap();
        assert_eq!(template.names(), BTreeSet::from(["number", "name", "none"]));
        let values = BTreeMap::from([
            ("number".to_owned(), "РР-1".to_owned()),
            ("name".to_owned(), "<b>*{{number}}".to_owned()),
        ]);
        assert_eq!(
            template.render(&values, Language::En),
            "# РР-1\n\\<b\\>\\*\\{\\{number\\}\\},."
        );
        assert_eq!(Template::parse("{{number"), None);
        assert_eq!(Template::parse("{{number|words}}"), None);
    }

    #[test]
    fn hundredths_are_written_as_people_write_them() {
        let template = Template::parse("{{ sum | hundredths }}").unwrap();
        for (given, ru, en) in [
            ("1837100", "18\u{a0}371,00", "18,371.00"),
            ("5", "0,05", "0.05"),
            ("-123456789", "-1\u{a0}234\u{a0}567,89", "-1,234,567.89"),
            ("none", "none", "none"),
        ] {
            let values = BTreeMap::from([("sum".to_owned(), given.to_owned())]);
            assert_eq!(template.render(&values, Language::Ru), ru);
            assert_eq!(template.render(&values, Language::En), en);
        }
    }
}
