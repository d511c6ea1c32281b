//! Entries are found by areas: the index says what a full look says, and follows every change.

use proptest::prelude::*;

use super::*;
use crate::code::FieldPath;
use crate::geometry::Area;

fn square(x: f64, y: f64, side: f64) -> String {
    let (e, n) = (x + side, y + side);
    let ring = format!("[[{x},{y}],[{e},{y}],[{e},{n}],[{x},{n}],[{x},{y}]]");
    format!("{{\"type\":\"Polygon\",\"coordinates\":[{ring}]}}")
}

fn building(number: usize, polygon: &str) -> Value {
    json!({
        "object_id": format!("H-{number}"), "name": "House", "act": "12", "category": "local",
        "protected_features": "facade", "polygon": polygon,
    })
}

/// Numbers of the buildings that meet an area, found a page at a time.
fn met(node: &TwinNode, area: &str, page: u32) -> Vec<String> {
    let (code, field) = (registry("historic_building"), FieldPath::parse("polygon").unwrap());
    let area = Area::parse(area).unwrap();
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let model = node.engine.model();
        let met = model.entries_meeting(&code, (&field, &area), after.as_ref(), page).unwrap();
        assert!(met.value.entries.len() <= page as usize);
        let number = |entry: &crate::projection::EntryRow| {
            entry.fields.get("object_id").and_then(Json::as_str).unwrap().to_owned()
        };
        found.extend(met.value.entries.iter().map(number));
        after = met.value.next;
        if after.is_none() {
            found.sort();
            return found;
        }
    }
}

#[test]
fn a_building_is_found_where_it_stands_now_and_a_rebuild_gives_the_same_tables() {
    let node = TwinNode::start();
    let code = registry("historic_building");
    let rows = [building(1, &square(33.0, 44.0, 0.5)), building(2, &square(35.0, 44.0, 0.5))];
    let created = block_on(node.engine.create_entries(&code, &rows, &document())).unwrap();
    block_on(node.engine.catch_up()).unwrap();
    let plot = square(33.5, 44.2, 0.1);
    assert_eq!(met(&node, &plot, 10), ["H-1"]);
    let moved = json!({"polygon": square(33.55, 44.2, 0.5)});
    block_on(node.engine.amend_entry(&created.entries[1], &moved, &document())).unwrap();
    block_on(node.engine.catch_up()).unwrap();
    assert_eq!(met(&node, &plot, 1), ["H-1", "H-2"]);
    block_on(node.engine.exclude_entry(&created.entries[0], &document())).unwrap();
    block_on(node.engine.catch_up()).unwrap();
    assert_eq!(met(&node, &plot, 10), ["H-2"]);
    let before = node.engine.model().content_hash().unwrap().value;
    node.engine.model().reset().unwrap();
    block_on(node.engine.catch_up()).unwrap();
    assert_eq!(node.engine.model().content_hash().unwrap().value, before);
    assert_eq!(met(&node, &plot, 10), ["H-2"]);
}

#[test]
fn a_keeper_cannot_enter_what_is_no_area() {
    let node = TwinNode::start();
    let rows = [building(1, "{}")];
    let refused =
        block_on(node.engine.create_entries(&registry("historic_building"), &rows, &document()));
    assert!(refused.unwrap_err().to_string().contains("GeoJSON"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_index_and_a_full_look_agree(
        places in prop::collection::vec((-5.0_f64..5.0, -5.0_f64..5.0, 0.001_f64..3.0), 1..20),
        (x, y, side) in (-5.0_f64..5.0, -5.0_f64..5.0, 0.001_f64..3.0),
    ) {
        let node = TwinNode::start();
        let areas: Vec<String> = places.iter().map(|(x, y, s)| square(*x, *y, *s)).collect();
        let rows = areas.iter().enumerate().map(|(n, area)| building(n, area));
        let rows: Vec<Value> = rows.collect();
        let code = registry("historic_building");
        block_on(node.engine.create_entries(&code, &rows, &document())).unwrap();
        block_on(node.engine.catch_up()).unwrap();
        let asked = square(x, y, side);
        let plain = Area::parse(&asked).unwrap();
        let meets = |area: &String| Area::parse(area).unwrap().meets(&plain);
        let hits = areas.iter().enumerate().filter(|(_, area)| meets(area));
        let mut expected: Vec<String> = hits.map(|(n, _)| format!("H-{n}")).collect();
        expected.sort();
        prop_assert_eq!(met(&node, &asked, 3), expected);
    }
}
