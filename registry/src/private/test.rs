//! What was put is there after a restart, as it was; nobody without a token is admitted.

use std::sync::atomic::{AtomicU8, Ordering};

use futures::executor::block_on;
use futures::future::join_all;
use letopis_ledger::json::Json;

use super::*;
use crate::environment::Entropy;

#[derive(Default)]
struct Counter(AtomicU8);

impl Entropy for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0.fetch_add(1, Ordering::SeqCst));
    }
}

fn stream(name: &str) -> StreamName {
    StreamName::parse(name).unwrap()
}

fn disclosure(salt: u8, value: &str) -> Disclosure {
    Disclosure::new(&[salt; 16], "plate", Json::String(value.into())).unwrap()
}

fn batch(stream_name: &str, disclosures: &[Disclosure]) -> PrivateBatch {
    let with_stream = |d: &Disclosure| (stream(stream_name), d.clone());
    PrivateBatch {
        disclosures: disclosures.iter().map(with_stream).collect(),
        ..PrivateBatch::default()
    }
}

#[test]
fn what_was_put_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("private.sqlite");
    let (one, two, absent) = (disclosure(1, "А"), disclosure(2, "Б"), disclosure(3, "В"));
    let store = PrivateStore::open(&path).unwrap();
    block_on(store.put(batch("a/1", &[one.clone(), two.clone()]))).unwrap();
    block_on(store.put(batch("a/1", std::slice::from_ref(&one)))).unwrap();
    drop(store);
    let store = PrivateStore::open(&path).unwrap();
    let digests = [two.digest(), absent.digest(), one.digest()];
    assert_eq!(store.open_digests(&digests).unwrap(), [Some(two.clone()), None, Some(one.clone())]);
}

#[test]
fn a_copy_holds_what_was_durable_when_it_was_made() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("private.sqlite"), folder.path().join("copy.sqlite"));
    let (one, late) = (disclosure(1, "А"), disclosure(2, "Б"));
    let store = PrivateStore::open(&path).unwrap();
    block_on(store.put(batch("a/1", std::slice::from_ref(&one)))).unwrap();
    store.copy_to(&copy).unwrap();
    block_on(store.put(batch("a/1", std::slice::from_ref(&late)))).unwrap();
    assert!(store.copy_to(&copy).is_err(), "a copy never replaces a file");
    let copied = PrivateStore::open(&copy).unwrap();
    let digests = [one.digest(), late.digest()];
    assert_eq!(copied.open_digests(&digests).unwrap(), [Some(one), None]);
}

#[test]
fn many_callers_are_served_together() {
    let folder = tempfile::tempdir().unwrap();
    let store = PrivateStore::open(&folder.path().join("private.sqlite")).unwrap();
    let put = (0..200_u8).map(|n| store.put(batch("a/1", &[disclosure(n, "x")])));
    let results = block_on(join_all(put));
    assert!(results.iter().all(Result::is_ok));
    let digests: Vec<_> = (0..200_u8).map(|n| disclosure(n, "x").digest()).collect();
    assert!(store.open_digests(&digests).unwrap().iter().all(Option::is_some));
}

#[test]
fn a_token_opens_its_own_stream_only() {
    let folder = tempfile::tempdir().unwrap();
    let store = PrivateStore::open(&folder.path().join("private.sqlite")).unwrap();
    let entropy = Counter::default();
    let (token, other) = (AccessToken::new(&entropy), AccessToken::new(&entropy));
    let tokens = vec![(token.digest(), stream("a/1"))];
    block_on(store.put(PrivateBatch { tokens, ..PrivateBatch::default() })).unwrap();
    let copied = AccessToken::parse(&token.reveal()).unwrap();
    assert!(store.admits(&copied, &stream("a/1")).unwrap());
    assert!(!store.admits(&token, &stream("a/2")).unwrap());
    assert!(!store.admits(&other, &stream("a/1")).unwrap());
    for bad in ["", "zz", &"AB".repeat(16), &"ab".repeat(17)] {
        assert_eq!(AccessToken::parse(bad), Err(TokenError));
    }
    assert!(!format!("{token:?}").contains(&token.reveal()));
}

#[test]
fn a_submission_is_kept_by_its_key_and_only_its_own_case_replaces_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = PrivateStore::open(&folder.path().join("private.sqlite")).unwrap();
    let (mine, other) = (CaseId::from_parts(1, &[1; 10]), CaseId::from_parts(1, &[2; 10]));
    let submission = |case, record: &[u8]| Submission {
        key: Hash::of(b"key"),
        input: Hash::of(b"input"),
        case,
        signed_record: record.to_vec(),
    };
    let put = |submission: Submission| {
        let batch = PrivateBatch { submission: Some(submission), ..PrivateBatch::default() };
        block_on(store.put(batch)).unwrap();
    };
    assert_eq!(store.submission(&Hash::of(b"key")).unwrap(), None);
    put(submission(mine, b"first"));
    put(submission(other, b"stranger"));
    assert_eq!(store.submission(&Hash::of(b"key")).unwrap(), Some(submission(mine, b"first")));
    put(submission(mine, b"second"));
    assert_eq!(store.submission(&Hash::of(b"key")).unwrap(), Some(submission(mine, b"second")));
}

#[test]
fn damaged_disclosures_are_never_handed_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("private.sqlite");
    let store = PrivateStore::open(&path).unwrap();
    let (one, two) = (disclosure(1, "А"), disclosure(2, "Б"));
    block_on(store.put(batch("a/1", std::slice::from_ref(&one)))).unwrap();
    let raw = Connection::open(&path).unwrap();
    raw.execute("UPDATE disclosure SET text = ?1", [two.as_str()]).unwrap();
    let digest = one.digest();
    assert!(matches!(
        store.open_digests(&[digest]),
        Err(PrivateError::Damaged { digest: found }) if found == digest
    ));
}

#[test]
fn a_file_that_cannot_be_written_is_an_error_and_nothing_is_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("private.sqlite");
    let store = PrivateStore::open(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("DROP TABLE disclosure").unwrap();
    let refused = block_on(store.put(batch("a/1", &[disclosure(1, "А")])));
    assert!(matches!(refused, Err(PrivateError::Database { .. })));
    // After a failed commit nothing more is promised.
    let stopped = block_on(store.put(batch("a/1", &[disclosure(2, "Б")])));
    assert!(matches!(stopped, Err(PrivateError::Stopped { .. } | PrivateError::Database { .. })));
    assert!(PrivateStore::open(folder.path()).is_err());
    let newer = folder.path().join("newer.sqlite");
    Connection::open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(PrivateStore::open(&newer).is_err());
}

#[test]
fn a_store_of_the_first_version_gets_the_tables_of_drafts_and_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("private.sqlite");
    let one = disclosure(1, "А");
    let store = PrivateStore::open(&path).unwrap();
    block_on(store.put(batch("a/1", std::slice::from_ref(&one)))).unwrap();
    drop(store);
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch("DROP TABLE draft; DROP TABLE file; PRAGMA user_version = 1;")
        .unwrap();
    drop(connection);
    let store = PrivateStore::open(&path).unwrap();
    assert_eq!(store.open_digests(&[one.digest()]).unwrap(), [Some(one)]);
    let id = crate::event::DraftId::from_parts(1, &[1; 10]);
    assert_eq!(store.draft(id).unwrap(), None);
    let stream = letopis_ledger::id::StreamName::parse("a/1").unwrap();
    let files = vec![(stream, b"a paper".to_vec())];
    block_on(store.put(PrivateBatch { files, ..PrivateBatch::default() })).unwrap();
    let sha256 = letopis_ledger::Hash::of(b"a paper");
    assert_eq!(store.file(&sha256).unwrap().as_deref(), Some(b"a paper".as_slice()));
    drop(store);
    let damage = "UPDATE file SET bytes = x'00'";
    Connection::open(&path).unwrap().execute(damage, []).unwrap();
    let store = PrivateStore::open(&path).unwrap();
    assert!(matches!(store.file(&sha256), Err(PrivateError::FileDamaged { .. })));
    drop(store);
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 3).unwrap();
    assert!(PrivateStore::open(&path).is_err(), "a newer program made it");
}
