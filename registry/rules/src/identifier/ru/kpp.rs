//! KPP: the reason code of a tax registration of an organisation.

use std::fmt;

use super::super::{IdentifierError, digits};

/// A checked KPP: 9 characters, digits except for the two of the reason. It has no control digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kpp(String);

impl Kpp {
    /// The name of the format in packs and schemas.
    pub const FORMAT: &'static str = "ru-kpp";

    /// Reads region (2 digits, not 00), office (2), reason (2 digits or capital letters A–Z, as
    /// the payment system of the treasury allows) and serial number (3).
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        let characters = digits::strip(Self::FORMAT, text)?;
        if characters.len() != 9 {
            return Err(IdentifierError::Length {
                format: Self::FORMAT,
                expected: "9",
                found: characters.len(),
            });
        }
        let mut normal = String::with_capacity(9);
        for (index, &found) in characters.iter().enumerate() {
            let letter = found.to_ascii_uppercase();
            if (4..6).contains(&index) && letter.is_ascii_uppercase() {
                normal.push(letter);
            } else {
                normal.push(char::from(b'0' + digits::digit(Self::FORMAT, index + 1, found)?));
            }
        }
        let region: Vec<u8> = normal.bytes().take(2).map(|byte| byte - b'0').collect();
        super::check_region(Self::FORMAT, &region)?;
        Ok(Self(normal))
    }
}

impl fmt::Display for Kpp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn digits_and_a_lettered_reason_are_accepted() {
        assert_eq!(Kpp::parse("773601001").unwrap().to_string(), "773601001");
        assert_eq!(Kpp::parse("7736ab001").unwrap().to_string(), "7736AB001");
    }

    #[test]
    fn letters_elsewhere_region_00_and_wrong_length_are_refused() {
        assert!(matches!(
            Kpp::parse("77360100A"),
            Err(IdentifierError::Character { position: 9, found: 'A', .. })
        ));
        assert!(matches!(Kpp::parse("003601001"), Err(IdentifierError::Part { .. })));
        assert!(matches!(Kpp::parse("77360100"), Err(IdentifierError::Length { found: 8, .. })));
    }
}
