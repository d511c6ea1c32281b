//! Events of a complex request on `complex/<uuid>`: several services asked for at once.
//!
//! Nothing private: what was asked stands in the cases. Not here: the order that the events take,
//! which `complex` holds, and how a case knows that it belongs to one (`application.joined`).

use letopis_ledger::id::StreamName;
use letopis_ledger::json::{FieldError, Fields, Json, Object};

use super::EventError;
use super::case::{PackRef, Source};
use super::fields::{parse_array, text};
use crate::case::CaseStatus;
use crate::code::{ChannelCode, ComplexCode, ServiceCode, StepCode};

/// An event of a complex request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComplexEvent {
    /// `complex_request.opened`
    Opened(ComplexOpened),
    /// `complex_request.service_linked`
    ServiceLinked(ServiceLinked),
    /// `complex_request.dependency_satisfied`: the request is sent, and the answer of the other
    /// case serves, in the same record.
    DependencySatisfied {
        /// What waited.
        dependency: Dependency,
        /// The answer that serves.
        by: Source,
    },
    /// `complex_request.dependency_lapsed`: the other case closed its request without an answer,
    /// so this one is asked by itself, in the same record.
    DependencyLapsed(Dependency),
    /// `complex_request.closed`: every case has ended.
    Closed(Vec<ClosedCase>),
}

/// Somebody asked for several services at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComplexOpened {
    /// What was asked for.
    pub code: ComplexCode,
    /// The pack that says what it joins.
    pub pack: PackRef,
    /// How it came.
    pub channel: ChannelCode,
}

/// A service has its case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceLinked {
    /// The service.
    pub service: ServiceCode,
    /// Stream of its case, which begins in the same record.
    pub case: StreamName,
}

/// A request of a case that waited for another case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// Stream of the case that waited.
    pub case: StreamName,
    /// Its request.
    pub request: StepCode,
}

/// How a case of a complex request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedCase {
    /// Its stream.
    pub case: StreamName,
    /// How it ended.
    pub status: CaseStatus,
}

impl ComplexEvent {
    pub(super) const fn event_type(&self) -> &'static str {
        match self {
            Self::Opened(_) => "complex_request.opened",
            Self::ServiceLinked(_) => "complex_request.service_linked",
            Self::DependencySatisfied { .. } => "complex_request.dependency_satisfied",
            Self::DependencyLapsed(_) => "complex_request.dependency_lapsed",
            Self::Closed(_) => "complex_request.closed",
        }
    }

    pub(super) fn data(&self) -> Object {
        match self {
            Self::Opened(opened) => Object::new()
                .with("code", opened.code.as_str())
                .with("pack", opened.pack.data())
                .with("channel", opened.channel.as_str()),
            Self::ServiceLinked(linked) => Object::new()
                .with("service", linked.service.as_str())
                .with("case", linked.case.as_str()),
            Self::DependencySatisfied { dependency, by } => dependency.data().with("by", by.data()),
            Self::DependencyLapsed(dependency) => dependency.data(),
            Self::Closed(cases) => {
                let cases = cases.iter().map(|case| Json::from(case.data()));
                Object::new().with("cases", cases.collect::<Vec<_>>())
            }
        }
    }

    pub(super) fn read(event_type: &str, data: &Object) -> Result<Option<Self>, EventError> {
        let mut fields = Fields::of_object("complex request", data);
        let read = match event_type {
            "complex_request.opened" => Self::Opened(ComplexOpened {
                code: fields.parsed("code", ComplexCode::parse)?,
                pack: PackRef::read(fields.object("pack")?)?,
                channel: fields.parsed("channel", ChannelCode::parse)?,
            }),
            "complex_request.service_linked" => Self::ServiceLinked(ServiceLinked {
                service: fields.parsed("service", ServiceCode::parse)?,
                case: fields.parsed("case", StreamName::parse)?,
            }),
            "complex_request.dependency_satisfied" => Self::DependencySatisfied {
                dependency: Dependency::read(&mut fields)?,
                by: Source::read(fields.object("by")?)?,
            },
            "complex_request.dependency_lapsed" => {
                Self::DependencyLapsed(Dependency::read(&mut fields)?)
            }
            "complex_request.closed" => {
                Self::Closed(parse_array(&mut fields, "cases", ClosedCase::read)?)
            }
            _ => return Ok(None),
        };
        fields.finish()?;
        Ok(Some(read))
    }
}

impl Dependency {
    fn data(&self) -> Object {
        Object::new().with("case", self.case.as_str()).with("request", self.request.as_str())
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, FieldError> {
        Ok(Self {
            case: fields.parsed("case", StreamName::parse)?,
            request: fields.parsed("request", StepCode::parse)?,
        })
    }
}

impl ClosedCase {
    fn data(&self) -> Object {
        Object::new().with("case", self.case.as_str()).with("status", text(self.status.as_str()))
    }

    fn read(item: &Json) -> Result<Self, FieldError> {
        let mut fields = Fields::of("case", item)?;
        let read = Self {
            case: fields.parsed("case", StreamName::parse)?,
            status: fields.parsed("status", |text| {
                let ended = CaseStatus::ENDED.into_iter().find(|status| status.as_str() == text);
                ended.ok_or("not how a case ends")
            })?,
        };
        fields.finish()?;
        Ok(read)
    }
}
