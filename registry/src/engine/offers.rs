//! Offers are made when their trigger comes about, and end by themselves after their last day.
//!
//! An entry is offered for by the version of the pack that was in force when it came, so one that
//! was there before a regulation offered anything brings nothing about. Each offer takes a name
//! that its trigger alone gives, so it is made once, whichever node is first. Not here: what the
//! person answers (`offer_answers`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::Date;
use jiff::{Span, ToSpan};
use letopis_ledger::LeafIndex;
use letopis_ledger::json::Json;

use super::{Appended, CaseEngine, EngineError, InstalledPack, LedgerPort, TRIES_MAX};
use crate::code::{ChannelCode, FieldPath, RegistryCode, ServiceCode};
use crate::environment::random;
use crate::event::{CaseId, DomainEvent, OfferId, OfferMade, Source};
use crate::offer::{MakeOffer, OfferRefusal, OfferState};
use crate::pack::{Days, Offer, Trigger, plain_text};
use crate::projection::{EntryRow, EntryStatus, OfferRow};
use crate::record_draft::Decision;

/// Most entries or offers that are looked at before the ledger is read again.
const AT_ONCE_MAX: u32 = 256;

/// An offer of one version of a pack.
struct OfferRule {
    installed: Arc<InstalledPack>,
    service: ServiceCode,
    offer: Offer,
}

/// What brings an offer about: an entry, and the day that counts.
struct Occasion {
    entry: EntryRow,
    /// The last day of the entry, where its end is the trigger.
    ends: Option<Date>,
    /// The day on which the trigger came about.
    came_on: Date,
}

/// Whom an offer is for, and how that person is told.
struct Recipient {
    name: Json,
    notice: (ChannelCode, bool),
}

impl<P: LedgerPort> CaseEngine<P> {
    /// Looks at entries that changed at a leaf from `from` on, and offers what regulations say for
    /// those that came in. Gives where to go on, and how many offers were made; the place is
    /// `from` again when there is nothing more to look at.
    ///
    /// # Errors
    /// See [`EngineError`]; what was offered before the error stays.
    pub async fn make_offers(&self, from: LeafIndex) -> Result<(LeafIndex, usize), EngineError> {
        self.catch_up().await?;
        let size = self.model.size()?;
        let rules: Vec<OfferRule> = self.offer_rules().filter(OfferRule::is_on_creation).collect();
        let Some(first) = rules.iter().map(|rule| rule.installed.pack_ref.leaf).min() else {
            // An offer that is published later is for entries that come after it.
            return Ok((from.max(size.next_leaf()), 0));
        };
        let registries: BTreeSet<_> = rules.iter().map(|rule| rule.registry().clone()).collect();
        let (mut next, mut count) = (from, 0);
        let changed = self.model.entries_changed(&registries, from.max(first), AT_ONCE_MAX)?;
        for entry in changed.value {
            for rule in rules.iter().filter(|rule| rule.registry() == &entry.registry) {
                if !self.was_in_force(rule, &entry) {
                    continue;
                }
                let came_on = rule.installed.pack.calendar().date(entry.created_at);
                let occasion = Occasion { entry: entry.clone(), ends: None, came_on };
                count += usize::from(self.make_offer(rule, occasion).await?);
            }
            // Everything that a leaf changed is read with it.
            next = LeafIndex::new(entry.leaf.get() + 1);
        }
        Ok((next, count))
    }

    /// Offers what regulations say for entries that end soon; gives how many offers were made.
    ///
    /// # Errors
    /// See [`EngineError`]; what was offered before the error stays.
    pub async fn offer_for_endings(&self) -> Result<usize, EngineError> {
        self.catch_up().await?;
        let mut count = 0;
        for rule in self.offer_rules() {
            let Trigger::EntryEnds { within } = &rule.offer.trigger else { continue };
            let today = rule.installed.pack.calendar().date(self.clock.now());
            let until = today.saturating_add(span(*within));
            let mut last: Option<EntryRow> = None;
            loop {
                let registry = (rule.registry(), rule.installed.pack_ref.leaf);
                let found = self.model.entries_ending(
                    (&rule.service, &rule.offer.code.value),
                    registry,
                    (today, until),
                    last.as_ref(),
                    AT_ONCE_MAX,
                )?;
                for entry in &found.value {
                    let ends =
                        entry.valid_until.as_deref().and_then(|day| day.parse::<Date>().ok());
                    let Some(ends) = ends.filter(|_| self.was_in_force(&rule, entry)) else {
                        continue;
                    };
                    let came_on = ends.saturating_sub(span(*within));
                    let occasion = Occasion { entry: entry.clone(), ends: Some(ends), came_on };
                    count += usize::from(self.make_offer(&rule, occasion).await?);
                }
                last = found.value.last().cloned();
                if last.is_none() {
                    break;
                }
            }
        }
        Ok(count)
    }

    /// Notes every offer whose last day has passed without an answer, at most as many as are
    /// looked at at once; gives how many.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn expire_offers(&self) -> Result<usize, EngineError> {
        self.catch_up().await?;
        let mut count = 0;
        for row in self.model.open_offers(AT_ONCE_MAX)?.value {
            if !self.may_be_over(&row) {
                continue;
            }
            let expired = self.change_offer(row.offer, |state, today| Ok(state.expire(today)?));
            match expired.await {
                Ok(_) => count += 1,
                // It is open still, or the person answered meanwhile.
                Err(EngineError::Offer(
                    OfferRefusal::TooEarly { .. } | OfferRefusal::Closed { .. },
                )) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }

    /// Whether the last day of an offer has passed by the calendar in force; the offer's own
    /// decides.
    fn may_be_over(&self, row: &OfferRow) -> bool {
        let installed = self.packs.with_service(&row.service);
        installed.is_none_or(|installed| {
            installed.pack.calendar().date(self.clock.now()) > row.open_until
        })
    }

    /// Makes an offer unless it was made, the entry is not one that it is for, or the person
    /// declined the same lately; tells whether this call made it.
    async fn make_offer(&self, rule: &OfferRule, occasion: Occasion) -> Result<bool, EngineError> {
        let Occasion { entry, ends, came_on } = occasion;
        let code = (&rule.service, &rule.offer.code.value);
        for _ in 0..TRIES_MAX {
            let entry = self.model.entry(&entry.stream)?.value;
            let Some(entry) = entry.filter(|entry| entry.status == EntryStatus::InForce) else {
                return Ok(false);
            };
            if self.model.was_offered(code, &entry.stream, ends)?.value {
                return Ok(false);
            }
            let values = self.entry_values(&entry)?;
            if !rule.offer.fits(&values) {
                return Ok(false);
            }
            let Some(recipient) = self.recipient(rule, &entry, &values).await? else {
                return Ok(false);
            };
            if self.declined_lately(rule, &recipient, came_on)? {
                return Ok(false);
            }
            let command = self.offer_of(rule, (&entry, ends), &values, recipient);
            if self.append_unless_overtaken(self.seal(command.decide())?).await?.is_some() {
                return Ok(true);
            }
            // Another node was faster.
        }
        Err(EngineError::TooManyRaces { tries: TRIES_MAX })
    }

    fn offer_of(
        &self,
        rule: &OfferRule,
        (entry, ends): (&EntryRow, Option<Date>),
        values: &BTreeMap<FieldPath, Json>,
        recipient: Recipient,
    ) -> MakeOffer {
        let now = self.clock.now();
        let today = rule.installed.pack.calendar().date(now);
        let last = today.saturating_add(span(rule.offer.open_for));
        // What has ended cannot be renewed.
        let open_until = ends.map_or(last, |ends| last.min(ends));
        let (stream, version, leaf) = (entry.stream.clone(), entry.version, entry.leaf);
        MakeOffer {
            id: OfferId::from_parts(now.unix_ms().unsigned_abs(), &random(&*self.entropy)),
            made: OfferMade {
                service: rule.service.clone(),
                pack: rule.installed.pack_ref.clone(),
                offer: rule.offer.code.value.clone(),
                about: Source { stream, version, leaf },
                ends,
                open_until,
            },
            recipient: recipient.name,
            prefilled: rule.offer.prefilled(values),
            notice: recipient.notice,
        }
    }

    /// Whom an offer is for: the person whom the entry names, or the one to whom it was granted.
    async fn recipient(
        &self,
        rule: &OfferRule,
        entry: &EntryRow,
        values: &BTreeMap<FieldPath, Json>,
    ) -> Result<Option<Recipient>, EngineError> {
        if rule.is_on_creation() {
            let to = rule.offer.to.as_ref().and_then(|to| values.get(&to.value));
            let channel = rule.offer.notice.as_ref();
            let found = to.zip(channel);
            return Ok(found.map(|(name, channel)| Recipient {
                name: name.clone(),
                notice: (channel.value.clone(), false),
            }));
        }
        let Some(stream) = self.case_of_entry(entry).await? else { return Ok(None) };
        let Ok(made_by) = CaseId::of_stream(&stream) else { return Ok(None) };
        // The holder is told as by the case by which the holder applied last.
        let applied = self.model.deciding_case(&entry.stream, true)?.value;
        let notice = self.notice_channel(applied.unwrap_or(made_by))?;
        Ok(Some(Recipient {
            name: stream.as_str().into(),
            notice: super::notices::told_by(notice),
        }))
    }

    /// Whether the person declined the same offer so lately that the trigger brings none about.
    /// The day of the trigger counts, not today: a trigger that was passed over stays so.
    fn declined_lately(
        &self,
        rule: &OfferRule,
        recipient: &Recipient,
        came_on: Date,
    ) -> Result<bool, EngineError> {
        let code = (&rule.service, &rule.offer.code.value);
        let declined = self.model.declined_at(code, &plain_text(&recipient.name))?.value;
        Ok(declined.is_some_and(|at| {
            let declined_on = rule.installed.pack.calendar().date(at);
            came_on < declined_on.saturating_add(span(rule.offer.not_again_for))
        }))
    }

    /// Every offer of every installed pack that the newest version of the pack still makes.
    fn offer_rules(&self) -> impl Iterator<Item = OfferRule> + '_ {
        self.packs.all().into_iter().flat_map(|installed| {
            let newest = self.packs.newest(&installed).unwrap_or_else(|| Arc::clone(&installed));
            let mut rules = Vec::new();
            for (code, service) in installed.pack.services() {
                for offer in &service.regulation.offers {
                    let still = newest.service(code);
                    let still = still.and_then(|now| now.regulation.offer(&offer.code.value));
                    if still.is_some() {
                        let (service, offer) = (code.clone(), offer.clone());
                        rules.push(OfferRule { installed: Arc::clone(&installed), service, offer });
                    }
                }
            }
            rules
        })
    }

    /// Whether a rule is of the version of its pack that was in force when an entry came.
    fn was_in_force(&self, rule: &OfferRule, entry: &EntryRow) -> bool {
        let own = &rule.installed.pack_ref;
        let before = |leaf: LeafIndex| leaf < entry.created_leaf;
        let newer = self.packs.all().into_iter().any(|other| {
            other.pack_ref.code == own.code
                && other.pack_ref.version > own.version
                && before(other.pack_ref.leaf)
        });
        before(own.leaf) && !newer
    }

    /// Changes an offer, deciding again whenever somebody was faster. The date is the day in the
    /// zone of its agency.
    pub(super) async fn change_offer(
        &self,
        id: OfferId,
        decide: impl Fn(&OfferState, Date) -> Result<Decision, EngineError>,
    ) -> Result<Appended, EngineError> {
        for _ in 0..TRIES_MAX {
            let (state, today) = self.offer_state(id).await?;
            if let Some(appended) =
                self.append_unless_overtaken(self.seal(decide(&state, today)?)?).await?
            {
                return Ok(appended);
            }
        }
        Err(EngineError::TooManyRaces { tries: TRIES_MAX })
    }

    /// The state of an offer of this agency, and today's date in the zone of its pack.
    pub(super) async fn offer_state(&self, id: OfferId) -> Result<(OfferState, Date), EngineError> {
        self.offer_row(id)?;
        let stream = id.stream();
        let mut state = OfferState::new(stream.clone());
        for (_, event) in self.events_of(&stream).await? {
            if let Some(DomainEvent::Offer(read)) = DomainEvent::read(&event)? {
                state.evolve(&read)?;
            }
        }
        let made = state.made().ok_or_else(|| unknown_offer(id))?;
        let calendar = self.packs.pinned(&made.pack)?;
        let today = calendar.pack.calendar().date(self.clock.now());
        Ok((state, today))
    }

    /// An offer as the tables have it.
    pub(super) fn offer_row(&self, id: OfferId) -> Result<OfferRow, EngineError> {
        self.model.offer(id)?.value.ok_or_else(|| unknown_offer(id))
    }
}

impl OfferRule {
    const fn is_on_creation(&self) -> bool {
        matches!(self.offer.trigger, Trigger::EntryCreated { .. })
    }

    /// The registry whose entries trigger it.
    fn registry(&self) -> &RegistryCode {
        let service = self.installed.service(&self.service);
        let service = service.expect("invariant: the rule was taken from its pack");
        service.regulation.offer_registry(&self.offer)
    }
}

fn span(days: Days) -> Span {
    i64::from(days.calendar_days).days()
}

pub(super) fn unknown_offer(id: OfferId) -> EngineError {
    EngineError::UnknownEntry { what: "offer", name: id.to_string() }
}
