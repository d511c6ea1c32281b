//! The DMN document as a tree of elements that remember where they stand in the text.
//!
//! The evaluator's own parser drops what a trace needs (rule ids and annotations), and copying
//! parts of a document verbatim needs their places. Elements are told apart by local name, as the
//! evaluator does. Absent: schema validation, which the evaluator performs.

use std::ops::Range;

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::admission::AdmissionError;

/// The largest document: the engine has not been measured on larger ones.
pub const DOCUMENT_BYTES_MAX: usize = 1_048_576;
/// The deepest nesting of elements; deeper ones could overflow the stack of a recursive reader.
pub const DOCUMENT_DEPTH_MAX: usize = 64;

/// One element with its text, attributes and children.
#[derive(Debug, Default)]
pub(super) struct Element {
    pub(super) local_name: String,
    /// The namespace prefix with its colon, or nothing.
    pub(super) prefix: String,
    pub(super) span: Range<usize>,
    pub(super) text: String,
    pub(super) children: Vec<Element>,
    attributes: Vec<(String, String)>,
}

impl Element {
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn children_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.local_name == name)
    }

    pub(super) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.local_name == name)
    }

    /// The text of `<text>` below this element, without surrounding white space.
    pub(super) fn child_text(&self) -> &str {
        self.child("text").map_or("", |text| text.text.trim())
    }
}

/// Reads the whole document; refuses document types, so entities cannot be defined.
pub(super) fn read(xml: &str) -> Result<Element, AdmissionError> {
    if xml.len() > DOCUMENT_BYTES_MAX {
        let (found, limit) = (xml.len(), DOCUMENT_BYTES_MAX);
        return Err(AdmissionError::DocumentTooLarge { found, limit });
    }
    let mut reader = Reader::from_str(xml);
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    loop {
        let start = position(&reader);
        let event = reader.read_event().map_err(malformed)?;
        let end = position(&reader);
        match event {
            Event::Start(tag) => {
                if open.len() >= DOCUMENT_DEPTH_MAX {
                    return Err(AdmissionError::DocumentTooDeep { limit: DOCUMENT_DEPTH_MAX });
                }
                open.push(element(&tag, start..end)?);
            }
            Event::Empty(tag) => close(&mut open, &mut root, element(&tag, start..end)?),
            Event::End(_) => {
                let mut closed = open.pop().ok_or_else(|| malformed("an end without a start"))?;
                closed.span.end = end;
                close(&mut open, &mut root, closed);
            }
            Event::Text(text) => push_text(&mut open, &text.xml10_content()),
            Event::CData(text) => push_text(&mut open, &text.xml10_content()),
            Event::GeneralRef(reference) => push_text(&mut open, &resolve(&reference)?),
            Event::DocType(_) => return Err(AdmissionError::DocumentType),
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
            Event::Eof => break,
        }
    }
    match (root, open.is_empty()) {
        (Some(root), true) => Ok(root),
        _ => Err(malformed("the document ends inside an element or has none")),
    }
}

fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).expect("invariant: the document is at most 1 MiB")
}

fn malformed(reason: impl ToString) -> AdmissionError {
    AdmissionError::Malformed { reason: reason.to_string() }
}

fn element(tag: &BytesStart<'_>, span: Range<usize>) -> Result<Element, AdmissionError> {
    let name = tag.name();
    let name: &str = name.as_ref();
    let (prefix, local_name) = match name.split_once(':') {
        Some((prefix, local_name)) => (format!("{prefix}:"), local_name),
        None => (String::new(), name),
    };
    let mut attributes = Vec::new();
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(malformed)?;
        let value = quick_xml::escape::unescape(attribute.value.as_ref()).map_err(malformed)?;
        let key: &str = attribute.key.as_ref();
        attributes.push((key.to_owned(), value.into_owned()));
    }
    let local_name = local_name.to_owned();
    Ok(Element { local_name, prefix, span, attributes, ..Element::default() })
}

fn close(open: &mut [Element], root: &mut Option<Element>, closed: Element) {
    match open.last_mut() {
        Some(parent) => parent.children.push(closed),
        None => *root = Some(closed),
    }
}

fn push_text(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

fn resolve(reference: &BytesRef<'_>) -> Result<String, AdmissionError> {
    let text = format!("&{};", &**reference);
    Ok(quick_xml::escape::unescape(&text).map_err(malformed)?.into_owned())
}
