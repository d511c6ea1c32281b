//! Keys and secrets of an agency as files that only their owner can read.
//!
//! Each file holds one line of text. A file that others can read is refused, because a key that
//! others have read is no longer a key. Not here: what the keys sign.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use letopis_consensus::peer::tls::{IdentityError, NodeIdentity};
use letopis_ledger::encoding::{decode_base64, encode_base64};
use letopis_ledger::hash::Hash;
use letopis_ledger::id::{AgencyId, NodeId};
use letopis_ledger::key::{AuthorKey, AuthorSigner};
use letopis_ledger::note::{KeyName, SignatureType, SignerKey};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::certificate::NodeCertificate;
use crate::folder::{CLAIM_SECRET, COSIGNER_KEY, LOG_KEY, NODE_CERTIFICATE, NODE_KEY};

const AUTHOR_PREFIX: &str = "PRIVATE+AUTHOR";

/// Why a key cannot be used.
#[derive(Debug, Error)]
pub(crate) enum KeyFileError {
    /// The file system failed.
    #[error("key file {path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What happened.
        error: io::Error,
    },
    /// Others can read the file.
    #[error("key file {path} can be read by others (mode {mode:o}): run chmod 600 {path}")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The content is not a key of the kind that belongs there.
    #[error("key file {path} does not hold {expected}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
    },
    /// The node's certificate cannot serve.
    #[error("certificate {path}: {error}")]
    Identity {
        /// The file.
        path: PathBuf,
        /// What is wrong with it or its key.
        error: IdentityError,
    },
    /// The system gives no random bytes.
    #[error("the system's random generator failed: {0}")]
    Random(#[from] getrandom::Error),
}

/// The folder with an agency's keys.
#[derive(Debug, Clone)]
pub(crate) struct KeyFolder(PathBuf);

impl KeyFolder {
    /// Takes a folder of keys; nothing is read yet.
    pub(crate) fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// Makes the folder, readable by its owner alone.
    pub(crate) fn create(&self) -> Result<(), KeyFileError> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0);
        made.map_err(|error| KeyFileError::Io { path: self.0.clone(), error })
    }

    /// Makes a key for signing checkpoints or cosigning them.
    pub(crate) fn generate_note_key(
        &self,
        file: &str,
        name: KeyName,
        kind: SignatureType,
    ) -> Result<SignerKey, KeyFileError> {
        let content = |_| KeyFileError::Content {
            path: self.0.join(file),
            expected: "a key whose name suits its kind",
        };
        let key = SignerKey::from_seed(name, kind, random()?).map_err(content)?;
        self.write(file, &key.to_secret_text())?;
        Ok(key)
    }

    /// Reads a key for signing checkpoints or cosigning them.
    pub(crate) fn note_key(&self, file: &str) -> Result<SignerKey, KeyFileError> {
        let text = self.read(file)?;
        SignerKey::parse(text.trim_end()).map_err(|_| KeyFileError::Content {
            path: self.0.join(file),
            expected: "a key of the form PRIVATE+KEY+<name>+<id>+<base64>",
        })
    }

    /// Makes the key with which an agency signs records.
    pub(crate) fn generate_author(&self, agency: &AgencyId) -> Result<AuthorSigner, KeyFileError> {
        let seed: Zeroizing<[u8; 32]> = random()?;
        let encoded = Zeroizing::new(encode_base64(seed.as_slice()));
        let text = Zeroizing::new(format!("{AUTHOR_PREFIX}+{agency}+{}", *encoded));
        self.write(&author_file(agency), &text)?;
        Ok(AuthorSigner::from_seed(&seed))
    }

    /// Reads the key with which an agency signs records.
    pub(crate) fn author(&self, agency: &AgencyId) -> Result<AuthorSigner, KeyFileError> {
        let file = author_file(agency);
        let text = self.read(&file)?;
        let prefix = format!("{AUTHOR_PREFIX}+{agency}+");
        let seed = text
            .trim_end()
            .strip_prefix(&prefix)
            .and_then(|encoded| decode_base64(encoded).ok())
            .map(Zeroizing::new)
            .and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok())
            .map(Zeroizing::new);
        let seed = seed.ok_or_else(|| KeyFileError::Content {
            path: self.0.join(file),
            expected: "a key of the form PRIVATE+AUTHOR+<agency>+<base64>",
        })?;
        Ok(AuthorSigner::from_seed(&seed))
    }

    /// Makes the certificate with which a node proves itself to others, and its private key.
    pub(crate) fn generate_certificate(
        &self,
        node: NodeId,
        agency: &AgencyId,
    ) -> Result<Hash, KeyFileError> {
        let content = |_| KeyFileError::Content {
            path: self.0.join(NODE_CERTIFICATE),
            expected: "a certificate that can be made for this node",
        };
        let made = NodeCertificate::generate(node, agency, SystemTime::now()).map_err(content)?;
        self.write(NODE_KEY, made.private_key_pem.trim_end())?;
        self.write(NODE_CERTIFICATE, made.certificate_pem.trim_end())?;
        Ok(made.key)
    }

    /// Keeps a certificate that the agency's own authority issued, and its private key.
    pub(crate) fn take_certificate(
        &self,
        certificate: &str,
        private_key: &str,
    ) -> Result<Hash, KeyFileError> {
        let identity = NodeIdentity::from_pem(certificate.as_bytes(), private_key.as_bytes());
        let path = self.0.join(NODE_CERTIFICATE);
        let identity = identity.map_err(|error| KeyFileError::Identity { path, error })?;
        self.write(NODE_KEY, private_key.trim_end())?;
        self.write(NODE_CERTIFICATE, certificate.trim_end())?;
        Ok(identity.key())
    }

    /// Takes over what all nodes of an agency have: the record key and the secret for claims.
    pub(crate) fn take_agency_keys(
        &self,
        other: &Self,
        agency: &AgencyId,
    ) -> Result<AuthorKey, KeyFileError> {
        let author = other.author(agency)?;
        for file in [CLAIM_SECRET, &author_file(agency)] {
            self.write(file, other.read(file)?.trim_end())?;
        }
        Ok(author.key())
    }

    /// Reads the certificate and its private key, made here or issued by the agency's authority.
    pub(crate) fn identity(&self) -> Result<NodeIdentity, KeyFileError> {
        let path = self.0.join(NODE_CERTIFICATE);
        let certificate = fs::read(&path);
        let certificate =
            certificate.map_err(|error| KeyFileError::Io { path: path.clone(), error })?;
        let key = self.read(NODE_KEY)?;
        NodeIdentity::from_pem(&certificate, key.as_bytes())
            .map_err(|error| KeyFileError::Identity { path, error })
    }

    /// Reads every log key that is here: `log.key`, and those that rotations made beside it.
    pub(crate) fn log_keys(&self) -> Result<Vec<SignerKey>, KeyFileError> {
        let io = |error| KeyFileError::Io { path: self.0.clone(), error };
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.0).map_err(io)? {
            let name = entry.map_err(io)?.file_name();
            let name = name.to_string_lossy().into_owned();
            if name == LOG_KEY || (name.starts_with("log-") && name.ends_with(".key")) {
                files.push(name);
            }
        }
        files.sort();
        files.iter().map(|file| self.note_key(file)).collect()
    }

    /// Keeps a log key that another voter gave.
    pub(crate) fn keep_log_key(&self, text: &str) -> io::Result<()> {
        let key = SignerKey::parse(text).map_err(io::Error::other)?;
        let file = log_key_file(&key);
        if self.0.join(&file).exists() {
            return Ok(());
        }
        self.write(&file, text).map_err(io::Error::other)
    }

    /// Makes another log key beside those that are there.
    pub(crate) fn generate_next_log_key(&self, name: KeyName) -> Result<SignerKey, KeyFileError> {
        let content = |_| KeyFileError::Content {
            path: self.0.clone(),
            expected: "a key whose name suits its kind",
        };
        let key = SignerKey::from_seed(name, SignatureType::Ed25519, random()?).map_err(content)?;
        self.write(&log_key_file(&key), &key.to_secret_text())?;
        Ok(key)
    }

    /// Makes the next key of an agency beside the one in use.
    pub(crate) fn generate_next_author(
        &self,
        agency: &AgencyId,
    ) -> Result<AuthorSigner, KeyFileError> {
        let seed: Zeroizing<[u8; 32]> = random()?;
        let encoded = Zeroizing::new(encode_base64(seed.as_slice()));
        let text = Zeroizing::new(format!("{AUTHOR_PREFIX}+{agency}+{}", *encoded));
        self.write(&next(&author_file(agency)), &text)?;
        Ok(AuthorSigner::from_seed(&seed))
    }

    /// Puts the next key of an agency in the place of the one in use, which is kept.
    pub(crate) fn use_next_author(&self, agency: &AgencyId) -> Result<(), KeyFileError> {
        let old = self.author(agency)?.key().id();
        self.use_next(&author_file(agency), &old.to_string())
    }

    /// The next cosigning key: the one that an earlier rotation made and the log did not take yet,
    /// or a new one beside the one in use.
    pub(crate) fn next_cosigner(&self, name: KeyName) -> Result<SignerKey, KeyFileError> {
        let file = next(COSIGNER_KEY);
        if self.0.join(&file).exists() {
            return self.note_key(&file);
        }
        self.generate_note_key(&file, name, SignatureType::Ed25519Cosignature)
    }

    /// Puts the next cosigning key in the place of the one in use, which is kept.
    pub(crate) fn use_next_cosigner(&self) -> Result<(), KeyFileError> {
        let old = self.note_key(COSIGNER_KEY)?.verifier_key().id();
        self.use_next(COSIGNER_KEY, &old.to_string())
    }

    fn use_next(&self, file: &str, old: &str) -> Result<(), KeyFileError> {
        let (current, next) = (self.0.join(file), self.0.join(next(file)));
        let retired = self.0.join(format!("{file}.{old}.retired"));
        let io = |error| KeyFileError::Io { path: next.clone(), error };
        fs::hard_link(&current, &retired).map_err(io)?;
        fs::rename(&next, &current).map_err(io)?;
        File::open(&self.0).and_then(|folder| folder.sync_all()).map_err(io)
    }

    /// Makes a secret of 32 random bytes.
    pub(crate) fn generate_secret(&self, file: &str) -> Result<(), KeyFileError> {
        let secret: Zeroizing<[u8; 32]> = random()?;
        self.write(file, &Zeroizing::new(encode_base64(secret.as_slice())))
    }

    /// Reads a secret of 32 bytes.
    pub(crate) fn secret(&self, file: &str) -> Result<Zeroizing<[u8; 32]>, KeyFileError> {
        let text = self.read(file)?;
        let bytes = decode_base64(text.trim_end()).ok().map(Zeroizing::new);
        let secret = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
        secret.map(Zeroizing::new).ok_or_else(|| KeyFileError::Content {
            path: self.0.join(file),
            expected: "base64 of 32 bytes",
        })
    }

    /// Makes an access token: 32 random bytes in hexadecimal.
    pub(crate) fn generate_token(&self, file: &str) -> Result<(), KeyFileError> {
        let secret: Zeroizing<[u8; 32]> = random()?;
        self.write(file, &Zeroizing::new(hex::encode(secret.as_slice())))
    }

    /// Reads an access token.
    pub(crate) fn token(&self, file: &str) -> Result<Zeroizing<String>, KeyFileError> {
        Ok(Zeroizing::new(self.read(file)?.trim_end().to_owned()))
    }

    fn write(&self, file: &str, text: &str) -> Result<(), KeyFileError> {
        let path = self.0.join(file);
        let attempt = || -> io::Result<()> {
            // Never over an existing key: what it signed could no longer be continued.
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            writeln!(file, "{text}")?;
            file.sync_all()?;
            // The name too: a key that has signed must not be lost.
            File::open(&self.0)?.sync_all()
        };
        attempt().map_err(|error| KeyFileError::Io { path: path.clone(), error })
    }

    fn read(&self, file: &str) -> Result<Zeroizing<String>, KeyFileError> {
        let path = self.0.join(file);
        check_private(&path)?;
        let text = fs::read_to_string(&path);
        text.map(Zeroizing::new).map_err(|error| KeyFileError::Io { path, error })
    }
}

fn log_key_file(key: &SignerKey) -> String {
    format!("log-{}.key", key.verifier_key().id())
}

fn next(file: &str) -> String {
    format!("{file}.next")
}

fn author_file(agency: &AgencyId) -> String {
    format!("author-{agency}.key")
}

fn check_private(path: &Path) -> Result<(), KeyFileError> {
    let io = |error| KeyFileError::Io { path: path.to_owned(), error };
    let mode = fs::metadata(path).map_err(io)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Exposed { path: path.to_owned(), mode });
    }
    Ok(())
}

fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, KeyFileError> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut_slice())?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, KeyFolder) {
        let place = tempfile::tempdir().unwrap();
        let keys = KeyFolder::new(place.path().join("keys"));
        keys.create().unwrap();
        (place, keys)
    }

    #[test]
    fn keys_read_back_and_are_never_overwritten() {
        let (_place, keys) = folder();
        let agency = AgencyId::parse("zarechny").unwrap();
        let made = keys.generate_author(&agency).unwrap();
        assert_eq!(keys.author(&agency).unwrap().key(), made.key());
        assert!(matches!(keys.generate_author(&agency), Err(KeyFileError::Io { .. })));
        let name = KeyName::new("log.example").unwrap();
        let made = keys.generate_note_key("log.key", name, SignatureType::Ed25519).unwrap();
        assert_eq!(keys.note_key("log.key").unwrap().verifier_key(), made.verifier_key());
        keys.generate_secret("claims.secret").unwrap();
        assert_eq!(keys.secret("claims.secret").unwrap(), keys.secret("claims.secret").unwrap());
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let (place, keys) = folder();
        keys.generate_secret("claims.secret").unwrap();
        let path = place.path().join("keys/claims.secret");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            keys.secret("claims.secret"),
            Err(KeyFileError::Exposed { mode: 0o640, .. })
        ));
    }

    #[test]
    fn another_content_is_refused() {
        let (_place, keys) = folder();
        keys.write("author-zarechny.key", "PRIVATE+AUTHOR+other+AAAA").unwrap();
        let agency = AgencyId::parse("zarechny").unwrap();
        assert!(matches!(keys.author(&agency), Err(KeyFileError::Content { .. })));
    }
}
