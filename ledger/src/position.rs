//! Places in the log and in its streams, as types that cannot be mixed up.
//!
//! A leaf index counts leaves from 0; a tree size is how many leaves a tree has; a stream version
//! counts the events of one stream from 0. None of them is a Raft log index: that one counts
//! consensus entries, of which some make no leaf and some make many.

use std::fmt;

macro_rules! position {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(u64);

        impl $name {
            /// The first one.
            pub const ZERO: Self = Self(0);

            /// Takes a plain number.
            #[must_use]
            pub const fn new(value: u64) -> Self {
                Self(value)
            }

            /// The plain number.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The one after this.
            ///
            /// # Panics
            /// After 2^64 − 1, which no log reaches.
            #[must_use]
            pub const fn next(self) -> Self {
                match self.0.checked_add(1) {
                    Some(next) => Self(next),
                    None => panic!("position overflow"),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

position! {
    /// Index of a leaf in the log, from 0.
    LeafIndex
}
position! {
    /// Number of leaves of a tree; leaf `n − 1` is the last one of a tree of size `n`.
    TreeSize
}
position! {
    /// Number of an event within its stream, from 0, without gaps.
    StreamVersion
}

impl LeafIndex {
    /// Size of the smallest tree that has this leaf.
    #[must_use]
    pub const fn tree_size(self) -> TreeSize {
        TreeSize(self.next().0)
    }
}

impl TreeSize {
    /// Index that the next appended leaf gets.
    #[must_use]
    pub const fn next_leaf(self) -> LeafIndex {
        LeafIndex(self.0)
    }

    /// Whether a tree of this size has the leaf.
    #[must_use]
    pub const fn contains(self, leaf: LeafIndex) -> bool {
        leaf.0 < self.0
    }
}
