//! The first records of a log: its founder, its policy, and the other agencies it begins with.

use letopis_consensus::peer::PeerAddress;
use letopis_ledger::StreamVersion;
use letopis_ledger::checkpoint::Origin;
use letopis_ledger::governance::{GovernanceEvent, SCHEMA_VERSION};
use letopis_ledger::id::{AgencyId, RecordId};
use letopis_ledger::json::{Json, JsonError, Object};
use letopis_ledger::key::{AuthorKey, AuthorSigner};
use letopis_ledger::record::{Event, Record, RecordError, SignedRecord};

/// An agency that takes part from the beginning.
#[derive(Debug)]
pub(crate) struct Party {
    /// Its id.
    pub(crate) agency: AgencyId,
    /// Its names by language code.
    pub(crate) names: Vec<(String, String)>,
    /// The key with which it signs records.
    pub(crate) key: AuthorKey,
}

/// The record that founds a log: admits the founder, introduces its key, sets the policy, and
/// names its node when others may join.
pub(crate) fn founding_record(
    origin: &Origin,
    id: RecordId,
    founder: &Party,
    signer: &AuthorSigner,
    policy: &str,
    node: Option<&PeerAddress>,
) -> Result<SignedRecord, RecordError> {
    let mut events = admission(founder)?;
    let policy = GovernanceEvent::PolicySet { policy: policy.to_owned() };
    let mut version = StreamVersion::ZERO;
    events.push(event(&policy, version));
    for governance in node.into_iter().flat_map(|node| voting(node, &founder.agency)) {
        version = version.next();
        events.push(event(&governance, version));
    }
    let record = Record::new(origin.clone(), id, founder.agency.clone(), events, vec![])?;
    Ok(SignedRecord::sign(record, signer))
}

/// What makes a node a voter.
fn voting(node: &PeerAddress, agency: &AgencyId) -> [GovernanceEvent; 2] {
    let PeerAddress { node, address, key } = node.clone();
    [
        GovernanceEvent::NodeAdmitted { node, agency: agency.clone(), address, key },
        GovernanceEvent::NodePromoted { node },
    ]
}

/// A record of the founder that admits another agency with its first key.
pub(crate) fn admitting_record(
    origin: &Origin,
    id: RecordId,
    founder: &AgencyId,
    signer: &AuthorSigner,
    party: &Party,
) -> Result<SignedRecord, RecordError> {
    let record = Record::new(origin.clone(), id, founder.clone(), admission(party)?, vec![])?;
    Ok(SignedRecord::sign(record, signer))
}

fn admission(party: &Party) -> Result<Vec<Event>, JsonError> {
    let agency = party.agency.clone();
    let name =
        |(language, name): &(String, String)| Ok((language.clone(), Json::string(name.as_str())?));
    let names = party.names.iter().map(name).collect::<Result<Object, JsonError>>()?;
    let admitted = GovernanceEvent::AgencyAdmitted { agency: agency.clone(), names };
    let introduced = GovernanceEvent::KeyIntroduced { agency, key: party.key };
    Ok(vec![event(&admitted, StreamVersion::ZERO), event(&introduced, StreamVersion::ZERO.next())])
}

fn event(governance: &GovernanceEvent, version: StreamVersion) -> Event {
    Event {
        stream: governance.stream(),
        version,
        event_type: governance.event_type(),
        schema: SCHEMA_VERSION,
        data: governance.data(),
        private: Vec::new(),
    }
}
