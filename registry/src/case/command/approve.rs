//! A decision where people decide: one proposes what the rules say, others agree, the last signs.
//!
//! The rules decide in any case: officials answer for the facts and for having looked. A proposal
//! is what the model gives for the facts of the case; a refusal needs its grounds. When the facts
//! change on the way, nothing is signed: it must be proposed again. Not here: who gets the case.

use letopis_ledger::StreamVersion;
use letopis_ledger::json::Json;
use letopis_ledger::key::AuthorSignature;

use super::decide::input_fields;
use super::{CaseEvents, check_text, check_under_way};
use crate::case::signing::{AGREEMENT_PAYLOAD_TYPE, agreement_text};
use crate::case::{CaseRefusal, CaseRules, CaseState, DecideCase, Motive, Opened, ProposalState};
use crate::event::{Agreed, CaseEvent, OfficialSignature, Proposed, Returned};
use crate::pack::{Approval, Judgement, Post};
use crate::record_draft::{Decision, PrivateField};
use crate::staff::Official;

/// Most characters of a motive or of remarks.
pub const REMARKS_MAX_CHARS: usize = 4_000;

/// The official who works on the case proposes a decision.
#[derive(Debug, Clone)]
pub struct ProposeDecision<'a> {
    /// Who proposes.
    pub acting: &'a Official,
    /// Why, in words; the grounds are the rules'.
    pub motive: Motive,
    /// What the decision needs.
    pub decide: DecideCase,
}

/// An official agrees to a proposal; the last one signs, and the case is decided.
#[derive(Debug, Clone)]
pub struct AgreeToDecision<'a> {
    /// Who agrees.
    pub acting: &'a Official,
    /// The proposal.
    pub proposal: StreamVersion,
    /// Signature over [`agreement_text`].
    pub signature: AuthorSignature,
    /// What the decision needs, if this is the last agreement.
    pub decide: DecideCase,
}

/// An official returns a proposal with remarks.
#[derive(Debug, Clone)]
pub struct ReturnDecision<'a> {
    /// Who returns it.
    pub acting: &'a Official,
    /// The proposal.
    pub proposal: StreamVersion,
    /// What is wrong.
    pub remarks: String,
}

impl ProposeDecision<'_> {
    /// Decides. `opened` are the private values of the case.
    ///
    /// # Errors
    /// See [`CaseRefusal`].
    pub fn decide(
        &self,
        state: &CaseState,
        opened: &Opened,
        rules: &CaseRules<'_>,
    ) -> Result<Decision, CaseRefusal> {
        let approval = approval(rules)?;
        entitle(self.acting, &[(0, &approval.proposes)])?;
        let assigned = state.assigned().ok_or(CaseRefusal::Unassigned)?;
        if assigned.official != self.acting.id {
            return Err(CaseRefusal::NotAssigned { assigned: assigned.official });
        }
        if let Some(waiting) = state.proposal().filter(|proposal| !proposal.returned) {
            return Err(CaseRefusal::ProposalWaits { proposal: waiting.version });
        }
        let (judgement, values) = self.decide.judge(state, opened, rules)?;
        let motive = self.motive.text(state, rules, (&judgement, &values))?;
        let mut events = CaseEvents::after(state);
        let decision = self.decide.decided(state, rules, &judgement, events.next);
        let mut private = input_fields(&judgement);
        private.push(PrivateField::new("motive", text(&motive)));
        let proposed = Proposed { decision, official: self.acting.id };
        events.push(CaseEvent::Proposed(proposed), private);
        Ok(Decision { events: events.events, claims: vec![] })
    }
}

impl AgreeToDecision<'_> {
    /// Decides. `opened` are the private values of the case.
    ///
    /// # Errors
    /// See [`CaseRefusal`].
    pub fn decide(
        &self,
        state: &CaseState,
        opened: &Opened,
        rules: &CaseRules<'_>,
    ) -> Result<Decision, CaseRefusal> {
        let approval = approval(rules)?;
        let proposal = waiting(state, rules, self.proposal)?;
        let stage = stage_of(approval, proposal);
        let post = entitle(self.acting, &open_posts(approval, proposal, stage))?;
        let before = proposal.agreed.iter().any(|agreed| agreed.official == self.acting.id);
        if before || proposal.event.official == self.acting.id {
            return Err(CaseRefusal::SecondTime { official: self.acting.id });
        }
        let (number, post) = (small(stage), small(post));
        let signature = self.check_signature(state, proposal, (number, post))?;
        let mut events = CaseEvents::after(state);
        let agreed = Agreed {
            proposal: self.proposal,
            stage: number,
            post,
            official: self.acting.id,
            signature,
        };
        events.push(CaseEvent::Agreed(agreed), vec![]);
        let last =
            stage + 1 == approval.stages.len() && open_posts(approval, proposal, stage).len() == 1;
        if !last {
            return Ok(Decision { events: events.events, claims: vec![] });
        }
        let (judgement, values) = self.decide.judge(state, opened, rules)?;
        check_unchanged(proposal, &judgement)?;
        self.decide.conclude(state, rules, (judgement, &values), events)
    }

    fn check_signature(
        &self,
        state: &CaseState,
        proposal: &ProposalState,
        (stage, post): (u32, u32),
    ) -> Result<OfficialSignature, CaseRefusal> {
        let official = self.acting.id;
        let bad = |reason: String| CaseRefusal::BadSignature { official, reason };
        let key = self.acting.key.ok_or_else(|| bad("the official has no key".to_owned()))?;
        let text = agreement_text(state.stream(), proposal, (stage, post), official);
        key.verify_as(AGREEMENT_PAYLOAD_TYPE, &text, &self.signature)
            .map_err(|error| bad(error.to_string()))?;
        Ok(OfficialSignature { key: key.id(), signature: self.signature })
    }
}

impl ReturnDecision<'_> {
    /// Decides.
    ///
    /// # Errors
    /// See [`CaseRefusal`].
    pub fn decide(
        &self,
        state: &CaseState,
        rules: &CaseRules<'_>,
    ) -> Result<Decision, CaseRefusal> {
        let approval = approval(rules)?;
        check_text("the remarks", &self.remarks, REMARKS_MAX_CHARS)?;
        let proposal = waiting(state, rules, self.proposal)?;
        let stage = stage_of(approval, proposal);
        entitle(self.acting, &open_posts(approval, proposal, stage))?;
        let mut events = CaseEvents::after(state);
        let (stage, official) = (small(stage), self.acting.id);
        let returned = Returned { proposal: self.proposal, stage, official };
        let remarks = PrivateField::new("remarks", text(&self.remarks));
        events.push(CaseEvent::Returned(returned), vec![remarks]);
        Ok(Decision { events: events.events, claims: vec![] })
    }
}

/// The stage that a proposal is at, from 0: the first one where a post has not agreed.
#[must_use]
pub fn stage_of(approval: &Approval, proposal: &ProposalState) -> usize {
    let open = |stage: &usize| !open_posts(approval, proposal, *stage).is_empty();
    (0..approval.stages.len()).find(open).unwrap_or(approval.stages.len().saturating_sub(1))
}

/// Posts of a stage whose holders have not agreed yet, each with its number in the stage.
#[must_use]
pub fn open_posts<'a>(
    approval: &'a Approval,
    proposal: &ProposalState,
    stage: usize,
) -> Vec<(usize, &'a Post)> {
    let agreed = |post: usize| {
        let (stage, post) = (small(stage), small(post));
        proposal.agreed.iter().any(|agreed| agreed.stage == stage && agreed.post == post)
    };
    let posts = approval.stages.get(stage).into_iter().flat_map(|stage| &stage.posts).enumerate();
    posts.filter(|(post, _)| !agreed(*post)).collect()
}

fn approval<'r>(rules: &CaseRules<'r>) -> Result<&'r Approval, CaseRefusal> {
    rules.service.regulation.approval.as_ref().ok_or(CaseRefusal::RulesDecide)
}

fn waiting<'s>(
    state: &'s CaseState,
    rules: &CaseRules<'_>,
    version: StreamVersion,
) -> Result<&'s ProposalState, CaseRefusal> {
    check_under_way(state, rules)?;
    let waiting = state.proposal().filter(|found| !found.returned && found.version == version);
    waiting.ok_or(CaseRefusal::NoSuchProposal { proposal: version })
}

/// The number of the first of these posts that the official holds.
pub(super) fn entitle(official: &Official, posts: &[(usize, &Post)]) -> Result<usize, CaseRefusal> {
    let held = posts.iter().find(|(_, post)| official.holds(post));
    held.map(|(number, _)| *number).ok_or_else(|| {
        let names = posts
            .iter()
            .map(|(_, post)| format!("{} of {}", post.role.as_str(), post.unit.value))
            .collect::<Vec<_>>();
        CaseRefusal::NotEntitled { official: official.id, expected: names.join(" or ") }
    })
}

/// What is signed must be what the rules still say.
fn check_unchanged(proposal: &ProposalState, now: &Judgement) -> Result<(), CaseRefusal> {
    let proposed = &proposal.event.decision;
    let grounds = proposed.grounds.iter().map(|ground| &ground.code);
    if proposed.outcome == now.outcome && grounds.eq(&now.grounds) {
        return Ok(());
    }
    let grounds: Vec<&str> = now.grounds.iter().map(|code| code.as_str()).collect();
    let now = format!("{} {}", now.outcome.as_str(), grounds.join(", "));
    Err(CaseRefusal::ProposalOutdated { now: now.trim_end().to_owned() })
}

/// A text that [`check_text`] let through.
pub(super) fn text(value: &str) -> Json {
    Json::string(value).expect("invariant: check_text() saw a text in form C")
}

fn small(number: usize) -> u32 {
    u32::try_from(number).expect("invariant: a pack has few stages of few posts")
}
