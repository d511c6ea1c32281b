//! Officials decide: what is proposed is what the rules say, posts agree in stages, the last signs.
//! U8, U15, U18, U19, U33, D20.

use letopis_ledger::id::StreamName;
use letopis_ledger::key::{AuthorSignature, AuthorSigner};

use super::*;
use crate::case::signing::{AGREEMENT_PAYLOAD_TYPE, agreement_text};
use crate::code::UnitCode;
use crate::event::{
    About, Appointed, Arrival, CancelledBy, Candidate, Cause, HeldPost, OfficialId, Procedure,
    RequestOutcome, SetAside, Source, StaffEvent, Way,
};
use crate::pack::fixture::regulated;
use crate::pack::{Regulation, Role};
use crate::staff::Official;

/// Two posts agree at the same time, then the head signs.
const APPROVAL: &str = "
    proposes: {unit: permits, role: executor}
    stages:
      - [{unit: legal, role: lawyer}, {unit: planning, role: head}]
      - [{unit: permits, role: head}]
";

fn seed(number: u8) -> AuthorSigner {
    AuthorSigner::from_seed(&[number; 32])
}

pub(super) fn official(number: u8, unit: &str, role: Role) -> Official {
    let mut official = Official::new(OfficialId::from_parts(u64::from(number), &[number; 10]));
    let unit = UnitCode::parse(unit).unwrap();
    official.evolve(&StaffEvent::Appointed(Box::new(Appointed {
        posts: vec![HeldPost { unit, role }],
        skills: vec![],
        key: seed(number).key(),
    })));
    official
}

struct Office {
    executor: Official,
    lawyer: Official,
    planner: Official,
    head: Official,
}

fn office() -> Office {
    Office {
        executor: official(1, "permits", Role::Executor),
        lawyer: official(2, "legal", Role::Lawyer),
        planner: official(3, "planning", Role::Head),
        head: official(4, "permits", Role::Head),
    }
}

fn approved(regulation: &mut Regulation) {
    regulation.approval = Some(serde_saphyr::from_str(APPROVAL).unwrap());
}

/// A case with its answers, given to the executor.
fn assigned<'a>(rules: CaseRules<'a>, office: &Office) -> Given<'a> {
    let mut given = Given::answered(rules, &good_answers());
    let candidate = Candidate { open_cases: 0, official: office.executor.id };
    let candidates = Candidates { candidates: vec![candidate], read_size: TreeSize::new(9) };
    let decision = AssignCase { candidates }.decide(&given.state, &rules).unwrap();
    given.take(&decision);
    given
}

impl Given<'_> {
    fn propose(&mut self, acting: &Official) -> Result<Decision, CaseRefusal> {
        let motive = Motive::Words("Проверено по ответам".to_owned());
        let command = ProposeDecision { acting, motive, decide: decide(0, 0) };
        let decision = command.decide(&self.state, &Opened::new(&self.disclosures), &self.rules)?;
        self.take(&decision);
        Ok(decision)
    }

    fn signature(&self, number: u8, acting: &Official, place: (u32, u32)) -> AuthorSignature {
        let proposal = self.state.proposal().unwrap();
        let text = agreement_text(self.state.stream(), proposal, place, acting.id);
        seed(number).sign_as(AGREEMENT_PAYLOAD_TYPE, &text)
    }

    fn agree_with(
        &mut self,
        acting: &Official,
        signature: AuthorSignature,
        decide: DecideCase,
    ) -> Result<Decision, CaseRefusal> {
        let proposal = self.state.proposal().unwrap().version;
        let command = AgreeToDecision { acting, proposal, signature, decide };
        let decision = command.decide(&self.state, &Opened::new(&self.disclosures), &self.rules)?;
        self.take(&decision);
        Ok(decision)
    }

    fn agree(
        &mut self,
        number: u8,
        acting: &Official,
        place: (u32, u32),
    ) -> Result<Decision, CaseRefusal> {
        let signature = self.signature(number, acting, place);
        self.agree_with(acting, signature, decide(0, 0))
    }
}

#[test]
fn a_decision_is_proposed_agreed_in_parallel_and_signed_by_the_head() {
    with_rules_of(&regulated(approved), |rules| {
        let office = office();
        let mut given = assigned(rules, &office);
        assert_eq!(given.decide(&decide(0, 0)), Err(CaseRefusal::OfficialsDecide));
        let proposed = given.propose(&office.executor).unwrap();
        assert_eq!(types(&proposed), ["application.decision_proposed"]);
        let motive = proposed.events[0].private.iter().any(|field| field.name == "motive");
        assert!(motive, "the motive is a private field");
        // The second post of the first stage speaks before the first one.
        let agreed = given.agree(3, &office.planner, (0, 1)).unwrap();
        assert_eq!(types(&agreed), ["application.decision_agreed"]);
        let early = given.agree(4, &office.head, (1, 0));
        assert!(matches!(early, Err(CaseRefusal::NotEntitled { .. })), "{early:?}");
        given.agree(2, &office.lawyer, (0, 0)).unwrap();
        let signed = given.agree(4, &office.head, (1, 0)).unwrap();
        assert_eq!(
            types(&signed),
            [
                "application.decision_agreed",
                "application.decided",
                "application.result_issued",
                "registry.entry_created"
            ]
        );
        assert_eq!(given.state.status(), CaseStatus::Granted);
    });
}

/// A review of a permit, given to the executor when every registry has answered.
fn reviewed<'a>(rules: CaseRules<'a>, office: &Office, permit: &Source) -> Given<'a> {
    let mut given = Given::nothing(rules);
    let fact =
        Source { stream: StreamName::parse("registry/vehicle/x").unwrap(), ..permit.clone() };
    let about = About { entry: permit.clone(), cause: Cause::Review { fact } };
    let (values, valid_until) = (BTreeMap::new(), Some(jiff::civil::date(2028, 11, 19)));
    let follow_up = Some(FollowUp { about, values, valid_until, in_force: true });
    let channel = ChannelCode::parse("review").unwrap();
    let command = SubmitApplication { channel, follow_up, ..submit(&rules) };
    given.take(&command.decide(&given.state, &rules).unwrap());
    let residence = answer("residence", &[("dwelling", HOME), ("zone", "Z9")]);
    for answer in [answer("vehicle", &[("owner_snils", ANNA)]), residence, no_data("fines")] {
        given.take(&given.answer(&answer).unwrap());
    }
    let candidate = Candidate { open_cases: 0, official: office.executor.id };
    let candidates = Candidates { candidates: vec![candidate], read_size: TreeSize::new(9) };
    given.take(&AssignCase { candidates }.decide(&given.state, &rules).unwrap());
    given
}

#[test]
fn a_review_is_signed_like_any_decision_and_its_refusal_takes_the_entry_out() {
    let pack = regulated(|regulation| {
        approved(regulation);
        regulation.review = Some(serde_saphyr::from_str("{on: [residence]}").unwrap());
        let channel = serde_saphyr::from_str("{code: review, by_rule: true}").unwrap();
        regulation.channels.push(channel);
    });
    with_rules_of(&pack, |rules| {
        let DecideCase { entry, .. } = decide(0, 0);
        let ResultEntry::New { entry, number } = entry else { panic!("{entry:?}") };
        let (version, leaf) = (StreamVersion::ZERO, LeafIndex::new(30));
        let permit = Source { stream: entry.stream(), version, leaf };
        let known = ResultEntry::Known(KnownEntry {
            stream: entry.stream(),
            length: StreamVersion::new(1),
            number,
            valid_until: jiff::civil::date(2028, 11, 19),
            held: vec![unique_claim(
                rules.secret,
                entry.registry(),
                &FieldPath::parse("plate").unwrap(),
                "А123ВС77",
            )],
        });
        let office = office();
        let mut given = reviewed(rules, &office, &permit);
        given.propose(&office.executor).unwrap();
        given.agree(3, &office.planner, (0, 1)).unwrap();
        given.agree(2, &office.lawyer, (0, 0)).unwrap();
        // Nothing is signed about an entry that the case is not about.
        let other = given.agree(4, &office.head, (1, 0));
        assert!(matches!(other, Err(CaseRefusal::EntryGone { .. })), "{other:?}");
        let signature = given.signature(4, &office.head, (1, 0));
        let decide = DecideCase { entry: known, ..decide(0, 0) };
        let signed = given.agree_with(&office.head, signature, decide).unwrap();
        assert_eq!(
            types(&signed),
            [
                "application.decision_agreed",
                "application.decided",
                "application.refusal_issued",
                "registry.entry_excluded"
            ]
        );
        let released: Vec<&str> = signed
            .claims
            .iter()
            .map(|claim| claim.name.as_str().split('/').next().unwrap())
            .collect();
        assert_eq!(released, ["review", "unique"]);
        assert_eq!(given.state.status(), CaseStatus::Refused);
    });
}

#[test]
fn nobody_proposes_agrees_or_signs_who_may_not() {
    with_rules_of(&regulated(approved), |rules| {
        let office = office();
        let mut given = Given::answered(rules, &good_answers());
        assert_eq!(given.propose(&office.executor), Err(CaseRefusal::Unassigned));
        let mut given = assigned(rules, &office);
        let refused = given.propose(&office.lawyer);
        assert!(matches!(refused, Err(CaseRefusal::NotEntitled { .. })));
        let colleague = official(7, "permits", Role::Executor);
        let assigned = office.executor.id;
        assert_eq!(given.propose(&colleague), Err(CaseRefusal::NotAssigned { assigned }));
        given.propose(&office.executor).unwrap();
        let proposal = given.state.proposal().unwrap().version;
        let again = given.propose(&office.executor);
        assert_eq!(again, Err(CaseRefusal::ProposalWaits { proposal }));
        // A signature of another stage, of another person, or of nobody.
        let other_stage = given.signature(2, &office.lawyer, (1, 0));
        let other_person = given.signature(2, &office.planner, (0, 0));
        for signature in [other_stage, other_person, AuthorSignature::from_bytes([0; 64])] {
            let refused = given.agree_with(&office.lawyer, signature, decide(0, 0));
            assert!(matches!(refused, Err(CaseRefusal::BadSignature { .. })), "{refused:?}");
        }
        // Who was dismissed since has neither post nor key.
        let mut dismissed = office.lawyer.clone();
        dismissed.evolve(&StaffEvent::Dismissed);
        let refused = given.agree(2, &dismissed, (0, 0));
        assert!(matches!(refused, Err(CaseRefusal::NotEntitled { .. })));
        // One person does not speak for two posts of a proposal.
        let mut both = office.lawyer.clone();
        both.posts.extend(office.head.posts.clone());
        given.agree(2, &both, (0, 0)).unwrap();
        given.agree(3, &office.planner, (0, 1)).unwrap();
        let official = both.id;
        assert_eq!(given.agree(2, &both, (1, 0)), Err(CaseRefusal::SecondTime { official }));
    });
}

#[test]
fn a_returned_proposal_is_made_anew_and_old_agreements_do_not_count() {
    with_rules_of(&regulated(approved), |rules| {
        let office = office();
        let mut given = assigned(rules, &office);
        given.propose(&office.executor).unwrap();
        let first = given.state.proposal().unwrap().version;
        given.agree(2, &office.lawyer, (0, 0)).unwrap();
        let returned = ReturnDecision {
            acting: &office.planner,
            proposal: first,
            remarks: "Нет плана участка".to_owned(),
        };
        let empty = ReturnDecision { remarks: "  ".to_owned(), ..returned.clone() };
        let refused = empty.decide(&given.state, &rules);
        assert!(matches!(refused, Err(CaseRefusal::TextLength { .. })));
        given.take(&returned.decide(&given.state, &rules).unwrap());
        let again = returned.decide(&given.state, &rules);
        assert_eq!(again, Err(CaseRefusal::NoSuchProposal { proposal: first }));
        given.propose(&office.executor).unwrap();
        assert_eq!(
            stage_of(
                rules.service.regulation.approval.as_ref().unwrap(),
                given.state.proposal().unwrap()
            ),
            0
        );
        assert!(given.state.proposal().unwrap().agreed.is_empty());
    });
}

#[test]
fn what_changed_since_the_proposal_must_be_proposed_again() {
    with_rules_of(&regulated(approved), |rules| {
        let office = office();
        let mut given = assigned(rules, &office);
        given.propose(&office.executor).unwrap();
        given.agree(2, &office.lawyer, (0, 0)).unwrap();
        given.agree(3, &office.planner, (0, 1)).unwrap();
        let signature = given.signature(4, &office.head, (1, 0));
        // Two permits have been given to the dwelling meanwhile: the rules now refuse.
        let refused = given.agree_with(&office.head, signature, decide(2, 0));
        assert_eq!(refused, Err(CaseRefusal::ProposalOutdated { now: "refused G3".into() }));
    });
}

#[test]
fn a_head_gives_a_case_to_somebody_else_and_says_why() {
    with_rules_of(&regulated(approved), |rules| {
        let office = office();
        let mut given = assigned(rules, &office);
        let colleague = official(7, "permits", Role::Executor);
        let reassign =
            |acting, to| ReassignCase { acting, to, reason: "Болезнь".to_owned() };
        let refused = reassign(&office.lawyer, &colleague).decide(&given.state, &rules);
        assert!(matches!(refused, Err(CaseRefusal::NotEntitled { .. })));
        let refused = reassign(&office.head, &office.lawyer).decide(&given.state, &rules);
        assert!(matches!(refused, Err(CaseRefusal::NotEntitled { .. })));
        let decision = reassign(&office.head, &colleague).decide(&given.state, &rules).unwrap();
        given.take(&decision);
        given.propose(&colleague).unwrap();
    });
}

fn by(official: &Official, way: Way) -> Arrival {
    let at = at("2026-11-20T08:00:00.000Z");
    Arrival { way, at, official: Some(official.id), second: None, letter: None }
}

#[test]
fn a_letter_needs_its_number_and_a_call_a_second_listener() {
    with_rules(|rules| {
        let office = office();
        let given = Given::submitted(rules);
        let answer = |came: Arrival| AnswerRequest { came: Some(came), ..no_data("vehicle") };
        let paper = by(&office.executor, Way::Paper);
        let phone = by(&office.executor, Way::Phone);
        let alone = Arrival { second: phone.official, ..phone.clone() };
        for came in [paper.clone(), phone.clone(), alone] {
            let refused = given.answer(&answer(came));
            assert!(matches!(refused, Err(CaseRefusal::ArrivalIncomplete { .. })), "{refused:?}");
        }
        let letter = Some("12/4".to_owned());
        assert!(given.answer(&answer(Arrival { letter, ..paper })).is_ok());
        let second = Some(office.lawyer.id);
        assert!(given.answer(&answer(Arrival { second, ..phone })).is_ok());
    });
}

#[test]
fn hard_case_1_an_answer_that_comes_too_late_twice_or_unasked_is_kept_and_changes_nothing() {
    with_rules(|rules| {
        let came = by(&office().executor, Way::Workplace);
        let aside = |state: &CaseState, refusal: &CaseRefusal| {
            let reason = SetAsideAnswer::reason(state, refusal)?;
            let command = SetAsideAnswer { request: "vehicle".into(), reason, came: came.clone() };
            assert_eq!(types(&command.decide(state).unwrap()), ["request.answer_set_aside"]);
            Some(reason)
        };
        let mut given = Given::answered(rules, &good_answers()[..1]);
        let twice = given.answer(&no_data("vehicle")).unwrap_err();
        assert_eq!(aside(&given.state, &twice), Some(SetAside::Duplicate));
        let unasked = CaseRefusal::RequestNotSent { request: step("vehicle") };
        assert_eq!(aside(&given.state, &unasked), Some(SetAside::NotSent));
        // What the regulation never asks is refused, and not kept as an answer.
        let unknown = given.answer(&no_data("smoke")).unwrap_err();
        assert!(matches!(unknown, CaseRefusal::StepNotInRegulation { .. }));
        assert_eq!(aside(&given.state, &unknown), None);
        let decision = CancelCase { by: CancelledBy::Applicant }.decide(&given.state, &rules);
        given.take(&decision.unwrap());
        let cancelled = given.answer(&no_data("residence")).unwrap_err();
        assert_eq!(aside(&given.state, &cancelled), Some(SetAside::Cancelled));
        let mut decided = Given::answered(rules, &good_answers());
        let decision = decided.decide(&decide(0, 0)).unwrap();
        decided.take(&decision);
        let late = decided.answer(&no_data("vehicle")).unwrap_err();
        assert_eq!(aside(&decided.state, &late), Some(SetAside::Late));
        let kept = SetAsideAnswer { request: "vehicle".into(), reason: SetAside::Late, came };
        let kept = kept.decide(&decided.state).unwrap();
        decided.take(&kept);
        assert_eq!(decided.state.status(), CaseStatus::Granted);
    });
}

#[test]
fn a_request_waits_for_its_mandatory_subrequests_to_any_depth() {
    with_rules(|rules| {
        let mut given = Given::submitted(rules);
        let path = |text| FieldPath::parse(text).unwrap();
        let open = |text, mandatory| OpenSubrequest {
            path: path(text),
            addressee: "Архив".into(),
            way: Way::Paper,
            mandatory,
            due: at("2030-01-01T00:00:00.000Z"),
            official: None,
        };
        let letter = Some("5".to_owned());
        let came = Arrival { letter, ..by(&office().executor, Way::Paper) };
        let answer = |text| AnswerSubrequest {
            path: path(text),
            outcome: RequestOutcome::NoData,
            facts: vec![],
            came: came.clone(),
        };
        for (text, mandatory) in [("vehicle.archive", true), ("vehicle.archive.depot", true)] {
            let decision = open(text, mandatory).decide(&given.state, &rules).unwrap();
            given.take(&decision);
        }
        let due = given.state.requests()[&step("vehicle")].sent.due;
        let opened = &given.state.subrequests()[&path("vehicle.archive.depot")].opened;
        assert_eq!(opened.due, due, "no later than what it is for");
        let waits = |refused| matches!(refused, Err(CaseRefusal::Subrequest { .. }));
        assert!(waits(given.answer(&no_data("vehicle"))));
        assert!(waits(answer("vehicle.archive").decide(&given.state, &rules)));
        for wrong in ["vehicle", "nothing.archive", "vehicle.archive"] {
            assert!(waits(open(wrong, true).decide(&given.state, &rules)), "{wrong}");
        }
        for text in ["vehicle.archive.depot", "vehicle.archive"] {
            let decision = answer(text).decide(&given.state, &rules).unwrap();
            given.take(&decision);
        }
        assert!(given.answer(&no_data("vehicle")).is_ok());
        let optional = open("residence.note", false).decide(&given.state, &rules).unwrap();
        given.take(&optional);
        assert!(given.answer(&no_data("residence")).is_ok());
        let cancelled = CancelCase { by: CancelledBy::Applicant }.decide(&given.state, &rules);
        let cancelled = cancelled.unwrap();
        assert_eq!(types(&cancelled), ["subrequest.cancelled", "application.cancelled"]);
    });
}

/// K32: the term of the case, and below it a term of each stage; each is on record when it begins,
/// and once when it has passed.
#[test]
fn every_stage_has_a_term_of_its_own() {
    let terms = APPROVAL
        .replace("stages:", "term: {length: {working_days: 1}}\n    stages:")
        .replace("- [{unit: permits, role: head}]", "- posts: [{unit: permits, role: head}]")
        .replace("head}]\n", "head}]\n        term: {length: {hours: 24}}\n")
        .replace(
            "planning, role: head}]\n        term: {length: {hours: 24}}",
            "planning, role: head}]",
        );
    let pack = regulated(|regulation| {
        regulation.approval = Some(serde_saphyr::from_str(&terms).unwrap());
    });
    with_rules_of(&pack, |rules| {
        let office = office();
        let mut given = assigned(rules, &office);
        let pass = |given: &mut Given<'_>, now: &str| {
            let now = at(now);
            let command = PassTime { now, executors: Executors::new(), escalates_to: None };
            let opened = Opened::new(&given.disclosures);
            let decision = command.decide(&given.state, &opened, &given.rules).unwrap();
            given.take(&decision);
            decision
        };
        let stage = |given: &Given<'_>| given.state.stage().unwrap().clone();
        assert_eq!(next(&given), Some(at("2026-11-20T09:00:00.000Z")), "it has just begun");
        let begun = pass(&mut given, "2026-11-20T09:00:00.000Z");
        assert_eq!(types(&begun), ["application.stage_begun"]);
        assert_eq!(stage(&given).begun.stage, Procedure::Proposal);
        // One working day from Friday: Monday.
        assert_eq!(stage(&given).begun.due, at("2026-11-23T20:59:59.999Z"));
        assert_eq!(next(&given), Some(at("2026-11-23T20:59:59.999Z")));
        assert!(pass(&mut given, "2026-11-23T20:59:59.999Z").events.is_empty(), "still in time");
        let late = pass(&mut given, "2026-11-24T09:00:00.000Z");
        assert_eq!(types(&late), ["application.stage_breached"]);
        assert!(pass(&mut given, "2026-11-24T10:00:00.000Z").events.is_empty(), "once");
        // The first stage of agreement has no term of its own, the signature has a day.
        given.propose(&office.executor).unwrap();
        assert!(pass(&mut given, "2026-11-24T11:00:00.000Z").events.is_empty());
        given.agree(3, &office.planner, (0, 1)).unwrap();
        given.agree(2, &office.lawyer, (0, 0)).unwrap();
        let begun = pass(&mut given, "2026-11-24T12:00:00.000Z");
        assert_eq!(types(&begun), ["application.stage_begun"]);
        assert_eq!(stage(&given).begun.stage, Procedure::Agreement(1));
        assert_eq!(stage(&given).begun.due, at("2026-11-25T12:00:00.000Z"));
        // A return begins another round.
        let proposal = given.state.proposal().unwrap().version;
        let remarks = "Нет плана".to_owned();
        let returned = ReturnDecision { acting: &office.head, proposal, remarks };
        let decision = returned.decide(&given.state, &given.rules).unwrap();
        given.take(&decision);
        let again = pass(&mut given, "2026-11-24T13:00:00.000Z");
        assert_eq!(types(&again), ["application.stage_begun"]);
        assert_eq!(stage(&given).begun.stage, Procedure::Proposal);
        assert!(!stage(&given).breached);
    });
}
