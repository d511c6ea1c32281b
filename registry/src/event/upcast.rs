//! Old shapes brought to the current one when they are read, a step per type and version.
//!
//! Stored bytes never change; a reader of today sees every event in the shape of today.

use letopis_ledger::json::Object;

use super::SCHEMA_VERSION;

/// Turns the public fields of `event_type` in version `from` into those of `from + 1`.
struct Upcast {
    event_type: &'static str,
    from: u32,
    step: fn(&Object) -> Object,
}

/// Every released step. All shapes are in their first version, so there is none.
const UPCASTS: &[Upcast] = &[];

/// The fields in the current shape; `None` when the shape is newer than this program, or none
/// leads from it to the current one.
pub(super) fn to_current(event_type: &str, schema: u32, data: &Object) -> Option<Object> {
    along(UPCASTS, SCHEMA_VERSION, event_type, schema, data)
}

fn along(
    steps: &[Upcast],
    current: u32,
    event_type: &str,
    schema: u32,
    data: &Object,
) -> Option<Object> {
    if schema == 0 || schema > current {
        return None;
    }
    let mut data = data.clone();
    for from in schema..current {
        let upcast = steps.iter().find(|u| u.event_type == event_type && u.from == from)?;
        data = (upcast.step)(&data);
    }
    Some(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: &[Upcast] = &[
        Upcast { event_type: "a.b", from: 1, step: |data| data.clone().with("two", true) },
        Upcast { event_type: "a.b", from: 2, step: |data| data.clone().with("three", true) },
    ];

    #[test]
    fn old_shapes_climb_step_by_step() {
        let data = Object::new().with("one", true);
        let three = along(STEPS, 3, "a.b", 1, &data).unwrap();
        assert_eq!(three, data.clone().with("two", true).with("three", true));
        assert_eq!(along(STEPS, 3, "a.b", 3, &data), Some(data.clone()));
    }

    #[test]
    fn shapes_without_a_way_up_are_not_guessed() {
        let data = Object::new();
        assert_eq!(along(STEPS, 3, "a.c", 1, &data), None);
        assert_eq!(along(STEPS, 3, "a.b", 4, &data), None);
        assert_eq!(along(STEPS, 3, "a.b", 0, &data), None);
    }
}
