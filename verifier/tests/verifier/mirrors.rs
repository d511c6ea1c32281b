//! Mirrors: a copy verifies like its original, and only what is new is fetched again.

use std::path::Path;
use std::sync::Mutex;

use letopis_verifier::audit::Nobody;
use letopis_verifier::decision::{Options, check_decision};
use letopis_verifier::mirror::{MirrorError, mirror};
use letopis_verifier::source::{DirectorySource, LogSource, SourceError};

use super::decision_case::{CASE, CaseSpec};
use super::written::{Written, edit, files, found_in};

/// A folder that counts what is read from it.
struct Counted {
    folder: DirectorySource,
    paths: Mutex<Vec<String>>,
}

impl Counted {
    fn new(folder: &Path) -> Self {
        Self { folder: DirectorySource::new(folder), paths: Mutex::default() }
    }

    fn paths(self) -> Vec<String> {
        let mut paths = self.paths.into_inner().unwrap();
        paths.sort();
        paths
    }
}

impl LogSource for Counted {
    fn get(&self, path: &str, max_bytes: usize) -> Result<Vec<u8>, SourceError> {
        self.paths.lock().unwrap().push(path.to_owned());
        self.folder.get(path, max_bytes)
    }

    fn location(&self) -> String {
        self.folder.location()
    }
}

#[test]
fn a_mirror_has_every_file_and_verifies() {
    for spec in [CaseSpec::granted(), CaseSpec::refused()] {
        let original = spec.published();
        let copy = tempfile::tempdir().unwrap();
        let size = mirror(&DirectorySource::new(original.path()), copy.path()).unwrap();
        assert_eq!(size, spec.written().leaves.len() as u64);
        assert_eq!(files(copy.path()), files(original.path()));
        let source = DirectorySource::new(copy.path());
        let checked = check_decision(&source, CASE, &Options::default(), &mut Nobody).unwrap();
        assert_eq!(checked.audit.findings.kept(), []);
    }
}

#[test]
fn a_second_run_fetches_what_is_new() {
    let copy = tempfile::tempdir().unwrap();
    let original = Written::of_size(300).published();
    mirror(&DirectorySource::new(original.path()), copy.path()).unwrap();
    assert_eq!(found_in(copy.path()), []);

    let source = Counted::new(original.path());
    mirror(&source, copy.path()).unwrap();
    assert_eq!(source.paths(), ["checkpoint", "policy"]);

    let grown = Written::of_size(600).published();
    let source = Counted::new(grown.path());
    assert_eq!(mirror(&source, copy.path()).unwrap(), 600);
    assert_eq!(
        source.paths(),
        [
            "checkpoint",
            "policy",
            "tile/0/001",
            "tile/0/002.p/88",
            "tile/1/000.p/2",
            "tile/entries/001",
            "tile/entries/002.p/88",
        ]
    );
    assert_eq!(found_in(copy.path()), []);
    // What a full file has replaced is gone.
    let partial = files(copy.path()).into_iter().filter(|name| name.contains("001.p")).count();
    assert_eq!(partial, 0);
}

#[test]
fn an_interrupted_mirror_promises_nothing_and_goes_on_later() {
    let original = Written::of_size(300).published();
    let bundle = original.path().join("tile/entries/000");
    let bytes = std::fs::read(&bundle).unwrap();
    std::fs::remove_file(&bundle).unwrap();
    let copy = tempfile::tempdir().unwrap();
    let failed = mirror(&DirectorySource::new(original.path()), copy.path());
    assert!(matches!(failed, Err(MirrorError::Source(SourceError::NotFound { .. }))), "{failed:?}");
    assert!(!copy.path().join("checkpoint").exists());
    std::fs::write(&bundle, bytes).unwrap();
    mirror(&DirectorySource::new(original.path()), copy.path()).unwrap();
    assert_eq!(found_in(copy.path()), []);
}

#[test]
fn a_checkpoint_that_is_none_is_not_mirrored() {
    let original = Written::of_size(3).published();
    edit(original.path(), "checkpoint", |bytes| bytes[0] = b'\n');
    let copy = tempfile::tempdir().unwrap();
    let failed = mirror(&DirectorySource::new(original.path()), copy.path());
    assert!(matches!(failed, Err(MirrorError::Checkpoint { .. })), "{failed:?}");
    assert_eq!(files(copy.path()), Vec::<String>::new());
}
