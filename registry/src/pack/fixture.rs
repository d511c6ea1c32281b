//! The pack of Zarechny for tests, as it is or with one file changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Pack, PackError, PackFiles, Service};
use crate::code::ServiceCode;

/// Folder of the service that the tests use.
pub(crate) const SERVICE: &str = "services/parking-permit";

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/packs/zarechny")
}

pub(crate) fn zarechny() -> Pack {
    Pack::load(&folder()).unwrap_or_else(|errors| panic!("{}", lines(&errors)))
}

/// The service that the tests use.
pub(crate) fn parking(pack: &Pack) -> &Service {
    service(pack, "parking-permit")
}

/// The service of a code.
pub(crate) fn service<'p>(pack: &'p Pack, code: &str) -> &'p Service {
    pack.service(&ServiceCode::parse(code).unwrap()).unwrap()
}

/// The pack's files with `from` replaced by `to` in one of them; `from` must be there.
pub(crate) fn changed(path: &str, from: &str, to: &str) -> Result<Pack, Vec<PackError>> {
    let mut files = files();
    let text = String::from_utf8(files[path].clone()).unwrap();
    assert!(text.contains(from), "{path} has no {from:?}");
    files.insert(path.to_owned(), text.replacen(from, to, 1).into_bytes());
    Pack::from_files(PackFiles::new(files)?)
}

/// What the parking permit and the child benefit have, and the building permit has not.
const OF_TWO_SERVICES: [&str; 13] = [
    "parking-permit",
    "child-benefit",
    "moved-in-with-newborn",
    "subsistence_minimum",
    "vehicle",
    "residence",
    "parking_permit",
    "unpaid_fine",
    "birth_record",
    "income",
    "social_payment",
    "property",
    "benefit_entitlement",
];

/// What the building permit has, and the other services have not.
const OF_ONE_SERVICE: [&str; 11] = [
    "building-permit",
    "land_right",
    "legal_entity",
    "expert_review",
    "tax_debt",
    "historic_building",
    "building_permit",
    "planning_certificate",
    "heritage_check",
    "heritage_opinion",
    "missing_file",
];

/// Version 2 of the pack, in which nothing is left but the building permit.
pub(crate) fn building_permits_alone() -> Pack {
    let emptied = ("complex:\nclassifiers:\n", "");
    without(&OF_TWO_SERVICES, &[("version: 1", "version: 2"), emptied])
}

/// Another pack, `successor`, with everything but the building permit.
pub(crate) fn successor_without_building_permits() -> Pack {
    let emptied = ("requests:\n", "");
    without(&OF_ONE_SERVICE, &[("code: zarechny", "code: successor"), emptied])
}

/// The pack without these parts, and with changes of its first file.
fn without(gone: &[&str], changes: &[(&str, &str)]) -> Pack {
    let mut files = files();
    let manifest = String::from_utf8(files["pack.yaml"].clone()).unwrap();
    // Lists name a part by its code, routes by that of the service that they lead to.
    let names = |line: &str, code: &str| {
        line == format!("  - {code}") || line.contains(&format!("service: {code},"))
    };
    let stays = |line: &&str| !gone.iter().any(|code| names(line, code));
    let manifest: Vec<&str> = manifest.lines().filter(stays).collect();
    // A list that has lost everything is left out with its name.
    let is_empty = |at: usize| {
        let next = manifest.get(at + 1).is_some_and(|next| next.starts_with(' '));
        manifest[at].starts_with("routes:") && !next
    };
    let kept = (0..manifest.len()).filter(|at| !is_empty(*at));
    let manifest: Vec<&str> = kept.map(|at| manifest[at]).collect();
    let changed = |text: String, (from, to): &(&str, &str)| text.replacen(from, to, 1);
    let manifest = changes.iter().fold(manifest.join("\n"), changed);
    files.insert("pack.yaml".to_owned(), manifest.into_bytes());
    files.retain(|path, _| {
        let place = path.split_once('/').map(|(_, rest)| rest).unwrap_or_default();
        let of =
            |code: &&str| place == format!("{code}.yaml") || place.starts_with(&format!("{code}/"));
        !gone.iter().any(of)
    });
    let pack = PackFiles::new(files).and_then(Pack::from_files);
    pack.unwrap_or_else(|errors| panic!("{}", lines(&errors)))
}

pub(crate) fn files() -> BTreeMap<String, Vec<u8>> {
    let files = PackFiles::read(&folder()).unwrap();
    files.iter().map(|(path, bytes)| (path.to_owned(), bytes.to_vec())).collect()
}

pub(crate) fn lines(errors: &[PackError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// The pack of Zarechny with its parking permit's regulation changed in memory, so that a test
/// has just the rules that it is about.
pub(crate) fn regulated(change: impl FnOnce(&mut super::Regulation)) -> Pack {
    let mut pack = zarechny();
    let code = crate::code::ServiceCode::parse("parking-permit").unwrap();
    let service = pack.services.get_mut(&code).expect("the pack has the service");
    change(&mut service.regulation);
    service.graph = super::StepGraph::new(&service.regulation).expect("the steps form no circle");
    pack
}

/// The pack of Zarechny with a second service, `guest-permit`: the parking permit's files under
/// another name, its regulation changed in memory.
pub(crate) fn with_guest_permit(change: impl FnOnce(&mut super::Regulation)) -> Pack {
    let mut all = files();
    let replaced = |bytes: &[u8], pairs: &[(&str, &str)]| {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        pairs.iter().fold(text, |text, (from, to)| text.replacen(from, to, 1)).into_bytes()
    };
    let copies = [("service: parking-permit", "service: guest-permit"), ("ЗП-", "ГП-")];
    for (path, bytes) in files() {
        if let Some(rest) = path.strip_prefix(SERVICE) {
            let copied = if rest == "/regulation.yaml" { replaced(&bytes, &copies) } else { bytes };
            all.insert(format!("services/guest-permit{rest}"), copied);
        }
    }
    let listed = [("  - parking-permit\n", "  - parking-permit\n  - guest-permit\n")];
    let listed = replaced(&all["pack.yaml"], &listed);
    all.insert("pack.yaml".to_owned(), listed);
    let mut pack = Pack::from_files(PackFiles::new(all).unwrap())
        .unwrap_or_else(|errors| panic!("{}", lines(&errors)));
    let code = crate::code::ServiceCode::parse("guest-permit").unwrap();
    let service = pack.services.get_mut(&code).expect("the pack has the service");
    change(&mut service.regulation);
    service.graph = super::StepGraph::new(&service.regulation).expect("the steps form no circle");
    // They are about the regulation as it was.
    service.cases.clear();
    pack
}
