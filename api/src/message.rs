//! Texts of the HTTP interface and the demonstration for people, in Russian and English, from
//! message files.
//!
//! Not here: texts of forms, statuses and grounds, which belong to the registry and its packs.

pub(crate) mod offer;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use letopis_registry::case::CaseStatus;
pub(crate) use letopis_registry::messages::Language;
use letopis_registry::projection::{CaseRow, PaperRow};
use maud::{DOCTYPE, html};

use crate::http::problem::Code;

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

/// What the page that checks a paper tells of its case.
pub(crate) struct CheckPage<'a> {
    pub(crate) language: Language,
    /// Name of the log.
    pub(crate) origin: &'a str,
    /// The agency, as people know it.
    pub(crate) issuer: &'a str,
    /// Title of the service.
    pub(crate) service: &'a str,
    pub(crate) row: &'a CaseRow,
    /// How final the end of the case is.
    pub(crate) state: Option<&'static str>,
    /// Status, number and last day of the entry behind a result.
    pub(crate) entry: Option<(&'static str, Option<String>, Option<String>)>,
    pub(crate) papers: &'a [PaperRow],
}

/// The page where anybody checks a paper: what the log tells of the case, and how to compare the
/// file.
pub(crate) fn check_page(page: &CheckPage<'_>) -> String {
    let text = |key| message(key, page.language);
    let status = text(match (page.row.status, &page.entry) {
        (CaseStatus::Granted, Some(("in_force", _, _))) => "check.valid",
        (CaseStatus::Granted, Some(("expired", _, _))) => "check.expired",
        (CaseStatus::Granted, _) => "check.excluded",
        (CaseStatus::Refused, _) => "check.refused",
        _ => "check.open",
    });
    let state = page
        .state
        .map(|state| text(if state == "final" { "check.final" } else { "check.committed" }));
    let entry = page.entry.as_ref();
    let number = entry.and_then(|(_, number, _)| number.as_deref());
    let until = entry.and_then(|(_, _, until)| until.as_deref());
    let rows = [
        ("check.issuer", Some(page.issuer.to_owned())),
        ("check.service", Some(page.service.to_owned())),
        ("check.case", Some(page.row.number.clone())),
        ("check.number", number.map(str::to_owned)),
        ("check.until", until.map(str::to_owned)),
        ("check.ended", page.row.ended_at.map(|time| time.to_string())),
        ("check.leaf", page.row.ended_leaf.map(|leaf| leaf.get().to_string())),
        ("check.log", Some(page.origin.to_owned())),
        ("check.state", state.map(str::to_owned)),
    ];
    let body = html! {
        h1 { (status) }
        dl {
            @for (key, value) in rows {
                @if let Some(value) = value { dt { (text(key)) } dd { (value) } }
            }
        }
        h2 { (text("check.papers")) }
        @if page.papers.is_empty() { p { (text("check.none")) } } @else {
            p { (text("check.compare")) " " code { "sha256sum" } }
            ul {
                @for paper in page.papers {
                    li {
                        (paper.media_type) ", " (paper.language) ", "
                        (paper.issued_at.to_string()) br;
                        code { (paper.sha256.to_hex()) } br;
                        a href=(format!("/api/v1/documents/{}/proof", paper.sha256.to_hex())) {
                            (text("check.proof")) " " (paper.leaf.get())
                        }
                    }
                }
            }
        }
        p { (text("check.decision")) " "
            code { "letopis-verify decision " (page.row.case) " --log URL" } }
    };
    let style = "body{font:1.125rem/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;\
        padding:0 1rem}dt{font-weight:600}dd{margin:0 0 .6rem}\
        code{background:#eee;padding:.1em .3em;overflow-wrap:anywhere}";
    let page = html! {
        (DOCTYPE)
        html lang=(page.language.code()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (status) ": " (page.row.number) }
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
