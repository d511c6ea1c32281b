//! The area that a reader of a registry gives: of which field, and checked.
//!
//! Not here: finding the entries that meet it.

use std::collections::BTreeMap;

use letopis_registry::code::{FieldPath, RegistryCode};
use letopis_registry::geometry::Area;
use serde_json::Value;

use crate::http::AppState;
use crate::http::problem::Problem;

/// The field and the area of the parameter `meets`.
pub(super) fn asked(
    app: &AppState,
    registry: &RegistryCode,
    meets: &str,
) -> Result<(FieldPath, Area), Problem> {
    let wrong = |detail: String| Problem::bad_request(format!("\"meets\": {detail}"));
    let given: BTreeMap<String, Value> =
        serde_json::from_str(meets).map_err(|e| wrong(format!("not a JSON object: {e}")))?;
    let (1, Some((name, geometry))) = (given.len(), given.first_key_value()) else {
        return Err(wrong("give one field of the registry with its area".to_owned()));
    };
    let known = app.service.engine().registry(registry);
    let field = FieldPath::parse(name).ok();
    let field = field.filter(|name| {
        let field = known.as_ref().and_then(|known| known.field(name));
        field.is_some_and(|field| field.is_polygon() && field.visibility.is_public())
    });
    let field =
        field.ok_or_else(|| wrong(format!("registry {registry} has no public area {name:?}")))?;
    let area = Area::parse(&geometry.to_string()).map_err(|e| wrong(e.to_string()))?;
    Ok((field, area))
}
