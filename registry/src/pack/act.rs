//! The acts that a pack rests on, and whether what it cites is there.
//!
//! Citations are texts, as people read them; each begins with how an act is cited and names one of
//! its clauses. Not here: what an act says.

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::classifier::Day;
use super::error::{PackRule, Problems};
use crate::messages::{Language, Text};

/// An act.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// How it is cited, in each language; every citation of it begins so.
    pub cite: Spanned<Text>,
    /// Its full title, where that is another text.
    #[serde(default)]
    pub title: Option<Text>,
    /// The day on which it was adopted.
    pub adopted: Day,
    /// Its clauses, as in `2.8`: those that something in the pack may cite.
    pub clauses: Vec<Spanned<String>>,
}

impl Act {
    /// Whether a citation is one of this act.
    #[must_use]
    pub fn is_cited_by(&self, law: &Text) -> bool {
        let acts = std::slice::from_ref(self);
        Language::ALL.iter().any(|language| read(acts, law, *language) != Cited::NoAct)
    }
}

/// Where something cites an act.
#[derive(Debug, Clone)]
pub(super) struct Citation {
    pub(super) file: String,
    pub(super) line: Option<u64>,
    /// What cites.
    pub(super) what: String,
    pub(super) law: Text,
}

/// What a citation names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cited<'a> {
    /// No act of the pack.
    NoAct,
    /// An act, and none of its clauses.
    NoClause,
    /// A clause of the act of this number.
    Clause(usize, &'a str),
}

/// Checks every citation against the acts of the manifest.
pub(super) fn check(acts: &[Act], problems: &mut Problems) {
    let citations = problems.citations();
    for Citation { file, line, what, law } in &citations {
        let found = Language::ALL.map(|language| read(acts, law, language));
        for (found, language) in found.iter().zip(Language::ALL) {
            let (what, citation) = (what.clone(), law.in_language(language).to_owned());
            match found {
                // That the text is missing is said elsewhere.
                Cited::NoAct if citation.trim().is_empty() => {}
                Cited::NoAct => problems.add(file, *line, PackRule::UnknownAct { what, citation }),
                Cited::NoClause => {
                    problems.add(file, *line, PackRule::UnknownClause { what, citation });
                }
                Cited::Clause(..) => {}
            }
        }
        let [one, other] = found;
        if matches!((one, other), (Cited::Clause(..), Cited::Clause(..))) && one != other {
            problems.add(file, *line, PackRule::CitationsDiffer { what: what.clone() });
        }
    }
}

/// The act and clause of a citation in one language.
fn read<'a>(acts: &'a [Act], law: &Text, language: Language) -> Cited<'a> {
    let mut cited = Cited::NoAct;
    for (number, act) in acts.iter().enumerate() {
        let name = act.cite.value.in_language(language);
        let Some(rest) = law.in_language(language).strip_prefix(name) else { continue };
        // "No 7" is no beginning of "No 71".
        if name.is_empty() || rest.starts_with(char::is_alphanumeric) {
            continue;
        }
        cited = Cited::NoClause;
        if let Some(clause) = act.clauses.iter().find(|known| known.value == clause_of(rest)) {
            return Cited::Clause(number, &clause.value);
        }
    }
    cited
}

/// The first number of a text, as in `2.8` of ", clause 2.8 (1)".
fn clause_of(text: &str) -> &str {
    let Some(from) = text.find(|next: char| next.is_ascii_digit()) else { return "" };
    let number = &text[from..];
    let until = number.find(|next: char| !next.is_ascii_digit() && next != '.');
    number[..until.unwrap_or(number.len())].trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clause_is_the_first_number_after_the_act() {
        for (text, clause) in [
            (", clause 2.8 (1)", "2.8"),
            (", пункт 2.10, подпункт 3", "2.10"),
            (", section 6 (1)", "6"),
            (", clause 4.", "4"),
            ("", ""),
            (", preamble", ""),
        ] {
            assert_eq!(clause_of(text), clause, "{text}");
        }
    }
}
