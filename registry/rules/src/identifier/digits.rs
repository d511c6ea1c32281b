//! Digits of an identifier: reading them from text with separators, and weighted control sums.

use super::IdentifierError;

/// Reads decimal digits, skipping white space and hyphens, and checks how many there are.
///
/// `expected` describes `lengths` in the error message.
pub(super) fn read(
    format: &'static str,
    text: &str,
    lengths: &[usize],
    expected: &'static str,
) -> Result<Vec<u8>, IdentifierError> {
    let characters = strip(format, text)?;
    let digits = characters
        .iter()
        .enumerate()
        .map(|(index, &found)| digit(format, index + 1, found))
        .collect::<Result<Vec<u8>, _>>()?;
    if !lengths.contains(&digits.len()) {
        return Err(IdentifierError::Length { format, expected, found: digits.len() });
    }
    Ok(digits)
}

/// The characters without white space and hyphens; at least one.
pub(super) fn strip(format: &'static str, text: &str) -> Result<Vec<char>, IdentifierError> {
    let characters: Vec<char> =
        text.chars().filter(|character| !character.is_whitespace() && *character != '-').collect();
    if characters.is_empty() {
        return Err(IdentifierError::Empty { format });
    }
    Ok(characters)
}

/// The value of one ASCII decimal digit at a position counted from 1.
pub(super) fn digit(
    format: &'static str,
    position: usize,
    found: char,
) -> Result<u8, IdentifierError> {
    found.to_digit(10).and_then(|value| u8::try_from(value).ok()).ok_or(
        IdentifierError::Character { format, position, found, expected: "a digit from 0 to 9" },
    )
}

/// The sum of digits multiplied by their weights, digit by digit, over the shorter of the two.
pub(super) fn weighted_sum(digits: &[u8], weights: impl IntoIterator<Item = u32>) -> u32 {
    digits.iter().zip(weights).map(|(&digit, weight)| u32::from(digit) * weight).sum()
}

/// The digits as one number modulo `modulus`.
pub(super) fn modulo(digits: &[u8], modulus: u32) -> u32 {
    digits.iter().fold(0, |rest, &digit| (rest * 10 + u32::from(digit)) % modulus)
}

/// Fails unless the last digits of the identifier are the ones computed from the rest.
pub(super) fn check_control(
    format: &'static str,
    expected: String,
    found: &[u8],
) -> Result<(), IdentifierError> {
    let found = text(found);
    if expected == found {
        Ok(())
    } else {
        Err(IdentifierError::ControlDigits { format, expected, found })
    }
}

/// The digits as text.
pub(super) fn text(digits: &[u8]) -> String {
    digits.iter().map(|digit| char::from(b'0' + digit)).collect()
}

/// Replaces the digit at `index` by another one: the mistake that control digits exist to catch.
#[cfg(test)]
pub(super) fn mistype(text: &str, index: usize, add: u8) -> String {
    assert!((1..=9).contains(&add));
    let mut digits: Vec<u8> = text.bytes().map(|byte| byte - b'0').collect();
    digits[index] = (digits[index] + add) % 10;
    self::text(&digits)
}
