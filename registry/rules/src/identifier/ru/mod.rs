//! Identifiers issued in the Russian Federation.
//!
//! One file per identifier, each with its checks, its printed form and its source.

mod cadastral_number;
mod inn;
mod kpp;
mod ogrn;
mod ogrnip;
mod oktmo;
mod snils;
mod uin;
mod vehicle_plate;

pub use cadastral_number::CadastralNumber;
pub use inn::Inn;
pub use kpp::Kpp;
pub use ogrn::Ogrn;
pub use ogrnip::Ogrnip;
pub use oktmo::Oktmo;
pub use snils::Snils;
pub use uin::Uin;
pub use vehicle_plate::VehiclePlate;

use super::Format;

/// The formats of this country, by name.
pub const FORMATS: &[Format] = &[
    Format {
        name: Snils::FORMAT,
        example: "112-233-445 95",
        normalise: |text| Snils::parse(text).map(|value| value.to_string()),
    },
    Format {
        name: Inn::FORMAT,
        example: "500100732259",
        normalise: |text| Inn::parse(text).map(|value| value.to_string()),
    },
    Format {
        name: Ogrn::FORMAT,
        example: "1027700132195",
        normalise: |text| Ogrn::parse(text).map(|value| value.to_string()),
    },
    Format {
        name: Ogrnip::FORMAT,
        example: "304500116000157",
        normalise: |text| Ogrnip::parse(text).map(|value| value.to_string()),
    },
    Format {
        name: Kpp::FORMAT,
        example: "773601001",
        normalise: |text| Kpp::parse(text).map(|value| value.to_string()),
    },
    Format {
        name: Uin::FORMAT,
        example: "32117072411021588933",
        normalise: |text| Uin::parse(text).map(|value| value.to_string()),
    },
    Format {
        name: VehiclePlate::FORMAT,
        example: "А123ВС77",
        normalise: |text| VehiclePlate::parse(text).map(|value| value.to_string()),
    },
    Format {
        name: Oktmo::FORMAT,
        example: "45379000",
        normalise: |text| Oktmo::parse(text).map(|value| value.to_string()),
    },
    Format {
        name: CadastralNumber::FORMAT,
        example: "77:01:0001001:1234",
        normalise: |text| CadastralNumber::parse(text).map(|value| value.to_string()),
    },
];

/// Fails when the two-digit region code at the start of a tax identifier is the unissued `00`.
fn check_region(format: &'static str, digits: &[u8]) -> Result<(), super::IdentifierError> {
    if digits[..2] != [0, 0] {
        return Ok(());
    }
    Err(super::IdentifierError::Part {
        format,
        part: "the region code (the first two digits)",
        found: "00".to_owned(),
        expected: "a code from 01 to 99",
    })
}
