//! Entries of keepers and decisions as of any leaf or instant.
//!
//! Not here: system registries (`http::system`), and how an entry is folded (`registry`).

use letopis_ledger::id::StreamName;
use letopis_registry::code::RegistryCode;
use letopis_registry::projection::{AsOf, EntryChange, EntryRow, Reflected};

use super::super::AppState;
use super::super::problem::{Code, Problem};
use super::{ChangeDto, EntriesDto, EntryDto, entry_row, next_after, tables};

/// A page of the entries that were there, in force or not. It may be short and not the last.
pub(super) fn page(
    app: &AppState,
    registry: &RegistryCode,
    as_of: AsOf,
    (after, limit): (Option<&StreamName>, u32),
) -> Result<EntriesDto, Problem> {
    let found = app.service.model().entries_after(registry, after, limit);
    let Reflected { size, value } = found.map_err(|e| tables(&e))?;
    let next = next_after(&value, limit);
    let mut entries = Vec::new();
    for row in &value {
        let then = as_it_was(app, row, as_of)?;
        entries.extend(then.map(|(row, _)| EntryDto::of(app, &row, vec![], size.get())));
    }
    Ok(EntriesDto { entries, next, position: size.get() })
}

/// One entry with the changes that it had then.
pub(super) fn entry(
    app: &AppState,
    (code, id): &(String, String),
    as_of: AsOf,
) -> Result<EntryDto, Problem> {
    let (row, position) = entry_row(app, code, id)?;
    let missing =
        || Problem::new(Code::NotFound, format!("registry {code} had no entry {id} then"));
    let (row, changes) = as_it_was(app, &row, as_of)?.ok_or_else(missing)?;
    let history = changes.iter().map(ChangeDto::of).collect();
    Ok(EntryDto::of(app, &row, history, position))
}

/// An entry with the changes that count; `None` when it was not there yet.
fn as_it_was(
    app: &AppState,
    row: &EntryRow,
    as_of: AsOf,
) -> Result<Option<(EntryRow, Vec<EntryChange>)>, Problem> {
    let history = app.service.model().entry_history(&row.stream).map_err(|e| tables(&e))?;
    let mut history = history.value;
    Ok(row.as_of(&history, as_of).map(|(row, count)| {
        history.truncate(count);
        (row, history)
    }))
}
