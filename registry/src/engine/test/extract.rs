//! Extracts: what stands on them for whom, and that nothing is put on record for them.

use super::*;
use crate::engine::ExtractReader;
use crate::event::OfficialId;

fn extracted(
    node: &TwinNode,
    stream: &letopis_ledger::id::StreamName,
    reader: ExtractReader,
) -> String {
    let bytes = block_on(node.engine.extract(stream, Language::Ru, reader)).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// The machine-readable form is the last line that the plain typesetter writes.
fn data(extract: &str) -> Value {
    serde_json::from_str(extract.lines().last().unwrap()).unwrap()
}

/// K40: an extract names its source, its time and who gave it.
#[test]
fn an_extract_shows_everybody_what_is_public_and_officials_what_is_theirs() {
    let node = furnished();
    let (case, _) = run(&node, ANNA, PLATES[0]);
    block_on(node.engine.catch_up()).unwrap();
    let row = node.engine.model().entry_of_case(case).unwrap().value.unwrap();
    let before = node.ledger.leaves_now().len();
    let public = extracted(&node, &row.stream, ExtractReader::Public);
    assert!(public.contains(row.number.as_deref().unwrap()), "{public}");
    assert!(public.contains("check/entry/parking_permit/"), "{public}");
    assert!(!public.contains(PLATES[0]) && !public.contains(ANNA), "{public}");
    let said = data(&public);
    assert_eq!((&said["kind"], &said["status"]), (&json!("extract"), &json!("in_force")));
    assert_eq!(said["leaf"], json!(row.leaf.get()));
    assert_eq!(said["as_of"], json!(before));
    assert_eq!(said["disclosures"], json!([]));

    let official = OfficialId::parse("01900000-0000-7000-8000-000000000001").unwrap();
    let theirs = extracted(&node, &row.stream, ExtractReader::Official(official));
    assert!(theirs.contains(&official.to_string()), "{theirs}");
    assert!(!theirs.contains(ANNA), "private values are for the holder alone");
    let said = data(&theirs);
    let digests = node.engine.model().entry_disclosures(&row.stream).unwrap().value;
    for disclosure in said["disclosures"].as_array().unwrap() {
        let disclosure = Disclosure::parse(disclosure.as_str().unwrap()).unwrap();
        assert!(digests.contains(&disclosure.digest()));
        let field = disclosure.name().strip_prefix("field.").unwrap();
        assert_eq!(said["fields"][field], disclosure.value().to_value());
    }
    assert_eq!(node.ledger.leaves_now().len(), before, "an extract is no record");
}

#[test]
fn values_of_an_entry_bring_no_marks_into_its_extract() {
    let node = furnished();
    let rows = [json!({
        "object_id": "H-1", "name": "| *a* [b](c) |", "act": "12", "category": "local",
        "protected_features": "facade", "polygon": crate::geometry::Area::EXAMPLE,
    })];
    let registry = RegistryCode::parse("historic_building").unwrap();
    let created = block_on(node.engine.create_entries(&registry, &rows, &document())).unwrap();
    block_on(node.engine.catch_up()).unwrap();
    let extract = extracted(&node, &created.entries[0], ExtractReader::Public);
    assert!(extract.contains(r"\| \*a\* \[b\]\(c\) \|"), "{extract}");
    assert_eq!(data(&extract)["fields"]["name"], json!("| *a* [b](c) |"));
}
