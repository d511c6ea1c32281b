//! The entries that an official looks at to answer a request: those whose area meets the case's.
//!
//! Not here: who is an official whom the case concerns.

use super::{CaseEngine, EngineError, LedgerPort};
use crate::case::CaseState;
use crate::code::{RegistryCode, StepCode};
use crate::geometry::Area;
use crate::pack::{CaseValues, Service, Shows};
use crate::projection::EntryRow;

/// Most entries shown beside one request.
pub const SHOWN_MAX: usize = 100;

/// What is shown beside an open request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownEntries {
    /// The request.
    pub request: StepCode,
    /// The registry.
    pub registry: RegistryCode,
    /// The entries in force that meet the case's area, with their public fields.
    pub entries: Vec<EntryRow>,
    /// Whether there are more than [`SHOWN_MAX`].
    pub more: bool,
}

impl<P: LedgerPort> CaseEngine<P> {
    /// What every open request of a case shows.
    pub(super) fn shown(
        &self,
        state: &CaseState,
        service: &Service,
    ) -> Result<Vec<ShownEntries>, EngineError> {
        let open = state.requests().iter().filter(|(_, r)| r.is_open());
        let rule = |code| service.regulation.request(code)?.shows.as_ref();
        let open: Vec<(&StepCode, &Shows)> =
            open.filter_map(|(code, _)| Some((code, rule(code)?))).collect();
        if open.is_empty() || state.ended().is_some() {
            return Ok(Vec::new());
        }
        let values = self.open(state)?.values(state).map_err(crate::case::CaseRefusal::from)?;
        let shown = open.into_iter().map(|(code, shows)| self.entries_shown(code, shows, &values));
        shown.collect()
    }

    fn entries_shown(
        &self,
        request: &StepCode,
        shows: &Shows,
        values: &CaseValues,
    ) -> Result<ShownEntries, EngineError> {
        let registry = shows.registry.value.clone();
        let mut shown =
            ShownEntries { request: request.clone(), registry, entries: vec![], more: false };
        let Some((field, value)) = shows.meets.first_key_value() else { return Ok(shown) };
        let area = values.get(value).and_then(|value| value.as_str());
        // A case of an older version of the pack may hold a text that is no area: nothing meets it.
        let Some(area) = area.and_then(|text| Area::parse(text).ok()) else { return Ok(shown) };
        let mut after = None;
        loop {
            let most = u32::try_from(SHOWN_MAX - shown.entries.len()).unwrap_or_default();
            let query = (field, &area);
            let met = self.model.entries_meeting(&shown.registry, query, after.as_ref(), most)?;
            shown.entries.extend(met.value.entries);
            after = met.value.next;
            if after.is_none() || shown.entries.len() == SHOWN_MAX {
                shown.more = after.is_some();
                return Ok(shown);
            }
        }
    }
}
