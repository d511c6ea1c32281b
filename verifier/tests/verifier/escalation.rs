//! A request that brings nothing, written by hand from `docs/EVENTS.md`: what the regulation says
//! holds, and whatever is done otherwise is found.

use letopis_ledger::Timestamp;
use letopis_ledger::json::{Json, Object};
use letopis_ledger::record::Event;
use letopis_verifier::finding::Rule;

use super::decision_case::{CASE, CaseSpec, REGULATION};
use super::rules::Broken;
use super::written::{START_MS, Written, ZARECHNY, list, signer};

const HOUR_MS: i64 = 3_600_000;
/// The submission's leaf is ten seconds later.
const SENT_MS: i64 = START_MS + 70_000;
const OFFICIAL: &str = "019ba000-0000-7000-8000-0000000000a1";

/// What the regulation says of the request that is asked.
const RULES: &str = "
steps:
  - code: residence
    action:
      request:
        from: {registry: residence}
        mandatory: true
        no_data: official
        retry: {times: 1, after: {hours: 1}}
escalation:
  to: {unit: social, role: executor}
";

/// How the request is followed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Silence {
    /// It brings no data, and an official closes it.
    NoData,
    /// The head of the unit does.
    ByTheHead,
    /// Nobody replies: it is sent again, past its term, and given to an official.
    Unanswered,
    /// The regulation leaves nothing to officials.
    NotAllowed,
    /// Another post than that of the regulation takes it over.
    OtherPost,
    /// Whoever closes it holds another post.
    OtherOfficial,
    /// Whoever closes it was dismissed.
    Dismissed,
    /// A program closes it.
    ByNobody,
    /// By phone.
    ByPhone,
    /// The case goes on without an official.
    NotEscalated,
    /// It is given up before it was sent again.
    GivenUpEarly,
    /// It is sent again before its time.
    RetriedEarly,
    /// It is sent more often than the regulation says.
    RetriedTooOften,
    /// The next sending is said to be due later than the regulation says.
    OtherInterval,
    /// Its term is said to have passed, and has not.
    NotLate,
}

impl Silence {
    fn is_silent(self) -> bool {
        use Silence::{
            GivenUpEarly, NotLate, OtherInterval, RetriedEarly, RetriedTooOften, Unanswered,
        };
        [Unanswered, GivenUpEarly, RetriedEarly, RetriedTooOften, OtherInterval, NotLate]
            .contains(&self)
    }

    /// How many events there are beside the one answer of a plain case.
    pub(crate) fn more_events(self) -> u32 {
        match self {
            Self::Unanswered | Self::RetriedEarly | Self::OtherInterval | Self::NotLate => 3,
            Self::RetriedTooOften => 4,
            Self::GivenUpEarly => 1,
            Self::NotEscalated => 0,
            _ => 2,
        }
    }

    /// Completes what was sent.
    pub(crate) fn sent(self, sent: Object) -> Object {
        let mut sent = sent;
        sent.insert("due", instant(SENT_MS + 2 * HOUR_MS));
        sent.with("retry_at", instant(SENT_MS + HOUR_MS))
    }

    /// Everything between the submission and the decision.
    pub(crate) fn follow(self, written: &mut Written) {
        self.appoint(written);
        if self.is_silent() {
            self.wait(written);
        } else {
            let nothing = answer().with("outcome", "no_data");
            let mut events = vec![event(written, "request.answered", nothing)];
            if self != Self::NotEscalated {
                events.push(self.escalated(written, "no_data"));
            }
            written.push(ZARECHNY, events);
        }
        if self == Self::NotEscalated {
            return;
        }
        if self == Self::Dismissed {
            let gone = written.event(&staff(), "staff.dismissed", Object::new());
            written.push(ZARECHNY, vec![gone]);
        }
        written.now_ms = SENT_MS + 6 * HOUR_MS;
        let way = if self == Self::ByPhone { "phone" } else { "workplace" };
        let came = Object::new().with("way", way).with("at", instant(written.now_ms));
        let came = came.with("official", OFFICIAL);
        let closed = answer().with("outcome", "answered");
        let closed = match self {
            Self::ByNobody => closed,
            _ => closed.with("came", came),
        };
        let closed = event(written, "request.answered", closed);
        written.push(ZARECHNY, vec![closed]);
    }

    fn appoint(self, written: &mut Written) {
        let role = if self == Self::ByTheHead { "head" } else { "executor" };
        let unit = if self == Self::OtherOfficial { "legal" } else { "social" };
        let post = Object::new().with("unit", unit).with("role", role);
        let key = signer("an official").key().to_base64();
        let data = Object::new()
            .with("posts", vec![Json::from(post)])
            .with("skills", Vec::<Json>::new())
            .with("key", key.as_str());
        let appointed = written.event(&staff(), "staff.appointed", data);
        written.push(ZARECHNY, vec![appointed]);
    }

    fn wait(self, written: &mut Written) {
        let sendings: &[i64] = match self {
            Self::GivenUpEarly => &[],
            Self::RetriedTooOften => &[61, 122],
            Self::RetriedEarly => &[30],
            _ => &[61],
        };
        for (number, minutes) in (2_u32..).zip(sendings) {
            written.now_ms = SENT_MS + minutes * 60_000;
            let hours = if self == Self::OtherInterval { 5 } else { 1 };
            // The leaf is ten seconds later than the instant that is counted from.
            let retry_at = instant(written.now_ms + hours * HOUR_MS);
            let data = answer().with("attempt", number).with("retry_at", retry_at);
            let retried = event(written, "request.retried", data);
            written.push(ZARECHNY, vec![retried]);
        }
        if self != Self::GivenUpEarly {
            let hours = if self == Self::NotLate { 1 } else { 4 };
            written.now_ms = written.now_ms.max(SENT_MS + hours * HOUR_MS);
            let data = answer().with("due", instant(SENT_MS + 2 * HOUR_MS));
            let breached = event(written, "request.deadline_breached", data);
            written.push(ZARECHNY, vec![breached]);
        }
        written.now_ms = written.now_ms.max(SENT_MS + 4 * HOUR_MS);
        let escalated = self.escalated(written, "unanswered");
        written.push(ZARECHNY, vec![escalated]);
    }

    fn escalated(self, written: &mut Written, reason: &str) -> Event {
        let unit = if self == Self::OtherPost { "legal" } else { "social" };
        let data = answer().with("reason", reason).with("unit", unit).with("role", "executor");
        event(written, "request.escalated", data)
    }

    fn spec(self) -> CaseSpec {
        CaseSpec::granted().with(|case| {
            let rules = match self {
                Self::NotAllowed => RULES.replace("no_data: official", "no_data: decide"),
                _ => RULES.to_owned(),
            };
            case.regulation = format!("{REGULATION}{rules}");
            case.silence = Some(self);
        })
    }
}

fn answer() -> Object {
    Object::new().with("request", "residence")
}

fn event(written: &mut Written, name: &str, data: Object) -> Event {
    let mut event = written.event(&format!("application/{CASE}"), name, data);
    if name == "request.answered" {
        event.schema = 3;
    }
    event
}

fn staff() -> String {
    format!("staff/{OFFICIAL}")
}

fn instant(unix_ms: i64) -> Json {
    Timestamp::from_unix_ms(unix_ms).unwrap().to_string().as_str().into()
}

pub(crate) fn break_rule() -> Broken {
    let found = list(&Silence::NotAllowed.spec().check().audit.findings);
    // Genesis, agency, pack, submission, the official, and what the request brought.
    Broken::alone(found, Some(5))
}

#[test]
fn what_the_regulation_says_holds_and_the_report_tells_who_closed_it() {
    for silence in [Silence::NoData, Silence::ByTheHead, Silence::Unanswered] {
        let checked = silence.spec().check();
        assert_eq!(list(&checked.audit.findings), [], "{silence:?}");
        assert_eq!(checked.facts["escalated"][0]["official"], OFFICIAL, "{silence:?}");
        assert!(checked.statements.iter().any(|said| said.key == "decision.escalated"));
    }
}

#[test]
fn whatever_is_done_otherwise_is_found() {
    let otherwise = [
        Silence::NotAllowed,
        Silence::OtherPost,
        Silence::OtherOfficial,
        Silence::Dismissed,
        Silence::ByNobody,
        Silence::ByPhone,
        Silence::NotEscalated,
        Silence::GivenUpEarly,
        Silence::RetriedEarly,
        Silence::RetriedTooOften,
        Silence::OtherInterval,
        Silence::NotLate,
    ];
    for silence in otherwise {
        let found = list(&silence.spec().check().audit.findings);
        let rules: Vec<Rule> = found.iter().map(|(rule, _)| *rule).collect();
        assert_eq!(rules, [Rule::Escalation], "{silence:?}: {found:?}");
    }
}
