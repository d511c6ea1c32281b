//! Exports of a working town: whole, without anything personal, and read by another program.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::{Exported, OcelExport, XesExport};
use crate::import::xes;
use crate::statistics::test::town::{Town, town};
use crate::statistics::{measure, nearest_rank};

/// The version of pm4py that reads the exports.
const PM4PY: &str = "pm4py==2.7.23.11";
/// Set where the comparison with pm4py must not be left out.
const REQUIRED: &str = "LETOPIS_REQUIRE_PM4PY";

/// What pm4py finds in both files; the events that follow the end of a case are left out.
const SCRIPT: &str = r#"
import json, sys, warnings
warnings.filterwarnings("ignore")
import pm4py
ocel = pm4py.read_ocel2_json(sys.argv[1])
objects = ocel.objects["ocel:type"].value_counts().to_dict()
events = ocel.events["ocel:activity"].value_counts().to_dict()
log = pm4py.read_xes(sys.argv[2], return_legacy_log_object=False)
after = log["concept:name"].str.startswith(("notice.", "document.", "request.answer_set_aside"))
log = log[~after]
ended = {}
for granted, end in ((True, "application.result_issued"), (False, "application.refusal_issued")):
    of = log[log["concept:name"] == end]["case:concept:name"]
    for service, part in log[log["case:concept:name"].isin(set(of))].groupby("case:service"):
        durations = pm4py.get_all_case_durations(part)
        ended[f"{service} {granted}"] = sorted(round(1000 * d) for d in durations)
flat = pm4py.ocel_flattening(ocel, "application")
flat = flat[~flat["concept:name"].str.startswith(("notice.", "document.", "request.answer_set_aside"))]
of = flat[flat["concept:name"].isin(["application.result_issued", "application.refusal_issued"])]
flat = flat[flat["case:concept:name"].isin(set(of["case:concept:name"]))]
print(json.dumps({
    "objects": objects, "events": events, "relations": len(ocel.relations),
    "traces": int(log["case:concept:name"].nunique()), "ended": ended,
    "flat": sorted(round(1000 * d) for d in pm4py.get_all_case_durations(flat)),
}))
"#;

fn ocel(town: &Town) -> (Vec<u8>, Exported) {
    let mut export = OcelExport::new().unwrap();
    for leaf in town.node.ledger.leaves_now() {
        export.take(&leaf).unwrap();
    }
    let mut bytes = Vec::new();
    let written = export.write(&mut bytes).unwrap();
    (bytes, written)
}

fn xes_of(town: &Town) -> (Vec<u8>, Exported) {
    let mut export = XesExport::new().unwrap();
    for leaf in town.node.ledger.leaves_now() {
        export.take(&leaf).unwrap();
    }
    let mut bytes = Vec::new();
    let written = export.write(&mut bytes).unwrap();
    (bytes, written)
}

/// How many events the log has whose type begins so.
fn events_in_log(town: &Town, streams: &[&str]) -> u64 {
    let leaves = town.node.ledger.leaves_now();
    let events = leaves.iter().flat_map(|leaf| leaf.record().events());
    events.filter(|event| streams.contains(&event.stream.kind())).count() as u64
}

fn array(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn is_free_of_personal_data(bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).unwrap();
    for private in ["Тайн", "Секретина", "000-000-", "ВС77", "5d3c1a7e", "Проверено", "Нет плана"]
    {
        assert!(!text.contains(private), "{private} is in the export");
    }
}

#[test]
fn both_exports_have_every_event_every_object_once_and_nothing_personal() {
    let town = town();
    let (bytes, written) = ocel(&town);
    is_free_of_personal_data(&bytes);
    let log: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(written.events, events_in_log(&town, &["application", "registry"]));
    assert_eq!(array(&log["events"]).len() as u64, written.events);
    assert_eq!(array(&log["objects"]).len() as u64, written.objects);
    let ids: BTreeSet<&str> =
        array(&log["objects"]).iter().map(|object| object["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len() as u64, written.objects, "an object is there twice");
    let related = array(&log["events"]).iter().chain(array(&log["objects"]));
    for relation in related.flat_map(|one| array(&one["relationships"])) {
        let id = relation["objectId"].as_str().unwrap();
        assert!(ids.contains(id), "{id} is related to and not there");
    }
    let types: BTreeSet<&str> =
        array(&log["objectTypes"]).iter().map(|kind| kind["name"].as_str().unwrap()).collect();
    assert_eq!(types, ["application", "decision", "entry", "official", "request"].into());

    let (bytes, written) = xes_of(&town);
    is_free_of_personal_data(&bytes);
    assert_eq!(written.events, events_in_log(&town, &["application"]));
    let traces: Vec<_> = xes::open(&bytes[..]).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(traces.len() as u64, written.objects);
    let submitted = town.node.engine.model().recent_cases(10_000).unwrap().value.len();
    assert_eq!(traces.len(), submitted);
}

#[test]
fn an_empty_log_is_exported_as_an_empty_one() {
    let mut bytes = Vec::new();
    OcelExport::new().unwrap().write(&mut bytes).unwrap();
    let log: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!((&log["events"], &log["objects"]), (&json!([]), &json!([])));
    let mut bytes = Vec::new();
    XesExport::new().unwrap().write(&mut bytes).unwrap();
    assert_eq!(xes::open(&bytes[..]).unwrap().count(), 0);
}

#[test]
fn pm4py_opens_both_and_finds_our_counts_and_durations() {
    let python = match python() {
        Ok(python) => python,
        Err(reason) if std::env::var_os(REQUIRED).is_some() => panic!("{reason}"),
        Err(reason) => {
            eprintln!("left out: {PM4PY} cannot be installed here: {reason}");
            return;
        }
    };
    let town = town();
    let folder = tempfile::tempdir().unwrap();
    let (objects, traces) = (folder.path().join("log.json"), folder.path().join("log.xes"));
    let (bytes, written) = ocel(&town);
    std::fs::write(&objects, &bytes).unwrap();
    let (xes_bytes, written_xes) = xes_of(&town);
    std::fs::write(&traces, xes_bytes).unwrap();
    let output =
        Command::new(python).args(["-c", SCRIPT]).args([&objects, &traces]).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let found: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();

    let log: Value = serde_json::from_slice(&bytes).unwrap();
    let count = |of: &str| {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for one in array(&log[of]) {
            *counts.entry(one["type"].as_str().unwrap()).or_default() += 1;
        }
        json!(counts)
    };
    assert_eq!((&found["objects"], &found["events"]), (&count("objects"), &count("events")));
    let relations = array(&log["events"]).iter().map(|one| array(&one["relationships"]).len());
    assert_eq!(found["relations"], relations.sum::<usize>());
    assert_eq!(found["traces"], written_xes.objects);
    assert!(written.objects > written_xes.objects);
    check_durations(&town, &found);
}

/// The durations of pm4py are those from which our percentiles are made.
fn check_durations(town: &Town, found: &Value) {
    let all = (
        letopis_ledger::Timestamp::EPOCH,
        letopis_ledger::Timestamp::from_unix_ms(4_000_000_000_000).unwrap(),
    );
    let book = town.node.engine.calendar_book();
    let cases = town.node.engine.model().finished_cases(all).unwrap().value;
    let mut ended: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    let mut flat = Vec::new();
    for case in &cases {
        let elapsed_ms = measure(case, book.of(&case.service)).elapsed_ms;
        let granted = if case.granted { "True" } else { "False" };
        ended.entry(format!("{} {granted}", case.service)).or_default().push(elapsed_ms);
        flat.push(elapsed_ms);
    }
    ended.values_mut().for_each(|durations| durations.sort_unstable());
    flat.sort_unstable();
    assert!(flat.len() > 200 && nearest_rank(&flat, 90) > nearest_rank(&flat, 50));
    assert_eq!(found["ended"], json!(ended));
    assert_eq!(found["flat"], json!(flat));
}

/// A Python with pm4py, made once for a target folder.
fn python() -> Result<PathBuf, String> {
    let place = std::env::current_exe().map_err(|e| e.to_string())?;
    let place = place.ancestors().nth(2).ok_or("the test lies in no target folder")?;
    let place = place.join(PM4PY.replace("==", "-"));
    let python = place.join("bin/python");
    if !has_pm4py(&python) {
        let _ = std::fs::remove_dir_all(&place);
        run(Command::new("python3").args(["-m", "venv"]).arg(&place))?;
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", PM4PY]))?;
    }
    Ok(python)
}

fn has_pm4py(python: &Path) -> bool {
    let found = Command::new(python).args(["-c", "import pm4py"]).output();
    found.is_ok_and(|output| output.status.success())
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(format!("{command:?}: {complaint}")) }
}
