//! Codes, titles and the spelling of rows. What the rows say is tested over a whole node.

use super::*;

#[test]
fn every_system_registry_has_a_code_and_a_title_of_its_own() {
    let mut seen = std::collections::BTreeSet::new();
    for registry in SystemRegistry::ALL {
        let code = RegistryCode::parse(registry.code()).unwrap();
        assert_eq!(SystemRegistry::of(&code), Some(registry));
        let title = registry.title();
        assert!(seen.insert(title.ru) && seen.insert(title.en));
    }
    assert_eq!(SystemRegistry::of(&RegistryCode::parse("vehicle").unwrap()), None);
}

/// The digest is of these bytes: whoever recomputes it needs them as they are.
#[test]
fn golden_bytes_of_a_row() {
    let row = SystemRow {
        id: "zarechny.zarechny.parking-permit".into(),
        fields: Object::new().with("code", "parking-permit").with("version", 1_u32),
        in_force: true,
        created_at: Timestamp::EPOCH,
        leaf: LeafIndex::new(7),
    };
    let golden = r#"{"created_at":"1970-01-01T00:00:00.000Z","fields":{"code":"parking-permit","version":1},"id":"zarechny.zarechny.parking-permit","in_force":true,"leaf":7}"#;
    assert_eq!(row.to_json().to_string(), golden);
}
