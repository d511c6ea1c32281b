//! Offers are read, accepted and declined, by the person or at the front desk; letters are settled.
//!
//! Accepting submits an ordinary application, with every check that there is; what is wrong leaves
//! the offer open. The code in a letter is made when the letter is: it is kept nowhere in clear.
//! Not here: making offers (`offers`).

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use letopis_ledger::StreamVersion;
use letopis_ledger::json::Json;
use serde_json::Value;

use super::offers::unknown_offer;
use super::submit::Answers;
use super::{
    Accepted, Appended, Application, CaseEngine, EngineError, InstalledPack, LedgerPort, Race,
    TRIES_MAX,
};
use crate::case::{Entry, check_may_enter};
use crate::code::{ChannelCode, FieldPath};
use crate::event::{CaseId, NoticeSettled, OfferId, OfferMade};
use crate::offer::{OfferRefusal, OfferState};
use crate::pack::Offer;
use crate::private::{AccessToken, PrivateBatch};
use crate::projection::OfferRow;
use crate::staff::Official;

/// Most offers that an official is shown at once.
const SHOWN_MAX: u32 = 500;

/// An offer with all that the person needs to answer it.
#[derive(Debug)]
pub struct OpenedOffer {
    /// How far it is.
    pub row: OfferRow,
    /// What was offered.
    pub made: OfferMade,
    /// The pack whose regulation offers it.
    pub offered_by: Arc<InstalledPack>,
    /// The pack in force, by whose form it is accepted; none when the service is gone.
    pub in_force: Option<Arc<InstalledPack>>,
    /// The values that it fills in, by field of the form.
    pub prefilled: BTreeMap<FieldPath, Json>,
}

/// An offer under way to its acceptance.
pub(super) struct Accepting {
    pub(super) state: OfferState,
    pub(super) today: Date,
}

impl<P: LedgerPort> CaseEngine<P> {
    /// An offer, for the person or for an official who may enter such applications.
    ///
    /// # Errors
    /// There is no such offer of this agency, or the official may not see it.
    pub async fn offer(
        &self,
        id: OfferId,
        official: Option<&Official>,
    ) -> Result<OpenedOffer, EngineError> {
        self.catch_up().await?;
        let row = self.offer_row(id)?;
        if let Some(official) = official {
            self.entitle_to_offer(&row, official)?;
        }
        let (state, _) = self.offer_state(id).await?;
        let made = state.made().ok_or_else(|| unknown_offer(id))?.clone();
        let offered_by = self.packs.pinned(&made.pack)?;
        let in_force = self.packs.in_force(&made.service).ok();
        let prefilled = self.prefilled(id).await?;
        Ok(OpenedOffer { row, made, offered_by, in_force, prefilled })
    }

    /// Whether a token answers an offer: the one in its letter, or that of a case by which somebody
    /// applied for the entry that ends.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn admits_to_offer(&self, token: &AccessToken, id: OfferId) -> Result<bool, EngineError> {
        if self.private.admits(token, &id.stream())? {
            return Ok(true);
        }
        let Some(row) = self.model.offer(id)?.value.filter(|row| row.ends.is_some()) else {
            return Ok(false);
        };
        self.holds_entry(token, &row.about)
    }

    /// Offers to the holder of a case, about what the case granted.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn offers_to_holder(&self, case: CaseId) -> Result<Vec<OfferRow>, EngineError> {
        self.catch_up().await?;
        let Some(entry) = self.model.entry_of_case(case)?.value else { return Ok(vec![]) };
        let offers = self.model.offers_about(&entry.stream)?.value;
        Ok(offers.into_iter().filter(|row| row.ends.is_some()).collect())
    }

    /// Open offers of services whose applications the official may enter: those whose letter waits
    /// first, the one that has waited longest at the beginning.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn offers_for(&self, official: &Official) -> Result<Vec<OfferRow>, EngineError> {
        self.catch_up().await?;
        let open = self.model.offers_to_tell(SHOWN_MAX)?.value.into_iter();
        Ok(open.filter(|row| self.entitle_to_offer(row, official).is_ok()).collect())
    }

    /// Accepts an offer: submits an application of the values that were filled in and those given.
    /// Asked again after a lost answer, it gives the same case.
    ///
    /// # Errors
    /// See [`CaseEngine::submit`]; the offer has ended, or the official may not do this.
    pub async fn accept_offer(
        &self,
        id: OfferId,
        channel: Option<&ChannelCode>,
        form: &Value,
        official: Option<&Official>,
    ) -> Result<Accepted, EngineError> {
        for _ in 0..TRIES_MAX {
            self.catch_up().await?;
            if let Some(official) = official {
                self.entitle_to_offer(&self.offer_row(id)?, official)?;
            }
            let (state, today) = self.offer_state(id).await?;
            let application = self.application(id, &state, channel, form, official).await?;
            let accepting = Accepting { state, today };
            match self.submit_for(&application, Some(Answers::Offer(&accepting))).await {
                // The offer moved on: a letter was settled, or somebody else answered.
                Err(error) if matches!(Race::of(&error), Some(Race::Stream)) => {}
                other => {
                    self.catch_up().await?;
                    return other;
                }
            }
        }
        Err(EngineError::TooManyRaces { tries: TRIES_MAX })
    }

    /// Declines an offer.
    ///
    /// # Errors
    /// The offer has ended, or the official may not do this.
    pub async fn decline_offer(
        &self,
        id: OfferId,
        official: Option<&Official>,
    ) -> Result<Appended, EngineError> {
        if let Some(official) = official {
            self.entitle_to_offer(&self.offer_row(id)?, official)?;
        }
        let by = official.map(|official| official.id);
        self.change_offer(id, |state, today| Ok(state.decline(by, today)?)).await
    }

    /// Makes the code for a letter that tells of an offer. Every letter has a code of its own, and
    /// those made before go on to be valid.
    ///
    /// # Errors
    /// The offer has ended, or the official may not do this.
    pub async fn offer_letter(
        &self,
        id: OfferId,
        official: &Official,
    ) -> Result<(OpenedOffer, AccessToken), EngineError> {
        let opened = self.offer(id, Some(official)).await?;
        let (state, today) = self.offer_state(id).await?;
        state.open_on(today)?;
        let token = AccessToken::new(&*self.entropy);
        let tokens = vec![(token.digest(), id.stream())];
        self.private.put(PrivateBatch { tokens, ..PrivateBatch::default() }).await?;
        Ok((opened, token))
    }

    /// Notes what became of the letter.
    ///
    /// # Errors
    /// No such letter waits, or the official may not do this.
    pub async fn settle_offer_notice(
        &self,
        (id, notice): (OfferId, StreamVersion),
        official: &Official,
        delivered: bool,
    ) -> Result<Appended, EngineError> {
        self.entitle_to_offer(&self.offer_row(id)?, official)?;
        let settled = NoticeSettled { notice, delivered, official: Some(official.id) };
        self.change_offer(id, |state, _| Ok(state.settle(settled.clone())?)).await
    }

    /// The application that an acceptance submits.
    async fn application(
        &self,
        id: OfferId,
        state: &OfferState,
        channel: Option<&ChannelCode>,
        form: &Value,
        official: Option<&Official>,
    ) -> Result<Application, EngineError> {
        let made = state.made().ok_or_else(|| unknown_offer(id))?;
        let service = made.service.clone();
        let unknown_service = || EngineError::UnknownService { service: service.clone() };
        let installed = self.packs.in_force(&service)?;
        let offered = installed.service(&service).ok_or_else(unknown_service)?;
        let channel = match channel {
            Some(channel) => channel.clone(),
            None => offered
                .regulation
                .applicants_channel()
                .ok_or_else(|| OfferRefusal::NoChannel { service: service.clone() })?
                .clone(),
        };
        let filled = self.prefilled(id).await?;
        let form = offered.form.completed(&filled, form);
        let form = form.map_err(|errors| EngineError::Form { errors })?;
        // Where the service renews nothing, another entry is applied for.
        let renews = offered.regulation.renewal.as_ref().and(made.ends);
        let renews = renews.map(|_| made.about.stream.clone());
        let entry = official.map(|official| Entry {
            official: official.clone(),
            scan: None,
            finding: None,
        });
        Ok(Application {
            service,
            channel,
            form,
            registered_at: None,
            // No key of a client has a space.
            idempotency_key: Some(format!("offer {id}")),
            entry,
            renews,
            source: None,
        })
    }

    /// The values that an offer fills in, from the disclosures of its first event.
    async fn prefilled(&self, id: OfferId) -> Result<BTreeMap<FieldPath, Json>, EngineError> {
        let events = self.events_of(&id.stream()).await?;
        let digests = events.first().map(|(_, event)| event.private.clone()).unwrap_or_default();
        let opened = self.private.open_digests(&digests)?;
        let value = |found: letopis_ledger::disclosure::Disclosure| {
            let field = FieldPath::parse(found.name().strip_prefix("form.")?).ok()?;
            Some((field, found.value().clone()))
        };
        Ok(opened.into_iter().flatten().filter_map(value).collect())
    }

    /// That an official may enter applications for what is offered.
    fn entitle_to_offer(&self, row: &OfferRow, official: &Official) -> Result<(), EngineError> {
        let unknown = || EngineError::UnknownService { service: row.service.clone() };
        let installed = self.packs.in_force(&row.service)?;
        let service = installed.service(&row.service).ok_or_else(unknown)?;
        Ok(check_may_enter(official, &installed.rules_of(service, &self.secret))?)
    }
}

impl OpenedOffer {
    /// The offer as its regulation words it.
    ///
    /// # Panics
    /// Never: an offer is made by a regulation that has it.
    #[must_use]
    pub fn wording(&self) -> &Offer {
        let service = self.offered_by.service(&self.made.service);
        let offer = service.and_then(|service| service.regulation.offer(&self.made.offer));
        offer.expect("invariant: an offer is made by a regulation that has it")
    }
}
