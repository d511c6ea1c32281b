//! The network between the nodes of a test: what one node sends another can be cut, lost or
//! delayed, one way too, while clients reach every node.
//!
//! Two ways make it: where root may, each node runs in a network namespace of its own and the
//! kernel does it (`namespace`); elsewhere bytes go through a proxy on loopback (`proxy`). Not
//! here: what happens to nodes otherwise.

mod namespace;
mod proxy;

use std::fmt::Debug;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

pub use namespace::Namespaces;
pub use proxy::Proxy;

/// How it goes with what one node sends another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// It arrives.
    Open,
    /// It does not, and nobody is told.
    Silent,
    /// Who calls is told at once that there is no way.
    Refused,
    /// It takes this much longer. Where the kernel cannot delay, it sends so slowly that one full
    /// packet takes this long.
    Slow(Duration),
}

/// A network.
pub trait Network: Debug + Send + Sync {
    /// How many nodes it connects.
    fn count(&self) -> usize;

    /// Where other nodes reach this one.
    fn address(&self, node: usize) -> SocketAddr;

    /// Where this node is to listen for other nodes.
    fn listen(&self, node: usize) -> SocketAddr;

    /// Where this node is to listen for clients. The way to it is never cut.
    fn listen_for_clients(&self, node: usize) -> SocketAddr;

    /// A command that runs a program as this node.
    fn command(&self, node: usize, program: &Path) -> Command;

    /// This node is this process now.
    fn runs_as(&self, node: usize, process: Option<u32>);

    /// Changes the link of one node to another.
    fn set(&self, from: usize, to: usize, link: Link);

    /// Changes the links of a node to all others.
    fn set_from(&self, node: usize, link: Link) {
        others(self.count(), node).for_each(|other| self.set(node, other, link));
    }

    /// Changes the links of all others to a node.
    fn set_to(&self, node: usize, link: Link) {
        others(self.count(), node).for_each(|other| self.set(other, node, link));
    }

    /// Changes all links.
    fn set_all(&self, link: Link) {
        (0..self.count()).for_each(|node| self.set_from(node, link));
    }
}

fn others(count: usize, node: usize) -> impl Iterator<Item = usize> {
    (0..count).filter(move |other| *other != node)
}

/// Says which way a test is to take, `namespace` or `proxy`; the better one without it.
const CHOICE: &str = "LETOPIS_NETWORK";

/// The best network that there is here for the test of this name, or `None` when the test has been
/// run already, as [`namespaces`] says.
///
/// # Panics
/// The test fails there, or the way that is asked for is not there.
#[must_use]
pub fn best(test: &str, count: usize) -> Option<Box<dyn Network>> {
    match namespaces(test, count) {
        Ok(network) => network.map(|network| Box::new(network) as Box<dyn Network>),
        Err(why) => {
            println!("skipped: network namespaces ({why}); a proxy on loopback takes their place");
            Some(Box::new(Proxy::new(count)))
        }
    }
}

/// Network namespaces for the test of this name, or `None` when the test has been run already: it
/// is started again, inside one.
///
/// # Errors
/// Why there are none here.
///
/// # Panics
/// The test fails there, or there are none though they are asked for.
pub fn namespaces(test: &str, count: usize) -> Result<Option<Namespaces>, String> {
    if namespace::is_inside() {
        return Ok(Some(Namespaces::new(count)));
    }
    let choice = std::env::var(CHOICE).unwrap_or_default();
    if choice == "proxy" {
        return Err(format!("{CHOICE} says so"));
    }
    match namespace::can_be_made() {
        Ok(()) => {
            namespace::run_inside(test);
            Ok(None)
        }
        Err(why) if choice == "namespace" => panic!("no network namespaces: {why}"),
        Err(why) => Err(why),
    }
}
