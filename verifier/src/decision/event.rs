//! The events of a case as a verifier needs them, read from their public fields.
//!
//! Written from `docs/EVENTS.md`, not from the code that writes them: a reader of its own finds
//! where the two differ.

use std::collections::BTreeMap;

use letopis_ledger::json::{FieldError, Fields, Json, Object};
use letopis_ledger::{Hash, LeafIndex, Timestamp};
use letopis_rules::deadline::Term;

/// What `application.submitted` pins.
#[derive(Debug)]
pub(super) struct Submitted {
    pub(super) service: String,
    pub(super) pinned: Pinned,
    /// The entry that the case is about, if it follows up one that exists.
    pub(super) about: Option<About>,
}

/// A version of a pack by which something is done.
#[derive(Debug)]
pub(super) struct Pinned {
    pub(super) code: String,
    pub(super) version: u64,
    /// The leaf that published it.
    pub(super) leaf: LeafIndex,
}

/// What `application.submitted` of a follow-up case says of its entry.
#[derive(Debug, Clone)]
pub(super) struct About {
    /// The entry, and its newest event as the submission knew it.
    pub(super) entry: SourceRef,
    /// `renewal` or `review`.
    pub(super) cause: String,
    /// The event of a fact that began a review.
    pub(super) fact: Option<SourceRef>,
}

/// An event of a stream, and its leaf.
#[derive(Debug, Clone)]
pub(super) struct SourceRef {
    pub(super) stream: String,
    pub(super) version: u64,
    pub(super) leaf: LeafIndex,
}

/// What `application.registered` promises.
#[derive(Debug)]
pub(super) struct Registered {
    pub(super) number: String,
    pub(super) registered_at: Timestamp,
    pub(super) term: Term,
    pub(super) due: Timestamp,
    pub(super) last_day: String,
    pub(super) provisional: bool,
}

/// What `application.decided` states.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) outcome: Outcome,
    pub(super) grounds: Vec<GroundFound>,
    pub(super) model_path: String,
    pub(super) model_sha256: Hash,
    pub(super) decision: String,
    pub(super) engine: String,
    pub(super) trace: Vec<(String, Vec<String>)>,
    /// Counts among the inputs are those of a log of so many leaves.
    pub(super) read_size: u64,
}

/// How a case was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Granted,
    Refused,
}

/// A ground for refusal with the facts of the case that support it.
#[derive(Debug)]
pub(super) struct GroundFound {
    pub(super) code: String,
    pub(super) evidence: Vec<Evidence>,
}

/// A reference to an event of the case, and what in it is meant.
#[derive(Debug)]
pub(super) struct Evidence {
    pub(super) kind: String,
    pub(super) of: String,
    pub(super) version: u64,
}

/// What `application.result_issued` points to.
#[derive(Debug)]
pub(super) struct ResultIssued {
    pub(super) registry_entry: String,
    pub(super) number: String,
    pub(super) valid_from: String,
    pub(super) valid_until: String,
}

/// What `registry.entry_created` of a granted case states.
#[derive(Debug)]
pub(super) struct EntryCreated {
    pub(super) registry: String,
    pub(super) number: String,
    pub(super) valid_from: String,
    pub(super) valid_until: String,
}

/// What `registry.entry_revised` of a granted follow-up case states.
#[derive(Debug)]
pub(super) struct EntryRevised {
    pub(super) valid_from: String,
    pub(super) valid_until: String,
}

/// The decision that an event of an entry names as its basis.
#[derive(Debug)]
pub(super) struct BasisRef {
    pub(super) kind: String,
    pub(super) version: u64,
}

/// What `registry.entry_excluded` states where a fact is its basis.
#[derive(Debug)]
pub(super) struct Excluded {
    pub(super) rule: String,
    /// The leaf of the fact.
    pub(super) leaf: LeafIndex,
}

impl Excluded {
    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("registry.entry_excluded", data);
        let mut basis = Fields::of_object("basis", fields.object("basis")?);
        if basis.string("kind")? != "fact" {
            return Err(basis.invalid("kind", &"not \"fact\""));
        }
        Ok(Self {
            rule: basis.string("rule")?.to_owned(),
            leaf: LeafIndex::new(basis.unsigned("leaf")?),
        })
    }
}

impl Submitted {
    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("application.submitted", data);
        let mut pack = Fields::of_object("pack", fields.object("pack")?);
        Ok(Self {
            service: fields.string("service")?.to_owned(),
            pinned: Pinned {
                code: pack.string("code")?.to_owned(),
                version: pack.unsigned("version")?,
                leaf: LeafIndex::new(pack.unsigned("leaf")?),
            },
            about: match fields.optional("about") {
                None => None,
                Some(_) => Some(About::read(fields.object("about")?)?),
            },
        })
    }
}

impl About {
    fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("about", data);
        let fact = match fields.optional("fact") {
            None => None,
            Some(_) => Some(SourceRef::read(fields.object("fact")?, "stream")?),
        };
        let cause = fields.string("cause")?.to_owned();
        Ok(Self { entry: SourceRef::read(data, "registry_entry")?, cause, fact })
    }
}

impl Registered {
    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("application.registered", data);
        let length = read_terms(&mut fields)?;
        Ok(Self {
            number: fields.string("number")?.to_owned(),
            registered_at: fields.parsed("registered_at", Timestamp::parse)?,
            term: length,
            due: fields.parsed("due", Timestamp::parse)?,
            last_day: fields.string("last_day")?.to_owned(),
            provisional: fields
                .required("provisional")?
                .as_bool()
                .ok_or_else(|| fields.invalid("provisional", &"not true or false"))?,
        })
    }
}

impl Outcome {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Refused => "refused",
        }
    }
}

impl Decided {
    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("application.decided", data);
        let mut model = Fields::of_object("model", fields.object("model")?);
        let grounds = fields.array("grounds")?.iter().map(GroundFound::read);
        let grounds = grounds.collect::<Result<_, _>>()?;
        let mut trace = Vec::new();
        for table in fields.array("trace")? {
            let mut table = Fields::of("trace", table)?;
            let rules = strings(&mut table, "rules")?;
            trace.push((table.string("decision")?.to_owned(), rules));
        }
        Ok(Self {
            outcome: fields.parsed("outcome", |text| {
                let known = [Outcome::Granted, Outcome::Refused];
                let found = known.into_iter().find(|outcome| outcome.as_str() == text);
                found.ok_or("neither \"granted\" nor \"refused\"")
            })?,
            grounds,
            model_path: model.string("path")?.to_owned(),
            model_sha256: sha256(&mut model)?,
            decision: fields.string("decision")?.to_owned(),
            engine: fields.string("engine")?.to_owned(),
            trace,
            read_size: fields.unsigned("read_size")?,
        })
    }
}

impl GroundFound {
    fn read(value: &Json) -> Result<Self, FieldError> {
        let mut fields = Fields::of("ground", value)?;
        let mut evidence = Vec::new();
        for item in fields.array("evidence")? {
            let mut item = Fields::of("evidence", item)?;
            evidence.push(Evidence {
                kind: item.string("kind")?.to_owned(),
                of: item.string("of")?.to_owned(),
                version: item.unsigned("version")?,
            });
        }
        Ok(Self { code: fields.string("code")?.to_owned(), evidence })
    }
}

impl ResultIssued {
    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("application.result_issued", data);
        Ok(Self {
            registry_entry: fields.string("registry_entry")?.to_owned(),
            number: fields.string("number")?.to_owned(),
            valid_from: fields.string("valid_from")?.to_owned(),
            valid_until: fields.string("valid_until")?.to_owned(),
        })
    }
}

impl EntryCreated {
    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("registry.entry_created", data);
        Ok(Self {
            registry: fields.string("registry")?.to_owned(),
            number: fields.string("number")?.to_owned(),
            valid_from: fields.string("valid_from")?.to_owned(),
            valid_until: fields.string("valid_until")?.to_owned(),
        })
    }
}

impl EntryRevised {
    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("registry.entry_revised", data);
        Ok(Self {
            valid_from: fields.string("valid_from")?.to_owned(),
            valid_until: fields.string("valid_until")?.to_owned(),
        })
    }
}

impl BasisRef {
    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("registry entry", data);
        let mut basis = Fields::of_object("basis", fields.object("basis")?);
        let kind = basis.string("kind")?.to_owned();
        Ok(Self { kind, version: basis.unsigned("version")? })
    }
}

/// The grounds of an `application.refusal_issued`.
pub(super) fn refusal_grounds(data: &Object) -> Result<Vec<String>, FieldError> {
    strings(&mut Fields::of_object("application.refusal_issued", data), "grounds")
}

/// What a `pack.published` published.
#[derive(Debug)]
pub(super) struct PackPublished {
    pub(super) code: String,
    pub(super) version: u64,
    /// SHA-256 of each file by its path.
    pub(super) files: BTreeMap<String, Hash>,
}

impl PackPublished {
    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("pack.published", data);
        let mut files = BTreeMap::new();
        for file in fields.array("files")? {
            let mut file = Fields::of("file", file)?;
            let path = file.string("path")?.to_owned();
            if files.insert(path, sha256(&mut file)?).is_some() {
                return Err(file.invalid("path", &"occurs twice"));
            }
        }
        Ok(Self {
            code: fields.string("code")?.to_owned(),
            version: fields.unsigned("version")?,
            files,
        })
    }
}

/// The member `term`: a count of one known unit.
pub(super) fn read_terms(fields: &mut Fields<'_>) -> Result<Term, FieldError> {
    let mut term = Fields::of_object("term", fields.object("term")?);
    let found = [
        ("working_days", Term::WorkingDays as fn(u32) -> Term),
        ("calendar_days", Term::CalendarDays),
        ("hours", Term::Hours),
    ]
    .map(|(unit, make)| read_term(&mut term, unit, make));
    let mut found = found.into_iter().filter_map(Result::transpose);
    match (found.next().transpose()?, found.next()) {
        (Some(length), None) => Ok(length),
        _ => Err(fields.invalid("term", &"not a count of one known unit")),
    }
}

fn read_term(
    fields: &mut Fields<'_>,
    unit: &'static str,
    make: fn(u32) -> Term,
) -> Result<Option<Term>, FieldError> {
    if fields.optional(unit).is_none() {
        return Ok(None);
    }
    let count = u32::try_from(fields.unsigned(unit)?);
    Ok(Some(make(count.map_err(|_| fields.invalid(unit, &"longer than any term"))?)))
}

fn sha256(fields: &mut Fields<'_>) -> Result<Hash, FieldError> {
    fields
        .parsed("sha256", |text| Hash::from_hex(text).ok_or("not 64 lower-case hexadecimal digits"))
}

fn strings(fields: &mut Fields<'_>, name: &'static str) -> Result<Vec<String>, FieldError> {
    let items = fields.array(name)?.iter();
    let texts: Option<Vec<String>> = items.map(|item| item.as_str().map(str::to_owned)).collect();
    texts.ok_or_else(|| fields.invalid(name, &"an item is no string"))
}
