//! Checked identifiers: persons, organisations, vehicles, parcels, bills.
//!
//! This module knows that identifiers have formats with names, checks and a printed form. It knows
//! no country: national formats are submodules that contribute a list, and packs and JSON Schemas
//! refer to them by name (`"format": "ru-snils"`).

pub mod ru;

mod digits;
mod error;

pub use error::IdentifierError;

/// One identifier format that packs and JSON Schemas refer to by name.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    name: &'static str,
    example: &'static str,
    normalise: fn(&str) -> Result<String, IdentifierError>,
}

impl Format {
    /// Finds a format by its name, for example `ru-snils`.
    pub fn by_name(name: &str) -> Option<&'static Format> {
        Self::all().find(|format| format.name == name)
    }

    /// Every known format, in the order of the national lists.
    pub fn all() -> impl Iterator<Item = &'static Format> {
        [ru::FORMATS].into_iter().flatten()
    }

    /// The name by which packs refer to this format: country code, hyphen, identifier.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// A valid value in the printed form, to show beside an input field.
    pub fn example(&self) -> &'static str {
        self.example
    }

    /// Checks `text` and returns it in the normal printed form.
    ///
    /// Two texts denote the same identifier exactly when their normal forms are equal, so compare
    /// and store only normal forms.
    pub fn normalise(&self, text: &str) -> Result<String, IdentifierError> {
        (self.normalise)(text)
    }

    /// Whether `text` passes every check of this format.
    pub fn accepts(&self, text: &str) -> bool {
        self.normalise(text).is_ok()
    }
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn every_format_accepts_its_own_example_and_prints_it_unchanged() {
        for format in Format::all() {
            assert_eq!(format.normalise(format.example()).as_deref(), Ok(format.example()));
        }
    }

    #[test]
    fn names_are_unique_and_found_and_a_foreign_name_is_not() {
        let names: Vec<_> = Format::all().map(Format::name).collect();
        let unique: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(names.len(), unique.len());
        assert!(names.iter().all(|name| Format::by_name(name).is_some()));
        assert!(Format::by_name("ru-unknown").is_none());
    }

    #[test]
    fn no_format_accepts_an_empty_text() {
        for format in Format::all() {
            assert_eq!(
                format.normalise(" "),
                Err(IdentifierError::Empty { format: format.name() })
            );
        }
    }
}
