//! Decisions that officials sign: every post of the regulation agreed, by somebody who held it,
//! with a key that the log had introduced, to just this proposal.
//!
//! Written from `docs/EVENTS.md`. Who an official is as a person stays with the agency.

use letopis_ledger::Hash;
use letopis_ledger::Timestamp;
use letopis_ledger::json::{FieldError, Fields, Json, Object};
use letopis_ledger::key::{AuthorKeyId, AuthorSignature};
use letopis_ledger::record::Event;

use super::Stop;
use super::case::{self, Case};
use super::collect::{CaseEvent, Collector};
use super::event::Decided;
use super::procedure::Stage;
use super::rule::Regulation;
use crate::finding::{Finding, Rule};
use crate::staff::Post;

/// Payload type of an agreement in the pre-authentication encoding.
const PAYLOAD_TYPE: &str = "application/vnd.letopis.agreement.v1+json";

/// An agreement as the log has it.
struct Agreed {
    proposal: u64,
    stage: u64,
    post: u64,
    official: String,
    key: AuthorKeyId,
    signature: AuthorSignature,
}

/// Checks that stages with a term of their own are those of the regulation, counted rightly, and
/// that what is said to be late was.
pub(super) fn check_stages(
    case: &Case,
    collected: &Collector<'_>,
    regulation: &Regulation,
) -> Result<(), Stop> {
    let mut under_way = None;
    for event in &collected.events[..case.decided_at] {
        let begins = match event.event().event_type.as_str() {
            case::STAGE_BEGUN => true,
            case::STAGE_BREACHED => false,
            _ => continue,
        };
        let (number, at, due) = case::read_event(event, |data| {
            let mut fields = Fields::of_object("stage", data);
            let numbered = fields.optional("number").is_some();
            let number = if numbered { Some(fields.unsigned("number")?) } else { None };
            let at = if begins { Some(fields.parsed("at", Timestamp::parse)?) } else { None };
            Ok((number, at, fields.parsed("due", Timestamp::parse)?))
        })?;
        let broken = |detail: &str| Stop::Found(Finding::at(Rule::Approval, event.place, detail));
        let taken = event.leaf.time();
        match at {
            Some(at) => {
                let term = regulation.stage_term(number);
                let term = term.ok_or_else(|| broken("a stage has no term of its own"))?;
                let counted = regulation.count(at, term, &[]).map_err(|reason| broken(&reason))?;
                if counted.due != due || at > taken {
                    return Err(broken("the term of a stage is counted wrongly"));
                }
                under_way = Some((number, due));
            }
            None if under_way.take() == Some((number, due)) && due < taken => {}
            None => return Err(broken("a stage is said to be late that was not")),
        }
    }
    Ok(())
}

/// Checks the way to the decision; gives the officials who agreed, the one who signed last.
pub(super) fn check(
    case: &Case,
    collected: &Collector<'_>,
    regulation: &Regulation,
) -> Result<Vec<String>, Stop> {
    let before = &collected.events[..case.decided_at];
    let decided = &collected.events[case.decided_at];
    let broken = |detail: String| Stop::Found(Finding::at(Rule::Approval, decided.place, detail));
    let agreements = before.iter().any(|event| event.event().event_type.as_str() == case::AGREED);
    let Some(stages) = &regulation.stages else {
        return match agreements {
            true => Err(broken("officials agreed though the rules alone decide".to_owned())),
            false => Ok(Vec::new()),
        };
    };
    let proposal = before.iter().rposition(|e| e.event().event_type.as_str() == case::PROPOSED);
    let proposal = proposal.ok_or_else(|| broken("nobody proposed the decision".to_owned()))?;
    let proposer = check_proposal(case, &before[proposal])?;
    let mut open: Vec<(u64, u64, &Post)> = posts(stages).collect();
    let mut officials = vec![proposer];
    for event in &before[proposal + 1..] {
        match event.event().event_type.as_str() {
            case::RETURNED => return Err(broken("the proposal was returned".to_owned())),
            case::AGREED => {}
            _ => continue,
        }
        let agreed = case::read_event(event, Agreed::read)?;
        let place =
            open.iter().position(|(stage, post, _)| (*stage, *post) == (agreed.stage, agreed.post));
        let (stage, _, post) = place.map(|place| open.remove(place)).ok_or_else(|| {
            broken(format!("{} agreed for a post that was not open", agreed.official))
        })?;
        let skipped = open.iter().any(|(other, ..)| *other < stage);
        if skipped || agreed.proposal != proposal as u64 || officials.contains(&agreed.official) {
            let official = &agreed.official;
            return Err(broken(format!("{official} agreed out of turn, or a second time")));
        }
        check_agreement(collected, (event, &agreed), post, &before[proposal])?;
        officials.push(agreed.official);
    }
    match open.first() {
        None => Ok(officials),
        Some((_, _, post)) => {
            Err(broken(format!("the {} of {} did not agree", post.role, post.unit)))
        }
    }
}

fn posts(stages: &[Stage]) -> impl Iterator<Item = (u64, u64, &Post)> {
    (0..).zip(stages).flat_map(|(stage, of)| {
        (0..).zip(&of.posts).map(move |(number, post)| (stage, number, post))
    })
}

/// What was proposed must be what was decided; gives who proposed.
fn check_proposal(case: &Case, proposed: &CaseEvent) -> Result<String, Stop> {
    let decision = case::read_event(proposed, Decided::read)?;
    let codes = |decided: &Decided| {
        decided.grounds.iter().map(|ground| ground.code.clone()).collect::<Vec<_>>()
    };
    let decided = &case.decided;
    let same = decision.outcome == decided.outcome
        && codes(&decision) == codes(decided)
        && decision.model_sha256 == decided.model_sha256
        && decision.decision == decided.decision;
    if !same {
        let detail = "what was decided is not what was proposed and signed";
        return Err(Finding::at(Rule::Approval, proposed.place, detail).into());
    }
    case::read_event(proposed, |data| {
        Ok(Fields::of_object("proposal", data).string("official")?.to_owned())
    })
}

fn check_agreement(
    collected: &Collector<'_>,
    (event, agreed): (&CaseEvent, &Agreed),
    post: &Post,
    proposed: &CaseEvent,
) -> Result<(), Stop> {
    let broken = |detail: String| Stop::Found(Finding::at(Rule::Approval, event.place, detail));
    let official = &agreed.official;
    let author = event.leaf.record().author();
    let staff = collected.staff.get(author);
    let staff = staff.ok_or_else(|| broken(format!("{official} holds no post")))?;
    let text = agreement_text(proposed.event(), agreed);
    let by = (official.as_str(), post, event.place);
    staff
        .check_signature(by, (PAYLOAD_TYPE, &text), (agreed.key, &agreed.signature))
        .map_err(broken)
}

/// The text that an official signs.
fn agreement_text(proposed: &Event, agreed: &Agreed) -> Vec<u8> {
    let digests = proposed.private.iter().map(|digest| digest.to_string().as_str().into());
    let digests: Vec<Json> = digests.collect();
    let content = Object::new().with("data", proposed.data.clone()).with("sd", digests);
    let hash = Hash::of(Json::from(content).to_string().as_bytes());
    let number = |value: u64| {
        let value = i64::try_from(value).ok().and_then(|value| Json::integer(value).ok());
        value.expect("invariant: numbers of a readable event are below 2^53")
    };
    let text = Object::new()
        .with("case", proposed.stream.as_str())
        .with("official", agreed.official.as_str())
        .with("post", number(agreed.post))
        .with("proposal", number(agreed.proposal))
        .with("proposal_sha256", hash.to_hex().as_str())
        .with("stage", number(agreed.stage));
    Json::from(text).to_string().into_bytes()
}

impl Agreed {
    fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("application.decision_agreed", data);
        let mut signature = Fields::of_object("signature", fields.object("signature")?);
        Ok(Self {
            proposal: fields.unsigned("proposal")?,
            stage: fields.unsigned("stage")?,
            post: fields.unsigned("post")?,
            official: fields.string("official")?.to_owned(),
            key: signature.parsed("key", AuthorKeyId::parse)?,
            signature: signature.parsed("ed25519", AuthorSignature::from_base64)?,
        })
    }
}
