//! Events of officials on `staff/<uuid>`: appointed, absent, dismissed.
//!
//! Names are disclosures named `name`; the log knows officials by their ids. Not here: what an
//! official may do, which follows from posts; see `crate::staff`.

use jiff::civil::Date;
use letopis_ledger::json::{FieldError, Fields, Json, Object};
use letopis_ledger::key::AuthorKey;

use super::EventError;
use super::fields::{date_text, parse_array, parse_date, parse_texts, text, texts};
use crate::code::{ServiceCode, UnitCode};
use crate::pack::Role;

/// An event of an official.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StaffEvent {
    /// `staff.appointed`: the official holds these posts from now on, and no others.
    Appointed(Box<Appointed>),
    /// `staff.absent`
    Absent {
        /// First day.
        from: Date,
        /// Last day.
        until: Date,
    },
    /// `staff.dismissed`: the official holds no post from now on.
    Dismissed,
}

/// The posts, skills and key of an official.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appointed {
    /// Posts.
    pub posts: Vec<HeldPost>,
    /// Services that the official can work on; every one when there are none.
    pub skills: Vec<ServiceCode>,
    /// The key with which the official signs.
    pub key: AuthorKey,
}

/// A post that somebody holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeldPost {
    /// The unit.
    pub unit: UnitCode,
    /// The role in it.
    pub role: Role,
}

impl StaffEvent {
    pub(super) const fn event_type(&self) -> &'static str {
        match self {
            Self::Appointed(_) => "staff.appointed",
            Self::Absent { .. } => "staff.absent",
            Self::Dismissed => "staff.dismissed",
        }
    }

    pub(super) fn data(&self) -> Object {
        match self {
            Self::Appointed(event) => event.data(),
            Self::Absent { from, until } => Object::new()
                .with("from", text(date_text(*from)))
                .with("until", text(date_text(*until))),
            Self::Dismissed => Object::new(),
        }
    }

    pub(super) fn read(event_type: &str, data: &Object) -> Result<Option<Self>, EventError> {
        let mut fields = Fields::of_object("staff", data);
        let read = match event_type {
            "staff.appointed" => {
                return Ok(Some(Self::Appointed(Box::new(Appointed::read(data)?))));
            }
            "staff.absent" => Self::Absent {
                from: fields.parsed("from", parse_date)?,
                until: fields.parsed("until", parse_date)?,
            },
            "staff.dismissed" => Self::Dismissed,
            _ => return Ok(None),
        };
        fields.finish()?;
        Ok(Some(read))
    }
}

impl Appointed {
    fn data(&self) -> Object {
        let post = |post: &HeldPost| -> Json {
            Object::new().with("unit", post.unit.as_str()).with("role", post.role.as_str()).into()
        };
        Object::new()
            .with("posts", self.posts.iter().map(post).collect::<Vec<_>>())
            .with("skills", texts(&self.skills))
            .with("key", self.key.to_base64().as_str())
    }

    fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("staff.appointed", data);
        let post = |value: &Json| {
            let mut fields = Fields::of("post", value)?;
            let read = HeldPost {
                unit: fields.parsed("unit", UnitCode::parse)?,
                role: fields.parsed("role", |text| Role::parse(text).ok_or("not a role"))?,
            };
            fields.finish()?;
            Ok(read)
        };
        let read = Self {
            posts: parse_array(&mut fields, "posts", post)?,
            skills: parse_texts(&mut fields, "skills", ServiceCode::parse)?,
            key: fields.parsed("key", AuthorKey::from_base64)?,
        };
        fields.finish()?;
        Ok(read)
    }
}
