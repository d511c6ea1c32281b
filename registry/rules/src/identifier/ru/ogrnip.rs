//! OGRNIP: the state registration number of a sole proprietor.

use std::fmt;

use super::super::{IdentifierError, digits};

/// A checked OGRNIP: 15 digits, printed as such.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ogrnip(String);

impl Ogrnip {
    /// The name of the format in packs and schemas.
    pub const FORMAT: &'static str = "ru-ogrnip";

    /// Reads 15 digits that begin with 3; the last is the rest modulo 13 modulo 10.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        let digits = digits::read(Self::FORMAT, text, &[15], "15")?;
        if digits[0] != 3 {
            return Err(IdentifierError::Part {
                format: Self::FORMAT,
                part: "the kind of record (the first digit)",
                found: digits::text(&digits[..1]),
                expected: "3",
            });
        }
        let expected = (digits::modulo(&digits[..14], 13) % 10).to_string();
        digits::check_control(Self::FORMAT, expected, &digits[14..])?;
        Ok(Self(digits::text(&digits)))
    }
}

impl fmt::Display for Ogrnip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod test {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_published_number_is_accepted_and_a_mistyped_one_is_not() {
        assert!(Ogrnip::parse("304500116000157").is_ok());
        assert!(matches!(
            Ogrnip::parse("304500116000158"),
            Err(IdentifierError::ControlDigits { .. })
        ));
        assert!(matches!(Ogrnip::parse("104500116000157"), Err(IdentifierError::Part { .. })));
    }

    proptest! {
        // Remainders 10, 11 and 12 are written as 0, 1 and 2.
        #[test]
        fn a_mistyped_digit_is_caught(
            body in 30_000_000_000_000_u64..=39_999_999_999_999,
            index in 0_usize..15,
            add in 1_u8..=9,
        ) {
            let control = body % 13 % 10;
            prop_assume!(control > 2);
            let valid = format!("{body}{control}");
            prop_assert!(Ogrnip::parse(&valid).is_ok());
            prop_assert!(Ogrnip::parse(&digits::mistype(&valid, index, add)).is_err());
        }
    }
}
