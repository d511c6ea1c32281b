//! Texts of the HTTP interface and the demonstration for people, in Russian and English, from
//! message files.
//!
//! Not here: texts of forms, statuses and grounds, which belong to the registry and its packs.

mod check;
pub(crate) mod offer;

use std::collections::BTreeMap;
use std::sync::LazyLock;

pub(crate) use letopis_registry::messages::Language;
use maud::{DOCTYPE, Markup, html};

use crate::http::problem::Code;

pub(crate) use check::{CheckPage, EntryPage, check_page, entry_page};

type Catalogue = BTreeMap<String, String>;

static RUSSIAN: LazyLock<Catalogue> = LazyLock::new(|| read(include_str!("../messages/ru.json")));
static ENGLISH: LazyLock<Catalogue> = LazyLock::new(|| read(include_str!("../messages/en.json")));

/// What a class of problems is called.
pub(crate) fn problem_title(code: Code, language: Language) -> &'static str {
    message(code.title_key(), language)
}

/// A message with its `{names}` filled in.
pub(crate) fn text(key: &'static str, language: Language, values: &[(&str, &str)]) -> String {
    let fill =
        |text: String, (name, value): &(&str, &str)| text.replace(&format!("{{{name}}}"), value);
    values.iter().fold(message(key, language).to_owned(), fill)
}

/// The first page of a node: what it is and where its parts are.
pub(crate) fn index_page(language: Language, origin: &str) -> String {
    let text = |key| escape(message(key, language));
    let link = |path: &str, key| format!("<li><a href=\"{path}\">{}</a></li>", text(key));
    let links = [
        link("/checkpoint", "index.log"),
        link("/policy", "index.policy"),
        link("/openapi.json", "index.api"),
        link("/healthz", "index.health"),
    ];
    format!(
        "<!doctype html><html lang=\"{}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><style>body{{font:1.125rem/1.5 system-ui,sans-serif;\
         max-width:40rem;margin:3rem auto;padding:0 1rem}}code{{background:#eee;padding:.1em .3em}}\
         </style></head><body><main><h1>{title}</h1><p>{}</p><p><strong>{}</strong></p>\
         <ul>{}</ul><p>{} <code>letopis-verify log URL</code></p></main></body></html>",
        language.code(),
        text("index.lead"),
        escape(origin),
        links.concat(),
        text("index.check"),
        title = text("index.title"),
    )
}

/// A page for somebody who came by an address on paper: nothing on it is for search engines.
fn page(language: Language, title: &str, style: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang=(language.code()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (title) }
                style { (style) }
            }
            body { main { (body) } }
        }
    };
    page.into_string()
}

fn message(key: &'static str, language: Language) -> &'static str {
    let catalogue = match language {
        Language::Ru => &RUSSIAN,
        Language::En => &ENGLISH,
    };
    catalogue.get(key).map_or(key, String::as_str)
}

fn escape(text: &str) -> String {
    let replaced = text.replace('&', "&amp;").replace('<', "&lt;");
    replaced.replace('>', "&gt;").replace('"', "&quot;")
}

fn read(file: &str) -> Catalogue {
    serde_json::from_str(file).expect("invariant: the message files are valid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_has_a_title_in_both_languages() {
        for code in Code::ALL {
            for language in Language::ALL {
                assert_ne!(problem_title(code, language), code.title_key());
            }
        }
        assert!(RUSSIAN.keys().eq(ENGLISH.keys()));
    }
}
