//! What everything in one simulation shares: chance, time, the machines, what clients saw, and
//! the trace by which two runs are compared.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use letopis_consensus::{LedgerHandle, Positions, TreeHead};

use super::disk::Disk;
use super::network::Weather;
use super::oracle::Oracle;
use super::random::Random;
use super::{Broken, Plan};

/// The simulation's shared state. All locks are held for moments, never while calling a node.
pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) random: Random,
    pub(super) machines: Vec<Machine>,
    oracle: Mutex<Oracle>,
    weather: Mutex<Weather>,
    now: Mutex<Duration>,
    trace: Mutex<u64>,
    folder: String,
    broken: Mutex<Option<Broken>>,
    heads: Mutex<Vec<HeadEvent>>,
    phase: Mutex<Phase>,
    calls: AtomicU64,
}

/// What clients do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Whatever chance says, while things break.
    Faults,
    /// The same, with everything healed.
    Healed,
    /// Nothing new.
    Quiet,
}

/// One machine: a disk, a clock, and a node that comes and goes.
pub(super) struct Machine {
    pub(super) host: String,
    pub(super) disk: Arc<Disk>,
    pub(super) state: Mutex<MachineState>,
}

#[derive(Default)]
pub(super) struct MachineState {
    /// Number of the node; another one after the machine was wiped.
    pub(super) number: u64,
    pub(super) folder: PathBuf,
    pub(super) log_key: Option<String>,
    pub(super) ledger: Option<LedgerHandle>,
    /// How often a node was started here.
    pub(super) starts: u64,
    pub(super) clock_ms: i64,
    /// The log removed the node: the machine is to be wiped.
    pub(super) removed: bool,
    /// Told to stop in order.
    pub(super) stop: Option<tokio::sync::oneshot::Sender<()>>,
    /// Whether an append was acknowledged here after everything was healed.
    pub(super) progressed: bool,
}

/// What a node did with a head, seen at the moment it did it.
#[derive(Clone, Debug)]
pub(super) struct HeadEvent {
    pub(super) node: u64,
    pub(super) did: Did,
    pub(super) head: TreeHead,
    /// How far the node was, when that is known.
    pub(super) positions: Option<Positions>,
    /// Durable bytes of the first segment, and full tiles that a crash would take.
    pub(super) durable_leaf_bytes: u64,
    pub(super) lost_tiles: Vec<PathBuf>,
    /// The note, of a published checkpoint.
    pub(super) note: Option<String>,
}

/// What was done with a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Did {
    LogSigned,
    Cosigned,
    Published,
}

impl World {
    pub(super) fn new(plan: Plan, folder: &std::path::Path) -> Self {
        let random = Random::new(plan.seed);
        let machines = (1..=plan.machines).map(|number| {
            let folder = folder.join(format!("node{number}"));
            let state = MachineState { number, folder, ..MachineState::default() };
            Machine {
                host: format!("node{number}.example.org"),
                disk: Disk::new(random.clone()),
                state: Mutex::new(state),
            }
        });
        let machines = machines.collect();
        Self {
            plan,
            folder: folder.display().to_string(),
            machines,
            random,
            oracle: Mutex::default(),
            weather: Mutex::default(),
            now: Mutex::default(),
            trace: Mutex::new(0xcbf2_9ce4_8422_2325),
            broken: Mutex::default(),
            heads: Mutex::default(),
            phase: Mutex::new(Phase::Faults),
            calls: AtomicU64::new(0),
        }
    }

    pub(super) fn oracle(&self) -> MutexGuard<'_, Oracle> {
        lock(&self.oracle)
    }

    pub(super) fn weather(&self) -> Weather {
        *lock(&self.weather)
    }

    pub(super) fn set_weather(&self, weather: Weather) {
        *lock(&self.weather) = weather;
    }

    pub(super) fn phase(&self) -> Phase {
        *lock(&self.phase)
    }

    pub(super) fn set_phase(&self, phase: Phase) {
        *lock(&self.phase) = phase;
    }

    pub(super) fn now(&self) -> Duration {
        *lock(&self.now)
    }

    pub(super) fn set_now(&self, now: Duration) {
        *lock(&self.now) = now;
    }

    /// Numbers for the calls of one start of a node.
    pub(super) fn next_call_base(&self) -> u64 {
        (self.calls.fetch_add(1, Ordering::Relaxed) + 1) << 32
    }

    /// Adds to the trace.
    pub(super) fn note(&self, said: impl FnOnce() -> String) {
        let now = self.now();
        // The name of the folder is another one each time.
        let said = said().replace(&self.folder, "");
        let line = format!("{:>8.3} {said}", now.as_secs_f64());
        let mut trace = lock(&self.trace);
        for byte in line.bytes() {
            *trace = (*trace ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        if self.plan.verbose {
            eprintln!("{line}");
        }
    }

    pub(super) fn trace(&self) -> u64 {
        *lock(&self.trace)
    }

    /// Something that must always hold does not: the first one ends the simulation.
    pub(super) fn broke(&self, invariant: &'static str, what: String) {
        self.note(|| format!("BROKEN {invariant}: {what}"));
        let at = self.now();
        lock(&self.broken).get_or_insert(Broken { invariant, what, at });
    }

    pub(super) fn broken(&self) -> Option<Broken> {
        lock(&self.broken).clone()
    }

    pub(super) fn did(&self, event: HeadEvent) {
        lock(&self.heads).push(event);
    }

    pub(super) fn take_heads(&self) -> Vec<HeadEvent> {
        std::mem::take(&mut lock(&self.heads))
    }

    /// The running nodes, by machine.
    pub(super) fn running(&self) -> Vec<(usize, u64, LedgerHandle)> {
        let known = self.machines.iter().enumerate().filter_map(|(index, machine)| {
            let state = lock(&machine.state);
            state.ledger.clone().map(|ledger| (index, state.number, ledger))
        });
        known.collect()
    }
}

impl Machine {
    pub(super) fn state(&self) -> MutexGuard<'_, MachineState> {
        lock(&self.state)
    }

    pub(super) fn address(&self) -> String {
        format!("{}:{}", self.host, super::network::PORT)
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
