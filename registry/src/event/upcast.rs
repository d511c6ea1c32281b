//! Old shapes brought to the current one when they are read, a step per type and version.
//!
//! Stored bytes never change; a reader of today sees every event in the shape of today.

use letopis_ledger::json::Object;

use super::IntakeRefused;

/// Turns the public fields of `event_type` in version `from` into those of `from + 1`.
struct Upcast {
    event_type: &'static str,
    from: u32,
    step: fn(&Object) -> Object,
}

/// Version 2 of requests knows people, letters and phones, that of a submission who entered it,
/// that of an exclusion facts as its basis, that of a cancellation an entry that is gone; version 3
/// of a submission knows what it is about, that of an exclusion decisions as its basis, that of a
/// request when it is sent again, that of an answer its scan. Whatever
/// the version before says, they say too. Version 2 of a refused intake has evidence,
/// that of a published pack who writes its registries. Version 4 of a submission knows the system
/// that sent it.
const UPCASTS: &[Upcast] = &[
    Upcast {
        event_type: "pack.published",
        from: 1,
        step: |data| data.clone().with("registries", Object::new()),
    },
    Upcast { event_type: "application.submitted", from: 1, step: Object::clone },
    Upcast { event_type: "application.submitted", from: 2, step: Object::clone },
    Upcast { event_type: "application.submitted", from: 3, step: Object::clone },
    Upcast { event_type: "application.cancelled", from: 1, step: Object::clone },
    Upcast {
        event_type: "application.intake_refused",
        from: 1,
        step: IntakeRefused::from_version_1,
    },
    Upcast { event_type: "request.sent", from: 1, step: Object::clone },
    Upcast { event_type: "request.sent", from: 2, step: Object::clone },
    Upcast { event_type: "request.answered", from: 1, step: Object::clone },
    Upcast { event_type: "request.answered", from: 2, step: Object::clone },
    Upcast { event_type: "registry.entry_excluded", from: 1, step: Object::clone },
    Upcast { event_type: "registry.entry_excluded", from: 2, step: Object::clone },
];

/// Version of the shape of a type that this program writes.
#[must_use]
pub fn schema_version(event_type: &str) -> u32 {
    let steps = UPCASTS.iter().filter(|upcast| upcast.event_type == event_type);
    steps.map(|upcast| upcast.from + 1).max().unwrap_or(1)
}

/// The fields in the current shape; `None` when the shape is newer than this program, or none
/// leads from it to the current one.
pub(super) fn to_current(event_type: &str, schema: u32, data: &Object) -> Option<Object> {
    along(UPCASTS, schema_version(event_type), event_type, schema, data)
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
