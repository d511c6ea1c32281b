//! What another information system says of an application beside the form: its own names for it.
//!
//! Not here: which service it is for; see `engine::messages`.

use letopis_ledger::json::Json;

use crate::code::SystemCode;
use crate::record_draft::PrivateField;

/// How the names of private fields begin that hold what a system says.
pub(crate) const SOURCE: &str = "source.";

/// Most bytes of each text of a sender beside the form.
pub const SOURCE_TEXT_MAX_BYTES: usize = 200;

/// What a system says of an application beside the form.
#[derive(Clone, PartialEq, Eq)]
pub struct Source {
    /// The system.
    pub system: SystemCode,
    /// Its id of the message.
    pub message_id: String,
    /// Its code of the service.
    pub service_code: String,
    /// The code of the territory that the application is about.
    pub territory: Option<String>,
    /// The number of the receipt that the applicant has from it.
    pub receipt: Option<String>,
    /// The number by which the applicant finds the application there.
    pub cabinet: Option<String>,
}

impl std::fmt::Debug for Source {
    /// Shows no value: a private one must not reach a log line by accident.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("system", &self.system).finish_non_exhaustive()
    }
}

impl Source {
    /// What goes with the application, as private fields named `source.<name>`.
    pub(crate) fn fields(&self) -> Vec<PrivateField> {
        self.texts()
            .map(|(name, text)| PrivateField::new(format!("{SOURCE}{name}"), text))
            .collect()
    }

    /// What there is, by name.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&'static str, Json)> {
        let always = [
            ("message_id", Some(&self.message_id)),
            ("service_code", Some(&self.service_code)),
            ("territory", self.territory.as_ref()),
            ("receipt", self.receipt.as_ref()),
            ("cabinet", self.cabinet.as_ref()),
        ];
        let text = |(name, text): (&'static str, Option<&String>)| {
            Some((name, Json::string(text?.as_str()).ok()?))
        };
        always.into_iter().filter_map(text)
    }

    /// Checks the texts.
    ///
    /// # Errors
    /// What is wrong.
    pub(crate) fn check(&self) -> Result<(), String> {
        let texts = [&self.message_id, &self.service_code];
        let others = [&self.territory, &self.receipt, &self.cabinet];
        let fits = |text: &&String| {
            (1..=SOURCE_TEXT_MAX_BYTES).contains(&text.len()) && Json::string(text.as_str()).is_ok()
        };
        let all = texts.into_iter().chain(others.into_iter().flatten());
        if all.clone().all(|text| fits(&text)) {
            return Ok(());
        }
        Err(format!(
            "each text of the sender has 1 to {SOURCE_TEXT_MAX_BYTES} bytes in Unicode form C"
        ))
    }
}
