//! SNILS: the number of a personal pension account, used as the identifier of a person.

use std::fmt;

use super::super::{IdentifierError, digits};

/// The last number issued before control digits became meaningful: 001-001-998.
const LAST_UNCHECKED_NUMBER: u32 = 1_001_998;

/// A checked SNILS: 9 digits and 2 control digits, printed as `000-000-000 00`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Snils(String);

impl Snils {
    /// The name of the format in packs and schemas.
    pub const FORMAT: &'static str = "ru-snils";

    /// Reads 11 digits, with or without hyphens and spaces, and checks the control digits.
    ///
    /// The control value is the sum of digits weighted 9 to 1, modulo 101, with 100 written as 00.
    /// Numbers up to 001-001-998 were issued before the rule and carry arbitrary control digits.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        let digits = digits::read(Self::FORMAT, text, &[11], "11")?;
        let (number, control) = digits.split_at(9);
        let value = number.iter().fold(0_u32, |value, &digit| value * 10 + u32::from(digit));
        if value == 0 {
            return Err(IdentifierError::Part {
                format: Self::FORMAT,
                part: "the number (the first nine digits)",
                found: digits::text(number),
                expected: "a number from 1",
            });
        }
        if value > LAST_UNCHECKED_NUMBER {
            digits::check_control(Self::FORMAT, control_digits(number), control)?;
        }
        Ok(Self(digits::text(&digits)))
    }

    /// The eleven digits without separators.
    pub fn digits(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Snils {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = &self.0;
        write!(f, "{}-{}-{} {}", &digits[..3], &digits[3..6], &digits[6..9], &digits[9..])
    }
}

fn control_digits(number: &[u8]) -> String {
    let rest = digits::weighted_sum(number, (1..=9).rev()) % 101;
    format!("{:02}", if rest == 100 { 0 } else { rest })
}

#[cfg(test)]
mod test {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_published_example_is_accepted_in_every_usual_spelling() {
        for text in ["112-233-445 95", "11223344595", "112-233-445-95", " 112 233 445 95 "] {
            assert_eq!(Snils::parse(text).unwrap().to_string(), "112-233-445 95");
        }
    }

    #[test]
    fn a_wrong_control_digit_is_named_with_the_right_one() {
        assert_eq!(
            Snils::parse("112-233-445 96"),
            Err(IdentifierError::ControlDigits {
                format: "ru-snils",
                expected: "95".into(),
                found: "96".into()
            })
        );
    }

    #[test]
    fn numbers_up_to_001_001_998_are_not_checked_and_the_next_one_is() {
        assert!(Snils::parse("001-001-998 77").is_ok());
        assert!(Snils::parse("001-001-999 77").is_err());
        assert!(matches!(Snils::parse("000-000-000 00"), Err(IdentifierError::Part { .. })));
    }

    #[test]
    fn letters_and_short_numbers_are_refused_with_their_place() {
        assert_eq!(
            Snils::parse("112-23З-445 95"),
            Err(IdentifierError::Character {
                format: "ru-snils",
                position: 6,
                found: 'З',
                expected: "a digit from 0 to 9"
            })
        );
        assert!(matches!(
            Snils::parse("1122334459"),
            Err(IdentifierError::Length { found: 10, .. })
        ));
    }

    proptest! {
        // Sums 0 and 100 modulo 101 are both written 00, so one-digit mistakes are certain to be
        // caught only when the control digits are not 00.
        #[test]
        fn a_mistyped_digit_is_caught(
            number in 1_001_999_u32..=999_999_999,
            index in 0_usize..11,
            add in 1_u8..=9,
        ) {
            let body: Vec<u8> = format!("{number:09}").bytes().map(|byte| byte - b'0').collect();
            let control = control_digits(&body);
            prop_assume!(control != "00");
            let valid = format!("{number:09}{control}");
            prop_assert!(Snils::parse(&valid).is_ok());
            let wrong = digits::mistype(&valid, index, add);
            prop_assume!(wrong[..9].parse::<u32>().unwrap() > LAST_UNCHECKED_NUMBER);
            prop_assert!(Snils::parse(&wrong).is_err());
        }
    }
}
