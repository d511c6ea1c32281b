//! U29, U42: three nodes of three agencies, under load, and everything that happens to machines:
//! SIGKILL, SIGSTOP, partitions (one-way too), delay, a full disk, all restarted at once.
//!
//! Where root may, each node has a network namespace of its own and the kernel loses and delays
//! packets; elsewhere a proxy on loopback does (`LETOPIS_NETWORK=proxy` chooses it).
//!
//! What was acknowledged is compared with the final log of every node, as is every head that any
//! of them published. `LETOPIS_SOAK_SECONDS` says how long (120); `LETOPIS_SOAK_SEED` replays the
//! same plan.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use letopis_tests::cluster::{Cluster, PATIENCE};
use letopis_tests::disk::SmallDisk;
use letopis_tests::load::Seen;
use letopis_tests::network::{Link, best};
use letopis_tests::node::verify;
use letopis_tests::random::Random;
use letopis_tests::wait_for;

const NODES: usize = 3;
const CLIENTS: usize = 6;
/// Time between two heads, so that nodes are hit while they publish.
const PUBLICATION: (&str, &str) = ("LETOPIS_NODE_PUBLICATION__INTERVAL_MS", "50");

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Misfortune {
    KillLeader,
    KillFollower,
    KillTwo,
    RestartAll,
    StopLeader,
    StopFollower,
    IsolateLeader,
    IsolateFollower,
    LeaderUnheard,
    LeaderDeaf,
    BreakConnections,
    Delay,
    FillDisk,
}

const ALL: [Misfortune; 13] = [
    Misfortune::KillLeader,
    Misfortune::StopLeader,
    Misfortune::IsolateLeader,
    Misfortune::KillFollower,
    Misfortune::FillDisk,
    Misfortune::RestartAll,
    Misfortune::LeaderUnheard,
    Misfortune::StopFollower,
    Misfortune::KillTwo,
    Misfortune::Delay,
    Misfortune::LeaderDeaf,
    Misfortune::IsolateFollower,
    Misfortune::BreakConnections,
];

const TEST: &str =
    "nothing_acknowledged_is_lost_doubled_or_reordered_whatever_happens_to_three_nodes";

#[test]
fn nothing_acknowledged_is_lost_doubled_or_reordered_whatever_happens_to_three_nodes() {
    let Some(network) = best(TEST, NODES) else { return };
    let seconds = number("LETOPIS_SOAK_SECONDS").unwrap_or(120);
    let seed = number("LETOPIS_SOAK_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("{seconds} s, LETOPIS_SOAK_SEED={seed}");
    let disk = SmallDisk::mount(192 + seconds / 2);
    let environment = vec![(PUBLICATION.0, PUBLICATION.1.to_owned())];
    let cluster = Cluster::start_on(network, disk.as_ref().map(SmallDisk::path), environment);
    let seen = Seen::default();
    let ended = AtomicBool::new(false);
    // A long soak writes more slowly, so that the final check stays within minutes.
    let pause = Duration::from_millis(4 + seconds / 60);
    let mut soak = Soak {
        cluster: &cluster,
        disk: disk.as_ref(),
        seen: &seen,
        random: Random::new(seed),
        kills: AtomicU64::new(0),
        counts: BTreeMap::new(),
        longest_pause: Duration::ZERO,
    };
    thread::scope(|scope| {
        let end = End(&ended);
        for number in 0..CLIENTS {
            let (cluster, seen, ended) = (&cluster, &seen, &ended);
            scope.spawn(move || {
                let _all = End(ended);
                seen.write(cluster, number, pause, ended);
            });
        }
        for node in 0..NODES {
            let (cluster, seen, ended) = (&cluster, &seen, &ended);
            scope.spawn(move || {
                let _all = End(ended);
                seen.watch_heads(cluster, node, ended);
            });
        }
        soak.run(Duration::from_secs(seconds), &ended);
        drop(end);
    });
    soak.report();
    check(&cluster, &seen);
}

/// Ends all clients when it is dropped, so that a test that panics ends too.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

struct Soak<'a> {
    cluster: &'a Cluster,
    disk: Option<&'a SmallDisk>,
    seen: &'a Seen,
    random: Random,
    kills: AtomicU64,
    counts: BTreeMap<Misfortune, u64>,
    longest_pause: Duration,
}

impl Soak<'_> {
    /// One misfortune after another; after each, records must be acknowledged again.
    fn run(&mut self, time: Duration, ended: &AtomicBool) {
        let end = Instant::now() + time;
        self.wait_for_progress(ended);
        for round in 0_usize.. {
            // Each of them once, in a fixed order, then by chance.
            let next = match ALL.get(round) {
                Some(next) => *next,
                None => ALL[usize::try_from(self.random.below(ALL.len() as u64)).expect("few")],
            };
            if Instant::now() > end || ended.load(Ordering::SeqCst) {
                return;
            }
            let before = self.seen.count();
            let happened = self.happen(next);
            self.cluster.heal();
            let waited = self.wait_for_progress(ended);
            // Some calm, so that the next one meets steady load.
            self.pause(300, 1_500);
            if !happened {
                continue;
            }
            *self.counts.entry(next).or_default() += 1;
            self.longest_pause = self.longest_pause.max(waited);
            println!("{next:?}: {} records, then {waited:?}", self.seen.count() - before);
        }
    }

    fn happen(&mut self, what: Misfortune) -> bool {
        let (leader, follower) = self.choose();
        let network = self.cluster.network();
        match what {
            Misfortune::KillLeader => self.kill(&[leader]),
            Misfortune::KillFollower => self.kill(&[follower]),
            Misfortune::KillTwo => self.kill(&[leader, follower]),
            Misfortune::RestartAll => self.kill(&[0, 1, 2]),
            Misfortune::StopLeader => self.stop(leader),
            Misfortune::StopFollower => self.stop(follower),
            Misfortune::FillDisk => return self.fill_disk(),
            Misfortune::IsolateLeader | Misfortune::IsolateFollower => {
                let node = if what == Misfortune::IsolateLeader { leader } else { follower };
                network.set_from(node, Link::Silent);
                network.set_to(node, Link::Silent);
                self.pause(1_000, 5_000);
            }
            Misfortune::LeaderUnheard => {
                network.set_from(leader, Link::Silent);
                self.pause(1_000, 5_000);
            }
            Misfortune::LeaderDeaf => {
                network.set_to(leader, Link::Silent);
                self.pause(1_000, 5_000);
            }
            Misfortune::BreakConnections => {
                network.set_all(Link::Refused);
                self.pause(100, 2_000);
            }
            Misfortune::Delay => {
                let delay = Duration::from_millis(10 + self.random.below(90));
                network.set_all(Link::Slow(delay));
                self.pause(2_000, 5_000);
            }
        }
        true
    }

    /// The leader, or any node while there is none, and another node.
    fn choose(&mut self) -> (usize, usize) {
        let any = |random: &mut Random, below: u64| {
            usize::try_from(random.below(below)).expect("few nodes")
        };
        let leader = self.cluster.leader().unwrap_or_else(|| any(&mut self.random, NODES as u64));
        let other = any(&mut self.random, NODES as u64 - 1);
        (leader, (leader + 1 + other) % NODES)
    }

    fn pause(&mut self, from: u64, until: u64) {
        thread::sleep(Duration::from_millis(from + self.random.below(until - from)));
    }

    fn kill(&mut self, nodes: &[usize]) {
        for node in nodes {
            self.cluster.kill(*node);
            self.kills.fetch_add(1, Ordering::Relaxed);
        }
        self.pause(0, 2_500);
        thread::scope(|scope| {
            for node in nodes {
                scope.spawn(|| self.cluster.restart(*node));
            }
        });
    }

    fn stop(&mut self, node: usize) {
        self.cluster.signal(node, "-STOP");
        self.pause(500, 5_000);
        self.cluster.signal(node, "-CONT");
    }

    /// The last node's disk has no room: it must stop itself, and go on when there is room again.
    fn fill_disk(&self) -> bool {
        let (Some(disk), node) = (self.disk, NODES - 1) else { return false };
        disk.fill();
        let success = wait_for("the node without a disk to stop itself", PATIENCE, || {
            self.cluster.ended(node)
        });
        assert!(!success, "a node without a disk must not end as if all were well");
        self.cluster.kill(node);
        disk.empty();
        self.cluster.restart(node);
        true
    }

    fn wait_for_progress(&self, ended: &AtomicBool) -> Duration {
        let (started, before) = (Instant::now(), self.seen.count());
        wait_for("records to be acknowledged again", PATIENCE, || {
            // A client that panicked says why itself.
            let done = self.seen.count() >= before + 2 * CLIENTS || ended.load(Ordering::SeqCst);
            done.then_some(())
        });
        started.elapsed()
    }

    fn report(&self) {
        let kills = self.kills.load(Ordering::Relaxed);
        println!("{kills} kills; {:?}; longest pause {:?}", self.counts, self.longest_pause);
        println!("{} requests had no answer or were sent again", self.seen.unknown());
    }
}

/// Every node ends up with one log, which verifies, and in which everything seen is as it was seen.
fn check(cluster: &Cluster, seen: &Seen) {
    let size = wait_for("all nodes to publish one and the same log", PATIENCE, || {
        let sizes = (0..NODES).map(|node| {
            let health = cluster.client(node)?.get("/healthz").ok()?.json();
            let size = health["published"].as_u64()?;
            (health["applied"].as_u64()? == size).then_some(size)
        });
        let sizes: Vec<u64> = sizes.collect::<Option<_>>()?;
        sizes.iter().all(|size| *size == sizes[0]).then_some(sizes[0])
    });
    for node in 0..NODES {
        let client = cluster.client(node).expect("every node runs");
        let compared = seen.compare(&client, size);
        println!("node {}: {compared:?}; lost, doubled or reordered: 0", node + 1);
        let (code, report) = verify(&["log", client.address()]);
        assert_eq!(code, 0, "{report:#}");
        assert!(compared.acknowledged > 100, "too little load");
        assert!(compared.heads > 10, "too few heads were seen");
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}
