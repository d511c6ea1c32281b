//! Markdown as blocks of text runs. Marks that paper has no use for keep their text and nothing
//! else.
//!
//! Not here: how blocks look.

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// A block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Block {
    /// A heading, 1 to 6.
    Heading {
        /// Its level.
        level: u8,
        /// Its text.
        runs: Vec<Run>,
    },
    /// A paragraph.
    Paragraph(Vec<Run>),
    /// A list.
    List {
        /// Whether its items are numbered.
        ordered: bool,
        /// The blocks of each item.
        items: Vec<Vec<Block>>,
    },
    /// A table.
    Table {
        /// Cells of the first row.
        header: Vec<Vec<Run>>,
        /// Cells of the others.
        rows: Vec<Vec<Vec<Run>>>,
    },
}

/// Text of one kind; a line break is `\n`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    /// The text.
    pub(crate) text: String,
    /// Whether it is strong.
    pub(crate) strong: bool,
    /// Whether it is emphasised.
    pub(crate) emphasis: bool,
}

/// Reads Markdown; every text is Markdown, so nothing is refused.
pub(crate) fn parse(markdown: &str) -> Vec<Block> {
    let mut reader = Reader { parser: Parser::new_ext(markdown, Options::ENABLE_TABLES) };
    reader.blocks()
}

struct Reader<'a> {
    parser: Parser<'a>,
}

impl Reader<'_> {
    /// Blocks up to the end of what contains them.
    fn blocks(&mut self) -> Vec<Block> {
        let mut blocks = Vec::new();
        // Text that stands in a container directly, as in the items of a tight list.
        let mut loose = Runs::default();
        while let Some(event) = self.parser.next() {
            let found = match event {
                Event::Start(Tag::Heading { level, .. }) => {
                    Some(Block::Heading { level: number(level), runs: self.runs() })
                }
                Event::Start(Tag::Paragraph) => Some(Block::Paragraph(self.runs())),
                Event::Start(Tag::List(first)) => Some(self.list(first.is_some())),
                Event::Start(Tag::Table(_)) => Some(self.table()),
                Event::Start(Tag::CodeBlock(_) | Tag::HtmlBlock) => {
                    Some(Block::Paragraph(self.runs()))
                }
                Event::Start(Tag::BlockQuote(_)) => {
                    loose.end(&mut blocks);
                    blocks.extend(self.blocks());
                    None
                }
                Event::End(
                    TagEnd::Item | TagEnd::BlockQuote(_) | TagEnd::List(_) | TagEnd::Table,
                ) => break,
                other => {
                    loose.take(other);
                    continue;
                }
            };
            loose.end(&mut blocks);
            blocks.extend(found);
        }
        loose.end(&mut blocks);
        blocks
    }

    fn list(&mut self, ordered: bool) -> Block {
        let mut items = Vec::new();
        while let Some(event) = self.parser.next() {
            match event {
                Event::Start(Tag::Item) => items.push(self.blocks()),
                Event::End(TagEnd::List(_)) => break,
                _ => {}
            }
        }
        Block::List { ordered, items }
    }

    fn table(&mut self) -> Block {
        let (mut header, mut rows) = (Vec::new(), Vec::new());
        while let Some(event) = self.parser.next() {
            match event {
                Event::Start(Tag::TableRow) => rows.push(Vec::new()),
                Event::Start(Tag::TableCell) => {
                    let cell = self.runs();
                    rows.last_mut().unwrap_or(&mut header).push(cell);
                }
                Event::End(TagEnd::Table) => break,
                _ => {}
            }
        }
        Block::Table { header, rows }
    }

    /// The text up to the end of its block.
    fn runs(&mut self) -> Vec<Run> {
        let mut runs = Runs::default();
        for event in self.parser.by_ref() {
            let ends = matches!(
                event,
                Event::End(
                    TagEnd::Heading(_)
                        | TagEnd::Paragraph
                        | TagEnd::TableCell
                        | TagEnd::CodeBlock
                        | TagEnd::HtmlBlock
                )
            );
            if ends {
                break;
            }
            runs.take(event);
        }
        runs.runs
    }
}

/// Runs as they come.
#[derive(Default)]
struct Runs {
    runs: Vec<Run>,
    strong: usize,
    emphasis: usize,
}

impl Runs {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(Tag::Strong) => self.strong += 1,
            Event::End(TagEnd::Strong) => self.strong = self.strong.saturating_sub(1),
            Event::Start(Tag::Emphasis) => self.emphasis += 1,
            Event::End(TagEnd::Emphasis) => self.emphasis = self.emphasis.saturating_sub(1),
            Event::SoftBreak => self.push(" "),
            Event::HardBreak => self.push("\n"),
            Event::Text(text) | Event::Code(text) | Event::Html(text) | Event::InlineHtml(text) => {
                self.push(&text)
            }
            _ => {}
        }
    }

    fn push(&mut self, text: &str) {
        let (strong, emphasis) = (self.strong > 0, self.emphasis > 0);
        match self.runs.last_mut() {
            Some(last) if (last.strong, last.emphasis) == (strong, emphasis) => {
                last.text.push_str(text);
            }
            _ => self.runs.push(Run { text: text.to_owned(), strong, emphasis }),
        }
    }

    /// Makes a paragraph of what has come.
    fn end(&mut self, blocks: &mut Vec<Block>) {
        if !self.runs.is_empty() {
            blocks.push(Block::Paragraph(std::mem::take(&mut self.runs)));
        }
    }
}

const fn number(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Vec<Run> {
        vec![Run { text: text.to_owned(), strong: false, emphasis: false }]
    }

    #[test]
    fn markdown_becomes_blocks() {
        let text = "# Permit РР-1\n\nIssued *to* **Anna**,\nzone Z1.\n\n- one\n- two\n\n\
                    | a | b |\n|---|---|\n| 1 | 2 |\n";
        let run = |text: &str, strong, emphasis| Run { text: text.to_owned(), strong, emphasis };
        let expected = [
            Block::Heading { level: 1, runs: plain("Permit РР-1") },
            Block::Paragraph(vec![
                run("Issued ", false, false),
                run("to", false, true),
                run(" ", false, false),
                run("Anna", true, false),
                run(", zone Z1.", false, false),
            ]),
            Block::List {
                ordered: false,
                items: vec![
                    vec![Block::Paragraph(plain("one"))],
                    vec![Block::Paragraph(plain("two"))],
                ],
            },
            Block::Table {
                header: vec![plain("a"), plain("b")],
                rows: vec![vec![plain("1"), plain("2")]],
            },
        ];
        assert_eq!(parse(text), expected);
    }

    #[test]
    fn nested_lists_and_foreign_marks_keep_their_text() {
        let nested =
            parse("1. one\n   - inner\n2. two\n\n> quoted\n\n<b>x</b> [link](http://a) `c`");
        let inner =
            Block::List { ordered: false, items: vec![vec![Block::Paragraph(plain("inner"))]] };
        let expected = [
            Block::List {
                ordered: true,
                items: vec![
                    vec![Block::Paragraph(plain("one")), inner],
                    vec![Block::Paragraph(plain("two"))],
                ],
            },
            Block::Paragraph(plain("quoted")),
            Block::Paragraph(plain("<b>x</b> link c")),
        ];
        assert_eq!(nested, expected);
    }

    #[test]
    fn escaped_values_bring_no_marks() {
        assert_eq!(parse("\\# \\*a\\* \\<b\\>"), [Block::Paragraph(plain("# *a* <b>"))]);
    }
}
