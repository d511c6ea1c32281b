//! Reading the files of a pack into its parts.
//!
//! Every file is read before anything is refused, so that one run shows every problem.

use std::collections::{BTreeMap, BTreeSet};

use letopis_ledger::Hash;
use letopis_ledger::id::AgencyId;
use letopis_rules::calendar::{Calendars, YearCalendar};
use letopis_rules::deadline::UtcOffset;
use letopis_rules::decision::{AdmissionError, AdmittedModel};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_saphyr::Spanned;

use super::error::{PackError, PackRule, Problems};
use super::{
    Act, Classifier, Classifiers, ComplexService, DocumentKind, FormSchema, LegalCalendar,
    Lifecycle, Pack, PackFiles, Parts, Registry, Regulation, RequestKind, Route, Service,
    StepGraph, Template, TestCase, Unit, act, validate,
};
use crate::code::{
    ClassifierCode, ComplexCode, PackCode, RegistryCode, RequestKindCode, ServiceCode,
};
use crate::event::ModelRef;
use crate::messages::{Language, Text};

const MANIFEST: &str = "pack.yaml";

/// `pack.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    code: PackCode,
    version: Spanned<u32>,
    #[serde(default)]
    title: Text,
    agency: Spanned<String>,
    #[serde(default)]
    issuer: Text,
    utc_offset_minutes: Spanned<i32>,
    calendars: Vec<Spanned<String>>,
    services: Vec<Spanned<ServiceCode>>,
    registries: Vec<Spanned<RegistryCode>>,
    #[serde(default)]
    complex: Vec<Spanned<ComplexCode>>,
    #[serde(default)]
    classifiers: Vec<Spanned<ClassifierCode>>,
    #[serde(default)]
    requests: Vec<Spanned<RequestKindCode>>,
    #[serde(default)]
    units: Vec<Unit>,
    /// Where applications go that other systems send by codes of their own.
    #[serde(default)]
    routes: Vec<Route>,
    /// The acts that everything in the pack follows from.
    acts: Vec<Act>,
    #[serde(default)]
    lifecycle: Option<Lifecycle>,
}

/// One file of test cases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    cases: Vec<TestCase>,
}

pub(super) fn read(files: PackFiles) -> Result<Pack, Vec<PackError>> {
    let mut reader = Reader { files: &files, used: BTreeSet::new(), problems: Problems::default() };
    let Some(manifest) = reader.yaml::<Manifest>(MANIFEST) else {
        return Err(reader.problems.into_errors());
    };
    let agency = reader.agency(&manifest);
    let calendar = reader.calendar(&manifest);
    for (what, text) in [("title", &manifest.title), ("issuer", &manifest.issuer)] {
        for language in text.missing() {
            let what = format!("the pack's {what}");
            reader.problems.add(MANIFEST, None, PackRule::MissingLanguage { what, language });
        }
    }
    let parts = reader.parts(&manifest);
    if let Some(lifecycle) = &manifest.lifecycle {
        validate::lifecycle(lifecycle, &parts.units, MANIFEST, &mut reader.problems);
    }
    let services = reader.services(&manifest, &parts.classifiers);
    for service in services.values() {
        validate::service(service, &parts, &mut reader.problems);
    }
    let complex = reader.complex(&manifest, &services);
    validate::routes(&manifest.routes, &services, MANIFEST, &mut reader.problems);
    for act in &manifest.acts {
        let line = Some(act.cite.referenced.line());
        validate::act(act, (MANIFEST, line), &mut reader.problems);
    }
    act::check(&manifest.acts, &mut reader.problems);
    reader.refuse_unused();
    if !reader.problems.is_empty() {
        return Err(reader.problems.into_errors());
    }
    let (agency, calendar) = agency.zip(calendar).expect("invariant: no problem was found");
    Ok(Pack {
        code: manifest.code,
        version: manifest.version.value,
        title: manifest.title,
        issuer: manifest.issuer,
        agency,
        calendar,
        lifecycle: manifest.lifecycle,
        services,
        complex,
        routes: manifest.routes,
        acts: manifest.acts,
        parts,
        files,
    })
}

struct Reader<'a> {
    files: &'a PackFiles,
    used: BTreeSet<String>,
    problems: Problems,
}

impl Reader<'_> {
    fn text(&mut self, path: &str) -> Option<String> {
        self.used.insert(path.to_owned());
        let Some(bytes) = self.files.get(path) else {
            self.problems.add(path, None, PackRule::MissingFile);
            return None;
        };
        match String::from_utf8(bytes.to_vec()) {
            Ok(text) => Some(text),
            Err(e) => {
                let reason = format!("not UTF-8: {e}");
                self.problems.add(path, None, PackRule::Malformed { reason });
                None
            }
        }
    }

    fn yaml<T: DeserializeOwned>(&mut self, path: &str) -> Option<T> {
        let text = self.text(path)?;
        let malformed = |e: serde_saphyr::Error| {
            let line = e.location().map(|location| location.line());
            let reason = e.without_snippet().to_string();
            PackError { file: path.to_owned(), line, rule: PackRule::Malformed { reason } }
        };
        self.problems.keep(serde_saphyr::from_str(&text).map_err(malformed))
    }

    fn agency(&mut self, manifest: &Manifest) -> Option<AgencyId> {
        if manifest.version.value == 0 {
            let reason = "versions count from 1".to_owned();
            let line = Some(manifest.version.referenced.line());
            self.problems.add(MANIFEST, line, PackRule::Malformed { reason });
        }
        let malformed = |e: letopis_ledger::id::NameError| PackError {
            file: MANIFEST.to_owned(),
            line: Some(manifest.agency.referenced.line()),
            rule: PackRule::Malformed { reason: e.to_string() },
        };
        self.problems.keep(AgencyId::parse(&manifest.agency.value).map_err(malformed))
    }

    fn calendar(&mut self, manifest: &Manifest) -> Option<LegalCalendar> {
        let mut years = Vec::new();
        for path in &manifest.calendars {
            let Some(text) = self.text(&path.value) else { continue };
            match YearCalendar::from_json(&text) {
                Ok(year) => years.push(year),
                Err(e) => self.problems.add(&path.value, None, e.into()),
            }
        }
        let in_manifest = |rule| PackError { file: MANIFEST.to_owned(), line: None, rule };
        let calendars = Calendars::new(years).map_err(|e| in_manifest(e.into()));
        let zone = UtcOffset::from_minutes(manifest.utc_offset_minutes.value).map_err(|e| {
            let (what, reason) = ("utc_offset_minutes".to_owned(), e.to_string());
            in_manifest(PackRule::Term { what, reason })
        });
        let calendars = self.problems.keep(calendars);
        let zone = self.problems.keep(zone);
        Some(LegalCalendar::new(calendars?, zone?))
    }

    /// What the services share, checked by itself.
    fn parts(&mut self, manifest: &Manifest) -> Parts {
        let mut parts = Parts { units: manifest.units.clone(), ..Parts::default() };
        validate::units(&parts.units, MANIFEST, &mut self.problems);
        let registries = ("registry", "registries");
        for (path, registry) in self.each::<Registry, _>(registries, &manifest.registries) {
            self.same_code(&path, &registry.code);
            validate::registry(&registry, &path, &mut self.problems);
            parts.registries.insert(registry.code.value.clone(), registry);
        }
        for registry in parts.registries.values() {
            let path = format!("registries/{}.yaml", registry.code.value);
            validate::rests_on(registry, &parts.registries, &path, &mut self.problems);
        }
        let kinds = ("request kind", "requests");
        for (path, kind) in self.each::<RequestKind, _>(kinds, &manifest.requests) {
            self.same_code(&path, &kind.code);
            validate::request_kind(&kind, &path, &mut self.problems);
            parts.request_kinds.insert(kind.code.value.clone(), kind);
        }
        let (classifiers, mut read) = (("classifier", "classifiers"), BTreeMap::new());
        for (path, one) in self.each::<Classifier, _>(classifiers, &manifest.classifiers) {
            self.same_code(&path, &one.code);
            validate::classifier(&one, &path, &mut self.problems);
            read.insert(one.code.value.clone(), one);
        }
        parts.classifiers = Classifiers::new(read);
        parts
    }

    /// Services that are asked for at once.
    fn complex(
        &mut self,
        manifest: &Manifest,
        services: &BTreeMap<ServiceCode, Service>,
    ) -> BTreeMap<ComplexCode, ComplexService> {
        let mut read = BTreeMap::new();
        let what = ("complex request", "complex");
        for (path, one) in self.each::<ComplexService, _>(what, &manifest.complex) {
            self.same_code(&path, &one.code);
            validate::complex(&one, services, &path, &mut self.problems);
            read.insert(one.code.value.clone(), one);
        }
        read
    }

    /// The files of one kind that the manifest names, with their paths.
    fn each<T: DeserializeOwned, C: ToString>(
        &mut self,
        (what, folder): (&'static str, &str),
        codes: &[Spanned<C>],
    ) -> Vec<(String, T)> {
        let mut read = Vec::new();
        let mut seen = BTreeSet::new();
        for code in codes {
            let name = code.value.to_string();
            let path = format!("{folder}/{name}.yaml");
            if !seen.insert(name.clone()) {
                let rule = PackRule::Duplicate { what, name };
                self.problems.add(MANIFEST, Some(code.referenced.line()), rule);
            } else if let Some(value) = self.yaml(&path) {
                read.push((path, value));
            }
        }
        read
    }

    /// That a file is of the code that its name says.
    fn same_code<C: ToString>(&mut self, path: &str, found: &Spanned<C>) {
        let (code, line) = (found.value.to_string(), Some(found.referenced.line()));
        let name = path.rsplit('/').next().and_then(|name| name.strip_suffix(".yaml"));
        let expected = name.unwrap_or(path).to_owned();
        if expected != code {
            let rule = PackRule::CodeMismatch { expected, found: code };
            self.problems.add(path, line, rule);
        }
    }

    fn services(
        &mut self,
        manifest: &Manifest,
        classifiers: &Classifiers,
    ) -> BTreeMap<ServiceCode, Service> {
        let mut services = BTreeMap::new();
        for code in &manifest.services {
            if services.contains_key(&code.value) {
                let name = code.value.to_string();
                let rule = PackRule::Duplicate { what: "service", name };
                self.problems.add(MANIFEST, Some(code.referenced.line()), rule);
            } else if let Some(service) = self.service(&code.value, classifiers) {
                services.insert(code.value.clone(), service);
            }
        }
        services
    }

    fn service(&mut self, code: &ServiceCode, classifiers: &Classifiers) -> Option<Service> {
        let folder = format!("services/{code}");
        let path = format!("{folder}/regulation.yaml");
        let regulation = self.yaml::<Regulation>(&path);
        let form = self.form(&format!("{folder}/form.schema.json"));
        let model = self.model(&folder);
        let templates = self.templates(&folder, regulation.as_ref());
        let cases = self.cases(&folder);
        let regulation = regulation?;
        let found = &regulation.service;
        if &found.value != code {
            let rule = PackRule::CodeMismatch {
                expected: code.to_string(),
                found: found.value.to_string(),
            };
            self.problems.add(&path, Some(found.referenced.line()), rule);
        }
        let graph = match StepGraph::new(&regulation) {
            Ok(graph) => graph,
            Err(circle) => {
                let path_of_circle = circle.iter().map(ToString::to_string).collect();
                let first = regulation.step(&circle[0]);
                let line = first.map(|step| step.code.referenced.line());
                self.problems.add(&path, line, PackRule::Cycle { path: path_of_circle });
                return None;
            }
        };
        let (model, model_ref) = model?;
        let (form, classifiers) = (form?, Classifiers::clone(classifiers));
        Some(Service { regulation, graph, form, model, model_ref, templates, cases, classifiers })
    }

    fn form(&mut self, path: &str) -> Option<FormSchema> {
        let text = self.text(path)?;
        match FormSchema::parse(&text) {
            Ok(form) => Some(form),
            Err(rules) => {
                for rule in rules {
                    self.problems.add(path, None, rule);
                }
                None
            }
        }
    }

    /// The rules of a service: `decision.md`, or else `decision.dmn`.
    fn model(&mut self, folder: &str) -> Option<(AdmittedModel, ModelRef)> {
        let [markdown, dmn] = ["md", "dmn"].map(|kind| format!("{folder}/decision.{kind}"));
        let path = if self.files.get(&markdown).is_some() { &markdown } else { &dmn };
        let text = self.text(path)?;
        match AdmittedModel::admit(&text) {
            Ok(model) => {
                let sha256 = Hash::from_bytes(*model.digest().as_bytes());
                Some((model, ModelRef { path: path.to_owned(), sha256 }))
            }
            Err(errors) => {
                for error in errors {
                    let line = match &error {
                        AdmissionError::Markdown { line, .. } => u64::try_from(*line).ok(),
                        _ => None,
                    };
                    self.problems.add(path, line, error.into());
                }
                None
            }
        }
    }

    fn templates(
        &mut self,
        folder: &str,
        regulation: Option<&Regulation>,
    ) -> BTreeMap<(DocumentKind, Language), Template> {
        let mut templates = BTreeMap::new();
        for kind in DocumentKind::of(regulation) {
            for language in Language::ALL {
                let path = format!("{folder}/{}", kind.path(language));
                let Some(text) = self.text(&path) else { continue };
                match Template::parse(&text) {
                    Some(template) => {
                        templates.insert((kind, language), template);
                    }
                    None => {
                        let reason = "a {{ has no }}".to_owned();
                        self.problems.add(&path, None, PackRule::Malformed { reason });
                    }
                }
            }
        }
        templates
    }

    fn cases(&mut self, folder: &str) -> Vec<TestCase> {
        let prefix = format!("{folder}/cases/");
        let files = self.files;
        let paths = files.iter().map(|(path, _)| path).filter(|path| path.starts_with(&prefix));
        let mut cases = Vec::new();
        for path in paths.filter(|path| path.ends_with(".yaml")) {
            let Some(file) = self.yaml::<CaseFile>(path) else { continue };
            cases.extend(file.cases.into_iter().map(|case| TestCase { file: path.into(), ..case }));
        }
        cases
    }

    fn refuse_unused(&mut self) {
        let files = self.files;
        for (path, _) in files.iter().filter(|(path, _)| !self.used.contains(*path)) {
            self.problems.add(path, None, PackRule::UnusedFile);
        }
    }
}
