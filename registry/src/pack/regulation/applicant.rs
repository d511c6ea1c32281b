//! Who may apply: kinds of applicants with what each must give, and representatives.
//!
//! Not here: whether a form keeps to it; see `form::applicant`.

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::code::{FieldPath, GroundCode};
use crate::messages::Text;

/// What kind of applicant somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApplicantKind {
    /// A natural person.
    Person,
    /// A natural person of another state.
    ForeignCitizen,
    /// A natural person in business.
    SoleProprietor,
    /// A legal person.
    Organisation,
    /// A legal person of another state, which acts through a representative.
    ForeignOrganisation,
}

/// What an applicant of a kind must give. A kind alone asks for what the form's schema asks.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "ApplicantText")]
pub struct ApplicantRule {
    /// The kind.
    pub kind: ApplicantKind,
    /// Fields that such an applicant must fill in beside those the schema requires.
    pub required: Vec<Spanned<FieldPath>>,
    /// Fields that such an applicant must leave out.
    pub absent: Vec<Spanned<FieldPath>>,
}

/// What somebody must give who applies for another.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepresentativeRule {
    /// A field that is filled in exactly when a representative applies.
    pub by: Spanned<FieldPath>,
    /// Fields that a representative must fill in.
    pub required: Vec<Spanned<FieldPath>>,
    /// The field with the last day on which the power is in force.
    pub power_until: Spanned<FieldPath>,
    /// The intake ground when the power has ended.
    pub ground: Spanned<GroundCode>,
    /// The act that lets somebody apply for another.
    #[serde(default)]
    pub law: Text,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ApplicantText {
    Kind(ApplicantKind),
    Rule(ApplicantFields),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ApplicantFields {
    kind: ApplicantKind,
    #[serde(default)]
    required: Vec<Spanned<FieldPath>>,
    #[serde(default)]
    absent: Vec<Spanned<FieldPath>>,
}

impl From<ApplicantText> for ApplicantRule {
    fn from(text: ApplicantText) -> Self {
        match text {
            ApplicantText::Kind(kind) => Self { kind, required: vec![], absent: vec![] },
            ApplicantText::Rule(ApplicantFields { kind, required, absent }) => {
                Self { kind, required, absent }
            }
        }
    }
}

impl ApplicantKind {
    /// The kind as packs and forms spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::ForeignCitizen => "foreign_citizen",
            Self::SoleProprietor => "sole_proprietor",
            Self::Organisation => "organisation",
            Self::ForeignOrganisation => "foreign_organisation",
        }
    }
}
