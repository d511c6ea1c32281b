//! Records that the tests of this crate share.

use super::*;
use crate::disclosure::Disclosure;

pub(crate) fn event(stream: &str, version: u64) -> Event {
    let private = Disclosure::new(&[7; 16], "plate", "А123ВС92".into()).unwrap();
    Event {
        stream: StreamName::parse(stream).unwrap(),
        version: StreamVersion::new(version),
        event_type: EventType::parse("application.submitted").unwrap(),
        schema: 1,
        data: Object::new().with("service", "parking-permit").with("years", 3u32),
        private: vec![private.digest()],
    }
}

pub(crate) fn claim(name: &str, holder: &str, operation: ClaimOperation) -> Claim {
    Claim {
        name: ClaimName::parse(name).unwrap(),
        operation,
        holder: StreamName::parse(holder).unwrap(),
    }
}

pub(crate) fn record_of(events: Vec<Event>, claims: Vec<Claim>) -> Result<Record, RecordError> {
    Record::new(
        Origin::new("letopis.example/test").unwrap(),
        RecordId::from_parts(0x0192_3456_789a, &[7; 10]),
        AgencyId::parse("zarechny").unwrap(),
        events,
        claims,
    )
}

pub(crate) fn record() -> Record {
    let claims = vec![claim("number/РП-2026-000001", "application/1", ClaimOperation::Take)];
    record_of(vec![event("application/1", 0)], claims).unwrap()
}

pub(crate) fn signed() -> SignedRecord {
    SignedRecord::sign(record(), &AuthorSigner::from_seed(&[1; 32]))
}

pub(crate) fn signed_with_text(text: &str) -> SignedRecord {
    let mut event = event("application/1", 0);
    event.data.insert("text", Json::string(text).unwrap());
    SignedRecord::sign(record_of(vec![event], vec![]).unwrap(), &AuthorSigner::from_seed(&[1; 32]))
}
