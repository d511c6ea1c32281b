//! A starting pack: the smallest whole service, with comments, to be changed by whoever writes
//! regulations. It passes every check as it is.
//!
//! Not here: writing it to a folder, which the command line does.

use std::collections::BTreeMap;

use letopis_ledger::id::AgencyId;

use crate::code::PackCode;

const FILES: &[(&str, &str)] = &[
    ("pack.yaml", include_str!("start/pack.yaml")),
    ("calendars/2026.json", include_str!("start/calendar.json")),
    ("registries/resident.yaml", include_str!("start/resident.yaml")),
    ("registries/certificate.yaml", include_str!("start/certificate.yaml")),
    ("services/first-service/regulation.yaml", include_str!("start/regulation.yaml")),
    ("services/first-service/form.schema.json", include_str!("start/form.schema.json")),
    ("services/first-service/decision.md", include_str!("start/decision.md")),
    ("services/first-service/cases/examples.yaml", include_str!("start/cases.yaml")),
    ("services/first-service/templates/result.en.md", include_str!("start/result.en.md")),
    ("services/first-service/templates/result.ru.md", include_str!("start/result.ru.md")),
    ("services/first-service/templates/refusal.en.md", include_str!("start/refusal.en.md")),
    ("services/first-service/templates/refusal.ru.md", include_str!("start/refusal.ru.md")),
];

/// The files of a starting pack by path.
#[must_use]
pub fn starting_pack(code: &PackCode, agency: &AgencyId) -> BTreeMap<String, String> {
    let fill = |(path, text): &(&str, &str)| {
        let text = text.replace("{code}", code.as_str()).replace("{agency}", agency.as_str());
        ((*path).to_owned(), text)
    };
    FILES.iter().map(fill).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::{Pack, PackFiles, fixture};

    #[test]
    fn the_starting_pack_passes_every_check_as_it_is() {
        let code = PackCode::parse("my-pack").unwrap();
        let agency = AgencyId::parse("my-agency").unwrap();
        let files = starting_pack(&code, &agency);
        let bytes = files.into_iter().map(|(path, text)| (path, text.into_bytes()));
        let pack = Pack::from_files(PackFiles::new(bytes.collect()).unwrap());
        let pack = pack.unwrap_or_else(|errors| panic!("{}", fixture::lines(&errors)));
        pack.check().unwrap_or_else(|errors| panic!("{}", fixture::lines(&errors)));
        assert_eq!((pack.code(), pack.agency()), (&code, &agency));
    }
}
