//! Rules of a lifecycle: stages of their own codes, posts of known units, terms with their acts.

use std::collections::BTreeSet;

use super::services::check_term;
use super::{law, text};
use crate::pack::error::{PackRule, Problems};
use crate::pack::lifecycle::Lifecycle;
use crate::pack::unit::{self, Unit};

/// Most stages of a lifecycle.
const STAGES_MAX: usize = 16;

pub(in crate::pack) fn lifecycle(
    lifecycle: &Lifecycle,
    units: &[Unit],
    file: &str,
    problems: &mut Problems,
) {
    let found = lifecycle.stages.len();
    if !(1..=STAGES_MAX).contains(&found) {
        problems.add(file, None, PackRule::LifecycleShape { found, most: STAGES_MAX });
    }
    let mut seen = BTreeSet::new();
    for stage in &lifecycle.stages {
        let line = Some(stage.code.referenced.line());
        let name = stage.code.value.to_string();
        let what = format!("stage {name}");
        text(problems, file, line, &what, &stage.title);
        law(problems, file, line, &what, &stage.law);
        if let Err(rule) = check_term(&what, stage.term) {
            problems.add(file, line, rule);
        }
        if !seen.insert(&stage.code.value) {
            problems.add(file, line, PackRule::Duplicate { what: "stage", name });
        }
        let unit = &stage.by.unit;
        if unit::unit(units, &unit.value).is_none() {
            let (what, name) = ("unit", unit.value.to_string());
            let line = Some(unit.referenced.line());
            problems.add(file, line, PackRule::Unknown { what, name });
        }
    }
}
