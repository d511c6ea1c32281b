//! A complex request: several services asked for at once, each with a case of its own.
//!
//! It opens together with every case, in one record, or not at all; it hears of each request that
//! waited for another case; it closes when every case has ended. `decide` and `evolve` are pure.
//! Not here: the cases, which go by their own regulations.

use std::collections::{BTreeMap, BTreeSet};

use letopis_ledger::StreamVersion;
use letopis_ledger::id::StreamName;
use thiserror::Error;

use crate::case::CaseStatus;
use crate::event::{
    ClosedCase, ComplexEvent, ComplexOpened, Dependency, DomainEvent, ServiceLinked,
};
use crate::record_draft::{Decision, NewEvent};

/// The state of a complex request, folded from its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComplexState {
    stream: StreamName,
    length: StreamVersion,
    opened: Option<ComplexOpened>,
    linked: Vec<ServiceLinked>,
    released: BTreeSet<(StreamName, String)>,
    closed: bool,
}

/// Why a command on a complex request was refused, or an event cannot follow.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ComplexRefusal {
    /// Its events are not in the order that they take.
    #[error("{stream}: event {version} ({event}) cannot follow: {reason}")]
    OutOfPlace {
        /// The stream.
        stream: StreamName,
        /// The event's number.
        version: StreamVersion,
        /// Its type.
        event: &'static str,
        /// Why not.
        reason: &'static str,
    },
    /// One case is no reason for a complex request.
    #[error("a complex request joins at least two services, {found} were given")]
    TooFew {
        /// Services given.
        found: usize,
    },
    /// Cases are still under way.
    #[error("{open} cases of the complex request have not ended; it closes after the last one")]
    Open {
        /// Cases under way.
        open: usize,
    },
}

impl ComplexState {
    /// The state before anything happened.
    #[must_use]
    pub const fn new(stream: StreamName) -> Self {
        Self {
            stream,
            length: StreamVersion::ZERO,
            opened: None,
            linked: Vec::new(),
            released: BTreeSet::new(),
            closed: false,
        }
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// The event cannot follow; the state is unchanged.
    pub fn evolve(
        &mut self,
        version: StreamVersion,
        event: &ComplexEvent,
    ) -> Result<(), ComplexRefusal> {
        if let Some(reason) = self.misplaced(version, event) {
            let (stream, event) = (self.stream.clone(), DomainEvent::Complex(event.clone()));
            let event = event.event_type();
            return Err(ComplexRefusal::OutOfPlace { stream, version, event, reason });
        }
        self.length = version.next();
        match event {
            ComplexEvent::Opened(opened) => self.opened = Some(opened.clone()),
            ComplexEvent::ServiceLinked(linked) => self.linked.push(linked.clone()),
            ComplexEvent::DependencySatisfied { dependency, .. }
            | ComplexEvent::DependencyLapsed(dependency) => {
                self.released.insert(key(dependency));
            }
            ComplexEvent::Closed(_) => self.closed = true,
        }
        Ok(())
    }

    fn misplaced(&self, version: StreamVersion, event: &ComplexEvent) -> Option<&'static str> {
        let linked = |case: &StreamName| self.linked.iter().any(|linked| &linked.case == case);
        let mut checks = vec![
            (version == self.length, "its number is not the next one"),
            (!self.closed, "the complex request is closed"),
        ];
        match event {
            ComplexEvent::Opened(_) => checks.push((self.opened.is_none(), "it was opened")),
            ComplexEvent::ServiceLinked(new) => {
                checks.push((self.opened.is_some(), "it was not opened"));
                checks.push((self.released.is_empty(), "a case has gone on already"));
                let known = self.linked.iter().any(|old| old.service == new.service);
                checks.push((!known && !linked(&new.case), "the service or case is linked"));
            }
            ComplexEvent::DependencySatisfied { dependency, .. }
            | ComplexEvent::DependencyLapsed(dependency) => {
                checks.push((linked(&dependency.case), "no such case is linked"));
                let first = !self.released.contains(&key(dependency));
                checks.push((first, "the dependency is over already"));
            }
            ComplexEvent::Closed(cases) => {
                let same = cases.iter().map(|case| &case.case);
                let same = same.eq(self.linked.iter().map(|linked| &linked.case));
                checks.push((same && !cases.is_empty(), "it does not name every linked case"));
            }
        }
        checks.into_iter().find(|(holds, _)| !holds).map(|(_, reason)| reason)
    }

    /// How many events it has.
    #[must_use]
    pub const fn length(&self) -> StreamVersion {
        self.length
    }

    /// How it began.
    #[must_use]
    pub const fn opened(&self) -> Option<&ComplexOpened> {
        self.opened.as_ref()
    }

    /// Its services with their cases.
    #[must_use]
    pub fn linked(&self) -> &[ServiceLinked] {
        &self.linked
    }

    /// Whether every case has ended, on record.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Opens it with the cases of its services; the record of these events begins the cases too.
    ///
    /// # Errors
    /// See [`ComplexRefusal`].
    pub fn open(
        &self,
        opened: ComplexOpened,
        services: Vec<ServiceLinked>,
    ) -> Result<Decision, ComplexRefusal> {
        if services.len() < 2 {
            return Err(ComplexRefusal::TooFew { found: services.len() });
        }
        let linked = services.into_iter().map(ComplexEvent::ServiceLinked);
        self.decide(std::iter::once(ComplexEvent::Opened(opened)).chain(linked))
    }

    /// Closes it; `statuses` is how far each case has come.
    ///
    /// # Errors
    /// See [`ComplexRefusal`].
    pub fn close(
        &self,
        statuses: &BTreeMap<StreamName, CaseStatus>,
    ) -> Result<Decision, ComplexRefusal> {
        let ended = self.linked.iter().filter_map(|linked| {
            let status = *statuses.get(&linked.case)?;
            let case = linked.case.clone();
            CaseStatus::ENDED.contains(&status).then_some(ClosedCase { case, status })
        });
        let ended: Vec<ClosedCase> = ended.collect();
        match self.linked.len() - ended.len() {
            0 => self.decide(std::iter::once(ComplexEvent::Closed(ended))),
            open => Err(ComplexRefusal::Open { open }),
        }
    }

    /// The events that follow, each checked as the reader of the log will check it.
    fn decide(
        &self,
        events: impl Iterator<Item = ComplexEvent>,
    ) -> Result<Decision, ComplexRefusal> {
        let mut state = self.clone();
        let mut decision = Decision::default();
        for event in events {
            let version = state.length;
            state.evolve(version, &event)?;
            let (stream, event) = (self.stream.clone(), DomainEvent::Complex(event));
            decision.events.push(NewEvent { stream, version, event, private: vec![] });
        }
        Ok(decision)
    }
}

fn key(dependency: &Dependency) -> (StreamName, String) {
    (dependency.case.clone(), dependency.request.to_string())
}

#[cfg(test)]
mod test;
