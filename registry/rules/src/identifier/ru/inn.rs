//! INN: the taxpayer number of an organisation (10 digits) or a person (12 digits).

use std::fmt;

use super::super::{IdentifierError, digits};

const WEIGHTS_10: [u32; 9] = [2, 4, 10, 3, 5, 9, 4, 6, 8];
const WEIGHTS_12_FIRST: [u32; 10] = [7, 2, 4, 10, 3, 5, 9, 4, 6, 8];
const WEIGHTS_12_SECOND: [u32; 11] = [3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8];

/// A checked INN, printed as its digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Inn(String);

impl Inn {
    /// The name of the format in packs and schemas.
    pub const FORMAT: &'static str = "ru-inn";

    /// Reads 10 or 12 digits and checks the region code and the control digits.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        let digits = digits::read(Self::FORMAT, text, &[10, 12], "10 or 12")?;
        super::check_region(Self::FORMAT, &digits)?;
        let body_length = if digits.len() == 10 { 9 } else { 10 };
        let expected = control_digits(&digits[..body_length]);
        digits::check_control(Self::FORMAT, expected, &digits[body_length..])?;
        Ok(Self(digits::text(&digits)))
    }

    /// Whether the number belongs to a person or sole proprietor rather than an organisation.
    pub fn is_personal(&self) -> bool {
        self.0.len() == 12
    }
}

impl fmt::Display for Inn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One control digit for a body of nine digits, two for a body of ten.
fn control_digits(body: &[u8]) -> String {
    if body.len() == 9 {
        return (digits::weighted_sum(body, WEIGHTS_10) % 11 % 10).to_string();
    }
    let first = digits::weighted_sum(body, WEIGHTS_12_FIRST) % 11 % 10;
    let last_weight = WEIGHTS_12_SECOND[10];
    let second = (digits::weighted_sum(body, WEIGHTS_12_SECOND) + first * last_weight) % 11 % 10;
    format!("{first}{second}")
}

#[cfg(test)]
mod test {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn published_numbers_of_an_organisation_and_a_person_are_accepted() {
        assert!(!Inn::parse("7707083893").unwrap().is_personal());
        assert!(Inn::parse("500100732259").unwrap().is_personal());
    }

    #[test]
    fn region_00_and_eleven_digits_are_refused() {
        assert!(matches!(Inn::parse("0007083893"), Err(IdentifierError::Part { .. })));
        assert!(matches!(
            Inn::parse("77070838931"),
            Err(IdentifierError::Length { found: 11, .. })
        ));
    }

    proptest! {
        // The remainder 10 is written as 0, so a control digit 0 can hide one mistake in eleven.
        #[test]
        fn a_mistyped_digit_is_caught(
            body in 1_000_000_000_u64..=9_999_999_999,
            personal: bool,
            index in 0_usize..10,
            add in 1_u8..=9,
        ) {
            let body: Vec<u8> = body.to_string().bytes().map(|byte| byte - b'0').collect();
            let body = if personal { &body[..] } else { &body[..9] };
            let control = control_digits(body);
            prop_assume!(!control.contains('0'));
            let valid = format!("{}{control}", digits::text(body));
            prop_assert!(Inn::parse(&valid).is_ok());
            prop_assert!(Inn::parse(&digits::mistype(&valid, index, add)).is_err());
        }
    }
}
