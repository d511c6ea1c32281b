//! A record that its author did not sign is found, whichever way the check takes.

use std::ops::Range;

use letopis_ledger::Timestamp;
use letopis_ledger::key::AuthorSignature;
use tempfile::TempDir;

use super::*;
use crate::crash::CrashHook;
use crate::machine::test_records::*;
use crate::store::{Folder, Opened};

const OWN: u64 = 1;
const OTHER: u64 = 2;

/// A log whose record of one number was signed by nobody.
struct Log {
    store: Store,
    forged: Option<u64>,
    _folder: TempDir,
}

impl Log {
    fn new(forged: Option<u64>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let opened = Opened {
            origin: origin(),
            signed_size: TreeSize::ZERO,
            progress: &|_| {},
            crash: CrashHook::none(),
        };
        let store = Store::open(&Folder::new(folder.path()), opened).unwrap();
        Self { store, forged, _folder: folder }
    }

    fn record(&self, number: u64) -> SignedRecord {
        if number == 0 {
            return genesis();
        }
        let event = event(&format!("case/{number}"), 0);
        let record = founder().record(number, vec![event], vec![]);
        if self.forged != Some(number) {
            return record;
        }
        let nobody = vec![(record.signatures()[0].0, AuthorSignature::from_bytes([1; 64]))];
        SignedRecord::from_parts(record.record().clone(), nobody).unwrap()
    }

    /// Appends an entry of these records.
    fn append(&self, term: u64, numbers: Range<u64>) -> AppliedRecords {
        let records: Vec<SignedRecord> = numbers.map(|number| self.record(number)).collect();
        let mut transaction = self.store.begin();
        for record in &records {
            let stamped = Timestamp::from_unix_ms(1_000).unwrap();
            transaction.append(stamped, record).unwrap().unwrap();
        }
        let (before, after) = transaction.sizes();
        transaction.commit().unwrap();
        AppliedRecords { term, before, after, records: records.into() }
    }

    fn check(&self, authors: &Authors) -> Result<(), u64> {
        match authors.check_until(&self.store, self.store.applied_size()) {
            Ok(()) => Ok(()),
            Err(PublishError::Forged { leaf, .. }) => Err(leaf.get()),
            Err(other) => panic!("another error: {other}"),
        }
    }
}

fn authors() -> Authors {
    let authors = Authors::from(TreeSize::ZERO);
    authors.leads(OWN);
    authors
}

#[test]
fn a_record_that_nobody_signed_is_found_as_it_arrives_and_in_the_leaves() {
    for forged in 1..9 {
        let log = Log::new(Some(forged));
        let (arriving, reading, some) = (authors(), authors(), authors());
        for (place, entry) in [0..3, 3..4, 4..7, 7..9].into_iter().enumerate() {
            let entry = log.append(OTHER, entry);
            let again = AppliedRecords { records: Arc::clone(&entry.records), ..entry };
            arriving.applied(entry);
            // What is lost on the way is read.
            if place % 2 == 1 {
                some.applied(again);
            }
        }
        for authors in [&arriving, &reading, &some] {
            assert_eq!(log.check(authors), Err(forged));
            assert_eq!(log.check(authors), Err(forged), "it stays forged");
        }
    }
}

#[test]
fn what_was_checked_before_it_was_proposed_is_not_checked_again() {
    let log = Log::new(Some(4));
    let authors = authors();
    authors.applied(log.append(OTHER, 0..3));
    // Also behind what is not checked yet.
    authors.applied(log.append(OWN, 3..5));
    authors.applied(log.append(OTHER, 5..8));
    assert_eq!(log.check(&authors), Ok(()));
    authors.applied(log.append(OWN, 8..9));
    assert_eq!(log.check(&authors), Ok(()));
    assert_eq!(authors.checked().waiting.len(), 0);
    // What another node proposed is.
    let authors = self::authors();
    let log = Log::new(Some(4));
    authors.applied(log.append(OTHER, 0..3));
    authors.applied(log.append(OTHER, 3..5));
    assert_eq!(log.check(&authors), Err(4));
}

#[test]
fn what_waits_is_bounded_and_the_rest_is_read() {
    let log = Log::new(Some(2));
    let authors = authors();
    authors.applied(log.append(OTHER, 0..1));
    let entry = log.append(OTHER, 1..4);
    let mut records = vec![];
    while records.len() * entry.records[0].record_bytes().len() <= WAITING_BYTES {
        records.extend(entry.records.iter().cloned());
    }
    let after = TreeSize::new(1 + records.len() as u64);
    let (before, records) = (entry.before, records.into());
    authors.applied(AppliedRecords { term: OTHER, before, after, records });
    assert_eq!(authors.checked().waiting.len(), 0);
    assert_eq!(authors.checked().waiting_bytes, 0);
    assert_eq!(log.check(&authors), Err(2));
}
