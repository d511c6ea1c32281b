//! Officials of an agency as the log tells of them: which posts and which key, from which leaf on.
//!
//! Written from `docs/EVENTS.md`. Who an official is as a person stays with the agency.

use std::collections::{BTreeMap, BTreeSet};

use letopis_ledger::LeafIndex;
use letopis_ledger::json::{FieldError, Fields, Object};
use letopis_ledger::key::{AuthorKey, AuthorKeyId, AuthorSignature};
use letopis_ledger::record::Event;
use serde::Deserialize;

/// A role in a unit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Post {
    pub(crate) unit: String,
    pub(crate) role: String,
}

/// What the log tells of officials of one agency, leaf by leaf.
#[derive(Debug, Default)]
pub(crate) struct Staff {
    appointments: BTreeMap<String, Vec<(LeafIndex, Appointment)>>,
}

/// What an official holds from some leaf on; nothing after dismissal.
#[derive(Debug, Clone, Default)]
struct Appointment {
    posts: BTreeSet<(String, String)>,
    key: Option<AuthorKey>,
}

impl Staff {
    /// Takes an event of `staff/…`; one that cannot be read appoints nobody.
    pub(crate) fn take(&mut self, place: LeafIndex, event: &Event) {
        let Some(official) = event.stream.as_str().strip_prefix("staff/") else { return };
        let appointment = match event.event_type.as_str() {
            "staff.appointed" => Appointment::read(&event.data).unwrap_or_default(),
            "staff.dismissed" => Appointment::default(),
            _ => return,
        };
        self.appointments.entry(official.to_owned()).or_default().push((place, appointment));
    }

    /// That an official held a post when a leaf was written.
    pub(crate) fn check_post(
        &self,
        official: &str,
        post: &Post,
        place: LeafIndex,
    ) -> Result<(), String> {
        self.holder(official, post, place).map(|_| ())
    }

    /// That an official held a post when a leaf was written, and signed a text with the key that
    /// the log had of them then.
    pub(crate) fn check_signature(
        &self,
        (official, post, place): (&str, &Post, LeafIndex),
        (payload_type, text): (&str, &[u8]),
        (key, signature): (AuthorKeyId, &AuthorSignature),
    ) -> Result<(), String> {
        self.check_post(official, post, place)?;
        self.check_key((official, place), (payload_type, text), (key, signature))
    }

    /// That an official signed a text with the key that the log had of them when a leaf was
    /// written.
    pub(crate) fn check_key(
        &self,
        (official, place): (&str, LeafIndex),
        (payload_type, text): (&str, &[u8]),
        (key, signature): (AuthorKeyId, &AuthorSignature),
    ) -> Result<(), String> {
        let held = self.at(official, place).and_then(|held| held.key);
        let known = held.filter(|known| known.id() == key);
        let known = known.ok_or_else(|| format!("{key} was not the key of {official}"))?;
        known
            .verify_as(payload_type, text, signature)
            .map_err(|error| format!("{official}: {error}"))
    }

    /// What an official held when a leaf was written.
    fn at(&self, official: &str, place: LeafIndex) -> Option<&Appointment> {
        let known = self.appointments.get(official)?;
        known.iter().rev().find(|(since, _)| *since < place).map(|(_, held)| held)
    }

    fn holder(
        &self,
        official: &str,
        post: &Post,
        place: LeafIndex,
    ) -> Result<&Appointment, String> {
        let held = self.at(official, place);
        let named = (post.unit.clone(), post.role.clone());
        held.filter(|held| held.posts.contains(&named))
            .ok_or_else(|| format!("{official} was not {} of {} then", post.role, post.unit))
    }
}

impl Appointment {
    fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("staff.appointed", data);
        let mut posts = BTreeSet::new();
        for post in fields.array("posts")? {
            let mut post = Fields::of("post", post)?;
            posts.insert((post.string("unit")?.to_owned(), post.string("role")?.to_owned()));
        }
        let key = Some(fields.parsed("key", AuthorKey::from_base64)?);
        Ok(Self { posts, key })
    }
}
