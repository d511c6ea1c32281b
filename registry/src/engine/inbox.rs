//! What waits for an official, and all that an official who works on a case needs to see of it.
//!
//! Only who holds a post that the case concerns sees its private values, and who was only asked
//! sees those of the request. Not here: putting the
//! reads themselves on record.

use std::collections::{BTreeMap, BTreeSet};

use letopis_ledger::disclosure::Disclosure;
use letopis_ledger::{LeafIndex, StreamVersion};

use super::advance::Pinned;
use super::work::ANSWERING;
use super::{
    AnswerForm, AnswerTable, CaseEngine, EngineError, InstalledPack, LedgerPort, ShownEntries,
    TimelineEvent, answers,
};
use crate::case::signing::agreement_text;
use crate::case::{CaseRefusal, CaseState, open_posts, stage_of};
use crate::code::{FieldPath, StepCode};
use crate::event::{CaseId, HeldPost, RequestTarget};
use crate::pack::{Role, Service, ValueType, Visibility};
use crate::projection::{NoticeRow, ProposalRow, RequestRow, WorkRow};
use crate::staff::Official;

/// Most rows of each part of an inbox.
const INBOX_MAX: u32 = 500;

/// What waits for an official, the ones due first.
#[derive(Debug)]
pub struct Inbox {
    /// Open cases that the official works on.
    pub cases: Vec<WorkRow>,
    /// Open requests that the official may answer.
    pub requests: Vec<AskedOfficial>,
    /// Proposals that the official may agree to.
    pub proposals: Vec<ToAgree>,
    /// Versions of packs whose open stage the official may sign.
    pub versions: Vec<ProposalRow>,
    /// Notices that the official posts or tells by telephone.
    pub notices: Vec<NoticeRow>,
}

/// A request that an official may answer.
#[derive(Debug)]
pub struct AskedOfficial {
    /// The case.
    pub case: CaseId,
    /// The request.
    pub request: RequestRow,
}

/// A proposal that an official may agree to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToAgree {
    /// The case.
    pub case: CaseId,
    /// The proposal.
    pub proposal: StreamVersion,
    /// The text to sign.
    pub text: Vec<u8>,
}

/// What an official sees of a case.
#[derive(Debug)]
pub struct CaseCard {
    /// The state.
    pub state: CaseState,
    /// The private values of the case that the official may see: all for who works on it, enters
    /// what comes in or decides it; for who was asked, their own request's and what the pack shows
    /// to officials.
    pub disclosures: Vec<Disclosure>,
    /// What the official signs to agree, if the official may.
    pub to_agree: Option<ToAgree>,
    /// Entries to look at, for each open request that shows some.
    pub shown: Vec<ShownEntries>,
    /// Answers that brought facts, to be read.
    pub answers: Vec<AnswerTable>,
    /// Forms of open requests that people answer.
    pub forms: Vec<AnswerForm>,
    /// Requests that were left out, each with its condition.
    pub omitted: Vec<(StepCode, Option<String>)>,
    /// The facts that each open request takes, with their types where the pack says one.
    pub asked: BTreeMap<StepCode, Vec<(FieldPath, Option<ValueType>)>>,
    /// The requests whose answers are signed by who gives them.
    pub signed: BTreeSet<StepCode>,
    /// Everything that happened in the case, in order.
    pub history: Vec<TimelineEvent>,
}

impl<P: LedgerPort> CaseEngine<P> {
    /// What waits for an official.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn inbox(&self, official: &Official) -> Result<Inbox, EngineError> {
        self.catch_up().await?;
        let cases = self.model.inbox(official.id, INBOX_MAX)?.value;
        let mut requests = Vec::new();
        let units: BTreeSet<_> = official.posts.iter().map(|held| &held.unit).collect();
        for unit in units {
            let head = official.has_role(unit, Role::Head);
            let open = self.model.open_requests_of(unit, INBOX_MAX)?.value;
            let may = |request: &RequestRow| match request.kind.as_str() {
                "head" => head,
                "executor" => head || request.official == Some(official.id),
                _ => true,
            };
            let asked = open.into_iter().filter(|(_, request)| may(request));
            let escalated = self.model.open_escalations(unit, INBOX_MAX)?.value;
            let escalated =
                escalated.into_iter().filter(|(_, request)| has_escalated(official, request));
            let asked = asked.chain(escalated);
            requests.extend(asked.map(|(case, request)| AskedOfficial { case, request }));
        }
        let holds = |roles: &[Role]| official.posts.iter().any(|held| roles.contains(&held.role));
        // Who enters what comes from outside does it for every case, others for their own.
        let works = if holds(&[Role::Operator]) { None } else { Some(official.id) };
        let mut open = self.model.open_requests_to(&["external"], works, INBOX_MAX)?.value;
        if holds(&ANSWERING) {
            open.extend(self.model.open_requests_to(&["organisation"], None, INBOX_MAX)?.value);
        }
        requests.extend(open.into_iter().map(|(case, request)| AskedOfficial { case, request }));
        requests.sort_by_key(|asked| asked.request.due);
        let notices = self.model.queued_notices(works, INBOX_MAX)?.value;
        let mut proposals = Vec::new();
        for row in self.model.waiting_proposals(INBOX_MAX)?.value {
            let state = match self.state(row.case).await {
                // Nobody can go on with it; its card says why.
                Err(EngineError::OutOfPlace(_)) => continue,
                other => other?,
            };
            let installed = self.pinned(&state)?;
            proposals.extend(to_agree(row.case, &state, service(&state, &installed)?, official));
        }
        let versions = self.versions_to_sign(official)?;
        Ok(Inbox { cases, requests, proposals, versions, notices })
    }

    /// A case as an official sees it whom it concerns.
    ///
    /// # Errors
    /// There is no such case, or it does not concern the official.
    pub async fn card(&self, case: CaseId, official: &Official) -> Result<CaseCard, EngineError> {
        let (state, installed) = self.admit_to_case(case, official).await?;
        let service = service(&state, &installed)?;
        let mut history = self.history(&case.stream()).await?;
        if !sees_all(&state, service, official) {
            let code = &service.regulation.service.value;
            let own = |field: &Disclosure| {
                installed.visibility(code, field.name()) <= Visibility::Official
                    || of_own_request(&state, official, field.name())
            };
            history.iter_mut().for_each(|event| event.private.retain(own));
        }
        let disclosures: Vec<Disclosure> =
            history.iter().flat_map(|event| event.private.iter().cloned()).collect();
        let leaves: Vec<LeafIndex> = history.iter().map(|event| event.leaf).collect();
        let pack: (&InstalledPack, _) = (&installed, service);
        let open = state.requests().iter().filter(|(_, request)| request.is_open());
        let facts = |request: &StepCode| installed.pack.asked_facts(service, request);
        let requests = service.regulation.requests();
        let signed = requests.filter(|(_, rule)| rule.signature.is_some());
        Ok(CaseCard {
            signed: signed.map(|(step, _)| step.code.value.clone()).collect(),
            to_agree: to_agree(case, &state, service, official),
            shown: self.shown(&state, service)?,
            answers: answers::tables(&state, pack, (&disclosures, &leaves)),
            forms: answers::forms(&state, pack),
            omitted: omitted(&state, service),
            asked: open.map(|(request, _)| (request.clone(), facts(request))).collect(),
            history,
            disclosures,
            state,
        })
    }

    /// A case that concerns an official.
    async fn admit_to_case(
        &self,
        case: CaseId,
        official: &Official,
    ) -> Result<(CaseState, Pinned), EngineError> {
        self.catch_up().await?;
        let state = self.case_state(case).await?;
        let installed = self.pinned(&state)?;
        if !concerns(&state, service(&state, &installed)?, official) {
            let expected = "who works on the case, was asked in it or decides it".to_owned();
            return Err(CaseRefusal::NotEntitled { official: official.id, expected }.into());
        }
        Ok((state, installed))
    }
}

/// Whether an escalated request stands with an official: it was given to the official, or to
/// nobody who holds the post; a head sees all of the unit.
fn has_escalated(official: &Official, request: &RequestRow) -> bool {
    let Some(escalated) = &request.escalated else { return false };
    let HeldPost { unit, role } = &escalated.post;
    let named = escalated.official.is_none_or(|named| named == official.id);
    official.has_role(unit, Role::Head) || (official.has_role(unit, *role) && named)
}

fn service<'a>(state: &CaseState, installed: &'a Pinned) -> Result<&'a Service, EngineError> {
    let submitted = state.submitted().ok_or(CaseRefusal::NotSubmitted)?;
    let unknown = || EngineError::UnknownService { service: submitted.service.clone() };
    installed.service(&submitted.service).ok_or_else(unknown)
}

/// The requests that were left out, each with the condition that did not hold.
fn omitted(state: &CaseState, service: &Service) -> Vec<(StepCode, Option<String>)> {
    let condition =
        |code: &StepCode| service.regulation.request(code)?.when.as_ref().map(ToString::to_string);
    state.omitted().iter().map(|code| (code.clone(), condition(code))).collect()
}

/// Whether an official works on a case, was asked in it, or decides it.
fn concerns(state: &CaseState, service: &Service, official: &Official) -> bool {
    let asked = state.requests().values().any(|request| is_asked(&request.sent.target, official));
    asked || sees_all(state, service, official)
}

fn is_asked(target: &RequestTarget, official: &Official) -> bool {
    match target {
        RequestTarget::Unit(unit) | RequestTarget::Executor(unit, _) => official.is_of(unit),
        RequestTarget::Head(unit) => official.has_role(unit, Role::Head),
        _ => false,
    }
}

/// Whether a private value, by its name, was sent to an official or came in their answer.
fn of_own_request(state: &CaseState, official: &Official, name: &str) -> bool {
    state.requests().iter().any(|(code, request)| {
        let own = ["request", "answer"].map(|kind| format!("{kind}.{code}."));
        let own = own.iter().any(|prefix| name.starts_with(prefix))
            || name == format!("signature.{code}");
        own && is_asked(&request.sent.target, official)
    })
}

/// Whether an official works on a case, enters what comes in, or decides it: who sees every
/// private value of it.
fn sees_all(state: &CaseState, service: &Service, official: &Official) -> bool {
    let works = state.assigned().is_some_and(|assigned| {
        assigned.official == official.id || official.has_role(&assigned.unit, Role::Head)
    });
    let operates = official.posts.iter().any(|held| held.role == Role::Operator);
    let approval = service.regulation.approval.as_ref();
    let decides = approval.is_some_and(|approval| {
        let mut posts = approval.stages.iter().flat_map(|stage| &stage.posts);
        posts.any(|post| official.holds(post))
    });
    let takes_over = state.requests().values().any(|request| {
        request.escalated.as_ref().is_some_and(|escalated| escalated.may_close(official))
    });
    works || operates || decides || takes_over
}

/// What the official signs to agree to the proposal that waits, if the official may.
fn to_agree(
    case: CaseId,
    state: &CaseState,
    service: &Service,
    official: &Official,
) -> Option<ToAgree> {
    let approval = service.regulation.approval.as_ref()?;
    let proposal = state.proposal().filter(|proposal| !proposal.returned)?;
    if state.decided().is_some() || proposal.event.official == official.id {
        return None;
    }
    let stage = stage_of(approval, proposal);
    let (post, _) =
        open_posts(approval, proposal, stage).into_iter().find(|(_, post)| official.holds(post))?;
    let place = (u32::try_from(stage).ok()?, u32::try_from(post).ok()?);
    let text = agreement_text(state.stream(), proposal, place, official.id);
    Some(ToAgree { case, proposal: proposal.version, text })
}
