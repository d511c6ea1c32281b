//! Offers: what the agency prepares for somebody when an entry comes in, or ends soon.
//!
//! An offer is never a decision: the person accepts it, or nothing happens. Not here: whether the
//! parts fit (`validate`), and making offers (`engine`).

use std::collections::BTreeMap;

use letopis_ledger::json::Json;
use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::code::{ChannelCode, FieldPath, OfferCode, RegistryCode};
use crate::messages::Text;
use crate::pack::Scalar;

/// A service that is offered of itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// Its code.
    pub code: Spanned<OfferCode>,
    /// What people read.
    #[serde(default)]
    pub title: Text,
    /// The act that it is made by.
    #[serde(default)]
    pub law: Text,
    /// What brings it about.
    pub trigger: Trigger,
    /// The field of the entry that says whom it is for; where an entry ends it is the one to whom
    /// the entry was granted.
    #[serde(default)]
    pub to: Option<Spanned<FieldPath>>,
    /// Values that the entry must have, by field; every one of them.
    #[serde(default)]
    pub when: BTreeMap<FieldPath, Spanned<Scalar>>,
    /// Fields of the entry by the fields of the form that they fill in.
    #[serde(default)]
    pub prefill: BTreeMap<FieldPath, Spanned<FieldPath>>,
    /// The channel by which the person is told; where an entry ends, as its holder is told of
    /// everything else.
    #[serde(default)]
    pub notice: Option<Spanned<ChannelCode>>,
    /// How long it can be accepted.
    pub open_for: Days,
    /// How long it is not made to the same person again after that person declined it.
    pub not_again_for: Days,
}

/// What brings an offer about.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Trigger {
    /// An entry came into a registry.
    EntryCreated {
        /// The registry.
        registry: Spanned<RegistryCode>,
    },
    /// An entry that the service granted ends soon.
    EntryEnds {
        /// How long before its last day.
        within: Days,
    },
}

/// A number of calendar days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Days {
    /// How many.
    pub calendar_days: u32,
}

impl Offer {
    /// Whether an entry with these values is one that the offer is made for.
    #[must_use]
    pub fn fits(&self, entry: &BTreeMap<FieldPath, Json>) -> bool {
        self.when.iter().all(|(field, stated)| {
            let stated = stated.value.to_json();
            stated.is_some() && stated.as_ref() == entry.get(field)
        })
    }

    /// Values of the form that an entry with these values fills in.
    #[must_use]
    pub fn prefilled(&self, entry: &BTreeMap<FieldPath, Json>) -> BTreeMap<FieldPath, Json> {
        let filled = self.prefill.iter().filter_map(|(field, from)| {
            let value = entry.get(&from.value)?;
            Some((field.clone(), value.clone()))
        });
        filled.collect()
    }
}
