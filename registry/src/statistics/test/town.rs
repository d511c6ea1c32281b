//! A town that works for twelve weeks: a log of several hundred cases, the same on every run.
//!
//! Parking permits are decided by the rules alone; guest permits suspend the clock, ask somebody
//! outside, and are proposed, agreed, returned and signed by officials.

use std::collections::{BTreeMap, BTreeSet};

use futures::executor::block_on;
use letopis_ledger::json::Json;
use letopis_ledger::key::AuthorSigner;
use letopis_ledger::{Hash, StreamVersion, Timestamp};
use serde_json::json;

use crate::case::signing::AGREEMENT_PAYLOAD_TYPE;
use crate::case::{AnswerRequest, CaseRefusal, CaseState, CaseStatus, Entry, Motive};
use crate::code::{ChannelCode, FieldPath, ServiceCode, StepCode, TopicCode, UnitCode};
use crate::engine::twin::TwinNode;
use crate::engine::{Application, Appointment, Consultation, EngineError};
use crate::event::{
    Appointed, Arrival, CancelledBy, CaseId, ConsultationOutcome, HeldPost, OfficialId, Scan, Way,
};
use crate::pack::fixture::with_guest_permit;
use crate::pack::{Action, Regulation, RequestRule, Role};
use crate::staff::Official;

const APPROVAL: &str = "
    proposes: {unit: permits, role: executor}
    term: {length: {working_days: 1}}
    stages:
      - {posts: [{unit: legal, role: lawyer}], term: {length: {hours: 24}}}
      - [{unit: permits, role: head}]
";
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Cases of each service.
const CASES: u64 = 190;
/// First and last instant of the work.
const BEGINS: &str = "2026-09-07T05:00:00.000Z";
const ENDS: &str = "2026-11-29T20:00:00.000Z";

/// What somebody does at some instant.
enum Act {
    Submit(u64),
    Advance(CaseId),
    Work(CaseId),
    Advise,
    Tell,
}

/// The town and what it still has to do.
pub(crate) struct Town {
    pub(crate) node: TwinNode,
    officials: BTreeMap<&'static str, (OfficialId, AuthorSigner)>,
    people: BTreeMap<CaseId, u64>,
    plan: BTreeMap<(i64, u64), Act>,
    planned: u64,
    random: u64,
}

/// The last instant of the work.
pub(crate) fn ends() -> Timestamp {
    Timestamp::parse(ENDS).unwrap()
}

/// Works until the end.
pub(crate) fn town() -> Town {
    let begins = Timestamp::parse(BEGINS).unwrap().unix_ms();
    let node = TwinNode::start_with(with_guest_permit(guest_permit));
    let mut town = Town {
        node,
        officials: BTreeMap::new(),
        people: BTreeMap::new(),
        plan: BTreeMap::new(),
        planned: 0,
        random: 42,
    };
    town.at(begins - 24 * HOUR_MS);
    town.furnish();
    let minutes = (ends().unix_ms() - begins) / MINUTE_MS - 24 * 60;
    for number in 0..2 * CASES {
        let minute = i64::try_from(town.below(minutes.unsigned_abs())).unwrap();
        let at = begins + minute * MINUTE_MS;
        town.plan(at, Act::Submit(number));
    }
    for number in 0..60 {
        town.plan(begins + number * 33 * HOUR_MS + 7 * MINUTE_MS, Act::Advise);
        town.plan(begins + number * 33 * HOUR_MS + 9 * MINUTE_MS, Act::Tell);
    }
    while let Some(((at, _), act)) = town.plan.pop_first() {
        if at > ends().unix_ms() {
            break;
        }
        town.at(at);
        town.act(at, act);
    }
    town.at(ends().unix_ms());
    block_on(town.node.engine.catch_up()).unwrap();
    town
}

fn guest_permit(regulation: &mut Regulation) {
    regulation.approval = Some(serde_saphyr::from_str(APPROVAL).unwrap());
    regulation.term = serde_saphyr::from_str("length: {calendar_days: 20}").unwrap();
    let vehicle = rule(regulation, "vehicle");
    vehicle.from = serde_saphyr::from_str("applicant: {ru: Файл, en: File}").unwrap();
    vehicle.suspends = Some(serde_saphyr::from_str("length: {working_days: 10}").unwrap());
    let residence = rule(regulation, "residence");
    residence.from = serde_saphyr::from_str("addressee: Паспортный стол").unwrap();
    residence.timed_out = serde_saphyr::from_str("no_data").unwrap();
    residence.no_data = serde_saphyr::from_str("official").unwrap();
}

fn rule<'r>(regulation: &'r mut Regulation, code: &str) -> &'r mut RequestRule {
    let step = regulation.steps.iter_mut().find(|step| step.code.value.as_str() == code).unwrap();
    match &mut step.action {
        Action::Request(rule) => rule,
        _ => panic!("{code} is no request"),
    }
}

fn snils(person: u64) -> String {
    format!("000-{:03}-{:03} 77", person / 1_000, person % 1_000 + 1)
}

fn plate(person: u64) -> String {
    format!("А{:03}ВС77", person + 1)
}

fn dwelling(person: u64) -> String {
    format!("5d3c1a7e-2b64-4f0e-9a51-{:012x}", person / 3)
}

/// Letters are entered up to two days after they came.
fn came_before(at: i64, number: u64) -> Timestamp {
    let hours = i64::try_from(number % 48).unwrap();
    Timestamp::from_unix_ms(at - hours * HOUR_MS).unwrap()
}

impl Town {
    fn plan(&mut self, at: i64, act: Act) {
        self.planned += 1;
        self.plan.insert((at, self.planned), act);
    }

    /// The next of a sequence of numbers that looks like chance (Knuth's MMIX generator).
    fn below(&mut self, limit: u64) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % limit
    }

    fn hours(&mut self, from: i64, to: i64) -> i64 {
        let minutes = self.below((60 * (to - from)).unsigned_abs());
        from * HOUR_MS + i64::try_from(minutes).unwrap() * MINUTE_MS
    }

    /// Sets the clock; the log takes a record two minutes later.
    fn at(&self, unix_ms: i64) {
        self.node.clock.set(&Timestamp::from_unix_ms(unix_ms).unwrap().to_string());
        let later = Timestamp::from_unix_ms(unix_ms + 2 * MINUTE_MS).unwrap();
        self.node.ledger.set_time(later);
    }

    fn furnish(&mut self) {
        let posts = [
            ("executor", "permits", Role::Executor),
            ("colleague", "permits", Role::Executor),
            ("lawyer", "legal", Role::Lawyer),
            ("head", "permits", Role::Head),
            ("desk", "permits", Role::Operator),
        ];
        for (number, (name, unit, role)) in (1_u8..).zip(posts) {
            let signer = AuthorSigner::from_seed(&[100 + number; 32]);
            let unit = UnitCode::parse(unit).unwrap();
            let appointed = Appointed {
                posts: vec![HeldPost { unit, role }],
                skills: vec![],
                key: signer.key(),
            };
            let appointment = Appointment { appointed, name: format!("Тайный {name}") };
            let official = block_on(self.node.engine.appoint(&appointment, None)).unwrap();
            self.officials.insert(name, (official.id, signer));
        }
        let people = 0..CASES;
        let vehicles: Vec<_> = people
            .clone()
            .filter(|person| person % 7 != 0)
            .map(|person| json!({"plate": plate(person), "owner_snils": snils(person)}))
            .collect();
        let residents: Vec<_> = people
            .filter(|person| person % 5 != 0)
            .map(|person| {
                json!({"snils": snils(person), "dwelling": dwelling(person), "zone": "Z1"})
            })
            .collect();
        let date = jiff::civil::date(2026, 9, 1);
        let document = crate::event::Document { number: "1".into(), date, sha256: None };
        let registry = |code| crate::code::RegistryCode::parse(code).unwrap();
        block_on(async {
            let engine = &self.node.engine;
            engine.create_entries(&registry("vehicle"), &vehicles, &document).await.unwrap();
            engine.create_entries(&registry("residence"), &residents, &document).await.unwrap();
        });
    }

    fn act(&mut self, at: i64, act: Act) {
        match act {
            Act::Submit(number) => self.submit(at, number),
            Act::Advance(case) => drop(block_on(self.node.engine.advance(case)).unwrap()),
            Act::Work(case) => {
                self.work(case);
                if self.state(case).status() == CaseStatus::InProgress {
                    let next = at + self.hours(1, 70);
                    self.plan(next, Act::Work(case));
                }
            }
            Act::Advise => self.advise(),
            Act::Tell => drop(block_on(self.node.engine.send_notices()).unwrap()),
        }
    }

    fn submit(&mut self, at: i64, number: u64) {
        let person = number / 2 % CASES;
        let by_rules = number.is_multiple_of(2);
        let service = if by_rules { "parking-permit" } else { "guest-permit" };
        let channel = ["portal", "front-desk", "paper"][usize::try_from(self.below(3)).unwrap()];
        let application = Application {
            service: ServiceCode::parse(service).unwrap(),
            channel: ChannelCode::parse(channel).unwrap(),
            form: json!({
                "applicant": {"surname": "Тайнова", "given_name": "Секретина",
                              "snils": snils(person)},
                "plate": plate(person), "dwelling": dwelling(person), "zone": "Z1",
                "validity_years": 1 + person % 3,
            }),
            idempotency_key: None,
            registered_at: (channel == "paper").then(|| came_before(at, number)),
            entry: (channel == "paper").then(|| self.paper()),
            renews: None,
            source: None,
        };
        let case = block_on(self.node.engine.submit(&application)).unwrap().case;
        self.people.insert(case, person);
        if !by_rules {
            let next = at + self.hours(1, 90);
            self.plan(next, Act::Work(case));
            return;
        }
        // Some are looked at while they are late, some never.
        let next = match self.below(10) {
            0 => return,
            1..=3 => at + self.hours(200, 500),
            4..=6 => at + self.hours(24, 150),
            _ => at + self.hours(0, 3),
        };
        self.plan(next, Act::Advance(case));
    }

    /// The desk enters a paper.
    fn paper(&self) -> Entry {
        let sha256 = Hash::of(b"scan");
        let scan = Scan { sha256, size_bytes: 4, media_type: "image/png".into() };
        Entry { official: self.official("desk"), scan: Some(scan), finding: None }
    }

    fn official(&self, name: &str) -> Official {
        let id = self.officials[name].0;
        self.node.engine.model().official(id).unwrap().value.unwrap()
    }

    /// The case as the log has it now.
    fn state(&self, case: CaseId) -> CaseState {
        block_on(self.node.engine.catch_up()).unwrap();
        block_on(self.node.engine.case_state(case)).unwrap()
    }

    /// Somebody does the next thing in a guest permit, or nobody does.
    fn work(&mut self, case: CaseId) {
        block_on(self.node.engine.advance(case)).unwrap();
        let state = self.state(case);
        // Some applicants never answer: their cases are late and stay open.
        if self.people[&case] % 12 == 5 {
            return;
        }
        if self.below(40) == 0 {
            block_on(self.node.engine.cancel(case, CancelledBy::Applicant)).unwrap();
            return;
        }
        let open: BTreeSet<&str> = state
            .requests()
            .iter()
            .filter(|(_, request)| request.is_open())
            .map(|(code, _)| code.as_str())
            .collect();
        let residence = StepCode::parse("residence").unwrap();
        let taken_over = state
            .requests()
            .get(&residence)
            .is_some_and(|one| one.is_open() && one.escalated.is_some());
        if taken_over {
            return self.close(case, &state);
        }
        match (open.contains("vehicle"), open.contains("residence"), self.below(3)) {
            (_, _, 0) => {}
            (true, _, _) => self.answer(case, "vehicle", Way::Portal),
            (false, true, _) => self.answer(case, "residence", Way::Electronic),
            (false, false, _) => self.decide(case, &state),
        }
    }

    fn answer(&mut self, case: CaseId, request: &str, way: Way) {
        let person = self.people[&case];
        let field = |name| FieldPath::parse(name).unwrap();
        let text = |text: &str| Json::string(text).unwrap();
        let facts = match (request, self.below(4)) {
            (_, 0) => None,
            ("vehicle", _) => Some(BTreeMap::from([(field("owner_snils"), text(&snils(person)))])),
            _ => Some(BTreeMap::from([
                (field("dwelling"), text(&dwelling(person))),
                (field("zone"), text("Z1")),
            ])),
        };
        let at = crate::environment::Clock::now(&*self.node.clock);
        let came = Some(Arrival { way, at, official: None, second: None, letter: None });
        let request = StepCode::parse(request).unwrap();
        let executors = BTreeMap::new();
        let (scan, taken_over, escalates_to) = (None, None, None);
        let answer = AnswerRequest {
            request,
            facts,
            source: None,
            came,
            scan,
            signature: None,
            taken_over,
            at,
            executors,
            escalates_to,
        };
        block_on(self.node.engine.answer(case, &answer)).unwrap();
    }

    /// Whoever works on the case finds out what the passport office did not say, sooner or later.
    fn close(&mut self, case: CaseId, state: &CaseState) {
        let Some(assigned) = state.assigned().filter(|_| self.below(3) > 0) else { return };
        let official = self.node.engine.model().official(assigned.official).unwrap().value.unwrap();
        let person = self.people[&case];
        let found = self.below(2) == 0;
        let facts = found.then(|| json!({"dwelling": dwelling(person), "zone": "Z1"}));
        let at = crate::environment::Clock::now(&*self.node.clock);
        let (by, second, letter) = (Some(official.id), None, None);
        let came = Arrival { way: Way::Workplace, at, official: by, second, letter };
        let motive = (!found).then(|| "Нигде не значится".to_owned());
        let request = StepCode::parse("residence").unwrap();
        let answer = crate::engine::GivenAnswer {
            request,
            facts,
            came,
            scan: None,
            motive,
            signature: None,
        };
        block_on(self.node.engine.give_answer(case, Some(&official), &answer)).unwrap();
    }

    fn decide(&mut self, case: CaseId, state: &CaseState) {
        let engine = &self.node.engine;
        let waiting = state.proposal().filter(|proposal| !proposal.returned);
        let Some(proposal) = waiting else {
            let Some(assigned) = state.assigned() else { return };
            let official = engine.model().official(assigned.official).unwrap().value.unwrap();
            block_on(engine.propose(case, &official, &Motive::Words("Проверено".into()))).unwrap();
            return;
        };
        let version = proposal.version;
        let name = if proposal.agreed.is_empty() { "lawyer" } else { "head" };
        let official = self.official(name);
        let agrees = self.below(4) > 0 && self.agrees(case, name, &official, version);
        if !agrees {
            let remarks = (version, "Нет плана участка");
            block_on(self.node.engine.return_proposal(case, &official, remarks)).unwrap();
        }
    }

    /// Agrees, unless the rules say something else by now.
    fn agrees(
        &self,
        case: CaseId,
        name: &str,
        official: &Official,
        proposal: StreamVersion,
    ) -> bool {
        let engine = &self.node.engine;
        let card = block_on(engine.card(case, official)).unwrap();
        let text = card.to_agree.unwrap().text;
        let signature = self.officials[name].1.sign_as(AGREEMENT_PAYLOAD_TYPE, &text);
        match block_on(engine.agree(case, official, (proposal, signature))) {
            Ok(_) => true,
            Err(EngineError::Case(CaseRefusal::ProposalOutdated { .. })) => false,
            Err(error) => panic!("{error}"),
        }
    }

    fn advise(&mut self) {
        let outcomes = [
            ConsultationOutcome::Answered,
            ConsultationOutcome::SentOn,
            ConsultationOutcome::Applied,
        ];
        let service = ["parking-permit", "guest-permit"][usize::try_from(self.below(2)).unwrap()];
        let duration_ms = 1 + self.below(900_000);
        let topic =
            if duration_ms.is_multiple_of(3) { "opening-hours" } else { "documents-needed" };
        let given = Consultation {
            service: ServiceCode::parse(service).unwrap(),
            topic: TopicCode::parse(topic).unwrap(),
            channel: ChannelCode::parse("phone").unwrap(),
            duration_ms,
            outcome: outcomes[usize::try_from(self.below(3)).unwrap()],
        };
        let official = self.official("executor");
        block_on(self.node.engine.register_consultation(&official, &given)).unwrap();
    }
}
