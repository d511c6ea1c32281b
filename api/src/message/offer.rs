//! What a person reads of an offer: the page that answers it, and the letter that tells of it.
//!
//! Not here: which offers there are, and who may see one.

use std::collections::BTreeMap;

use letopis_registry::code::FieldPath;
use letopis_registry::engine::{Accepted, Intake, OpenedOffer};
use letopis_registry::event::OfferId;
use letopis_registry::pack::{FieldKind, FormError, FormField, plain_text};
use maud::{Markup, html};

use super::{Language, message, text};

const STYLE: &str = "body{font:1.125rem/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;\
    padding:0 1rem}dt,label{font-weight:600;display:block}dd{margin:0 0 .6rem}\
    input,select{font:inherit;padding:.3rem;width:100%;box-sizing:border-box}\
    button{font:inherit;padding:.5rem 1.2rem;margin:1rem 1rem 1rem 0}\
    p.wrong{color:#a40000;margin:0}div.field{margin:0 0 .8rem}code{background:#eee;padding:.1em .3em;overflow-wrap:anywhere}";

/// The page of an offer.
pub(crate) struct OfferPage<'a> {
    pub(crate) language: Language,
    pub(crate) id: OfferId,
    pub(crate) shown: Shown<'a>,
}

/// What the page shows.
pub(crate) enum Shown<'a> {
    /// Nobody has entered the code yet.
    Code,
    /// The code that was entered is not that of the offer.
    WrongCode,
    /// The offer as it is, with what the person has filled in so far.
    Offer {
        opened: &'a OpenedOffer,
        code: &'a str,
        sent: &'a BTreeMap<String, String>,
        errors: &'a [FormError],
    },
    /// The offer was accepted just now.
    Accepted { opened: &'a OpenedOffer, accepted: &'a Accepted },
}

/// The page as HTML; it needs no script.
pub(crate) fn offer_page(page: &OfferPage<'_>) -> String {
    let language = page.language;
    let (title, body) = match &page.shown {
        Shown::Code => (words("offer.page", language), code_form(page, None)),
        Shown::WrongCode => {
            (words("offer.page", language), code_form(page, Some("offer.wrong-code")))
        }
        Shown::Offer { opened, code, sent, errors } => {
            let answer = match opened.row.state.as_str() {
                "open" => answer_forms(page, opened, code, (sent, errors)),
                "accepted" => html! { p { (message("offer.was-accepted", language)) } },
                "declined" => html! { p { (message("offer.was-declined", language)) } },
                _ => html! { p { (message("offer.was-expired", language)) } },
            };
            let title = opened.wording().title.in_language(language);
            (title.to_owned(), html! { (about(opened, language)) (answer) })
        }
        Shown::Accepted { opened, accepted } => {
            let title = opened.wording().title.in_language(language);
            (title.to_owned(), submitted(accepted, language))
        }
    };
    super::page(language, &title, STYLE, &html! { h1 { (title) } (body) })
}

/// The text of the letter that tells of an offer.
pub(crate) fn letter_text(
    opened: &OpenedOffer,
    language: Language,
    (address, code): (&str, &str),
) -> String {
    let wording = opened.wording();
    let until = opened.row.open_until.to_string();
    let values = [
        ("issuer", opened.offered_by.pack.issuer().in_language(language)),
        ("title", wording.title.in_language(language)),
        ("law", wording.law.in_language(language)),
        ("address", address),
        ("code", code),
        ("until", until.as_str()),
    ];
    text("offer.letter", language, &values)
}

fn code_form(page: &OfferPage<'_>, wrong: Option<&'static str>) -> Markup {
    let language = page.language;
    html! {
        p { (message("offer.enter-code", language)) }
        form method="post" action=(format!("/offer/{}", page.id)) {
            @if let Some(key) = wrong { p.wrong role="alert" { (message(key, language)) } }
            label for="code" { (message("offer.code", language)) }
            input id="code" name="code" required autocomplete="off" autocapitalize="none"
                spellcheck="false" maxlength="40";
            button type="submit" { (message("offer.show", language)) }
        }
    }
}

/// What is offered, by which law, until when.
fn about(opened: &OpenedOffer, language: Language) -> Markup {
    let service = opened.offered_by.service(&opened.made.service);
    let service = service.map(|service| service.regulation.title.in_language(language));
    let rows = [
        ("offer.service", service.unwrap_or_default().to_owned()),
        ("offer.law", opened.wording().law.in_language(language).to_owned()),
        ("offer.issuer", opened.offered_by.pack.issuer().in_language(language).to_owned()),
        ("offer.until", opened.row.open_until.to_string()),
    ];
    html! {
        dl { @for (key, value) in rows { dt { (message(key, language)) } dd { (value) } } }
    }
}

/// The two answers: the form with what is missing, and "no".
fn answer_forms(
    page: &OfferPage<'_>,
    opened: &OpenedOffer,
    code: &str,
    (sent, errors): (&BTreeMap<String, String>, &[FormError]),
) -> Markup {
    let language = page.language;
    let action = format!("/offer/{}", page.id);
    let in_force = opened.in_force.as_ref();
    let Some(service) = in_force.and_then(|installed| installed.service(&opened.made.service))
    else {
        return html! { p { (message("offer.service-gone", language)) } };
    };
    let prefilled = &opened.prefilled;
    let (filled, asked): (Vec<_>, Vec<_>) =
        service.form.fields().iter().partition(|(field, _)| prefilled.contains_key(*field));
    html! {
        h2 { (message("offer.filled", language)) }
        dl {
            @for (field, known) in filled {
                dt { (known.title.in_language(language)) }
                dd {
                    (prefilled.get(field).map(plain_text).unwrap_or_default())
                    (wrong(field, errors, language))
                }
            }
        }
        h2 { (message("offer.add", language)) }
        p { (message("offer.nothing-without-you", language)) }
        form method="post" action=(action) {
            input type="hidden" name="code" value=(code);
            input type="hidden" name="answer" value="accept";
            @for error in errors.iter().filter(|error| error.pointer.is_empty()) {
                p.wrong role="alert" { (error.text().in_language(language)) }
            }
            @for (field, known) in asked {
                div.field { (input(field, known, language, sent)) (wrong(field, errors, language)) }
            }
            button type="submit" { (message("offer.accept", language)) }
        }
        form method="post" action=(action) {
            input type="hidden" name="code" value=(code);
            input type="hidden" name="answer" value="decline";
            button type="submit" { (message("offer.decline", language)) }
        }
    }
}

/// The field of a form with its label. Nothing is required here: a field that one kind of
/// applicant needs and another leaves out is told by its error.
fn input(
    field: &FieldPath,
    known: &FormField,
    language: Language,
    sent: &BTreeMap<String, String>,
) -> Markup {
    let name = format!("form.{field}");
    let value = sent.get(&name).map(String::as_str).unwrap_or_default();
    let yes_no = ["true", "false"].map(str::to_owned);
    let choices = if known.kind == FieldKind::Boolean { &yes_no[..] } else { &known.choices };
    let shown = |choice: &str| match choice {
        "true" if known.kind == FieldKind::Boolean => words("offer.yes", language),
        "false" if known.kind == FieldKind::Boolean => words("offer.no", language),
        other => other.to_owned(),
    };
    html! {
        label for=(name) {
            (known.title.in_language(language))
            @if known.required { " *" }
        }
        @if choices.is_empty() {
            input id=(name) name=(name) value=(value) type=(input_type(known));
        } @else {
            select id=(name) name=(name) {
                option value="" {}
                @for choice in choices {
                    option value=(choice) selected[choice == value] { (shown(choice)) }
                }
            }
        }
    }
}

const fn input_type(known: &FormField) -> &'static str {
    match known.kind {
        FieldKind::Integer => "number",
        _ if known.is_date => "date",
        _ => "text",
    }
}

/// What is wrong with a field.
fn wrong(field: &FieldPath, errors: &[FormError], language: Language) -> Markup {
    let pointer = field.pointer();
    html! {
        @for error in errors.iter().filter(|error| error.pointer == pointer) {
            p.wrong role="alert" { (error.text().in_language(language)) }
        }
    }
}

/// The application that the acceptance submitted. The token is shown this once.
fn submitted(accepted: &Accepted, language: Language) -> Markup {
    let number = match &accepted.intake {
        Intake::Registered(registered) => Some(registered.number.clone()),
        Intake::NotTaken(refused) => refused.number.clone(),
    };
    let key = match &accepted.intake {
        Intake::Registered(_) => "offer.submitted",
        Intake::NotTaken(_) => "offer.not-taken",
    };
    let rows = [
        ("check.case", number),
        ("offer.case-id", Some(accepted.case.to_string())),
        ("offer.token", Some(accepted.token.reveal())),
    ];
    html! {
        p { strong { (message(key, language)) } }
        dl {
            @for (key, value) in rows {
                @if let Some(value) = value {
                    dt { (message(key, language)) }
                    dd { code { (value) } }
                }
            }
        }
        p { (message("offer.keep-token", language)) }
        p {
            a href=(format!("/api/v1/applications/{}", accepted.case)) {
                (message("offer.follow", language))
            }
        }
    }
}

fn words(key: &'static str, language: Language) -> String {
    message(key, language).to_owned()
}
