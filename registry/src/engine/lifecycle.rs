//! Versions of packs on their way into force: proposed, remarked on, signed, and overdue.
//!
//! The rules are those of the newest published version, so what a new version says of its own
//! lifecycle is for the one after it. The first version goes by none: before a pack says which
//! units there are, nobody holds a post. Not here: publishing (`packs`), and files, which the node
//! keeps as blobs before a record names them.

use std::sync::Arc;

use letopis_ledger::key::AuthorSignature;
use letopis_ledger::{LeafIndex, StreamVersion, Timestamp};

use super::{Appended, CaseEngine, EngineError, InstalledPack, LedgerPort, TRIES_MAX};
use crate::code::{PackCode, StageCode};
use crate::event::{DomainEvent, PackPublished, proposal_stream};
use crate::lifecycle::{
    InForce, LifecycleRefusal, ProposeVersion, RaiseRemark, ResolveRemark, SignStage, VersionState,
};
use crate::pack::Pack;
use crate::projection::ProposalRow;
use crate::record_draft::Decision;
use crate::staff::Official;

/// A version of a pack on its way into force.
#[derive(Debug, Clone)]
pub struct VersionStatus {
    /// What happened to it.
    pub state: VersionState,
    /// The version before, whose lifecycle it goes by.
    pub in_force: Arc<InstalledPack>,
}

impl InstalledPack {
    /// What the next version goes by.
    fn in_force(&self) -> Option<InForce<'_>> {
        let (calendar, pack_ref) = (self.pack.calendar(), &self.pack_ref);
        self.pack.lifecycle().map(|lifecycle| InForce { lifecycle, calendar, pack_ref })
    }
}

impl<P: LedgerPort> CaseEngine<P> {
    /// Proposes the next version of a pack, checked as for publishing; gives its number.
    ///
    /// # Errors
    /// The pack is not in order or not the next version, the version in force has no lifecycle,
    /// or the official holds no post of it.
    pub async fn propose_version(
        &self,
        pack: &Pack,
        acting: &Official,
    ) -> Result<(StreamVersion, Appended), EngineError> {
        pack.check().map_err(|errors| EngineError::PackFails { errors })?;
        self.catch_up().await?;
        self.check_next(pack)?;
        let mut number = StreamVersion::ZERO;
        let version = (pack.code(), pack.version());
        let appended = self.change_version(version, |state, in_force, at| {
            let published = pack.published();
            let decision = ProposeVersion { acting, published, at }.decide(state, in_force)?;
            number = decision.events[0].version;
            Ok(decision)
        });
        let appended = appended.await?;
        Ok((number, appended))
    }

    /// Puts on record that something is wrong with a proposal.
    ///
    /// # Errors
    /// See [`LifecycleRefusal`].
    pub async fn raise_remark(
        &self,
        version: (&PackCode, u32),
        remark: &RaiseRemark<'_>,
    ) -> Result<Appended, EngineError> {
        self.change_version(version, |state, in_force, _| remark.clone().decide(state, in_force))
            .await
    }

    /// Puts on record that what a remark was about is put right.
    ///
    /// # Errors
    /// See [`LifecycleRefusal`].
    pub async fn resolve_remark(
        &self,
        version: (&PackCode, u32),
        resolved: &ResolveRemark<'_>,
    ) -> Result<Appended, EngineError> {
        self.change_version(version, |state, in_force, _| resolved.clone().decide(state, in_force))
            .await
    }

    /// Takes the signature of the open stage.
    ///
    /// # Errors
    /// See [`LifecycleRefusal`].
    pub async fn sign_stage(
        &self,
        version: (&PackCode, u32),
        acting: &Official,
        (proposal, stage): (StreamVersion, &StageCode),
        signature: AuthorSignature,
    ) -> Result<Appended, EngineError> {
        self.change_version(version, |state, in_force, at| {
            let stage = stage.clone();
            SignStage { acting, proposal, stage, signature, at }.decide(state, in_force)
        })
        .await
    }

    /// How far a version is on its way, or how it came into force.
    ///
    /// # Errors
    /// The version before is not installed here, or the ledger cannot be read.
    pub async fn version_status(
        &self,
        (code, version): (&PackCode, u32),
    ) -> Result<VersionStatus, EngineError> {
        self.catch_up().await?;
        let in_force = self.version_before((code, version))?;
        let state = self.version_state((code, version)).await?;
        Ok(VersionStatus { state, in_force })
    }

    /// Versions whose open stage waits for somebody in a post that the official holds.
    pub(super) fn versions_to_sign(
        &self,
        official: &Official,
    ) -> Result<Vec<ProposalRow>, EngineError> {
        let mut waiting = Vec::new();
        for row in self.model.proposals()?.value {
            let Some((stage, _)) = &row.open else { continue };
            let in_force = self.version_before((&row.code, row.version))?;
            let stage = in_force.pack.lifecycle().and_then(|rules| rules.stage(stage));
            if stage.is_some_and(|stage| official.holds(&stage.by)) {
                waiting.push(row);
            }
        }
        Ok(waiting)
    }

    /// Notes every open stage whose term has passed. Gives how many were noted, and when the next
    /// term ends, if one runs.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn note_stage_breaches(&self) -> Result<(usize, Option<Timestamp>), EngineError> {
        self.catch_up().await?;
        let (mut noted, mut next) = (0, None::<Timestamp>);
        for row in self.model.proposals()?.value {
            let Some((_, due)) = row.open.filter(|_| row.state == "open") else { continue };
            if due >= self.clock.now() {
                next = Some(next.map_or(due, |known| known.min(due)));
                continue;
            }
            // Signed meanwhile, or noted by another node: then there is nothing to note.
            for _ in 0..TRIES_MAX {
                let state = self.version_state((&row.code, row.version)).await?;
                let Some(decision) = state.breach(self.clock.now()) else { break };
                if self.append_unless_overtaken(self.seal(decision)?).await?.is_some() {
                    noted += 1;
                    break;
                }
            }
        }
        Ok((noted, next))
    }

    /// What the record that publishes a version also has: that its lifecycle is passed.
    pub(super) async fn released(
        &self,
        published: &PackPublished,
    ) -> Result<Decision, EngineError> {
        if published.version == 1 {
            return Ok(Decision::default());
        }
        let version = (&published.code, published.version);
        if self.version_before(version)?.pack.lifecycle().is_none() {
            return Ok(Decision::default());
        }
        Ok(self.version_state(version).await?.publish(published)?)
    }

    /// Changes a version on its way, deciding again whenever somebody was faster.
    async fn change_version(
        &self,
        version: (&PackCode, u32),
        mut decide: impl FnMut(
            &VersionState,
            &InForce<'_>,
            Timestamp,
        ) -> Result<Decision, LifecycleRefusal>,
    ) -> Result<Appended, EngineError> {
        for _ in 0..TRIES_MAX {
            let VersionStatus { state, in_force } = self.version_status(version).await?;
            let rules = in_force.in_force().ok_or_else(|| LifecycleRefusal::NoLifecycle {
                pack: in_force.pack_ref.code.clone(),
                version: in_force.pack_ref.version,
            })?;
            let decision = decide(&state, &rules, self.clock.now())?;
            if let Some(appended) = self.append_unless_overtaken(self.seal(decision)?).await? {
                return Ok(appended);
            }
        }
        Err(EngineError::TooManyRaces { tries: TRIES_MAX })
    }

    /// The version by whose lifecycle a version goes.
    fn version_before(
        &self,
        (code, version): (&PackCode, u32),
    ) -> Result<Arc<InstalledPack>, EngineError> {
        let last = self.last_version(code)?;
        if last == 0 || version < 2 {
            let (pack, version) = (code.clone(), last);
            return Err(LifecycleRefusal::NoLifecycle { pack, version }.into());
        }
        if version > last + 1 {
            let pack = code.clone();
            return Err(EngineError::PackVersionGap { pack, last, found: version });
        }
        let not_installed =
            || EngineError::PackNotInstalled { pack: code.clone(), version: version - 1 };
        self.packs.version(code, version - 1).ok_or_else(not_installed)
    }

    /// The state of a version, of the events of this agency alone.
    async fn version_state(
        &self,
        (code, version): (&PackCode, u32),
    ) -> Result<VersionState, EngineError> {
        let stream = proposal_stream(code, version);
        let mut rows = self.model.stream(&stream)?.value;
        rows.dedup_by_key(|row| row.leaf);
        let leaves: Vec<LeafIndex> = rows.into_iter().map(|row| row.leaf).collect();
        let mut state = VersionState::new(stream.clone());
        for leaf in leaves {
            for leaf in self.port.leaves(leaf, 1).await? {
                let record = leaf.record();
                if record.author() != &self.author.agency {
                    continue;
                }
                for event in record.events().iter().filter(|event| event.stream == stream) {
                    if let Some(DomainEvent::Proposal(read)) = DomainEvent::read(event)? {
                        state.evolve(event.version, &read)?;
                    }
                }
            }
        }
        Ok(state.of_length(self.model.stream_length(&stream)?.value))
    }
}
