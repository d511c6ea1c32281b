//! The files of a pack as bytes by path, from a folder or from published blobs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use letopis_ledger::Hash;

use super::error::{PackError, PackRule, Problems};
use crate::event::PackFile;

/// Most bytes of a pack.
pub const PACK_MAX_BYTES: u64 = 16 << 20;
/// Most files of a pack: its record must fit into a leaf.
pub const PACK_MAX_FILES: u64 = 256;

/// The files of a pack by path, with `/` between folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackFiles(BTreeMap<String, Vec<u8>>);

impl PackFiles {
    /// Takes files that are in memory.
    ///
    /// # Errors
    /// A path that is not plain, or too much.
    pub fn new(files: BTreeMap<String, Vec<u8>>) -> Result<Self, Vec<PackError>> {
        let mut problems = Problems::default();
        for path in files.keys().filter(|path| !path.split('/').all(is_plain)) {
            problems.add(path, None, PackRule::NotPlain);
        }
        let size_bytes: u64 = files.values().map(|bytes| bytes.len() as u64).sum();
        for (unit, found, limit) in
            [("bytes", size_bytes, PACK_MAX_BYTES), ("files", files.len() as u64, PACK_MAX_FILES)]
        {
            if found > limit {
                problems.add("pack.yaml", None, PackRule::TooLarge { unit, found, limit });
            }
        }
        if problems.is_empty() { Ok(Self(files)) } else { Err(problems.into_errors()) }
    }

    /// Reads every file below a folder.
    ///
    /// # Errors
    /// What cannot be read, and what [`PackFiles::new`] refuses.
    pub fn read(folder: &Path) -> Result<Self, Vec<PackError>> {
        let mut files = BTreeMap::new();
        let mut problems = Problems::default();
        read_folder(folder, "", &mut files, &mut problems);
        if problems.is_empty() { Self::new(files) } else { Err(problems.into_errors()) }
    }

    /// The bytes of a file.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.0.get(path).map(Vec::as_slice)
    }

    /// Files in ascending order of path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }

    /// What a published pack says of its files.
    #[must_use]
    pub fn manifest(&self) -> Vec<PackFile> {
        let describe = |(path, bytes): (&str, &[u8])| PackFile {
            path: path.to_owned(),
            sha256: Hash::of(bytes),
            size_bytes: bytes.len() as u64,
            media_type: media_type(path).to_owned(),
        };
        self.iter().map(describe).collect()
    }
}

fn read_folder(
    folder: &Path,
    prefix: &str,
    files: &mut BTreeMap<String, Vec<u8>>,
    problems: &mut Problems,
) {
    let unreadable = |e: std::io::Error| PackRule::Unreadable { reason: e.to_string() };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) => return problems.add(&folder.display().to_string(), None, unreadable(e)),
    };
    for entry in entries {
        let (entry, kind) = match entry.and_then(|entry| Ok((entry.file_type()?, entry))) {
            Ok((kind, entry)) => (entry, kind),
            Err(e) => {
                problems.add(&folder.display().to_string(), None, unreadable(e));
                continue;
            }
        };
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if kind.is_dir() {
            read_folder(&entry.path(), &format!("{path}/"), files, problems);
        } else if kind.is_file() {
            match fs::read(entry.path()) {
                Ok(bytes) => {
                    files.insert(path, bytes);
                }
                Err(e) => problems.add(&path, None, unreadable(e)),
            }
        } else {
            problems.add(&path, None, PackRule::NotPlain);
        }
    }
}

fn is_plain(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.".contains(&b);
    name.bytes().all(inner) && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("yaml") => "application/yaml",
        Some("json") => "application/json",
        Some("dmn") => "application/xml",
        Some("md") => "text/markdown; charset=utf-8",
        _ => "application/octet-stream",
    }
}
