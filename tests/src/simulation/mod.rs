//! A deterministic simulation of the whole log: the real consensus, append machine and publication
//! code of several nodes, over a simulated network, disks and clocks, in one thread.
//!
//! Everything follows from a seed: what goes wrong and when (`faults`), what clients ask
//! (`client`) and operators change (`operator`), and the randomness of the libraries
//! (`getrandom.c`). After every step the invariants are checked (`invariant`), and every answer
//! by `oracle`. In the end everything is healed and the log must make progress.
//!
//! Not here: HTTP, the registry, and gRPC over TLS; whole programs have tests of their own.

mod client;
mod disk;
mod faults;
mod history;
mod invariant;
mod machine;
mod network;
mod operator;
mod oracle;
mod random;
mod record;
mod world;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use letopis_consensus::Bug;
use turmoil::Sim;

use faults::Faults;
use history::History;
use invariant::Invariants;
use world::{Phase, World};

const ACKNOWLEDGED: &str = "acknowledged is in every later checkpoint";
const APPLY: &str = "apply is deterministic, a reject makes no leaf";
const ONE_ROOT: &str = "one size, one root, for ever, on every node";
const UNIQUE: &str = "one record id, one leaf; one claim, one holder; dense streams";
const LINEARIZABLE: &str = "appends and reads are linearizable";
const STARTS: &str = "a node goes on unless its disk failed, and starts again";
const PROGRESS: &str = "healed, the log makes progress";

/// What a simulation is to be.
#[derive(Debug, Clone)]
pub struct Plan {
    /// From which everything follows.
    pub seed: u64,
    /// Machines, each with one node at a time.
    pub machines: u64,
    /// How many of them vote from the beginning.
    pub voters: usize,
    /// Clients at each machine.
    pub sessions: u64,
    /// How long a client thinks, on average.
    pub think: Duration,
    /// Raft entries kept for nodes that are behind.
    pub keep_entries: u64,
    /// How long things go wrong.
    pub faults: Duration,
    /// How long a healed log may take to make progress.
    pub patience: Duration,
    /// A step of the simulation.
    pub tick: Duration,
    /// A bug in every node.
    pub bug: Option<Bug>,
    /// A node with a bug of its own.
    pub liar: Option<(Bug, u64)>,
    /// Whether the trace is printed.
    pub verbose: bool,
}

impl Plan {
    /// The simulation of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let choose = random::Random::new(seed ^ 0x5eed);
        let machines = choose.between(4, 6);
        let voters = if machines == 5 && choose.chance(0.3) { 5 } else { 3 };
        Self {
            seed,
            machines,
            voters,
            sessions: 2,
            think: Duration::from_millis(80),
            keep_entries: [8, 64, 1_024][choose.between(0, 3) as usize],
            faults: Duration::from_secs(15),
            patience: Duration::from_secs(60),
            tick: Duration::from_millis(5),
            bug: None,
            liar: None,
            verbose: std::env::var_os("LETOPIS_SIMULATION_TRACE").is_some(),
        }
    }
}

/// Something that must always hold and did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// What must hold.
    pub invariant: &'static str,
    /// What was found instead.
    pub what: String,
    /// When, in simulated time.
    pub at: Duration,
}

/// What became of a simulation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// A digest of everything that happened.
    pub trace: u64,
    /// Leaves of the log.
    pub leaves: u64,
    /// Records that were acknowledged.
    pub acknowledged: u64,
    /// Simulated time.
    pub elapsed: Duration,
    /// What did not hold.
    pub broken: Option<Broken>,
}

/// The last panic of this process: tasks of a node may end in one without telling anybody.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Runs a simulation to its end, or to the first thing that does not hold.
///
/// # Panics
/// The folder for the nodes cannot be made.
#[must_use]
pub fn run(plan: Plan) -> Report {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(|panic| {
        world::lock(&PANIC).get_or_insert(panic.to_string());
    }));
    // Memory, where there is such a folder: what a crash takes is decided here, not by the disk.
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let folder = tempfile::tempdir_in(parent).expect("a folder can be made");
    let world = Arc::new(World::new(plan.clone(), folder.path()));
    let mut sim = turmoil::Builder::new()
        .tick_duration(plan.tick)
        .simulation_duration(Duration::from_secs(86_400))
        .rng_seed(plan.seed)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(10))
        .udp_capacity(1 << 16)
        .build();
    for (index, machine) in world.machines.iter().enumerate() {
        let world = Arc::clone(&world);
        sim.host(machine.host.as_str(), move || machine::run(Arc::clone(&world), index));
    }
    let leaves = steps(&world, &mut sim);
    let report = Report {
        trace: world.trace(),
        leaves,
        acknowledged: world.oracle().acknowledged_count() as u64,
        elapsed: sim.elapsed(),
        broken: world.broken(),
    };
    drop(sim);
    std::panic::set_hook(before);
    report
}

fn steps(world: &Arc<World>, sim: &mut Sim<'_>) -> u64 {
    let plan = &world.plan;
    let mut faults = Faults::new(Arc::clone(world));
    let mut history = History::new();
    let mut invariants = Invariants::new(world.machines.len());
    while world.broken().is_none() {
        world.set_now(sim.elapsed());
        if let Err(error) = sim.step() {
            world.broke(STARTS, format!("the software of a machine ended: {error}"));
        }
        invariants.check(world, &mut history);
        if let Some(panic) = world::lock(&PANIC).take() {
            world.broke(STARTS, format!("a task panicked: {panic}"));
        }
        faults.act(sim, &history);
        match world.phase() {
            Phase::Faults if sim.elapsed() >= plan.faults => faults.heal(sim),
            Phase::Faults => {}
            Phase::Healed | Phase::Quiet if sim.elapsed() >= plan.faults + plan.patience => {
                world.broke(PROGRESS, standing(world, &history));
            }
            Phase::Healed if members(world, &history).iter().all(|member| member.progressed) => {
                world.set_phase(Phase::Quiet);
            }
            Phase::Healed => {}
            Phase::Quiet if members(world, &history).iter().all(|member| member.complete) => {
                let unseen = world.oracle().unseen().copied();
                if let Some(receipt) = unseen {
                    world.broke(ACKNOWLEDGED, format!("no node has what {receipt:?} says"));
                }
                break;
            }
            Phase::Quiet => {}
        }
    }
    history.size()
}

/// A node that the log names, in the end.
struct Member {
    /// A client of it was told that its record is appended, after everything was healed.
    progressed: bool,
    /// It has every leaf, and publishes every leaf.
    complete: bool,
    standing: String,
}

fn members(world: &World, history: &History) -> Vec<Member> {
    let running = world.running();
    let nodes = history.nodes();
    let present = nodes.iter().filter(|(_, state)| state.removed.is_none());
    let found = present.map(|(number, _)| {
        let found = running.iter().find(|(_, running, _)| running == number);
        let Some((machine, _, ledger)) = found else {
            let standing = format!("node {number} does not run");
            return Member { progressed: false, complete: false, standing };
        };
        let (applied, published) =
            (ledger.applied().get(), ledger.checkpoint().map_or(0, |known| known.size.get()));
        Member {
            progressed: world.machines[*machine].state().progressed,
            complete: applied == history.size() && published == history.size(),
            standing: format!(
                "node {number} has {applied} of {} leaves, {published} published, {:?}",
                history.size(),
                ledger.status().map(|status| (status.role, status.term, status.leader))
            ),
        }
    });
    found.collect()
}

fn standing(world: &World, history: &History) -> String {
    let members = members(world, history);
    members.into_iter().map(|member| member.standing).collect::<Vec<_>>().join("; ")
}
