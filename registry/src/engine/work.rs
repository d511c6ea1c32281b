//! What people do with cases: they answer, open subrequests, propose, agree, return, give cases to
//! others, and call them off.
//!
//! Each call checks who acts against the posts of the log as it is now, decides on the newest
//! state and appends; a lost race is decided again. Not here: how somebody proves who it is.

use std::collections::BTreeMap;

use letopis_ledger::StreamVersion;
use letopis_ledger::json::Json;
use letopis_ledger::key::AuthorSignature;
use serde_json::Value;

use super::advance::Pinned;
use super::{Appended, CaseEngine, EngineError, LedgerPort, Race, TRIES_MAX};
use crate::case::{
    AgreeToDecision, AnswerRequest, AnswerSignature, AnswerSubrequest, CancelCase, CaseRefusal,
    CaseRules, CaseState, IntakeFinding, Motive, OpenSubrequest, Opened, ProposeDecision,
    ReassignCase, RefuseIntake, ReturnDecision, SetAsideAnswer, TakenOver,
};
use crate::code::{FieldPath, StepCode};
use crate::event::{
    Arrival, CancelledBy, CaseId, OfficialId, RequestOutcome, RequestTarget, Scan, SetAside, Way,
};
use crate::pack::Role;
use crate::record_draft::{Decision, PrivateField};
use crate::staff::Official;

/// An answer that somebody gives.
#[derive(Clone)]
pub struct GivenAnswer {
    /// The request.
    pub request: StepCode,
    /// An object with the facts by field, or nothing.
    pub facts: Option<Value>,
    /// The signature of the official who gives it.
    pub signature: Option<AuthorSignature>,
    /// How it came.
    pub came: Arrival,
    /// The scan of the paper that it stands on.
    pub scan: Option<Scan>,
    /// Why there are no facts, in words, where the request was escalated.
    pub motive: Option<String>,
}

/// A request that the one asked sends on.
#[derive(Debug, Clone)]
pub struct Subrequest {
    /// Its path.
    pub path: FieldPath,
    /// Who is asked.
    pub addressee: String,
    /// How.
    pub way: Way,
    /// Whether the answer above waits for it.
    pub mandatory: bool,
    /// Working days that the one asked may take.
    pub working_days: u32,
}

/// The answer of a subrequest, in words.
#[derive(Clone)]
pub struct GivenSubanswer {
    /// Its path.
    pub path: FieldPath,
    /// What the answer says; nothing when there is no data.
    pub text: Option<String>,
    /// How it came.
    pub came: Arrival,
}

/// Most characters of an answer in words.
const ANSWER_MAX_CHARS: usize = 4_000;

impl<P: LedgerPort> CaseEngine<P> {
    /// Takes an answer that somebody gives. `acting` is nobody when the applicant or another
    /// system answers. One that does not count (late, twice, never asked for) is kept on record
    /// and gives the reason.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn give_answer(
        &self,
        case: CaseId,
        acting: Option<&Official>,
        answer: &GivenAnswer,
    ) -> Result<Option<SetAside>, EngineError> {
        let mut aside = None;
        self.work_on(case, |engine, state, installed| {
            let rules = engine.rules(state, installed)?;
            let opened = engine.open(state)?;
            engine.check_second(&answer.came)?;
            let command = engine.answering(acting, answer, (state, &rules))?;
            let refusal = match command.decide(state, &opened, &rules) {
                Ok(decision) => return Ok(decision),
                Err(refusal) => refusal,
            };
            aside = SetAsideAnswer::reason(state, &refusal);
            let Some(reason) = aside else { return Err(refusal.into()) };
            let (request, came) = (answer.request.to_string(), answer.came.clone());
            Ok(SetAsideAnswer { request, reason, came }.decide(state)?)
        })
        .await?;
        Ok(aside)
    }

    /// The text that an official signs to give an answer.
    ///
    /// # Errors
    /// The facts are wrong, or the official may not give the answer.
    pub async fn answer_text(
        &self,
        case: CaseId,
        acting: &Official,
        answer: &GivenAnswer,
    ) -> Result<Vec<u8>, EngineError> {
        self.catch_up().await?;
        let state = self.case_state(case).await?;
        let installed = self.pinned(&state)?;
        let rules = self.rules(&state, &installed)?;
        let command = self.answering(Some(acting), answer, (&state, &rules))?;
        Ok(command.text(&state, acting.id))
    }

    /// The command of an answer, by whoever may give it.
    fn answering(
        &self,
        acting: Option<&Official>,
        answer: &GivenAnswer,
        (state, rules): (&CaseState, &CaseRules<'_>),
    ) -> Result<AnswerRequest, EngineError> {
        let signature = acting.zip(answer.signature).map(|(official, signature)| AnswerSignature {
            official: official.id,
            key: official.key,
            signature,
        });
        Ok(AnswerRequest {
            request: answer.request.clone(),
            taken_over: taken_over(acting, answer, (state, rules))?,
            facts: facts(rules, answer)?,
            source: None,
            came: Some(answer.came.clone()),
            scan: answer.scan.clone(),
            signature,
            at: self.clock.now(),
            executors: self.executors(rules)?,
            escalates_to: match answer.facts {
                Some(_) => None,
                None => self.escalates_to(rules)?,
            },
        })
    }

    /// Opens a request below one that is open.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn open_subrequest(
        &self,
        case: CaseId,
        acting: &Official,
        subrequest: &Subrequest,
    ) -> Result<Appended, EngineError> {
        self.work_on(case, |engine, state, installed| {
            let rules = engine.rules(state, installed)?;
            entitle_below(acting, &subrequest.path, state)?;
            let term = letopis_rules::deadline::Term::WorkingDays(subrequest.working_days.max(1));
            let due = rules.calendar.deadline(engine.clock.now(), term).due;
            let command = OpenSubrequest {
                path: subrequest.path.clone(),
                addressee: subrequest.addressee.clone(),
                way: subrequest.way,
                mandatory: subrequest.mandatory,
                due: letopis_ledger::Timestamp::from_unix_ms(due.get())
                    .expect("invariant: terms end within the years of the ledger"),
                official: Some(acting.id),
            };
            Ok(command.decide(state, &rules)?)
        })
        .await
    }

    /// Takes the answer of a subrequest.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn answer_subrequest(
        &self,
        case: CaseId,
        acting: &Official,
        answer: &GivenSubanswer,
    ) -> Result<Appended, EngineError> {
        let (what, limit) = ("the answer", ANSWER_MAX_CHARS);
        let too_long = || CaseRefusal::TextLength { what, limit };
        let text = answer.text.as_ref().map(|text| {
            let fits = !text.trim().is_empty() && text.chars().count() <= limit;
            Json::string(text.as_str()).ok().filter(|_| fits).ok_or_else(too_long)
        });
        let text = text.transpose()?;
        self.work_on(case, |engine, state, installed| {
            let rules = engine.rules(state, installed)?;
            engine.check_second(&answer.came)?;
            entitle_below(acting, &answer.path, state)?;
            let field = |text| PrivateField::new(format!("subanswer.{}", answer.path), text);
            let outcome = match &text {
                Some(_) => RequestOutcome::Answered,
                None => RequestOutcome::NoData,
            };
            let command = AnswerSubrequest {
                path: answer.path.clone(),
                outcome,
                facts: text.clone().map(field).into_iter().collect(),
                came: answer.came.clone(),
            };
            Ok(command.decide(state, &rules)?)
        })
        .await
    }

    /// Proposes what the rules say; gives the number of the proposal.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn propose(
        &self,
        case: CaseId,
        acting: &Official,
        motive: &Motive,
    ) -> Result<StreamVersion, EngineError> {
        let mut version = StreamVersion::ZERO;
        self.work_on(case, |engine, state, installed| {
            let rules = engine.rules(state, installed)?;
            let opened = engine.open(state)?;
            let (decide, number) = engine.decision(state, installed, &opened)?;
            version = state.length();
            let command = ProposeDecision { acting, motive: motive.clone(), decide };
            let proposed = command.decide(state, &opened, &rules);
            // A proposal makes no entry yet.
            number.keep_if(engine, &proposed);
            Ok(proposed?)
        })
        .await?;
        Ok(version)
    }

    /// Agrees to a proposal; the last agreement signs it, and the case is decided.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn agree(
        &self,
        case: CaseId,
        acting: &Official,
        (proposal, signature): (StreamVersion, AuthorSignature),
    ) -> Result<Appended, EngineError> {
        self.work_on(case, |engine, state, installed| {
            let rules = engine.rules(state, installed)?;
            let opened: Opened = engine.open(state)?;
            let (decide, number) = engine.decision(state, installed, &opened)?;
            let command = AgreeToDecision { acting, proposal, signature, decide };
            let agreed = command.decide(state, &opened, &rules);
            number.keep_if(engine, &agreed);
            Ok(agreed?)
        })
        .await
    }

    /// Returns a proposal with remarks.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn return_proposal(
        &self,
        case: CaseId,
        acting: &Official,
        (proposal, remarks): (StreamVersion, &str),
    ) -> Result<Appended, EngineError> {
        self.work_on(case, |engine, state, installed| {
            let rules = engine.rules(state, installed)?;
            let remarks = remarks.to_owned();
            Ok(ReturnDecision { acting, proposal, remarks }.decide(state, &rules)?)
        })
        .await
    }

    /// Gives a case to another official.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn reassign(
        &self,
        case: CaseId,
        acting: &Official,
        (to, reason): (OfficialId, &str),
    ) -> Result<Appended, EngineError> {
        let found = self.model.official(to)?.value;
        let unknown = || EngineError::UnknownEntry { what: "official", name: to.to_string() };
        let to = found.ok_or_else(unknown)?;
        self.work_on(case, |engine, state, installed| {
            let rules = engine.rules(state, installed)?;
            let reason = reason.to_owned();
            Ok(ReassignCase { acting, to: &to, reason }.decide(state, &rules)?)
        })
        .await
    }

    /// Does not take an application that is registered, on the check that the regulation allows.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn refuse_intake(
        &self,
        case: CaseId,
        acting: &Official,
        finding: &IntakeFinding,
    ) -> Result<Appended, EngineError> {
        self.work_on(case, |engine, state, installed| {
            let rules = engine.rules(state, installed)?;
            let (finding, at) = (finding.clone(), engine.clock.now());
            Ok(RefuseIntake { acting, finding, at }.decide(state, &rules)?)
        })
        .await
    }

    /// Calls a case off.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn cancel(&self, case: CaseId, by: CancelledBy) -> Result<Appended, EngineError> {
        self.work_on(case, |engine, state, installed| {
            let rules = engine.rules(state, installed)?;
            Ok(CancelCase { by }.decide(state, &rules)?)
        })
        .await
    }

    /// That a second person who heard a call is an official of the agency.
    fn check_second(&self, came: &Arrival) -> Result<(), EngineError> {
        let Some(second) = came.second else { return Ok(()) };
        let known = self.model.official(second)?.value;
        if known.is_some_and(|official| !official.posts.is_empty()) {
            return Ok(());
        }
        Err(EngineError::UnknownEntry { what: "official", name: second.to_string() })
    }

    /// Decides on the newest state and appends; decided again when somebody was faster.
    pub(super) async fn work_on(
        &self,
        case: CaseId,
        mut decide: impl FnMut(&Self, &CaseState, &Pinned) -> Result<Decision, EngineError>,
    ) -> Result<Appended, EngineError> {
        for _ in 0..TRIES_MAX {
            let mut state = self.state(case).await?;
            let installed = self.pinned(&state)?;
            let decision = decide(self, &state, &installed)?;
            let appended = self.append_to(case, &mut state, decision).await;
            let Err(error) = &appended else {
                if state.ended().is_some() {
                    self.forget(case);
                }
                return appended;
            };
            match Race::of(error) {
                None => return appended,
                Some(Race::Number) => self.raise_entry_numbers(case).await?,
                Some(Race::Stream | Race::Name) => self.forget(case),
            }
            self.catch_up().await?;
        }
        Err(EngineError::TooManyRaces { tries: TRIES_MAX })
    }
}

/// That who answers may: whom a request was escalated to closes it; as long as it was not, who was
/// asked answers, or enters what came from there.
fn taken_over(
    acting: Option<&Official>,
    answer: &GivenAnswer,
    (state, rules): (&CaseState, &CaseRules<'_>),
) -> Result<Option<TakenOver>, CaseRefusal> {
    let request = state.requests().get(&answer.request);
    let escalated = request.and_then(|request| request.escalated.as_ref());
    if let (Some(escalated), Some(official)) = (escalated, acting)
        && escalated.may_close(official)
    {
        return Ok(Some(TakenOver { motive: answer.motive.clone() }));
    }
    if answer.motive.is_some() {
        return Err(match (escalated, acting) {
            (Some(escalated), Some(official)) => {
                let expected = escalated.who_may_close();
                CaseRefusal::NotEntitled { official: official.id, expected }
            }
            _ => CaseRefusal::MotiveNotAsked { request: answer.request.clone() },
        });
    }
    let Some(request) = request else {
        if rules.service.regulation.request(&answer.request).is_none() {
            let (step, pack) = (answer.request.clone(), rules.pack_ref.clone());
            return Err(CaseRefusal::StepNotInRegulation { step, pack });
        }
        // What nobody is asked for yet may come all the same; not just anybody enters it.
        return entitle_entering(acting, state).map(|()| None);
    };
    match entitle(acting, &answer.came, &request.sent.target, state) {
        Err(CaseRefusal::NotEntitled { official, .. }) if let Some(escalated) = escalated => {
            let expected = escalated.who_may_close();
            Err(CaseRefusal::NotEntitled { official, expected })
        }
        entitled => entitled.map(|()| None),
    }
}

/// The facts of an answer, checked by what the pack says of them.
fn facts(
    rules: &CaseRules<'_>,
    answer: &GivenAnswer,
) -> Result<Option<BTreeMap<FieldPath, Json>>, EngineError> {
    let Some(facts) = &answer.facts else { return Ok(None) };
    let checked = rules.pack.check_facts(rules.service, &answer.request, facts);
    checked.map(Some).map_err(|errors| EngineError::Form { errors })
}

/// That an official enters what comes in: an operator, or who works on the case.
pub(super) fn entitle_entering(
    acting: Option<&Official>,
    state: &CaseState,
) -> Result<(), CaseRefusal> {
    match acting {
        Some(official) if !enters(official, state) => {
            Err(CaseRefusal::NotEntitled { official: official.id, expected: ENTERING.to_owned() })
        }
        _ => Ok(()),
    }
}

/// That an official asks on behalf of, or answers to, who was asked by the request at the root of a
/// path; who works on the case may do it for anybody.
fn entitle_below(
    official: &Official,
    path: &FieldPath,
    state: &CaseState,
) -> Result<(), CaseRefusal> {
    let root = path.as_str().split('.').next().unwrap_or_default();
    let request = state.requests().iter().find(|(code, _)| code.as_str() == root);
    let Some((_, request)) = request else { return entitle_entering(Some(official), state) };
    if enters(official, state) {
        return Ok(());
    }
    let came = Arrival {
        way: Way::Workplace,
        at: request.sent.due,
        official: Some(official.id),
        second: None,
        letter: None,
    };
    entitle(Some(official), &came, &request.sent.target, state)
}

/// Who answers for the agency's own office.
pub(super) const ANSWERING: [Role; 3] = [Role::Operator, Role::Executor, Role::Head];

const ENTERING: &str = "an operator, or who works on the case,";

/// Whether an official enters what comes from outside for a case.
fn enters(official: &Official, state: &CaseState) -> bool {
    let works = state.assigned().is_some_and(|assigned| assigned.official == official.id);
    works || official.posts.iter().any(|held| held.role == Role::Operator)
}

/// That who answers is who was asked, or enters what came from there.
fn entitle(
    acting: Option<&Official>,
    came: &Arrival,
    target: &RequestTarget,
    state: &CaseState,
) -> Result<(), CaseRefusal> {
    let (entitled, expected) = match (target, acting) {
        (RequestTarget::Applicant, None) => (came.way == Way::Portal, "the applicant".to_owned()),
        (RequestTarget::Addressee(name), None) => (came.way == Way::Electronic, name.clone()),
        (RequestTarget::Applicant | RequestTarget::Addressee(_), Some(official)) => {
            (enters(official, state) && came.way != Way::Portal, ENTERING.to_owned())
        }
        (RequestTarget::Organisation(name), Some(official)) => {
            let held = official.posts.iter().any(|held| ANSWERING.contains(&held.role));
            (held, name.clone())
        }
        (RequestTarget::Unit(unit), Some(official)) => {
            (official.is_of(unit), format!("somebody of {unit}"))
        }
        (RequestTarget::Head(unit), Some(official)) => {
            (official.has_role(unit, Role::Head), format!("head of {unit}"))
        }
        (RequestTarget::Executor(unit, asked), Some(official)) => {
            let head = official.has_role(unit, Role::Head);
            (official.id == *asked || head, format!("{asked} or the head of {unit}"))
        }
        (_, None) | (RequestTarget::Registry(_), Some(_)) => (false, target.name().to_owned()),
    };
    if entitled {
        return Ok(());
    }
    match acting {
        Some(official) => Err(CaseRefusal::NotEntitled { official: official.id, expected }),
        None => Err(CaseRefusal::NotAsked { expected }),
    }
}
