//! Offers over the whole log: each is made once for its trigger, ends once, and is never accepted
//! without an application, nor after its last day.
//!
//! Only offers that are open are held in memory; each ends. Times are compared as far as no zone
//! need be known. Not here: whether a regulation makes such an offer, which the check of a decision
//! says (`decision`).

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{SignedDuration, ToSpan, tz};
use letopis_ledger::id::StreamName;
use letopis_ledger::json::{FieldError, Fields, Json, Object};
use letopis_ledger::leaf::Leaf;
use letopis_ledger::record::{ClaimOperation, Event, Record};
use letopis_ledger::{LeafIndex, Timestamp};

use crate::finding::{Finding, Rule};

/// An offer is made.
pub(crate) const MADE: &str = "offer.made";
/// An offer is accepted.
pub(crate) const ACCEPTED: &str = "offer.accepted";
const DECLINED: &str = "offer.declined";
const EXPIRED: &str = "offer.expired";

/// How long before midnight of UTC a day is over in the first zone of the world, and how long
/// after it in the last.
const FIRST_ZONE: SignedDuration = SignedDuration::from_hours(14);
const LAST_ZONE: SignedDuration = SignedDuration::from_hours(12);

/// What `offer.made` states.
#[derive(Debug)]
pub(crate) struct OfferMade {
    pub(crate) service: String,
    pub(crate) pack: String,
    pub(crate) pack_version: u64,
    pub(crate) pack_leaf: LeafIndex,
    pub(crate) offer: String,
    /// The entry that brought it about.
    pub(crate) about: StreamName,
    pub(crate) about_leaf: LeafIndex,
    /// The last day of the entry, where its end is the trigger.
    pub(crate) ends: Option<Date>,
    pub(crate) open_until: Date,
}

/// The offers that are open after the leaves seen so far.
#[derive(Debug, Default)]
pub(super) struct Offers {
    open: BTreeMap<StreamName, OfferMade>,
}

impl OfferMade {
    pub(crate) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object(MADE, data);
        let mut pack = Fields::of_object("pack", fields.object("pack")?);
        let mut about = Fields::of_object("about", fields.object("about")?);
        let day = |text: &str| text.parse::<Date>().map_err(|e| e.to_string());
        Ok(Self {
            service: fields.string("service")?.to_owned(),
            pack: pack.string("code")?.to_owned(),
            pack_version: pack.unsigned("version")?,
            pack_leaf: LeafIndex::new(pack.unsigned("leaf")?),
            offer: fields.string("offer")?.to_owned(),
            about: about.parsed("stream", StreamName::parse)?,
            about_leaf: LeafIndex::new(about.unsigned("leaf")?),
            ends: match fields.optional("ends") {
                None => None,
                Some(_) => Some(fields.parsed("ends", day)?),
            },
            open_until: fields.parsed("open_until", day)?,
        })
    }

    /// The name that only one offer for the same trigger can have.
    fn trigger(&self) -> String {
        let entry = self.about.as_str().rsplit('/').next().unwrap_or_default();
        let when = self.ends.map_or_else(|| "created".to_owned(), |day| day.to_string());
        format!("offer/{}/{}/{entry}/{when}", self.service, self.offer)
    }
}

impl Offers {
    /// Takes the events of a leaf that are about offers.
    pub(super) fn take(&mut self, place: LeafIndex, leaf: &Leaf, report: &mut dyn FnMut(Finding)) {
        for event in leaf.record().events().iter().filter(|event| event.stream.kind() == "offer") {
            if let Err(detail) = self.take_event(place, leaf, event) {
                report(Finding::at(Rule::OfferOrder, place, format!("{}: {detail}", event.stream)));
            }
        }
    }

    fn take_event(&mut self, place: LeafIndex, leaf: &Leaf, event: &Event) -> Result<(), String> {
        match event.event_type.as_str() {
            MADE => {
                let made = OfferMade::read(&event.data).map_err(|e| e.to_string())?;
                let known = check_made(&made, (place, leaf.record()), event);
                // Whatever is wrong with it, what follows is about it.
                self.open.insert(event.stream.clone(), made);
                known
            }
            ACCEPTED => {
                let made = self.end(event)?;
                check_submitted(&made, leaf.record(), event)?;
                let over = after(made.open_until, LAST_ZONE)?;
                in_time(leaf.time() < over, "accepted after its last day", &made, leaf.time())
            }
            DECLINED => self.end(event).map(drop),
            EXPIRED => {
                let made = self.end(event)?;
                let over = after(made.open_until, -FIRST_ZONE)?;
                in_time(leaf.time() >= over, "expired before its end", &made, leaf.time())
            }
            _ => Ok(()),
        }
    }

    /// The offer that an event ends.
    fn end(&mut self, event: &Event) -> Result<OfferMade, String> {
        let ends = event.event_type.as_str();
        self.open.remove(&event.stream).ok_or_else(|| format!("{ends} where no offer is open"))
    }
}

/// An offer begins its stream, is about what the log had before, and takes its trigger's name.
fn check_made(
    made: &OfferMade,
    (place, record): (LeafIndex, &Record),
    event: &Event,
) -> Result<(), String> {
    if event.version.get() != 0 {
        return Err(format!("made as event {} of its stream", event.version));
    }
    if made.about_leaf >= place || made.pack_leaf >= place {
        return Err("made about what the log has only later".to_owned());
    }
    let name = made.trigger();
    let takes = record.claims().iter().any(|claim| {
        claim.operation == ClaimOperation::Take
            && claim.name.as_str() == name
            && claim.holder == event.stream
    });
    if takes { Ok(()) } else { Err(format!("made without the claim {name} of its trigger")) }
}

/// What is accepted is an application for the service that was offered, in the same record.
fn check_submitted(made: &OfferMade, record: &Record, event: &Event) -> Result<(), String> {
    let case = event.data.get("case").and_then(Json::as_str);
    let submits = |other: &Event| {
        other.event_type.as_str() == "application.submitted"
            && Some(other.stream.as_str()) == case
            && other.data.get("service").and_then(Json::as_str) == Some(&made.service)
    };
    match record.events().iter().any(submits) {
        true => Ok(()),
        false => Err(format!("accepted without an application for {} beside it", made.service)),
    }
}

fn in_time(holds: bool, what: &str, made: &OfferMade, at: Timestamp) -> Result<(), String> {
    let until = made.open_until;
    if holds { Ok(()) } else { Err(format!("{what}: open until {until}, ended at {at}")) }
}

/// The end of a day of UTC, so much later.
fn after(day: Date, later: SignedDuration) -> Result<Timestamp, String> {
    let next = day.checked_add(1.day()).map_err(|e| e.to_string())?;
    let end = tz::Offset::UTC.to_timestamp(next.to_datetime(jiff::civil::Time::midnight()));
    let end = end.and_then(|end| end.checked_add(later)).map_err(|e| e.to_string())?;
    Timestamp::from_unix_ms(end.as_millisecond()).map_err(|e| e.to_string())
}
