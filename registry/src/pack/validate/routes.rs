//! Rules of routes: each leads to a service of the pack by a channel that applicants use, and no
//! two are for the same.

use std::collections::{BTreeMap, BTreeSet};

use super::services::line;
use crate::code::ServiceCode;
use crate::pack::Service;
use crate::pack::error::{PackRule, Problems};
use crate::pack::route::{ROUTE_TEXT_MAX_BYTES, Route};

pub(in crate::pack) fn routes(
    routes: &[Route],
    services: &BTreeMap<ServiceCode, Service>,
    file: &str,
    problems: &mut Problems,
) {
    let mut seen = BTreeSet::new();
    for route in routes {
        let at = line(&route.code);
        let sizes = [route.code.value.len(), route.territory.len()];
        if route.code.value.is_empty() || sizes.iter().any(|size| *size > ROUTE_TEXT_MAX_BYTES) {
            let reason = format!("a code or territory has at most {ROUTE_TEXT_MAX_BYTES} bytes");
            problems.add(file, at, PackRule::Malformed { reason });
        }
        if !seen.insert((&route.code.value, &route.territory)) {
            let name = format!("{} {}", route.code.value, route.territory);
            problems.add(file, at, PackRule::Duplicate { what: "route", name });
        }
        let Some(service) = services.get(&route.service.value) else {
            let (what, name) = ("service", route.service.value.to_string());
            problems.add(file, line(&route.service), PackRule::Unknown { what, name });
            continue;
        };
        let channel = service.regulation.channel(&route.channel.value);
        let open = channel
            .is_some_and(|open| !open.draft_only && !open.entered_by_official && !open.by_rule);
        if !open {
            let (what, name) = ("channel of applicants", route.channel.value.to_string());
            problems.add(file, line(&route.channel), PackRule::Unknown { what, name });
        }
    }
}
