//! Instants as the log writes them: RFC 3339 in UTC with milliseconds, always 24 characters.
//!
//! Not here: a clock. Every instant comes from outside and travels in a record or a leaf.

use std::fmt;

use jiff::Timestamp as Instant;
use thiserror::Error;

/// An instant with millisecond precision, from year 1970 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Why an instant was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TimestampError {
    /// Not of the form `2026-11-21T19:34:52.123Z`.
    #[error("{text:?} is not an instant of the form 2026-11-21T19:34:52.123Z")]
    Form {
        /// The text as found.
        text: String,
    },
    /// Before 1970 or after 9999.
    #[error("{unix_ms} ms lies outside the years 1970 to 9999")]
    Range {
        /// Milliseconds since 1970-01-01T00:00:00Z.
        unix_ms: i64,
    },
}

impl Timestamp {
    /// 1970-01-01T00:00:00.000Z.
    pub const EPOCH: Self = Self(0);
    /// 9999-12-30T22:00:00.000Z, the last instant that the calendar library can hold.
    const MAX_MS: i64 = 253_402_207_200_000;

    /// Takes milliseconds since 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    /// The instant lies outside the years 1970 to 9999.
    pub const fn from_unix_ms(unix_ms: i64) -> Result<Self, TimestampError> {
        if unix_ms < 0 || unix_ms > Self::MAX_MS {
            return Err(TimestampError::Range { unix_ms });
        }
        Ok(Self(unix_ms))
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn unix_ms(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    #[must_use]
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Reads the one spelling that [`fmt::Display`] writes.
    ///
    /// # Errors
    /// Any other spelling, or an instant outside the supported years.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        let form = || TimestampError::Form { text: text.to_owned() };
        let instant: Instant = text.parse().map_err(|_| form())?;
        let parsed = Self::from_unix_ms(instant.as_millisecond())?;
        // One instant has one spelling: whatever does not print back the same is refused.
        if parsed.to_string() != text {
            return Err(form());
        }
        Ok(parsed)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant = Instant::from_millisecond(self.0)
            .expect("invariant: a Timestamp lies within the calendar's years");
        write!(f, "{instant:.3}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_written_spelling_is_read() {
        let text = "2026-11-21T19:34:52.120Z";
        assert_eq!(Timestamp::parse(text).unwrap().to_string(), text);
        for bad in [
            "2026-11-21T19:34:52Z",
            "2026-11-21T19:34:52.12Z",
            "2026-11-21T19:34:52.1201Z",
            "2026-11-21T19:34:52.120+00:00",
            "2026-11-21t19:34:52.120Z",
            "2026-11-21 19:34:52.120Z",
            "2026-02-30T19:34:52.120Z",
            "1969-12-31T23:59:59.999Z",
            "",
        ] {
            assert!(Timestamp::parse(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn the_last_instant_prints() {
        let last = Timestamp::from_unix_ms(Timestamp::MAX_MS).unwrap();
        assert_eq!(last.to_string().len(), 24);
        assert!(Timestamp::from_unix_ms(Timestamp::MAX_MS + 1).is_err());
    }

    proptest! {
        #[test]
        fn every_instant_reads_back(ms in 0..=Timestamp::MAX_MS) {
            let time = Timestamp::from_unix_ms(ms).unwrap();
            prop_assert_eq!(Timestamp::parse(&time.to_string()), Ok(time));
        }
    }
}
