//! Documents on paper: results, refusals and extracts as PDF files that last and that everybody
//! can read.
//!
//! Each file is PDF/A-3a and PDF/UA-1 (ISO 19005-3, ISO 14289-1): tagged, with every font inside,
//! and with the machine-readable form attached. The same document gives the same bytes on every
//! machine. A QR code leads to where the document is checked. Not here: what a document says, and
//! who may have it.

mod block;
mod qr;

use std::fmt;

use thiserror::Error;
use typst::foundations::{Array, Bytes, Dict, IntoValue, Smart, Value};
use typst_as_lib::typst_kit_options::TypstKitFontOptions;
use typst_as_lib::{TypstEngine, TypstTemplateMainFile};
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards};

use block::{Block, Run};

/// How every document looks. It meets text only as data, so no text can change it.
const TEMPLATE: &str = include_str!("document.typ");

/// What is put on paper.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    /// Language of the text, as in ISO 639-1: `ru`, `en`.
    pub language: &'a str,
    /// Title in the file's own properties.
    pub title: &'a str,
    /// Who issues it.
    pub issuer: &'a str,
    /// Year, month and day on which it is issued.
    pub date: (i32, u8, u8),
    /// The text in Markdown (CommonMark: headings, paragraphs, lists, emphasis; tables).
    pub markdown: &'a str,
    /// How it is checked.
    pub check: Check<'a>,
    /// The machine-readable form, which is attached.
    pub data: Attachment<'a>,
}

/// The part of a document that says how it is checked.
#[derive(Debug, Clone, Copy)]
pub struct Check<'a> {
    /// Where the QR code leads.
    pub url: &'a str,
    /// What the QR code is, for who cannot see it.
    pub description: &'a str,
    /// Lines beside the code.
    pub lines: &'a [String],
}

/// A file inside the document.
#[derive(Debug, Clone, Copy)]
pub struct Attachment<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is.
    pub description: &'a str,
    /// Its bytes, JSON.
    pub json: &'a [u8],
}

/// Why a document was not typeset.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TypesettingError {
    /// The date is not in the calendar.
    #[error("{year}-{month}-{day} is not a date")]
    Date {
        /// The year.
        year: i32,
        /// The month.
        month: u8,
        /// The day.
        day: u8,
    },
    /// The address does not fit into a QR code.
    #[error("the address of {bytes} bytes does not fit into a QR code: {reason}")]
    Code {
        /// Bytes of the address.
        bytes: usize,
        /// What the encoder says.
        reason: String,
    },
    /// The text cannot be set, or the file would not conform to its standards: a character that no
    /// font has, for instance.
    #[error("the document cannot be typeset: {reason}")]
    Text {
        /// What the typesetter says.
        reason: String,
    },
}

/// Sets documents. It holds the fonts, so make it once.
pub struct Typesetter {
    engine: TypstEngine<TypstTemplateMainFile>,
}

impl fmt::Debug for Typesetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Typesetter").finish_non_exhaustive()
    }
}

impl Default for Typesetter {
    fn default() -> Self {
        Self::new()
    }
}

impl Typesetter {
    /// A typesetter with the fonts that the program brings, and no others: a machine's own fonts
    /// would make the same document differ.
    #[must_use]
    pub fn new() -> Self {
        let fonts = TypstKitFontOptions::new().include_system_fonts(false);
        let engine = TypstEngine::builder().main_file(TEMPLATE).search_fonts_with(fonts).build();
        Self { engine }
    }

    /// The document as a PDF file.
    ///
    /// # Errors
    /// See [`TypesettingError`].
    pub fn pdf(&self, document: &Document<'_>) -> Result<Vec<u8>, TypesettingError> {
        let (year, month, day) = document.date;
        let date = typst::foundations::Datetime::from_ymd(year, month, day)
            .ok_or(TypesettingError::Date { year, month, day })?;
        let mut inputs = Dict::new();
        let mut set = |name: &str, value: Value| inputs.insert(name.into(), value);
        set("language", document.language.into_value());
        set("title", document.title.into_value());
        set("issuer", document.issuer.into_value());
        set("date", date.into_value());
        set("blocks", blocks(&block::parse(document.markdown)));
        set("code", Bytes::new(qr::svg(document.check.url)?.into_bytes()).into_value());
        set("code-description", document.check.description.into_value());
        set("url", document.check.url.into_value());
        let lines = document.check.lines.iter().map(|line| line.as_str().into_value());
        set("lines", lines.collect::<Array>().into_value());
        set("data-name", document.data.name.into_value());
        set("data-description", document.data.description.into_value());
        set("data", Bytes::new(document.data.json.to_vec()).into_value());
        let failed = |reason: String| TypesettingError::Text { reason };
        let typeset = self.engine.compile_with_input(inputs);
        let typeset = typeset.output.map_err(|error| failed(error.to_string()))?;
        let standards = PdfStandards::new(&[PdfStandard::A_3a, PdfStandard::Ua_1])
            .map_err(|error| failed(format!("{error:?}")))?;
        let options = PdfOptions {
            // Nothing but what the document says may differ between two files.
            ident: Smart::Custom(document.check.url.to_owned()),
            creator: Smart::Custom(Some("Letopis".to_owned())),
            standards,
            ..PdfOptions::default()
        };
        typst_pdf::pdf(&typeset, &options).map_err(|errors| {
            let texts = errors.iter().map(|error| error.message.to_string());
            failed(texts.collect::<Vec<_>>().join("; "))
        })
    }
}

/// Blocks as the template reads them: arrays of dictionaries.
fn blocks(blocks: &[Block]) -> Value {
    let dictionary = |kind: &str, members: &[(&str, Value)]| {
        let mut dictionary = Dict::new();
        dictionary.insert("kind".into(), kind.into_value());
        for (name, value) in members {
            dictionary.insert((*name).into(), value.clone());
        }
        dictionary.into_value()
    };
    let set = |block: &Block| match block {
        Block::Heading { level, runs: text } => dictionary(
            "heading",
            &[("level", i64::from(*level).into_value()), ("runs", runs(text))],
        ),
        Block::Paragraph(text) => dictionary("paragraph", &[("runs", runs(text))]),
        Block::List { ordered, items } => {
            let items = items.iter().map(|item| self::blocks(item)).collect::<Array>();
            dictionary("list", &[("ordered", ordered.into_value()), ("items", items.into_value())])
        }
        Block::Table { header, rows } => {
            let row = |row: &Vec<Vec<Run>>| {
                row.iter().map(|cell| runs(cell)).collect::<Array>().into_value()
            };
            let rows = rows.iter().map(row).collect::<Array>();
            dictionary("table", &[("header", row(header)), ("rows", rows.into_value())])
        }
    };
    blocks.iter().map(set).collect::<Array>().into_value()
}

fn runs(runs: &[Run]) -> Value {
    let set = |run: &Run| {
        let mut dictionary = Dict::new();
        dictionary.insert("text".into(), run.text.as_str().into_value());
        dictionary.insert("strong".into(), run.strong.into_value());
        dictionary.insert("emphasis".into(), run.emphasis.into_value());
        dictionary.into_value()
    };
    runs.iter().map(set).collect::<Array>().into_value()
}

#[cfg(test)]
mod test;
