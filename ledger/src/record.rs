//! Records: the atomic unit of the log, one author's events with their preconditions.
//!
//! Shape (canonical JSON, see `json`):
//! `{"author","claims"?,"events":[…],"id","log","v":1}`. Either the whole record is appended as
//! one leaf or nothing is. Not here: whether the preconditions hold; the append machine decides.

use std::sync::Arc;

use thiserror::Error;

use crate::checkpoint::Origin;
use crate::disclosure::DisclosureDigest;
use crate::id::{AgencyId, ClaimName, EventType, RecordId, StreamName};
use crate::json::{FieldError, Fields, Json, JsonError, Object};
use crate::key::{AuthorKeyId, AuthorSignature, AuthorSigner, KeyError};
use crate::position::StreamVersion;

/// Version of the record's shape.
pub const RECORD_VERSION: u32 = 1;
/// Most events of one record.
pub const EVENTS_MAX: usize = 256;
/// Most claims of one record.
pub const CLAIMS_MAX: usize = 64;
/// Most signatures of one record.
pub const SIGNATURES_MAX: usize = 4;

/// Why bytes are not a record.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecordError {
    /// Not canonical JSON.
    #[error("record: {0}")]
    Json(#[from] JsonError),
    /// JSON of another shape.
    #[error("record: {0}")]
    Field(#[from] FieldError),
    /// No event, or too many.
    #[error("record of {found} events: it must have 1 to {EVENTS_MAX}")]
    EventCount {
        /// Events found.
        found: usize,
    },
    /// Too many claims.
    #[error("record of {found} claims: it may have at most {CLAIMS_MAX}")]
    ClaimCount {
        /// Claims found.
        found: usize,
    },
    /// An empty array where the member must be left out.
    #[error("member {name:?} is empty: leave it out")]
    Empty {
        /// The member's name.
        name: &'static str,
    },
    /// A stream's events do not follow each other without a gap.
    #[error("stream {stream}: event version {found} where {expected} must follow")]
    Gap {
        /// The stream.
        stream: StreamName,
        /// The version that must follow.
        expected: StreamVersion,
        /// The version found.
        found: StreamVersion,
    },
    /// Digests of private fields are not in strictly ascending order.
    #[error("event of stream {stream}: \"sd\" is not in strictly ascending order")]
    DigestOrder {
        /// The event's stream.
        stream: StreamName,
    },
    /// A claim is held by a stream that the record does not extend.
    #[error("claim {claim} names holder {holder}, which the record does not extend")]
    ForeignHolder {
        /// The claim.
        claim: ClaimName,
        /// The holder.
        holder: StreamName,
    },
    /// One name is taken or released twice.
    #[error("claim {claim} occurs twice in one record")]
    RepeatedClaim {
        /// The claim.
        claim: ClaimName,
    },
    /// No signature, or too many.
    #[error("{found} signatures: there must be 1 to {SIGNATURES_MAX}")]
    SignatureCount {
        /// Signatures found.
        found: usize,
    },
    /// Signatures are not in ascending order of their key ids, or a key signed twice.
    #[error("signatures are not in strictly ascending order of key id at {key}")]
    SignatureOrder {
        /// The key at which the order breaks.
        key: AuthorKeyId,
    },
    /// A signature is not of the right form.
    #[error("record: {0}")]
    Key(#[from] KeyError),
}

/// One event: the next one of its stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The stream that the event extends.
    pub stream: StreamName,
    /// The event's number in its stream; also the precondition that the stream has this length.
    pub version: StreamVersion,
    /// What happened.
    pub event_type: EventType,
    /// Version of the event type's shape, from 1.
    pub schema: u32,
    /// Public fields.
    pub data: Object,
    /// Digests of private fields, in ascending order so that their order tells nothing.
    pub private: Vec<DisclosureDigest>,
}

/// What a record does with a unique name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimOperation {
    /// Takes a name that nobody holds.
    Take,
    /// Gives up a name that the holder has.
    Release,
}

/// A unique name taken or released by one of the record's streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The name.
    pub name: ClaimName,
    /// Taken or released.
    pub operation: ClaimOperation,
    /// The stream that holds the name.
    pub holder: StreamName,
}

/// A record whose shape was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    log: Origin,
    id: RecordId,
    author: AgencyId,
    events: Vec<Event>,
    claims: Vec<Claim>,
}

impl Record {
    /// Makes a record.
    ///
    /// # Errors
    /// The rules that hold between the parts; see [`RecordError`].
    pub fn new(
        log: Origin,
        id: RecordId,
        author: AgencyId,
        mut events: Vec<Event>,
        claims: Vec<Claim>,
    ) -> Result<Self, RecordError> {
        // An origin may be any text; a record can hold it in one normal form only.
        Json::string(log.as_str())?;
        for event in &mut events {
            event.private.sort_unstable();
        }
        let record = Self { log, id, author, events, claims };
        record.check()?;
        Ok(record)
    }

    /// The log that the record is meant for: a record signed for one log is not valid in another.
    #[must_use]
    pub const fn log(&self) -> &Origin {
        &self.log
    }

    /// The record's id.
    #[must_use]
    pub const fn id(&self) -> RecordId {
        self.id
    }

    /// The agency that made the record.
    #[must_use]
    pub const fn author(&self) -> &AgencyId {
        &self.author
    }

    /// The events, in order.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The claims.
    #[must_use]
    pub fn claims(&self) -> &[Claim] {
        &self.claims
    }

    /// The streams that the record extends, each once, with the length that it requires.
    #[must_use]
    pub fn expected_lengths(&self) -> Vec<(&StreamName, StreamVersion)> {
        let mut lengths: Vec<(&StreamName, StreamVersion)> = Vec::new();
        for event in &self.events {
            if !lengths.iter().any(|(stream, _)| *stream == &event.stream) {
                lengths.push((&event.stream, event.version));
            }
        }
        lengths
    }

    /// Writes the canonical bytes, which are what the author signs.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_json().to_canonical()
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        Self::from_json(&Json::parse_canonical(bytes)?)
    }

    pub(crate) fn from_json(value: &Json) -> Result<Self, RecordError> {
        let mut fields = Fields::of("record", value)?;
        fields.version("v", RECORD_VERSION.into())?;
        let log = fields.parsed("log", Origin::new)?;
        let id = fields.parsed("id", RecordId::parse)?;
        let author = fields.parsed("author", AgencyId::parse)?;
        let events =
            fields.array("events")?.iter().map(event_from_json).collect::<Result<_, _>>()?;
        let claims = match fields.optional("claims") {
            None => Vec::new(),
            Some(_) => {
                let claims = fields.array("claims")?;
                if claims.is_empty() {
                    return Err(RecordError::Empty { name: "claims" });
                }
                claims.iter().map(claim_from_json).collect::<Result<_, _>>()?
            }
        };
        fields.finish()?;
        let record = Self { log, id, author, events, claims };
        record.check()?;
        Ok(record)
    }

    fn to_json(&self) -> Json {
        let mut record = Object::new()
            .with("v", RECORD_VERSION)
            .with("log", self.log.as_str())
            .with("id", self.id.to_string().as_str())
            .with("author", self.author.as_str())
            .with("events", self.events.iter().map(event_to_json).collect::<Vec<_>>());
        if !self.claims.is_empty() {
            let claims: Vec<Json> = self.claims.iter().map(claim_to_json).collect();
            record.insert("claims", claims.into());
        }
        record.into()
    }

    fn check(&self) -> Result<(), RecordError> {
        if self.events.is_empty() || self.events.len() > EVENTS_MAX {
            return Err(RecordError::EventCount { found: self.events.len() });
        }
        if self.claims.len() > CLAIMS_MAX {
            return Err(RecordError::ClaimCount { found: self.claims.len() });
        }
        let mut next: Vec<(&StreamName, StreamVersion)> = Vec::new();
        for event in &self.events {
            if event.private.windows(2).any(|pair| pair[0] >= pair[1]) {
                return Err(RecordError::DigestOrder { stream: event.stream.clone() });
            }
            match next.iter_mut().find(|(stream, _)| *stream == &event.stream) {
                None => next.push((&event.stream, event.version.next())),
                Some((_, expected)) if *expected == event.version => *expected = expected.next(),
                Some((_, expected)) => {
                    return Err(RecordError::Gap {
                        stream: event.stream.clone(),
                        expected: *expected,
                        found: event.version,
                    });
                }
            }
        }
        for (position, claim) in self.claims.iter().enumerate() {
            if !next.iter().any(|(stream, _)| *stream == &claim.holder) {
                let (claim, holder) = (claim.name.clone(), claim.holder.clone());
                return Err(RecordError::ForeignHolder { claim, holder });
            }
            if self.claims[..position].iter().any(|earlier| earlier.name == claim.name) {
                return Err(RecordError::RepeatedClaim { claim: claim.name.clone() });
            }
        }
        Ok(())
    }
}

/// A record with the signatures of its author: what travels from an author to a node.
///
/// Wire form (canonical JSON): `{"record":{…},"sigs":[{"key","sig"}]}`.
///
/// Clones share it: on its way a record passes through queues, entries and leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRecord(Arc<Parts>);

#[derive(Debug, PartialEq, Eq)]
struct Parts {
    record: Record,
    bytes: Vec<u8>,
    signatures: Vec<(AuthorKeyId, AuthorSignature)>,
}

impl SignedRecord {
    /// Signs a record.
    #[must_use]
    pub fn sign(record: Record, signer: &AuthorSigner) -> Self {
        let bytes = record.to_bytes();
        let signatures = vec![(signer.key().id(), signer.sign(&bytes))];
        Self(Arc::new(Parts { record, bytes, signatures }))
    }

    /// Puts a record and its signatures together; whether they verify is not checked here.
    ///
    /// # Errors
    /// Wrong number or order of signatures.
    pub fn from_parts(
        record: Record,
        signatures: Vec<(AuthorKeyId, AuthorSignature)>,
    ) -> Result<Self, RecordError> {
        let bytes = record.to_bytes();
        Self::from_canonical(record, bytes, signatures)
    }

    /// Reads a record from its canonical bytes, and puts it and its signatures together.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn read_parts(
        bytes: Vec<u8>,
        signatures: Vec<(AuthorKeyId, AuthorSignature)>,
    ) -> Result<Self, RecordError> {
        Self::from_canonical(Record::parse(&bytes)?, bytes, signatures)
    }

    /// Like [`Self::from_parts`] for a reader that has the canonical bytes of the record already.
    pub(crate) fn from_canonical(
        record: Record,
        bytes: Vec<u8>,
        signatures: Vec<(AuthorKeyId, AuthorSignature)>,
    ) -> Result<Self, RecordError> {
        if signatures.is_empty() || signatures.len() > SIGNATURES_MAX {
            return Err(RecordError::SignatureCount { found: signatures.len() });
        }
        if let Some(pair) = signatures.windows(2).find(|pair| pair[0].0 >= pair[1].0) {
            return Err(RecordError::SignatureOrder { key: pair[1].0 });
        }
        Ok(Self(Arc::new(Parts { record, bytes, signatures })))
    }

    /// Reads the wire form.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        let value = Json::parse_canonical(bytes)?;
        let mut fields = Fields::of("signed record", &value)?;
        let record = Record::from_json(fields.required("record")?)?;
        let signatures = signatures_from_json(fields.array("sigs")?)?;
        fields.finish()?;
        // Canonical, so the record's bytes are all between these two, and need not be written.
        let end = bytes.len() - ",\"sigs\":[]}".len() - signatures_chars(signatures.len());
        let record_bytes = bytes[r#"{"record":"#.len()..end].to_vec();
        Self::from_canonical(record, record_bytes, signatures)
    }

    /// Writes the wire form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let record = Object::new()
            .with("record", self.record().to_json())
            .with("sigs", signatures_to_json(self.signatures()));
        Json::from(record).to_canonical()
    }

    /// The record.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.0.record
    }

    /// The canonical bytes of the record, which the signatures cover.
    #[must_use]
    pub fn record_bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// The signatures, in ascending order of key id.
    #[must_use]
    pub fn signatures(&self) -> &[(AuthorKeyId, AuthorSignature)] {
        &self.0.signatures
    }
}

/// Characters of the items of `sigs`, with the commas between them: a key id has 32 digits, the
/// base64 of a signature 88 characters.
pub(crate) const fn signatures_chars(count: usize) -> usize {
    const ONE: usize = "{\"key\":\"\",\"sig\":\"\"}".len() + 32 + 88;
    count * ONE + count.saturating_sub(1)
}

pub(crate) fn signatures_to_json(signatures: &[(AuthorKeyId, AuthorSignature)]) -> Vec<Json> {
    let one = |(key, signature): &(AuthorKeyId, AuthorSignature)| {
        Object::new()
            .with("key", key.to_string().as_str())
            .with("sig", signature.to_base64().as_str())
            .into()
    };
    signatures.iter().map(one).collect()
}

pub(crate) fn signatures_from_json(
    items: &[Json],
) -> Result<Vec<(AuthorKeyId, AuthorSignature)>, RecordError> {
    let one = |item: &Json| -> Result<(AuthorKeyId, AuthorSignature), RecordError> {
        let mut fields = Fields::of("signature", item)?;
        let key = fields.parsed("key", AuthorKeyId::parse)?;
        let signature = fields.parsed("sig", AuthorSignature::from_base64)?;
        fields.finish()?;
        Ok((key, signature))
    };
    items.iter().map(one).collect()
}

fn event_to_json(event: &Event) -> Json {
    let version = Json::integer(i64::try_from(event.version.get()).unwrap_or(i64::MAX))
        .expect("invariant: a stream has fewer than 2^53 events");
    let mut object = Object::new()
        .with("stream", event.stream.as_str())
        .with("version", version)
        .with("type", event.event_type.as_str())
        .with("v", event.schema)
        .with("data", event.data.clone());
    if !event.private.is_empty() {
        let digests: Vec<Json> =
            event.private.iter().map(|digest| digest.to_string().as_str().into()).collect();
        object.insert("sd", digests.into());
    }
    object.into()
}

fn event_from_json(value: &Json) -> Result<Event, RecordError> {
    let mut fields = Fields::of("event", value)?;
    let stream = fields.parsed("stream", StreamName::parse)?;
    let version = StreamVersion::new(fields.unsigned("version")?);
    let event_type = fields.parsed("type", EventType::parse)?;
    let schema = u32::try_from(fields.unsigned("v")?)
        .ok()
        .filter(|schema| *schema > 0)
        .ok_or_else(|| fields.invalid("v", &"event shapes are numbered from 1"))?;
    let data = fields.object("data")?.clone();
    let mut private = Vec::new();
    if fields.optional("sd").is_some() {
        for item in fields.array("sd")? {
            let digest = item.as_str().map(DisclosureDigest::parse).and_then(Result::ok);
            let reason = "not an array of base64url digests of 43 characters";
            private.push(digest.ok_or_else(|| fields.invalid("sd", &reason))?);
        }
        if private.is_empty() {
            return Err(RecordError::Empty { name: "sd" });
        }
    }
    fields.finish()?;
    Ok(Event { stream, version, event_type, schema, data, private })
}

fn claim_to_json(claim: &Claim) -> Json {
    let operation = match claim.operation {
        ClaimOperation::Take => "take",
        ClaimOperation::Release => "release",
    };
    Object::new()
        .with("name", claim.name.as_str())
        .with("op", operation)
        .with("holder", claim.holder.as_str())
        .into()
}

fn claim_from_json(value: &Json) -> Result<Claim, RecordError> {
    let mut fields = Fields::of("claim", value)?;
    let name = fields.parsed("name", ClaimName::parse)?;
    let holder = fields.parsed("holder", StreamName::parse)?;
    let operation = match fields.string("op")? {
        "take" => ClaimOperation::Take,
        "release" => ClaimOperation::Release,
        _ => return Err(fields.invalid("op", &"neither \"take\" nor \"release\"").into()),
    };
    fields.finish()?;
    Ok(Claim { name, operation, holder })
}

#[cfg(test)]
mod test;
#[cfg(test)]
pub(crate) mod test_records;
