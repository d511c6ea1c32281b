//! An answer that an official signs, written by hand from `docs/EVENTS.md`: the signature holds for
//! whoever has the disclosures, and whatever was changed is found.

use letopis_ledger::disclosure::Disclosure;
use letopis_ledger::json::{Json, Object};
use letopis_ledger::record::Event;
use letopis_verifier::finding::Rule;

use super::decision_case::{CASE, CaseSpec, REGULATION};
use super::rules::Broken;
use super::written::{Found, Written, list, signer};

const OFFICIAL: &str = "019ba000-0000-7000-8000-0000000000a2";
const OTHER: &str = "019ba000-0000-7000-8000-0000000000a3";
/// The leaf of the answer.
const ANSWER_LEAF: u64 = 4;

/// What the regulation says of the request that is asked.
const RULES: &str = "
steps:
  - code: residence
    action:
      request: {from: {unit: permits}, mandatory: true, no_data: decide, signature: official}
";

/// How the answer is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signed {
    Rightly,
    /// Over another fact than the one answered.
    OtherFact,
    /// With a key that the log does not have of the official.
    OtherKey,
    /// Another official answered.
    OtherOfficial,
    Nobody,
}

impl Signed {
    /// The appointment of the official, in the record that publishes the pack.
    pub(crate) fn appointed(self, written: &mut Written) -> Event {
        let post = Object::new().with("unit", "permits").with("role", "executor");
        let data = Object::new()
            .with("posts", vec![Json::from(post)])
            .with("skills", Vec::<Json>::new())
            .with("key", signer("executor").key().to_base64().as_str());
        written.event(&format!("staff/{OFFICIAL}"), "staff.appointed", data)
    }

    /// The answer.
    pub(crate) fn answer(self, written: &mut Written) -> Event {
        let by = if self == Self::OtherOfficial { OTHER } else { OFFICIAL };
        let came = Object::new()
            .with("way", "workplace")
            .with("at", "2026-01-12T09:00:00.000Z")
            .with("official", by);
        let data = Object::new()
            .with("request", "residence")
            .with("outcome", "answered")
            .with("came", came);
        let mut event = written.event(&format!("application/{CASE}"), "request.answered", data);
        event.private = self.disclosures().iter().map(Disclosure::digest).collect();
        event.private.sort_unstable();
        event
    }

    /// What whoever has the disclosures of the case has of the answer.
    fn disclosures(self) -> Vec<Disclosure> {
        let fact = Disclosure::new(&[7; 16], "answer.residence.zone", "Z1".into()).unwrap();
        if self == Self::Nobody {
            return vec![fact];
        }
        let zone = if self == Self::OtherFact { "Z2" } else { "Z1" };
        let text = Object::new()
            .with("case", format!("application/{CASE}").as_str())
            .with("facts", Object::new().with("zone", zone))
            .with("official", OFFICIAL)
            .with("request", "residence");
        let key = signer(if self == Self::OtherKey { "somebody" } else { "executor" });
        let payload_type = "application/vnd.letopis.answer.v1+json";
        let signature = key.sign_as(payload_type, Json::from(text).to_string().as_bytes());
        let kept = Object::new()
            .with("ed25519", signature.to_base64().as_str())
            .with("key", key.key().id().to_string().as_str())
            .with("official", OFFICIAL);
        let kept = Json::string(Json::from(kept).to_string()).unwrap();
        vec![fact, Disclosure::new(&[8; 16], "signature.residence", kept).unwrap()]
    }
}

fn spec(signed: Signed) -> CaseSpec {
    CaseSpec::granted().with(|case| {
        case.regulation = format!("{REGULATION}{RULES}");
        case.signed = Some(signed);
    })
}

fn found(signed: Signed) -> Vec<Found> {
    let given = signed.disclosures().iter().map(|one| one.as_str().to_owned()).collect();
    list(&spec(signed).check_with(CASE, given).audit.findings)
}

pub(crate) fn break_rule() -> Broken {
    Broken::alone(found(Signed::OtherFact), Some(ANSWER_LEAF))
}

#[test]
fn u22_a_signed_answer_holds_and_every_other_one_is_found() {
    let given = Signed::Rightly.disclosures();
    let given = given.iter().map(|one| one.as_str().to_owned()).collect();
    let checked = spec(Signed::Rightly).check_with(CASE, given);
    assert_eq!(list(&checked.audit.findings), []);
    assert!(checked.statements.iter().any(|said| said.key == "decision.answers"));
    for signed in [Signed::OtherFact, Signed::OtherKey, Signed::OtherOfficial, Signed::Nobody] {
        assert_eq!(found(signed), [(Rule::AnswerSignature, Some(ANSWER_LEAF))], "{signed:?}");
    }
    // Whoever has nothing of the answer sees nothing wrong, and is told nothing.
    let public = spec(Signed::OtherFact).check();
    assert_eq!(list(&public.audit.findings), []);
}
