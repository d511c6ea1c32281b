//! The two files that bring a node in: a request that its operator makes, and an invitation that
//! the founder's node answers with. Both are public; keys never leave their folders.
//!
//! Not here: what the log records of them (`crate::service::governance`).

use std::fs;
use std::path::Path;

use anyhow::Context;
use letopis_consensus::peer::PeerAddress;
use letopis_ledger::checkpoint::Origin;
use letopis_ledger::hash::Hash;
use letopis_ledger::id::{AgencyId, NodeId};
use letopis_ledger::json::{Fields, Json, Object};
use letopis_ledger::key::AuthorKey;
use letopis_ledger::note::VerifierKey;

const VERSION: u64 = 1;

/// An agency that asks to be admitted with a node, or a further node of an admitted agency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// The log.
    pub(crate) log: Origin,
    /// The agency.
    pub(crate) agency: AgencyId,
    /// Its names by language code.
    pub(crate) names: Object,
    /// The key with which it signs records.
    pub(crate) author: AuthorKey,
    /// The key with which its node cosigns.
    pub(crate) cosigner: VerifierKey,
    /// The node.
    pub(crate) node: PeerAddress,
}

impl Request {
    /// The file's text.
    pub(crate) fn to_text(&self) -> anyhow::Result<String> {
        let object = Object::new()
            .with("v", Json::integer(1)?)
            .with("log", self.log.as_str())
            .with("agency", self.agency.as_str())
            .with("names", self.names.clone())
            .with("author", self.author.to_base64().as_str())
            .with("cosigner", Json::string(self.cosigner.to_string())?)
            .with("node", peer_object(&self.node)?);
        Ok(pretty(&object))
    }

    /// Reads a file.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let what =
            || format!("{} is not a request made by `letopis agency request`", path.display());
        let json = read_json(path).with_context(what)?;
        Self::from_json(&json).with_context(what)
    }

    fn from_json(json: &Json) -> anyhow::Result<Self> {
        let mut fields = Fields::of("request", json)?;
        fields.version("v", VERSION)?;
        let request = Self {
            log: fields.parsed("log", Origin::new)?,
            agency: fields.parsed("agency", AgencyId::parse)?,
            names: fields.object("names")?.clone(),
            author: fields.parsed("author", AuthorKey::from_base64)?,
            cosigner: fields.parsed("cosigner", VerifierKey::parse)?,
            node: peer(fields.required("node")?)?,
        };
        fields.finish()?;
        Ok(request)
    }
}

/// Where the other nodes are, for a node that has no log yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invitation {
    /// The log.
    pub(crate) log: Origin,
    /// Its nodes.
    pub(crate) nodes: Vec<PeerAddress>,
}

impl Invitation {
    /// The file's text.
    pub(crate) fn to_text(&self) -> anyhow::Result<String> {
        let nodes = self.nodes.iter().map(|node| Ok(Json::from(peer_object(node)?)));
        let nodes = nodes.collect::<anyhow::Result<Vec<Json>>>()?;
        let object = Object::new()
            .with("v", Json::integer(1)?)
            .with("log", self.log.as_str())
            .with("nodes", nodes);
        Ok(pretty(&object))
    }

    /// Reads a file.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let what =
            || format!("{} is not an invitation made by `letopis agency admit`", path.display());
        let json = read_json(path).with_context(what)?;
        let mut fields = Fields::of("invitation", &json).with_context(what)?;
        fields.version("v", VERSION).with_context(what)?;
        let log = fields.parsed("log", Origin::new).with_context(what)?;
        let nodes = fields.array("nodes").with_context(what)?;
        let nodes = nodes.iter().map(peer).collect::<anyhow::Result<_>>().with_context(what)?;
        fields.finish().with_context(what)?;
        Ok(Self { log, nodes })
    }
}

fn read_json(path: &Path) -> anyhow::Result<Json> {
    let bytes = fs::read(path).with_context(|| format!("{}", path.display()))?;
    Ok(Json::parse(&bytes)?)
}

fn peer_object(peer: &PeerAddress) -> anyhow::Result<Object> {
    Ok(Object::new()
        .with("node", Json::integer(i64::try_from(peer.node.get())?)?)
        .with("address", Json::string(peer.address.as_str())?)
        .with("key", peer.key.to_hex().as_str()))
}

fn peer(json: &Json) -> anyhow::Result<PeerAddress> {
    let mut fields = Fields::of("node", json)?;
    let node = fields.unsigned("node")?;
    let peer = PeerAddress {
        node: NodeId::new(node).with_context(|| format!("{node} is not a node's number"))?,
        address: fields.string("address")?.to_owned(),
        key: fields.parsed("key", |text| Hash::from_hex(text).ok_or("not a SHA-256 in hex"))?,
    };
    fields.finish()?;
    Ok(peer)
}

fn pretty(object: &Object) -> String {
    let value = Json::from(object.clone()).to_value();
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests {
    use letopis_ledger::key::AuthorSigner;
    use letopis_ledger::note::{KeyName, SignatureType, SignerKey};

    use super::*;

    #[test]
    fn both_files_read_back_and_refuse_anything_else() {
        let place = tempfile::tempdir().unwrap();
        let log = Origin::new("log.example.org/letopis").unwrap();
        let name = KeyName::new("log.example.org/letopis/b").unwrap();
        let cosigner =
            SignerKey::from_seed(name, SignatureType::Ed25519Cosignature, [3; 32].into()).unwrap();
        let node = PeerAddress {
            node: NodeId::new(2).unwrap(),
            address: "b.example.org:8470".to_owned(),
            key: Hash::of(b"key"),
        };
        let request = Request {
            log: log.clone(),
            agency: AgencyId::parse("b").unwrap(),
            names: Object::new().with("en", "B"),
            author: AuthorSigner::from_seed(&[1; 32]).key(),
            cosigner: cosigner.verifier_key().clone(),
            node: node.clone(),
        };
        let path = place.path().join("request.json");
        fs::write(&path, request.to_text().unwrap()).unwrap();
        assert_eq!(Request::read(&path).unwrap(), request);
        assert!(Invitation::read(&path).is_err());
        let invitation = Invitation { log, nodes: vec![node] };
        fs::write(&path, invitation.to_text().unwrap()).unwrap();
        assert_eq!(Invitation::read(&path).unwrap(), invitation);
        assert!(Request::read(&path).is_err());
        fs::write(&path, "{}").unwrap();
        assert!(Invitation::read(&path).is_err());
    }
}
