//! The index: what the append machine reads, in a RocksDB without WAL.
//!
//! Its column families are flushed together (`atomic_flush`), and only by a checkpoint of the
//! store, after the leaves it speaks of are durable. What a crash takes, the Raft log gives again.
//!
//! Not here: leaves and hashes of the tree, except the frontier.

mod value;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use letopis_ledger::checkpoint::Origin;
use letopis_ledger::id::{AgencyId, ClaimName, NodeId, RecordId, StreamName};
use letopis_ledger::key::AuthorKeyId;
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB,
    FlushOptions, IteratorMode, Options, WriteBatch, WriteOptions,
};

use super::{End, Manifest, StoreError};
use crate::disk::DiskHook;
use crate::machine::{
    AgencyState, FirstReceipt, KeyState, LogTail, NodeState, StateView, StreamState, Write,
};
use crate::memory::DatabaseMemory;

use value::StoredEnd;
pub(crate) use value::{StoredPosition, read_manifest, write_manifest};

const RECORDS: &str = "records";
const STREAMS: &str = "streams";
const CLAIMS: &str = "claims";
const KEYS: &str = "keys";
const AGENCIES: &str = "agencies";
/// Younger than the others: an index made before it gets it, empty, when it is opened.
const NODES: &str = "nodes";
const META: &str = "meta";
const FAMILIES: [&str; 7] = [RECORDS, STREAMS, CLAIMS, KEYS, AGENCIES, NODES, META];

const END: &[u8] = b"end";
const FOUNDER: &[u8] = b"founder";
const POLICY: &[u8] = b"policy";
const MANIFEST: &[u8] = b"manifest";
const ORIGIN: &[u8] = b"origin";
/// The entry of the Raft log that the last installed snapshot ends with.
const INSTALLED: &[u8] = b"installed";

/// Larger than what is written between two checkpoints, so that RocksDB never flushes by itself:
/// that would make the index durable before the leaves it speaks of.
const WRITE_BUFFER_BYTES: usize = 1 << 30;

/// Of the write buffer: half a megabyte, some forty bits for each key between two checkpoints.
const MEMTABLE_BLOOM: f64 = 0.000_5;

/// Blocks of tables in memory, their indexes and filters among them, of all column families
/// together. Without a bound for these they would grow with the log, by some two bytes a record.
const CACHE_BYTES: usize = 16 << 20;

/// The index of one node.
pub(super) struct Index {
    db: DB,
    folder: PathBuf,
    disk: DiskHook,
    /// All author keys, decoded: few, and decoding one costs as much as checking a signature.
    keys: RwLock<HashMap<AuthorKeyId, KeyState>>,
    /// All nodes: a handful, asked for at every connection.
    nodes: RwLock<BTreeMap<NodeId, NodeState>>,
    /// All agencies and the one that founded the log: few, and asked for at every record.
    agencies: RwLock<Agencies>,
}

#[derive(Default)]
struct Agencies {
    known: HashMap<AgencyId, AgencyState>,
    founder: Option<AgencyId>,
}

/// The state of the append machine at a certain end of the log.
#[derive(Clone, Copy)]
pub(crate) struct IndexView<'a> {
    index: &'a Index,
    origin: &'a Origin,
    tail: LogTail,
}

impl Index {
    pub(super) fn open(folder: &Path, disk: DiskHook) -> Result<Self, StoreError> {
        // Closing flushes nothing: after a failed sync of leaves it would make the index durable
        // all the same. What was not flushed by a checkpoint is replayed.
        let mut options =
            Options::default().get_options_from_string("avoid_flush_during_shutdown=true")?;
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_atomic_flush(true);
        options.set_write_buffer_size(WRITE_BUFFER_BYTES);
        options.set_db_write_buffer_size(0);
        // Most records are new: their ids are found missing without a search.
        options.set_memtable_prefix_bloom_ratio(MEMTABLE_BLOOM);
        options.set_memtable_whole_key_filtering(true);
        options.set_paranoid_checks(true);
        options.set_keep_log_file_num(4);
        options.set_compression_type(rocksdb::DBCompressionType::Lz4);
        options.set_max_background_jobs(2);
        options.set_block_based_table_factory(&table_options());
        let families = FAMILIES.map(|name| ColumnFamilyDescriptor::new(name, options.clone()));
        let db = DB::open_cf_descriptors(&options, folder, families)?;
        let (keys, nodes, agencies) = (RwLock::default(), RwLock::default(), RwLock::default());
        let index = Self { db, folder: folder.to_owned(), disk, keys, nodes, agencies };
        let (keys, nodes) = (RwLock::new(index.read_keys()?), RwLock::new(index.read_nodes()?));
        let agencies = RwLock::new(index.read_agencies()?);
        Ok(Self { keys, nodes, agencies, ..index })
    }

    pub(super) const fn view<'a>(&'a self, origin: &'a Origin, tail: LogTail) -> IndexView<'a> {
        IndexView { index: self, origin, tail }
    }

    /// Writes the changes of some leaves and the new end of the log, all or nothing.
    pub(super) fn write<'w>(
        &self,
        writes: impl Iterator<Item = &'w Write>,
        founder: Option<&AgencyId>,
        end: &End,
    ) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        let (mut keys, mut nodes, mut agencies) = (Vec::new(), Vec::new(), Vec::new());
        for write in writes {
            self.put(&mut batch, write);
            match write {
                Write::Key(id, state) => keys.push((*id, state.clone())),
                Write::Node(id, state) => nodes.push((*id, state.clone())),
                Write::Agency(id, state) => agencies.push((id.clone(), *state)),
                _ => {}
            }
        }
        let meta = self.family(META);
        if let Some(founder) = founder {
            batch.put_cf(meta, FOUNDER, founder.as_str());
        }
        batch.put_cf(meta, END, StoredEnd::write(end));
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        self.db.write_opt(batch, &options)?;
        if !keys.is_empty() {
            self.keys.write().unwrap_or_else(PoisonError::into_inner).extend(keys);
        }
        if !nodes.is_empty() {
            self.nodes.write().unwrap_or_else(PoisonError::into_inner).extend(nodes);
        }
        if !agencies.is_empty() || founder.is_some() {
            let mut all = self.agencies.write().unwrap_or_else(PoisonError::into_inner);
            all.known.extend(agencies);
            all.founder = founder.cloned().or_else(|| all.founder.take());
        }
        Ok(())
    }

    pub(super) fn put_manifest(&self, manifest: &Manifest) -> Result<(), StoreError> {
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        let bytes = value::write_manifest(manifest);
        Ok(self.db.put_cf_opt(self.family(META), MANIFEST, bytes, &options)?)
    }

    /// Remembers that the store came to this entry by a snapshot, not by the Raft log.
    pub(super) fn put_installed(&self, log_id: &[u8]) -> Result<(), StoreError> {
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        Ok(self.db.put_cf_opt(self.family(META), INSTALLED, log_id, &options)?)
    }

    /// The entry that the last installed snapshot ended with.
    pub(super) fn installed(&self) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.db.get_cf(self.family(META), INSTALLED)?)
    }

    pub(super) fn manifest(&self) -> Result<Option<Manifest>, StoreError> {
        let bytes = self.db.get_cf(self.family(META), MANIFEST)?;
        bytes.map(|bytes| value::read_manifest(&bytes)).transpose()
    }

    /// Names the log that the folder belongs to, or compares it.
    pub(super) fn bind_origin(&self, origin: &Origin) -> Result<Option<String>, StoreError> {
        let meta = self.family(META);
        match self.db.get_cf(meta, ORIGIN)? {
            Some(bytes) if bytes == origin.as_str().as_bytes() => Ok(None),
            Some(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            None => {
                let mut options = WriteOptions::default();
                options.disable_wal(true);
                self.db.put_cf_opt(meta, ORIGIN, origin.as_str(), &options)?;
                self.flush()?;
                Ok(None)
            }
        }
    }

    /// The durable end of the log.
    pub(super) fn end(&self) -> Result<Option<End>, StoreError> {
        let bytes = self.db.get_cf(self.family(META), END)?;
        bytes.map(|bytes| StoredEnd::read(&bytes)).transpose()
    }

    /// Makes everything written durable, in every column family together.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        let mut options = FlushOptions::default();
        options.set_wait(true);
        let families = FAMILIES.map(|name| self.family(name));
        self.disk.sync_file(&self.folder, || {
            self.db.flush_cfs_opt(&families, &options).map_err(io::Error::other)
        })
    }

    /// What the database holds in memory.
    pub(super) fn memory(&self) -> DatabaseMemory {
        DatabaseMemory::of(&self.db, FAMILIES.into_iter().map(|name| self.family(name)))
    }

    /// Loses the first claim: a bug for a test to find.
    pub(super) fn forget_claim(&self) -> Result<(), StoreError> {
        let claims = self.family(CLAIMS);
        let first = self.db.iterator_cf(claims, IteratorMode::Start).next().transpose()?;
        first.map_or(Ok(()), |(name, _)| Ok(self.db.delete_cf(claims, name)?))
    }

    /// Every record id with its first receipt, in the order of the ids.
    pub(super) fn receipts(
        &self,
    ) -> impl Iterator<Item = Result<(RecordId, FirstReceipt), StoreError>> + '_ {
        self.db.iterator_cf(self.family(RECORDS), IteratorMode::Start).map(|item| {
            let (key, bytes) = item?;
            let id = key.first_chunk::<16>().copied().map(RecordId::from_bytes);
            let Some(Ok(id)) = id.filter(|_| key.len() == 16) else {
                return Err(damaged(&"a record id is not one"));
            };
            Ok((id, value::read_receipt(&bytes)?))
        })
    }

    /// Reads every other value once, so that a damaged one is found at start.
    pub(super) fn read_all(&self, origin: &Origin) -> Result<(), StoreError> {
        let view = self.view(origin, LogTail::empty());
        for item in self.db.iterator_cf(self.family(STREAMS), IteratorMode::Start) {
            value::read_stream(&item?.1)?;
        }
        for item in self.db.iterator_cf(self.family(CLAIMS), IteratorMode::Start) {
            value::read_claim(&item?.1)?;
        }
        view.policy()?;
        Ok(())
    }

    fn read_keys(&self) -> Result<HashMap<AuthorKeyId, KeyState>, StoreError> {
        let mut keys = HashMap::new();
        for item in self.db.iterator_cf(self.family(KEYS), IteratorMode::Start) {
            let state = value::read_key(&item?.1)?;
            keys.insert(state.key.id(), state);
        }
        Ok(keys)
    }

    fn read_agencies(&self) -> Result<Agencies, StoreError> {
        let founder = self.text(FOUNDER, |text| AgencyId::parse(text).ok())?;
        let mut known = HashMap::new();
        for item in self.db.iterator_cf(self.family(AGENCIES), IteratorMode::Start) {
            let (key, bytes) = item?;
            let id = std::str::from_utf8(&key).ok().and_then(|text| AgencyId::parse(text).ok());
            let id = id.ok_or_else(|| damaged(&"an agency's name is not one"))?;
            known.insert(id, value::read_agency(&bytes)?);
        }
        Ok(Agencies { known, founder })
    }

    fn read_nodes(&self) -> Result<BTreeMap<NodeId, NodeState>, StoreError> {
        let mut nodes = BTreeMap::new();
        for item in self.db.iterator_cf(self.family(NODES), IteratorMode::Start) {
            let (key, bytes) = item?;
            let number = <[u8; 8]>::try_from(&*key).ok().map(u64::from_be_bytes);
            let id = number.and_then(NodeId::new);
            let id = id.ok_or_else(|| damaged(&"a node's number is not one"))?;
            nodes.insert(id, value::read_node(&bytes)?);
        }
        Ok(nodes)
    }

    fn put(&self, batch: &mut WriteBatch, write: &Write) {
        match write {
            Write::Record(id, first) => {
                batch.put_cf(self.family(RECORDS), id.as_bytes(), value::write_receipt(first));
            }
            Write::Stream(name, state) => {
                batch.put_cf(self.family(STREAMS), name.as_str(), value::write_stream(state));
            }
            Write::Claim(name, Some(holder)) => {
                batch.put_cf(self.family(CLAIMS), name.as_str(), value::write_claim(holder));
            }
            Write::Claim(name, None) => batch.delete_cf(self.family(CLAIMS), name.as_str()),
            Write::Key(id, state) => {
                batch.put_cf(self.family(KEYS), id.as_bytes(), value::write_key(state));
            }
            Write::Agency(id, state) => {
                batch.put_cf(self.family(AGENCIES), id.as_str(), value::write_agency(*state));
            }
            Write::Node(id, state) => {
                let key = id.get().to_be_bytes();
                batch.put_cf(self.family(NODES), key, value::write_node(state));
            }
            Write::Policy(policy) => batch.put_cf(self.family(META), POLICY, policy),
        }
    }

    fn family(&self, name: &str) -> &ColumnFamily {
        self.db.cf_handle(name).expect("invariant: the column family was opened")
    }

    fn text<T>(
        &self,
        key: &[u8],
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        let Some(bytes) = self.db.get_cf(self.family(META), key)? else { return Ok(None) };
        let text = std::str::from_utf8(&bytes).ok().and_then(read);
        text.map(Some).ok_or_else(|| damaged(&String::from_utf8_lossy(key)))
    }
}

fn table_options() -> BlockBasedOptions {
    let mut table = BlockBasedOptions::default();
    table.set_bloom_filter(10.0, false);
    table.set_block_cache(&Cache::new_lru_cache(CACHE_BYTES));
    table.set_cache_index_and_filter_blocks(true);
    // In parts of a block's size: one look-up must not push the filter of a whole table through
    // the cache. The short list of the parts stays.
    table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    table.set_partition_filters(true);
    table.set_pin_top_level_index_and_filter(true);
    table
}

fn damaged(what: &dyn std::fmt::Display) -> StoreError {
    StoreError::Damaged { what: format!("index: {what}") }
}

impl StateView for IndexView<'_> {
    type Error = StoreError;

    fn log(&self) -> &Origin {
        self.origin
    }

    fn tail(&self) -> LogTail {
        self.tail
    }

    fn founder(&self) -> Result<Option<AgencyId>, StoreError> {
        let agencies = self.index.agencies.read().unwrap_or_else(PoisonError::into_inner);
        Ok(agencies.founder.clone())
    }

    fn receipt(&self, id: RecordId) -> Result<Option<FirstReceipt>, StoreError> {
        let bytes = self.index.db.get_pinned_cf(self.index.family(RECORDS), id.as_bytes())?;
        bytes.map(|bytes| value::read_receipt(&bytes)).transpose()
    }

    fn stream(&self, name: &StreamName) -> Result<Option<StreamState>, StoreError> {
        let bytes = self.index.db.get_pinned_cf(self.index.family(STREAMS), name.as_str())?;
        bytes.map(|bytes| value::read_stream(&bytes)).transpose()
    }

    fn claim(&self, name: &ClaimName) -> Result<Option<StreamName>, StoreError> {
        let bytes = self.index.db.get_pinned_cf(self.index.family(CLAIMS), name.as_str())?;
        bytes.map(|bytes| value::read_claim(&bytes)).transpose()
    }

    fn key(&self, id: AuthorKeyId) -> Result<Option<KeyState>, StoreError> {
        let keys = self.index.keys.read().unwrap_or_else(PoisonError::into_inner);
        Ok(keys.get(&id).cloned())
    }

    fn agency(&self, id: &AgencyId) -> Result<Option<AgencyState>, StoreError> {
        let agencies = self.index.agencies.read().unwrap_or_else(PoisonError::into_inner);
        Ok(agencies.known.get(id).copied())
    }

    fn node(&self, id: NodeId) -> Result<Option<NodeState>, StoreError> {
        let nodes = self.index.nodes.read().unwrap_or_else(PoisonError::into_inner);
        Ok(nodes.get(&id).cloned())
    }

    fn nodes(&self) -> Result<Vec<(NodeId, NodeState)>, StoreError> {
        let nodes = self.index.nodes.read().unwrap_or_else(PoisonError::into_inner);
        Ok(nodes.iter().map(|(id, state)| (*id, state.clone())).collect())
    }

    fn policy(&self) -> Result<Option<String>, StoreError> {
        self.index.text(POLICY, |text| Some(text.to_owned()))
    }
}
