//! A keeper's work on registries: entries made in bulk, amended, taken out; and expiry by time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use letopis_ledger::StreamVersion;
use letopis_ledger::id::{ClaimName, StreamName};
use letopis_ledger::record::CLAIMS_MAX;
use serde_json::Value;

use super::numbers::LATEST_NUMBERS;
use super::{CaseEngine, EngineError, InstalledPack, LedgerPort, Race, TRIES_MAX, unknown_entry};
use crate::case::slot_claim;
use crate::code::{FieldPath, RegistryCode};
use crate::entry::{
    AmendEntry, CreateEntry, EntryRefusal, ExcludeEntry, ExpireEntry, check_manual, check_values,
};
use crate::environment::random;
use crate::event::{Document, EntryId};
use crate::pack::{Registry, plain_text};
use crate::projection::{EntryRow, EntryStatus, SystemRegistry};
use crate::record_draft::Decision;

/// Most entries of one record.
const RECORD_ENTRIES_MAX: usize = 64;
/// Most bytes of values in one record, so that its leaf stays below the limit with digests.
const RECORD_VALUE_BYTES_MAX: usize = 16 << 10;
/// Most private fields in one record: each digest takes 46 bytes of the leaf.
const RECORD_DIGESTS_MAX: usize = 512;

/// What a bulk command made.
#[derive(Debug, Clone, Default)]
pub struct EntriesCreated {
    /// Streams of the entries, in the order of the rows.
    pub entries: Vec<StreamName>,
    /// Records that hold them.
    pub record_count: usize,
}

/// Checked values of an entry.
type Values = BTreeMap<FieldPath, letopis_ledger::json::Json>;

impl<P: LedgerPort> CaseEngine<P> {
    /// Makes entries of a manual registry from flat JSON objects by field path.
    ///
    /// All rows are checked before the first one is entered. Records of up to 64 entries are
    /// appended one after another; an error after the first one leaves those before it entered.
    /// A record that the ledger does not answer for is proposed again a few times as it is.
    ///
    /// # Errors
    /// See [`EngineError`]; one of [`EngineError::Partly`] says how many rows were entered, any
    /// other that no record was, unless the ledger did not answer for the first one.
    pub async fn create_entries(
        &self,
        registry: &RegistryCode,
        rows: &[Value],
        document: &Document,
    ) -> Result<EntriesCreated, EngineError> {
        if SystemRegistry::of(registry).is_some() {
            return Err(EntryRefusal::System { registry: registry.clone() }.into());
        }
        let (installed, definition) = self.definition(registry)?;
        self.packs.check_registry_in_force(registry, &installed)?;
        check_manual(&definition)?;
        let mut checked = Vec::with_capacity(rows.len());
        for (row_index, row) in rows.iter().enumerate() {
            let values = check_values(&definition, row, false).map_err(|errors| {
                EngineError::Row { row_index, refusal: EntryRefusal::Values { errors } }
            })?;
            checked.push(values);
        }
        let mut created = EntriesCreated::default();
        for chunk in chunks(&definition, &checked) {
            let entered = self.create_chunk(&installed, &definition, chunk, document).await;
            let entries = entered.map_err(|error| match created.entries.len() {
                0 => error,
                entered_count => EngineError::Partly {
                    entered_count,
                    row_count: rows.len(),
                    source: Box::new(error),
                },
            })?;
            created.entries.extend(entries);
            created.record_count += 1;
        }
        Ok(created)
    }

    /// Amends an entry of a manual registry: only the fields given change.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn amend_entry(
        &self,
        stream: &StreamName,
        values: &Value,
        document: &Document,
    ) -> Result<(), EngineError> {
        self.change_entry(stream, |entry, length, definition, _held| {
            let values = check_values(definition, values, true)
                .map_err(|errors| EntryRefusal::Values { errors })?;
            let stream = entry.stream.clone();
            AmendEntry { stream, length, values, document: document.clone() }.decide(definition)
        })
        .await
    }

    /// Takes an entry out of a manual registry.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn exclude_entry(
        &self,
        stream: &StreamName,
        document: &Document,
    ) -> Result<(), EngineError> {
        self.change_entry(stream, |entry, length, definition, held| {
            let stream = entry.stream.clone();
            ExcludeEntry { stream, length, held, document: document.clone() }.decide(definition)
        })
        .await
    }

    /// Notes every entry of a registry whose last day has passed, at most `most`; their unique
    /// values and slots are free again.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn expire_entries(
        &self,
        registry: &RegistryCode,
        most: u32,
    ) -> Result<usize, EngineError> {
        self.catch_up().await?;
        let (installed, _) = self.definition(registry)?;
        let today = installed.pack.calendar().date(self.clock.now());
        let due = self.model.entries_to_expire(registry, &today.to_string(), most)?.value;
        for entry in &due {
            self.change_entry(&entry.stream, |entry, length, _definition, held| {
                let stream = entry.stream.clone();
                let valid_until = entry.valid_until.as_deref().and_then(|d| d.parse::<Date>().ok());
                ExpireEntry { stream, length, held, valid_until, today }.decide()
            })
            .await?;
        }
        Ok(due.len())
    }

    async fn create_chunk(
        &self,
        installed: &InstalledPack,
        definition: &Registry,
        chunk: &[Values],
        document: &Document,
    ) -> Result<Vec<StreamName>, EngineError> {
        let unix_ms = self.clock.now().unix_ms().unsigned_abs();
        let code = &definition.code.value;
        let ids = chunk
            .iter()
            .map(|_| EntryId::from_parts(code.clone(), unix_ms, &random(&*self.entropy)));
        let ids: Vec<EntryId> = ids.collect();
        for _ in 0..TRIES_MAX {
            let mut decision = Decision::default();
            let mut taken_slots = self.taken_slots(definition, chunk)?;
            for (entry, values) in ids.iter().zip(chunk) {
                let command = CreateEntry {
                    entry: entry.clone(),
                    values: values.clone(),
                    number: self.keeper_number(installed, definition)?,
                    document: document.clone(),
                    taken_slots: taken_slots.iter().cloned().collect(),
                };
                let one = command.decide(definition, &self.secret)?;
                taken_slots.extend(one.claims.iter().map(|claim| claim.name.clone()));
                decision = decision.and(one);
            }
            match self.append(self.seal(decision)?).await {
                Ok(_) => return Ok(ids.iter().map(EntryId::stream).collect()),
                Err(error) => match Race::of(&error) {
                    // A unique value that is taken stays taken; only numbers and slots move on.
                    Some(Race::Number) => self.catch_up().await.map(|_size| ())?,
                    Some(Race::Name) if !definition.quotas.is_empty() => {
                        self.catch_up().await.map(|_size| ())?;
                    }
                    _ => return Err(error),
                },
            }
        }
        Err(EngineError::TooManyRaces { tries: TRIES_MAX })
    }

    async fn change_entry(
        &self,
        stream: &StreamName,
        decide: impl Fn(
            &EntryRow,
            StreamVersion,
            &Registry,
            Vec<ClaimName>,
        ) -> Result<Decision, EntryRefusal>,
    ) -> Result<(), EngineError> {
        for _ in 0..TRIES_MAX {
            self.catch_up().await?;
            let entry = self.model.entry(stream)?.value;
            let entry = entry.filter(|entry| entry.status == EntryStatus::InForce);
            let entry = entry.ok_or_else(|| unknown_entry(stream))?;
            let (_, definition) = self.definition(&entry.registry)?;
            let held = self.model.held_by(stream)?.value;
            // Others may have appended to the stream too: what they wrote does not count, but the
            // ledger counts it.
            let length = self.model.stream_length(stream)?.value;
            let decision = decide(&entry, length, &definition, held)?;
            if self.append_unless_overtaken(self.seal(decision)?).await?.is_some() {
                return Ok(());
            }
        }
        Err(EngineError::TooManyRaces { tries: TRIES_MAX })
    }

    fn definition(
        &self,
        registry: &RegistryCode,
    ) -> Result<(std::sync::Arc<InstalledPack>, Registry), EngineError> {
        let unknown = || EngineError::unknown_registry(registry);
        let installed = self.packs.of_registry(registry).ok_or_else(unknown)?;
        let definition = installed.pack.registry(registry).ok_or_else(unknown)?.clone();
        Ok((installed, definition))
    }

    fn keeper_number(
        &self,
        installed: &InstalledPack,
        definition: &Registry,
    ) -> Result<Option<String>, EngineError> {
        let Some(template) = &definition.number else { return Ok(None) };
        let code = &definition.code.value;
        let date = installed.pack.calendar().date(self.clock.now());
        let number = self.numbers.next(&format!("entry/{code}"), template, date, || {
            Ok::<_, EngineError>(self.model.latest_entry_numbers(code, LATEST_NUMBERS)?.value)
        })?;
        Ok(Some(number))
    }

    fn taken_slots(
        &self,
        definition: &Registry,
        chunk: &[Values],
    ) -> Result<BTreeSet<ClaimName>, EngineError> {
        let mut slots = Vec::new();
        for quota in &definition.quotas {
            let field = &quota.field.value;
            for value in chunk.iter().filter_map(|values| values.get(field)) {
                let value = plain_text(value);
                let code = &definition.code.value;
                slots.extend(
                    (1..=quota.most).map(|s| slot_claim(&self.secret, code, field, &value, s)),
                );
            }
        }
        Ok(self.model.holdings(&BTreeMap::new(), &slots, None)?.taken_slots.into_iter().collect())
    }
}

/// Cuts rows into records by claims, digests and bytes.
fn chunks<'a>(definition: &Registry, rows: &'a [Values]) -> Vec<&'a [Values]> {
    let number = usize::from(definition.number.is_some());
    let claims = definition.unique.len() + definition.quotas.len() + number;
    let most_by_claims = CLAIMS_MAX.checked_div(claims).unwrap_or(RECORD_ENTRIES_MAX);
    let most = most_by_claims.clamp(1, RECORD_ENTRIES_MAX);
    let mut chunks = Vec::new();
    let (mut start, mut digests, mut bytes) = (0, 0, 0);
    for (index, values) in rows.iter().enumerate() {
        let row_digests = values.len();
        let row_bytes: usize = values.values().map(|value| plain_text(value).len()).sum();
        let full = index - start >= most
            || digests + row_digests > RECORD_DIGESTS_MAX
            || bytes + row_bytes > RECORD_VALUE_BYTES_MAX;
        if full && index > start {
            chunks.push(&rows[start..index]);
            (start, digests, bytes) = (index, 0, 0);
        }
        digests += row_digests;
        bytes += row_bytes;
    }
    if start < rows.len() {
        chunks.push(&rows[start..]);
    }
    chunks
}
