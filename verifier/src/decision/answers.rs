//! Signatures of officials under their answers, where the regulation asks for them.
//!
//! A signature is as private as the facts that it is over; whoever has the disclosures of a case
//! checks it. Not here: whether the facts are true.

use std::collections::BTreeMap;

use letopis_ledger::disclosure::{Disclosure, DisclosureDigest};
use letopis_ledger::json::{FieldError, Fields, Json, Object};
use letopis_ledger::key::{AuthorKeyId, AuthorSignature};

use super::Stop;
use super::case::{ANSWERED, events_of};
use super::collect::{CaseEvent, Collector};
use super::rule::Regulation;
use crate::finding::{Finding, Rule};

/// Payload type of an answer in the pre-authentication encoding.
const PAYLOAD_TYPE: &str = "application/vnd.letopis.answer.v1+json";

/// Checks every signature that is disclosed; how many held.
pub(super) fn check(
    collected: &Collector<'_>,
    regulation: &Regulation,
    open: &BTreeMap<DisclosureDigest, Disclosure>,
) -> Result<usize, Stop> {
    let mut checked = 0;
    for (_, event) in events_of(collected, ANSWERED) {
        let request = event.event().data.get("request").and_then(Json::as_str);
        let Some(request) = request.filter(|request| regulation.is_signed(request)) else {
            continue;
        };
        let broken = |detail: String| {
            let detail = format!("the answer of {request}: {detail}");
            Stop::Found(Finding::at(Rule::AnswerSignature, event.place, detail))
        };
        let private: Vec<&Disclosure> =
            event.event().private.iter().filter_map(|digest| open.get(digest)).collect();
        if private.len() < event.event().private.len() {
            // Who has not all of it cannot say anything.
            continue;
        }
        check_one(collected, (event, request), &private).map_err(broken)?;
        checked += 1;
    }
    Ok(checked)
}

fn check_one(
    collected: &Collector<'_>,
    (event, request): (&CaseEvent, &str),
    private: &[&Disclosure],
) -> Result<(), String> {
    let name = format!("signature.{request}");
    let kept = private.iter().find(|field| field.name() == name);
    let kept = kept.and_then(|field| field.value().as_str()).ok_or("nobody signed it")?;
    let kept = Json::parse(kept.as_bytes()).map_err(|e| e.to_string())?;
    let kept = Signature::read(&kept).map_err(|e| e.to_string())?;
    let came = event.event().data.get("came").and_then(Json::as_object);
    let came_by = |member: &str| came.and_then(|came| came.get(member)?.as_str());
    if came_by("official") != Some(&kept.official) {
        return Err(format!("{} signed what another official answered", kept.official));
    }
    let text = text(event, (request, &kept.official), private, came_by("letter"));
    let staff = collected.staff.get(event.leaf.record().author());
    let staff = staff.ok_or_else(|| format!("{} holds no post", kept.official))?;
    let signed = (PAYLOAD_TYPE, text.as_bytes());
    staff.check_key((&kept.official, event.place), signed, (kept.key, &kept.signature))
}

/// The text that was signed, from what the log and the disclosures have.
fn text(
    event: &CaseEvent,
    (request, official): (&str, &str),
    private: &[&Disclosure],
    letter: Option<&str>,
) -> String {
    let data = &event.event().data;
    let string = |text: &str| Json::string(text).unwrap_or(Json::from(""));
    let mut signed = Object::new()
        .with("case", event.event().stream.as_str())
        .with("official", string(official))
        .with("request", string(request));
    if data.get("outcome").and_then(Json::as_str) == Some("answered") {
        let prefix = format!("answer.{request}.");
        let fact = |field: &&Disclosure| {
            let name = field.name().strip_prefix(&prefix)?.to_owned();
            Some((name, field.value().clone()))
        };
        let facts: Object = private.iter().filter_map(fact).collect();
        signed = signed.with("facts", facts);
    }
    if let Some(letter) = letter {
        signed = signed.with("letter", string(letter));
    }
    let scan = data.get("scan").and_then(Json::as_object);
    if let Some(sha256) = scan.and_then(|scan| scan.get("sha256")) {
        signed = signed.with("scan", sha256.clone());
    }
    Json::from(signed).to_string()
}

/// A signature as it is kept.
struct Signature {
    official: String,
    key: AuthorKeyId,
    signature: AuthorSignature,
}

impl Signature {
    fn read(kept: &Json) -> Result<Self, FieldError> {
        let mut fields = Fields::of("signature", kept)?;
        Ok(Self {
            official: fields.string("official")?.to_owned(),
            key: fields.parsed("key", AuthorKeyId::parse)?,
            signature: fields.parsed("ed25519", AuthorSignature::from_base64)?,
        })
    }
}
