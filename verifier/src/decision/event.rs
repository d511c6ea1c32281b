//! The events of a case as a verifier needs them, read from their public fields.
//!
//! Written from `docs/EVENTS.md`, not from the code that writes them: a reader of its own finds
//! where the two differ.

use letopis_ledger::json::{FieldError, Fields, Json, Object};
use letopis_ledger::{Hash, LeafIndex, Timestamp};
use letopis_rules::deadline::Term;

/// What `application.submitted` pins.
#[derive(Debug)]
pub(super) struct Submitted {
    pub(super) service: String,
    pub(super) pack: String,
    pub(super) pack_version: u64,
    pub(super) pack_leaf: LeafIndex,
}

/// What `application.registered` promises.
#[derive(Debug)]
pub(super) struct Registered {
    pub(super) number: String,
    pub(super) registered_at: Timestamp,
    pub(super) term: Term,
    pub(super) due: Timestamp,
}

/// What `application.decided` states.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) outcome: String,
    pub(super) grounds: Vec<String>,
    pub(super) model_path: String,
    pub(super) model_sha256: Hash,
    pub(super) decision: String,
    pub(super) engine: String,
    pub(super) trace: Vec<(String, Vec<String>)>,
}

/// What `application.result_issued` points to.
#[derive(Debug)]
pub(super) struct ResultIssued {
    pub(super) registry_entry: String,
    pub(super) number: String,
    pub(super) valid_from: String,
    pub(super) valid_until: String,
}

impl Submitted {
    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("application.submitted", data);
        let mut pack = Fields::of_object("pack", fields.object("pack")?);
        Ok(Self {
            service: fields.string("service")?.to_owned(),
            pack: pack.string("code")?.to_owned(),
            pack_version: pack.unsigned("version")?,
            pack_leaf: LeafIndex::new(pack.unsigned("leaf")?),
        })
    }
}

impl Registered {
    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("application.registered", data);
        let mut term = Fields::of_object("term", fields.object("term")?);
        let units: [(&'static str, fn(u32) -> Term); 3] = [
            ("working_days", Term::WorkingDays),
            ("calendar_days", Term::CalendarDays),
            ("hours", Term::Hours),
        ];
        let mut found = None;
        for (unit, make) in units {
            if term.optional(unit).is_some() {
                let count = u32::try_from(term.unsigned(unit)?);
                found = Some(make(count.map_err(|_| term.invalid(unit, &"out of range"))?));
            }
        }
        Ok(Self {
            number: fields.string("number")?.to_owned(),
            registered_at: fields.parsed("registered_at", Timestamp::parse)?,
            term: found.ok_or_else(|| fields.invalid("term", &"no known unit"))?,
            due: fields.parsed("due", Timestamp::parse)?,
        })
    }
}

impl Decided {
    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("application.decided", data);
        let mut model = Fields::of_object("model", fields.object("model")?);
        let mut grounds = Vec::new();
        for ground in fields.array("grounds")? {
            grounds.push(Fields::of("ground", ground)?.string("code")?.to_owned());
        }
        let mut trace = Vec::new();
        for table in fields.array("trace")? {
            let mut table = Fields::of("trace", table)?;
            let rules = table.array("rules")?.iter().filter_map(Json::as_str).map(str::to_owned);
            trace.push((table.string("decision")?.to_owned(), rules.collect()));
        }
        Ok(Self {
            outcome: fields.string("outcome")?.to_owned(),
            grounds,
            model_path: model.string("path")?.to_owned(),
            model_sha256: model
                .parsed("sha256", |text| Hash::from_hex(text).ok_or("not a SHA-256"))?,
            decision: fields.string("decision")?.to_owned(),
            engine: fields.string("engine")?.to_owned(),
            trace,
        })
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

/// The files of a `pack.published`, by path.
pub(super) fn pack_files(data: &Object) -> Result<Vec<(String, Hash)>, FieldError> {
    let mut fields = Fields::of_object("pack.published", data);
    let mut files = Vec::new();
    for file in fields.array("files")? {
        let mut file = Fields::of("file", file)?;
        let sha256 =
            file.parsed("sha256", |text| Hash::from_hex(text).ok_or("not a SHA-256"))?;
        files.push((file.string("path")?.to_owned(), sha256));
    }
    Ok(files)
}

/// Code and version of a `pack.published`.
pub(super) fn pack_identity(data: &Object) -> Result<(String, u64), FieldError> {
    let mut fields = Fields::of_object("pack.published", data);
    Ok((fields.string("code")?.to_owned(), fields.unsigned("version")?))
}
