//! UIN: the unique number of a charge, by which a payment to the state finds its bill.

use std::fmt;

use super::super::{IdentifierError, digits};

/// A checked UIN: 20 or 25 digits, printed as such.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uin(String);

impl Uin {
    /// The name of the format in packs and schemas.
    pub const FORMAT: &'static str = "ru-uin";

    /// Reads 20 or 25 digits and checks the last one.
    ///
    /// The schemas of the payment system also allow letters in a 20-character number, but publish
    /// no rule for their control digit, so such a number cannot be checked and is refused.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        let digits = digits::read(Self::FORMAT, text, &[20, 25], "20 or 25")?;
        let (body, control) = digits.split_at(digits.len() - 1);
        digits::check_control(Self::FORMAT, control_digit(body).to_string(), control)?;
        Ok(Self(digits::text(&digits)))
    }
}

impl fmt::Display for Uin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Weights 1 to 10 repeated, modulo 11; for the remainder 10 again with weights that begin at 3;
/// if that is 10 too, zero.
fn control_digit(body: &[u8]) -> u32 {
    [0, 2]
        .into_iter()
        .map(|shift| digits::weighted_sum(body, (1..=10).cycle().skip(shift)) % 11)
        .find(|&rest| rest != 10)
        .unwrap_or(0)
}

#[cfg(test)]
mod test {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_of_real_bills_are_accepted() {
        for text in ["32117072411021588933", "18817072711544879499", "88818012420345815071"] {
            assert_eq!(Uin::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn the_second_weights_and_the_final_zero_are_used() {
        assert!(Uin::parse("18800000000000000273").is_ok());
        assert!(Uin::parse("18800000000000000890").is_ok());
    }

    #[test]
    fn letters_and_other_lengths_are_refused() {
        assert!(matches!(
            Uin::parse("3211707241102158893A"),
            Err(IdentifierError::Character { position: 20, .. })
        ));
        assert!(matches!(
            Uin::parse("321170724110215889"),
            Err(IdentifierError::Length { found: 18, .. })
        ));
    }

    proptest! {
        #[test]
        fn a_mistyped_control_digit_is_always_caught(
            body in proptest::collection::vec(0_u8..=9, 24),
            long: bool,
            add in 1_u8..=9,
        ) {
            let body = if long { &body[..] } else { &body[..19] };
            let valid = format!("{}{}", digits::text(body), control_digit(body));
            prop_assert!(Uin::parse(&valid).is_ok());
            prop_assert!(Uin::parse(&digits::mistype(&valid, body.len(), add)).is_err());
        }

        // A remainder of 10 falls back to other weights, which may agree by chance.
        #[test]
        fn a_mistyped_body_digit_is_caught_when_no_remainder_is_ten(
            body in proptest::collection::vec(0_u8..=9, 19),
            index in 0_usize..19,
            add in 1_u8..=9,
        ) {
            let rest = |body: &[u8]| digits::weighted_sum(body, (1..=10).cycle()) % 11;
            let mut wrong = body.clone();
            wrong[index] = (wrong[index] + add) % 10;
            prop_assume!(rest(&body) != 10 && rest(&wrong) != 10);
            prop_assert_ne!(control_digit(&body), control_digit(&wrong));
        }
    }
}
