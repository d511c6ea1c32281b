//! Texts that people read, in Russian and English, from message files.
//!
//! A message is asked for by its id; what varies goes into `{0}`, `{1}`. Texts of a pack (titles,
//! grounds) are the pack's own and travel as [`Text`]. Not here: logs and errors for operators,
//! which are in English and beside the code that makes them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

const RU: &str = include_str!("ru.json");
const EN: &str = include_str!("en.json");

static CATALOGUES: LazyLock<[BTreeMap<String, String>; 2]> = LazyLock::new(|| {
    [RU, EN].map(|file| {
        serde_json::from_str(file).expect("invariant: message files are objects of strings")
    })
});

/// A language of the user interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// Russian.
    Ru,
    /// English.
    En,
}

/// A text in every language of the user interface.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Text {
    /// In Russian.
    pub ru: String,
    /// In English.
    pub en: String,
}

impl Language {
    /// Both languages.
    pub const ALL: [Self; 2] = [Self::Ru, Self::En];

    /// The language's code (ISO 639-1).
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Ru => "ru",
            Self::En => "en",
        }
    }

    /// The language of a code.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code() == code)
    }
}

impl Text {
    /// The text in one language.
    #[must_use]
    pub fn in_language(&self, language: Language) -> &str {
        match language {
            Language::Ru => &self.ru,
            Language::En => &self.en,
        }
    }

    /// The languages in which the text is missing.
    pub fn missing(&self) -> impl Iterator<Item = Language> + '_ {
        Language::ALL.into_iter().filter(|language| self.in_language(*language).trim().is_empty())
    }
}

macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $arguments:literal;)*) => {
        /// A message of the user interface.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum MessageId { $($(#[$doc])* $name,)* }

        impl MessageId {
            /// Every message.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The message's id in the message files, stable for programs.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// How many arguments the message takes.
            #[must_use]
            pub const fn argument_count(self) -> usize {
                match self { $(Self::$name => $arguments,)* }
            }
        }
    };
}

messages! {
    /// A field must be filled in.
    FieldRequired = "field.required", 0;
    /// A field that the form does not have.
    FieldUnknown = "field.unknown", 0;
    /// A value of the wrong kind; the argument is the kind expected.
    FieldKind = "field.kind", 1;
    /// None of the values offered; the argument lists them.
    FieldChoice = "field.choice", 1;
    /// A text that does not have the form asked for.
    FieldPattern = "field.pattern", 0;
    /// A text too short; the argument is the least number of characters.
    FieldTooShort = "field.too_short", 1;
    /// A text too long; the argument is the greatest number of characters.
    FieldTooLong = "field.too_long", 1;
    /// A number too small; the argument is the least one.
    FieldTooSmall = "field.too_small", 1;
    /// A number too large; the argument is the greatest one.
    FieldTooLarge = "field.too_large", 1;
    /// A value that breaks some other rule of the form.
    FieldInvalid = "field.invalid", 0;
    /// A field that the chosen kind of applicant must fill in.
    FieldForApplicant = "field.for_applicant", 0;
    /// A field that the chosen kind of applicant must leave out.
    FieldNotForApplicant = "field.not_for_applicant", 0;
    /// A field that somebody who applies for another must fill in.
    FieldForRepresentative = "field.for_representative", 0;
    /// A field that the offer has filled in with another value.
    FieldPrefilled = "field.prefilled", 0;
    /// An identifier without characters; the argument is an example.
    IdentifierEmpty = "identifier.empty", 1;
    /// An identifier of the wrong length: found, expected, example.
    IdentifierLength = "identifier.length", 3;
    /// A character that the identifier does not have there: position, found, example.
    IdentifierCharacter = "identifier.character", 3;
    /// A part that is never issued: found, example.
    IdentifierPart = "identifier.part", 2;
    /// Control digits that do not agree: found.
    IdentifierControlDigits = "identifier.control_digits", 1;
    /// An area: not a geometry at all.
    GeometryMalformed = "geometry.malformed", 0;
    /// An area: a geometry that is no area: its type.
    GeometryKind = "geometry.kind", 1;
    /// An area: a polygon without a ring.
    GeometryEmpty = "geometry.empty", 0;
    /// An area: too many positions: found, most.
    GeometryPositions = "geometry.positions", 2;
    /// An area: too many rings: found, most.
    GeometryRings = "geometry.rings", 2;
    /// An area: a position that is not two numbers: ring, numbers found.
    GeometryPosition = "geometry.position", 2;
    /// An area: a position that is not on the globe: ring, position.
    GeometryRange = "geometry.range", 2;
    /// An area: a ring that is not closed: its number.
    GeometryOpen = "geometry.open", 1;
    /// An area: a ring with too few corners: its number.
    GeometryShort = "geometry.short", 1;
    /// An area: a ring that meets itself: its number.
    GeometrySelfIntersection = "geometry.self_intersection", 1;
    /// An area: a hole that is not inside: its number.
    GeometryHole = "geometry.hole", 1;
    /// An area: rings that overlap: both numbers.
    GeometryOverlap = "geometry.overlap", 2;
    /// The case waits for answers.
    StatusInProgress = "status.in_progress", 0;
    /// The case ended with a result.
    StatusGranted = "status.granted", 0;
    /// The case ended with a refusal.
    StatusRefused = "status.refused", 0;
    /// The application was not taken.
    StatusNotTaken = "status.not_taken", 0;
    /// Somebody wanted no more of the case.
    StatusCancelled = "status.cancelled", 0;
    /// A notice: The application is registered.
    NoticeRegistered = "notice.registered", 0;
    /// A notice: The application was not taken.
    NoticeNotTaken = "notice.not_taken", 0;
    /// A notice: You are asked for something; the clock may stand still until you answer.
    NoticeAsked = "notice.asked", 0;
    /// A notice: The term of your application has changed.
    NoticeTermChanged = "notice.term_changed", 0;
    /// A notice: The legal term has passed without a decision; you may complain.
    NoticeTermBroken = "notice.term_broken", 0;
    /// A notice: Your application is granted; the result is ready.
    NoticeGranted = "notice.granted", 0;
    /// A notice: Your application is refused; the grounds are in the decision.
    NoticeRefused = "notice.refused", 0;
    /// A notice: The application is called off.
    NoticeCancelled = "notice.cancelled", 0;
    /// A notice: What was granted is no longer in force.
    NoticeWithdrawn = "notice.withdrawn", 0;
    /// An entry that goes on.
    NoticeRenewed = "notice.renewed", 0;
    /// A review that began by itself.
    NoticeReviewBegun = "notice.review_begun", 0;
    /// A review that left the entry in force.
    NoticeRevised = "notice.revised", 0;
    /// A review by which the entry ended.
    NoticeEnded = "notice.ended", 0;
    /// A case whose entry is gone.
    NoticeEntryGone = "notice.entry_gone", 0;
    /// An entry is in force.
    EntryInForce = "entry.in_force", 0;
    /// An entry was taken out.
    EntryExcluded = "entry.excluded", 0;
    /// The last day of an entry has passed.
    EntryExpired = "entry.expired", 0;
    /// What the QR code of a paper is.
    PaperCode = "paper.code", 0;
    /// How a paper is checked.
    PaperCheck = "paper.check", 0;
    /// What a paper rests on: name of the log, index of the leaf.
    PaperLog = "paper.log", 2;
    /// What is attached to a paper.
    PaperData = "paper.data", 0;
    /// What an extract is called: title of the registry, number of the entry.
    ExtractTitle = "extract.title", 2;
    /// An extract: the column of what is said.
    ExtractField = "extract.field", 0;
    /// An extract: the column of values.
    ExtractValue = "extract.value", 0;
    /// An extract: the state of the entry.
    ExtractStatus = "extract.status", 0;
    /// An extract: the first day in force.
    ExtractFrom = "extract.from", 0;
    /// An extract: the last day in force.
    ExtractUntil = "extract.until", 0;
    /// An extract: the day on which the entry was made.
    ExtractCreated = "extract.created", 0;
    /// An extract: the instant that it is of.
    ExtractAt = "extract.at", 0;
    /// An extract: how many leaves of the log it reflects.
    ExtractLeaves = "extract.leaves", 0;
    /// An extract: the official who gave it.
    ExtractOfficial = "extract.official", 0;
    /// The system registry of services that were provided or refused.
    SystemProvidedServices = "system.provided_services", 0;
    /// The system registry of services.
    SystemServices = "system.services", 0;
    /// The system registry of kinds of requests.
    SystemRequestKinds = "system.request_kinds", 0;
    /// The system registry of classifiers.
    SystemClassifiers = "system.classifiers", 0;
    /// A service that the agency does not offer; the argument is its code.
    ServiceUnknown = "service.unknown", 1;
    /// A channel that the service is not open to; the argument is its code.
    ChannelClosed = "channel.closed", 1;
    /// A channel through which only a draft comes; the argument is its code.
    ChannelDraftOnly = "channel.draft_only", 1;
    /// The same key was used for another application.
    IdempotencyKeyReused = "idempotency_key.reused", 0;
}

impl MessageId {
    /// The message in a language, with its arguments in place.
    ///
    /// # Panics
    /// The number of arguments is not [`MessageId::argument_count`].
    #[must_use]
    pub fn text(self, language: Language, arguments: &[&str]) -> String {
        assert_eq!(arguments.len(), self.argument_count(), "arguments of {}", self.as_str());
        let [ru, en] = &*CATALOGUES;
        let catalogue = if language == Language::Ru { ru } else { en };
        let template = catalogue
            .get(self.as_str())
            .expect("invariant: a test holds that every message is in every language");
        fill(template, arguments)
    }

    /// The message in both languages.
    #[must_use]
    pub fn texts(self, arguments: &[&str]) -> Text {
        Text { ru: self.text(Language::Ru, arguments), en: self.text(Language::En, arguments) }
    }
}

/// Puts arguments in place in one pass, so that an argument with braces is not filled in turn.
fn fill(template: &str, arguments: &[&str]) -> String {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let argument = after.split_once('}').and_then(|(number, tail)| {
            Some((*arguments.get(number.parse::<usize>().ok()?)?, tail))
        });
        match argument {
            Some((argument, tail)) => {
                text.push_str(argument);
                rest = tail;
            }
            None => {
                text.push('{');
                rest = after;
            }
        }
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_message_is_in_every_language_and_no_other_is() {
        let ids: BTreeSet<&str> = MessageId::ALL.iter().map(|id| id.as_str()).collect();
        for (catalogue, language) in CATALOGUES.iter().zip(Language::ALL) {
            let found: BTreeSet<&str> = catalogue.keys().map(String::as_str).collect();
            assert_eq!(found, ids, "{language:?}");
            for (id, text) in catalogue {
                assert!(!text.trim().is_empty(), "{id} is empty in {language:?}");
            }
        }
    }

    #[test]
    fn every_argument_stands_in_every_language() {
        for id in MessageId::ALL {
            for language in Language::ALL {
                let marks: Vec<String> =
                    (0..id.argument_count()).map(|number| format!("<{number}>")).collect();
                let marks: Vec<&str> = marks.iter().map(String::as_str).collect();
                let text = id.text(language, &marks);
                for mark in marks {
                    assert!(text.contains(mark), "{} {language:?}: {text}", id.as_str());
                }
                assert!(!text.contains('{'), "{} {language:?}: {text}", id.as_str());
            }
        }
    }

    #[test]
    fn arguments_are_not_read_as_templates() {
        assert_eq!(fill("{0} and {1}, {x}", &["{1}", "b"]), "{1} and b, {x}");
    }
}
