//! Segments: the leaves themselves, in files of 65,536, written once and in order.
//!
//! A leaf is a big-endian `u16` length and its bytes, so that a C2SP entry bundle of any width is
//! a range of one segment. Where every 32nd leaf begins is kept in memory: it is found again by
//! the check that reads every leaf at start, so no second store can contradict the first.
//!
//! Not here: whether the bytes are right (`check`).

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use letopis_ledger::{LeafIndex, TreeSize};

use super::{SEGMENT_LEAVES, StoreError};
use crate::disk::DiskHook;

/// Every how many leaves an offset is kept: 8 bytes per 32 leaves, and a read of at most 32
/// leaves to find one.
const STRIDE: u64 = 32;
const PREFIX_BYTES: usize = 2;

/// The segments of one node.
pub(super) struct Segments {
    folder: PathBuf,
    disk: DiskHook,
    layout: RwLock<Layout>,
    writer: Mutex<SegmentWriter>,
    syncing: Mutex<()>,
}

/// Where leaves begin.
#[derive(Debug, Clone, Default)]
pub(super) struct Layout {
    /// Offset, in its segment, of every leaf whose index is a multiple of [`STRIDE`].
    offsets: Vec<u64>,
    size: u64,
    /// Where the next leaf begins in its segment.
    next_offset: u64,
}

struct SegmentWriter {
    size: u64,
    next_offset: u64,
    current: Option<(u64, Arc<File>)>,
    unsynced: Vec<(u64, Arc<File>)>,
    directory_changed: bool,
    /// Leaves that were on disk beyond the index when the node started: replaying the Raft log
    /// must give the same bytes.
    found_until: u64,
}

impl Layout {
    /// Counts the next leaf, of so many bytes.
    pub(super) fn push(&mut self, leaf_bytes: usize) {
        if self.size.is_multiple_of(SEGMENT_LEAVES) {
            self.next_offset = 0;
        }
        if self.size.is_multiple_of(STRIDE) {
            self.offsets.push(self.next_offset);
        }
        self.size += 1;
        self.next_offset += (PREFIX_BYTES + leaf_bytes) as u64;
    }

    /// A segment, the offset where the stride of this leaf begins, and the first leaf there.
    fn stride_of(&self, leaf: u64) -> (u64, u64) {
        let stride = usize::try_from(leaf / STRIDE).expect("invariant: offsets are in memory");
        (self.offsets[stride], leaf / STRIDE * STRIDE)
    }

    /// Where the bytes end that a reader of leaves before `end` in segment `segment` may need.
    fn end_offset(&self, segment: u64, end: u64) -> u64 {
        let next = end.next_multiple_of(STRIDE);
        let inside = next < self.size && next / SEGMENT_LEAVES == segment;
        let last_segment = self.size.saturating_sub(1) / SEGMENT_LEAVES;
        if inside {
            self.stride_of(next).0
        } else if segment == last_segment {
            self.next_offset
        } else {
            u64::MAX
        }
    }
}

/// The file of a segment.
pub(super) fn segment_path(folder: &Path, segment: u64) -> PathBuf {
    folder.join(format!("{:020}.seg", segment * SEGMENT_LEAVES))
}

/// Splits the next leaf off framed bytes, or `None` when they end inside it.
pub(crate) fn split_leaf(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<PREFIX_BYTES>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

impl Segments {
    /// Segments whose first leaves were checked; `found_until` counts the intact leaves beyond.
    pub(super) fn new(folder: PathBuf, layout: Layout, found_until: TreeSize) -> Self {
        let writer = SegmentWriter {
            size: layout.size,
            next_offset: layout.next_offset,
            current: None,
            unsynced: Vec::new(),
            directory_changed: false,
            found_until: found_until.get(),
        };
        let (layout, writer) = (RwLock::new(layout), Mutex::new(writer));
        let disk = DiskHook::none();
        Self { folder, disk, layout, writer, syncing: Mutex::new(()) }
    }

    /// The same, on a simulated disk.
    pub(super) fn on(self, disk: DiskHook) -> Self {
        Self { disk, ..self }
    }

    /// Leaves found at start beyond the index that the Raft log has not given again yet.
    pub(super) fn unexplained(&self) -> u64 {
        let writer = self.writer();
        writer.found_until.saturating_sub(writer.size)
    }

    /// Appends leaves to the files; they are not durable before [`Segments::sync`].
    pub(super) fn append(&self, first: LeafIndex, leaves: &[&[u8]]) -> Result<(), StoreError> {
        let mut writer = self.writer();
        assert_eq!(first.get(), writer.size, "leaves are appended in order");
        let mut rest = leaves;
        while !rest.is_empty() {
            let left = SEGMENT_LEAVES - writer.size % SEGMENT_LEAVES;
            let count = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
            let (fitting, others) = rest.split_at(count);
            writer.append(&self.folder, &self.disk, fitting)?;
            let mut layout = self.layout.write().unwrap_or_else(PoisonError::into_inner);
            fitting.iter().for_each(|leaf| layout.push(leaf.len()));
            rest = others;
        }
        Ok(())
    }

    /// Makes everything appended so far durable.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        // One at a time: a second caller must not return before the files that the first took.
        let _one = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut writer = self.writer();
        let mut files = std::mem::take(&mut writer.unsynced);
        files.extend(writer.current.clone());
        let directory_changed = std::mem::take(&mut writer.directory_changed);
        drop(writer);
        for (segment, file) in files {
            let path = segment_path(&self.folder, segment);
            self.disk.sync_file(&path, || file.sync_data())?;
        }
        if directory_changed { self.disk.sync_directory(&self.folder) } else { Ok(()) }
    }

    /// Reads leaves from one on: `count` of them or, after the first, as many as fit `max_bytes`.
    pub(super) fn read(
        &self,
        from: LeafIndex,
        count: u64,
        max_bytes: usize,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut leaves = Vec::new();
        let mut bytes = 0_usize;
        let mut next = from.get();
        let end = from.get() + count;
        while next < end {
            // A bundle at a time bounds the memory however long the leaves are.
            let stop = end.min((next / 256 + 1) * 256);
            let range = self.read_range(LeafIndex::new(next), stop - next)?;
            let mut rest = range.as_slice();
            while let Some((leaf, after)) = split_leaf(rest) {
                bytes = bytes.saturating_add(leaf.len());
                if bytes > max_bytes && !leaves.is_empty() {
                    return Ok(leaves);
                }
                leaves.push(leaf.to_vec());
                rest = after;
            }
            next = stop;
        }
        Ok(leaves)
    }

    /// Reads the framed bytes of `count` leaves from `first` on, all of one segment.
    pub(super) fn read_range(&self, first: LeafIndex, count: u64) -> Result<Vec<u8>, StoreError> {
        let (first, end) = (first.get(), first.get() + count);
        let segment = first / SEGMENT_LEAVES;
        let (start, mut at, stop) = {
            let layout = self.layout.read().unwrap_or_else(PoisonError::into_inner);
            assert!(end <= layout.size, "leaves {first}..{end} of {} were asked for", layout.size);
            let (offset, at) = layout.stride_of(first);
            (offset, at, layout.end_offset(segment, end))
        };
        let path = segment_path(&self.folder, segment);
        let bytes = read_at(&path, start, stop)?;
        let mut rest = bytes.as_slice();
        let mut skip = |until: u64| -> Result<usize, StoreError> {
            while at < until {
                let ends = || StoreError::Damaged {
                    what: format!("segment {} ends inside leaf {at}", path.display()),
                };
                rest = split_leaf(rest).ok_or_else(ends)?.1;
                at += 1;
            }
            Ok(bytes.len() - rest.len())
        };
        let range = skip(first)?..skip(end)?;
        Ok(bytes[range].to_vec())
    }

    fn writer(&self) -> MutexGuard<'_, SegmentWriter> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_at(path: &Path, start: u64, stop: u64) -> Result<Vec<u8>, StoreError> {
    let failed = || StoreError::file("cannot read", path);
    let file = File::open(path).map_err(failed())?;
    let stop = stop.min(file.metadata().map_err(failed())?.len());
    let length = usize::try_from(stop.saturating_sub(start)).expect("invariant: a stride fits");
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, start).map_err(failed())?;
    Ok(bytes)
}

impl SegmentWriter {
    /// Appends leaves that all belong to the segment of the next leaf.
    fn append(
        &mut self,
        folder: &Path,
        disk: &DiskHook,
        leaves: &[&[u8]],
    ) -> Result<(), StoreError> {
        let segment = self.size / SEGMENT_LEAVES;
        let mut offset =
            if self.size.is_multiple_of(SEGMENT_LEAVES) { 0 } else { self.next_offset };
        let file = self.file(folder, segment)?;
        let path = segment_path(folder, segment);
        let mut frames = Vec::new();
        let mut leaf = self.size;
        for bytes in leaves {
            let length = u16::try_from(bytes.len()).expect("invariant: a leaf fits its length");
            frames.extend(length.to_be_bytes());
            frames.extend_from_slice(bytes);
            leaf += 1;
            if leaf <= self.found_until {
                let mut found = vec![0; frames.len()];
                file.read_exact_at(&mut found, offset)
                    .map_err(StoreError::file("cannot read", &path))?;
                if found != frames {
                    return Err(StoreError::LeafDiffers { leaf: LeafIndex::new(leaf - 1) });
                }
                offset += frames.len() as u64;
                frames.clear();
            }
        }
        let written = disk.write(&path).and_then(|()| file.write_all_at(&frames, offset));
        written.map_err(StoreError::file("cannot write", &path))?;
        self.size = leaf;
        self.next_offset = offset + frames.len() as u64;
        Ok(())
    }

    fn file(&mut self, folder: &Path, segment: u64) -> Result<Arc<File>, StoreError> {
        if let Some((current, file)) = &self.current
            && *current == segment
        {
            return Ok(Arc::clone(file));
        }
        let path = segment_path(folder, segment);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .read(true)
            .open(&path)
            .map_err(StoreError::file("cannot open", &path))?;
        let file = Arc::new(file);
        self.directory_changed = true;
        self.unsynced.extend(self.current.replace((segment, Arc::clone(&file))));
        Ok(file)
    }
}
