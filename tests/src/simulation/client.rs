//! Clients connected to a node: they append, repeat, race for names, read, and tell the oracle
//! what they were told.

use std::sync::Arc;
use std::time::Duration;

use letopis_consensus::{AppendError, Consistency, LedgerHandle, ReadError};
use letopis_ledger::TreeSize;
use letopis_ledger::id::RecordId;
use letopis_ledger::record::{ClaimOperation, SignedRecord};

use super::record::{claim, claim_name, event, genesis, signed, stream};
use super::world::{Phase, World};
use super::{LINEARIZABLE, operator};

/// How long a read may wait.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// One client after another, until the machine crashes or nothing more is asked.
pub(super) async fn run(world: Arc<World>, index: usize, session: u64, ledger: LedgerHandle) {
    let client = Client { world, index, session, ledger };
    loop {
        let pause = client.world.random.duration(client.world.plan.think * 2);
        tokio::time::sleep(pause).await;
        if client.ledger.status().is_err() {
            return;
        }
        if client.world.phase() != Phase::Quiet {
            client.act().await;
        }
    }
}

struct Client {
    world: Arc<World>,
    index: usize,
    session: u64,
    ledger: LedgerHandle,
}

impl Client {
    async fn act(&self) {
        if self.ledger.applied() == TreeSize::ZERO {
            return self.begin_log().await;
        }
        match self.world.random.between(0, 100) {
            0..45 => self.append(self.new_case()).await,
            45..55 => {
                if let Some(record) = self.next_of_case() {
                    self.append(record).await;
                }
            }
            55..70 => {
                if let Some(record) = self.race_for_name() {
                    self.append(record).await;
                }
            }
            70..80 => self.repeat().await,
            80..90 => self.read_newest().await,
            90..95 => self.read_at_least().await,
            _ => {
                if self.world.phase() == Phase::Faults
                    && let Some(record) = operator::next_record(&self.world, &self.ledger)
                {
                    self.append(record).await;
                }
            }
        }
    }

    /// The first record of the log, by a client of the machine that founded it.
    async fn begin_log(&self) {
        let founds = self.index == 0 && self.session == 0;
        if founds && self.world.machines[0].state().number == 1 {
            let voters = self.world.machines.iter().take(self.world.plan.voters);
            let voters = voters.map(|machine| (machine.state().number, machine.address()));
            self.append(genesis(&voters.collect::<Vec<_>>())).await;
        }
    }

    fn id(&self) -> RecordId {
        let ms = u64::try_from(self.world.now().as_millis()).unwrap_or(0);
        RecordId::from_parts(1_750_000_000_000 + ms, &self.world.random.bytes())
    }

    fn new_case(&self) -> SignedRecord {
        let id = self.id();
        signed(id, vec![event(&stream(&format!("case/{id}")), 0)], vec![])
    }

    /// The next event of a case that others extend too: one of them wins.
    fn next_of_case(&self) -> Option<SignedRecord> {
        let case = stream(&format!("case/{}", self.world.random.between(0, 4)));
        let length = self.ledger.stream(&case).ok()?.map_or(0, |known| known.length.get());
        Some(signed(self.id(), vec![event(&case, length)], vec![]))
    }

    fn race_for_name(&self) -> Option<SignedRecord> {
        let name = self.world.random.between(0, 3);
        let holder = self.ledger.claim(&claim_name(name)).ok()?;
        let Some(holder) = holder else {
            let id = self.id();
            let case = stream(&format!("case/{id}"));
            let taken = claim(name, ClaimOperation::Take, &case);
            return Some(signed(id, vec![event(&case, 0)], vec![taken]));
        };
        if self.world.random.chance(0.5) {
            // Somebody else has it: this must be refused, unless it is given up meanwhile.
            let id = self.id();
            let case = stream(&format!("case/{id}"));
            let taken = claim(name, ClaimOperation::Take, &case);
            return Some(signed(id, vec![event(&case, 0)], vec![taken]));
        }
        let length = self.ledger.stream(&holder).ok()??.length.get();
        let given_up = claim(name, ClaimOperation::Release, &holder);
        Some(signed(self.id(), vec![event(&holder, length)], vec![given_up]))
    }

    /// Sends a record again that somebody sent before, whatever became of it.
    async fn repeat(&self) {
        let number = self.world.random.between(0, u64::MAX);
        let record = {
            let oracle = self.world.oracle();
            oracle.any(number).filter(|record| oracle.is_open(record.record().id()))
        };
        if let Some(record) = record {
            self.append(record).await;
        }
    }

    async fn append(&self, record: SignedRecord) {
        let id = record.record().id();
        self.world.oracle().begin_append(&record);
        let answer = self.ledger.append(record).await;
        self.world.note(|| match &answer {
            Ok(receipt) => format!("{id} at machine {}: leaf {}", self.index, receipt.leaf_index),
            Err(error) => format!("{id} at machine {}: {}", self.index, error.code()),
        });
        if answer.is_ok() && self.world.phase() == Phase::Healed {
            self.world.machines[self.index].state().progressed = true;
        }
        if let Err(AppendError::Stopped { .. }) = answer {
            return;
        }
        let held = self.world.oracle().end_append(id, &answer);
        self.hold(held);
    }

    async fn read_newest(&self) {
        let floor = self.world.oracle().begin_read();
        let known = self.world.random.between(0, u64::MAX);
        let known = self.world.oracle().any_acknowledged(known);
        let read = self.ledger.wait_for(Consistency::Linearizable, READ_TIMEOUT).await;
        let Ok(seen) = read else { return };
        let held = self.world.oracle().end_read(floor, seen.get());
        self.hold(held);
        let Some(known) = known else { return };
        let found = self.ledger.record(known.record_id);
        let same = |found: letopis_consensus::Receipt| found.leaf_index == known.leaf_index;
        if let Ok(found) = found
            && !found.is_some_and(same)
        {
            self.hold(Err(format!("a read found {found:?} instead of {known:?}")));
        }
    }

    async fn read_at_least(&self) {
        let asked = TreeSize::new(self.ledger.applied().get() + self.world.random.between(0, 3));
        match self.ledger.wait_for(Consistency::AtLeast(asked), READ_TIMEOUT).await {
            Ok(seen) if seen < asked => {
                self.hold(Err(format!("a read of at least {asked} leaves saw {seen}")));
            }
            Err(ReadError::Behind { applied, .. }) if applied >= asked => {
                self.hold(Err(format!("a node with {applied} leaves says it has not {asked}")));
            }
            _ => {}
        }
    }

    fn hold(&self, held: Result<(), String>) {
        if let Err(what) = held {
            self.world.broke(LINEARIZABLE, what);
        }
    }
}
