//! `letopis agency`: how an agency and its node come to a log, and how they leave it.
//!
//! The joining side makes a request and gets an invitation back; both files are public. The
//! founder's side turns the request into records on its running node.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use letopis_consensus::peer::PeerAddress;
use letopis_ledger::checkpoint::Origin;
use letopis_ledger::governance::{GovernanceEvent, check_address};
use letopis_ledger::id::{AgencyId, NodeId};
use letopis_ledger::json::{Json, Object};
use letopis_ledger::note::{KeyName, SignatureType};
use letopis_ledger::policy::Policy;

use super::init::{PeerArguments, write_config, write_durably};
use super::operator::{OperatedNode, Operator};
use super::quorum;
use crate::enrolment::{Invitation, Request};
use crate::folder::{CLAIM_SECRET, CONFIG_FILE, COSIGNER_KEY, NodeFolder, OPERATOR_TOKEN};
use crate::keys::KeyFolder;

/// What to do with an agency.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes the folder of a node that wants to join a log, and a request for its founder.
    Request(RequestArguments),
    /// Admits the agency and the node of a request, and writes an invitation for them.
    Admit(AdmitArguments),
    /// Takes an invitation into a node's folder; the node can start then.
    Join {
        /// The invitation that the founder sent.
        invitation: PathBuf,
        /// Folder of the node, made by `letopis agency request`.
        #[arg(long)]
        folder: PathBuf,
    },
    /// Sets the quorum policy, a C2SP tlog-policy file.
    Policy {
        /// The policy.
        file: PathBuf,
        /// The founder's node.
        #[command(flatten)]
        operator: Operator,
    },
    /// Removes an agency: its records are refused from then on, its nodes take no part any more.
    Remove {
        /// Id of the agency.
        agency: AgencyId,
        /// The founder's node.
        #[command(flatten)]
        operator: Operator,
    },
}

/// What a joining node's folder is made from.
#[derive(Debug, Clone, Args)]
pub(crate) struct RequestArguments {
    /// Folder to make.
    #[arg(long)]
    pub(crate) folder: PathBuf,
    /// Name of the log, as its founder says it.
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
    /// Folder of a node that the agency runs already: its record key and its secret for claims are
    /// taken over, so that both nodes speak for the agency.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) same_agency_as: Option<PathBuf>,
    /// Number of the node, as agreed with the founder; never one that was used before.
    #[arg(long)]
    pub(crate) node: NodeId,
    /// Address that the node listens on.
    #[arg(long, default_value = "127.0.0.1:8460")]
    pub(crate) listen: SocketAddr,
    /// How other nodes reach this one.
    #[command(flatten)]
    pub(crate) peers: PeerArguments,
}

/// What is admitted, and where.
#[derive(Debug, Args)]
pub(crate) struct AdmitArguments {
    /// The request that the agency sent.
    request: PathBuf,
    /// The founder's node.
    #[command(flatten)]
    operator: Operator,
    /// The node holds the log and cosigns, and does not vote.
    #[arg(long)]
    learner: bool,
    /// Where to write the invitation.
    #[arg(long, default_value = "invitation.json")]
    invitation: PathBuf,
}

/// Runs the command.
pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Request(arguments) => {
            let request = make_request(arguments)?;
            println!("{} is ready. Send this to the log's founder:", arguments.folder.display());
            println!("  {}", request.display());
            println!("  It is public. The keys stay in the folder; keep a copy of them.");
            Ok(())
        }
        Command::Admit(arguments) => admit(arguments),
        Command::Join { invitation, folder } => {
            join(invitation, folder)?;
            println!("Run the node:    letopis node --folder {}", folder.display());
            Ok(())
        }
        Command::Policy { file, operator } => {
            let text = std::fs::read_to_string(file)?;
            let policy = Policy::parse(&text)?.to_string();
            let leaf = operator.connect()?.govern(&[GovernanceEvent::PolicySet { policy }])?;
            println!("the policy is in force from leaf {leaf} on");
            Ok(())
        }
        Command::Remove { agency, operator } => {
            let mut events = vec![GovernanceEvent::AgencyRemoved { agency: agency.clone() }];
            let node = operator.connect()?;
            if let Some(policy) = quorum::without(&node.policy()?, agency)? {
                events.push(GovernanceEvent::PolicySet { policy });
            }
            let leaf = node.govern(&events)?;
            println!("{agency} is removed from leaf {leaf} on; its earlier records stay");
            Ok(())
        }
    }
}

/// Makes the folder of a joining node and its request; gives the request's file.
pub(crate) fn make_request(arguments: &RequestArguments) -> anyhow::Result<PathBuf> {
    let folder = &arguments.folder;
    if folder.join(CONFIG_FILE).exists() {
        bail!("{} is a node's folder already; nothing was changed", folder.display());
    }
    let Some(address) = arguments.peers.address() else {
        bail!("say with --peer-listen where other nodes reach this one; nothing was changed");
    };
    check_address(&address)?;
    let origin = Origin::new(&arguments.origin)?;
    let keys = KeyFolder::new(folder.join("keys"));
    std::fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    keys.create()?;
    let name = KeyName::new(&format!("{origin}/{}/{}", arguments.agency, arguments.node))?;
    let cosigner = keys.generate_note_key(COSIGNER_KEY, name, SignatureType::Ed25519Cosignature)?;
    keys.generate_token(OPERATOR_TOKEN)?;
    let author = match &arguments.same_agency_as {
        Some(other) => {
            let other = NodeFolder::open(other)?;
            keys.take_agency_keys(&other.keys(), &arguments.agency)?
        }
        None => {
            keys.generate_secret(CLAIM_SECRET)?;
            keys.generate_author(&arguments.agency)?.key()
        }
    };
    let key = arguments.peers.certificate(&keys, arguments.node, &arguments.agency)?;
    let node = PeerAddress { node: arguments.node, address, key };
    let request = Request {
        log: origin,
        agency: arguments.agency.clone(),
        names: Object::new()
            .with("ru", Json::string(arguments.name_ru.as_str())?)
            .with("en", Json::string(arguments.name_en.as_str())?),
        author,
        cosigner: cosigner.verifier_key().clone(),
        node: node.clone(),
    };
    write_durably(folder, "request.json", request.to_text()?.as_bytes())?;
    let peers = (node, arguments.peers.clone());
    write_config(folder, &arguments.origin, &arguments.agency, arguments.listen, Some(&peers))?;
    NodeFolder::open(folder)?;
    Ok(folder.join("request.json"))
}

/// Takes an invitation into a joining node's folder.
pub(crate) fn join(invitation: &Path, folder: &Path) -> anyhow::Result<()> {
    let node = NodeFolder::open(folder)?;
    let invitation = Invitation::read(invitation)?;
    if invitation.log != node.config().origin {
        bail!("the invitation is to log {}, this is a node of another", invitation.log);
    }
    write_durably(folder, "invitation.json", invitation.to_text()?.as_bytes())
}

fn admit(arguments: &AdmitArguments) -> anyhow::Result<()> {
    let request = Request::read(&arguments.request)?;
    let node = arguments.operator.connect()?;
    let (leaf, invitation) = admit_request(&request, &node, !arguments.learner)?;
    std::fs::write(&arguments.invitation, invitation.to_text()?)
        .with_context(|| format!("{}", arguments.invitation.display()))?;
    println!("{} and its node {} are admitted in leaf {leaf}", request.agency, request.node.node);
    println!("Send it {}; it runs:", arguments.invitation.display());
    println!("  letopis agency join {} --folder …", arguments.invitation.display());
    Ok(())
}

/// Admits what a request asks for on the founder's running node; gives the leaf, and where the
/// new node finds the others.
pub(crate) fn admit_request(
    request: &Request,
    node: &OperatedNode,
    votes: bool,
) -> anyhow::Result<(u64, Invitation)> {
    if request.log != node.origin()? {
        bail!("the request is for log {}; nothing was changed", request.log);
    }
    let members = node.members()?;
    if members.is_empty() {
        bail!(
            "the log names no node, so nobody can join: give the founder's node an address with \
             `letopis node open` first"
        );
    }
    let events = admission(request, &node.policy()?, node.knows(&request.agency)?, votes)?;
    let leaf = node.govern(&events)?;
    Ok((leaf, Invitation { log: request.log.clone(), nodes: members }))
}

/// The events that admit what a request asks for.
fn admission(
    request: &Request,
    policy: &str,
    known: bool,
    votes: bool,
) -> anyhow::Result<Vec<GovernanceEvent>> {
    let agency = request.agency.clone();
    let PeerAddress { node, address, key } = request.node.clone();
    let mut events = Vec::new();
    if !known {
        let names = request.names.clone();
        events.push(GovernanceEvent::AgencyAdmitted { agency: agency.clone(), names });
        events.push(GovernanceEvent::KeyIntroduced { agency: agency.clone(), key: request.author });
    }
    events.push(GovernanceEvent::NodeAdmitted { node, agency: agency.clone(), address, key });
    if votes {
        events.push(GovernanceEvent::NodePromoted { node });
    }
    let policy = quorum::with(policy, &agency, node, &request.cosigner)?;
    events.push(GovernanceEvent::PolicySet { policy });
    Ok(events)
}
