//! OGRN: the state registration number of an organisation.

use std::fmt;

use super::super::{IdentifierError, digits};

/// A checked OGRN: 13 digits, printed as such.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ogrn(String);

impl Ogrn {
    /// The name of the format in packs and schemas.
    pub const FORMAT: &'static str = "ru-ogrn";

    /// Reads 13 digits, the first of them 1, 2 or 5; the last is the rest modulo 11 modulo 10.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        let digits = digits::read(Self::FORMAT, text, &[13], "13")?;
        if ![1, 2, 5].contains(&digits[0]) {
            return Err(IdentifierError::Part {
                format: Self::FORMAT,
                part: "the kind of record (the first digit)",
                found: digits::text(&digits[..1]),
                expected: "1, 2 or 5 (a sole proprietor has a 15-digit number that begins with 3)",
            });
        }
        let expected = (digits::modulo(&digits[..12], 11) % 10).to_string();
        digits::check_control(Self::FORMAT, expected, &digits[12..])?;
        Ok(Self(digits::text(&digits)))
    }
}

impl fmt::Display for Ogrn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod test {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_published_number_is_accepted_and_its_neighbour_is_not() {
        assert!(Ogrn::parse("1027700132195").is_ok());
        assert!(matches!(Ogrn::parse("1027700132196"), Err(IdentifierError::ControlDigits { .. })));
    }

    #[test]
    fn a_number_of_a_sole_proprietor_is_refused_as_a_part() {
        assert!(matches!(Ogrn::parse("3027700132195"), Err(IdentifierError::Part { .. })));
    }

    proptest! {
        // The remainder 10 is written as 0.
        #[test]
        fn a_mistyped_digit_is_caught(
            body in 100_000_000_000_u64..=199_999_999_999,
            index in 0_usize..13,
            add in 1_u8..=9,
        ) {
            let control = body % 11 % 10;
            prop_assume!(control != 0);
            let valid = format!("{body}{control}");
            prop_assert!(Ogrn::parse(&valid).is_ok());
            prop_assert!(Ogrn::parse(&digits::mistype(&valid, index, add)).is_err());
        }
    }
}
