//! Papers are set by the `documents` crate. Not here: what they say.

use letopis_documents::{Attachment, Check, Document};
use letopis_registry::engine::{Paper, Typesetter, TypesettingFailed};

/// The typesetter of a node, with the address that it is reached at.
pub(crate) struct PaperSetter {
    setter: letopis_documents::Typesetter,
    /// Without a slash at its end.
    address: String,
}

impl PaperSetter {
    /// A typesetter for a node that the public reaches at `address`.
    pub(crate) fn new(address: &str) -> Self {
        let address = address.trim_end_matches('/').to_owned();
        Self { setter: letopis_documents::Typesetter::new(), address }
    }
}

impl Typesetter for PaperSetter {
    fn pdf(&self, paper: &Paper) -> Result<Vec<u8>, TypesettingFailed> {
        let failed = |reason: String| TypesettingFailed { reason };
        let part = |number: i8| u8::try_from(number).unwrap_or_default();
        let url = format!("{}/{}", self.address, paper.check_path);
        let document = Document {
            language: paper.language.code(),
            title: &paper.title,
            issuer: &paper.issuer,
            date: (i32::from(paper.date.year()), part(paper.date.month()), part(paper.date.day())),
            markdown: &paper.markdown,
            check: Check {
                url: &url,
                description: &paper.code_description,
                lines: &paper.check_lines,
            },
            data: Attachment {
                name: &paper.data_name,
                description: &paper.data_description,
                json: &paper.data,
            },
        };
        self.setter.pdf(&document).map_err(|error| failed(error.to_string()))
    }
}
