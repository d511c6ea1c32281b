//! Units of an agency: who works where, as far as a pack says it.
//!
//! Not here: the people, who come and go without a new pack.

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::code::UnitCode;
use crate::messages::Text;

/// A unit of the agency.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    /// Its code.
    pub code: Spanned<UnitCode>,
    /// What people call it.
    #[serde(default)]
    pub title: Text,
    /// The unit that it is a part of.
    #[serde(default)]
    pub parent: Option<Spanned<UnitCode>>,
}

/// The unit of a code.
#[must_use]
pub(super) fn unit<'u>(units: &'u [Unit], code: &UnitCode) -> Option<&'u Unit> {
    units.iter().find(|unit| &unit.code.value == code)
}

/// The units above one that is above itself, the first again at the end; nothing when every way
/// up ends.
#[must_use]
pub(super) fn circle(units: &[Unit]) -> Option<Vec<UnitCode>> {
    for start in units {
        let mut path = vec![start.code.value.clone()];
        let mut at = start;
        while let Some(parent) = at.parent.as_ref().and_then(|code| unit(units, &code.value)) {
            let code = parent.code.value.clone();
            if let Some(place) = path.iter().position(|earlier| *earlier == code) {
                let mut circle = path.split_off(place);
                circle.push(code);
                return Some(circle);
            }
            path.push(code);
            at = parent;
        }
    }
    None
}
