//! The state that the append machine reads, and a layer of changes over it.
//!
//! The store implements [`StateView`] over its index; [`Layer`] puts the records of one Raft entry
//! over it, so that each is judged after the one before. A layer over [`Nothing`] is the whole
//! state in memory: the twin that tests compare the store with.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;

use letopis_ledger::checkpoint::Origin;
use letopis_ledger::hash::Hash;
use letopis_ledger::id::{AgencyId, ClaimName, NodeId, RecordId, StreamName};
use letopis_ledger::key::{AuthorKey, AuthorKeyId};
use letopis_ledger::leaf::genesis_link;
use letopis_ledger::{LeafIndex, StreamVersion, Timestamp, TreeSize};

use super::{Appended, NodeState, Receipt};

/// The end of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogTail {
    /// Leaves in the log.
    pub size: TreeSize,
    /// Hash of the last leaf, or of nothing when there is none.
    pub last_leaf: Hash,
    /// Time of the last leaf, or 1970 when there is none.
    pub last_time: Timestamp,
}

impl LogTail {
    /// The end of the empty log.
    #[must_use]
    pub fn empty() -> Self {
        let last_leaf = genesis_link();
        Self { size: TreeSize::ZERO, last_leaf, last_time: Timestamp::EPOCH }
    }
}

/// What is remembered of a record for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstReceipt {
    /// Its leaf.
    pub leaf_index: LeafIndex,
    /// RFC 6962 hash of the leaf.
    pub leaf_hash: Hash,
    /// SHA-256 of the record bytes: tells a repetition from a reused id.
    pub record_digest: Hash,
    /// Time of the leaf.
    pub time: Timestamp,
}

impl FirstReceipt {
    /// The receipt as the author gets it.
    #[must_use]
    pub const fn receipt(&self, record_id: RecordId, duplicate: bool) -> Receipt {
        Receipt {
            record_id,
            leaf_index: self.leaf_index,
            leaf_hash: self.leaf_hash,
            time: self.time,
            duplicate,
        }
    }
}

/// Length and owner of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamState {
    /// Events in the stream, which is the version of the next one.
    pub length: StreamVersion,
    /// The agency that alone extends it.
    pub owner: AgencyId,
}

/// An author key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyState {
    /// The public key.
    pub key: AuthorKey,
    /// The agency it speaks for.
    pub agency: AgencyId,
    /// The leaf that introduced it.
    pub introduced: LeafIndex,
    /// The leaf that revoked it.
    pub revoked: Option<LeafIndex>,
}

/// An admitted agency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgencyState {
    /// The leaf that admitted it.
    pub admitted: LeafIndex,
    /// The leaf that removed it: it makes no records any more.
    pub removed: Option<LeafIndex>,
}

/// One change of the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// A record is in the log.
    Record(RecordId, FirstReceipt),
    /// A stream grew.
    Stream(StreamName, StreamState),
    /// A name got a holder, or lost it.
    Claim(ClaimName, Option<StreamName>),
    /// A key was introduced or revoked.
    Key(AuthorKeyId, KeyState),
    /// An agency was admitted or removed; the first one is the founder.
    Agency(AgencyId, AgencyState),
    /// A node was admitted, changed or removed.
    Node(NodeId, NodeState),
    /// A policy is in force.
    Policy(String),
}

/// State as it is after the last leaf.
pub trait StateView {
    /// Why the state cannot be read; `Infallible` in memory.
    type Error;

    /// Name of the log.
    fn log(&self) -> &Origin;
    /// The end of the log.
    fn tail(&self) -> LogTail;
    /// Author of leaf 0.
    ///
    /// # Errors
    /// The state cannot be read; so for all below.
    fn founder(&self) -> Result<Option<AgencyId>, Self::Error>;
    /// The receipt of a record.
    ///
    /// # Errors
    /// The state cannot be read.
    fn receipt(&self, id: RecordId) -> Result<Option<FirstReceipt>, Self::Error>;
    /// A stream.
    ///
    /// # Errors
    /// The state cannot be read.
    fn stream(&self, name: &StreamName) -> Result<Option<StreamState>, Self::Error>;
    /// Who holds a name.
    ///
    /// # Errors
    /// The state cannot be read.
    fn claim(&self, name: &ClaimName) -> Result<Option<StreamName>, Self::Error>;
    /// A key, in force or revoked.
    ///
    /// # Errors
    /// The state cannot be read.
    fn key(&self, id: AuthorKeyId) -> Result<Option<KeyState>, Self::Error>;
    /// An agency.
    ///
    /// # Errors
    /// The state cannot be read.
    fn agency(&self, id: &AgencyId) -> Result<Option<AgencyState>, Self::Error>;
    /// A node, removed or not.
    ///
    /// # Errors
    /// The state cannot be read.
    fn node(&self, id: NodeId) -> Result<Option<NodeState>, Self::Error>;
    /// Every node in the order of the numbers, the removed ones too.
    ///
    /// # Errors
    /// The state cannot be read.
    fn nodes(&self) -> Result<Vec<(NodeId, NodeState)>, Self::Error>;
    /// The policy in force.
    ///
    /// # Errors
    /// The state cannot be read.
    fn policy(&self) -> Result<Option<String>, Self::Error>;
}

/// The state before leaf 0.
#[derive(Debug, Clone)]
pub struct Nothing(pub Origin);

/// The whole state in memory.
pub type MemoryView = Layer<Nothing>;

/// Changes over another view.
#[derive(Debug, Clone)]
pub struct Layer<B> {
    base: B,
    tail: LogTail,
    founder: Option<AgencyId>,
    policy: Option<String>,
    receipts: HashMap<RecordId, FirstReceipt>,
    streams: HashMap<StreamName, StreamState>,
    claims: HashMap<ClaimName, Option<StreamName>>,
    keys: HashMap<AuthorKeyId, KeyState>,
    agencies: HashMap<AgencyId, AgencyState>,
    nodes: BTreeMap<NodeId, NodeState>,
}

impl MemoryView {
    /// The state of an empty log.
    #[must_use]
    pub fn empty(origin: Origin) -> Self {
        Self::over(Nothing(origin))
    }
}

impl<B: StateView> Layer<B> {
    /// A layer without changes.
    #[must_use]
    pub fn over(base: B) -> Self {
        Self {
            tail: base.tail(),
            base,
            founder: None,
            policy: None,
            receipts: HashMap::new(),
            streams: HashMap::new(),
            claims: HashMap::new(),
            keys: HashMap::new(),
            agencies: HashMap::new(),
            nodes: BTreeMap::new(),
        }
    }

    /// Takes the changes of the next leaf.
    ///
    /// # Panics
    /// The leaf is not the next one: the changes were judged over another state.
    pub fn absorb(&mut self, appended: &Appended) {
        let leaf = &appended.leaf;
        assert_eq!(leaf.index(), self.tail.size.next_leaf(), "leaves are appended in order");
        if leaf.index() == LeafIndex::ZERO {
            self.founder = Some(leaf.record().author().clone());
        }
        let size = leaf.index().tree_size();
        let last_leaf = appended.receipt.leaf_hash;
        self.tail = LogTail { size, last_leaf, last_time: leaf.time() };
        for write in appended.writes.iter().cloned() {
            match write {
                Write::Record(id, first) => drop(self.receipts.insert(id, first)),
                Write::Stream(name, state) => drop(self.streams.insert(name, state)),
                Write::Claim(name, holder) => drop(self.claims.insert(name, holder)),
                Write::Key(id, state) => drop(self.keys.insert(id, state)),
                Write::Agency(id, state) => drop(self.agencies.insert(id, state)),
                Write::Node(id, state) => drop(self.nodes.insert(id, state)),
                Write::Policy(policy) => self.policy = Some(policy),
            }
        }
    }
}

impl<B: StateView> StateView for Layer<B> {
    type Error = B::Error;

    fn log(&self) -> &Origin {
        self.base.log()
    }

    fn tail(&self) -> LogTail {
        self.tail
    }

    fn founder(&self) -> Result<Option<AgencyId>, B::Error> {
        self.founder.clone().map_or_else(|| self.base.founder(), |known| Ok(Some(known)))
    }

    fn receipt(&self, id: RecordId) -> Result<Option<FirstReceipt>, B::Error> {
        self.receipts.get(&id).map_or_else(|| self.base.receipt(id), |known| Ok(Some(*known)))
    }

    fn stream(&self, name: &StreamName) -> Result<Option<StreamState>, B::Error> {
        let known = self.streams.get(name).cloned();
        known.map_or_else(|| self.base.stream(name), |known| Ok(Some(known)))
    }

    fn claim(&self, name: &ClaimName) -> Result<Option<StreamName>, B::Error> {
        self.claims.get(name).cloned().map_or_else(|| self.base.claim(name), Ok)
    }

    fn key(&self, id: AuthorKeyId) -> Result<Option<KeyState>, B::Error> {
        self.keys.get(&id).cloned().map_or_else(|| self.base.key(id), |known| Ok(Some(known)))
    }

    fn agency(&self, id: &AgencyId) -> Result<Option<AgencyState>, B::Error> {
        self.agencies.get(id).map_or_else(|| self.base.agency(id), |known| Ok(Some(*known)))
    }

    fn node(&self, id: NodeId) -> Result<Option<NodeState>, B::Error> {
        self.nodes.get(&id).cloned().map_or_else(|| self.base.node(id), |known| Ok(Some(known)))
    }

    fn nodes(&self) -> Result<Vec<(NodeId, NodeState)>, B::Error> {
        let mut nodes: BTreeMap<NodeId, NodeState> = self.base.nodes()?.into_iter().collect();
        nodes.extend(self.nodes.iter().map(|(id, state)| (*id, state.clone())));
        Ok(nodes.into_iter().collect())
    }

    fn policy(&self) -> Result<Option<String>, B::Error> {
        self.policy.clone().map_or_else(|| self.base.policy(), |known| Ok(Some(known)))
    }
}

impl StateView for Nothing {
    type Error = Infallible;

    fn log(&self) -> &Origin {
        &self.0
    }

    fn tail(&self) -> LogTail {
        LogTail::empty()
    }

    fn founder(&self) -> Result<Option<AgencyId>, Infallible> {
        Ok(None)
    }

    fn receipt(&self, _: RecordId) -> Result<Option<FirstReceipt>, Infallible> {
        Ok(None)
    }

    fn stream(&self, _: &StreamName) -> Result<Option<StreamState>, Infallible> {
        Ok(None)
    }

    fn claim(&self, _: &ClaimName) -> Result<Option<StreamName>, Infallible> {
        Ok(None)
    }

    fn key(&self, _: AuthorKeyId) -> Result<Option<KeyState>, Infallible> {
        Ok(None)
    }

    fn agency(&self, _: &AgencyId) -> Result<Option<AgencyState>, Infallible> {
        Ok(None)
    }

    fn node(&self, _: NodeId) -> Result<Option<NodeState>, Infallible> {
        Ok(None)
    }

    fn nodes(&self) -> Result<Vec<(NodeId, NodeState)>, Infallible> {
        Ok(Vec::new())
    }

    fn policy(&self) -> Result<Option<String>, Infallible> {
        Ok(None)
    }
}
