//! `letopis init`: the folder of a new node, ready to run.

use std::fs::{self, File};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, bail};
use clap::Args;
use letopis_consensus::peer::PeerAddress;
use letopis_ledger::checkpoint::Origin;
use letopis_ledger::governance::check_address;
use letopis_ledger::hash::Hash;
use letopis_ledger::id::{AgencyId, NodeId, RecordId};
use letopis_ledger::json::Json;
use letopis_ledger::note::{KeyName, SignatureType, VerifierKey};
use letopis_ledger::policy::Policy;
use letopis_ledger::record::SignedRecord;
use zeroize::Zeroizing;

use crate::folder::{CLAIM_SECRET, CONFIG_FILE, COSIGNER_KEY, LOG_KEY, NodeFolder, OPERATOR_TOKEN};
use crate::genesis::{Party, admitting_record, founding_record};
use crate::keys::KeyFolder;

/// What a node's folder is made from.
#[derive(Debug, Clone, Args)]
pub(crate) struct Arguments {
    /// Folder to make.
    #[arg(long)]
    pub(crate) folder: PathBuf,
    /// Name of the log, as in registry.example.org/log; it never changes.
    #[arg(long)]
    pub(crate) origin: String,
    /// Id of the agency: lower-case letters, digits and hyphens.
    #[arg(long)]
    pub(crate) agency: AgencyId,
    /// Name of the agency in Russian.
    #[arg(long)]
    pub(crate) name_ru: String,
    /// Name of the agency in English.
    #[arg(long)]
    pub(crate) name_en: String,
    /// Id of another agency whose records this node signs too; may be given several times.
    #[arg(long = "with", value_name = "AGENCY")]
    pub(crate) others: Vec<AgencyId>,
    /// Address that the node listens on.
    #[arg(long, default_value = "127.0.0.1:8460")]
    pub(crate) listen: SocketAddr,
    /// How other nodes reach this one; without it, the node runs alone.
    #[command(flatten)]
    pub(crate) peers: PeerArguments,
}

/// A node's place among others.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PeerArguments {
    /// Address to listen on for other nodes; without it, the node runs alone.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) peer_listen: Option<SocketAddr>,
    /// Address at which other nodes reach this one, when it is not the one it listens on.
    #[arg(long, value_name = "HOST:PORT", requires = "peer_listen")]
    pub(crate) peer_address: Option<String>,
    /// Certificate (PEM) of the agency's own authority for this node; one is made without it.
    #[arg(long, value_name = "FILE", requires = "peer_private_key")]
    pub(crate) peer_certificate: Option<PathBuf>,
    /// Private key (PEM) of that certificate.
    #[arg(long, value_name = "FILE", requires = "peer_certificate")]
    pub(crate) peer_private_key: Option<PathBuf>,
}

impl PeerArguments {
    /// Puts the node's certificate into its keys, the given one or a new one; gives its key.
    pub(crate) fn certificate(
        &self,
        keys: &KeyFolder,
        node: NodeId,
        agency: &AgencyId,
    ) -> anyhow::Result<Hash> {
        let (Some(certificate), Some(key)) = (&self.peer_certificate, &self.peer_private_key)
        else {
            return Ok(keys.generate_certificate(node, agency)?);
        };
        let read = |path: &PathBuf| {
            fs::read_to_string(path)
                .map(Zeroizing::new)
                .with_context(|| format!("{}", path.display()))
        };
        Ok(keys.take_certificate(&read(certificate)?, &read(key)?)?)
    }

    /// The address that the log names.
    pub(crate) fn address(&self) -> Option<String> {
        self.peer_address.clone().or_else(|| Some(self.peer_listen?.to_string()))
    }
}

/// Makes the folder and says what is in it.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    make_folder(arguments)?;
    println!("{} is ready:", arguments.folder.display());
    println!("  {CONFIG_FILE}   configuration; every value but origin and agency has a default");
    println!("  keys/          keys and tokens; keep them secret, and keep a copy in a safe place");
    println!("  genesis.json   the first records of the log");
    println!("Run the node:    letopis node --folder {}", arguments.folder.display());
    Ok(())
}

/// Makes the folder of a node.
pub(crate) fn make_folder(arguments: &Arguments) -> anyhow::Result<()> {
    let folder = &arguments.folder;
    if folder.join(CONFIG_FILE).exists() {
        bail!("{} is a node's folder already; nothing was changed", folder.display());
    }
    let origin = Origin::new(&arguments.origin)?;
    Json::string(origin.as_str()).context("the origin cannot stand in records")?;
    let keys = KeyFolder::new(folder.join("keys"));
    fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    keys.create()?;

    let log_name = KeyName::new(origin.as_str()).context("the origin cannot name a key")?;
    let log = keys.generate_note_key(LOG_KEY, log_name, SignatureType::Ed25519)?;
    let cosigner_name = KeyName::new(&format!("{}/{}", origin, arguments.agency))?;
    let cosigner =
        keys.generate_note_key(COSIGNER_KEY, cosigner_name, SignatureType::Ed25519Cosignature)?;
    keys.generate_secret(CLAIM_SECRET)?;
    keys.generate_token(OPERATOR_TOKEN)?;
    let node = node_of(arguments, &keys)?;

    let policy = policy_of(log.verifier_key(), &arguments.agency, cosigner.verifier_key())?;
    let records = first_records(arguments, &origin, &keys, &policy, node.as_ref())?;
    let lines: Vec<u8> =
        records.iter().flat_map(|record| [record.to_bytes(), b"\n".to_vec()].concat()).collect();
    write_durably(folder, "genesis.json", &lines)?;
    // The configuration comes last: a folder that has one is complete.
    let peers = node.map(|node| (node, arguments.peers.clone()));
    write_config(folder, &arguments.origin, &arguments.agency, arguments.listen, peers.as_ref())?;
    NodeFolder::open(folder)?;
    Ok(())
}

/// The first node of the log, with a certificate, when others may join.
fn node_of(arguments: &Arguments, keys: &KeyFolder) -> anyhow::Result<Option<PeerAddress>> {
    let Some(address) = arguments.peers.address() else { return Ok(None) };
    check_address(&address)?;
    let node = NodeId::new(1).expect("invariant: 1 is a node's number");
    let key = arguments.peers.certificate(keys, node, &arguments.agency)?;
    Ok(Some(PeerAddress { node, address, key }))
}

/// A policy of one log and one cosigning agency.
fn policy_of(
    log: &VerifierKey,
    agency: &AgencyId,
    cosigner: &VerifierKey,
) -> anyhow::Result<Policy> {
    let text = format!("log {log}\nwitness {agency} {cosigner}\nquorum {agency}\n");
    Ok(Policy::parse(&text)?)
}

fn first_records(
    arguments: &Arguments,
    origin: &Origin,
    keys: &KeyFolder,
    policy: &Policy,
    node: Option<&PeerAddress>,
) -> anyhow::Result<Vec<SignedRecord>> {
    let signer = keys.generate_author(&arguments.agency)?;
    let founder = Party {
        agency: arguments.agency.clone(),
        names: vec![
            ("ru".to_owned(), arguments.name_ru.clone()),
            ("en".to_owned(), arguments.name_en.clone()),
        ],
        key: signer.key(),
    };
    let mut records =
        vec![founding_record(origin, new_id()?, &founder, &signer, &policy.to_string(), node)?];
    for other in &arguments.others {
        let party = Party {
            agency: other.clone(),
            names: vec![("en".to_owned(), other.to_string())],
            key: keys.generate_author(other)?.key(),
        };
        let id = new_id()?;
        records.push(admitting_record(origin, id, &founder.agency, &signer, &party)?);
    }
    Ok(records)
}

/// A new record id: now, and ten random bytes.
pub(crate) fn new_id() -> anyhow::Result<RecordId> {
    let mut random = [0; 10];
    getrandom::fill(&mut random)?;
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(RecordId::from_parts(u64::try_from(since_1970.as_millis())?, &random))
}

/// Writes a node's configuration; with it, the folder is complete.
pub(crate) fn write_config(
    folder: &Path,
    origin: &str,
    agency: &AgencyId,
    listen: SocketAddr,
    peers: Option<&(PeerAddress, PeerArguments)>,
) -> anyhow::Result<()> {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut text = format!(
        "# Configuration of a Letopis node. Lines that begin with # show the defaults.\n\
         # Environment variables override: LETOPIS_NODE_LISTEN,\n\
         # LETOPIS_NODE_LIMITS__CASES_AT_ONCE …\n\n\
         # Name of the log and id of this agency; they stand in every record and never change.\n\
         origin = {}\n\
         agency = {}\n\n\
         # Address that the node listens on. Put a TLS proxy before it; loopback is safe.\n\
         listen = {}\n\n",
        quoted(origin),
        quoted(agency.as_str()),
        quoted(&listen.to_string()),
    );
    if let Some((node, arguments)) = peers {
        text += &peers_section(node, arguments);
    }
    text += "[publication]\n\
             # Least time between two published heads, in milliseconds.\n\
             # interval_ms = 250\n\n\
             [limits]\n\
             # Records that may wait for the log; more are answered with 503.\n\
             # queued_records = 4096\n\
             # Cases that are worked on at once; more wait their turn.\n\
             # cases_at_once = 64\n\
             # Raft entries kept for nodes that are behind; past it, they fetch leaves instead.\n\
             # raft_log_entries = 4096\n\n\
             # The node backs itself up, private values included; see docs/BACKUP.md.\n\
             # [backup]\n\
             # to = \"/var/backups/letopis\"\n\
             # every_minutes = 1440\n\
             # keep = 30\n";
    write_durably(folder, CONFIG_FILE, text.as_bytes())
}

/// The part of a configuration that makes a node one among others.
pub(crate) fn peers_section(node: &PeerAddress, arguments: &PeerArguments) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let listen = arguments.peer_listen.map_or_else(String::new, |listen| listen.to_string());
    format!(
        "[peers]\n\
         # Number of this node; it never changes.\n\
         node = {}\n\
         # Address to listen on for other nodes (mutual TLS with keys/node.crt).\n\
         listen = {}\n\
         # Address at which they reach this node, as the log names it.\n\
         address = {}\n\n",
        node.node,
        quoted(&listen),
        quoted(&node.address),
    )
}

/// Writes a file whose name and content survive a power cut.
pub(crate) fn write_durably(folder: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let mut file = File::create(folder.join(name))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    File::open(folder)?.sync_all()?;
    Ok(())
}
