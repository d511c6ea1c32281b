//! A node as a process of this very program: `letopis_consensus` behind the frames of `wire`.
//!
//! It parses each record, checks its signature and answers when the record is durable and a leaf.
//! Other nodes are reached as in service, by gRPC over mutual TLS. Not here: HTTP and services.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use letopis_consensus::peer::grpc::{self, GrpcLimits, GrpcTransport};
use letopis_consensus::{LedgerHandle, Node, NodeConfig, PeerConfig, Role, SigningKeys, Start};
use letopis_ledger::TreeSize;
use letopis_ledger::checkpoint::Origin;
use letopis_ledger::cosignature::CosignatureSigner;
use letopis_ledger::id::NodeId;
use letopis_ledger::record::SignedRecord;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::parts::Parts;
use super::plan::Plan;
use super::wire::{self, DONE, Frame, REFUSED};
use crate::append::{ORIGIN, cosigner_key, note_keys};

/// The request for the parts of the node's memory.
pub(crate) const MEMORY: &[u8] = b"?";

/// What the hidden `node` command is started with.
#[derive(Debug, clap::Args)]
pub(crate) struct NodeArguments {
    /// Folder of the node.
    #[arg(long)]
    folder: PathBuf,
    /// Where clients connect.
    #[arg(long)]
    listen: SocketAddr,
    /// Folder that says who the nodes are.
    #[arg(long)]
    plan: PathBuf,
    /// Which of them this is; 1 founds the log.
    #[arg(long)]
    node: NodeId,
}

/// Runs one node until it is told to end.
pub(crate) fn serve_node(arguments: &NodeArguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let plan = Plan::read(&arguments.plan)?;
        let parts = Parts::install()?;
        let node = open(arguments, &plan).await?;
        let peers = TcpListener::bind(&plan.peer(arguments.node)?.address).await?;
        let (stop, stopped) = watch::channel(false);
        let identity = plan.identity(arguments.node)?;
        let limits = GrpcLimits::default();
        let serving = tokio::spawn(grpc::serve(peers, identity, node.answerer(), limits, stopped));
        let listener = TcpListener::bind(arguments.listen).await?;
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    tokio::spawn(serve(accepted?.0, node.ledger(), parts.clone()));
                }
                fatal = node.failed() => return Err(fatal.into()),
                _ = terminate.recv() => break,
            }
        }
        stop.send_replace(true);
        serving.await??;
        Ok(node.shutdown().await?)
    })
}

async fn open(arguments: &NodeArguments, plan: &Plan) -> anyhow::Result<Node> {
    let own = arguments.node;
    let founds = own == plan.peers()[0].node;
    let keys = SigningKeys {
        // The others get it from a voter.
        log: if founds { vec![note_keys()?.0] } else { vec![] },
        keep_log: None,
        reload_log: None,
        log_post_quantum: None,
        cosigner: Some(Arc::new(CosignatureSigner::new(&cosigner_key(u8::try_from(own.get())?)?)?)),
    };
    let mut config = NodeConfig::new(arguments.folder.clone(), Origin::new(ORIGIN)?, keys);
    config.peers = PeerConfig {
        node: own,
        address: plan.peer(own)?.address.clone(),
        start: if founds { Start::Found } else { Start::Join },
        invitation: plan.peers().to_vec(),
        transport: Arc::new(GrpcTransport::new(plan.identity(own)?, GrpcLimits::default())),
    };
    Ok(Node::open(config).await?)
}

/// Serves one connection until it ends.
async fn serve(stream: TcpStream, ledger: LedgerHandle, parts: Parts) -> anyhow::Result<()> {
    let (mut reader, answers) = wire::split(stream)?;
    let ledger = Arc::new(ledger);
    loop {
        let Frame { client, body } = reader.next().await?;
        let (ledger, answers, parts) = (Arc::clone(&ledger), answers.clone(), parts.clone());
        tokio::spawn(async move {
            let body = match answer(&ledger, &parts, &body).await {
                Ok(done) => [&[DONE], done.as_slice()].concat(),
                Err(error) => [&[REFUSED], format!("{error:#}").as_bytes()].concat(),
            };
            // A client that has gone needs no answer.
            let _ = answers.send(Frame { client, body }).await;
        });
    }
}

async fn answer(ledger: &LedgerHandle, parts: &Parts, request: &[u8]) -> anyhow::Result<Vec<u8>> {
    if request == MEMORY {
        return Ok(parts.text().into_bytes());
    }
    if request.is_empty() {
        return Ok(status(ledger)?.to_bytes());
    }
    if let Ok(size) = request.try_into() {
        let size = TreeSize::new(u64::from_be_bytes(size));
        let mut published = ledger.subscribe_checkpoint();
        let reached = published.wait_for(|known| known.as_ref().is_some_and(|k| k.size >= size));
        let size = reached.await?.as_ref().map_or(TreeSize::ZERO, |known| known.size);
        return Ok(size.get().to_be_bytes().to_vec());
    }
    let receipt = ledger.append(SignedRecord::parse(request)?).await?;
    let index = receipt.leaf_index.get().to_be_bytes();
    Ok([index.as_slice(), receipt.leaf_hash.as_bytes()].concat())
}

/// How far a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) leads: bool,
    pub(crate) voters: u64,
    pub(crate) applied: u64,
    pub(crate) published: u64,
}

fn status(ledger: &LedgerHandle) -> anyhow::Result<Status> {
    let status = ledger.status()?;
    Ok(Status {
        leads: status.role == Role::Leader,
        voters: status.voters.len() as u64,
        applied: status.positions.applied.get(),
        published: status.positions.published.get(),
    })
}

impl Status {
    fn to_bytes(self) -> Vec<u8> {
        let Self { leads, voters, applied, published } = self;
        [u64::from(leads), voters, applied, published].map(u64::to_be_bytes).concat()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> anyhow::Result<Self> {
        let (numbers, rest) = bytes.as_chunks::<8>();
        let numbers: Vec<u64> = numbers.iter().map(|n| u64::from_be_bytes(*n)).collect();
        match numbers[..] {
            [leads, voters, applied, published] if rest.is_empty() => {
                Ok(Self { leads: leads == 1, voters, applied, published })
            }
            _ => anyhow::bail!("a status of {} bytes", bytes.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Status;

    #[test]
    fn a_status_comes_out_as_it_went_in() {
        let status = Status { leads: true, voters: 3, applied: 7, published: 5 };
        assert_eq!(Status::from_bytes(&status.to_bytes()).expect("whole"), status);
        assert!(Status::from_bytes(&[0; 31]).is_err());
    }
}
