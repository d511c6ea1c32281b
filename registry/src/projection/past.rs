//! Entries as they were: folded again from their changes, up to a place of the log or an instant.
//!
//! Not here: system registries, whose rows keep their own past (`system`).

use letopis_ledger::json::{Json, Object};

use super::entries::{EntryChange, EntryRow, EntryStatus};
use super::system::AsOf;

impl AsOf {
    fn counts(self, change: &EntryChange) -> bool {
        let in_time = self.time.is_none_or(|time| change.changed_at <= time);
        change.leaf < self.size.next_leaf() && in_time
    }
}

impl EntryRow {
    /// The entry as it was, with the number of its changes that count; `None` when it was not
    /// there yet. `history` is all of its changes, oldest first.
    #[must_use]
    pub fn as_of(&self, history: &[EntryChange], as_of: AsOf) -> Option<(Self, usize)> {
        let count = history.iter().take_while(|change| as_of.counts(change)).count();
        let (created, changes) = history[..count].split_first()?;
        let mut row = Self {
            fields: fields(&created.data),
            valid_until: text(&created.data, "valid_until"),
            status: EntryStatus::InForce,
            version: created.version,
            leaf: created.leaf,
            ..self.clone()
        };
        for change in changes {
            row.version = change.version;
            row.leaf = change.leaf;
            match change.event_type.as_str() {
                "registry.entry_amended" => {
                    let new = fields(&change.data);
                    new.iter().for_each(|(name, value)| row.fields.insert(name, value.clone()));
                }
                "registry.entry_revised" => {
                    row.fields = fields(&change.data);
                    row.valid_until = text(&change.data, "valid_until");
                }
                "registry.entry_excluded" => row.status = EntryStatus::Excluded,
                "registry.entry_expired" => row.status = EntryStatus::Expired,
                _ => {}
            }
        }
        Some((row, count))
    }
}

fn fields(data: &Object) -> Object {
    match data.get("fields") {
        Some(Json::Object(fields)) => fields.clone(),
        _ => Object::new(),
    }
}

fn text(data: &Object, name: &str) -> Option<String> {
    data.get(name).and_then(Json::as_str).map(str::to_owned)
}
