//! Requests that bring nothing, over a ledger: sent again, given to an official, closed, exactly
//! once whichever node is up; and facts that are known already (domain §5 B, D5, U23).

use std::sync::Mutex;

use letopis_ledger::key::AuthorSigner;

use super::*;
use crate::case::CaseRefusal;
use crate::code::{StepCode, UnitCode};
use crate::event::{
    Appointed, Arrival, CaseEvent, EscalationReason, HeldPost, OfficialId, SetAside, Way,
};
use crate::pack::Role;
use crate::projection::{ControlQuery, RequestRow, Stage};
use crate::staff::Official;

const BIRTH: &str = "110259123000100123004";

/// Loses replies of the registry of incomes to the first sendings.
struct Losing {
    inner: RegistryAdapter,
    answered_from: u32,
    asked: Mutex<Vec<u32>>,
}

impl RequestAdapter for Losing {
    fn answer(&self, request: &PendingRequest) -> Result<Option<AdapterAnswer>, AdapterError> {
        if request.request.as_str() != "income" {
            return self.inner.answer(request);
        }
        self.asked.lock().unwrap().push(request.attempt);
        match request.attempt < self.answered_from {
            true => Ok(None),
            false => self.inner.answer(request),
        }
    }
}

/// A node whose registry of incomes answers a sending from this one on.
fn losing(mut node: TwinNode, answered_from: u32) -> (TwinNode, Arc<Losing>) {
    let inner = RegistryAdapter::new(Arc::clone(&node.engine.model), node.engine.private.clone());
    let asked = Mutex::new(Vec::new());
    let adapter = Arc::new(Losing { inner, answered_from, asked });
    node.engine.adapter = Arc::clone(&adapter) as Arc<dyn RequestAdapter>;
    (node, adapter)
}

/// Facts about Anna and her child of two parents.
fn furnished() -> TwinNode {
    let node = TwinNode::start();
    let rows = [
        ("residence", json!({"snils": ANNA, "dwelling": HOME, "zone": "Z1", "oktmo": "67323000"})),
        ("income", json!({"snils": ANNA, "kopecks": 30_000_000})),
        ("property", json!({"snils": ANNA, "vehicles": 0, "dwellings": 1})),
        (
            "birth_record",
            json!({"record_number": BIRTH, "parent_snils": ANNA, "child_birth_date": "2020-05-01"}),
        ),
    ];
    for (code, row) in rows {
        block_on(node.engine.create_entries(&registry(code), &[row], &document())).unwrap();
    }
    node
}

fn apply(node: &TwinNode, record: &str) -> CaseId {
    let form = json!({
        "applicant": {"surname": "Тайнова", "given_name": "Секретина", "snils": ANNA},
        "birth_record": record, "children": 1,
    });
    let service = ServiceCode::parse("child-benefit").unwrap();
    let application = Application { service, ..application(form, None) };
    block_on(node.engine.submit(&application)).unwrap().case
}

fn advance(node: &TwinNode, case: CaseId, now: &str) -> CaseProgress {
    node.clock.set(now);
    node.ledger.set_time(letopis_ledger::Timestamp::parse(now).unwrap());
    block_on(node.engine.advance(case)).unwrap()
}

/// Appoints somebody; the seed is of the key.
fn appoint(node: &TwinNode, seed: u8, (unit, role): (&str, Role)) -> Official {
    let appointed = Appointed {
        posts: vec![HeldPost { unit: UnitCode::parse(unit).unwrap(), role }],
        skills: vec![],
        key: AuthorSigner::from_seed(&[seed; 32]).key(),
    };
    let appointment = Appointment { appointed, name: "Тайный служащий".to_owned() };
    let id = block_on(node.engine.appoint(&appointment, None)).unwrap().id;
    official(node, id)
}

fn official(node: &TwinNode, id: OfficialId) -> Official {
    block_on(node.engine.catch_up()).unwrap();
    node.engine.model().official(id).unwrap().value.unwrap()
}

fn request(node: &TwinNode, case: CaseId, code: &str) -> RequestRow {
    block_on(node.engine.catch_up()).unwrap();
    let requests = node.engine.model().requests(case).unwrap().value;
    requests.into_iter().find(|row| row.request.as_str() == code).unwrap()
}

fn given(request: &str, facts: Option<Value>, official: &Official) -> GivenAnswer {
    let (official, second, letter) = (Some(official.id), None, None);
    let at = letopis_ledger::Timestamp::parse("2026-11-20T08:00:00.000Z").unwrap();
    let came = Arrival { way: Way::Workplace, at, official, second, letter };
    let request = StepCode::parse(request).unwrap();
    GivenAnswer { request, facts, came, scan: None, motive: None, signature: None }
}

fn inbox(node: &TwinNode, official: &Official) -> Vec<String> {
    let inbox = block_on(node.engine.inbox(official)).unwrap();
    inbox.requests.iter().map(|asked| asked.request.request.to_string()).collect()
}

fn stage(node: &TwinNode, case: CaseId) -> Stage {
    let query = ControlQuery { most: 9, ..ControlQuery::default() };
    let rows = node.engine.model().control(&query).unwrap().value;
    rows.iter().find(|row| row.case == case).unwrap().stage
}

fn happened(node: &TwinNode, case: CaseId, kind: &str) -> usize {
    let leaves = node.ledger.leaves_now();
    let events = leaves.iter().flat_map(|leaf| leaf.record().events());
    let of_case = events.filter(|event| event.stream == case.stream());
    of_case.filter(|event| event.event_type.as_str() == kind).count()
}

#[test]
fn a_lost_message_is_sent_again_and_the_case_is_decided_without_anybody() {
    let (node, adapter) = losing(furnished(), 3);
    let case = apply(&node, BIRTH);
    let progress = advance(&node, case, "2026-11-20T08:00:00.000Z");
    assert_eq!(progress.status, CaseStatus::InProgress);
    let again = progress.look_again_at.unwrap();
    assert_eq!(again, request_state(&node, case).retry_at.unwrap());
    advance(&node, case, "2026-11-21T09:00:00.000Z");
    advance(&node, case, "2026-11-21T10:00:00.000Z");
    assert_eq!(
        (request(&node, case, "income").attempts, happened(&node, case, "request.retried")),
        (2, 1)
    );
    let progress = advance(&node, case, "2026-11-23T09:00:00.000Z");
    assert_eq!(progress.status, CaseStatus::Granted);
    assert_eq!(happened(&node, case, "request.retried"), 2);
    assert_eq!(happened(&node, case, "request.escalated"), 0);
    assert_eq!(automatic(&node), [true]);
    let asked = adapter.asked.lock().unwrap();
    assert!(asked.is_sorted() && asked.last() == Some(&3), "{asked:?}");
}

/// Whether each finished case was decided without anybody (domain §8, Automation).
fn automatic(node: &TwinNode) -> Vec<bool> {
    block_on(node.engine.catch_up()).unwrap();
    let at = |text| letopis_ledger::Timestamp::parse(text).unwrap();
    let window = (at("2026-01-01T00:00:00.000Z"), at("2027-01-01T00:00:00.000Z"));
    let finished = node.engine.model().finished_cases(window).unwrap().value;
    finished.iter().map(|case| case.automatic).collect()
}

fn request_state(node: &TwinNode, case: CaseId) -> crate::case::RequestState {
    let state = block_on(node.engine.case_state(case)).unwrap();
    state.requests()[&StepCode::parse("income").unwrap()].clone()
}

/// Two nodes of the agency look at the same moments: every sending and the escalation are in the
/// log once.
#[test]
fn silence_ends_with_an_official_once_whichever_node_is_up() {
    let (node, _) = losing(furnished(), u32::MAX);
    let specialist = appoint(&node, 7, ("social", Role::Executor));
    let (other, _) = losing(node.beside(1), u32::MAX);
    let case = apply(&node, BIRTH);
    advance(&node, case, "2026-11-20T08:00:00.000Z");
    for day in 21..=25 {
        let now = format!("2026-11-{day}T09:{day}:00.000Z");
        advance(&node, case, &now);
        advance(&other, case, &now);
    }
    assert_eq!(happened(&node, case, "request.retried"), 3);
    assert_eq!(happened(&node, case, "request.escalated"), 1);
    let row = request(&node, case, "income");
    let escalated = row.escalated.clone().unwrap();
    assert_eq!(escalated.reason, EscalationReason::Unanswered);
    assert_eq!((row.attempts, escalated.official), (4, Some(specialist.id)));
    assert_eq!(
        (inbox(&node, &specialist), stage(&node, case)),
        (vec!["income".into()], Stage::Official)
    );
    // Its own term passes on 27 November, while the official looks into it.
    advance(&node, case, "2026-11-28T09:00:00.000Z");
    advance(&other, case, "2026-11-28T09:00:01.000Z");
    assert_eq!(happened(&node, case, "request.deadline_breached"), 1);
    assert!(request(&node, case, "income").breached);
    let facts = given("income", Some(json!({"kopecks": 30_000_000})), &specialist);
    assert_eq!(block_on(node.engine.give_answer(case, Some(&specialist), &facts)).unwrap(), None);
    let progress = advance(&node, case, "2026-11-28T10:00:00.000Z");
    assert_eq!(progress.status, CaseStatus::Granted);
    assert!(inbox(&node, &specialist).is_empty());
    assert_eq!(automatic(&node), [false], "somebody took part");
    let again = block_on(node.engine.give_answer(case, Some(&specialist), &facts)).unwrap();
    assert_eq!(again, Some(SetAside::Late), "what comes later is set aside");
}

#[test]
fn somebody_who_is_no_parent_is_judged_by_whoever_holds_the_post() {
    let node = furnished();
    let case = apply(&node, "110259123000100999009");
    // Nobody is appointed: it waits in the queue of the unit, and control sees it.
    let progress = advance(&node, case, "2026-11-20T08:00:00.000Z");
    assert_eq!(progress.status, CaseStatus::InProgress);
    assert_eq!(request(&node, case, "birth").escalated.unwrap().official, None);
    assert_eq!(stage(&node, case), Stage::Official);
    let specialist = appoint(&node, 7, ("social", Role::Executor));
    let stranger = appoint(&node, 8, ("planning", Role::Executor));
    assert_eq!(inbox(&node, &specialist), ["birth"]);
    assert!(inbox(&node, &stranger).is_empty());
    let engine = &node.engine;
    let give = |official: &Official, answer: &GivenAnswer| {
        block_on(engine.give_answer(case, Some(official), answer))
    };
    let facts = |value| Some(json!({"child_birth_date": value}));
    let refused = give(&stranger, &given("birth", facts("2020-05-01"), &stranger)).unwrap_err();
    assert!(matches!(refused, EngineError::Case(CaseRefusal::NotEntitled { .. })), "{refused}");
    let wrong = give(&specialist, &given("birth", facts("в мае"), &specialist)).unwrap_err();
    let EngineError::Form { errors } = wrong else { panic!("{wrong}") };
    assert_eq!(errors[0].pointer, "/child_birth_date");
    let unknown = Some(json!({"child_birth_date": "2020-05-01", "eyes": "blue"}));
    let wrong = give(&specialist, &given("birth", unknown, &specialist)).unwrap_err();
    assert!(matches!(wrong, EngineError::Form { .. }), "{wrong}");
    let silent = give(&specialist, &given("birth", None, &specialist)).unwrap_err();
    assert!(matches!(silent, EngineError::Case(CaseRefusal::TextLength { .. })), "{silent}");
    let motive = Some("Актов об опеке нет".to_owned());
    let affirmed = GivenAnswer { motive, ..given("birth", None, &specialist) };
    assert_eq!(give(&specialist, &affirmed).unwrap(), None);
    let progress = advance(&node, case, "2026-11-20T10:00:00.000Z");
    assert_eq!(progress.status, CaseStatus::Refused);
    assert_eq!(grounds(&node, case), ["G6"]);
    for leaf in node.ledger.leaves_now() {
        let text = String::from_utf8(leaf.as_bytes().to_vec()).unwrap();
        assert!(!text.contains("опеке"), "a motive is private");
    }
}

#[test]
fn a_motive_is_for_whom_a_request_was_escalated_to() {
    let (node, _) = losing(furnished(), u32::MAX);
    let specialist = appoint(&node, 7, ("social", Role::Executor));
    let case = apply(&node, BIRTH);
    advance(&node, case, "2026-11-20T08:00:00.000Z");
    let motive = Some("Не отвечает".to_owned());
    let early = GivenAnswer { motive, ..given("income", None, &specialist) };
    let refused = block_on(node.engine.give_answer(case, Some(&specialist), &early)).unwrap_err();
    assert!(matches!(refused, EngineError::Case(CaseRefusal::MotiveNotAsked { .. })), "{refused}");
}

/// Which of two entries is meant no program says: nothing gets stuck, and an official says it.
#[test]
fn several_entries_are_no_reply_and_an_official_says_which_is_meant() {
    let node = furnished();
    let double =
        json!({"record_number": BIRTH, "parent_snils": ANNA, "child_birth_date": "2021-05-01"});
    block_on(node.engine.create_entries(&registry("birth_record"), &[double], &document()))
        .unwrap();
    let specialist = appoint(&node, 7, ("social", Role::Executor));
    let case = apply(&node, BIRTH);
    for day in 20..=24 {
        let now = format!("2026-11-{day}T09:{day}:00.000Z");
        assert_eq!(advance(&node, case, &now).status, CaseStatus::InProgress);
    }
    assert_eq!(inbox(&node, &specialist), ["birth"]);
    let facts = given("birth", Some(json!({"child_birth_date": "2021-05-01"})), &specialist);
    block_on(node.engine.give_answer(case, Some(&specialist), &facts)).unwrap();
    assert_eq!(advance(&node, case, "2026-11-25T10:00:00.000Z").status, CaseStatus::Granted);
}

/// How an answer of a case came, by request.
fn ways(node: &TwinNode, case: CaseId) -> Vec<(String, Option<String>)> {
    block_on(node.engine.catch_up()).unwrap();
    let requests = node.engine.model().requests(case).unwrap().value;
    let sent = requests.into_iter().filter(|row| row.outcome.as_deref() != Some("omitted"));
    sent.map(|row| (row.request.to_string(), row.way)).collect()
}

/// U23: a fact that is not older than the regulation says serves again, of the same person alone,
/// and as long as the registry says so still.
#[test]
fn what_is_known_of_a_person_serves_for_thirty_days() {
    let node = furnished();
    let second = json!({
        "record_number": "110259123000100999009", "parent_snils": ANNA,
        "child_birth_date": "2023-05-01",
    });
    block_on(node.engine.create_entries(&registry("birth_record"), &[second], &document()))
        .unwrap();
    let first = apply(&node, BIRTH);
    assert_eq!(advance(&node, first, "2026-11-20T08:00:00.000Z").status, CaseStatus::Granted);
    assert!(ways(&node, first).iter().all(|(_, way)| way.is_none()));
    let again = apply(&node, "110259123000100999009");
    let granted = advance(&node, again, "2026-12-20T07:59:00.000Z");
    assert_eq!(granted.status, CaseStatus::Granted);
    let reused = |case| -> Vec<String> {
        let reused = |(_, way): &(String, Option<String>)| way.as_deref() == Some("reused");
        ways(&node, case).into_iter().filter(reused).map(|(request, _)| request).collect()
    };
    // Another record of birth is another question; that nothing is known is asked again.
    assert_eq!(reused(again), ["income", "property", "residence"]);
    // It rests on the very entry that the first answer was taken from.
    let source = |case| request(&node, case, "income").source.unwrap();
    assert_eq!(source(again), source(first));
    // Thirty-one days after the first: too old, and the second did not make it fresher.
    let late = apply(&node, BIRTH);
    advance(&node, late, "2026-12-21T09:00:00.000Z");
    assert!(reused(late).is_empty());
    // The registry has another value by now: it is asked.
    block_on(node.engine.amend_entry(
        &source(late).stream,
        &json!({"kopecks": 36_000_000}),
        &document(),
    ))
    .unwrap();
    let changed = apply(&node, BIRTH);
    advance(&node, changed, "2026-12-22T09:00:00.000Z");
    assert_eq!(reused(changed), ["birth", "property", "residence"]);
    // Boris is somebody else.
    let form = json!({
        "applicant": {"surname": "Иной", "given_name": "Борис", "snils": BORIS},
        "birth_record": BIRTH, "children": 1,
    });
    let service = ServiceCode::parse("child-benefit").unwrap();
    let other = Application { service, ..application(form, None) };
    let other = block_on(node.engine.submit(&other)).unwrap().case;
    advance(&node, other, "2026-12-22T10:00:00.000Z");
    assert!(reused(other).is_empty());
    // The answer names the first one, for anybody.
    let leaves = node.ledger.leaves_now();
    let events = leaves.iter().flat_map(|leaf| leaf.record().events());
    let named =
        events.filter(|event| event.stream == again.stream()).any(|event| match DomainEvent::read(
            event,
        ) {
            Ok(Some(DomainEvent::Case(CaseEvent::RequestAnswered(answered)))) => {
                answered.source.is_some_and(|source| source.stream == first.stream())
            }
            _ => false,
        });
    assert!(named);
}
