//! Drafts: saved, read again, thrown away, and submitted by the form that is in force then.
//!
//! A draft of an older version of the form is carried over where every value still fits; otherwise
//! the answer names each field that does not. Not here: who may open a draft; its token says.

use std::sync::Arc;

use letopis_ledger::Timestamp;
use letopis_ledger::id::StreamName;
use serde_json::Value;

use super::{Accepted, Application, CaseEngine, EngineError, InstalledPack, LedgerPort};
use crate::case::{CaseRefusal, check_may_enter};
use crate::code::{ChannelCode, ServiceCode};
use crate::environment::random;
use crate::event::{DraftId, PackRef};
use crate::pack::{FormError, Service};
use crate::private::{
    AccessToken, DRAFT_DAYS_MAX, Draft, DraftChange, PrivateBatch, SUBMITTED_DAYS_MAX, TokenDigest,
};
use crate::staff::Official;

const DAY_MS: i64 = 86_400_000;
/// Drafts thrown away before others get their turn.
const FORGET_MAX: u32 = 1_000;

/// A draft with what is still to be done before it can be submitted.
#[derive(Debug, Clone)]
pub struct DraftState {
    /// The draft.
    pub draft: Draft,
    /// The version of the pack that is in force.
    pub in_force: PackRef,
    /// What the form in force says of it: every field that is missing or does not fit.
    pub problems: Vec<FormError>,
}

/// A draft that was submitted.
#[derive(Debug, Clone)]
pub struct SubmittedDraft {
    /// What became of it.
    pub accepted: Accepted,
    /// The version that it was filled in by, when that is no longer in force.
    pub carried_from: Option<PackRef>,
    /// The fields that were carried over then, as JSON pointers.
    pub carried: Vec<String>,
}

impl<P: LedgerPort> CaseEngine<P> {
    /// Saves a new draft of a service; `official` takes down what somebody says on the phone.
    ///
    /// # Errors
    /// A field that is filled in is wrong, the channel is closed, or the official may not do this.
    pub async fn save_draft(
        &self,
        service: &ServiceCode,
        channel: &ChannelCode,
        official: Option<&Official>,
        form: &Value,
    ) -> Result<(DraftState, AccessToken), EngineError> {
        let unknown = || EngineError::UnknownService { service: service.clone() };
        let installed = self.packs.in_force(service)?;
        let offered = installed.service(service).ok_or_else(unknown)?;
        self.check_draft_channel(&installed, offered, channel, official)?;
        let unix_ms = self.clock.now().unix_ms().unsigned_abs();
        let draft = Draft {
            id: DraftId::from_parts(unix_ms, &random(&*self.entropy)),
            service: service.clone(),
            pack: installed.pack_ref.clone(),
            channel: channel.clone(),
            official: official.map(|official| official.id),
            form: form.clone(),
            saved_at: self.clock.now(),
            case: None,
        };
        let token = AccessToken::new(&*self.entropy);
        let tokens = vec![(token.digest(), draft.id.stream())];
        let state = self.keep_draft(draft, tokens).await?;
        Ok((state, token))
    }

    /// Saves a draft again, by the form in force now.
    ///
    /// # Errors
    /// See [`CaseEngine::save_draft`]; there is no such draft.
    pub async fn save_draft_again(
        &self,
        id: DraftId,
        form: &Value,
    ) -> Result<DraftState, EngineError> {
        let known = self.known_draft(id)?;
        if known.case.is_some() {
            return Err(CaseRefusal::AlreadySubmitted.into());
        }
        let installed = self.draft_service(&known)?;
        let (pack, saved_at) = (installed.pack_ref.clone(), self.clock.now());
        self.keep_draft(Draft { pack, saved_at, form: form.clone(), ..known }, vec![]).await
    }

    /// A draft, and what the form in force says of it.
    ///
    /// # Errors
    /// There is no such draft, or its service is no longer offered.
    pub fn draft(&self, id: DraftId) -> Result<DraftState, EngineError> {
        let draft = self.known_draft(id)?;
        let installed = self.draft_service(&draft)?;
        let service = installed.service(&draft.service);
        let checked = service.map(|service| service.check_form(&draft.form));
        let problems = checked.and_then(Result::err).unwrap_or_default();
        Ok(DraftState { draft, in_force: installed.pack_ref.clone(), problems })
    }

    /// Throws a draft away; nothing of it stays.
    ///
    /// # Errors
    /// The store failed.
    pub async fn forget_draft(&self, id: DraftId) -> Result<(), EngineError> {
        let drafts = vec![DraftChange::Forget(id)];
        Ok(self.private.put(PrivateBatch { drafts, ..PrivateBatch::default() }).await?)
    }

    /// Throws away what nobody has saved for [`DRAFT_DAYS_MAX`] days, and what was submitted
    /// [`SUBMITTED_DAYS_MAX`] ago; gives how many went.
    ///
    /// # Errors
    /// The store failed.
    pub async fn forget_old_drafts(&self) -> Result<usize, EngineError> {
        let now_ms = self.clock.now().unix_ms();
        let before = |days: i64| {
            Timestamp::from_unix_ms((now_ms - days * DAY_MS).max(0)).unwrap_or(Timestamp::EPOCH)
        };
        let limits = (before(DRAFT_DAYS_MAX), before(SUBMITTED_DAYS_MAX));
        let old = self.private.drafts_before(limits, FORGET_MAX)?;
        let drafts = old.iter().copied().map(DraftChange::Forget).collect();
        self.private.put(PrivateBatch { drafts, ..PrivateBatch::default() }).await?;
        Ok(old.len())
    }

    /// Submits a draft through a channel. Asked again after a lost answer, it gives the case that
    /// the first time made, as long as the draft is kept.
    ///
    /// # Errors
    /// See [`CaseEngine::submit`]; [`EngineError::DraftOutdated`] when the form in force is another
    /// one than that of the draft and some field does not fit it.
    pub async fn submit_draft(
        &self,
        id: DraftId,
        channel: &ChannelCode,
    ) -> Result<SubmittedDraft, EngineError> {
        let DraftState { draft, in_force, problems } = self.draft(id)?;
        let older = draft.pack != in_force;
        if !problems.is_empty() {
            return Err(match older {
                true => EngineError::DraftOutdated {
                    version: draft.pack.version,
                    in_force: in_force.version,
                    errors: problems,
                },
                false => EngineError::Form { errors: problems },
            });
        }
        let application = Application {
            service: draft.service.clone(),
            channel: channel.clone(),
            form: draft.form.clone(),
            registered_at: None,
            // No key of a client has a space.
            idempotency_key: Some(format!("draft {id}")),
            entry: None,
            renews: None,
            source: None,
        };
        let accepted = self.submit(&application).await?;
        let carried = if older { pointers(&draft.form) } else { vec![] };
        let carried_from = older.then(|| draft.pack.clone());
        let submitted = Draft { case: Some(accepted.case), saved_at: self.clock.now(), ..draft };
        let drafts = vec![DraftChange::Save(Box::new(submitted))];
        self.private.put(PrivateBatch { drafts, ..PrivateBatch::default() }).await?;
        Ok(SubmittedDraft { accepted, carried_from, carried })
    }

    async fn keep_draft(
        &self,
        draft: Draft,
        tokens: Vec<(TokenDigest, StreamName)>,
    ) -> Result<DraftState, EngineError> {
        let installed = self.draft_service(&draft)?;
        if let Some(service) = installed.service(&draft.service) {
            let checked = service.check_partly(&draft.form);
            checked.map_err(|errors| EngineError::Form { errors })?;
        }
        let id = draft.id;
        let drafts = vec![DraftChange::Save(Box::new(draft))];
        self.private.put(PrivateBatch { drafts, tokens, ..PrivateBatch::default() }).await?;
        self.draft(id)
    }

    fn known_draft(&self, id: DraftId) -> Result<Draft, EngineError> {
        let unknown = || EngineError::UnknownEntry { what: "draft", name: id.to_string() };
        self.private.draft(id)?.ok_or_else(unknown)
    }

    /// The pack in force for a draft's service; what was submitted outlives the service.
    fn draft_service(&self, draft: &Draft) -> Result<Arc<InstalledPack>, EngineError> {
        let submitted = draft.case.and_then(|_| self.packs.with_service(&draft.service));
        submitted.map_or_else(|| self.packs.in_force(&draft.service), Ok)
    }

    /// By phone comes what an official takes down; every other draft the applicant makes.
    fn check_draft_channel(
        &self,
        installed: &InstalledPack,
        service: &Service,
        channel: &ChannelCode,
        official: Option<&Official>,
    ) -> Result<(), EngineError> {
        let open = service.regulation.channel(channel).filter(|open| !open.by_rule);
        let Some(open) = open else {
            let service = service.regulation.service.value.clone();
            return Err(EngineError::ChannelClosed { service, channel: channel.clone() });
        };
        let Some(official) = official else {
            return match open.draft_only || open.entered_by_official {
                true => Err(CaseRefusal::OfficialsEnter { channel: channel.clone() }.into()),
                false => Ok(()),
            };
        };
        Ok(check_may_enter(official, &installed.rules_of(service, &self.secret))?)
    }
}

/// JSON pointers of the values of a form.
fn pointers(form: &Value) -> Vec<String> {
    let Some(members) = form.as_object() else { return vec![String::new()] };
    let below = |(name, value): (&String, &Value)| {
        let name = name.replace('~', "~0").replace('/', "~1");
        pointers(value).into_iter().map(|rest| format!("/{name}{rest}")).collect::<Vec<_>>()
    };
    members.iter().flat_map(below).collect()
}
