//! A ledger in memory for tests: the rules of the append machine without replication.
//!
//! It can be told to let somebody else be faster, to be full, or to be cut off.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use letopis_ledger::checkpoint::Origin;
use letopis_ledger::id::{AgencyId, ClaimName, RecordId, StreamName};
use letopis_ledger::key::AuthorSigner;
use letopis_ledger::leaf::{Leaf, genesis_link};
use letopis_ledger::record::{ClaimOperation, SignedRecord};
use letopis_ledger::{LeafIndex, StreamVersion, Timestamp};

use super::*;
use crate::environment::{Clock, Entropy};

/// What happens to the next appends, in order.
pub(crate) enum Mishap {
    /// The record is appended as usual.
    Nothing,
    /// Somebody else is faster: this is done first, then the record is appended.
    Rival(Box<dyn FnOnce() + Send>),
    /// The record is not appended, and the ledger says that it is full.
    Busy,
    /// The record is appended, but the answer is lost.
    AnswerLost,
    /// The record is lost before it reaches the ledger.
    RecordLost,
}

#[derive(Default)]
struct State {
    leaves: Vec<Leaf>,
    lengths: BTreeMap<StreamName, StreamVersion>,
    claims: BTreeMap<ClaimName, StreamName>,
    records: BTreeMap<RecordId, (Vec<u8>, Appended)>,
    mishaps: VecDeque<Mishap>,
    /// A time that a test chose, and how many leaves there were then.
    chosen: Option<(i64, i64)>,
}

/// The ledger; clones share it.
#[derive(Clone, Default)]
pub(crate) struct TwinLedger(Arc<Mutex<State>>);

/// A clock that goes forward by a second each time it is read.
#[derive(Debug)]
pub(crate) struct TwinClock(AtomicU64);

/// A generator that repeats itself from run to run.
#[derive(Debug, Default)]
pub(crate) struct TwinEntropy(AtomicU64);

impl TwinLedger {
    pub(crate) fn leaves_now(&self) -> Vec<Leaf> {
        self.0.lock().unwrap().leaves.clone()
    }

    pub(crate) fn next(&self, mishap: Mishap) {
        self.0.lock().unwrap().mishaps.push_back(mishap);
    }

    /// Leaves have this time from now on, each a millisecond later than the one before.
    pub(crate) fn set_time(&self, at: Timestamp) {
        let mut state = self.0.lock().unwrap();
        let count = i64::try_from(state.leaves.len()).unwrap();
        state.chosen = Some((at.unix_ms(), count));
    }

    /// Appends as somebody else would, without the engine.
    pub(crate) fn append_now(&self, record: SignedRecord) -> Result<Appended, AppendRefused> {
        self.0.lock().unwrap().append(record)
    }
}

impl State {
    fn append(&mut self, record: SignedRecord) -> Result<Appended, AppendRefused> {
        let id = record.record().id();
        if let Some((bytes, appended)) = self.records.get(&id) {
            let same = bytes == record.record_bytes();
            return if same { Ok(*appended) } else { Err(AppendRefused::RecordIdReused { id }) };
        }
        self.check(&record)?;
        let index = LeafIndex::new(self.leaves.len() as u64);
        let count = i64::try_from(self.leaves.len()).unwrap();
        let (from_ms, before) = self.chosen.unwrap_or((1_795_000_000_000, 0));
        let time = Timestamp::from_unix_ms(from_ms + count - before).unwrap();
        let previous = self.leaves.last().map_or_else(genesis_link, Leaf::hash);
        for event in record.record().events() {
            self.lengths.insert(event.stream.clone(), event.version.next());
        }
        for claim in record.record().claims() {
            match claim.operation {
                ClaimOperation::Take => {
                    self.claims.insert(claim.name.clone(), claim.holder.clone())
                }
                ClaimOperation::Release => self.claims.remove(&claim.name),
            };
        }
        let appended = Appended { leaf: index, time };
        self.records.insert(id, (record.record_bytes().to_vec(), appended));
        self.leaves.push(Leaf::new(index, previous, time, record).unwrap());
        Ok(appended)
    }

    fn check(&self, record: &SignedRecord) -> Result<(), AppendRefused> {
        for (stream, expected) in record.record().expected_lengths() {
            let actual = self.lengths.get(stream).copied().unwrap_or(StreamVersion::ZERO);
            if actual != expected {
                let stream = stream.clone();
                return Err(AppendRefused::VersionConflict { stream, expected, actual });
            }
        }
        for claim in record.record().claims() {
            let name = claim.name.clone();
            match (claim.operation, self.claims.get(&claim.name)) {
                (ClaimOperation::Take, Some(holder)) => {
                    let holder = holder.clone();
                    return Err(AppendRefused::ClaimTaken { claim: name, holder });
                }
                (ClaimOperation::Release, holder) if holder != Some(&claim.holder) => {
                    return Err(AppendRefused::ClaimNotHeld { claim: name });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl LedgerPort for TwinLedger {
    async fn append(&self, record: SignedRecord) -> Result<Appended, AppendRefused> {
        let mishap = self.0.lock().unwrap().mishaps.pop_front();
        if let Some(Mishap::Rival(first)) = mishap {
            std::thread::spawn(first).join().unwrap();
            return self.append_now(record);
        }
        let mut state = self.0.lock().unwrap();
        let cut_off = || AppendRefused::Unavailable { reason: "cut off".into() };
        match mishap {
            None | Some(Mishap::Nothing | Mishap::Rival(_)) => state.append(record),
            Some(Mishap::Busy) => Err(AppendRefused::Busy { retry_after_ms: 50 }),
            Some(Mishap::RecordLost) => Err(cut_off()),
            Some(Mishap::AnswerLost) => {
                state.append(record).unwrap();
                Err(cut_off())
            }
        }
    }

    async fn leaves(&self, from: LeafIndex, most: usize) -> Result<Vec<Leaf>, ReadFailed> {
        let state = self.0.lock().unwrap();
        let from = usize::try_from(from.get()).unwrap().min(state.leaves.len());
        Ok(state.leaves[from..].iter().take(most).cloned().collect())
    }
}

impl TwinClock {
    pub(crate) fn at(text: &str) -> Self {
        Self(AtomicU64::new(Timestamp::parse(text).unwrap().unix_ms().unsigned_abs()))
    }

    pub(crate) fn set(&self, text: &str) {
        let unix_ms = Timestamp::parse(text).unwrap().unix_ms().unsigned_abs();
        self.0.store(unix_ms, Ordering::SeqCst);
    }
}

impl Clock for TwinClock {
    fn now(&self) -> Timestamp {
        let unix_ms = self.0.fetch_add(1_000, Ordering::SeqCst);
        Timestamp::from_unix_ms(i64::try_from(unix_ms).unwrap()).unwrap()
    }
}

impl Entropy for TwinEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let counter = self.0.fetch_add(1, Ordering::SeqCst);
            let block = letopis_ledger::Hash::of(&counter.to_be_bytes());
            chunk.copy_from_slice(&block.as_bytes()[..chunk.len()]);
        }
    }
}

/// An engine over a ledger in memory, with the pack of Zarechny published and installed.
pub(crate) struct TwinNode {
    pub(crate) engine: CaseEngine<TwinLedger>,
    pub(crate) ledger: TwinLedger,
    pub(crate) clock: Arc<TwinClock>,
    /// Removed with the node.
    pub(crate) folder: tempfile::TempDir,
}

pub(crate) fn author() -> Author {
    Author {
        log: Origin::new("letopis.example/zarechny").unwrap(),
        agency: AgencyId::parse("zarechny").unwrap(),
        signer: AuthorSigner::from_seed(&[1; 32]),
    }
}

impl TwinNode {
    /// A node of its own with a new ledger, an empty store and empty tables.
    pub(crate) fn start() -> Self {
        Self::start_with(crate::pack::fixture::zarechny())
    }

    /// The same with another pack.
    pub(crate) fn start_with(pack: crate::pack::Pack) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let private = PrivateStore::open(&folder.path().join("private.sqlite")).unwrap();
        Self::with((TwinLedger::default(), pack), 0, private, folder)
    }

    /// A second node of the same agency: other tables, the same ledger and private store.
    pub(crate) fn beside(&self, seed: u64) -> Self {
        self.beside_with(seed, crate::pack::fixture::zarechny())
    }

    /// The same with the pack that the first node has.
    pub(crate) fn beside_with(&self, seed: u64, pack: crate::pack::Pack) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::with((self.ledger.clone(), pack), seed, self.engine.private.clone(), folder)
    }

    /// The same node after a restart that lost everything but the ledger and the private store.
    pub(crate) fn restarted(self, seed: u64) -> Self {
        let private = self.engine.private.clone();
        let pack = crate::pack::fixture::zarechny();
        Self::with((self.ledger.clone(), pack), seed, private, self.folder)
    }

    fn with(
        (ledger, pack): (TwinLedger, crate::pack::Pack),
        seed: u64,
        private: PrivateStore,
        folder: tempfile::TempDir,
    ) -> Self {
        let secret = Arc::new(AgencySecret::new([7; 32]));
        let path = folder.path().join(format!("model-{seed}.sqlite"));
        let model = ReadModel::open(&path, Arc::clone(&secret), private.clone()).unwrap();
        let model = Arc::new(model);
        let clock = Arc::new(TwinClock::at("2026-11-20T07:00:00.000Z"));
        let engine = CaseEngine::new(EngineParts {
            port: ledger.clone(),
            author: author(),
            secret,
            private: private.clone(),
            model: Arc::clone(&model),
            clock: clock.clone(),
            entropy: Arc::new(TwinEntropy(AtomicU64::new(seed << 32))),
            adapter: Arc::new(RegistryAdapter::new(model, private)),
            typesetter: Arc::new(PlainTypesetter),
        });
        futures::executor::block_on(async {
            engine.publish_pack(&pack).await.unwrap();
            engine.install_pack(pack).await.unwrap();
        });
        Self { engine, ledger, clock, folder }
    }
}

/// Sets the text and the attachment as they are, so that tests can read them.
struct PlainTypesetter;

impl Typesetter for PlainTypesetter {
    fn pdf(&self, paper: &Paper) -> Result<Vec<u8>, TypesettingFailed> {
        let data = String::from_utf8_lossy(&paper.data);
        let (title, issuer, text) = (&paper.title, &paper.issuer, &paper.markdown);
        Ok(format!("{title}\n{issuer}\n{text}\n{}\n{data}", paper.check_path).into_bytes())
    }
}
