//! Reading IEEE 1849-2016 (XES) event logs, one trace at a time.
//!
//! An attribute is public only when its key is on the list of keys known to name nobody; every
//! other one becomes a disclosure. Ids and salts follow from the file, so a repeated import makes
//! the same records. Not here: what traces mean.

mod error;
mod parser;

use std::collections::BTreeSet;
use std::io::BufRead;

use letopis_ledger::checkpoint::Origin;
use letopis_ledger::disclosure::{Disclosure, SALT_BYTES};
use letopis_ledger::id::{AgencyId, EventType, RecordId, StreamName};
use letopis_ledger::json::{Json, Object};
use letopis_ledger::record::{Event, Record};
use letopis_ledger::{Hash, StreamVersion, Timestamp};
use sha2::{Digest, Sha256};

pub use error::{Place, XesError};
pub use parser::{XesAttribute, XesEvent, XesReader, XesTrace, XesValue};

use crate::event::{DomainEvent, TraceEvent, TraceOpened, TraceStep, schema_version};
use crate::record_draft::SealedRecord;
use crate::secret::AgencySecret;

/// Keys of attributes that name nobody, in logs of public bodies.
pub const PUBLIC_KEYS: &[&str] = &[
    "channel",
    "concept:name",
    "deadline",
    "department",
    "enddate",
    "enddate_planned",
    "lifecycle:transition",
    "startdate",
    "time:timestamp",
];

/// How a file becomes records.
#[derive(Debug, Clone)]
pub struct XesImport {
    file: Hash,
    public_keys: BTreeSet<String>,
    log: Origin,
    author: AgencyId,
}

impl XesImport {
    /// An import of the file with this SHA-256 (of its bytes as they are, compressed or not).
    #[must_use]
    pub fn new(file: Hash, log: Origin, author: AgencyId) -> Self {
        let public_keys = PUBLIC_KEYS.iter().map(|&key| key.to_owned()).collect();
        Self { file, public_keys, log, author }
    }

    /// The same import with another list of public keys.
    #[must_use]
    pub fn with_public_keys(mut self, keys: BTreeSet<String>) -> Self {
        self.public_keys = keys;
        self
    }

    /// SHA-256 of the file.
    #[must_use]
    pub const fn file(&self) -> &Hash {
        &self.file
    }

    /// The stream of a trace: `case/<first 16 hexadecimal digits of the file's SHA-256>/<index>`.
    ///
    /// # Panics
    /// Never: both parts fit into a stream name.
    #[must_use]
    pub fn stream(&self, trace_index: u64) -> StreamName {
        let file = self.file.to_hex();
        StreamName::parse(&format!("case/{}/{trace_index}", &file[..16]))
            .expect("invariant: hexadecimal digits and numbers fit into a stream name")
    }

    /// The records of a trace, one for each event; the first also carries the trace itself.
    ///
    /// # Errors
    /// A trace without events, or an event without a time.
    pub fn records(
        &self,
        trace: &XesTrace,
        secret: &AgencySecret,
    ) -> Result<Vec<SealedRecord>, XesError> {
        if trace.events.is_empty() {
            return Err(XesError::NoEvents { trace_index: trace.index, place: trace.place });
        }
        let stream = self.stream(trace.index);
        let mut version = StreamVersion::ZERO;
        let mut records = Vec::with_capacity(trace.events.len());
        for (event_index, step) in trace.events.iter().enumerate() {
            let at = step.time().ok_or(XesError::NoTime { place: step.place })?;
            let mut draft = Draft {
                import: self,
                secret,
                stream: &stream,
                position: (trace.index, event_index as u64),
                events: Vec::new(),
                disclosures: Vec::new(),
            };
            if event_index == 0 {
                let attributes = draft.split(&trace.attributes, "trace")?;
                let (file, trace_index) = (self.file, trace.index);
                let opened = TraceOpened { file, trace_index, attributes: attributes.0 };
                draft.push(version, TraceEvent::Opened(opened), attributes.1);
                version = version.next();
            }
            let attributes = draft.split(&step.attributes, "event")?;
            let recorded = TraceStep { time: at, attributes: attributes.0 };
            draft.push(version, TraceEvent::Step(recorded), attributes.1);
            version = version.next();
            records.push(draft.seal(at, step.place)?);
        }
        Ok(records)
    }

    /// A record id that follows from the file: the time of the event, and 74 bits of a SHA-256.
    fn record_id(&self, (trace, event): (u64, u64), at: Timestamp) -> RecordId {
        let mut hasher = Sha256::new();
        hasher.update(b"letopis-xes-record-v1");
        hasher.update(self.file.as_bytes());
        hasher.update(trace.to_be_bytes());
        hasher.update(event.to_be_bytes());
        let digest: [u8; 32] = hasher.finalize().into();
        let mut random = [0; 10];
        random.copy_from_slice(&digest[..10]);
        RecordId::from_parts(at.unix_ms().unsigned_abs(), &random)
    }
}

/// A record that is being written.
struct Draft<'a> {
    import: &'a XesImport,
    secret: &'a AgencySecret,
    stream: &'a StreamName,
    position: (u64, u64),
    events: Vec<Event>,
    disclosures: Vec<(StreamName, Disclosure)>,
}

impl Draft<'_> {
    /// Public attributes, and disclosures of the others.
    fn split(
        &self,
        attributes: &[XesAttribute],
        scope: &str,
    ) -> Result<(Object, Vec<Disclosure>), XesError> {
        let (mut public, mut private) = (Object::new(), Vec::new());
        for attribute in attributes {
            let invalid = |reason: String| XesError::Attribute {
                key: attribute.key.clone(),
                reason,
                place: attribute.place,
            };
            let value = attribute.value.text();
            let value = Json::string(value).map_err(|e| invalid(e.to_string()))?;
            if self.import.public_keys.contains(&attribute.key) {
                public.insert(attribute.key.clone(), value);
            } else {
                let salt = self.salt(scope, &attribute.key);
                let name = format!("attribute.{}", attribute.key);
                let disclosure = Disclosure::new(&salt, &name, value);
                private.push(disclosure.map_err(|e| invalid(e.to_string()))?);
            }
        }
        Ok((public, private))
    }

    /// A salt that is the same on every import and that nobody without the secret can guess.
    fn salt(&self, scope: &str, key: &str) -> [u8; SALT_BYTES] {
        let (trace, event) = self.position;
        let file = self.import.file.to_hex();
        let parts = [&*file, &*trace.to_string(), &*event.to_string(), scope, key];
        let digest = self.secret.digest("xes-salt", &parts);
        let mut salt = [0; SALT_BYTES];
        salt.copy_from_slice(&digest.as_bytes()[..SALT_BYTES]);
        salt
    }

    fn push(&mut self, version: StreamVersion, event: TraceEvent, private: Vec<Disclosure>) {
        let event = DomainEvent::Trace(event);
        self.events.push(Event {
            stream: self.stream.clone(),
            version,
            event_type: EventType::parse(event.event_type())
                .expect("invariant: event types of the domain are well-formed"),
            schema: schema_version(event.event_type()),
            data: event.data(),
            private: private.iter().map(Disclosure::digest).collect(),
        });
        let stream = self.stream;
        self.disclosures.extend(private.into_iter().map(|opened| (stream.clone(), opened)));
    }

    fn seal(self, at: Timestamp, place: Place) -> Result<SealedRecord, XesError> {
        let id = self.import.record_id(self.position, at);
        let (log, author) = (self.import.log.clone(), self.import.author.clone());
        let record = Record::new(log, id, author, self.events, vec![])
            .map_err(|source| XesError::Record { source, place })?;
        Ok(SealedRecord { record, disclosures: self.disclosures })
    }
}

/// Whether a file begins as gzip does (RFC 1952 section 2.3.1).
#[must_use]
pub fn is_gzip(start: &[u8]) -> bool {
    start.starts_with(&[0x1f, 0x8b])
}

/// Opens a log, compressed or not.
///
/// # Errors
/// The first bytes cannot be read.
pub fn open<'a>(
    mut source: impl BufRead + Send + 'a,
) -> Result<XesReader<Box<dyn BufRead + Send + 'a>>, XesError> {
    let start = source.fill_buf().map_err(|e| XesError::Io { reason: e.to_string() })?;
    let source: Box<dyn BufRead + Send + 'a> = if is_gzip(start) {
        Box::new(std::io::BufReader::new(flate2::bufread::MultiGzDecoder::new(source)))
    } else {
        Box::new(source)
    };
    Ok(XesReader::new(source))
}

#[cfg(test)]
mod test;
