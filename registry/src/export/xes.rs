//! XES (IEEE 1849-2016): one trace for each case, its events in the order of the log.
//!
//! Not here: what an event tells of (`told`), and reading XES (`import`).

use std::fmt::Write as _;
use std::io::Write;

use letopis_ledger::leaf::Leaf;
use quick_xml::escape::escape;

use super::spool::Spool;
use super::told::{Kind, Told, told};
use super::{ExportError, Exported};

const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<log xes.version="1849-2016" xes.features="" xmlns="http://www.xes-standard.org/">
  <extension name="Concept" prefix="concept" uri="http://www.xes-standard.org/concept.xesext"/>
  <extension name="Time" prefix="time" uri="http://www.xes-standard.org/time.xesext"/>
  <extension name="Organizational" prefix="org" uri="http://www.xes-standard.org/org.xesext"/>
  <extension name="Lifecycle" prefix="lifecycle" uri="http://www.xes-standard.org/lifecycle.xesext"/>
  <classifier name="Activity" keys="concept:name"/>
"#;

/// An export that takes leaves and is then written.
#[derive(Debug)]
pub struct XesExport {
    spool: Spool,
    events: i64,
}

impl XesExport {
    /// Begins an export.
    ///
    /// # Errors
    /// No temporary file could be made.
    pub fn new() -> Result<Self, ExportError> {
        Ok(Self { spool: Spool::new()?, events: 0 })
    }

    /// Takes the next leaf.
    ///
    /// # Errors
    /// The temporary file failed.
    pub fn take(&mut self, leaf: &Leaf) -> Result<(), ExportError> {
        for event in told(leaf) {
            // Events of entries belong to no case, or are in the case's own record already.
            if event.stream.kind() != "application" {
                continue;
            }
            if event.event_type == "application.submitted" {
                self.spool.put_head(event.stream.as_str(), &trace_xml(&event))?;
            }
            self.spool.put_item(event.stream.as_str(), self.events, &event_xml(&event))?;
            self.events += 1;
        }
        Ok(())
    }

    /// Writes what was taken; a case whose submission cannot be read is left out.
    ///
    /// # Errors
    /// The file could not be written, or the temporary one not be read.
    pub fn write(self, mut out: impl Write) -> Result<Exported, ExportError> {
        out.write_all(HEAD.as_bytes())?;
        let mut events = 0;
        let objects = self.spool.heads(|case, attributes| {
            write!(out, "  <trace>\n{attributes}")?;
            events += self.spool.items(case, |text| Ok(out.write_all(text.as_bytes())?))?;
            Ok(out.write_all(b"  </trace>\n")?)
        })?;
        out.write_all(b"</log>\n")?;
        out.flush()?;
        Ok(Exported { objects, events })
    }
}

fn trace_xml(event: &Told) -> String {
    let id = event.stream.as_str().trim_start_matches("application/");
    let known = event.objects.iter().filter(|object| object.kind == Kind::Application);
    let known = known.flat_map(|object| &object.attributes);
    let mut xml = string("    ", "concept:name", id);
    for (name, value) in known {
        xml += &string("    ", name, value);
    }
    xml
}

fn event_xml(event: &Told) -> String {
    let mut xml = String::from("    <event>\n");
    xml += &string("      ", "concept:name", &event.event_type);
    xml += &string("      ", "lifecycle:transition", "complete");
    let _ = writeln!(xml, "      <date key=\"time:timestamp\" value=\"{}\"/>", event.at);
    let _ = writeln!(xml, "      <int key=\"leaf\" value=\"{}\"/>", event.place.0);
    xml += &string("      ", "org:group", &event.agency);
    let by = event.objects.iter().find(|object| object.kind == Kind::Official);
    if let Some(official) = by {
        xml += &string("      ", "org:resource", official.id.trim_start_matches("staff/"));
    }
    let request = event.objects.iter().find(|object| object.kind == Kind::Request);
    if let Some((_, step)) = request.and_then(|object| object.id.split_once('#')) {
        xml += &string("      ", "request", step);
    }
    if let Some(outcome) = &event.outcome {
        xml += &string("      ", "outcome", outcome);
    }
    xml + "    </event>\n"
}

fn string(indent: &str, key: &str, value: &str) -> String {
    format!("{indent}<string key=\"{key}\" value=\"{}\"/>\n", escape(value))
}
