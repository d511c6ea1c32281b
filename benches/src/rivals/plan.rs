//! Who the nodes of a measured log are: numbers, ports, certificates, and the record that names
//! them.
//!
//! The measuring process makes it in a folder and each node reads it there. Agencies make their
//! certificates themselves; here they are made together, because nobody is to be kept out.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use letopis_consensus::peer::PeerAddress;
use letopis_consensus::peer::tls::NodeIdentity;
use letopis_ledger::Hash;
use letopis_ledger::governance::GovernanceEvent;
use letopis_ledger::id::NodeId;
use letopis_ledger::record::SignedRecord;

use crate::append::{self, cosigner_key, note_keys};

const PEERS: &str = "peers";

/// The nodes of a log, in the order of their numbers from 1 on.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    folder: PathBuf,
    peers: Vec<PeerAddress>,
}

impl Plan {
    /// Makes a plan for a node at each of these addresses.
    pub(crate) fn make(folder: &Path, addresses: &[SocketAddr]) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut plan = Self { folder: folder.to_owned(), peers: Vec::new() };
        let mut text = String::new();
        for (number, address) in (1..).zip(addresses) {
            let node = NodeId::new(number).context("a node's number")?;
            let key = rcgen::KeyPair::generate()?;
            let names = rcgen::CertificateParams::new(vec![format!("node{node}.bench")])?;
            fs::write(plan.file(node, "pem"), names.self_signed(&key)?.pem())?;
            fs::write(plan.file(node, "key"), key.serialize_pem())?;
            let key = plan.identity(node)?.key();
            writeln!(text, "{node} {address} {}", key.to_hex())?;
            plan.peers.push(PeerAddress { node, address: address.to_string(), key });
        }
        fs::write(folder.join(PEERS), text)?;
        Ok(plan)
    }

    /// Reads the plan that the measuring process made.
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(folder.join(PEERS))?;
        let peer = |line: &str| {
            let mut fields = line.split(' ');
            let mut next = || fields.next().with_context(|| format!("a plan with {line:?}"));
            let node = next()?.parse()?;
            let address = next()?.to_owned();
            let key = Hash::from_hex(next()?).context("a key's hash")?;
            anyhow::Ok(PeerAddress { node, address, key })
        };
        let peers = text.lines().map(peer).collect::<anyhow::Result<_>>()?;
        Ok(Self { folder: folder.to_owned(), peers })
    }

    /// Every node.
    pub(crate) fn peers(&self) -> &[PeerAddress] {
        &self.peers
    }

    /// One node.
    pub(crate) fn peer(&self, node: NodeId) -> anyhow::Result<&PeerAddress> {
        let found = self.peers.iter().find(|peer| peer.node == node);
        found.with_context(|| format!("node {node} is not planned"))
    }

    /// What a node proves itself with.
    pub(crate) fn identity(&self, node: NodeId) -> anyhow::Result<NodeIdentity> {
        let (certificate, key) = (self.file(node, "pem"), self.file(node, "key"));
        Ok(NodeIdentity::from_pem(&fs::read(certificate)?, &fs::read(key)?)?)
    }

    /// The record that founds the log with the first nodes as voters, of which a majority of
    /// cosignatures makes a head final.
    pub(crate) fn genesis(&self, voters: usize) -> anyhow::Result<SignedRecord> {
        let mut policy = format!("log {}\n", note_keys()?.0.verifier_key());
        let mut names = Vec::new();
        let mut events = Vec::new();
        for peer in &self.peers[..voters] {
            let (node, name) = (peer.node, format!("n{}", peer.node));
            let cosigner = cosigner_key(u8::try_from(node.get())?)?;
            writeln!(policy, "witness {name} {}", cosigner.verifier_key())?;
            names.push(name);
            events.push(admitted(peer)?);
            events.push(GovernanceEvent::NodePromoted { node });
        }
        writeln!(policy, "group most {} {}", voters / 2 + 1, names.join(" "))?;
        writeln!(policy, "quorum most")?;
        append::founding(policy, events)
    }

    /// The record that admits one more node to a log founded with `voters` of them.
    pub(crate) fn admission(&self, node: NodeId, voters: usize) -> anyhow::Result<SignedRecord> {
        // The policy, and two events for each node, went before on the same stream.
        let version = 1 + 2 * voters as u64;
        append::governing(1, &[admitted(self.peer(node)?)?], version)
    }

    fn file(&self, node: NodeId, kind: &str) -> PathBuf {
        self.folder.join(format!("node{node}.{kind}"))
    }
}

fn admitted(peer: &PeerAddress) -> anyhow::Result<GovernanceEvent> {
    let PeerAddress { node, address, key } = peer.clone();
    Ok(GovernanceEvent::NodeAdmitted { node, agency: append::agency()?, address, key })
}
