//! A case that accepts an offer, written by hand from `docs/EVENTS.md`: sound ones hold, and every
//! statement that is made otherwise is found.

use letopis_ledger::json::Object;
use letopis_ledger::record::{ClaimOperation, Event};
use letopis_verifier::finding::Rule;

use super::decision_case::{CASE, CaseSpec, PACK_LEAF, REGULATION};
use super::rules::Broken;
use super::written::{START_MS, Written, ZARECHNY, claim, found_in, list};

const OFFER: &str = "offer/019ba000-0000-7000-8000-000000000011";
const RECORD: &str = "registry/births/019ba000-0000-7000-8000-000000000012";
const PERMIT: &str = "registry/permits/019ba000-0000-7000-8000-000000000012";
const DAY_MS: i64 = 86_400_000;

/// The leaf that makes the offer, and the one that accepts it.
const MADE_LEAF: u64 = 3;
const ACCEPTED_LEAF: u64 = 4;

/// What the regulation offers: for ten days after a birth, and before a permit ends.
const OFFERS: &str = "
offers:
  - code: newborn
    trigger: {entry_created: {registry: births}}
    open_for: {calendar_days: 10}
  - code: renewal
    trigger: {entry_ends: {within: {calendar_days: 30}}}
    open_for: {calendar_days: 10}
";

/// How an offer was made and accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offered {
    Rightly,
    /// Before a permit ends, until the end of the permit.
    Renewal,
    /// Decided before midnight, taken by the log after it.
    OverMidnight,
    // What the check of the log finds.
    WithoutClaim,
    ClaimOfAnotherTrigger,
    AboutLater,
    MadeTwice,
    Declined,
    AcceptedTwice,
    NeverMade,
    OfAnotherService,
    LongOver,
    // What the check of the decision finds.
    NoSuchOffer,
    OtherTrigger,
    OtherRegistry,
    TooLong,
    TooShort,
    PastThePermit,
    AfterItsLastDay,
}

impl Offered {
    /// What makes the offer.
    fn made(self) -> Object {
        let renewal = matches!(self, Self::Renewal | Self::OtherTrigger | Self::PastThePermit);
        let offer = match self {
            Self::NoSuchOffer => "gift",
            Self::Renewal | Self::PastThePermit => "renewal",
            _ => "newborn",
        };
        let about = match self {
            Self::OtherRegistry => "registry/deaths/019ba000-0000-7000-8000-000000000012",
            _ if renewal => PERMIT,
            _ => RECORD,
        };
        let open_until = match self {
            Self::Renewal => "2026-01-15",
            Self::OverMidnight => "2026-01-21",
            Self::TooLong => "2026-01-23",
            Self::TooShort => "2026-01-20",
            // Made on 1 January.
            Self::AfterItsLastDay => "2026-01-11",
            Self::LongOver => "2026-01-09",
            _ => "2026-01-22",
        };
        let leaf: u32 = if self == Self::AboutLater { 9 } else { 1 };
        let about = Object::new().with("stream", about).with("version", 0_u32).with("leaf", leaf);
        let pack = Object::new()
            .with("code", ZARECHNY)
            .with("version", 1_u32)
            .with("leaf", u32::try_from(PACK_LEAF).unwrap());
        let service = if self == Self::OfAnotherService { "benefit" } else { "parking" };
        let made = Object::new()
            .with("service", service)
            .with("pack", pack)
            .with("offer", offer)
            .with("about", about)
            .with("open_until", open_until);
        if renewal { made.with("ends", "2026-01-15") } else { made }
    }

    fn claim(self) -> String {
        let made = self.made();
        let text = |name: &str| made.get(name).and_then(|value| value.as_str());
        let entry = if self == Self::ClaimOfAnotherTrigger { "3" } else { "2" };
        format!(
            "offer/{}/{}/019ba000-0000-7000-8000-00000000001{entry}/{}",
            text("service").unwrap(),
            text("offer").unwrap(),
            text("ends").unwrap_or("created")
        )
    }

    /// The leaf that makes the offer, before the one that accepts it.
    pub(crate) fn make(self, written: &mut Written) {
        if self == Self::NeverMade {
            let note = written.event("note/3", "note.taken", Object::new());
            written.push(ZARECHNY, vec![note]);
            return;
        }
        let mut events = vec![written.event(OFFER, "offer.made", self.made())];
        if self == Self::MadeTwice {
            events.push(written.event(OFFER, "offer.made", self.made()));
        }
        if self == Self::Declined {
            events.push(written.event(OFFER, "offer.declined", Object::new()));
        }
        let queued = Object::new().with("about", 0_u32).with("channel", "paper");
        events.push(written.event(OFFER, "notice.queued", queued));
        if self == Self::AfterItsLastDay || self == Self::LongOver {
            written.now_ms = START_MS - 11 * DAY_MS;
        }
        let mut draft = written.draft(ZARECHNY, events);
        if self != Self::WithoutClaim {
            draft.claims = vec![claim(&self.claim(), OFFER, ClaimOperation::Take)];
        }
        written.put(&draft);
    }

    /// The acceptance, in the record that submits the case.
    pub(crate) fn accept(self, written: &mut Written, submission: &mut Vec<Event>) {
        let case = Object::new().with("case", format!("application/{CASE}").as_str());
        submission.push(written.event(OFFER, "offer.accepted", case.clone()));
        if self == Self::AcceptedTwice {
            submission.push(written.event(OFFER, "offer.accepted", case));
        }
    }

    fn spec(self) -> CaseSpec {
        CaseSpec::granted().with(|case| {
            case.regulation = format!("{REGULATION}{OFFERS}");
            case.offered = Some(self);
        })
    }

    fn broke(self, rule: Rule) -> bool {
        self.spec().check().audit.findings.broke(rule)
    }
}

pub(crate) fn break_rule(rule: Rule) -> Broken {
    let (how, leaf) = match rule {
        Rule::OfferOrder => (Offered::WithoutClaim, MADE_LEAF),
        Rule::Offer => (Offered::TooShort, ACCEPTED_LEAF),
        other => unreachable!("{} is not about offers", other.code()),
    };
    Broken::alone(list(&how.spec().check().audit.findings), Some(leaf))
}

#[test]
fn a_case_that_accepts_an_offer_is_sound() {
    for how in [Offered::Rightly, Offered::Renewal, Offered::OverMidnight] {
        let checked = how.spec().check();
        assert!(list(&checked.audit.findings).is_empty(), "{how:?} {:?}", checked.audit.findings);
        assert_eq!(checked.facts["offer"], OFFER, "{how:?}");
        assert!(checked.statements.iter().any(|said| said.key == "decision.offered"));
    }
    // Of a case that accepts nothing, nothing is said.
    assert!(CaseSpec::granted().check().facts.get("offer").is_none());
}

#[test]
fn every_offer_that_does_not_go_in_order_is_found_in_the_log() {
    for how in [
        Offered::WithoutClaim,
        Offered::ClaimOfAnotherTrigger,
        Offered::AboutLater,
        Offered::MadeTwice,
        Offered::Declined,
        Offered::AcceptedTwice,
        Offered::NeverMade,
        Offered::OfAnotherService,
        Offered::LongOver,
    ] {
        assert!(how.broke(Rule::OfferOrder), "{how:?}");
    }
}

#[test]
fn every_statement_about_an_offer_that_is_made_otherwise_is_found() {
    for how in [
        Offered::OfAnotherService,
        Offered::NoSuchOffer,
        Offered::OtherTrigger,
        Offered::OtherRegistry,
        Offered::TooLong,
        Offered::TooShort,
        Offered::PastThePermit,
        Offered::AfterItsLastDay,
    ] {
        assert!(how.broke(Rule::Offer), "{how:?}");
    }
}

/// A log with an offer that ends by `event` after so many days.
fn ended(event: &str, after_days: i64, again: bool) -> bool {
    let mut written = Written::of_size(3);
    Offered::Rightly.make(&mut written);
    for _ in 0..=u8::from(again) {
        written.now_ms = written.now_ms.max(START_MS + after_days * DAY_MS);
        let end = written.event(OFFER, event, Object::new());
        written.push(ZARECHNY, vec![end]);
    }
    found_in(written.published().path()).is_empty()
}

#[test]
fn an_offer_that_nobody_accepts_ends_once_and_not_before_its_last_day_is_over() {
    assert!(ended("offer.declined", 1, false));
    assert!(!ended("offer.declined", 1, true));
    // Open until 22 January; made on the 12th.
    assert!(!ended("offer.expired", 9, false));
    assert!(ended("offer.expired", 11, false));
    assert!(!ended("offer.expired", 11, true));
}
