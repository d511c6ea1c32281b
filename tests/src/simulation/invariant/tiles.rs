//! Leaves and full tiles are durable before the checkpoint that needs them is published.

use super::{Invariant, Step};
use crate::simulation::world::Did;

/// "5. Tiles are readable before the checkpoint that needs them."
pub(in crate::simulation) const NAME: &str = "tiles before the checkpoint that needs them";

pub(super) struct Tiles;

impl Invariant for Tiles {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&mut self, step: &mut Step<'_>) -> Result<(), String> {
        for event in step.heads.iter().filter(|event| event.did != Did::LogSigned) {
            let size = usize::try_from(event.head.size.get()).unwrap_or(usize::MAX);
            let needed = step.history.framed_bytes.get(size).copied();
            let (node, durable) = (event.node, event.durable_leaf_bytes);
            if needed.is_some_and(|needed| durable < needed) {
                return Err(format!(
                    "node {node} {:?} {}: {durable} bytes of {needed:?} are durable",
                    event.did, event.head
                ));
            }
            if let Some(tile) = event.lost_tiles.first() {
                let tile = tile.display();
                return Err(format!("node {node} {:?} {} without {tile}", event.did, event.head));
            }
        }
        Ok(())
    }
}
