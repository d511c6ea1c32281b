//! Cadastral number: the identifier of a land parcel, building or room in the real-estate register.

use std::fmt;

use super::super::IdentifierError;

/// The parts with the most digits each may have; the schemas leave the last one open, a register
/// of the whole country has needed fewer than ten digits.
const PARTS: [(&str, usize); 4] = [
    ("the region (before the first colon)", 3),
    ("the district (after the first colon)", 3),
    ("the quarter (after the second colon)", 9),
    ("the object (after the third colon)", 10),
];

/// A checked cadastral number: four groups of digits joined by colons, printed as registered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CadastralNumber(String);

impl CadastralNumber {
    /// The name of the format in packs and schemas.
    pub const FORMAT: &'static str = "ru-cadastral-number";

    /// Reads `region:district:quarter:object`. Leading zeros are part of the number.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        let format = Self::FORMAT;
        let text: String = text.chars().filter(|found| !found.is_whitespace()).collect();
        if text.is_empty() {
            return Err(IdentifierError::Empty { format });
        }
        for (index, found) in text.chars().enumerate() {
            if !found.is_ascii_digit() && found != ':' {
                let expected = "a digit or a colon";
                let position = index + 1;
                return Err(IdentifierError::Character { format, position, found, expected });
            }
        }
        let groups: Vec<&str> = text.split(':').collect();
        if groups.len() != PARTS.len() {
            let expected = "four groups joined by three colons";
            let part = "the number";
            return Err(IdentifierError::Part { format, part, found: text, expected });
        }
        for (group, (part, digits_max)) in groups.into_iter().zip(PARTS) {
            if group.is_empty() || group.len() > digits_max {
                let found = group.to_owned();
                let expected = "one to 3, 3, 9 and 10 digits in the four groups";
                return Err(IdentifierError::Part { format, part, found, expected });
            }
        }
        Ok(Self(text))
    }

    /// Region, district and quarter: the area whose register keeps the object.
    pub fn quarter(&self) -> &str {
        self.0.rsplit_once(':').expect("invariant: parse requires three colons").0
    }
}

impl fmt::Display for CadastralNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn a_number_keeps_its_leading_zeros_and_names_its_quarter() {
        let number = CadastralNumber::parse("77:01:0001001:1234").unwrap();
        assert_eq!(number.to_string(), "77:01:0001001:1234");
        assert_eq!(number.quarter(), "77:01:0001001");
    }

    #[test]
    fn missing_groups_empty_groups_and_letters_are_refused() {
        assert!(matches!(CadastralNumber::parse("77:01:1"), Err(IdentifierError::Part { .. })));
        assert!(matches!(CadastralNumber::parse("77::1:2"), Err(IdentifierError::Part { .. })));
        assert!(matches!(CadastralNumber::parse("7777:01:1:2"), Err(IdentifierError::Part { .. })));
        assert!(matches!(
            CadastralNumber::parse("77:O1:1:2"),
            Err(IdentifierError::Character { position: 4, found: 'O', .. })
        ));
    }
}
