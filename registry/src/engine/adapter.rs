//! Who answers a request: registries of the same log at once, others when they answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use letopis_ledger::json::Json;
use thiserror::Error;

use crate::code::{FieldPath, RegistryCode, StepCode};
use crate::event::{CaseId, Source};
use crate::private::{PrivateError, PrivateStore};
use crate::projection::{EntryRow, ProjectionError, ReadModel};

/// A request that waits for its answer.
#[derive(Debug, Clone)]
pub struct PendingRequest {
    /// The case.
    pub case: CaseId,
    /// The request's step in the regulation.
    pub request: StepCode,
    /// The registry asked.
    pub registry: RegistryCode,
    /// Values by key field. One that the case does not have is absent.
    pub by: BTreeMap<FieldPath, Json>,
    /// How many values the regulation asks by.
    pub key_count: usize,
    /// Which sending this is, from 1: a message that was lost is sent again under the next number.
    pub attempt: u32,
    /// Fields that the answer may bring.
    pub take: Vec<FieldPath>,
    /// Those of them that the registry declares public.
    pub public: BTreeSet<FieldPath>,
}

/// What a request brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterAnswer {
    /// Facts by field, or nothing.
    pub facts: Option<BTreeMap<FieldPath, Json>>,
    /// The registry entry that they were taken from.
    pub source: Option<Source>,
}

/// Why a request brought no answer now.
#[derive(Debug, Error)]
pub enum AdapterError {
    /// The tables failed.
    #[error("{0}")]
    Projection(#[from] ProjectionError),
    /// The private store failed.
    #[error("{0}")]
    Private(#[from] PrivateError),
    /// Several entries match: which one is meant is for an official to say.
    #[error("request {request}: several entries of {registry} match; an official answers it")]
    Ambiguous {
        /// The request.
        request: StepCode,
        /// The registry.
        registry: RegistryCode,
    },
}

/// Answers requests to registries.
pub trait RequestAdapter: Send + Sync {
    /// The answer, or `None` when it will come later by itself.
    ///
    /// # Errors
    /// See [`AdapterError`]; the request stays open and is asked again.
    fn answer(&self, request: &PendingRequest) -> Result<Option<AdapterAnswer>, AdapterError>;
}

/// Answers from the registries of the same log, as this node has folded them.
#[derive(Debug)]
pub struct RegistryAdapter {
    model: Arc<ReadModel>,
    private: PrivateStore,
}

impl RegistryAdapter {
    /// Answers from these tables and this store.
    #[must_use]
    pub const fn new(model: Arc<ReadModel>, private: PrivateStore) -> Self {
        Self { model, private }
    }

    fn facts(
        &self,
        entry: &EntryRow,
        request: &PendingRequest,
    ) -> Result<BTreeMap<FieldPath, Json>, AdapterError> {
        let mut facts = BTreeMap::new();
        let digests = self.model.entry_disclosures(&entry.stream)?.value;
        for disclosure in self.private.open_digests(&digests)?.into_iter().flatten() {
            let field = disclosure.name().strip_prefix("field.");
            let field = field.and_then(|field| FieldPath::parse(field).ok());
            if let Some(field) = field.filter(|field| request.take.contains(field)) {
                facts.insert(field, disclosure.value().clone());
            }
        }
        for field in request.take.iter().filter(|field| request.public.contains(field)) {
            if let Some(value) = entry.fields.get(field.as_str()) {
                facts.insert(field.clone(), value.clone());
            }
        }
        Ok(facts)
    }
}

impl RequestAdapter for RegistryAdapter {
    fn answer(&self, request: &PendingRequest) -> Result<Option<AdapterAnswer>, AdapterError> {
        if request.by.len() < request.key_count {
            return Ok(Some(AdapterAnswer { facts: None, source: None }));
        }
        let found = self.model.entries_by(&request.registry, &request.by, 2)?.value;
        match found.as_slice() {
            [] => Ok(Some(AdapterAnswer { facts: None, source: None })),
            [entry] => Ok(Some(AdapterAnswer {
                facts: Some(self.facts(entry, request)?),
                source: Some(Source {
                    stream: entry.stream.clone(),
                    version: entry.version,
                    leaf: entry.leaf,
                }),
            })),
            _ => Err(AdapterError::Ambiguous {
                request: request.request.clone(),
                registry: request.registry.clone(),
            }),
        }
    }
}
