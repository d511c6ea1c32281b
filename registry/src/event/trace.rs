//! Events imported from an event log of another system (IEEE 1849), on `case/<file>/<number>`.
//!
//! Attributes known to name nobody are public; every other one is a disclosure named
//! `attribute.<key>`. Not here: reading the file; see `import`.

use letopis_ledger::json::{FieldError, Fields, Object};
use letopis_ledger::{Hash, Timestamp};

use super::EventError;
use super::fields::{number, text, time};

/// An event of an imported trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceEvent {
    /// `trace.opened`
    Opened(TraceOpened),
    /// `trace.step_recorded`
    Step(TraceStep),
}

/// A trace begins: the attributes of the trace itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceOpened {
    /// SHA-256 of the file.
    pub file: Hash,
    /// The trace's place in the file, from 0.
    pub trace_index: u64,
    /// Public attributes by key, each as text; instants in UTC.
    pub attributes: Object,
}

/// One event of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceStep {
    /// When it happened.
    pub time: Timestamp,
    /// Public attributes by key, each as text; instants in UTC.
    pub attributes: Object,
}

impl TraceEvent {
    pub(super) const fn event_type(&self) -> &'static str {
        match self {
            Self::Opened(_) => "trace.opened",
            Self::Step(_) => "trace.step_recorded",
        }
    }

    pub(super) fn data(&self) -> Object {
        match self {
            Self::Opened(event) => Object::new()
                .with("file", text(event.file.to_hex()))
                .with("trace_index", number(event.trace_index))
                .with("attributes", event.attributes.clone()),
            Self::Step(event) => Object::new()
                .with("time", time(event.time))
                .with("attributes", event.attributes.clone()),
        }
    }

    pub(super) fn read(event_type: &str, data: &Object) -> Result<Option<Self>, EventError> {
        let mut fields = Fields::of_object("trace event", data);
        let read = match event_type {
            "trace.opened" => Self::Opened(opened(&mut fields)?),
            "trace.step_recorded" => Self::Step(TraceStep {
                time: fields.parsed("time", Timestamp::parse)?,
                attributes: fields.object("attributes")?.clone(),
            }),
            _ => return Ok(None),
        };
        fields.finish()?;
        Ok(Some(read))
    }
}

fn opened(fields: &mut Fields<'_>) -> Result<TraceOpened, FieldError> {
    Ok(TraceOpened {
        file: fields.parsed("file", |text| {
            Hash::from_hex(text).ok_or("not 64 lower-case hexadecimal digits")
        })?,
        trace_index: fields.unsigned("trace_index")?,
        attributes: fields.object("attributes")?.clone(),
    })
}
