//! What the engine needs from outside and a pure function must not take by itself.
//!
//! Not here: implementations. The node gives the system's clock and generator; a test gives
//! values that it chose.

use letopis_ledger::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The instant now, in UTC.
    fn now(&self) -> Timestamp;
}

/// Gives randomness that nobody can predict (RFC 4086).
pub trait Entropy: Send + Sync {
    /// Fills `bytes` from a cryptographically secure generator.
    fn fill(&self, bytes: &mut [u8]);
}

/// Takes `N` random bytes.
#[must_use]
pub fn random<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes);
    bytes
}
