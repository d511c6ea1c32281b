//! What belongs to one backup, in canonical JSON; the bytes are in `docs/FORMAT.md`.
//!
//! The manifest carries the SHA-256 of itself: every byte of a backup is covered by it, and it is
//! covered by itself.

use letopis_ledger::checkpoint::Origin;
use letopis_ledger::encoding::{decode_base64, encode_base64};
use letopis_ledger::json::{FieldError, Fields, Json, JsonError, Object};
use letopis_ledger::{Hash, LeafIndex, Timestamp, TreeSize};
use thiserror::Error;

use crate::raft::encoding::Stored;
use crate::raft::types::{LogId, StoredMembership, TreeHead};
use crate::store::{Manifest, StoredPosition};

const VERSION: u64 = 1;
/// The folder of manifests.
pub(super) const BACKUPS: &str = "backups";
/// The folder of leaves.
pub(super) const LEAVES: &str = "leaves";
/// The folder of everything else.
pub(super) const FILES: &str = "files";

/// Why a manifest cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{object} is not a backup's manifest: {reason}")]
pub struct ManifestError {
    /// Its name.
    pub object: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Leaves in one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeavesObject {
    /// The first of them.
    pub first: LeafIndex,
    /// How many.
    pub count: u64,
    /// Bytes of the object.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: Hash,
}

/// A file in one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileObject {
    /// Bytes of the object.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: Hash,
}

/// A file that the node's owner handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraObject {
    /// Where it belongs in the node's folder.
    pub path: String,
    /// The object.
    pub file: FileObject,
}

/// One backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupManifest {
    /// The log.
    pub origin: Origin,
    /// When it was begun.
    pub taken: Timestamp,
    /// The tree of its leaves.
    pub head: TreeHead,
    /// The last head in it that the voters agreed on.
    pub agreed: Option<TreeHead>,
    /// Where in the Raft log it is.
    pub(crate) position: StoredPosition,
    /// The leaves, from the first to the last.
    pub leaves: Vec<LeavesObject>,
    /// The public files, in the order of their hashes.
    pub blobs: Vec<FileObject>,
    /// The checkpoint that was published.
    pub checkpoint: Option<FileObject>,
    /// What the node's keys had signed.
    pub signed: Option<FileObject>,
    /// What the owner handed in, in the order of the paths.
    pub extra: Vec<ExtraObject>,
}

impl LeavesObject {
    /// Name of the object.
    #[must_use]
    pub fn object(&self) -> String {
        let sha256 = self.sha256.to_hex();
        format!("{LEAVES}/{:020}-{}-{sha256}", self.first.get(), self.count)
    }
}

impl FileObject {
    /// Name of the object.
    #[must_use]
    pub fn object(&self) -> String {
        format!("{FILES}/{}", self.sha256.to_hex())
    }
}

impl BackupManifest {
    /// The name of the object that it is stored under.
    #[must_use]
    pub fn object(&self) -> String {
        let taken: String =
            self.taken.to_string().chars().filter(|c| !matches!(c, '-' | ':' | '.')).collect();
        format!("{BACKUPS}/{taken}-{}.json", self.head.size)
    }

    /// Every object that it names, with its length.
    pub(super) fn objects(&self) -> impl Iterator<Item = (String, u64)> + '_ {
        let files = self.blobs.iter().chain(&self.checkpoint).chain(&self.signed);
        let files = files.chain(self.extra.iter().map(|extra| &extra.file));
        let files = files.map(|file| (file.object(), file.bytes));
        self.leaves.iter().map(|leaves| (leaves.object(), leaves.bytes)).chain(files)
    }

    /// The durable state of the store that it holds.
    pub(crate) fn state(&self) -> Manifest {
        Manifest { position: self.position.clone(), head: self.head, agreed: self.agreed }
    }

    /// The bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let backup = self.body();
        let sha256 = Hash::of(&Json::from(backup.clone()).to_canonical()).to_hex();
        Json::from(Object::new().with("backup", backup).with("sha256", sha256.as_str()))
            .to_canonical()
    }

    /// Reads the bytes.
    ///
    /// # Errors
    /// Anything that [`Self::to_bytes`] would not write.
    pub fn parse(object: &str, bytes: &[u8]) -> Result<Self, ManifestError> {
        let refused = |reason: String| ManifestError { object: object.to_owned(), reason };
        let read = |bytes| -> Result<Self, Problem> {
            let json = Json::parse_canonical(bytes)?;
            let mut fields = Fields::of("manifest", &json)?;
            let backup = fields.required("backup")?;
            let stated = fields.string("sha256")?;
            fields.finish()?;
            let computed = Hash::of(&backup.to_canonical()).to_hex();
            if stated != computed {
                return Err(Problem::Altered { stated: stated.to_owned(), computed });
            }
            Self::read(backup)
        };
        read(bytes).map_err(|problem| refused(problem.to_string()))
    }

    fn body(&self) -> Object {
        let position = |bytes: &Option<Vec<u8>>| {
            encode_base64(bytes.as_deref().expect("invariant: a backup has leaves"))
        };
        let mut body = Object::new()
            .with("blobs", self.blobs.iter().map(write_file).collect::<Vec<Json>>())
            .with("entry", position(&self.position.log_id).as_str())
            .with("extra", self.extra.iter().map(write_extra).collect::<Vec<Json>>())
            .with("leaves", self.leaves.iter().map(write_leaves).collect::<Vec<Json>>())
            .with("members", position(&self.position.membership).as_str())
            .with("origin", self.origin.as_str())
            .with("root", self.head.root.to_base64().as_str())
            .with("size", number(self.head.size.get()))
            .with("taken", self.taken.to_string().as_str())
            .with("v", number(VERSION));
        if let Some(agreed) = self.agreed {
            let agreed = Object::new()
                .with("root", agreed.root.to_base64().as_str())
                .with("size", number(agreed.size.get()));
            body = body.with("agreed", agreed);
        }
        for (name, file) in [("checkpoint", &self.checkpoint), ("signed", &self.signed)] {
            if let Some(file) = file {
                body = body.with(name, write_file(file));
            }
        }
        body
    }

    fn read(json: &Json) -> Result<Self, Problem> {
        let mut fields = Fields::of("backup", json)?;
        fields.version("v", VERSION)?;
        let list = |fields: &mut Fields<'_>, name| {
            fields.array(name)?.iter().map(read_file).collect::<Result<Vec<_>, Problem>>()
        };
        let optional =
            |fields: &mut Fields<'_>, name| fields.optional(name).map(read_file).transpose();
        let agreed = fields.optional("agreed").map(|agreed| {
            let mut fields = Fields::of("agreed", agreed)?;
            let head = read_head(&mut fields)?;
            fields.finish()?;
            Ok::<_, Problem>(head)
        });
        let entry = fields.parsed("entry", decode_base64)?;
        let members = fields.parsed("members", decode_base64)?;
        LogId::from_stored(&entry).map_err(|e| fields.invalid("entry", &e))?;
        StoredMembership::from_stored(&members).map_err(|e| fields.invalid("members", &e))?;
        let manifest = Self {
            origin: fields.parsed("origin", Origin::new)?,
            taken: fields.parsed("taken", Timestamp::parse)?,
            head: read_head(&mut fields)?,
            agreed: agreed.transpose()?,
            position: StoredPosition { log_id: Some(entry), membership: Some(members) },
            leaves: fields.array("leaves")?.iter().map(read_leaves).collect::<Result<_, _>>()?,
            blobs: list(&mut fields, "blobs")?,
            checkpoint: optional(&mut fields, "checkpoint")?,
            signed: optional(&mut fields, "signed")?,
            extra: fields.array("extra")?.iter().map(read_extra).collect::<Result<_, _>>()?,
        };
        fields.finish()?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The leaves follow one another from 0 to the size; the owner's files stay in the folder.
    fn check(&self) -> Result<(), Problem> {
        let mut next = 0;
        for leaves in &self.leaves {
            if leaves.first.get() != next || leaves.count == 0 {
                return Err(Problem::Gap { expected: next, found: leaves.first.get() });
            }
            next += leaves.count;
        }
        if next != self.head.size.get() {
            return Err(Problem::Gap { expected: self.head.size.get(), found: next });
        }
        let outside = |part: &str| part.is_empty() || part == "." || part == "..";
        match self.extra.iter().find(|extra| extra.path.split('/').any(outside)) {
            Some(extra) => Err(Problem::Path { path: extra.path.clone() }),
            None => Ok(()),
        }
    }
}

#[derive(Debug, Error)]
enum Problem {
    #[error(transparent)]
    Json(#[from] JsonError),
    #[error(transparent)]
    Field(#[from] FieldError),
    #[error("it states SHA-256 {stated}, its content has {computed}: it was altered")]
    Altered { stated: String, computed: String },
    #[error("leaf {found} follows where leaf {expected} must")]
    Gap { expected: u64, found: u64 },
    #[error("{path} leads out of the folder")]
    Path { path: String },
}

fn number(value: u64) -> Json {
    Json::integer(i64::try_from(value).unwrap_or(i64::MAX))
        .expect("invariant: counts of leaves and bytes are far below 2^53")
}

fn write_file(file: &FileObject) -> Json {
    file_object(file).into()
}

fn file_object(file: &FileObject) -> Object {
    Object::new().with("bytes", number(file.bytes)).with("sha256", file.sha256.to_hex().as_str())
}

fn write_extra(extra: &ExtraObject) -> Json {
    file_object(&extra.file).with("path", extra.path.as_str()).into()
}

fn write_leaves(leaves: &LeavesObject) -> Json {
    Object::new()
        .with("bytes", number(leaves.bytes))
        .with("count", number(leaves.count))
        .with("first", number(leaves.first.get()))
        .with("sha256", leaves.sha256.to_hex().as_str())
        .into()
}

fn read_head(fields: &mut Fields<'_>) -> Result<TreeHead, Problem> {
    let size = TreeSize::new(fields.unsigned("size")?);
    Ok(TreeHead { size, root: fields.parsed("root", Hash::from_base64)? })
}

fn read_sha256(fields: &mut Fields<'_>) -> Result<Hash, FieldError> {
    fields.parsed("sha256", |text| Hash::from_hex(text).ok_or("not 64 hexadecimal digits"))
}

fn read_object(fields: &mut Fields<'_>) -> Result<FileObject, Problem> {
    Ok(FileObject { bytes: fields.unsigned("bytes")?, sha256: read_sha256(fields)? })
}

fn read_file(json: &Json) -> Result<FileObject, Problem> {
    let mut fields = Fields::of("file", json)?;
    let file = read_object(&mut fields)?;
    fields.finish()?;
    Ok(file)
}

fn read_extra(json: &Json) -> Result<ExtraObject, Problem> {
    let mut fields = Fields::of("extra file", json)?;
    let path = fields.string("path")?.to_owned();
    let file = read_object(&mut fields)?;
    fields.finish()?;
    Ok(ExtraObject { path, file })
}

fn read_leaves(json: &Json) -> Result<LeavesObject, Problem> {
    let mut fields = Fields::of("leaves", json)?;
    let leaves = LeavesObject {
        first: LeafIndex::new(fields.unsigned("first")?),
        count: fields.unsigned("count")?,
        bytes: fields.unsigned("bytes")?,
        sha256: read_sha256(&mut fields)?,
    };
    fields.finish()?;
    Ok(leaves)
}
