//! What officials do with a version on its way: propose, remark, resolve, sign.
//!
//! Not here: publishing, which `VersionState` allows or not, and who an official is.

use letopis_ledger::json::Json;
use letopis_ledger::key::AuthorSignature;
use letopis_ledger::{StreamVersion, Timestamp};

use super::{InForce, LifecycleRefusal, Proposal, STAGE_PAYLOAD_TYPE, VersionState, stage_text};
use crate::code::StageCode;
use crate::event::{
    OfficialSignature, PackPublished, ProposalEvent, RemarkRaised, RemarkResolved, StageSigned,
    VersionProposed,
};
use crate::pack::LifecycleStage;
use crate::record_draft::Decision;
use crate::staff::Official;

/// Most characters of a remark, or of how it was resolved.
pub const REMARK_MAX_CHARS: usize = 4_000;

/// The files of the next version are proposed.
#[derive(Debug, Clone)]
pub struct ProposeVersion<'a> {
    /// Who proposes.
    pub acting: &'a Official,
    /// What would be published.
    pub published: PackPublished,
    /// When.
    pub at: Timestamp,
}

/// An official finds something wrong.
#[derive(Debug, Clone)]
pub struct RaiseRemark<'a> {
    /// Who.
    pub acting: &'a Official,
    /// The proposal.
    pub proposal: StreamVersion,
    /// What is wrong.
    pub text: String,
    /// The file that it is about.
    pub file: Option<String>,
}

/// What a remark was about is put right.
#[derive(Debug, Clone)]
pub struct ResolveRemark<'a> {
    /// Who says so.
    pub acting: &'a Official,
    /// The remark.
    pub remark: StreamVersion,
    /// How.
    pub text: String,
}

/// An official signs the open stage.
#[derive(Debug, Clone)]
pub struct SignStage<'a> {
    /// Who signs.
    pub acting: &'a Official,
    /// The proposal.
    pub proposal: StreamVersion,
    /// The stage.
    pub stage: StageCode,
    /// Over [`stage_text`].
    pub signature: AuthorSignature,
    /// When.
    pub at: Timestamp,
}

impl ProposeVersion<'_> {
    /// Decides.
    ///
    /// # Errors
    /// See [`LifecycleRefusal`].
    pub fn decide(
        self,
        state: &VersionState,
        in_force: &InForce<'_>,
    ) -> Result<Decision, LifecycleRefusal> {
        state.unpublished()?;
        post_of(self.acting, &in_force.lifecycle.stages)?;
        let same = |known: &&Proposal| known.event.published == self.published;
        if let Some(known) = state.proposal.as_ref().filter(same) {
            return Err(LifecycleRefusal::SameFiles { proposal: known.number });
        }
        let first = in_force.lifecycle.stages.first();
        let first = first.expect("invariant: a loaded pack's lifecycle has a stage");
        Ok(state.next(ProposalEvent::Proposed(Box::new(VersionProposed {
            published: self.published,
            lifecycle: in_force.pack_ref.clone(),
            official: self.acting.id,
            opens: in_force.opened(first, self.at),
        }))))
    }
}

impl RaiseRemark<'_> {
    /// Decides.
    ///
    /// # Errors
    /// See [`LifecycleRefusal`].
    pub fn decide(
        self,
        state: &VersionState,
        in_force: &InForce<'_>,
    ) -> Result<Decision, LifecycleRefusal> {
        let proposal = state.waiting(self.proposal)?;
        let stage = post_of(self.acting, &in_force.lifecycle.stages)?;
        check_text("the remark", &self.text)?;
        if let Some(file) = &self.file
            && !proposal.event.published.files.iter().any(|known| &known.path == file)
        {
            return Err(LifecycleRefusal::NoSuchFile { file: file.clone() });
        }
        Ok(state.next(ProposalEvent::RemarkRaised(RemarkRaised {
            proposal: self.proposal,
            stage: stage.code.value.clone(),
            official: self.acting.id,
            text: self.text,
            file: self.file,
        })))
    }
}

impl ResolveRemark<'_> {
    /// Decides: whoever holds the post that the remark came from says that it is resolved.
    ///
    /// # Errors
    /// See [`LifecycleRefusal`].
    pub fn decide(
        self,
        state: &VersionState,
        in_force: &InForce<'_>,
    ) -> Result<Decision, LifecycleRefusal> {
        state.unpublished()?;
        let remark = state.remarks.get(&self.remark).filter(|remark| remark.resolved.is_none());
        let remark = remark.ok_or(LifecycleRefusal::NoSuchRemark { remark: self.remark })?;
        let raised_for = in_force.lifecycle.stage(&remark.raised.stage);
        post_of(self.acting, raised_for)?;
        check_text("how it was resolved", &self.text)?;
        Ok(state.next(ProposalEvent::RemarkResolved(RemarkResolved {
            remark: self.remark,
            official: self.acting.id,
            text: self.text,
        })))
    }
}

impl SignStage<'_> {
    /// Decides.
    ///
    /// # Errors
    /// See [`LifecycleRefusal`].
    pub fn decide(
        self,
        state: &VersionState,
        in_force: &InForce<'_>,
    ) -> Result<Decision, LifecycleRefusal> {
        let proposal = state.waiting(self.proposal)?;
        state.without_remarks()?;
        let open = proposal.open.as_ref().map(|open| &open.stage);
        if open != Some(&self.stage) {
            let (stage, open) = (self.stage, open.cloned());
            return Err(LifecycleRefusal::StageNotOpen { stage, open });
        }
        post_of(self.acting, in_force.lifecycle.stage(&self.stage))?;
        let official = self.acting.id;
        if proposal.signed.iter().any(|signed| signed.official == official) {
            return Err(LifecycleRefusal::SecondTime { official });
        }
        let signature = self.checked_signature(&proposal.event.published)?;
        let next = in_force.lifecycle.after(&self.stage);
        // What is signed too late says so, even where nobody has noted it yet.
        let breach = state.breach(self.at).unwrap_or_default();
        let signed = StageSigned {
            proposal: self.proposal,
            opens: next.map(|stage| in_force.opened(stage, self.at)),
            stage: self.stage,
            official,
            signature,
        };
        Ok(state.after(breach, ProposalEvent::StageSigned(signed)))
    }

    fn checked_signature(
        &self,
        proposed: &PackPublished,
    ) -> Result<OfficialSignature, LifecycleRefusal> {
        let official = self.acting.id;
        let bad = |reason: String| LifecycleRefusal::BadSignature { official, reason };
        let key = self.acting.key.ok_or_else(|| bad("the official has no key".to_owned()))?;
        let pack = (&proposed.code, proposed.version);
        let digest = proposed.files_digest();
        let text = stage_text(pack, self.proposal, &self.stage, &digest, official);
        key.verify_as(STAGE_PAYLOAD_TYPE, &text, &self.signature)
            .map_err(|error| bad(error.to_string()))?;
        Ok(OfficialSignature { key: key.id(), signature: self.signature })
    }
}

/// The first of these stages whose post the official holds.
fn post_of<'s>(
    official: &Official,
    stages: impl IntoIterator<Item = &'s LifecycleStage>,
) -> Result<&'s LifecycleStage, LifecycleRefusal> {
    let mut expected = Vec::new();
    for stage in stages {
        if official.holds(&stage.by) {
            return Ok(stage);
        }
        expected.push(format!("{} of {}", stage.by.role.as_str(), stage.by.unit.value));
    }
    let (official, expected) = (official.id, expected.join(" or "));
    Err(LifecycleRefusal::NotEntitled { official, expected })
}

fn check_text(what: &'static str, text: &str) -> Result<(), LifecycleRefusal> {
    let limit = REMARK_MAX_CHARS;
    let says = !text.trim().is_empty() && text.chars().count() <= limit;
    match says && Json::string(text).is_ok() {
        true => Ok(()),
        false => Err(LifecycleRefusal::TextLength { what, limit }),
    }
}
