//! What this node's databases hold in memory: counted by RocksDB itself, for the metrics.
//!
//! Each part has a bound that does not depend on how long the log is; a part that grows with the
//! log shows here before a machine runs out. Not here: the bounds (`crate::store`,
//! `crate::raft::log`), and what the allocator keeps beside what is in use.

use rocksdb::{ColumnFamily, DB, properties};

/// Bytes that one database holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct DatabaseMemory {
    /// What was written and is not in a table yet.
    pub(crate) write_buffers: u64,
    /// What open tables hold outside the block cache.
    pub(crate) tables: u64,
    /// Blocks of tables, with their indexes and filters.
    pub(crate) block_cache: u64,
}

impl DatabaseMemory {
    /// Asks a database whose column families share one block cache. What it does not tell is 0.
    pub(crate) fn of<'a>(db: &DB, families: impl Iterator<Item = &'a ColumnFamily>) -> Self {
        let mut sum = Self::default();
        for family in families {
            let of = |name| db.property_int_value_cf(family, name).ok().flatten().unwrap_or(0);
            sum.write_buffers += of(properties::SIZE_ALL_MEM_TABLES);
            sum.tables += of(properties::ESTIMATE_TABLE_READERS_MEM);
            sum.block_cache = of(properties::BLOCK_CACHE_USAGE);
        }
        sum
    }
}
