//! Formats of values that packs refer to by name: identifiers of the rules, and areas.
//!
//! Not here: the formats themselves; see `letopis_rules::identifier` and `geometry`.

use letopis_rules::identifier::{Format, IdentifierError};
use thiserror::Error;

use crate::geometry::{Area, GeometryError};

/// The name of the format of areas.
const POLYGON: &str = "geojson-polygon";

/// One format.
#[derive(Debug, Clone, Copy)]
pub enum ValueFormat {
    /// An identifier.
    Identifier(&'static Format),
    /// A GeoJSON Polygon or MultiPolygon.
    Polygon,
}

/// Why a text does not have a format.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ValueError {
    /// Not such an identifier.
    #[error("{0}")]
    Identifier(#[from] IdentifierError),
    /// Not an area.
    #[error("{0}")]
    Geometry(#[from] GeometryError),
}

impl ValueFormat {
    /// The format of a name, for example `ru-snils` or `geojson-polygon`.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::all().find(|format| format.name() == name)
    }

    /// Every format.
    pub fn all() -> impl Iterator<Item = Self> {
        Format::all().map(Self::Identifier).chain([Self::Polygon])
    }

    /// The name by which packs refer to it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Identifier(format) => format.name(),
            Self::Polygon => POLYGON,
        }
    }

    /// A valid value in its normal form, to show beside an input field.
    #[must_use]
    pub fn example(self) -> &'static str {
        match self {
            Self::Identifier(format) => format.example(),
            Self::Polygon => Area::EXAMPLE,
        }
    }

    /// Whether it is the format of areas.
    #[must_use]
    pub const fn is_polygon(self) -> bool {
        matches!(self, Self::Polygon)
    }

    /// Checks a text and gives its normal form, by which texts are compared and kept.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn normalise(self, text: &str) -> Result<String, ValueError> {
        match self {
            Self::Identifier(format) => Ok(format.normalise(text)?),
            Self::Polygon => Ok(Area::parse(text)?.to_text()),
        }
    }
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn every_format_is_found_by_its_name_and_prints_its_example_unchanged() {
        for format in ValueFormat::all() {
            let found = ValueFormat::by_name(format.name()).unwrap();
            assert_eq!(found.normalise(format.example()).as_deref(), Ok(format.example()));
        }
        assert!(ValueFormat::by_name("geojson-point").is_none());
    }
}
