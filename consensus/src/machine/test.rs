//! One row for each rule, in the order of precedence, and what holds for any sequence of records.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use letopis_ledger::checkpoint::Origin;
use letopis_ledger::governance::GovernanceEvent;
use letopis_ledger::id::{AgencyId, EventType};
use letopis_ledger::leaf::LEAF_MAX_BYTES;
use letopis_ledger::record::{Event, Record};
use letopis_ledger::tree::MemoryTree;
use proptest::prelude::*;

use super::node::test::{gone, grown, node_rows};
use super::test_records::*;
use super::*;

/// A log in memory.
pub(super) struct Log {
    pub(super) view: MemoryView,
    leaves: Vec<Leaf>,
}

impl Log {
    pub(super) fn empty() -> Self {
        Self { view: MemoryView::empty(origin()), leaves: Vec::new() }
    }

    /// Founder, two agencies, one open stream of each agency, one claim, one revoked key.
    pub(super) fn begun() -> Self {
        let mut log = Self::empty();
        log.accept(&genesis());
        log.accept(&admission(1, &west()));
        log.accept(&admission(2, &east()));
        let claims = vec![take("number/1", "case/west")];
        log.accept(&west().record(3, vec![event("case/west", 0)], claims));
        log.accept(&east().record(4, vec![event("case/east", 0)], vec![]));
        let events = vec![
            governance(2, &introduced(&west().agency, old_key().key())),
            governance(3, &revoked(&west().agency, old_key().key())),
        ];
        log.accept(&west().record(5, events, vec![]));
        log
    }

    fn judge_at(&mut self, ms: i64, record: &SignedRecord) -> Result<Receipt, Reject> {
        let stamped = Timestamp::from_unix_ms(ms).unwrap();
        let outcome: Result<Outcome, Infallible> = judge(&self.view, stamped, record);
        match outcome.unwrap() {
            Outcome::Appended(appended) => {
                self.view.absorb(&appended);
                self.leaves.push(appended.leaf.clone());
                Ok(appended.receipt)
            }
            Outcome::Repeated(receipt) => Ok(receipt),
            Outcome::Rejected(reject) => Err(*reject),
        }
    }

    pub(super) fn judge(&mut self, record: &SignedRecord) -> Result<Receipt, Reject> {
        self.judge_at(1_000, record)
    }

    pub(super) fn accept(&mut self, record: &SignedRecord) -> Receipt {
        self.judge(record).unwrap()
    }
}

pub(super) fn west() -> Author {
    Author::new("west", 2)
}

pub(super) fn east() -> Author {
    Author::new("east", 3)
}

pub(super) fn stranger() -> Author {
    Author::new("stranger", 4)
}

/// A key that west introduced and revoked.
fn old_key() -> Author {
    Author::new("west", 5)
}

fn foreign_log(id: u64) -> SignedRecord {
    let log = Origin::new("other.example.org/log").unwrap();
    let events = vec![event("case/new", 0)];
    let record = Record::new(log, record_id(id), west().agency, events, vec![]);
    SignedRecord::sign(record.unwrap(), &west().signer)
}

/// A record by west, signed with another author's key.
fn by_west_signed_by(signer: &Author, id: u64) -> SignedRecord {
    let events = vec![event("case/new", 0)];
    let record = Record::new(origin(), record_id(id), west().agency, events, vec![]);
    SignedRecord::sign(record.unwrap(), &signer.signer)
}

fn unknown_governance() -> Event {
    let mut event = governance(4, &revoked(&west().agency, west().key()));
    event.event_type = EventType::parse("key.lent").unwrap();
    event
}

/// A record that breaks one rule only, and the whole reject.
pub(super) type Row = (SignedRecord, Reject);

fn identity_rows() -> Vec<Row> {
    let other = Origin::new("other.example.org/log").unwrap();
    let reused = west().record(3, vec![event("case/west", 1)], vec![]);
    let by_stranger = stranger().record(101, vec![event("case/new", 0)], vec![]);
    let (stranger_key, east_key) = (stranger().key().id(), east().key().id());
    let (owner, author) = (east().agency, west().agency);
    let revoked = LeafIndex::new(5);
    let by_removed = gone().record(101, vec![event("case/new", 0)], vec![]);
    let removed = Reject::AgencyRemoved { agency: gone().agency, removed: LeafIndex::new(7) };
    vec![
        (foreign_log(100), Reject::WrongLog { expected: origin(), found: other }),
        (reused, Reject::IdReused { id: record_id(3), first: LeafIndex::new(3) }),
        (by_stranger, Reject::UnknownAgency { agency: stranger().agency }),
        (by_removed, removed),
        (by_west_signed_by(&stranger(), 102), Reject::UnknownKey { key: stranger_key }),
        (by_west_signed_by(&east(), 102), Reject::ForeignKey { key: east_key, owner, author }),
        (by_west_signed_by(&old_key(), 102), {
            Reject::RevokedKey { key: old_key().key().id(), revoked }
        }),
    ]
}

fn stream_rows() -> Vec<Row> {
    let on_east = west().record(103, vec![event("case/east", 1)], vec![]);
    let admitting = west().record(104, admission_events(&stranger()), vec![]);
    let (founder, author) = (founder().agency, west().agency);
    let owned = Reject::StreamOwnedByOther {
        stream: stream("case/east"),
        owner: east().agency,
        author: author.clone(),
    };
    let conflict = Reject::VersionConflict {
        stream: stream("case/west"),
        expected: StreamVersion::new(3),
        actual: StreamVersion::new(1),
    };
    vec![
        (on_east, owned),
        (admitting, Reject::NotFounder { stream: stream("agency/stranger"), founder, author }),
        (west().record(105, vec![event("case/west", 3)], vec![]), conflict),
    ]
}

fn governance_rows() -> Vec<Row> {
    let by_west = |event: Event| west().record(106, vec![event], vec![]);
    let next = |read| by_west(governance(4, &read));
    let malformed = unknown_governance();
    let malformed_reject = Reject::GovernanceMalformed {
        stream: stream("agency/west"),
        version: StreamVersion::new(4),
        reason: GovernanceEvent::read(&malformed).unwrap_err(),
    };
    let agency = west().agency;
    let (east_key, old_key) = (east().key(), old_key().key());
    vec![
        (by_west(malformed), malformed_reject),
        (next(admitted(&agency)), Reject::AdmissionOutOfPlace { agency: agency.clone() }),
        (next(introduced(&agency, east_key)), {
            Reject::KeyKnown { key: east_key.id(), agency: east().agency }
        }),
        (next(revoked(&agency, old_key)), Reject::KeyNotInForce { key: old_key.id(), agency }),
    ]
}

fn claim_and_size_rows() -> Vec<Row> {
    let claiming = |claim| west().record(107, vec![event("case/new", 0)], vec![claim]);
    let (name, holder) = (claim_name("number/1"), stream("case/west"));
    let not_held = Reject::ClaimNotHeld {
        name: name.clone(),
        by: stream("case/new"),
        holder: Some(holder.clone()),
    };
    let small = claiming(take("number/2", "case/new"));
    let leaf = Leaf::new(LeafIndex::new(8), Hash::of(b""), Timestamp::EPOCH, small.clone());
    let around_bytes = leaf.unwrap().as_bytes().len() - small.record_bytes().len();
    let big = event_with("case/new", 0, "text", &"x".repeat(LEAF_MAX_BYTES));
    let big = west().record(109, vec![big], vec![]);
    let found_bytes = big.record_bytes().len() + around_bytes;
    vec![
        (claiming(take("number/1", "case/new")), Reject::ClaimTaken { name, holder }),
        (claiming(release("number/1", "case/new")), not_held),
        (big, Reject::LeafTooLarge { found_bytes, limit_bytes: LEAF_MAX_BYTES }),
    ]
}

fn admission_events(author: &Author) -> Vec<Event> {
    vec![
        governance(0, &admitted(&author.agency)),
        governance(1, &introduced(&author.agency, author.key())),
    ]
}

#[test]
fn each_rule_refuses_with_its_numbers_and_changes_nothing() {
    let mut log = grown();
    let before = (log.view.tail(), log.leaves.len());
    let governance_rows = [governance_rows(), node_rows()].concat();
    let rows = [identity_rows(), stream_rows(), governance_rows, claim_and_size_rows()].concat();
    let codes: Vec<&str> = rows.iter().map(|(_, reject)| reject.code()).collect();
    for (record, expected) in rows {
        let rule = expected.code();
        assert_eq!(log.judge(&record), Err(expected), "{rule}");
        assert_eq!((log.view.tail(), log.leaves.len()), before, "{rule}");
    }
    log.accept(&west().record(900, vec![event("case/west", 1)], vec![]));
    // Every rule but the one of an empty log, in descending precedence.
    let in_order = "wrong_log id_reused unknown_agency agency_removed unknown_key foreign_key \
        revoked_key stream_owned_by_other not_founder version_conflict governance_malformed \
        admission_out_of_place key_known key_not_in_force agency_not_in_force founder_stays \
        node_id_used node_not_in_force foreign_node node_role node_key_used too_many_voters \
        last_voter recovery_beyond_log claim_taken claim_not_held leaf_too_large";
    assert_eq!(codes.join(" "), in_order);
}

#[test]
fn the_policy_is_set_by_the_founder_alone() {
    let mut log = Log::begun();
    let policy = GovernanceEvent::PolicySet { policy: policy() };
    let by_west = west().record(110, vec![governance(1, &policy)], vec![]);
    let refused = Reject::StreamOwnedByOther {
        stream: stream("log"),
        owner: founder().agency,
        author: west().agency,
    };
    assert_eq!(log.judge(&by_west), Err(refused));
    log.accept(&founder().record(111, vec![governance(1, &policy)], vec![]));
}

#[test]
fn a_record_that_breaks_two_rules_is_refused_for_the_first_one() {
    let mut log = Log::begun();
    let reused_foreign_log = foreign_log(3);
    assert!(matches!(log.judge(&reused_foreign_log), Err(Reject::WrongLog { .. })));
    let reused_by_stranger = stranger().record(3, vec![event("case/east", 7)], vec![]);
    assert!(matches!(log.judge(&reused_by_stranger), Err(Reject::IdReused { .. })));
    let stranger_on_foreign_stream = stranger().record(200, vec![event("case/east", 7)], vec![]);
    assert!(matches!(log.judge(&stranger_on_foreign_stream), Err(Reject::UnknownAgency { .. })));
    let wrong_owner_and_version = west().record(200, vec![event("case/east", 7)], vec![]);
    assert!(matches!(log.judge(&wrong_owner_and_version), Err(Reject::StreamOwnedByOther { .. })));
    let claims = vec![take("number/1", "case/west")];
    let wrong_version_and_claim = west().record(200, vec![event("case/west", 7)], claims.clone());
    assert!(matches!(log.judge(&wrong_version_and_claim), Err(Reject::VersionConflict { .. })));
    let big = event_with("case/west", 1, "text", &"x".repeat(LEAF_MAX_BYTES));
    let claim_and_size = west().record(200, vec![big], claims);
    assert!(matches!(log.judge(&claim_and_size), Err(Reject::ClaimTaken { .. })));
}

#[test]
fn only_a_complete_genesis_record_begins_a_log() {
    let founder = founder();
    let all = genesis_events(&founder);
    let without = |at: usize| {
        let mut events = all.clone();
        events.remove(at);
        founder.record(0, events, vec![])
    };
    let missing = |missing| Err(Reject::NotGenesis { missing });
    let mut log = Log::empty();
    let plain = founder.record(0, vec![event("case/a", 0)], vec![]);
    assert_eq!(log.judge(&plain), missing(GenesisPart::Admission));
    assert_eq!(log.judge(&without(2)), missing(GenesisPart::Policy));
    let mut key_only_of_another = all.clone();
    key_only_of_another[1] = governance(1, &introduced(&founder.agency, stranger().key()));
    let record = founder.record(0, key_only_of_another, vec![]);
    assert_eq!(log.judge(&record), missing(GenesisPart::Key));
    assert_eq!(log.view.tail().size.get(), 0);
    log.accept(&genesis());
    assert_eq!(log.view.founder(), Ok(Some(founder.agency)));
    assert_eq!(log.view.policy(), Ok(Some(policy())));
    assert!(log.view.key(founder.signer.key().id()).unwrap().is_some());
}

#[test]
fn the_same_bytes_get_the_first_receipt_again_even_after_the_key_was_revoked() {
    let mut log = Log::begun();
    let record = west().record(300, vec![event("case/west", 1)], vec![]);
    let first = log.judge_at(2_000, &record).unwrap();
    let revocation = governance(4, &revoked(&west().agency, west().key()));
    log.accept(&west().record(301, vec![revocation], vec![]));
    let again = log.judge_at(9_000, &record).unwrap();
    assert_eq!(again, Receipt { duplicate: true, ..first });
    let next = west().record(302, vec![event("case/west", 2)], vec![]);
    assert!(matches!(log.judge(&next), Err(Reject::RevokedKey { .. })));
}

#[test]
fn an_admitted_agency_owns_its_stream_from_then_on() {
    let mut log = Log::begun();
    let key = introduced(&west().agency, stranger().key());
    let by_founder = founder().record(400, vec![governance(4, &key)], vec![]);
    assert!(matches!(log.judge(&by_founder), Err(Reject::StreamOwnedByOther { .. })));
    log.accept(&west().record(401, vec![governance(4, &key)], vec![]));
    let signed_with_new_key = Author { agency: west().agency, signer: stranger().signer };
    log.accept(&signed_with_new_key.record(402, vec![event("case/west", 1)], vec![]));
}

#[test]
fn a_released_claim_is_free_again() {
    let mut log = Log::begun();
    let claims = vec![release("number/1", "case/west")];
    log.accept(&west().record(500, vec![event("case/west", 1)], claims));
    let claims = vec![take("number/1", "case/east")];
    log.accept(&east().record(501, vec![event("case/east", 1)], claims));
    assert_eq!(log.view.claim(&claim_name("number/1")), Ok(Some(stream("case/east"))));
}

#[test]
fn time_never_goes_back() {
    let mut log = Log::begun();
    let times = [5_000, 4_000, 6_000, 1].map(|ms: i64| {
        let id = 600 + ms.unsigned_abs();
        let record = west().record(id, vec![event(&format!("case/t{ms}"), 0)], vec![]);
        log.judge_at(ms, &record).unwrap().time.unix_ms()
    });
    assert_eq!(times, [5_000, 5_000, 6_000, 6_000]);
}

/// Records out of a small world, so that ids, streams, versions and claims collide often.
fn any_record() -> impl Strategy<Value = (i64, SignedRecord)> {
    let next = (0_u8..4, 0_u64..4);
    let claim = proptest::option::of((0_u8..3, any::<bool>()));
    (0_i64..100, 0_u64..40, 0_u8..3, next, claim).prop_map(
        |(ms, id, author, (name, version), claim)| {
            let author = [founder(), west(), east()].into_iter().nth(author.into()).unwrap();
            let name = format!("case/{name}");
            let claims = claim.map(|(claim, takes)| {
                let claim = format!("number/{claim}");
                if takes { take(&claim, &name) } else { release(&claim, &name) }
            });
            let events = vec![event(&name, version)];
            (ms, author.record(1_000 + id, events, claims.into_iter().collect()))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn any_sequence_of_records_keeps_the_invariants(
        records in prop::collection::vec(any_record(), 1..120)
    ) {
        let mut log = Log::begun();
        let mut receipts = Vec::new();
        for (ms, record) in &records {
            receipts.push(log.judge_at(*ms, record));
        }
        check_invariants(&log.leaves)?;

        // The same records again, on another log, give the same answers and the same leaves.
        let mut twin = Log::begun();
        let again: Vec<_> = records.iter().map(|(ms, record)| twin.judge_at(*ms, record)).collect();
        prop_assert_eq!(&again, &receipts);
        prop_assert_eq!(&twin.leaves, &log.leaves);
        prop_assert_eq!(twin.view.tail(), log.view.tail());
    }
}

/// Dense versions, one owner, one holder, one leaf an id, time, links; from the leaves alone.
fn check_invariants(leaves: &[Leaf]) -> Result<(), TestCaseError> {
    let mut ids = BTreeSet::new();
    let mut streams: BTreeMap<StreamName, (u64, AgencyId)> = BTreeMap::new();
    let mut holders = BTreeMap::new();
    let mut time = Timestamp::EPOCH;
    let mut tree = MemoryTree::new();
    let mut previous = letopis_ledger::leaf::genesis_link();
    for (index, leaf) in leaves.iter().enumerate() {
        prop_assert_eq!(leaf.index().get(), index as u64);
        prop_assert_eq!(leaf.previous(), previous);
        prop_assert!(leaf.time() >= time);
        prop_assert!(ids.insert(leaf.record().id()));
        for event in leaf.record().events() {
            let author = leaf.record().author().clone();
            let owner = event.stream.agency().unwrap_or(author);
            let (length, known) = streams.entry(event.stream.clone()).or_insert((0, owner.clone()));
            prop_assert_eq!(event.version.get(), *length);
            prop_assert_eq!(&owner, &*known);
            *length += 1;
        }
        for claim in leaf.record().claims() {
            let before = match claim.operation {
                ClaimOperation::Take => {
                    holders.insert(claim.name.clone(), claim.holder.clone()).map(|_| "held")
                }
                ClaimOperation::Release => {
                    let held = holders.remove(&claim.name) == Some(claim.holder.clone());
                    (!held).then_some("not held")
                }
            };
            prop_assert_eq!(before, None);
        }
        (time, previous) = (leaf.time(), leaf.hash());
        tree.append(previous);
    }
    prop_assert_eq!(tree.size().get(), leaves.len() as u64);
    Ok(())
}
