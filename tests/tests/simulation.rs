//! The simulation of several nodes: seed after seed nothing is lost, and planted bugs are found.
//!
//! A seed runs in a process of its own, so that nothing of another one reaches it: this program
//! starts itself with `LETOPIS_SEED`, which also seeds the libraries' randomness.
//! `LETOPIS_SEEDS=2000` runs more of them, `LETOPIS_FIRST_SEED=…` others.

use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use letopis_consensus::Bug;
use letopis_tests::simulation::{Plan, Report, run};

const SEEDS: u64 = 200;

/// What a child said of its seed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    seed: u64,
    summary: String,
    broken: Option<String>,
}

const BUGS: [(&str, Bug); 7] = [
    ("acknowledge-before-sync", Bug::AcknowledgeBeforeSync),
    ("skip-dedup", Bug::SkipDedup),
    ("sign-before-commit", Bug::SignBeforeCommit),
    ("apply-twice", Bug::ApplyTwice),
    ("forget-claim", Bug::ForgetClaim),
    ("trust-peer", Bug::TrustPeer),
    ("lie", Bug::LieAboutRoot),
];

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn plan(seed: u64) -> Plan {
    let plan = Plan::of(seed);
    let named = std::env::var("LETOPIS_BUG").unwrap_or_default();
    let bug = BUGS.into_iter().find(|(name, _)| *name == named).map(|(_, bug)| bug);
    // Whom to trust matters only where somebody lies: node 1, which leads first.
    let liar = matches!(bug, Some(Bug::TrustPeer | Bug::LieAboutRoot));
    Plan {
        bug: bug.filter(|bug| *bug != Bug::LieAboutRoot),
        liar: liar.then_some((Bug::LieAboutRoot, 1)),
        ..plan
    }
}

/// The seed of `LETOPIS_SEED`; nothing without it.
#[test]
fn one_seed() {
    let Ok(seed) = std::env::var("LETOPIS_SEED") else { return };
    let seed = seed.parse().expect("LETOPIS_SEED is a number");
    let started = Instant::now();
    let Report { trace, leaves, acknowledged, elapsed, broken } = run(plan(seed));
    println!("\nTOLD trace {trace:016x} leaves {leaves} acknowledged {acknowledged} {elapsed:?}");
    if let Some(broken) = broken {
        println!("BROKEN {} | {:?}: {}", broken.invariant, broken.at, broken.what);
    }
    println!("TOOK {:?}", started.elapsed());
}

fn child(seed: u64, bug: &str) -> Told {
    let own = std::env::current_exe().expect("the running test has a path");
    let output = Command::new(own)
        .args(["one_seed", "--exact", "--nocapture"])
        .env("LETOPIS_SEED", seed.to_string())
        .env("LETOPIS_BUG", bug)
        .output()
        .expect("this program starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let line = |begin: &str| text.lines().find_map(|line| line.strip_prefix(begin));
    let summary = line("TOLD ").unwrap_or("it ended without a word").to_owned();
    let mut broken = line("BROKEN ").map(str::to_owned);
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        broken.get_or_insert(format!("the process ended with {}: {errors}", output.status));
    }
    Told { seed, summary, broken }
}

/// Runs seeds, as many at a time as there are cores, until one does not hold.
fn first_broken(first: u64, count: u64, bug: &str) -> (u64, Option<Told>) {
    let next = AtomicU64::new(first);
    let lowest = AtomicU64::new(u64::MAX);
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let mut broken: Vec<Told> = std::thread::scope(|scope| {
        let work = || {
            let mut found = vec![];
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= first + count || seed > lowest.load(Ordering::Relaxed) {
                    return found;
                }
                let told = child(seed, bug);
                if told.broken.is_some() {
                    lowest.fetch_min(seed, Ordering::Relaxed);
                    found.push(told);
                }
            }
        };
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("it ends")).collect()
    });
    broken.sort_by_key(|told| told.seed);
    let seeds = broken.first().map_or(count, |told| told.seed - first + 1);
    (seeds, broken.into_iter().next())
}

#[test]
fn nothing_is_lost_doubled_or_reordered_and_a_healed_log_goes_on() {
    let (first, count) = (number("LETOPIS_FIRST_SEED", 1), number("LETOPIS_SEEDS", SEEDS));
    let started = Instant::now();
    let (seeds, broken) = first_broken(first, count, "");
    if let Some(Told { seed, broken, .. }) = broken {
        panic!(
            "seed {seed}: {}\nreplay it with: LETOPIS_SEED={seed} LETOPIS_SIMULATION_TRACE=1 \
             cargo test --release -p letopis-tests --test simulation one_seed -- --exact --nocapture",
            broken.unwrap_or_default()
        );
    }
    println!("{seeds} seeds from {first} on held, in {:?}", started.elapsed());
}

#[test]
fn a_seed_replays_exactly() {
    for seed in [3, 4] {
        assert_eq!(child(seed, ""), child(seed, ""));
    }
}

/// Each is found within so many seeds.
const SEEDS_FOR_A_BUG: u64 = 40;

fn found(bug: &str) -> String {
    let (seeds, broken) = first_broken(1, SEEDS_FOR_A_BUG, bug);
    let broken = broken.and_then(|told| told.broken);
    let broken = broken.unwrap_or_else(|| panic!("{bug} was not found in {seeds} seeds"));
    println!("{bug} was found by seed {seeds}: {broken}");
    broken
}

#[test]
fn acknowledging_before_the_sync_is_found() {
    found("acknowledge-before-sync");
}

#[test]
fn skipping_the_dedup_is_found() {
    found("skip-dedup");
}

#[test]
fn signing_before_the_commit_is_found() {
    let broken = found("sign-before-commit");
    assert!(broken.starts_with("published ≤ cosigned"), "{broken}");
}

#[test]
fn applying_twice_is_found() {
    let broken = found("apply-twice");
    assert!(broken.starts_with("one record id, one leaf"), "{broken}");
}

#[test]
fn forgetting_a_claim_is_found() {
    found("forget-claim");
}

#[test]
fn trusting_a_peer_s_root_is_found() {
    let broken = found("trust-peer");
    assert!(broken.starts_with("one size, one root"), "{broken}");
}

/// The same lie among nodes that compare does nothing.
#[test]
fn a_lying_leader_among_honest_nodes_gets_no_cosignature() {
    let (_, broken) = first_broken(1, 4, "lie");
    assert_eq!(broken, None);
}
