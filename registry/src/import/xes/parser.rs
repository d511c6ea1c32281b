//! The streaming reader: traces come one by one, so that memory does not grow with the file.
//!
//! Nested attributes of attributes (IEEE 1849-2016 section 5.4) are kept apart by keys joined with
//! `/`, so that none is lost and none is taken for another.

use std::collections::BTreeSet;
use std::io::BufRead;

use jiff::Timestamp as Instant;
use letopis_ledger::Timestamp;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use super::error::{Place, XesError};

/// Elements that carry an attribute (IEEE 1849-2016 section 5.3).
const ATTRIBUTE_ELEMENTS: &[&str] =
    &["string", "date", "int", "float", "boolean", "id", "list", "container"];

/// A trace with its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XesTrace {
    /// Its place among the traces of the file, from 0.
    pub index: u64,
    /// Its attributes.
    pub attributes: Vec<XesAttribute>,
    /// Its events, in the order of the file.
    pub events: Vec<XesEvent>,
    /// Where it begins.
    pub place: Place,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XesEvent {
    /// Its attributes.
    pub attributes: Vec<XesAttribute>,
    /// Where it begins.
    pub place: Place,
}

/// One attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XesAttribute {
    /// Its key; of an attribute inside another, both keys with `/` between them.
    pub key: String,
    /// Its value.
    pub value: XesValue,
    /// Where it begins.
    pub place: Place,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum XesValue {
    /// An instant, in UTC with milliseconds.
    Date(Timestamp),
    /// Anything else, as the file spells it.
    Text(String),
}

/// Reads a log trace by trace.
#[derive(Debug)]
pub struct XesReader<R> {
    reader: Reader<R>,
    buffer: Vec<u8>,
    trace_count: u64,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    BeforeLog,
    InLog,
    Ended,
}

/// An element as the reader meets it, with the place where its tag begins.
struct Found {
    token: Token,
    place: Place,
}

/// A tag, or the end of the file.
enum Token {
    Start { name: String, key: Option<String>, value: Option<String>, empty: bool },
    End { name: String },
    Eof,
}

impl XesEvent {
    /// When the event happened: its `time:timestamp`.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        self.attributes.iter().find_map(|attribute| match &attribute.value {
            XesValue::Date(at) if attribute.key == "time:timestamp" => Some(*at),
            _ => None,
        })
    }
}

impl XesValue {
    /// The value as text; an instant in the spelling of the ledger.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Date(at) => at.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

impl<R: BufRead> XesReader<R> {
    /// Reads uncompressed XML.
    pub fn new(source: R) -> Self {
        let mut reader = Reader::from_reader(source);
        reader.config_mut().check_end_names = true;
        Self { reader, buffer: Vec::new(), trace_count: 0, state: State::BeforeLog }
    }

    /// The next trace, or `None` at the end of the log.
    fn next_trace(&mut self) -> Result<Option<XesTrace>, XesError> {
        loop {
            let Found { token, place } = self.token()?;
            match token {
                Token::Start { name, empty, .. } if self.state == State::BeforeLog => {
                    if name != "log" {
                        return Err(XesError::NotALog { found: name, place });
                    }
                    self.state = if empty { State::Ended } else { State::InLog };
                }
                Token::Start { name, empty: false, .. } if name == "trace" => {
                    return self.trace(place).map(Some);
                }
                Token::Start { name, empty: true, .. } if name == "trace" => {
                    let trace_index = self.trace_count;
                    return Err(XesError::NoEvents { trace_index, place });
                }
                Token::Start { empty: true, .. } => {}
                Token::Start { name, .. } => self.skip(&name)?,
                Token::End { .. } => self.state = State::Ended,
                Token::Eof if self.state == State::Ended => return Ok(None),
                Token::Eof => return Err(XesError::CutOff { place }),
            }
        }
    }

    fn trace(&mut self, place: Place) -> Result<XesTrace, XesError> {
        let index = self.trace_count;
        let mut trace = XesTrace { index, attributes: Vec::new(), events: Vec::new(), place };
        let mut keys = BTreeSet::new();
        loop {
            let Found { token, place } = self.token()?;
            match token {
                Token::Start { name, empty, .. } if name == "event" => {
                    let attributes = if empty { Vec::new() } else { self.event()? };
                    trace.events.push(XesEvent { attributes, place });
                }
                Token::Start { name, key, value, empty } => {
                    let start = AttributeStart { name, key, value, empty, place };
                    self.attribute(start, "", &mut trace.attributes, &mut keys)?;
                }
                Token::End { .. } => {
                    self.trace_count += 1;
                    return Ok(trace);
                }
                Token::Eof => return Err(XesError::CutOff { place }),
            }
        }
    }

    fn event(&mut self) -> Result<Vec<XesAttribute>, XesError> {
        let (mut attributes, mut keys) = (Vec::new(), BTreeSet::new());
        loop {
            let Found { token, place } = self.token()?;
            match token {
                Token::Start { name, key, value, empty } => {
                    let start = AttributeStart { name, key, value, empty, place };
                    self.attribute(start, "", &mut attributes, &mut keys)?;
                }
                Token::End { .. } => return Ok(attributes),
                Token::Eof => return Err(XesError::CutOff { place }),
            }
        }
    }

    /// Takes one attribute and those inside it; any other element is passed over.
    fn attribute(
        &mut self,
        start: AttributeStart,
        prefix: &str,
        attributes: &mut Vec<XesAttribute>,
        keys: &mut BTreeSet<String>,
    ) -> Result<(), XesError> {
        let AttributeStart { name, key, value, empty, place } = start;
        if !ATTRIBUTE_ELEMENTS.contains(&name.as_str()) {
            return if empty { Ok(()) } else { self.skip(&name) };
        }
        let key = key.ok_or(XesError::Incomplete { missing: "key", place })?;
        let key = format!("{prefix}{key}");
        if !keys.insert(key.clone()) {
            return Err(XesError::RepeatedKey { key, place });
        }
        let holds_value = name != "list" && name != "container";
        match value {
            Some(value) => {
                let value = read_value(&name, &key, value, place)?;
                attributes.push(XesAttribute { key: key.clone(), value, place });
            }
            None if holds_value => return Err(XesError::Incomplete { missing: "value", place }),
            None => {}
        }
        if empty {
            return Ok(());
        }
        let prefix = format!("{key}/");
        loop {
            let Found { token, place } = self.token()?;
            match token {
                Token::Start { name, key, value, empty } if name != "values" => {
                    let start = AttributeStart { name, key, value, empty, place };
                    self.attribute(start, &prefix, attributes, keys)?;
                }
                // The items of a list stand in "values" and belong to the list itself.
                Token::Start { .. } => {}
                Token::End { name } if name == "values" => {}
                Token::End { .. } => return Ok(()),
                Token::Eof => return Err(XesError::CutOff { place }),
            }
        }
    }

    fn skip(&mut self, name: &str) -> Result<(), XesError> {
        let mut depth = 1_u64;
        while depth > 0 {
            let Found { token, place } = self.token()?;
            match token {
                Token::Start { name: inner, empty: false, .. } if inner == name => depth += 1,
                Token::End { name: inner } if inner == name => depth -= 1,
                Token::Eof => return Err(XesError::CutOff { place }),
                Token::Start { .. } | Token::End { .. } => {}
            }
        }
        Ok(())
    }

    fn token(&mut self) -> Result<Found, XesError> {
        loop {
            self.buffer.clear();
            let place = Place { byte: self.reader.buffer_position() };
            let event = self.reader.read_event_into(&mut self.buffer);
            let event = event.map_err(|e| XesError::Xml { reason: e.to_string(), place })?;
            match event {
                Event::Start(tag) => return start(&tag, false, place),
                Event::Empty(tag) => return start(&tag, true, place),
                Event::End(tag) => {
                    let name: &str = tag.local_name().into_inner();
                    return Ok(Found { token: Token::End { name: name.to_owned() }, place });
                }
                Event::Eof => return Ok(Found { token: Token::Eof, place }),
                Event::DocType(_) => {
                    let reason = "a document type declaration is not taken".to_owned();
                    return Err(XesError::Xml { reason, place });
                }
                Event::Text(_)
                | Event::CData(_)
                | Event::Comment(_)
                | Event::Decl(_)
                | Event::PI(_)
                | Event::GeneralRef(_) => {}
            }
        }
    }
}

impl<R: BufRead> Iterator for XesReader<R> {
    type Item = Result<XesTrace, XesError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Ended {
            return None;
        }
        match self.next_trace() {
            Ok(trace) => trace.map(Ok),
            Err(error) => {
                self.state = State::Ended;
                Some(Err(error))
            }
        }
    }
}

/// The start of an element that may be an attribute.
struct AttributeStart {
    name: String,
    key: Option<String>,
    value: Option<String>,
    empty: bool,
    place: Place,
}

fn start(tag: &BytesStart<'_>, empty: bool, place: Place) -> Result<Found, XesError> {
    let xml = |reason: String| XesError::Xml { reason, place };
    let name: &str = tag.local_name().into_inner();
    let (mut key, mut value) = (None, None);
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|e| xml(e.to_string()))?;
        let text = attribute.normalized_value(XmlVersion::Implicit1_0);
        let text = text.map_err(|e| xml(e.to_string()))?.into_owned();
        let attribute_name: &str = attribute.key.into_inner();
        match attribute_name {
            "key" => key = Some(text),
            "value" => value = Some(text),
            _ => {}
        }
    }
    Ok(Found { token: Token::Start { name: name.to_owned(), key, value, empty }, place })
}

fn read_value(kind: &str, key: &str, text: String, place: Place) -> Result<XesValue, XesError> {
    let invalid = |reason: String| XesError::Attribute { key: key.to_owned(), reason, place };
    match kind {
        "date" => {
            let instant: Instant = text
                .parse()
                .map_err(|_| invalid(format!("{text:?} is not an instant with an offset")))?;
            // Finer digits than milliseconds are dropped: instants of the ledger have no more.
            let at = Timestamp::from_unix_ms(instant.as_millisecond());
            at.map(XesValue::Date).map_err(|e| invalid(e.to_string()))
        }
        "int" if text.parse::<i64>().is_err() => {
            Err(invalid(format!("{text:?} is not an integer")))
        }
        "boolean" if !matches!(text.as_str(), "true" | "false") => {
            Err(invalid(format!("{text:?} is neither true nor false")))
        }
        _ => Ok(XesValue::Text(text)),
    }
}
