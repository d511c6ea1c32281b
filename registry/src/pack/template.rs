//! Documents from templates: Markdown with `{{name}}` where a value goes.
//!
//! Not here: signing a document, or turning it into another format.

use std::collections::{BTreeMap, BTreeSet};

use crate::messages::Language;

/// Which document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocumentKind {
    /// The result of a granted case.
    Result,
    /// The refusal.
    Refusal,
}

/// A template of a document in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Value(String),
}

impl DocumentKind {
    /// Both documents.
    pub const ALL: [Self; 2] = [Self::Result, Self::Refusal];

    /// Path of the template inside the service's folder.
    #[must_use]
    pub fn path(self, language: Language) -> String {
        let name = match self {
            Self::Result => "result",
            Self::Refusal => "refusal",
        };
        format!("templates/{name}.{}.md", language.code())
    }
}

impl Template {
    /// Reads a template; `None` when a `{{` has no `}}`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, tail) = after.split_once("}}")?;
            parts.push(Part::Literal(before.to_owned()));
            parts.push(Part::Value(name.trim().to_owned()));
            rest = tail;
        }
        parts.push(Part::Literal(rest.to_owned()));
        Some(Self { parts })
    }

    /// The names of the values that the template takes.
    #[must_use]
    pub fn names(&self) -> BTreeSet<&str> {
        let names = self.parts.iter().filter_map(|part| match part {
            Part::Value(name) => Some(name.as_str()),
            Part::Literal(_) => None,
        });
        names.collect()
    }

    /// The document; a value that is absent leaves its place empty. Characters that Markdown
    /// would read as marks are escaped in values.
    #[must_use]
    pub fn render(&self, values: &BTreeMap<String, String>) -> String {
        let mut document = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => document.push_str(text),
                Part::Value(name) => {
                    if let Some(value) = values.get(name) {
                        escape(value, &mut document);
                    }
                }
            }
        }
        document
    }
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
        assert_eq!(template.render(&values), "# РР-1\n\\<b\\>\\*\\{\\{number\\}\\}, .");
        assert_eq!(Template::parse("{{number"), None);
    }
}
