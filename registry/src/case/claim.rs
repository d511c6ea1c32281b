//! Names that only one stream may hold: numbers, unique values, slots of a quota.
//!
//! Personal values stand in them as keyed digests. Not here: whether a name is free, which the
//! ledger alone knows.

use letopis_ledger::id::ClaimName;

use crate::code::{FieldPath, RegistryCode, ServiceCode};
use crate::event::About;
use crate::secret::AgencySecret;

/// `number/case/<service>/<number>`, held by the case.
#[must_use]
pub fn case_number_claim(service: &ServiceCode, number: &str) -> ClaimName {
    claim(&format!("number/case/{service}/{number}"))
}

/// `number/entry/<registry>/<number>`, held by the entry.
#[must_use]
pub fn entry_number_claim(registry: &RegistryCode, number: &str) -> ClaimName {
    claim(&format!("number/entry/{registry}/{number}"))
}

/// `unique/<registry>/<field>/<digest>`, held by the entry in force that has the value.
#[must_use]
pub fn unique_claim(
    secret: &AgencySecret,
    registry: &RegistryCode,
    field: &FieldPath,
    value: &str,
) -> ClaimName {
    let digest = secret.digest("unique", &[registry.as_str(), field.as_str(), value]);
    claim(&format!("unique/{registry}/{field}/{digest}"))
}

/// `slot/<registry>/<field>/<digest>`, held by the entry in force that fills the slot; slots count
/// from 1. The slot is under the digest, so that names of two entries with one value have nothing
/// in common for those who read the log.
#[must_use]
pub fn slot_claim(
    secret: &AgencySecret,
    registry: &RegistryCode,
    field: &FieldPath,
    value: &str,
    slot: u32,
) -> ClaimName {
    let digest =
        secret.digest("slot", &[registry.as_str(), field.as_str(), value, &slot.to_string()]);
    claim(&format!("slot/{registry}/{field}/{digest}"))
}

/// `renewal/<registry>/<entry id>` or `review/…`, held by the case about the entry until it ends.
#[must_use]
pub fn follow_up_claim(about: &About) -> ClaimName {
    let entry = about.entry.stream.as_str();
    let entry = entry.strip_prefix("registry/").unwrap_or(entry);
    claim(&format!("{}/{entry}", about.cause.as_str()))
}

fn claim(name: &str) -> ClaimName {
    // Longest: "number/case/" 12 + code 63 + 1 + number at most 124 bytes; templates are checked
    // to 80 bytes and digests have 43 characters; field paths are cut off by their own limit.
    ClaimName::parse(name).expect("invariant: codes, numbers and digests fit into a claim's name")
}
