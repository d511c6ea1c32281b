//! Registries with areas as map programs read them: OGC API - Features (OGC 17-069r4).

use letopis_tests::node::{NodeFolder, RunningNode};
use serde_json::{Value, json};

fn town() -> (RunningNode, NodeFolder) {
    let folder = NodeFolder::init();
    let node = folder.start();
    folder.publish_pack(&node);
    (node, folder)
}

fn square(west: f64, south: f64) -> String {
    let (east, north) = (west + 0.01, south + 0.01);
    let ring = [[west, south], [east, south], [east, north], [west, north], [west, south]];
    json!({"type": "Polygon", "coordinates": [ring]}).to_string()
}

fn building(name: &str, west: f64) -> Value {
    json!({
        "object_id": name, "name": name, "act": "1", "category": "regional",
        "protected_features": "facade", "polygon": square(west, 44.6),
    })
}

#[test]
fn a_map_program_finds_collections_and_items_by_box_time_and_page() {
    let (node, folder) = town();
    let kinds = node.get("/api/v1/registries/historic_building/entries").json();
    assert_eq!(kinds["entries"], json!([]));
    let rows: Vec<Value> =
        (0..3_u8).map(|n| building(&format!("h-{n}"), 33.0 + f64::from(n))).collect();
    folder.enter(&node, "historic_building", &json!(rows));

    let landing = node.get("/ogc").json();
    let rels: Vec<&str> =
        landing["links"].as_array().unwrap().iter().map(|l| l["rel"].as_str().unwrap()).collect();
    assert_eq!(rels, ["self", "service-desc", "conformance", "data"]);
    let conforms = node.get("/ogc/conformance").json();
    assert!(conforms["conformsTo"][0].as_str().unwrap().ends_with("/conf/core"));
    let collections = node.get("/ogc/collections").json();
    let ids: Vec<&str> = collections["collections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["building_permit", "historic_building"]);
    let one = node.get("/ogc/collections/historic_building").json();
    assert_eq!(one, collections["collections"][1]);

    let items = "/ogc/collections/historic_building/items";
    let found = |query: &str| {
        let answer = node.get(&format!("{items}{query}"));
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.bytes));
        assert_eq!(answer.content_type, "application/geo+json");
        answer.json()
    };
    let names = |collection: &Value| {
        let mut names: Vec<String> = collection["features"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["properties"]["object_id"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    let all = found("");
    assert_eq!(names(&all), ["h-0", "h-1", "h-2"]);
    assert_eq!(all["features"][0]["geometry"]["type"], "Polygon");
    assert_eq!(all["numberReturned"], 3);
    assert_eq!(names(&found("?bbox=33.9,44,34.5,45")), ["h-1"]);
    assert_eq!(names(&found("?bbox=33.9,44,35.5,45&datetime=2026-01-01/..")), ["h-1", "h-2"]);
    // Page by page, by the links alone.
    let mut seen = Vec::new();
    let mut page = found("?limit=2");
    loop {
        seen.extend(names(&page));
        let next = page["links"].as_array().unwrap().iter().find(|link| link["rel"] == "next");
        let Some(next) = next else { break };
        let href = next["href"].as_str().unwrap();
        let query = href.split_once("/items").unwrap().1.to_owned();
        page = found(&query);
    }
    seen.sort();
    assert_eq!(seen, ["h-0", "h-1", "h-2"]);
    let id = all["features"][0]["id"].as_str().unwrap();
    let item = node.get(&format!("{items}/{id}"));
    assert_eq!(item.json(), all["features"][0]);

    for wrong in ["?bbox=1,2,3", "?bbox=5,5,1,1", "?bbox=a,b,c,d", "?datetime=soon", "?limit=0"] {
        assert_eq!(node.get(&format!("{items}{wrong}")).status, 400, "{wrong}");
    }
    // Unknown parameters and collections are refused, as the standard says.
    assert_eq!(node.get(&format!("{items}?color=red")).status, 400);
    assert_eq!(node.get("/ogc/collections/vehicle").status, 404);
    assert_eq!(node.get(&format!("{items}/nothing")).status, 404);
}
