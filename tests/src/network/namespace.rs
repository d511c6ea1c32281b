//! A network that the kernel makes: each node runs in a network namespace of its own, as on a
//! machine of its own, and reaches each other node over one virtual cable.
//!
//! What is cut, lost or late is so for packets, in one direction. The test runs in a namespace too,
//! with another cable to each node for its clients. Everything goes with the processes in it: each
//! namespace is held by one that ends when the test does. Needs root, and `ip`, `tc`, `unshare` and
//! `nsenter`. Not here: what to do without them (`proxy`).

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Link, Network};
use crate::{Process, wait_for};

/// Set inside to the namespace that the test was started in, so that nobody who sets it by mistake
/// changes the network of a machine.
const OUTSIDE: &str = "LETOPIS_OUTSIDE_NAMESPACE";
/// Port for other nodes; nobody else is in a node's namespace.
const PEER_PORT: u16 = 7000;
/// A queue of less than a packet: everything is dropped, and whoever sends is not told.
const DROP_ALL: &str = "tbf rate 8bit burst 1b limit 1b";
/// Bits of a full packet, and packets that wait before one is dropped, on a slow link.
const PACKET_BITS: u128 = 1514 * 8;
const SLOW_QUEUE_BYTES: u32 = 20 * 1514;

/// What the network needs of the machine, tried in a namespace that ends with it.
const TRIAL: &str = "set -e
    ip link add name trial type veth peer name end
    tc qdisc add dev trial root netem loss 100% ||
        tc qdisc add dev trial root tbf rate 8bit burst 1b limit 1b
    nsenter --net=/proc/self/ns/net true";

/// The network.
#[derive(Debug)]
pub struct Namespaces {
    /// One process for each node; its namespace is the node's.
    keepers: Vec<Process>,
    links: Mutex<Vec<Vec<Link>>>,
    /// Whether the kernel can delay packets; one without `netem` only sends them slowly.
    delays: bool,
}

fn namespace_of(process: &str) -> PathBuf {
    fs::read_link(format!("/proc/{process}/ns/net")).unwrap_or_default()
}

/// Whether this is a namespace that [`run_inside`] made.
pub(super) fn is_inside() -> bool {
    std::env::var_os(OUTSIDE).is_some_and(|outside| namespace_of("self").as_os_str() != outside)
}

/// Whether this machine lets the network be made, or why not.
pub(super) fn can_be_made() -> Result<(), String> {
    let tried = Command::new("unshare").args(["--net", "sh", "-c", TRIAL]).output();
    let tried = tried.map_err(|error| format!("unshare: {error}"))?;
    if tried.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&tried.stderr);
    Err(complaint.trim().lines().last().unwrap_or("no reason is given").to_owned())
}

/// Runs the test of this name in a namespace, and says what it says.
pub(super) fn run_inside(test: &str) {
    let own = std::env::current_exe().expect("the running test has a path");
    // The shell joins the two outputs, so that their order stays.
    let mut command = Command::new("unshare");
    command.args(["--net", "sh", "-c", "exec \"$0\" \"$@\" 2>&1"]).arg(own);
    command.args([test, "--exact", "--nocapture"]).env(OUTSIDE, namespace_of("self"));
    let mut process = Process::start(command.stdout(Stdio::piped()));
    let output = process.child().stdout.take().expect("the output is a pipe");
    for line in BufReader::new(output).lines() {
        println!("| {}", line.expect("the output is text"));
    }
    let status = process.child().wait().expect("a child process can be waited for");
    assert!(status.success(), "{test} failed in its network namespace: {status}");
}

impl Namespaces {
    /// A network between so many nodes.
    ///
    /// # Panics
    /// This is no namespace of the test's own, or the kernel does not make what it made in the
    /// trial.
    #[must_use]
    pub fn new(count: usize) -> Self {
        assert!(is_inside(), "the machine's own network is left alone");
        let mut network = Self {
            keepers: (0..count).map(|_| keeper()).collect(),
            links: Mutex::new(vec![vec![Link::Open; count]; count]),
            delays: false,
        };
        run(words(&mut Command::new("ip"), "link set dev lo up"));
        (0..count).for_each(|node| network.connect_clients(node));
        for first in 0..count {
            (first + 1..count).for_each(|second| network.connect(first, second));
        }
        network.delays = network.can_delay();
        let slow = if network.delays { "are delayed" } else { "queue for a slow link" };
        println!("each node has a network namespace of its own; late packets {slow}");
        network
    }

    /// The cable for clients.
    fn connect_clients(&self, node: usize) {
        let keeper = self.keepers[node].id();
        let (name, number) = (format!("node{}", node + 1), node + 1);
        let make = format!("link add name {name} type veth peer name clients netns {keeper}");
        run(words(&mut Command::new("ip"), &make));
        let (here, there) = (format!("10.77.{number}.1/24"), format!("10.77.{number}.2/24"));
        run(words(&mut Command::new("ip"), &format!("addr add {here} dev {name}")));
        run(words(&mut Command::new("ip"), &format!("link set dev {name} up")));
        self.ip(node, "link set dev lo up");
        // A node keeps its address when all of its cables are out.
        self.ip(node, &format!("addr add {}/32 dev lo", self.address(node).ip()));
        self.ip(node, &format!("addr add {there} dev clients"));
        self.ip(node, "link set dev clients up");
    }

    /// The cable between two nodes.
    fn connect(&self, first: usize, second: usize) {
        let [one, other] = [first, second].map(|node| self.keepers[node].id());
        let (to_second, to_first) = (device(second), device(first));
        let make = format!(
            "link add name {to_second} netns {one} type veth peer name {to_first} netns {other}"
        );
        run(words(&mut Command::new("ip"), &make));
        for (node, other) in [(first, second), (second, first)] {
            let (own, peer) = (self.address(node).ip(), self.address(other).ip());
            self.ip(node, &format!("addr add {own} peer {peer}/32 dev {}", device(other)));
            self.ip(node, &format!("link set dev {} up", device(other)));
        }
    }

    fn can_delay(&self) -> bool {
        let mut tried = self.command(0, Path::new("tc"));
        words(&mut tried, "qdisc add dev clients root netem delay 1ms");
        let can = tried.output().is_ok_and(|output| output.status.success());
        if can {
            self.tc(0, "qdisc del dev clients root");
        }
        can
    }

    fn ip(&self, node: usize, arguments: &str) {
        run(words(&mut self.command(node, Path::new("ip")), arguments));
    }

    fn tc(&self, node: usize, arguments: &str) {
        run(words(&mut self.command(node, Path::new("tc")), arguments));
    }

    /// How packets leave a link that does this with them.
    fn queue(&self, link: Link) -> Option<String> {
        match link {
            Link::Open | Link::Refused => None,
            Link::Silent if self.delays => Some("netem loss 100%".to_owned()),
            Link::Silent => Some(DROP_ALL.to_owned()),
            Link::Slow(delay) if self.delays => {
                Some(format!("netem delay {}us limit 10000", delay.as_micros()))
            }
            Link::Slow(delay) => {
                let bits = PACKET_BITS * 1_000_000 / delay.as_micros().max(1);
                Some(format!("tbf rate {bits}bit burst 1600b limit {SLOW_QUEUE_BYTES}b"))
            }
        }
    }
}

impl Network for Namespaces {
    fn count(&self) -> usize {
        self.keepers.len()
    }

    fn address(&self, node: usize) -> SocketAddr {
        SocketAddr::from(([10, 78, 0, number(node)], PEER_PORT))
    }

    fn listen(&self, node: usize) -> SocketAddr {
        self.address(node)
    }

    fn listen_for_clients(&self, node: usize) -> SocketAddr {
        SocketAddr::from(([10, 77, number(node), 2], 0))
    }

    fn command(&self, node: usize, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.keepers[node].id())).arg(program);
        command
    }

    fn runs_as(&self, _: usize, _: Option<u32>) {}

    fn set(&self, from: usize, to: usize, link: Link) {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut links[from][to], link);
        if before == link {
            return;
        }
        let device = device(to);
        if before == Link::Refused {
            self.ip(from, &format!("link set dev {device} up"));
        }
        match (self.queue(before), self.queue(link)) {
            (_, Some(queue)) => self.tc(from, &format!("qdisc replace dev {device} root {queue}")),
            (Some(_), None) => self.tc(from, &format!("qdisc del dev {device} root")),
            (None, None) => {}
        }
        if link == Link::Refused {
            // Not every kernel can; there, connections end by their own time limits.
            let mut kill = self.command(from, Path::new("ss"));
            words(&mut kill, &format!("--kill dst {}", self.address(to).ip()));
            let _ = kill.output();
            self.ip(from, &format!("link set dev {device} down"));
        }
    }
}

/// A process with a namespace of its own. It reads from this one and so ends with it.
fn keeper() -> Process {
    let mut command = Command::new("unshare");
    command.args(["--net", "cat"]).stdin(Stdio::piped()).stdout(Stdio::null());
    let keeper = Process::start(&mut command);
    let process = keeper.id().to_string();
    wait_for("a network namespace", Duration::from_secs(30), || {
        let made = namespace_of(&process);
        (made != PathBuf::new() && made != namespace_of("self")).then_some(())
    });
    keeper
}

/// Where packets to a node leave another one.
fn device(to: usize) -> String {
    format!("to{}", to + 1)
}

fn number(node: usize) -> u8 {
    u8::try_from(node + 1).expect("few nodes")
}

fn words<'a>(command: &'a mut Command, arguments: &str) -> &'a mut Command {
    command.args(arguments.split_whitespace())
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {complaint}");
}
