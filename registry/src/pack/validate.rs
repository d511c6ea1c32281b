//! Whether the parts of a pack fit: every name defined, every rule cited, every step reached.

mod complex;
mod follow_ups;
mod lifecycle;
mod offers;
mod parts;
mod payments;
mod people;
mod registries;
mod requests;
mod routes;
mod services;
mod sources;
mod typical;

pub(super) use complex::complex;
pub(super) use lifecycle::lifecycle;
pub(super) use parts::{act, classifier, request_kind, units};
pub(super) use registries::{registry, rests_on};
pub(super) use routes::routes;
pub(super) use services::service;

use super::act::Citation;
use super::error::{PackRule, Problems};
use crate::messages::Text;

/// Notes the languages in which a text is missing.
fn text(problems: &mut Problems, file: &str, line: Option<u64>, what: &str, text: &Text) {
    for language in text.missing() {
        let what = what.to_owned();
        problems.add(file, line, PackRule::MissingLanguage { what, language });
    }
}

/// Notes a citation that is missing or not in every language.
fn law(problems: &mut Problems, file: &str, line: Option<u64>, what: &str, law: &Text) {
    if law == &Text::default() {
        problems.add(file, line, PackRule::MissingCitation { what: what.to_owned() });
    } else {
        text(problems, file, line, &format!("the act of {what}"), law);
        let (file, what, law) = (file.to_owned(), what.to_owned(), law.clone());
        problems.cite(Citation { file, line, what, law });
    }
}
