//! Governance events: which agencies and keys there are, and which quorum makes a head final.
//!
//! They are ordinary events on the streams `agency/<id>` and `log`, so who could sign at any
//! position is itself provable. Not here: what follows from them; the append machine and the
//! verifier each keep their own account.

use thiserror::Error;

use crate::id::{AgencyId, EventType, StreamName};
use crate::json::{FieldError, Fields, Object};
use crate::key::{AuthorKey, AuthorKeyId};
use crate::policy::{Policy, PolicyError};
use crate::record::Event;

/// Name of the stream that carries the log's own policy.
pub const LOG_STREAM: &str = "log";
/// Version of the governance events' shapes.
pub const SCHEMA_VERSION: u32 = 1;

const AGENCY_ADMITTED: &str = "agency.admitted";
const KEY_INTRODUCED: &str = "key.introduced";
const KEY_REVOKED: &str = "key.revoked";
const POLICY_SET: &str = "policy.set";

/// Why a governance event was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GovernanceError {
    /// The public fields are not of the event's shape.
    #[error("{0}")]
    Field(#[from] FieldError),
    /// The event stands on a stream where it means nothing.
    #[error("event {event_type} does not belong on stream {stream}")]
    Stream {
        /// The event's type.
        event_type: EventType,
        /// The stream.
        stream: StreamName,
    },
    /// An event type of a governance stream that this program does not know.
    #[error("stream {stream} takes no event of type {event_type} version {schema}")]
    UnknownEvent {
        /// The stream.
        stream: StreamName,
        /// The event's type.
        event_type: EventType,
        /// Version of its shape.
        schema: u32,
    },
    /// The policy text is not a policy.
    #[error("policy: {0}")]
    Policy(#[from] PolicyError),
}

/// A governance event, read from the public fields of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GovernanceEvent {
    /// An agency takes part from here on.
    AgencyAdmitted {
        /// The agency.
        agency: AgencyId,
        /// Its name in the languages that it gives, by language code.
        names: Object,
    },
    /// An agency may sign records with this key from here on.
    KeyIntroduced {
        /// The agency.
        agency: AgencyId,
        /// The key.
        key: AuthorKey,
    },
    /// An agency may no longer sign records with this key.
    KeyRevoked {
        /// The agency.
        agency: AgencyId,
        /// The key.
        key: AuthorKeyId,
    },
    /// The quorum policy in force from here on.
    PolicySet {
        /// Canonical C2SP tlog-policy text.
        policy: String,
    },
}

impl GovernanceEvent {
    /// The stream that the event belongs on.
    #[must_use]
    pub fn stream(&self) -> StreamName {
        match self {
            Self::AgencyAdmitted { agency, .. }
            | Self::KeyIntroduced { agency, .. }
            | Self::KeyRevoked { agency, .. } => StreamName::of_agency(agency),
            Self::PolicySet { .. } => StreamName::parse(LOG_STREAM)
                .expect("invariant: the log's stream name is well-formed"),
        }
    }

    /// The event's type.
    #[must_use]
    pub fn event_type(&self) -> EventType {
        let name = match self {
            Self::AgencyAdmitted { .. } => AGENCY_ADMITTED,
            Self::KeyIntroduced { .. } => KEY_INTRODUCED,
            Self::KeyRevoked { .. } => KEY_REVOKED,
            Self::PolicySet { .. } => POLICY_SET,
        };
        EventType::parse(name).expect("invariant: governance event types are well-formed")
    }

    /// The event's public fields.
    #[must_use]
    pub fn data(&self) -> Object {
        match self {
            Self::AgencyAdmitted { names, .. } => Object::new().with("names", names.clone()),
            Self::KeyIntroduced { key, .. } => Object::new()
                .with("algorithm", "ed25519")
                .with("public_key", key.to_base64().as_str()),
            Self::KeyRevoked { key, .. } => Object::new().with("key", key.to_string().as_str()),
            Self::PolicySet { policy } => Object::new().with("policy", policy.as_str()),
        }
    }

    /// Whether events of this stream are governance events.
    #[must_use]
    pub fn governs(stream: &StreamName) -> bool {
        matches!(stream.kind(), "agency" | LOG_STREAM)
    }

    /// Reads an event of a governance stream.
    ///
    /// # Errors
    /// See [`GovernanceError`].
    pub fn read(event: &Event) -> Result<Self, GovernanceError> {
        let unknown = || GovernanceError::UnknownEvent {
            stream: event.stream.clone(),
            event_type: event.event_type.clone(),
            schema: event.schema,
        };
        if event.schema != SCHEMA_VERSION || !event.private.is_empty() {
            return Err(unknown());
        }
        let misplaced = || GovernanceError::Stream {
            event_type: event.event_type.clone(),
            stream: event.stream.clone(),
        };
        let agency = || event.stream.agency().ok_or_else(misplaced);
        let mut fields = Fields::of_object("governance event", &event.data);
        let read = match event.event_type.as_str() {
            AGENCY_ADMITTED => {
                Self::AgencyAdmitted { agency: agency()?, names: fields.object("names")?.clone() }
            }
            KEY_INTRODUCED => {
                fields.parsed("algorithm", |name| match name {
                    "ed25519" => Ok(()),
                    _ => Err("the only algorithm is \"ed25519\""),
                })?;
                let key = fields.parsed("public_key", AuthorKey::from_base64)?;
                Self::KeyIntroduced { agency: agency()?, key }
            }
            KEY_REVOKED => Self::KeyRevoked {
                agency: agency()?,
                key: fields.parsed("key", AuthorKeyId::parse)?,
            },
            POLICY_SET => {
                let policy = fields.string("policy")?;
                Policy::parse(policy)?;
                Self::PolicySet { policy: policy.to_owned() }
            }
            _ => return Err(unknown()),
        };
        fields.finish()?;
        if read.stream() != event.stream {
            return Err(misplaced());
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::AuthorSigner;
    use crate::position::StreamVersion;

    fn as_event(governance: &GovernanceEvent) -> Event {
        Event {
            stream: governance.stream(),
            version: StreamVersion::ZERO,
            event_type: governance.event_type(),
            schema: SCHEMA_VERSION,
            data: governance.data(),
            private: vec![],
        }
    }

    fn samples() -> Vec<GovernanceEvent> {
        let agency = AgencyId::parse("zarechny").unwrap();
        let key = AuthorSigner::from_seed(&[1; 32]).key();
        let names = Object::new().with("en", "Zarechny").with("ru", "Заречный");
        vec![
            GovernanceEvent::AgencyAdmitted { agency: agency.clone(), names },
            GovernanceEvent::KeyIntroduced { agency: agency.clone(), key },
            GovernanceEvent::KeyRevoked { agency, key: key.id() },
        ]
    }

    #[test]
    fn governance_events_read_back() {
        for sample in samples() {
            let event = as_event(&sample);
            assert!(GovernanceEvent::governs(&event.stream));
            assert_eq!(GovernanceEvent::read(&event), Ok(sample));
        }
    }

    #[test]
    fn golden_governance_events() {
        let lines: Vec<String> = samples()
            .iter()
            .map(|sample| {
                format!(
                    "{} {} {}",
                    sample.stream(),
                    sample.event_type(),
                    crate::json::Json::from(sample.data())
                )
            })
            .collect();
        assert_eq!(
            lines,
            include_str!("../testdata/governance-v1.txt").lines().collect::<Vec<_>>()
        );
    }

    #[test]
    fn misplaced_and_unknown_events_are_refused() {
        let mut event = as_event(&samples()[1]);
        event.stream = StreamName::parse(LOG_STREAM).unwrap();
        assert!(matches!(GovernanceEvent::read(&event), Err(GovernanceError::Stream { .. })));
        let mut event = as_event(&samples()[1]);
        event.event_type = EventType::parse("key.lent").unwrap();
        assert!(matches!(GovernanceEvent::read(&event), Err(GovernanceError::UnknownEvent { .. })));
        let mut event = as_event(&samples()[1]);
        event.schema = 2;
        assert!(matches!(GovernanceEvent::read(&event), Err(GovernanceError::UnknownEvent { .. })));
        let mut event = as_event(&samples()[1]);
        event.data.insert("note", "x".into());
        assert!(matches!(GovernanceEvent::read(&event), Err(GovernanceError::Field(_))));
    }

    #[test]
    fn a_weak_key_is_never_introduced() {
        let mut event = as_event(&samples()[1]);
        event.data.insert("public_key", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into());
        assert!(GovernanceEvent::read(&event).is_err());
    }
}
