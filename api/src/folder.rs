//! The folder of a node: its configuration, keys, and data.
//!
//! `letopis.toml` has working defaults for everything but the log's origin and the agency's id.
//! Environment variables override its values: `LETOPIS_NODE_LISTEN`,
//! `LETOPIS_NODE_PUBLICATION__INTERVAL_MS`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format, Toml};
use letopis_ledger::checkpoint::Origin;
use letopis_ledger::id::{AgencyId, NodeId};
use serde::{Deserialize, Deserializer};
use thiserror::Error;

use crate::keys::KeyFolder;

/// Name of the configuration file.
pub(crate) const CONFIG_FILE: &str = "letopis.toml";
/// The log's checkpoint key.
pub(crate) const LOG_KEY: &str = "log.key";
/// The key with which this node cosigns.
pub(crate) const COSIGNER_KEY: &str = "cosigner.key";
/// The certificate with which this node proves itself to other nodes.
pub(crate) const NODE_CERTIFICATE: &str = "node.crt";
/// Its private key.
pub(crate) const NODE_KEY: &str = "node.key";
/// The secret under which personal values become claim names and look-up keys.
pub(crate) const CLAIM_SECRET: &str = "claims.secret";
/// The token of those who may change registries and publish packs.
pub(crate) const OPERATOR_TOKEN: &str = "operator.token";

/// The first records of a log that the node founded.
pub(crate) const GENESIS: &str = "genesis.json";
/// The private values of this agency, in a node's folder.
pub(crate) const PRIVATE_STORE: &str = "private/disclosures.sqlite";
/// Where the operator last wanted a backup to go.
pub(crate) const BACKUP_TARGET: &str = "backup.target";

/// Why a configuration was refused.
#[derive(Debug, Error)]
pub(crate) enum ConfigError {
    /// There is no configuration.
    #[error("{path} is not there: make a node's folder with `letopis init`")]
    Absent {
        /// The file.
        path: PathBuf,
    },
    /// A value is missing, unknown or of the wrong kind.
    #[error("configuration {path}: {reason}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Which value, and what is wrong with it.
        reason: String,
    },
}

/// What `letopis.toml` says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Name of the log.
    #[serde(deserialize_with = "origin")]
    pub(crate) origin: Origin,
    /// The agency that runs this node.
    #[serde(deserialize_with = "agency")]
    pub(crate) agency: AgencyId,
    /// Address to listen on.
    #[serde(default = "default_listen")]
    pub(crate) listen: SocketAddr,
    /// Address at which the public reaches the node, as in `https://letopis.zarechny.example`: the
    /// codes on papers lead there. Without it they lead to the address listened on.
    #[serde(default, deserialize_with = "public_url")]
    pub(crate) public_url: Option<String>,
    /// The other nodes; absent on a node that runs alone.
    pub(crate) peers: Option<Peers>,
    /// How heads are published.
    #[serde(default)]
    pub(crate) publication: Publication,
    /// What bounds the load.
    #[serde(default)]
    pub(crate) limits: Limits,
    /// When the node backs itself up; without it, only when it is asked to.
    pub(crate) backup: Option<Backup>,
}

/// When and where the node backs itself up.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Backup {
    /// A folder, or `s3://bucket/prefix` with `AWS_…` variables in the environment.
    pub(crate) to: String,
    /// Minutes between two backups.
    #[serde(default = "every_day")]
    pub(crate) every_minutes: u64,
    /// How many backups are kept; all of them without it.
    pub(crate) keep: Option<usize>,
}

/// This node among the others.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Peers {
    /// Number of this node; it never changes.
    #[serde(deserialize_with = "node")]
    pub(crate) node: NodeId,
    /// Address to listen on for other nodes.
    pub(crate) listen: SocketAddr,
    /// Address that other nodes reach this one at, as the log names it.
    pub(crate) address: String,
}

/// How heads are published.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Publication {
    /// Least time between two published heads, in milliseconds.
    pub(crate) interval_ms: u64,
}

/// What bounds the load.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Records that may wait for the log; more are answered with 503.
    pub(crate) queued_records: usize,
    /// Cases that are worked on at once; more wait their turn.
    pub(crate) cases_at_once: usize,
    /// Raft entries that are kept for nodes that are behind; past it, they take a snapshot.
    pub(crate) raft_log_entries: u64,
}

impl Default for Publication {
    fn default() -> Self {
        Self { interval_ms: 250 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { queued_records: 4096, cases_at_once: 64, raft_log_entries: 4096 }
    }
}

impl Config {
    /// Address at which the public reaches the node.
    pub(crate) fn public_address(&self) -> String {
        self.public_url.clone().unwrap_or_else(|| format!("http://{}", self.listen))
    }
}

const fn every_day() -> u64 {
    24 * 60
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8460))
}

fn origin<'de, D: Deserializer<'de>>(source: D) -> Result<Origin, D::Error> {
    let text = String::deserialize(source)?;
    Origin::new(&text).map_err(serde::de::Error::custom)
}

fn public_url<'de, D: Deserializer<'de>>(source: D) -> Result<Option<String>, D::Error> {
    const MAX_BYTES: usize = 200;
    let text = String::deserialize(source)?;
    let wrong = || {
        serde::de::Error::custom(format!(
            "{text:?} is not an address of at most {MAX_BYTES} bytes, as in https://example.org"
        ))
    };
    let read: axum::http::Uri = text.parse().map_err(|_| wrong())?;
    let web = matches!(read.scheme_str(), Some("https" | "http")) && read.host().is_some();
    if !web || read.query().is_some() || text.len() > MAX_BYTES {
        return Err(wrong());
    }
    Ok(Some(text))
}

fn node<'de, D: Deserializer<'de>>(source: D) -> Result<NodeId, D::Error> {
    let number = u64::deserialize(source)?;
    NodeId::new(number).ok_or_else(|| serde::de::Error::custom("not the number of a node"))
}

fn agency<'de, D: Deserializer<'de>>(source: D) -> Result<AgencyId, D::Error> {
    let text = String::deserialize(source)?;
    AgencyId::parse(&text).map_err(serde::de::Error::custom)
}

/// A node's folder with its configuration.
#[derive(Debug, Clone)]
pub(crate) struct NodeFolder {
    path: PathBuf,
    config: Config,
}

impl NodeFolder {
    /// Reads the configuration of a folder.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub(crate) fn open(path: &Path) -> Result<Self, ConfigError> {
        let file = path.join(CONFIG_FILE);
        if !file.is_file() {
            return Err(ConfigError::Absent { path: file });
        }
        let config = Figment::new()
            .merge(Toml::file_exact(&file))
            .merge(Env::prefixed("LETOPIS_NODE_").split("__"))
            .extract()
            .map_err(|error| ConfigError::Invalid { path: file, reason: error.to_string() })?;
        Ok(Self { path: path.to_owned(), config })
    }

    /// The configuration.
    pub(crate) const fn config(&self) -> &Config {
        &self.config
    }

    /// The same folder listening for other nodes elsewhere.
    pub(crate) fn listening_for_peers_on(mut self, address: SocketAddr) -> Self {
        if let Some(peers) = &mut self.config.peers {
            peers.listen = address;
        }
        self
    }

    /// The same folder listening elsewhere.
    pub(crate) fn listening_on(mut self, address: SocketAddr) -> Self {
        self.config.listen = address;
        self
    }

    /// The keys.
    pub(crate) fn keys(&self) -> KeyFolder {
        KeyFolder::new(self.path.join("keys"))
    }

    /// The first records of the log.
    pub(crate) fn genesis(&self) -> PathBuf {
        self.path.join(GENESIS)
    }

    /// Where the other nodes are, for a node that did not found the log.
    pub(crate) fn invitation(&self) -> PathBuf {
        self.path.join("invitation.json")
    }

    /// The target that the operator named last.
    pub(crate) fn backup_target(&self) -> PathBuf {
        self.path.join(BACKUP_TARGET)
    }

    /// What consensus keeps: the log, replicated.
    pub(crate) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// What this agency alone keeps: private values.
    pub(crate) fn private(&self) -> PathBuf {
        self.path.join("private")
    }

    /// What can be rebuilt from the log at any time.
    pub(crate) fn read_model(&self) -> PathBuf {
        self.path.join("read")
    }
}
