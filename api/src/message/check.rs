//! The pages where anybody checks a paper, as HTML: what its case came to and whether that holds,
//! or how the entry of an extract stands.
//!
//! Not here: what the log tells of them (`http::paper`, `http::registry::extract`).

use letopis_registry::case::CaseStatus;
use letopis_registry::projection::{
    CaseRow, EntryChange, EntryRow, EntryStatus, FollowUpRow, PaperRow,
};
use maud::{Markup, html};

use super::{Language, message};

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
    /// `renewal` or `review` where the case is about an entry that existed.
    pub(crate) about: Option<&'a str>,
    /// Cases that came later about the entry that it gave.
    pub(crate) later: &'a [FollowUpRow],
    pub(crate) papers: &'a [PaperRow],
}

impl CheckPage<'_> {
    /// What the case came to and whether that still holds.
    fn status(&self) -> &'static str {
        // The decision that says what stands in the entry now, if a later one does.
        let newest = self.later.iter().rev().find(|later| later.status == CaseStatus::Granted);
        let ended = self.later.iter().any(|later| is_review(later, CaseStatus::Refused));
        match (self.row.status, &self.entry) {
            (CaseStatus::Granted, Some(("in_force", _, _))) => match newest {
                Some(later) if later.cause == "renewal" => "check.renewed",
                Some(_) => "check.revised",
                None => "check.valid",
            },
            (CaseStatus::Granted, Some(("expired", _, _))) => "check.expired",
            (CaseStatus::Granted, _) if ended => "check.ended_by_review",
            (CaseStatus::Granted, _) => "check.excluded",
            (CaseStatus::Refused, _) if self.about == Some("review") => "check.ended_by_review",
            (CaseStatus::Refused, _) => "check.refused",
            _ => "check.open",
        }
    }
}

fn is_review(row: &FollowUpRow, status: CaseStatus) -> bool {
    row.cause == "review" && row.status == status
}

fn about_key(cause: &str) -> &'static str {
    if cause == "renewal" { "check.about.renewal" } else { "check.about.review" }
}

/// What a later case came to.
fn later_key(row: &FollowUpRow) -> &'static str {
    match (row.status, row.cause.as_str()) {
        (CaseStatus::Granted, "renewal") => "check.later.renewed",
        (CaseStatus::Granted, _) => "check.later.revised",
        (CaseStatus::Refused, "renewal") => "check.later.not_renewed",
        (CaseStatus::Refused, _) => "check.later.ended",
        (CaseStatus::InProgress, _) => "check.later.open",
        _ => "check.later.dropped",
    }
}

/// The page where anybody checks a paper: what the log tells of the case, and how to compare the
/// file.
pub(crate) fn check_page(page: &CheckPage<'_>) -> String {
    let text = |key| message(key, page.language);
    let status = text(page.status());
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
        ("check.about", page.about.map(|cause| text(about_key(cause)).to_owned())),
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
        (later(page))
        (papers(page))
        p { (text("check.decision")) " "
            code { "letopis-verify decision " (page.row.case) " --log URL" } }
    };
    super::page(page.language, &format!("{status}: {}", page.row.number), STYLE, &body)
}

/// Looks of the pages; see [`super::page`].
const STYLE: &str = "body{font:1.125rem/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;\
    padding:0 1rem}dt{font-weight:600}dd{margin:0 0 .6rem}\
    code{background:#eee;padding:.1em .3em;overflow-wrap:anywhere}";

/// What the page that checks an extract tells of the entry.
pub(crate) struct EntryPage<'a> {
    pub(crate) language: Language,
    /// Name of the log.
    pub(crate) origin: &'a str,
    /// The agency, as people know it.
    pub(crate) issuer: &'a str,
    /// Title of the registry.
    pub(crate) registry: &'a str,
    /// Path of the entry below `/api/v1`.
    pub(crate) path: &'a str,
    pub(crate) row: &'a EntryRow,
    /// How final the newest change is.
    pub(crate) state: &'static str,
    /// Every change, oldest first.
    pub(crate) history: &'a [EntryChange],
}

/// The page that the code on an extract leads to: the entry as it is now, and what happened to it.
pub(crate) fn entry_page(page: &EntryPage<'_>) -> String {
    let text = |key| message(key, page.language);
    let row = page.row;
    let status = text(match row.status {
        EntryStatus::InForce => "check.entry.in_force",
        EntryStatus::Expired => "check.entry.expired",
        EntryStatus::Excluded => "check.entry.excluded",
    });
    let state = text(if page.state == "final" { "check.final" } else { "check.committed" });
    let rows = [
        ("check.issuer", Some(page.issuer.to_owned())),
        ("check.entry.registry", Some(page.registry.to_owned())),
        ("check.number", row.number.clone()),
        ("check.until", row.valid_until.clone()),
        ("check.leaf", Some(row.leaf.get().to_string())),
        ("check.log", Some(page.origin.to_owned())),
        ("check.state", Some(state.to_owned())),
    ];
    let link = |end: &str| format!("/api/v1/{}/{end}", page.path);
    let body = html! {
        h1 { (status) }
        dl {
            @for (key, value) in rows {
                @if let Some(value) = value { dt { (text(key)) } dd { (value) } }
            }
        }
        h2 { (text("check.entry.changes")) }
        ul {
            @for change in page.history {
                li {
                    (change.changed_at.to_string()) ", " code { (change.event_type) } ", "
                    (text("check.leaf")) " " (change.leaf.get())
                }
            }
        }
        p { a href=(link("extract")) { (text("check.entry.extract")) } }
        p { a href=(link("proof")) { (text("check.entry.proof")) } }
    };
    let number = row.number.as_deref().unwrap_or(page.registry);
    super::page(page.language, &format!("{status}: {number}"), STYLE, &body)
}

/// Cases that came later about the entry.
fn later(page: &CheckPage<'_>) -> Markup {
    let text = |key| message(key, page.language);
    html! {
        @if !page.later.is_empty() {
            h2 { (text("check.later")) }
            ul {
                @for later in page.later {
                    li {
                        a href=(format!("/check/{}", later.case)) {
                            (text(about_key(&later.cause))) " " (later.number)
                        }
                        ": " (text(later_key(later)))
                    }
                }
            }
        }
    }
}

/// The files, and how to compare one's own.
fn papers(page: &CheckPage<'_>) -> Markup {
    let text = |key| message(key, page.language);
    html! {
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
    }
}
