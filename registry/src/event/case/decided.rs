//! `application.decided`: the outcome, its grounds with their evidence, and how to repeat it.

use letopis_ledger::json::{FieldError, Fields, Json, Object};
use letopis_ledger::{Hash, StreamVersion, TreeSize};

use crate::code::GroundCode;
use crate::event::fields::{number, parse_array, parse_texts, text, texts, version};

/// The case was decided. The inputs are disclosures named `input.<name>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// Granted or refused.
    pub outcome: Outcome,
    /// Grounds for refusal from the closed list of the regulation; none when granted.
    pub grounds: Vec<GroundFound>,
    /// The decision model.
    pub model: ModelRef,
    /// Name of the decision inside the model that was asked.
    pub decision: String,
    /// The engine whose semantics apply.
    pub engine: String,
    /// Which rules matched, in the order of evaluation.
    pub trace: Vec<MatchedRules>,
    /// Counts of registry entries among the inputs are those of a log of this size.
    pub read_size: TreeSize,
}

/// How a case was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The applicant gets what was asked for.
    Granted,
    /// The applicant does not, for stated grounds.
    Refused,
}

/// One ground for refusal with what supports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroundFound {
    /// Its code in the regulation.
    pub code: GroundCode,
    /// At least one reference.
    pub evidence: Vec<Evidence>,
}

/// A reference to a fact: an event of the same case, and what in it is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Which kind of fact.
    pub kind: EvidenceKind,
    /// The form's field, the request or the input.
    pub of: String,
    /// Version of the event in the case's stream that carries the fact.
    pub version: StreamVersion,
}

/// Which kind of fact a ground rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvidenceKind {
    /// A field of the form.
    Form,
    /// The answer of a request.
    Answer,
    /// An input of the decision.
    Input,
}

/// The decision model as a file of the pinned pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelRef {
    /// Its path inside the pack.
    pub path: String,
    /// SHA-256 of its bytes.
    pub sha256: Hash,
}

/// The rules of one table that matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchedRules {
    /// The table's decision.
    pub decision: String,
    /// Ids of the rules, in the order of the table.
    pub rules: Vec<String>,
}

impl Outcome {
    /// The outcome as events and tables spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Refused => "refused",
        }
    }

    /// Reads the spelling of [`Outcome::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Granted, Self::Refused].into_iter().find(|outcome| outcome.as_str() == text)
    }
}

impl EvidenceKind {
    /// The kind as events spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Answer => "answer",
            Self::Input => "input",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Form, Self::Answer, Self::Input].into_iter().find(|kind| kind.as_str() == text)
    }
}

impl Decided {
    pub(super) fn data(&self) -> Object {
        let model = Object::new()
            .with("path", text(&self.model.path))
            .with("sha256", self.model.sha256.to_hex().as_str());
        let grounds: Vec<Json> = self.grounds.iter().map(GroundFound::to_json).collect();
        let trace: Vec<Json> = self.trace.iter().map(MatchedRules::to_json).collect();
        Object::new()
            .with("outcome", self.outcome.as_str())
            .with("grounds", grounds)
            .with("model", model)
            .with("decision", text(&self.decision))
            .with("engine", text(&self.engine))
            .with("trace", trace)
            .with("read_size", number(self.read_size.get()))
    }

    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("application.decided", data);
        let read = Self {
            outcome: fields.parsed("outcome", |text| {
                Outcome::parse(text).ok_or("neither \"granted\" nor \"refused\"")
            })?,
            grounds: parse_array(&mut fields, "grounds", GroundFound::parse)?,
            model: ModelRef::read(fields.object("model")?)?,
            decision: fields.string("decision")?.to_owned(),
            engine: fields.string("engine")?.to_owned(),
            trace: parse_array(&mut fields, "trace", MatchedRules::parse)?,
            read_size: TreeSize::new(fields.unsigned("read_size")?),
        };
        if (read.outcome == Outcome::Granted) != read.grounds.is_empty() {
            return Err(fields.invalid("grounds", &"refused needs a ground, granted has none"));
        }
        fields.finish()?;
        Ok(read)
    }
}

impl GroundFound {
    fn to_json(&self) -> Json {
        let evidence: Vec<Json> = self.evidence.iter().map(Evidence::to_json).collect();
        Object::new().with("code", self.code.as_str()).with("evidence", evidence).into()
    }

    fn parse(value: &Json) -> Result<Self, FieldError> {
        let mut fields = Fields::of("ground", value)?;
        let code = fields.parsed("code", GroundCode::parse)?;
        let evidence = parse_array(&mut fields, "evidence", Evidence::parse)?;
        if evidence.is_empty() {
            return Err(fields.invalid("evidence", &"a ground needs at least one reference"));
        }
        fields.finish()?;
        Ok(Self { code, evidence })
    }
}

impl Evidence {
    fn to_json(&self) -> Json {
        Object::new()
            .with("kind", self.kind.as_str())
            .with("of", text(&self.of))
            .with("version", version(self.version))
            .into()
    }

    fn parse(value: &Json) -> Result<Self, FieldError> {
        let mut fields = Fields::of("evidence", value)?;
        let read = Self {
            kind: fields.parsed("kind", |text| {
                EvidenceKind::parse(text).ok_or("neither \"form\", \"answer\" nor \"input\"")
            })?,
            of: fields.string("of")?.to_owned(),
            version: StreamVersion::new(fields.unsigned("version")?),
        };
        fields.finish()?;
        Ok(read)
    }
}

impl ModelRef {
    fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("model", data);
        let path = fields.string("path")?.to_owned();
        let sha256 = fields.parsed("sha256", |text| {
            Hash::from_hex(text).ok_or("not 64 lower-case hexadecimal digits")
        })?;
        fields.finish()?;
        Ok(Self { path, sha256 })
    }
}

impl MatchedRules {
    fn to_json(&self) -> Json {
        Object::new()
            .with("decision", text(&self.decision))
            .with("rules", texts(&self.rules))
            .into()
    }

    fn parse(value: &Json) -> Result<Self, FieldError> {
        let mut fields = Fields::of("trace", value)?;
        let decision = fields.string("decision")?.to_owned();
        let rules = parse_texts(&mut fields, "rules", |rule| Ok::<_, String>(rule.to_owned()))?;
        fields.finish()?;
        Ok(Self { decision, rules })
    }
}
