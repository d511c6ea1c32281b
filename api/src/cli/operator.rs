//! An operator's commands to the agency's own running node.
//!
//! Not here: what the node answers to everybody (`remote` is enough for that).

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use letopis_consensus::peer::PeerAddress;
use letopis_ledger::checkpoint::Origin;
use letopis_ledger::governance::GovernanceEvent;
use letopis_ledger::hash::Hash;
use letopis_ledger::id::{AgencyId, NodeId};
use letopis_ledger::json::{Json, Object};
use serde_json::Value;

use super::remote::Remote;
use crate::folder::{NodeFolder, OPERATOR_TOKEN};

/// Which node, and the token to speak to it.
#[derive(Debug, Clone, Args)]
pub(crate) struct Operator {
    /// Folder of the agency's node, for the operator's token.
    #[arg(long)]
    pub(crate) folder: PathBuf,
    /// Address of the running node; the configured one without it.
    #[arg(long, value_name = "URL")]
    pub(crate) node: Option<String>,
}

/// A running node that takes the operator's commands.
#[derive(Debug)]
pub(crate) struct OperatedNode {
    remote: Remote,
}

impl Operator {
    /// Reads the token and finds the address.
    pub(crate) fn connect(&self) -> anyhow::Result<OperatedNode> {
        let folder = NodeFolder::open(&self.folder)?;
        let token = folder.keys().token(OPERATOR_TOKEN)?;
        Ok(OperatedNode::new(Remote::new(&self.address()?).with_token(&token)))
    }

    /// Address of the running node.
    pub(crate) fn address(&self) -> anyhow::Result<String> {
        match &self.node {
            Some(address) => Ok(address.clone()),
            None => Ok(format!("http://{}", self.folder()?.config().listen)),
        }
    }

    /// The node's folder.
    pub(crate) fn folder(&self) -> anyhow::Result<NodeFolder> {
        Ok(NodeFolder::open(&self.folder)?)
    }
}

impl OperatedNode {
    /// A node that is spoken to with the operator's token.
    pub(crate) const fn new(remote: Remote) -> Self {
        Self { remote }
    }

    /// The answer to a question that only the operator may ask.
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.remote.get(path)?.ok()
    }

    /// The answer to an order.
    pub(crate) fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.remote.post(path, body.to_string().as_bytes())?.ok()
    }

    /// The answer to an order to end something.
    pub(crate) fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.remote.delete(path)?.ok()
    }

    /// The node, its fellows, and how far everyone is.
    pub(crate) fn status(&self) -> anyhow::Result<Value> {
        self.remote.get("api/v1/node")?.ok()
    }

    /// Name of the log.
    pub(crate) fn origin(&self) -> anyhow::Result<Origin> {
        let status = self.status()?;
        Ok(Origin::new(status["origin"].as_str().unwrap_or_default())?)
    }

    /// Text of the policy in force.
    pub(crate) fn policy(&self) -> anyhow::Result<String> {
        Ok(String::from_utf8(self.remote.bytes("policy")?)?)
    }

    /// Whether the log has admitted an agency and not removed it.
    pub(crate) fn knows(&self, agency: &AgencyId) -> anyhow::Result<bool> {
        match self.remote.get(&format!("api/v1/agencies/{agency}"))? {
            answer if answer.status == 404 => Ok(false),
            answer => {
                let answer = answer.ok()?;
                if answer["removed"].is_u64() {
                    bail!("{agency} was removed from this log; its id is not given again");
                }
                Ok(true)
            }
        }
    }

    /// The nodes that take part, as an invitation names them.
    pub(crate) fn members(&self) -> anyhow::Result<Vec<PeerAddress>> {
        let status = self.status()?;
        let nodes = status["nodes"].as_array().context("the node names no nodes")?;
        let present = nodes.iter().filter(|node| node["role"] != "removed");
        present.map(|node| member(node).context("the node's list of nodes is unreadable")).collect()
    }

    /// Appends governance events as one record of the node's agency; gives its leaf.
    pub(crate) fn govern(&self, events: &[GovernanceEvent]) -> anyhow::Result<u64> {
        let event = |event: &GovernanceEvent| {
            let object = Object::new()
                .with("stream", event.stream().as_str())
                .with("type", event.event_type().as_str())
                .with("data", event.data());
            Json::from(object)
        };
        let events: Vec<Json> = events.iter().map(event).collect();
        let body = Json::from(Object::new().with("events", events)).to_canonical();
        let answer = self.remote.post("api/v1/governance", &body)?.ok()?;
        answer["leaf"].as_u64().context("the answer names no leaf")
    }
}

fn member(node: &Value) -> Option<PeerAddress> {
    Some(PeerAddress {
        node: NodeId::new(node["node"].as_u64()?)?,
        address: node["address"].as_str()?.to_owned(),
        key: Hash::from_hex(node["key"].as_str()?)?,
    })
}
