//! Why a text is not an identifier of the named format, and what the person can do about it.

use thiserror::Error;

/// The first rule that the text breaks. Positions count characters from 1, separators excluded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdentifierError {
    /// Nothing but separators was given.
    #[error("{format}: the value is empty; enter the identifier as it is printed on the document")]
    Empty { format: &'static str },

    /// The number of characters without separators is not one the format has.
    #[error("{format}: {found} characters found, {expected} expected; add or remove characters")]
    Length { format: &'static str, expected: &'static str, found: usize },

    /// A character that the format does not have at this place.
    #[error("{format}: character {position} is {found:?}, {expected} expected; correct it")]
    Character { format: &'static str, position: usize, found: char, expected: &'static str },

    /// A part, such as the region code, has a value that is never issued.
    #[error("{format}: {part} is {found:?}, {expected} expected; check it against the document")]
    Part { format: &'static str, part: &'static str, found: String, expected: &'static str },

    /// The control digits do not agree with the rest: some digit was mistyped.
    #[error(
        "{format}: the control digits are {found}, but the other digits give {expected}; \
         compare every digit with the document"
    )]
    ControlDigits { format: &'static str, expected: String, found: String },
}
