//! OKTMO: the classifier code of a municipality or a settlement.

use std::fmt;

use super::super::{IdentifierError, digits};

/// A checked OKTMO code: 8 digits for a municipality, 11 for a settlement in it.
///
/// The control number of the classifier is kept apart from the code, so the code alone proves only
/// its shape; whether it exists is a question to the classifier.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oktmo(String);

impl Oktmo {
    /// The name of the format in packs and schemas.
    pub const FORMAT: &'static str = "ru-oktmo";

    /// Reads 8 or 11 digits.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        let digits = digits::read(Self::FORMAT, text, &[8, 11], "8 or 11")?;
        Ok(Self(digits::text(&digits)))
    }

    /// The first eight digits: the municipality itself, or the one the settlement belongs to.
    pub fn municipality(&self) -> &str {
        &self.0[..8]
    }
}

impl fmt::Display for Oktmo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn a_municipality_and_its_settlement_are_accepted() {
        assert_eq!(Oktmo::parse("45379000").unwrap().municipality(), "45379000");
        assert_eq!(Oktmo::parse("46 606 101 001").unwrap().municipality(), "46606101");
    }

    #[test]
    fn nine_digits_are_refused() {
        assert!(matches!(Oktmo::parse("453790001"), Err(IdentifierError::Length { found: 9, .. })));
    }
}
