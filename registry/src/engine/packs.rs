//! Packs: published to the ledger, and installed to decide cases by.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, RwLock};

use letopis_ledger::LeafIndex;

use super::{CaseEngine, EngineError, LedgerPort};
use crate::case::CaseRules;
use crate::code::{ComplexCode, RegistryCode, ServiceCode};
use crate::event::{DomainEvent, PackRef, pack_stream};
use crate::pack::{Pack, Registry, Service};
use crate::record_draft::{Decision, NewEvent};
use crate::secret::AgencySecret;

/// A pack with the place where it was published.
#[derive(Debug)]
pub struct InstalledPack {
    /// The pack.
    pub pack: Pack,
    /// Where it was published.
    pub pack_ref: PackRef,
}

/// The packs of a node: every installed version, and the one in force for each service.
#[derive(Debug, Default)]
pub(super) struct Packs {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    by_leaf: HashMap<LeafIndex, Arc<InstalledPack>>,
    by_service: HashMap<ServiceCode, Arc<InstalledPack>>,
    by_registry: HashMap<RegistryCode, Arc<InstalledPack>>,
    by_complex: HashMap<ComplexCode, Arc<InstalledPack>>,
}

impl InstalledPack {
    /// What a case of a service that begins now is decided by.
    pub(super) fn rules_of<'a>(
        &'a self,
        service: &'a Service,
        secret: &'a AgencySecret,
    ) -> CaseRules<'a> {
        let (pack, pack_ref) = (&self.pack, &self.pack_ref);
        CaseRules { pack, calendar: pack.calendar(), service, pack_ref, secret }
    }

    /// The service of a code.
    #[must_use]
    pub fn service(&self, code: &ServiceCode) -> Option<&Service> {
        self.pack.service(code)
    }
}

impl Packs {
    pub(super) fn install(&self, pack: Arc<InstalledPack>) -> Result<(), EngineError> {
        let mut inner = self.inner.write().expect("invariant: no holder panics");
        let services = pack.pack.services().keys().map(|code| (code.to_string(), code));
        for (name, code) in services {
            check_offer(&pack, name, inner.by_service.get(code))?;
        }
        for code in pack.pack.registries().keys() {
            check_offer(&pack, code.to_string(), inner.by_registry.get(code))?;
        }
        for code in pack.pack.complex_services().keys() {
            check_offer(&pack, code.to_string(), inner.by_complex.get(code))?;
        }
        for code in pack.pack.complex_services().keys() {
            let slot = inner.by_complex.entry(code.clone()).or_insert_with(|| Arc::clone(&pack));
            replace_older(slot, &pack);
        }
        for code in pack.pack.services().keys() {
            let slot = inner.by_service.entry(code.clone()).or_insert_with(|| Arc::clone(&pack));
            replace_older(slot, &pack);
        }
        for code in pack.pack.registries().keys() {
            let slot = inner.by_registry.entry(code.clone()).or_insert_with(|| Arc::clone(&pack));
            replace_older(slot, &pack);
        }
        inner.by_leaf.insert(pack.pack_ref.leaf, pack);
        Ok(())
    }

    pub(super) fn in_force(&self, service: &ServiceCode) -> Option<Arc<InstalledPack>> {
        self.inner.read().expect("invariant: no holder panics").by_service.get(service).cloned()
    }

    pub(super) fn complex_in_force(&self, code: &ComplexCode) -> Option<Arc<InstalledPack>> {
        self.inner.read().expect("invariant: no holder panics").by_complex.get(code).cloned()
    }

    /// Every complex request with the pack in force, in the order of codes.
    pub(super) fn complex(&self) -> Vec<(ComplexCode, Arc<InstalledPack>)> {
        let inner = self.inner.read().expect("invariant: no holder panics");
        let mut all: Vec<_> =
            inner.by_complex.iter().map(|(code, pack)| (code.clone(), pack.clone())).collect();
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        all
    }

    /// Every service with the pack in force, in the order of codes.
    fn services(&self) -> Vec<(ServiceCode, Arc<InstalledPack>)> {
        let inner = self.inner.read().expect("invariant: no holder panics");
        let mut all: Vec<_> =
            inner.by_service.iter().map(|(code, pack)| (code.clone(), pack.clone())).collect();
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        all
    }

    /// The newest installed version of each pack, in the order of codes.
    pub(super) fn newest_of_each(&self) -> Vec<Arc<InstalledPack>> {
        let inner = self.inner.read().expect("invariant: no holder panics");
        let mut newest: BTreeMap<_, Arc<InstalledPack>> = BTreeMap::new();
        for pack in inner.by_leaf.values() {
            let slot = newest.entry(pack.pack.code().clone()).or_insert_with(|| Arc::clone(pack));
            replace_older(slot, pack);
        }
        newest.into_values().collect()
    }

    pub(super) fn of_registry(&self, registry: &RegistryCode) -> Option<Arc<InstalledPack>> {
        self.inner.read().expect("invariant: no holder panics").by_registry.get(registry).cloned()
    }

    pub(super) fn pinned(&self, pack: &PackRef) -> Result<Arc<InstalledPack>, EngineError> {
        let inner = self.inner.read().expect("invariant: no holder panics");
        let found = inner.by_leaf.get(&pack.leaf).filter(|found| &found.pack_ref == pack);
        found.cloned().ok_or_else(|| EngineError::PackNotInstalled {
            pack: pack.code.clone(),
            version: pack.version,
        })
    }

    /// The newest installed version of a pack, if it is newer than this one.
    pub(super) fn newest(&self, pack: &InstalledPack) -> Option<Arc<InstalledPack>> {
        let inner = self.inner.read().expect("invariant: no holder panics");
        let same = inner.by_leaf.values().filter(|other| other.pack.code() == pack.pack.code());
        let newer = same.filter(|other| other.pack.version() > pack.pack.version());
        newer.max_by_key(|other| other.pack.version()).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<InstalledPack>> {
        let inner = self.inner.read().expect("invariant: no holder panics");
        let mut packs: Vec<_> = inner.by_leaf.values().cloned().collect();
        packs.sort_by_key(|pack| pack.pack_ref.leaf);
        packs
    }
}

fn check_offer(
    pack: &InstalledPack,
    name: String,
    other: Option<&Arc<InstalledPack>>,
) -> Result<(), EngineError> {
    match other {
        Some(other) if other.pack.code() != pack.pack.code() => {
            Err(EngineError::Offered { name, other: other.pack.code().clone() })
        }
        _ => Ok(()),
    }
}

fn replace_older(slot: &mut Arc<InstalledPack>, pack: &Arc<InstalledPack>) {
    if slot.pack.version() < pack.pack.version() {
        *slot = Arc::clone(pack);
    }
}

impl<P: LedgerPort> CaseEngine<P> {
    /// Publishes a pack; one that is published as it is stays where it is. The files themselves
    /// are for the node to serve as blobs, and to make durable before this is called.
    ///
    /// # Errors
    /// A test case of the pack fails, the version is taken or leaves a gap, or the ledger does not
    /// take the record.
    pub async fn publish_pack(&self, pack: &Pack) -> Result<PackRef, EngineError> {
        self.check_agency(pack)?;
        pack.check().map_err(|errors| EngineError::PackFails { errors })?;
        self.catch_up().await?;
        let (code, version) = (pack.code().clone(), pack.version());
        let published = pack.published();
        if let Some(found) = self.model.pack(&code, version)?.value {
            if !found.published.is_same(&published) {
                return Err(EngineError::PackVersionTaken { pack: code, version });
            }
            return Ok(PackRef { code, version, leaf: found.leaf });
        }
        let packs = self.model.packs()?.value;
        let agency = &self.author.agency;
        let own = packs.iter().filter(|row| &row.author == agency);
        let versions = own.filter(|row| row.published.code == code);
        let last = versions.map(|row| row.published.version).max().unwrap_or(0);
        if version != last + 1 {
            return Err(EngineError::PackVersionGap { pack: code, last, found: version });
        }
        let stream = pack_stream(&code);
        let event = NewEvent {
            version: self.model.stream_length(&stream)?.value,
            stream,
            event: DomainEvent::Pack(published),
            private: vec![],
        };
        let decision = Decision { events: vec![event], claims: vec![] };
        let appended = self.append(self.seal(decision)?).await?;
        self.catch_up().await?;
        Ok(PackRef { code, version, leaf: appended.leaf })
    }

    /// Installs a published pack. New applications follow the latest installed version of it;
    /// cases under way follow the version that they began with.
    ///
    /// # Errors
    /// The pack was not published as it is, or another pack offers the same service or registry.
    pub async fn install_pack(&self, pack: Pack) -> Result<PackRef, EngineError> {
        self.check_agency(&pack)?;
        self.catch_up().await?;
        let (code, version) = (pack.code().clone(), pack.version());
        let found = self.model.pack(&code, version)?.value;
        let found = found.filter(|row| row.published.is_same(&pack.published()));
        let not_published = EngineError::PackNotPublished { pack: code.clone(), version };
        let leaf = found.ok_or(not_published)?.leaf;
        let pack_ref = PackRef { code, version, leaf };
        let installed = InstalledPack { pack, pack_ref: pack_ref.clone() };
        self.packs.install(Arc::new(installed))?;
        Ok(pack_ref)
    }

    /// The pack that new applications for a service follow.
    #[must_use]
    pub fn pack_in_force(&self, service: &ServiceCode) -> Option<Arc<InstalledPack>> {
        self.packs.in_force(service)
    }

    /// Every service that can be applied for, with the pack that new applications follow, in the
    /// order of codes.
    #[must_use]
    pub fn services_in_force(&self) -> Vec<(ServiceCode, Arc<InstalledPack>)> {
        self.packs.services()
    }

    /// The pack that a case follows.
    ///
    /// # Errors
    /// The version is not installed here.
    pub fn pinned_pack(&self, pack: &PackRef) -> Result<Arc<InstalledPack>, EngineError> {
        self.packs.pinned(pack)
    }

    /// Every installed pack, in the order of publication.
    #[must_use]
    pub fn installed_packs(&self) -> Vec<Arc<InstalledPack>> {
        self.packs.all()
    }

    /// The pack in force that declares a registry.
    #[must_use]
    pub fn pack_of_registry(&self, code: &RegistryCode) -> Option<Arc<InstalledPack>> {
        self.packs.of_registry(code)
    }

    /// The definition of a registry, in the pack that is in force.
    #[must_use]
    pub fn registry(&self, code: &RegistryCode) -> Option<Registry> {
        self.packs.of_registry(code)?.pack.registry(code).cloned()
    }

    fn check_agency(&self, pack: &Pack) -> Result<(), EngineError> {
        if pack.agency() == &self.author.agency {
            return Ok(());
        }
        let (pack, agency) = (pack.code().clone(), pack.agency().to_string());
        Err(EngineError::ForeignPack { pack, agency })
    }
}
