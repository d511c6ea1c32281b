//! The system's clock and random generator, for the registry's traits.

use std::time::SystemTime;

use letopis_ledger::Timestamp;
use letopis_registry::environment::{Clock, Entropy};

/// The system that the node runs on.
#[derive(Debug)]
pub(crate) struct System;

impl Clock for System {
    fn now(&self) -> Timestamp {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let unix_ms = since_1970.ok().and_then(|since| i64::try_from(since.as_millis()).ok());
        unix_ms
            .and_then(|unix_ms| Timestamp::from_unix_ms(unix_ms).ok())
            .expect("invariant: the system's clock is set to a year between 1970 and 9999")
    }
}

impl Entropy for System {
    fn fill(&self, bytes: &mut [u8]) {
        // Without randomness no salt and no token is safe, so nothing can go on.
        getrandom::fill(bytes).expect("invariant: the operating system gives random bytes");
    }
}
