//! Templates of numbers for cases and entries: `РР-{year}-{sequence:6}`.
//!
//! A template makes a different number for each sequence of a year. That a number is given once
//! only is held by a claim in the ledger. Not here: which sequence comes next.

use std::fmt;

use jiff::civil::Date;
use serde::de::{self, Deserialize, Deserializer};
use thiserror::Error;

/// Most digits that a sequence is padded to.
pub const WIDTH_MAX: usize = 12;
/// Most bytes of a template.
pub const TEMPLATE_MAX_BYTES: usize = 80;

/// How numbers of one kind look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberTemplate {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Year,
    Sequence { width: usize },
}

/// Why a text is not a number template.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NumberTemplateError {
    /// Too long or empty.
    #[error("write 1 to {TEMPLATE_MAX_BYTES} bytes, found {found_bytes}")]
    Length {
        /// Bytes found.
        found_bytes: usize,
    },
    /// A placeholder that does not exist.
    #[error("unknown placeholder {{{name}}}; use {{year}} and {{sequence:6}}")]
    Placeholder {
        /// What stands between the braces.
        name: String,
    },
    /// A brace without its pair.
    #[error("a brace has no pair; write {{year}} and {{sequence:6}}")]
    Brace,
    /// A sequence with an impossible width.
    #[error("the width of {{sequence}} must be 1 to {WIDTH_MAX}")]
    Width,
    /// A part that must be there exactly once is not.
    #[error("{placeholder} occurs {found} times, it must occur exactly once")]
    Count {
        /// The placeholder.
        placeholder: &'static str,
        /// How often it occurs.
        found: usize,
    },
    /// Characters that a unique name cannot hold.
    #[error("{found:?} is not allowed in a number; use letters, digits and - . _")]
    Character {
        /// The character.
        found: char,
    },
    /// The digits of a year and of a sequence would run together.
    #[error(
        "{{year}} and {{sequence}} touch digits; separate them, as in РР-{{year}}-{{sequence:6}}"
    )]
    Touching,
}

impl NumberTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// See [`NumberTemplateError`].
    pub fn parse(text: &str) -> Result<Self, NumberTemplateError> {
        if text.is_empty() || text.len() > TEMPLATE_MAX_BYTES {
            return Err(NumberTemplateError::Length { found_bytes: text.len() });
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            push_literal(&mut parts, &rest[..at])?;
            let inside = rest[at..].strip_prefix('{').ok_or(NumberTemplateError::Brace)?;
            let (name, tail) = inside.split_once('}').ok_or(NumberTemplateError::Brace)?;
            parts.push(placeholder(name)?);
            rest = tail;
        }
        push_literal(&mut parts, rest)?;
        check(&parts)?;
        Ok(Self { text: text.to_owned(), parts })
    }

    /// The template as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The number of `sequence` in the year of `date`.
    #[must_use]
    pub fn number(&self, date: Date, sequence: u64) -> String {
        let show = |part: &Part| match part {
            Part::Literal(text) => text.clone(),
            Part::Year => format!("{:04}", date.year()),
            Part::Sequence { width } => format!("{sequence:0width$}"),
        };
        self.parts.iter().map(show).collect()
    }

    /// The year and sequence of a number that this template made.
    #[must_use]
    pub fn read(&self, number: &str) -> Option<(i16, u64)> {
        let (mut year, mut sequence) = (None, None);
        let mut rest = number;
        for part in &self.parts {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            match part {
                Part::Literal(text) => rest = rest.strip_prefix(text.as_str())?,
                Part::Year => {
                    year = rest.get(..4)?.parse().ok();
                    rest = &rest[4..];
                }
                Part::Sequence { .. } => {
                    sequence = rest[..digits].parse().ok();
                    rest = &rest[digits..];
                }
            }
        }
        rest.is_empty().then_some((year?, sequence?))
    }
}

impl fmt::Display for NumberTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for NumberTemplate {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let text = String::deserialize(source)?;
        Self::parse(&text).map_err(|e| de::Error::custom(format!("number template {text:?}: {e}")))
    }
}

fn push_literal(parts: &mut Vec<Part>, text: &str) -> Result<(), NumberTemplateError> {
    let allowed = |c: char| c.is_alphanumeric() || "-._".contains(c);
    if let Some(found) = text.chars().find(|&c| !allowed(c)) {
        return Err(NumberTemplateError::Character { found });
    }
    if !text.is_empty() {
        parts.push(Part::Literal(text.to_owned()));
    }
    Ok(())
}

fn placeholder(name: &str) -> Result<Part, NumberTemplateError> {
    if name == "year" {
        return Ok(Part::Year);
    }
    let Some(width) = name.strip_prefix("sequence:") else {
        return Err(NumberTemplateError::Placeholder { name: name.to_owned() });
    };
    match width.parse::<usize>() {
        Ok(width @ 1..=WIDTH_MAX) => Ok(Part::Sequence { width }),
        _ => Err(NumberTemplateError::Width),
    }
}

fn check(parts: &[Part]) -> Result<(), NumberTemplateError> {
    let years = parts.iter().filter(|part| matches!(part, Part::Year)).count();
    let sequences = parts.iter().filter(|part| matches!(part, Part::Sequence { .. })).count();
    for (placeholder, found) in [("{year}", years), ("{sequence:6}", sequences)] {
        if found != 1 {
            return Err(NumberTemplateError::Count { placeholder, found });
        }
    }
    let starts_with_digit = |part: &Part| match part {
        Part::Literal(text) => text.starts_with(|c: char| c.is_ascii_digit()),
        Part::Year | Part::Sequence { .. } => true,
    };
    let touching = parts
        .windows(2)
        .any(|pair| !matches!(pair[0], Part::Literal(_)) && starts_with_digit(&pair[1]));
    if touching { Err(NumberTemplateError::Touching) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_follow_the_template() {
        let template = NumberTemplate::parse("РР-{year}-{sequence:6}").unwrap();
        assert_eq!(template.number(date(2026, 11, 21), 42), "РР-2026-000042");
        assert_eq!(template.number(date(2026, 11, 21), 1_234_567), "РР-2026-1234567");
        assert_eq!(template.read("РР-2026-000042"), Some((2026, 42)));
        assert_eq!(template.read("РР-2026-"), None);
        assert_eq!(template.read("ХХ-2026-000042"), None);
    }

    #[test]
    fn templates_that_cannot_make_unique_numbers_are_refused() {
        let reason = |text| NumberTemplate::parse(text).unwrap_err();
        assert_eq!(reason(""), NumberTemplateError::Length { found_bytes: 0 });
        assert!(matches!(reason("{month}"), NumberTemplateError::Placeholder { .. }));
        assert_eq!(reason("{year"), NumberTemplateError::Brace);
        assert_eq!(reason("}"), NumberTemplateError::Brace);
        assert_eq!(reason("{year}-{sequence:0}"), NumberTemplateError::Width);
        assert!(matches!(reason("{year}"), NumberTemplateError::Count { found: 0, .. }));
        assert!(matches!(reason("{sequence:3}"), NumberTemplateError::Count { found: 0, .. }));
        assert_eq!(reason("a b{year}-{sequence:3}"), NumberTemplateError::Character { found: ' ' });
        assert_eq!(reason("{sequence:3}{year}"), NumberTemplateError::Touching);
        assert_eq!(reason("{year}-{sequence:3}7"), NumberTemplateError::Touching);
    }

    proptest! {
        #[test]
        fn every_number_reads_back(year in 1970i16..9999, sequence: u32, width in 1usize..=12) {
            let template =
                NumberTemplate::parse(&format!("ЗП.{{sequence:{width}}}/").replace('/', "_{year}"))
                    .unwrap();
            let number = template.number(date(year, 1, 1), sequence.into());
            prop_assert_eq!(template.read(&number), Some((year, u64::from(sequence))));
        }
    }
}
