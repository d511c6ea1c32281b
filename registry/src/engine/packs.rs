//! Packs: published to the ledger, and installed to decide cases by.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, RwLock};

use letopis_ledger::LeafIndex;

use super::{CaseEngine, EngineError, LedgerPort, TRIES_MAX};
use crate::case::CaseRules;
use crate::code::{ComplexCode, PackCode, RegistryCode, ServiceCode};
use crate::event::{DomainEvent, PackRef, pack_stream};
use crate::pack::{Pack, Registry, Service};
use crate::record_draft::NewEvent;
use crate::secret::AgencySecret;

/// A pack with the place where it was published.
#[derive(Debug)]
pub struct InstalledPack {
    /// The pack.
    pub pack: Pack,
    /// Where it was published.
    pub pack_ref: PackRef,
}

/// The packs of a node: every installed version, and which of them has each service, registry and
/// complex request. What the newest version of its pack has no more is withdrawn: nothing new
/// begins by it, and the last version that had it is what the rest goes by.
#[derive(Debug, Default)]
pub(super) struct Packs {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    by_leaf: HashMap<LeafIndex, Arc<InstalledPack>>,
    /// The newest version of each pack.
    newest: HashMap<PackCode, Arc<InstalledPack>>,
    /// The last version that has each of these.
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
        inner.check_offers(&pack.pack)?;
        let Inner { by_leaf, newest, by_service, by_registry, by_complex } = &mut *inner;
        put(newest, pack.pack.code(), &pack);
        pack.pack.services().keys().for_each(|code| put(by_service, code, &pack));
        pack.pack.registries().keys().for_each(|code| put(by_registry, code, &pack));
        pack.pack.complex_services().keys().for_each(|code| put(by_complex, code, &pack));
        by_leaf.insert(pack.pack_ref.leaf, pack);
        Ok(())
    }

    /// That no other pack offers what this one does.
    fn check_offers(&self, pack: &Pack) -> Result<(), EngineError> {
        self.inner.read().expect("invariant: no holder panics").check_offers(pack)
    }

    /// The pack by which a service is applied for now.
    pub(super) fn in_force(
        &self,
        service: &ServiceCode,
    ) -> Result<Arc<InstalledPack>, EngineError> {
        let found = self.with_service(service);
        let unknown = || EngineError::UnknownService { service: service.clone() };
        let found = found.ok_or_else(unknown)?;
        self.check_in_force(&found, "service", service.as_str(), |pack| {
            pack.service(service).is_some()
        })?;
        Ok(found)
    }

    /// The last version of a pack that has a service, whether it is withdrawn since or not.
    pub(super) fn with_service(&self, service: &ServiceCode) -> Option<Arc<InstalledPack>> {
        self.inner.read().expect("invariant: no holder panics").by_service.get(service).cloned()
    }

    pub(super) fn complex_in_force(
        &self,
        code: &ComplexCode,
    ) -> Result<Arc<InstalledPack>, EngineError> {
        let unknown = || EngineError::UnknownComplex { code: code.clone() };
        let found = self.with_complex(code).ok_or_else(unknown)?;
        self.check_in_force(&found, "complex request", code.as_str(), |pack| {
            pack.complex_services().contains_key(code)
        })?;
        Ok(found)
    }

    /// The last version of a pack that has a complex request, whether it is withdrawn or not.
    pub(super) fn with_complex(&self, code: &ComplexCode) -> Option<Arc<InstalledPack>> {
        self.inner.read().expect("invariant: no holder panics").by_complex.get(code).cloned()
    }

    /// Every complex request with the pack in force, in the order of codes.
    pub(super) fn complex(&self) -> Vec<(ComplexCode, Arc<InstalledPack>)> {
        let codes: Vec<ComplexCode> = {
            let inner = self.inner.read().expect("invariant: no holder panics");
            inner.by_complex.keys().cloned().collect()
        };
        let in_force = |code: ComplexCode| Some((code.clone(), self.complex_in_force(&code).ok()?));
        let mut all: Vec<_> = codes.into_iter().filter_map(in_force).collect();
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        all
    }

    /// Every service that can be applied for, with the pack in force, in the order of codes.
    fn services(&self) -> Vec<(ServiceCode, Arc<InstalledPack>)> {
        let codes: Vec<ServiceCode> = {
            let inner = self.inner.read().expect("invariant: no holder panics");
            inner.by_service.keys().cloned().collect()
        };
        let in_force = |code: ServiceCode| Some((code.clone(), self.in_force(&code).ok()?));
        let mut all: Vec<_> = codes.into_iter().filter_map(in_force).collect();
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        all
    }

    /// The newest installed version of each pack, in the order of codes.
    pub(super) fn newest_of_each(&self) -> Vec<Arc<InstalledPack>> {
        let inner = self.inner.read().expect("invariant: no holder panics");
        let mut newest: Vec<_> = inner.newest.values().cloned().collect();
        newest.sort_by(|one, other| one.pack.code().cmp(other.pack.code()));
        newest
    }

    /// The last version of a pack that has a registry, by which it is read and its entries end.
    pub(super) fn of_registry(&self, registry: &RegistryCode) -> Option<Arc<InstalledPack>> {
        self.inner.read().expect("invariant: no holder panics").by_registry.get(registry).cloned()
    }

    /// That keepers may enter something new in a registry.
    pub(super) fn check_registry_in_force(
        &self,
        registry: &RegistryCode,
        found: &InstalledPack,
    ) -> Result<(), EngineError> {
        let still = |pack: &Pack| pack.registry(registry).is_some();
        self.check_in_force(found, "registry", registry.as_str(), still)
    }

    /// That the newest version of a pack still has what an older one has.
    fn check_in_force(
        &self,
        found: &InstalledPack,
        what: &'static str,
        name: &str,
        still: impl Fn(&Pack) -> bool,
    ) -> Result<(), EngineError> {
        match self.newest(found) {
            Some(newer) if !still(&newer.pack) => Err(EngineError::Withdrawn {
                what,
                name: name.to_owned(),
                pack: newer.pack.code().clone(),
                version: newer.pack.version(),
            }),
            _ => Ok(()),
        }
    }

    pub(super) fn pinned(&self, pack: &PackRef) -> Result<Arc<InstalledPack>, EngineError> {
        let inner = self.inner.read().expect("invariant: no holder panics");
        let found = inner.by_leaf.get(&pack.leaf).filter(|found| &found.pack_ref == pack);
        found.cloned().ok_or_else(|| EngineError::PackNotInstalled {
            pack: pack.code.clone(),
            version: pack.version,
        })
    }

    /// An installed version of a pack.
    pub(super) fn version(&self, code: &PackCode, version: u32) -> Option<Arc<InstalledPack>> {
        let inner = self.inner.read().expect("invariant: no holder panics");
        let same = |found: &&Arc<InstalledPack>| {
            found.pack.code() == code && found.pack.version() == version
        };
        inner.by_leaf.values().find(same).cloned()
    }

    /// The newest installed version of a pack, if it is newer than this one.
    pub(super) fn newest(&self, pack: &InstalledPack) -> Option<Arc<InstalledPack>> {
        let inner = self.inner.read().expect("invariant: no holder panics");
        let newest = inner.newest.get(pack.pack.code());
        newest.filter(|newest| newest.pack.version() > pack.pack.version()).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<InstalledPack>> {
        let inner = self.inner.read().expect("invariant: no holder panics");
        let mut packs: Vec<_> = inner.by_leaf.values().cloned().collect();
        packs.sort_by_key(|pack| pack.pack_ref.leaf);
        packs
    }
}

impl Inner {
    fn check_offers(&self, pack: &Pack) -> Result<(), EngineError> {
        for code in pack.services().keys() {
            let still = |other: &Pack| other.service(code).is_some();
            self.check_offer(pack, code.as_str(), self.by_service.get(code), still)?;
        }
        for code in pack.registries().keys() {
            let still = |other: &Pack| other.registry(code).is_some();
            self.check_offer(pack, code.as_str(), self.by_registry.get(code), still)?;
        }
        for code in pack.complex_services().keys() {
            let still = |other: &Pack| other.complex_services().contains_key(code);
            self.check_offer(pack, code.as_str(), self.by_complex.get(code), still)?;
        }
        Ok(())
    }

    /// That what a pack offers is no other pack's, or was withdrawn by that one.
    fn check_offer(
        &self,
        pack: &Pack,
        name: &str,
        holder: Option<&Arc<InstalledPack>>,
        still: impl Fn(&Pack) -> bool,
    ) -> Result<(), EngineError> {
        let other = holder.map(|holder| holder.pack.code()).filter(|other| *other != pack.code());
        let Some(other) = other.and_then(|other| self.newest.get(other)) else { return Ok(()) };
        match still(&other.pack) {
            true => Err(EngineError::Offered {
                name: name.to_owned(),
                other: other.pack.code().clone(),
            }),
            false => Ok(()),
        }
    }
}

/// Puts a version in the place of an older one of its pack, or of the pack that gave this up.
fn put<K: Clone + Eq + Hash>(
    slots: &mut HashMap<K, Arc<InstalledPack>>,
    code: &K,
    pack: &Arc<InstalledPack>,
) {
    let newer = |slot: &Arc<InstalledPack>| {
        slot.pack.code() == pack.pack.code() && slot.pack.version() > pack.pack.version()
    };
    if !slots.get(code).is_some_and(newer) {
        slots.insert(code.clone(), Arc::clone(pack));
    }
}

impl<P: LedgerPort> CaseEngine<P> {
    /// Publishes a pack; one that is published as it is stays where it is. The files themselves
    /// are for the node to serve as blobs, and to make durable before this is called.
    ///
    /// # Errors
    /// A test case of the pack fails, the version is taken or leaves a gap, another pack offers the
    /// same, the version in force has a lifecycle that this one has not passed, or the ledger does
    /// not take the record.
    pub async fn publish_pack(&self, pack: &Pack) -> Result<PackRef, EngineError> {
        self.check_agency(pack)?;
        pack.check().map_err(|errors| EngineError::PackFails { errors })?;
        let (code, version) = (pack.code().clone(), pack.version());
        for _ in 0..TRIES_MAX {
            self.catch_up().await?;
            let published = pack.published();
            if let Some(found) = self.model.pack(&code, version)?.value {
                if !found.published.is_same(&published) {
                    return Err(EngineError::PackVersionTaken { pack: code, version });
                }
                return Ok(PackRef { code, version, leaf: found.leaf });
            }
            self.check_next(pack)?;
            let stream = pack_stream(&code);
            // What the version in force asks for of the next one goes into the same record.
            let mut decision = self.released(&published).await?;
            decision.events.push(NewEvent {
                version: self.model.stream_length(&stream)?.value,
                stream,
                event: DomainEvent::Pack(published),
                private: vec![],
            });
            if let Some(appended) = self.append_unless_overtaken(self.seal(decision)?).await? {
                return Ok(PackRef { code, version, leaf: appended.leaf });
            }
        }
        Err(EngineError::TooManyRaces { tries: TRIES_MAX })
    }

    /// That a pack is the next version of its code, and offers nothing that another one does.
    pub(super) fn check_next(&self, pack: &Pack) -> Result<(), EngineError> {
        self.check_agency(pack)?;
        let (code, found) = (pack.code(), pack.version());
        let last = self.last_version(code)?;
        if found != last + 1 {
            return Err(EngineError::PackVersionGap { pack: code.clone(), last, found });
        }
        self.packs.check_offers(pack)
    }

    /// The newest version of a pack that this agency published, 0 for none.
    pub(super) fn last_version(&self, code: &PackCode) -> Result<u32, EngineError> {
        let packs = self.model.packs()?.value;
        let own = packs.iter().filter(|row| row.author == self.author.agency);
        let versions = own.filter(|row| &row.published.code == code);
        Ok(versions.map(|row| row.published.version).max().unwrap_or(0))
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
    ///
    /// # Errors
    /// No pack offers it, or it was withdrawn.
    pub fn pack_in_force(&self, service: &ServiceCode) -> Result<Arc<InstalledPack>, EngineError> {
        self.packs.in_force(service)
    }

    /// Every service that can be applied for, with the pack that new applications follow, in the
    /// order of codes.
    #[must_use]
    pub fn services_in_force(&self) -> Vec<(ServiceCode, Arc<InstalledPack>)> {
        self.packs.services()
    }

    /// The last pack that has a service, whether it is withdrawn since or not.
    #[must_use]
    pub fn pack_with_service(&self, service: &ServiceCode) -> Option<Arc<InstalledPack>> {
        self.packs.with_service(service)
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

    /// The last pack that has a registry, whether it is withdrawn since or not.
    #[must_use]
    pub fn pack_of_registry(&self, code: &RegistryCode) -> Option<Arc<InstalledPack>> {
        self.packs.of_registry(code)
    }

    /// The definition of a registry, in the last pack that has it.
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
