//! What must be unique or dense over the whole log, checked in memory that does not grow with it.
//!
//! Every record leaves short rows (record id, stream versions, claims) in temporary files, split
//! by the hash of the name they are about. A name's rows are all in one file, in log order, so at
//! the end each file is checked by itself; one that has grown too long is split once more first.

use std::collections::HashMap;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};

use letopis_ledger::governance::GovernanceEvent;
use letopis_ledger::record::{ClaimOperation, Record};
use letopis_ledger::{Hash, LeafIndex};
use tempfile::SpooledTempFile;

use crate::finding::{Finding, Rule};

/// Files at a time: few enough for the usual limit of open files at every depth of splitting.
const PARTITIONS: usize = 64;
const ROW_BYTES: usize = 1 + 32 + 8 + 32 + 8;
const BUFFER_BYTES: usize = 8 << 10;
/// Rows of one file that stay in memory, so that a small log needs no file at all.
const IN_MEMORY_BYTES: usize = 32 << 10;
/// Longest file that is judged as it is: what is kept in memory for it is less than twice this.
const JUDGED_MAX_BYTES: u64 = 16 << 20;
/// Most splits of one file. With 64^4 files more, only few names with many rows can be left, and
/// their rows take no memory.
const SPLITS_MAX: usize = 4;

/// Rows of a log, to be judged when all have been seen.
#[derive(Debug)]
pub(super) struct Uniqueness {
    partitions: Vec<BufWriter<SpooledTempFile>>,
    /// How often the rows were split before.
    depth: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    RecordId,
    StreamEvent,
    ClaimTaken,
    ClaimReleased,
}

/// One fact about one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    kind: Kind,
    /// SHA-256 of the name, with the kind of name before it.
    name: Hash,
    /// The version of a stream's event; otherwise 0.
    version: u64,
    /// SHA-256 of the stream's owner or of the claim's holder; otherwise of nothing.
    party: Hash,
    leaf: u64,
}

impl Uniqueness {
    /// Starts without rows. Files are made when there are many; the system removes them when they
    /// are closed.
    pub(super) fn new() -> Self {
        Self::at_depth(0)
    }

    fn at_depth(depth: usize) -> Self {
        let file = || SpooledTempFile::new(IN_MEMORY_BYTES);
        let partition = |_| BufWriter::with_capacity(BUFFER_BYTES, file());
        Self { partitions: (0..PARTITIONS).map(partition).collect(), depth }
    }

    /// Notes what a record says.
    ///
    /// # Errors
    /// A temporary file cannot be written.
    pub(super) fn note(&mut self, leaf: LeafIndex, record: &Record) -> io::Result<()> {
        let nobody = Hash::of(b"");
        self.write(Row {
            kind: Kind::RecordId,
            name: named("id", &record.id().to_string()),
            version: 0,
            party: nobody,
            leaf: leaf.get(),
        })?;
        for event in record.events() {
            // Who may extend a governance stream is judged where its events are understood.
            let owner = if GovernanceEvent::governs(&event.stream) {
                nobody
            } else {
                named("agency", record.author().as_str())
            };
            self.write(Row {
                kind: Kind::StreamEvent,
                name: named("stream", event.stream.as_str()),
                version: event.version.get(),
                party: owner,
                leaf: leaf.get(),
            })?;
        }
        for claim in record.claims() {
            self.write(Row {
                kind: match claim.operation {
                    ClaimOperation::Take => Kind::ClaimTaken,
                    ClaimOperation::Release => Kind::ClaimReleased,
                },
                name: named("claim", claim.name.as_str()),
                version: 0,
                party: named("stream", claim.holder.as_str()),
                leaf: leaf.get(),
            })?;
        }
        Ok(())
    }

    /// Judges everything noted.
    ///
    /// # Errors
    /// A temporary file cannot be read back.
    pub(super) fn judge(self, mut report: impl FnMut(Finding)) -> io::Result<()> {
        self.judge_partitions(&mut report)
    }

    fn judge_partitions(self, report: &mut dyn FnMut(Finding)) -> io::Result<()> {
        for partition in self.partitions {
            let mut file = partition.into_inner().map_err(io::IntoInnerError::into_error)?;
            let length = file.stream_position()?;
            file.seek(SeekFrom::Start(0))?;
            let rows = BufReader::with_capacity(BUFFER_BYTES, file);
            if length <= JUDGED_MAX_BYTES || self.depth == SPLITS_MAX {
                judge_rows(rows, report)?;
            } else {
                split(rows, self.depth + 1)?.judge_partitions(report)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, row: Row) -> io::Result<()> {
        // Another byte of the hash at each depth, or a split would not divide anything.
        let partition = usize::from(row.name.as_bytes()[self.depth]) % PARTITIONS;
        self.partitions[partition].write_all(&row.to_bytes())
    }
}

/// Distributes the rows of one file over new ones, keeping their order.
fn split(mut rows: impl Read, depth: usize) -> io::Result<Uniqueness> {
    let mut parts = Uniqueness::at_depth(depth);
    while let Some(row) = Row::read(&mut rows)? {
        parts.write(row)?;
    }
    Ok(parts)
}

fn named(kind: &str, name: &str) -> Hash {
    Hash::of(format!("{kind}\n{name}").as_bytes())
}

fn judge_rows(mut rows: impl Read, report: &mut dyn FnMut(Finding)) -> io::Result<()> {
    let mut ids: HashMap<Hash, u64> = HashMap::new();
    let mut streams: HashMap<Hash, (u64, Hash)> = HashMap::new();
    let mut holders: HashMap<Hash, (Hash, u64)> = HashMap::new();
    while let Some(row) = Row::read(&mut rows)? {
        let leaf = LeafIndex::new(row.leaf);
        match row.kind {
            Kind::RecordId => {
                if let Some(first) = ids.insert(row.name, row.leaf) {
                    let detail = format!("the record id was used before, at leaf {first}");
                    report(Finding::at(Rule::RecordIdUnique, leaf, detail));
                }
            }
            Kind::StreamEvent => judge_event(&row, &mut streams, report),
            Kind::ClaimTaken => {
                if let Some((_, since)) = holders.insert(row.name, (row.party, row.leaf)) {
                    let detail = format!("a claimed name is held since leaf {since}");
                    report(Finding::at(Rule::ClaimUnique, leaf, detail));
                }
            }
            Kind::ClaimReleased => match holders.remove(&row.name) {
                Some((holder, _)) if holder == row.party => {}
                Some((_, since)) => {
                    let detail =
                        format!("a claimed name is released that another holds since leaf {since}");
                    report(Finding::at(Rule::ClaimUnique, leaf, detail));
                }
                None => {
                    let detail = "a claimed name is released that nobody holds";
                    report(Finding::at(Rule::ClaimUnique, leaf, detail));
                }
            },
        }
    }
    Ok(())
}

fn judge_event(
    row: &Row,
    streams: &mut HashMap<Hash, (u64, Hash)>,
    report: &mut dyn FnMut(Finding),
) {
    let leaf = LeafIndex::new(row.leaf);
    let (next, owner) = streams.entry(row.name).or_insert((0, row.party));
    if row.version != *next {
        let detail = format!("a stream has version {} where {next} must follow", row.version);
        report(Finding::at(Rule::StreamDense, leaf, detail));
    }
    if row.party != *owner {
        let detail = "a stream is extended by another agency than its owner";
        report(Finding::at(Rule::StreamOwner, leaf, detail));
    }
    *next = row.version.saturating_add(1);
}

impl Row {
    fn to_bytes(self) -> [u8; ROW_BYTES] {
        let mut bytes = [0; ROW_BYTES];
        bytes[0] = match self.kind {
            Kind::RecordId => 0,
            Kind::StreamEvent => 1,
            Kind::ClaimTaken => 2,
            Kind::ClaimReleased => 3,
        };
        bytes[1..33].copy_from_slice(self.name.as_bytes());
        bytes[33..41].copy_from_slice(&self.version.to_be_bytes());
        bytes[41..73].copy_from_slice(self.party.as_bytes());
        bytes[73..].copy_from_slice(&self.leaf.to_be_bytes());
        bytes
    }

    /// The next row, or `None` at the end of the file.
    fn read(source: &mut impl Read) -> io::Result<Option<Self>> {
        let mut bytes = [0; ROW_BYTES];
        match source.read_exact(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let kind = match bytes[0] {
            0 => Kind::RecordId,
            1 => Kind::StreamEvent,
            2 => Kind::ClaimTaken,
            3 => Kind::ClaimReleased,
            other => unreachable!("invariant: rows are written by this module, found {other}"),
        };
        let hash = |from: usize| Hash::from_slice(&bytes[from..from + 32]).expect("32 bytes");
        let number =
            |from: usize| u64::from_be_bytes(bytes[from..from + 8].try_into().expect("8 bytes"));
        Ok(Some(Self {
            kind,
            name: hash(1),
            version: number(33),
            party: hash(41),
            leaf: number(73),
        }))
    }
}

#[cfg(test)]
mod test;
