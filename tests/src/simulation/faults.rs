//! What goes wrong, by chance: cuts, crashes with what was not synced lost, disks that are slow,
//! full or fail twice in a row, clocks that jump, machines that are wiped.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use turmoil::Sim;

use super::history::History;
use super::network::Weather;
use super::world::{Phase, World};

/// Makes things go wrong.
pub(super) struct Faults {
    world: Arc<World>,
    /// When a machine that is down comes back.
    back: BTreeMap<usize, Duration>,
    next_number: u64,
}

impl Faults {
    pub(super) fn new(world: Arc<World>) -> Self {
        let next_number = world.plan.machines + 1;
        Self { world, back: BTreeMap::new(), next_number }
    }

    /// Between two steps.
    pub(super) fn act(&mut self, sim: &mut Sim<'_>, history: &History) {
        self.bring_back(sim);
        if self.world.phase() != Phase::Faults || history.size() == 0 {
            return;
        }
        // Once in a third of a second.
        if self.world.random.chance(self.world.plan.tick.as_secs_f64() * 3.0) {
            self.one(sim);
        }
    }

    /// Everything works from now on.
    pub(super) fn heal(&mut self, sim: &mut Sim<'_>) {
        self.world.note(|| "everything is healed".to_owned());
        self.mend_network(sim);
        for machine in &self.world.machines {
            machine.disk.heal();
        }
        self.back.clear();
        self.world.set_phase(Phase::Healed);
    }

    fn bring_back(&mut self, sim: &mut Sim<'_>) {
        let now = self.world.now();
        for index in 0..self.world.machines.len() {
            let host = self.world.machines[index].host.clone();
            if sim.is_host_running(host.as_str()) {
                continue;
            }
            let wait = self.world.random.duration(Duration::from_secs(3));
            let healed = self.world.phase() != Phase::Faults;
            let due = *self.back.entry(index).or_insert(now + wait);
            if healed || now >= due {
                self.back.remove(&index);
                if self.world.machines[index].state().removed {
                    self.wipe(index);
                }
                sim.bounce(host.as_str());
            }
        }
    }

    fn one(&mut self, sim: &mut Sim<'_>) {
        let random = self.world.random.clone();
        let index = random.between(0, self.world.machines.len() as u64) as usize;
        let other = random.between(0, self.world.machines.len() as u64) as usize;
        let disk = Arc::clone(&self.world.machines[index].disk);
        match random.between(0, 100) {
            0..12 => self.crash(sim, index, "crashes"),
            12..24 => {
                let leader = self.leader().unwrap_or(index);
                self.crash(sim, leader, "crashes while it leads");
            }
            24..28 => {
                let all = 0..self.world.machines.len();
                all.for_each(|index| self.crash(sim, index, "crashes with all others"));
            }
            28..32 => self.stop(index),
            32..40 => self.cut(sim, index, other),
            40..46 => self.cut_one_way(sim, index, other),
            46..52 => self.isolate(sim, index),
            52..64 => self.mend_network(sim),
            64..70 => self.change_weather(sim),
            70..78 => {
                let most = Duration::from_millis(random.between(20, 1_500));
                let slow = random.chance(0.7).then_some(most);
                self.world.note(|| format!("disk {index} takes up to {slow:?}"));
                disk.set_slow(slow);
            }
            78..84 => {
                self.world.note(|| format!("disk {index} fails twice"));
                disk.fail_next(2);
            }
            84..89 => {
                let full = random.chance(0.5);
                self.world.note(|| format!("disk {index} is full: {full}"));
                self.world.machines.iter().for_each(|machine| machine.disk.set_full(false));
                disk.set_full(full);
            }
            89..94 => {
                let jump = random.between(0, 1_200_000) as i64 - 600_000;
                self.world.note(|| format!("clock {index} jumps by {jump} ms"));
                self.world.machines[index].state().clock_ms += jump;
            }
            _ => self.crash(sim, other, "crashes"),
        }
    }

    fn leader(&self) -> Option<usize> {
        let leads = |ledger: &letopis_consensus::LedgerHandle| {
            ledger.status().is_ok_and(|status| status.role == letopis_consensus::Role::Leader)
        };
        let running = self.world.running();
        running.iter().find(|(_, _, ledger)| leads(ledger)).map(|(index, _, _)| *index)
    }

    fn crash(&mut self, sim: &mut Sim<'_>, index: usize, how: &str) {
        let machine = &self.world.machines[index];
        if !sim.is_host_running(machine.host.as_str()) {
            return;
        }
        self.world.note(|| format!("machine {index} {how}"));
        sim.crash(machine.host.as_str());
        machine.state().ledger = None;
    }

    fn stop(&self, index: usize) {
        if let Some(stop) = self.world.machines[index].state().stop.take() {
            self.world.note(|| format!("machine {index} is told to stop"));
            let _ = stop.send(());
        }
    }

    fn cut(&self, sim: &Sim<'_>, one: usize, other: usize) {
        if one != other {
            self.world.note(|| format!("{one} and {other} are cut"));
            sim.partition(self.host(one), self.host(other));
        }
    }

    fn cut_one_way(&self, sim: &Sim<'_>, from: usize, to: usize) {
        if from != to {
            self.world.note(|| format!("nothing comes from {from} to {to}"));
            sim.partition_oneway(self.host(from), self.host(to));
        }
    }

    fn isolate(&self, sim: &Sim<'_>, one: usize) {
        let way = self.world.random.between(0, 3);
        for other in 0..self.world.machines.len() {
            match way {
                0 => self.cut(sim, one, other),
                1 => self.cut_one_way(sim, one, other),
                _ => self.cut_one_way(sim, other, one),
            }
        }
    }

    fn mend_network(&self, sim: &mut Sim<'_>) {
        self.world.note(|| "the network is whole".to_owned());
        for one in 0..self.world.machines.len() {
            for other in one + 1..self.world.machines.len() {
                sim.repair(self.host(one), self.host(other));
            }
        }
        sim.set_max_message_latency(Duration::from_millis(10));
        self.world.set_weather(Weather::default());
    }

    fn change_weather(&self, sim: &Sim<'_>) {
        let random = &self.world.random;
        let weather = Weather {
            loss: random.between(0, 20) as f64 / 100.0,
            duplicates: random.between(0, 30) as f64 / 100.0,
            late: Duration::from_millis(random.between(1, 4_000)),
        };
        self.world.note(|| format!("loss {} duplicates {}", weather.loss, weather.duplicates));
        self.world.set_weather(weather);
        sim.set_max_message_latency(Duration::from_millis(random.between(5, 150)));
    }

    /// A machine whose node was removed comes back as another one.
    fn wipe(&mut self, index: usize) {
        let machine = &self.world.machines[index];
        let next = self.next_number;
        self.next_number += 1;
        machine.disk.crash();
        let mut state = machine.state();
        let number = state.number;
        state.folder = state.folder.with_file_name(format!("node{next}"));
        (state.number, state.log_key, state.ledger) = (next, None, None);
        state.removed = false;
        drop(state);
        self.world.note(|| format!("node {number} is wiped and becomes node {next}"));
    }

    fn host(&self, index: usize) -> &str {
        &self.world.machines[index].host
    }
}
