//! Entries that rest on facts of other registries: taken out when a fact changes against them.
//!
//! Facts and entries are looked at in the order in which the log changed them: a fact may change
//! between the answer that a decision took it from and the entry. Each entry goes out in a record
//! of its own, with the changed fact as its evidence, once, whichever node is first: its stream
//! takes one such event. Not here: what contradicts what, which `entry` says.

use std::collections::{BTreeMap, BTreeSet};

use letopis_ledger::LeafIndex;
use letopis_ledger::disclosure::Disclosure;
use letopis_ledger::id::StreamName;
use letopis_ledger::json::Json;

use super::{CaseEngine, EngineError, LedgerPort, TRIES_MAX};
use crate::code::{FieldPath, RegistryCode};
use crate::entry::{WithdrawEntry, contradicts};
use crate::event::{Basis, DomainEvent, EntryEvent, Source};
use crate::pack::RestsOn;
use crate::projection::{EntryRow, EntryStatus};

/// Most changes that are looked at before the ledger is read again.
const AT_ONCE_MAX: u32 = 256;
/// Most entries that rest on one fact.
const PAIRS_MAX: u32 = 1_000;

impl<P: LedgerPort> CaseEngine<P> {
    /// Looks at facts, and at entries that rest on facts, that changed at a leaf from `from` on,
    /// and takes out every entry that its fact contradicts. Gives where to go on, and how many
    /// entries were taken out; the place is `from` again when there is nothing more to look at.
    ///
    /// # Errors
    /// See [`EngineError`]; what was taken out before the error stays.
    pub async fn withdraw_contradicted(
        &self,
        from: LeafIndex,
    ) -> Result<(LeafIndex, usize), EngineError> {
        self.catch_up().await?;
        let size = self.model.size()?;
        let mut rules = Vec::new();
        for (registry, rule) in self.resting() {
            if !self.model.entries_after(&registry, None, 1)?.value.is_empty() {
                rules.push((registry, rule));
            }
        }
        if rules.is_empty() {
            // An entry that comes later is looked at when it comes.
            return Ok((from.max(size.next_leaf()), 0));
        }
        let named = |(registry, rule): &(RegistryCode, RestsOn)| {
            [registry.clone(), rule.registry.value.clone()]
        };
        let registries: BTreeSet<RegistryCode> = rules.iter().flat_map(named).collect();
        let (mut next, mut count) = (from, 0);
        for changed in self.model.entries_changed(&registries, from, AT_ONCE_MAX)?.value {
            for (registry, rule) in &rules {
                for (entry, fact) in self.pairs(registry, rule, &changed)? {
                    count += usize::from(self.withdraw(&entry, rule, &fact).await?);
                }
            }
            // Everything that a leaf changed is read with it.
            next = LeafIndex::new(changed.leaf.get() + 1);
        }
        Ok((next, count))
    }

    /// Entries with the facts that they rest on by a rule, of which one is `changed`.
    fn pairs(
        &self,
        registry: &RegistryCode,
        rule: &RestsOn,
        changed: &EntryRow,
    ) -> Result<Vec<(EntryRow, EntryRow)>, EngineError> {
        let is_fact = changed.registry == rule.registry.value;
        if !is_fact && &changed.registry != registry {
            return Ok(vec![]);
        }
        let values = self.entry_values(changed)?;
        let by = rule.by.iter().filter_map(|(key, field)| {
            let (own, other) = if is_fact { (key, &field.value) } else { (&field.value, key) };
            Some((other.clone(), values.get(own)?.clone()))
        });
        let by: BTreeMap<FieldPath, Json> = by.collect();
        if by.len() < rule.by.len() {
            return Ok(vec![]);
        }
        let other = if is_fact { registry } else { &rule.registry.value };
        let found = self.model.entries_by(other, &by, PAIRS_MAX)?.value.into_iter();
        let pair = |other| match is_fact {
            true => (other, changed.clone()),
            false => (changed.clone(), other),
        };
        Ok(found.map(pair).collect())
    }

    /// The rules in force, each with the registry whose entries rest.
    fn resting(&self) -> Vec<(RegistryCode, RestsOn)> {
        let mut rules = Vec::new();
        for installed in self.packs.all() {
            for code in installed.pack.registries().keys() {
                // Of several versions of a pack, the one in force says.
                let Some(registry) = self.registry(code) else { continue };
                for rule in registry.rests_on {
                    if !rules.iter().any(|(of, known): &(RegistryCode, RestsOn)| {
                        of == code && known.code.value == rule.code.value
                    }) {
                        rules.push((code.clone(), rule));
                    }
                }
            }
        }
        rules
    }

    /// Takes one entry out if the fact still contradicts it; tells whether this call did.
    async fn withdraw(
        &self,
        entry: &EntryRow,
        rule: &RestsOn,
        fact: &EntryRow,
    ) -> Result<bool, EngineError> {
        for _ in 0..TRIES_MAX {
            let entry = self.model.entry(&entry.stream)?.value;
            let fact = self.model.entry(&fact.stream)?.value;
            let (Some(entry), Some(fact)) = (entry, fact) else { return Ok(false) };
            if [&entry, &fact].iter().any(|one| one.status != EntryStatus::InForce) {
                return Ok(false);
            }
            let (values, found) = (self.entry_values(&entry)?, self.entry_values(&fact)?);
            // Most facts hold: nothing more is read for them.
            if !contradicts(rule, &values, &found) {
                return Ok(false);
            }
            let case = match self.model.deciding_case(&entry.stream, true)?.value {
                Some(case) => {
                    let length = self.model.stream_length(&case.stream())?.value;
                    Some((case.stream(), length))
                }
                None => None,
            };
            let command = WithdrawEntry {
                length: self.model.stream_length(&entry.stream)?.value,
                held: self.model.held_by(&entry.stream)?.value,
                values,
                fact: found,
                evidence: Source { stream: fact.stream, version: fact.version, leaf: fact.leaf },
                stream: entry.stream,
                case,
            };
            if self.append_unless_overtaken(self.seal(command.decide(rule)?)?).await?.is_some() {
                return Ok(true);
            }
            // The entry, the case or the fact moved on: look again.
        }
        Err(EngineError::TooManyRaces { tries: TRIES_MAX })
    }

    /// The values of an entry by field, private ones included.
    pub(super) fn entry_values(
        &self,
        entry: &EntryRow,
    ) -> Result<BTreeMap<FieldPath, Json>, EngineError> {
        let digests = self.model.entry_disclosures(&entry.stream)?.value;
        let opened: Vec<Disclosure> =
            self.private.open_digests(&digests)?.into_iter().flatten().collect();
        Ok(values_of(entry, &opened))
    }

    /// The case whose decision made an entry.
    pub(super) async fn case_of_entry(
        &self,
        entry: &EntryRow,
    ) -> Result<Option<StreamName>, EngineError> {
        for event in self.events_at(entry.created_leaf, &entry.stream).await? {
            if let Some(DomainEvent::Entry(EntryEvent::Created(created))) =
                DomainEvent::read(&event)?
                && let Basis::Decision { stream, .. } = created.basis
            {
                return Ok(Some(stream));
            }
        }
        Ok(None)
    }
}

/// The values of an entry by field: the public ones, and those that were disclosed.
pub(super) fn values_of(entry: &EntryRow, opened: &[Disclosure]) -> BTreeMap<FieldPath, Json> {
    let public = entry.fields.iter();
    let private = opened.iter().filter_map(|disclosure| {
        Some((disclosure.name().strip_prefix("field.")?, disclosure.value()))
    });
    public
        .chain(private)
        .filter_map(|(name, value)| Some((FieldPath::parse(name).ok()?, value.clone())))
        .collect()
}
