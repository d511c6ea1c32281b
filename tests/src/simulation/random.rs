//! The one source of chance in a simulation. Clones share it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

#[derive(Clone)]
pub(super) struct Random(Arc<Mutex<StdRng>>);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        draw(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn chance(&self, probability: f64) -> bool {
        self.draw(|rng| rng.random_bool(probability))
    }

    /// A number from `first` on, before `end`.
    pub(super) fn between(&self, first: u64, end: u64) -> u64 {
        self.draw(|rng| rng.random_range(first..end))
    }

    /// Up to so long.
    pub(super) fn duration(&self, most: Duration) -> Duration {
        Duration::from_micros(self.between(0, most.as_micros().max(1) as u64))
    }

    pub(super) fn bytes(&self) -> [u8; 10] {
        self.draw(|rng| rng.random())
    }

    pub(super) fn pick<'a, T>(&self, all: &'a [T]) -> Option<&'a T> {
        if all.is_empty() {
            return None;
        }
        all.get(usize::try_from(self.between(0, all.len() as u64)).unwrap_or(0))
    }
}
