//! What must hold after every step, one file for each invariant of ARCHITECTURE.md that a log of
//! several nodes can break.

mod acknowledged;
mod apply;
mod leaf_bytes;
mod one_root;
mod stages;
mod tiles;
mod time;
mod unique;

use super::history::History;
use super::oracle::Oracle;
use super::world::{HeadEvent, World};

/// What happened in a step.
pub(super) struct Step<'a> {
    pub(super) history: &'a History,
    /// The first leaf that is new.
    pub(super) first: usize,
    pub(super) heads: &'a [HeadEvent],
    pub(super) oracle: &'a mut Oracle,
}

/// One invariant with what it must remember.
trait Invariant {
    fn name(&self) -> &'static str;
    fn check(&mut self, step: &mut Step<'_>) -> Result<(), String>;
}

/// All of them.
pub(super) struct Invariants {
    leaf_bytes: leaf_bytes::LeafBytes,
    others: Vec<Box<dyn Invariant>>,
}

impl Invariants {
    pub(super) fn new(machines: usize) -> Self {
        Self {
            leaf_bytes: leaf_bytes::LeafBytes::new(machines),
            others: vec![
                Box::new(unique::Unique::default()),
                Box::new(time::Time::default()),
                Box::new(apply::Apply),
                Box::new(acknowledged::Acknowledged),
                Box::new(one_root::OneRoot::default()),
                Box::new(stages::Stages::default()),
                Box::new(tiles::Tiles),
            ],
        }
    }

    /// Reads what the nodes have applied and compares everything.
    pub(super) fn check(&mut self, world: &World, history: &mut History) {
        let first = history.leaves.len();
        let heads = world.take_heads();
        if let Err((name, what)) = self.leaf_bytes.follow(world, history) {
            return world.broke(name, what);
        }
        let mut oracle = world.oracle();
        let mut step = Step { history, first, heads: &heads, oracle: &mut oracle };
        let broken = self.others.iter_mut().find_map(|invariant| {
            let broken = invariant.check(&mut step).err();
            broken.map(|what| (invariant.name(), what))
        });
        drop(oracle);
        if let Some((name, what)) = broken {
            world.broke(name, what);
        }
    }
}
