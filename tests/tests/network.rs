//! The network that other tests rely on: what is lost is lost in one direction only, what is cut is
//! cut, and everything arrives again once it is healed.
//!
//! This program starts itself inside each node's namespace: it sends datagrams to the others, and
//! counts what comes. Not here: the proxy on loopback, which carries connections only.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use letopis_tests::network::{Link, Network, namespaces};
use letopis_tests::{Process, wait_for};

const NODES: usize = 3;
const LIMIT: Duration = Duration::from_secs(30);
const TALKS: &str = "LETOPIS_TALKS";
/// Time between two datagrams of a node to another.
const BEAT: Duration = Duration::from_millis(5);
/// So many bytes that a slow link is full of them.
const BYTES: usize = 1000;

/// One node: sends each other one the time in microseconds, and says what it got from whom, and how
/// old it was. Nothing when it is not started by the test below.
#[test]
fn talk() {
    let Ok(places) = std::env::var(TALKS) else { return };
    let mut places = places.split(',').map(|place| place.parse::<SocketAddr>().expect("a place"));
    let socket = UdpSocket::bind(places.next().expect("an own place")).expect("a free port");
    socket.set_read_timeout(Some(BEAT)).expect("a socket can time out");
    let others: Vec<SocketAddr> = places.collect();
    let mut next = Instant::now();
    // The test ends this process; if the test itself is killed, it ends alone.
    let end = next + 10 * LIMIT;
    while next < end {
        if Instant::now() >= next {
            for other in &others {
                // An error says that there is no way, which the test finds out by what comes.
                let mut bytes = [0; BYTES];
                bytes[..8].copy_from_slice(&now_micros().to_be_bytes());
                let _ = socket.send_to(&bytes, other);
            }
            next = Instant::now() + BEAT;
        }
        let mut bytes = [0; BYTES];
        match socket.recv_from(&mut bytes) {
            Ok((_, from)) => {
                let sent = u64::from_be_bytes(bytes[..8].try_into().expect("eight bytes"));
                let age = now_micros().saturating_sub(sent);
                println!("GOT {from} {age}");
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn now_micros() -> u64 {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a clock after 1970");
    u64::try_from(now.as_micros()).expect("a clock before the year 500,000")
}

/// What came over each link, `(from, to)`: how many datagrams, and the age of the last one.
type Counts = Arc<Mutex<BTreeMap<(usize, usize), (u64, Duration)>>>;

/// Starts the node, and counts what it says that it got.
fn start(network: &dyn Network, node: usize, counts: &Counts) -> Process {
    let own = std::env::current_exe().expect("the running test has a path");
    let mut places: Vec<usize> = (0..NODES).collect();
    places.swap(0, node);
    let places: Vec<String> =
        places.iter().map(|node| network.address(*node).to_string()).collect();
    let mut command = network.command(node, &own);
    command.args(["talk", "--exact", "--nocapture"]).env(TALKS, places.join(","));
    let mut process = Process::start(command.stdout(Stdio::piped()));
    let output = process.child().stdout.take().expect("the output is a pipe");
    let addresses: Vec<String> = (0..NODES).map(|node| network.address(node).to_string()).collect();
    let counts = Arc::clone(counts);
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let Some((from, age)) = line.strip_prefix("GOT ").and_then(|got| got.split_once(' '))
            else {
                continue;
            };
            let from = addresses.iter().position(|address| address == from).expect("a node");
            let age = Duration::from_micros(age.parse().expect("an age"));
            let mut counts = counts.lock().expect("no reader panicked");
            let count = counts.entry((from, node)).or_default();
            *count = (count.0 + 1, age);
        }
    });
    process
}

fn count(counts: &Counts, link: (usize, usize)) -> u64 {
    counts.lock().expect("no reader panicked").get(&link).map_or(0, |count| count.0)
}

/// Waits until so many more arrive over each of the links.
fn arrive(counts: &Counts, links: &[(usize, usize)], more: u64) {
    let goals: Vec<_> = links.iter().map(|link| (*link, count(counts, *link) + more)).collect();
    for (link, goal) in goals {
        wait_for(&format!("datagrams over {link:?}"), LIMIT, || {
            (count(counts, link) >= goal).then_some(())
        });
    }
}

/// While many arrive over every other link, none does over these.
fn lost(counts: &Counts, links: &[(usize, usize)]) {
    let all = (0..NODES).flat_map(|from| (0..NODES).map(move |to| (from, to)));
    let open: Vec<_> = all.filter(|link| link.0 != link.1 && !links.contains(link)).collect();
    // What was under way arrives before what is sent from now on.
    arrive(counts, &open, 20);
    let before: Vec<u64> = links.iter().map(|link| count(counts, *link)).collect();
    arrive(counts, &open, 50);
    let after: Vec<u64> = links.iter().map(|link| count(counts, *link)).collect();
    assert_eq!(before, after, "datagrams arrived over {links:?}");
}

const TEST: &str = "what_is_lost_is_lost_one_way_and_arrives_again_when_healed";

#[test]
fn what_is_lost_is_lost_one_way_and_arrives_again_when_healed() {
    let network = match namespaces(TEST, NODES) {
        Ok(Some(network)) => network,
        Ok(None) => return,
        Err(why) => return println!("skipped: needs network namespaces ({why})"),
    };
    let network = &network;
    let counts = Counts::default();
    let _nodes: Vec<Process> = (0..NODES).map(|node| start(network, node, &counts)).collect();
    lost(&counts, &[]);
    network.set(0, 1, Link::Silent);
    lost(&counts, &[(0, 1)]);
    network.set_to(2, Link::Silent);
    lost(&counts, &[(0, 1), (0, 2), (1, 2)]);
    network.set_all(Link::Open);
    lost(&counts, &[]);
    // A cable that is out is out at both ends.
    network.set(1, 2, Link::Refused);
    lost(&counts, &[(1, 2), (2, 1)]);
    network.set_all(Link::Open);
    lost(&counts, &[]);
    let delay = Duration::from_millis(40);
    network.set(2, 0, Link::Slow(delay));
    wait_for("a late datagram", LIMIT, || {
        let age = counts.lock().expect("no reader panicked").get(&(2, 0)).map(|count| count.1);
        age.filter(|age| *age >= delay)
    });
    network.set_all(Link::Open);
    lost(&counts, &[]);
}
