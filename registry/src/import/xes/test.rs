//! Event logs: what they become, what is kept private, and what is wrong with a broken one.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Write};
use std::path::Path;

use futures::executor::block_on;
use letopis_ledger::checkpoint::Origin;

use super::*;
use crate::engine::twin::TwinNode;

/// A log of real applications, beside the repository where it is to be had.
const REAL_LOG: &str = "../../shared/data/wabo-receipt.xes.gz";

const LOG: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<log xes.version="1.0" xmlns="http://www.xes-standard.org/">
  <extension name="Time" prefix="time" uri="http://www.xes-standard.org/time.xesext"/>
  <global scope="trace"><string key="channel" value="UNKNOWN"/></global>
  <trace>
    <string key="channel" value="Desk"/>
    <string key="responsible" value="Мария &amp; Ко"/>
    <date key="startdate" value="2011-10-11T13:42:22.688+02:00"/>
    <event>
      <string key="org:resource" value="Resource21"><string key="note" value="nested"/></string>
      <date key="time:timestamp" value="2011-10-11T13:45:40.276+02:00"/>
      <string key="concept:name" value="Receipt"/>
    </event>
    <event>
      <date key="time:timestamp" value="2011-10-12T13:45:40.276+02:00"/>
    </event>
  </trace>
  <trace>
    <event><date key="time:timestamp" value="2011-10-11T11:45:40Z"/></event>
  </trace>
</log>"#;

fn import() -> XesImport {
    let origin = Origin::new("letopis.example/zarechny").unwrap();
    XesImport::new(Hash::of(LOG.as_bytes()), origin, AgencyId::parse("zarechny").unwrap())
}

fn traces(text: &str) -> Result<Vec<XesTrace>, XesError> {
    open(text.as_bytes())?.collect()
}

fn records(text: &str) -> Vec<SealedRecord> {
    let secret = AgencySecret::new([7; 32]);
    let traces = traces(text).unwrap();
    traces.iter().flat_map(|trace| import().records(trace, &secret).unwrap()).collect()
}

#[test]
fn a_trace_becomes_a_stream_and_each_event_a_record() {
    let records = records(LOG);
    let shape: Vec<Vec<(String, u64, String)>> = records
        .iter()
        .map(|sealed| {
            let events = sealed.record.events().iter();
            events
                .map(|event| {
                    let stream = event.stream.as_str().rsplit('/').next().unwrap();
                    (stream.to_owned(), event.version.get(), event.event_type.to_string())
                })
                .collect()
        })
        .collect();
    let event = |stream: &str, version, name: &str| (stream.to_owned(), version, name.to_owned());
    assert_eq!(
        shape,
        [
            vec![event("0", 0, "trace.opened"), event("0", 1, "trace.step_recorded")],
            vec![event("0", 2, "trace.step_recorded")],
            vec![event("1", 0, "trace.opened"), event("1", 1, "trace.step_recorded")],
        ]
    );
    let opened = Json::from(records[0].record.events()[0].data.clone()).to_string();
    assert!(opened.contains(r#""channel":"Desk""#), "{opened}");
    assert!(opened.contains(r#""startdate":"2011-10-11T11:42:22.688Z""#), "{opened}");
}

#[test]
fn attributes_that_may_name_somebody_are_disclosures() {
    let records = records(LOG);
    let names: Vec<(&str, String)> = records
        .iter()
        .flat_map(|sealed| &sealed.disclosures)
        .map(|(_, opened)| (opened.name(), opened.value().as_str().unwrap().to_owned()))
        .collect();
    let expected = [
        ("attribute.responsible", "Мария & Ко"),
        ("attribute.org:resource", "Resource21"),
        ("attribute.org:resource/note", "nested"),
    ];
    assert_eq!(names, expected.map(|(name, value)| (name, value.to_owned())));
    for sealed in &records {
        let text = String::from_utf8(sealed.record.to_bytes()).unwrap();
        for secret in ["Мария", "Resource21", "nested", "responsible"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[test]
fn a_repeated_import_makes_the_same_records() {
    let bytes = |records: Vec<SealedRecord>| -> Vec<Vec<u8>> {
        records.iter().map(|sealed| sealed.record.to_bytes()).collect()
    };
    assert_eq!(bytes(records(LOG)), bytes(records(LOG)));
    let ids: std::collections::BTreeSet<_> =
        records(LOG).iter().map(|sealed| sealed.record.id()).collect();
    assert_eq!(ids.len(), 3);
}

#[test]
fn compressed_logs_are_the_same_logs() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(LOG.as_bytes()).unwrap();
    let compressed = encoder.finish().unwrap();
    let read: Vec<XesTrace> = open(compressed.as_slice()).unwrap().map(Result::unwrap).collect();
    assert_eq!(read, traces(LOG).unwrap());
    let cut = &compressed[..compressed.len() / 2];
    let broken: Result<Vec<XesTrace>, XesError> = open(cut).unwrap().collect();
    assert!(broken.is_err());
}

#[test]
fn broken_logs_are_refused_with_the_place() {
    let changed = |from: &str, to: &str| {
        assert!(LOG.contains(from));
        traces(&LOG.replacen(from, to, 1)).unwrap_err()
    };
    let place = |from: &str| Place { byte: LOG.find(from).unwrap() as u64 };
    assert!(matches!(changed("</trace>", "</log>"), XesError::Xml { .. }));
    assert!(matches!(changed("<log", "<lag"), XesError::Xml { .. } | XesError::NotALog { .. }));
    assert_eq!(
        traces("<html></html>").unwrap_err(),
        XesError::NotALog { found: "html".into(), place: Place { byte: 0 } }
    );
    let date = r#"<date key="startdate""#;
    assert!(matches!(
        changed("2011-10-11T13:42:22.688+02:00", "yesterday"),
        XesError::Attribute { key, place: found, .. } if key == "startdate" && found == place(date)
    ));
    assert!(matches!(
        changed("2011-10-11T13:42:22.688+02:00", "1911-10-11T13:42:22.688+02:00"),
        XesError::Attribute { .. }
    ));
    assert!(matches!(
        changed(r#"key="channel" value="Desk""#, r#"value="Desk""#),
        XesError::Incomplete { missing: "key", .. }
    ));
    assert!(matches!(
        changed(r#"key="channel" value="Desk""#, r#"key="channel""#),
        XesError::Incomplete { missing: "value", .. }
    ));
    assert!(matches!(
        changed(r#"key="responsible""#, r#"key="channel""#),
        XesError::RepeatedKey { key, .. } if key == "channel"
    ));
    let half = &LOG[..LOG.find("</trace>").unwrap()];
    assert!(matches!(traces(half), Err(XesError::CutOff { .. } | XesError::Xml { .. })));
    assert!(matches!(traces(""), Err(XesError::CutOff { .. })));
    let doctype = LOG.replacen("<log", "<!DOCTYPE log [<!ENTITY a \"b\">]><log", 1);
    assert!(matches!(traces(&doctype), Err(XesError::Xml { .. })));
}

#[test]
fn traces_without_events_and_events_without_a_time_are_refused() {
    let secret = AgencySecret::new([7; 32]);
    let refused = |text: &str| {
        let traces = traces(text)?;
        import().records(&traces[0], &secret).map(|_| ())
    };
    let empty = "<log><trace><string key=\"a\" value=\"b\"/></trace></log>";
    assert!(matches!(refused(empty), Err(XesError::NoEvents { trace_index: 0, .. })));
    assert!(matches!(refused("<log><trace/></log>"), Err(XesError::NoEvents { .. })));
    let timeless = "<log><trace><event/></trace></log>";
    assert!(matches!(refused(timeless), Err(XesError::NoTime { .. })));
}

#[test]
fn a_log_of_real_applications_is_imported_once_however_often() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(REAL_LOG);
    let Ok(bytes) = std::fs::read(&path) else {
        println!("skipped: {} is not here", path.display());
        return;
    };
    let node = TwinNode::start();
    let before = node.ledger.leaves_now().len();
    let import = node.engine.xes_import(Hash::of(&bytes));
    for _ in 0..2 {
        let traces = open(BufReader::new(File::open(&path).unwrap())).unwrap();
        let traces: Vec<_> = traces.collect();
        let imported = block_on(node.engine.import_xes(&import, traces.into_iter(), |_| {}));
        let imported = imported.unwrap();
        assert_eq!((imported.trace_count, imported.event_count), (1_434, 8_577));
        assert_eq!(node.ledger.leaves_now().len() - before, 8_577);
    }
    block_on(node.engine.catch_up()).unwrap();
    let statistics = node.engine.model().trace_statistics(import.file()).unwrap().value;
    assert_eq!((statistics.trace_count, statistics.event_count), (1_434, 8_577));
    let counts = |of: &[crate::projection::CategoryCount]| -> BTreeMap<String, u64> {
        of.iter().map(|row| (row.value.clone().unwrap(), row.count)).collect()
    };
    let channels = [("Desk", 109), ("Intern", 1), ("Internet", 1250), ("Post", 53), ("e-mail", 21)];
    let expected = channels.map(|(name, count)| (name.to_owned(), count));
    assert_eq!(counts(&statistics.by_channel), BTreeMap::from(expected));
    let departments = [("Customer contact", 29), ("Experts", 15), ("General", 1390)];
    let expected = departments.map(|(name, count)| (name.to_owned(), count));
    assert_eq!(counts(&statistics.by_department), BTreeMap::from(expected));
    assert_eq!(statistics.duration_p90_ms, Some(1_217_899_896));
}
