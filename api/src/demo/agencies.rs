//! The agencies of the demonstration: one node each, brought in with the commands' own functions.
//!
//! Not here: what the first agency does with its log; that is the same with one node and many.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use letopis_ledger::id::{AgencyId, NodeId};

use super::process::NodeProcess;
use super::report::Printer;
use crate::cli::agency::{self, RequestArguments};
use crate::cli::init::{self, PeerArguments};
use crate::cli::operator::OperatedNode;
use crate::cli::remote::Remote;
use crate::enrolment::Request;
use crate::folder::{NodeFolder, OPERATOR_TOKEN};

const ORIGIN: &str = "letopis.zarechny.example/log";
/// How long bringing a node in, or catching up, may take.
const LIMIT: Duration = Duration::from_secs(120);

/// Agencies after the first one: id, name in Russian, name in English.
const OTHERS: [(&str, &str, &str); 6] = [
    ("registry-chamber", "Регистрационная палата", "Registry Chamber"),
    ("audit-office", "Контрольно-счётная палата", "Audit Office"),
    ("region", "Область", "Region"),
    ("archive", "Архив", "Archive"),
    ("ombudsman", "Уполномоченный по правам", "Ombudsman"),
    ("university", "Университет", "University"),
];

/// The nodes of the demonstration; the first one founded the log.
pub(super) struct Agencies {
    folders: Vec<PathBuf>,
    nodes: Vec<Option<NodeProcess>>,
    first: OperatedNode,
    remote: Remote,
}

impl Agencies {
    /// Founds a log and brings the other agencies in; `count` nodes altogether.
    pub(super) fn start(place: &Path, count: usize, print: &Printer) -> anyhow::Result<Self> {
        let folder = place.join("node");
        let peers = if count > 1 { free_port()? } else { PeerArguments::default() };
        init::make_folder(&init::Arguments {
            folder: folder.clone(),
            origin: ORIGIN.to_owned(),
            agency: AgencyId::parse("zarechny")?,
            name_ru: "Муниципальное образование «Заречный»".to_owned(),
            name_en: "Municipality of Zarechny".to_owned(),
            others: Vec::new(),
            listen: ([127, 0, 0, 1], 0).into(),
            peers,
        })?;
        let node = NodeProcess::start(&folder)?;
        print.line(
            "demo.node",
            &[("address", node.address()), ("folder", &folder.display().to_string())],
        );
        let token = NodeFolder::open(&folder)?.keys().token(OPERATOR_TOKEN)?;
        let remote = Remote::new(node.address()).with_token(&token);
        let first = OperatedNode::new(remote.clone());
        let mut agencies = Self { folders: vec![folder], nodes: vec![Some(node)], first, remote };
        for number in 2..=count {
            agencies.bring_in(place, number, print)?;
        }
        agencies.wait(|status| voters(status) == count as u64, "every node votes")?;
        Ok(agencies)
    }

    /// Address of the first agency's node.
    pub(super) fn address(&self) -> &str {
        self.nodes[0].as_ref().expect("invariant: the first node runs").address()
    }

    /// The first agency's node, for its operator.
    pub(super) const fn remote(&self) -> &Remote {
        &self.remote
    }

    /// Address of the last agency's node, unless there is only one.
    pub(super) fn another(&self) -> Option<&str> {
        self.nodes[1..].last()?.as_ref().map(NodeProcess::address)
    }

    /// Ends the last agency's node without warning, as a power cut would.
    pub(super) fn kill_last(&mut self) {
        let last = self.nodes.len() - 1;
        if last > 0 {
            self.nodes[last] = None;
        }
    }

    /// Starts the node that was killed and waits until it has what it missed.
    pub(super) fn restart_last(&mut self) -> anyhow::Result<Duration> {
        let started = Instant::now();
        let last = self.nodes.len() - 1;
        self.nodes[last] = Some(NodeProcess::start(&self.folders[last])?);
        let number = last as u64 + 1;
        let caught_up = |status: &serde_json::Value| {
            let nodes = status["nodes"].as_array().into_iter().flatten();
            let mut nodes = nodes.filter(|node| node["node"].as_u64() == Some(number));
            nodes.any(|node| node["lag"].as_u64() == Some(0))
        };
        self.wait(caught_up, "the node has caught up")?;
        Ok(started.elapsed())
    }

    /// Waits until the first node is ended from outside.
    pub(super) fn wait_for_end(mut self) -> anyhow::Result<()> {
        let first = self.nodes[0].take().expect("invariant: the first node runs");
        first.wait()
    }

    fn bring_in(&mut self, place: &Path, number: usize, print: &Printer) -> anyhow::Result<()> {
        let (id, name_ru, name_en) = OTHERS[number - 2];
        let folder = place.join(id);
        let request = agency::make_request(&RequestArguments {
            folder: folder.clone(),
            origin: ORIGIN.to_owned(),
            agency: AgencyId::parse(id)?,
            name_ru: name_ru.to_owned(),
            name_en: name_en.to_owned(),
            same_agency_as: None,
            node: NodeId::new(number as u64).context("a node's number")?,
            listen: ([127, 0, 0, 1], 0).into(),
            peers: free_port()?,
        })?;
        let (_, invitation) = agency::admit_request(&Request::read(&request)?, &self.first, true)?;
        let file = place.join(format!("{id}-invitation.json"));
        std::fs::write(&file, invitation.to_text()?)?;
        agency::join(&file, &folder)?;
        let node = NodeProcess::start(&folder)?;
        print.line("demo.agency", &[("agency", name_en), ("address", node.address())]);
        self.folders.push(folder);
        self.nodes.push(Some(node));
        // One after another: until a node that votes has started, it counts against the quorum.
        self.wait(|status| voters(status) == number as u64, "the node votes")
    }

    fn wait(&self, held: impl Fn(&serde_json::Value) -> bool, what: &str) -> anyhow::Result<()> {
        let end = Instant::now() + LIMIT;
        while !held(&self.first.status()?) {
            if Instant::now() > end {
                bail!("not within {LIMIT:?}: {what}; {:#}", self.first.status()?);
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
        Ok(())
    }
}

fn voters(status: &serde_json::Value) -> u64 {
    status["voters"].as_array().map_or(0, |voters| voters.len() as u64)
}

/// A port that was free a moment ago: the log names it, so it must be known before.
fn free_port() -> anyhow::Result<PeerArguments> {
    let address: SocketAddr = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    Ok(PeerArguments { peer_listen: Some(address), ..PeerArguments::default() })
}
