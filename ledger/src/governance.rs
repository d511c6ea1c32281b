//! Governance events: which agencies, keys and nodes there are, which quorum makes a head final.
//!
//! They are ordinary events on the streams `agency/<id>` and `log`, so who could sign and who held
//! the log at any position is itself provable. Not here: what follows from them; the append machine
//! and the verifier each keep their own account.

mod address;

use thiserror::Error;

use crate::hash::Hash;
use crate::id::{AgencyId, EventType, NodeId, StreamName};
use crate::json::{FieldError, Fields, Json, Object};
use crate::key::{AuthorKey, AuthorKeyId};
use crate::policy::{Policy, PolicyError};
use crate::position::TreeSize;
use crate::record::Event;

pub use address::{ADDRESS_MAX_BYTES, AddressError, check_address};

/// Name of the stream that carries the log's own policy.
pub const LOG_STREAM: &str = "log";
/// Version of the governance events' shapes.
pub const SCHEMA_VERSION: u32 = 1;

const AGENCY_ADMITTED: &str = "agency.admitted";
const KEY_INTRODUCED: &str = "key.introduced";
const KEY_REVOKED: &str = "key.revoked";
const POLICY_SET: &str = "policy.set";
const AGENCY_REMOVED: &str = "agency.removed";
const NODE_ADMITTED: &str = "node.admitted";
const NODE_PROMOTED: &str = "node.promoted";
const NODE_DEMOTED: &str = "node.demoted";
const NODE_REMOVED: &str = "node.removed";
const NODE_MOVED: &str = "node.moved";
const LOG_RECOVERED: &str = "log.recovered";

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
    /// No record of the agency is taken from here on, and all its nodes are removed.
    AgencyRemoved {
        /// The agency.
        agency: AgencyId,
    },
    /// A node holds the log from here on, without a vote.
    NodeAdmitted {
        /// The node.
        node: NodeId,
        /// Whose machine it is.
        agency: AgencyId,
        /// Host and port, as [`check_address`] wants them.
        address: String,
        /// SHA-256 of the subject public key info (DER) of its certificate.
        key: Hash,
    },
    /// A node votes from here on.
    NodePromoted {
        /// The node.
        node: NodeId,
    },
    /// A node votes no more, and goes on holding the log.
    NodeDemoted {
        /// The node.
        node: NodeId,
    },
    /// A node takes no part any more; its number never comes back.
    NodeRemoved {
        /// The node.
        node: NodeId,
    },
    /// A node of the agency has another address or another certificate key from here on.
    NodeMoved {
        /// The agency, which says so itself.
        agency: AgencyId,
        /// The node.
        node: NodeId,
        /// Host and port, as [`check_address`] wants them.
        address: String,
        /// SHA-256 of the subject public key info (DER) of its certificate.
        key: Hash,
    },
    /// The log went on without the quorum of its voters: leaves that only the lost ones had
    /// acknowledged may be missing after `size`.
    LogRecovered {
        /// The agency whose node the log went on from.
        agency: AgencyId,
        /// Leaves that this node had.
        size: TreeSize,
        /// Root of the tree of that size.
        root: Hash,
        /// The nodes given up, at least one, in ascending order.
        lost: Vec<NodeId>,
    },
}

impl GovernanceEvent {
    /// The stream that the event belongs on.
    #[must_use]
    pub fn stream(&self) -> StreamName {
        match self {
            Self::AgencyAdmitted { agency, .. }
            | Self::KeyIntroduced { agency, .. }
            | Self::KeyRevoked { agency, .. }
            | Self::NodeMoved { agency, .. }
            | Self::LogRecovered { agency, .. } => StreamName::of_agency(agency),
            Self::PolicySet { .. }
            | Self::AgencyRemoved { .. }
            | Self::NodeAdmitted { .. }
            | Self::NodePromoted { .. }
            | Self::NodeDemoted { .. }
            | Self::NodeRemoved { .. } => StreamName::parse(LOG_STREAM)
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
            Self::AgencyRemoved { .. } => AGENCY_REMOVED,
            Self::NodeAdmitted { .. } => NODE_ADMITTED,
            Self::NodePromoted { .. } => NODE_PROMOTED,
            Self::NodeDemoted { .. } => NODE_DEMOTED,
            Self::NodeRemoved { .. } => NODE_REMOVED,
            Self::NodeMoved { .. } => NODE_MOVED,
            Self::LogRecovered { .. } => LOG_RECOVERED,
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
            Self::AgencyRemoved { agency } => Object::new().with("agency", agency.as_str()),
            Self::NodeAdmitted { node, agency, address, key } => {
                place(*node, address, key).with("agency", agency.as_str())
            }
            Self::NodePromoted { node }
            | Self::NodeDemoted { node }
            | Self::NodeRemoved { node } => Object::new().with("node", number(*node)),
            Self::NodeMoved { node, address, key, .. } => place(*node, address, key),
            Self::LogRecovered { size, root, lost, .. } => Object::new()
                .with("lost", lost.iter().copied().map(number).collect::<Vec<Json>>())
                .with("root", root.to_base64().as_str())
                .with("size", integer(size.get())),
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
            AGENCY_REMOVED => {
                Self::AgencyRemoved { agency: fields.parsed("agency", AgencyId::parse)? }
            }
            NODE_MOVED => read_moved(&mut fields, agency()?)?,
            LOG_RECOVERED => read_recovered(&mut fields, agency()?)?,
            other => read_of_node(&mut fields, other)?.ok_or_else(unknown)?,
        };
        fields.finish()?;
        if read.stream() != event.stream {
            return Err(misplaced());
        }
        Ok(read)
    }
}

fn integer(number: u64) -> Json {
    let number = i64::try_from(number).ok().and_then(|number| Json::integer(number).ok());
    number.expect("invariant: sizes and numbers of nodes are JSON integers")
}

fn number(node: NodeId) -> Json {
    integer(node.get())
}

fn place(node: NodeId, address: &str, key: &Hash) -> Object {
    let key = key.to_hex();
    Object::new().with("address", address).with("key", key.as_str()).with("node", number(node))
}

/// Events of the log's stream that are about one node, or `None` for any other type.
fn read_of_node(
    fields: &mut Fields<'_>,
    event_type: &str,
) -> Result<Option<GovernanceEvent>, FieldError> {
    Ok(Some(match event_type {
        NODE_ADMITTED => {
            let (node, address, key) = read_place(fields)?;
            let agency = fields.parsed("agency", AgencyId::parse)?;
            GovernanceEvent::NodeAdmitted { node, agency, address, key }
        }
        NODE_PROMOTED => GovernanceEvent::NodePromoted { node: read_node(fields)? },
        NODE_DEMOTED => GovernanceEvent::NodeDemoted { node: read_node(fields)? },
        NODE_REMOVED => GovernanceEvent::NodeRemoved { node: read_node(fields)? },
        _ => return Ok(None),
    }))
}

fn read_moved(fields: &mut Fields<'_>, agency: AgencyId) -> Result<GovernanceEvent, FieldError> {
    let (node, address, key) = read_place(fields)?;
    Ok(GovernanceEvent::NodeMoved { agency, node, address, key })
}

fn read_recovered(
    fields: &mut Fields<'_>,
    agency: AgencyId,
) -> Result<GovernanceEvent, FieldError> {
    let size = TreeSize::new(fields.unsigned("size")?);
    let root = fields.parsed("root", Hash::from_base64)?;
    let items = fields.array("lost")?;
    let node = |item: &Json| NodeId::new(u64::try_from(item.as_integer()?).ok()?);
    let lost: Option<Vec<NodeId>> = items.iter().map(node).collect();
    let lost = lost.filter(|lost| !lost.is_empty() && lost.is_sorted_by(|a, b| a < b));
    let rule = "one node number or more, in ascending order";
    let lost = lost.ok_or_else(|| fields.invalid("lost", &rule))?;
    Ok(GovernanceEvent::LogRecovered { agency, size, root, lost })
}

fn read_node(fields: &mut Fields<'_>) -> Result<NodeId, FieldError> {
    let number = fields.unsigned("node")?;
    NodeId::new(number).ok_or_else(|| fields.invalid("node", &"a node number begins at 1"))
}

fn read_place(fields: &mut Fields<'_>) -> Result<(NodeId, String, Hash), FieldError> {
    let node = read_node(fields)?;
    let address = fields.parsed("address", |text| check_address(text).map(|()| text.to_owned()))?;
    let rule = "a node's key is a SHA-256 in 64 lower-case hexadecimal digits";
    let key = fields.parsed("key", |text| Hash::from_hex(text).ok_or(rule))?;
    Ok((node, address, key))
}

#[cfg(test)]
mod test;
