//! What the port refused: counted always, logged at first and then ever more rarely.
//!
//! Whoever can reach the port can make it refuse as often as he likes; the log must not grow with
//! that. Not here: the decision to refuse.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::metric;

/// Kinds of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// No TLS, or a certificate that is not believed.
    Handshake,
    /// The handshake took too long.
    HandshakeTimeout,
    /// Given up for a newer one, because too many were under way.
    HandshakeCrowded,
    /// A request on an open connection by a key that the log no longer names.
    UnknownKey,
    /// Bytes that are not a request.
    Malformed,
    /// A request or an answer beyond the limit.
    TooLarge,
    /// Too many requests under way.
    Busy,
    /// The bytes of a request did not arrive in time.
    Late,
}

impl Reason {
    const ALL: [Self; 8] = [
        Self::Handshake,
        Self::HandshakeTimeout,
        Self::HandshakeCrowded,
        Self::UnknownKey,
        Self::Malformed,
        Self::TooLarge,
        Self::Busy,
        Self::Late,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::HandshakeTimeout => "handshake_timeout",
            Self::HandshakeCrowded => "handshake_crowded",
            Self::UnknownKey => "unknown_key",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::Busy => "busy",
            Self::Late => "late",
        }
    }
}

/// Counts refusals of one port.
#[derive(Debug, Default)]
pub(super) struct Refusals([AtomicU64; Reason::ALL.len()]);

impl Refusals {
    /// Counts one; logs it when its number is a power of two or of full thousands.
    pub(super) fn count(&self, reason: Reason, from: &dyn Display, error: &dyn Display) {
        metric::peer_refused(reason.as_str());
        let count = self.0[reason as usize].fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if count.is_power_of_two() || count.is_multiple_of(1_000) {
            let reason = reason.as_str();
            tracing::warn!(%from, reason, count, %error, "the peer port refused");
        }
    }

    #[cfg(test)]
    pub(super) fn of(&self, reason: Reason) -> u64 {
        self.0[reason as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_place_of_its_own() {
        let refusals = Refusals::default();
        for (place, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, place);
            refusals.count(reason, &"127.0.0.1:1", &"test");
            assert_eq!(refusals.of(reason), 1);
        }
    }
}
