//! An entry rests on a fact of another registry, and is taken out when that says otherwise.
//!
//! Only a fact in force counts against an entry: one that is gone says nothing. Not here: finding
//! the facts, and who is told.

use std::collections::BTreeMap;

use letopis_ledger::StreamVersion;
use letopis_ledger::id::{ClaimName, StreamName};
use letopis_ledger::json::Json;

use super::{EntryRefusal, take_out};
use crate::code::FieldPath;
use crate::event::{
    Basis, CaseEvent, DomainEvent, EntryEvent, EntryRemoved, ResultWithdrawn, Source,
};
use crate::pack::{RestsOn, plain_text};
use crate::record_draft::{Decision, NewEvent};

/// An entry that a changed fact contradicts.
#[derive(Debug, Clone)]
pub struct WithdrawEntry {
    /// The entry's stream.
    pub stream: StreamName,
    /// How many events it has.
    pub length: StreamVersion,
    /// Names that it holds.
    pub held: Vec<ClaimName>,
    /// Its values by field.
    pub values: BTreeMap<FieldPath, Json>,
    /// The fact's values by field.
    pub fact: BTreeMap<FieldPath, Json>,
    /// The fact's newest event.
    pub evidence: Source,
    /// Stream and length of the case that made or renewed the entry; its applicant is told.
    pub case: Option<(StreamName, StreamVersion)>,
}

impl WithdrawEntry {
    /// Decides. Values that had to be unique are free again; numbers are not given twice.
    ///
    /// # Errors
    /// The fact does not contradict the entry.
    pub fn decide(self, rule: &RestsOn) -> Result<Decision, EntryRefusal> {
        let code = rule.code.value.clone();
        if !contradicts(rule, &self.values, &self.fact) {
            return Err(EntryRefusal::FactHolds { rule: code });
        }
        let Source { stream, version, leaf } = self.evidence;
        let basis = Basis::Fact { rule: code.clone(), source: Source { stream, version, leaf } };
        let event = EntryEvent::Excluded(EntryRemoved { basis });
        let entry = self.stream.clone();
        let mut decision = take_out(self.stream, self.length, self.held, event);
        if let Some((stream, version)) = self.case {
            let withdrawn = ResultWithdrawn { registry_entry: entry, rule: code };
            let event = DomainEvent::Case(CaseEvent::ResultWithdrawn(withdrawn));
            decision.events.push(NewEvent { stream, version, event, private: vec![] });
        }
        Ok(decision)
    }
}

/// Whether a fact that an entry rests on says otherwise than the entry. A fact about something
/// else says nothing.
#[must_use]
pub fn contradicts(
    rule: &RestsOn,
    entry: &BTreeMap<FieldPath, Json>,
    fact: &BTreeMap<FieldPath, Json>,
) -> bool {
    let text = |values: &BTreeMap<FieldPath, Json>, field| values.get(field).map(plain_text);
    let about = rule.by.iter().all(|(key, field)| {
        let found = text(fact, key);
        found.is_some() && found == text(entry, &field.value)
    });
    let Some(own) = text(entry, &rule.holds.field.value) else { return false };
    let mut among = rule.holds.among.iter();
    about && !among.any(|field| text(fact, &field.value).as_ref() == Some(&own))
}

#[cfg(test)]
mod tests {
    use letopis_ledger::LeafIndex;

    use super::*;
    use crate::code::RegistryCode;

    fn rule() -> RestsOn {
        let pack = crate::pack::fixture::zarechny();
        let registry = pack.registry(&RegistryCode::parse("parking_permit").unwrap());
        registry.unwrap().rests_on[0].clone()
    }

    fn values(pairs: &[(&str, &str)]) -> BTreeMap<FieldPath, Json> {
        let pair =
            |(field, value): &(&str, &str)| (FieldPath::parse(field).unwrap(), (*value).into());
        pairs.iter().map(pair).collect()
    }

    fn withdraw(fact: &[(&str, &str)]) -> Result<Decision, EntryRefusal> {
        let stream = |name: &str| StreamName::parse(name).unwrap();
        WithdrawEntry {
            stream: stream("registry/parking_permit/x"),
            length: StreamVersion::new(1),
            held: ["number/entry/parking_permit/1", "unique/parking_permit/plate/x"]
                .map(|name| ClaimName::parse(name).unwrap())
                .to_vec(),
            values: values(&[("plate", "А123ВС77"), ("holder_snils", "1")]),
            fact: values(fact),
            evidence: Source {
                stream: stream("registry/vehicle/y"),
                version: StreamVersion::new(1),
                leaf: LeafIndex::new(7),
            },
            case: Some((stream("application/z"), StreamVersion::new(9))),
        }
        .decide(&rule())
    }

    #[test]
    fn another_owner_takes_the_permit_out_frees_its_names_and_tells_the_applicant() {
        let decision = withdraw(&[("plate", "А123ВС77"), ("owner_snils", "2")]).unwrap();
        let [excluded, told] = &decision.events[..] else { panic!("{decision:?}") };
        assert!(matches!(
            &excluded.event,
            DomainEvent::Entry(EntryEvent::Excluded(EntryRemoved { basis: Basis::Fact { .. } }))
        ));
        assert_eq!(told.version.get(), 9);
        // The number is not given twice; the plate may have another permit.
        let freed: Vec<&str> = decision.claims.iter().map(|claim| claim.name.as_str()).collect();
        assert_eq!(freed, ["unique/parking_permit/plate/x"]);
    }

    #[test]
    fn the_same_owner_a_lessee_and_another_vehicle_change_nothing() {
        for fact in [
            &[("plate", "А123ВС77"), ("owner_snils", "1")][..],
            &[("plate", "А123ВС77"), ("owner_snils", "2"), ("lessee_snils", "1")],
            &[("plate", "Е234КМ77"), ("owner_snils", "2")],
            &[("owner_snils", "2")],
        ] {
            assert!(matches!(withdraw(fact), Err(EntryRefusal::FactHolds { .. })), "{fact:?}");
        }
    }
}
