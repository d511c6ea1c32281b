//! Payments of what was granted: how much, when, and who pays.
//!
//! Not here: whether the parts fit (`validate`), and which months are due (`payment`).

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::Post;
use crate::code::FieldPath;
use crate::messages::Text;
use crate::pack::ValueRef;

/// What a granted entry pays.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payments {
    /// The amount of one payment in hundredths of the currency: a member of the decision that the
    /// effect enters, so that a change of the entry changes it.
    pub amount: Spanned<ValueRef>,
    /// How often.
    pub every: Every,
    /// On which day of the month.
    pub day: Spanned<i8>,
    /// Who pays and notes what became of it.
    pub pays: Post,
    /// Fields of the entry that whoever pays is given, such as an account.
    pub payee: Vec<Spanned<FieldPath>>,
    /// The act that it is paid by.
    #[serde(default)]
    pub law: Text,
}

/// How often an entry pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Every {
    /// Once a month.
    Month,
}
