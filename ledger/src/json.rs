//! Canonical JSON: RFC 8785 restricted to what can be hashed without surprises.
//!
//! Objects, arrays, strings, booleans and integers within ±(2^53 − 1). No floats, no null, no
//! duplicate keys; strings are in Unicode normalisation form C. Canonicalisers of RFC 8785 round
//! larger integers silently, so two different documents would get the same bytes; that is why the
//! limits are checked here, before any canonical byte is written.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use thiserror::Error;
use unicode_normalization::is_nfc;

mod canonical;
mod fields;

pub use fields::{FieldError, Fields};

/// Largest integer magnitude that every JSON reader keeps exactly: 2^53 − 1 (RFC 7493 section 2.2).
pub const INTEGER_MAX: i64 = (1 << 53) - 1;

/// A JSON value without floats and null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// An object.
    Object(Object),
    /// An array.
    Array(Vec<Json>),
    /// A string in normalisation form C.
    String(String),
    /// `true` or `false`.
    Bool(bool),
    /// An integer within ±[`INTEGER_MAX`].
    Integer(i64),
}

/// Members of an object, each key once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Object(BTreeMap<String, Json>);

/// Why a text is not JSON of the kind that Letopis stores.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JsonError {
    /// Not JSON at all, or a value outside the allowed kinds; the reason says which and where.
    #[error("not acceptable JSON: {reason}")]
    Unacceptable {
        /// What was found, with line and column.
        reason: String,
    },
    /// Acceptable JSON, but not in its canonical spelling.
    #[error(
        "not canonical JSON (RFC 8785): the canonical form differs from byte {first_difference}"
    )]
    NotCanonical {
        /// Offset of the first byte that differs.
        first_difference: usize,
    },
    /// An integer outside ±(2^53 − 1).
    #[error("integer {value} lies outside ±{INTEGER_MAX}: write it as a string")]
    IntegerRange {
        /// The integer.
        value: i64,
    },
    /// A string that is not in normalisation form C.
    #[error("string {value:?} is not in Unicode normalisation form C")]
    NotNormalised {
        /// The string.
        value: String,
    },
}

impl Json {
    /// Reads JSON in any spelling, refusing floats, null, duplicate keys, wide integers and
    /// strings that are not in form C.
    ///
    /// # Errors
    /// See [`JsonError::Unacceptable`].
    pub fn parse(bytes: &[u8]) -> Result<Self, JsonError> {
        let unacceptable = |e: serde_json::Error| JsonError::Unacceptable { reason: e.to_string() };
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        let value = Seed.deserialize(&mut reader).map_err(unacceptable)?;
        reader.end().map_err(unacceptable)?;
        Ok(value)
    }

    /// Reads JSON that must already be in its canonical spelling.
    ///
    /// # Errors
    /// See [`JsonError`].
    pub fn parse_canonical(bytes: &[u8]) -> Result<Self, JsonError> {
        let value = Self::parse(bytes)?;
        let mut canonical = Vec::with_capacity(bytes.len());
        canonical::write(&value, &mut canonical);
        if canonical != bytes {
            let same = canonical.iter().zip(bytes).take_while(|(a, b)| a == b).count();
            return Err(JsonError::NotCanonical { first_difference: same });
        }
        Ok(value)
    }

    /// Writes the canonical spelling (RFC 8785).
    #[must_use]
    pub fn to_canonical(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        canonical::write(self, &mut bytes);
        bytes
    }

    /// Takes an integer.
    ///
    /// # Errors
    /// The integer lies outside ±[`INTEGER_MAX`].
    pub fn integer(value: i64) -> Result<Self, JsonError> {
        if value.unsigned_abs() > INTEGER_MAX.unsigned_abs() {
            return Err(JsonError::IntegerRange { value });
        }
        Ok(Self::Integer(value))
    }

    /// Takes a string.
    ///
    /// # Errors
    /// The string is not in normalisation form C.
    pub fn string(value: impl Into<String>) -> Result<Self, JsonError> {
        let value = value.into();
        if !is_nfc(&value) {
            return Err(JsonError::NotNormalised { value });
        }
        Ok(Self::String(value))
    }

    /// The string, if this is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(value) = self { Some(value) } else { None }
    }

    /// The integer, if this is one.
    #[must_use]
    pub const fn as_integer(&self) -> Option<i64> {
        if let Self::Integer(value) = self { Some(*value) } else { None }
    }

    /// The boolean, if this is one.
    #[must_use]
    pub const fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(*value) } else { None }
    }

    /// The items, if this is an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Json]> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }

    /// The members, if this is an object.
    #[must_use]
    pub const fn as_object(&self) -> Option<&Object> {
        if let Self::Object(members) = self { Some(members) } else { None }
    }

    /// What kind of value this is, for messages.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Object(_) => "object",
            Self::Array(_) => "array",
            Self::String(_) => "string",
            Self::Bool(_) => "boolean",
            Self::Integer(_) => "integer",
        }
    }

    /// The same value for programs that work with `serde_json`.
    #[must_use]
    pub fn to_value(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("invariant: every Json is a serde_json value")
    }

    /// Takes a `serde_json` value under the same limits as [`Json::parse`].
    ///
    /// # Errors
    /// See [`JsonError::Unacceptable`].
    pub fn from_value(value: &serde_json::Value) -> Result<Self, JsonError> {
        Seed.deserialize(value)
            .map_err(|e: serde_json::Error| JsonError::Unacceptable { reason: e.to_string() })
    }
}

impl Object {
    /// An object without members.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// The member of this name.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Json> {
        self.0.get(key)
    }

    /// Sets a member; an earlier one of the same name is replaced.
    pub fn insert(&mut self, key: impl Into<String>, value: Json) {
        self.0.insert(key.into(), value);
    }

    /// The same object with one more member.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Json>) -> Self {
        self.insert(key, value.into());
        self
    }

    /// Members in the order of their keys' code points.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Number of members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(String, Json)> for Object {
    fn from_iter<I: IntoIterator<Item = (String, Json)>>(members: I) -> Self {
        Self(members.into_iter().collect())
    }
}

impl From<Object> for Json {
    fn from(members: Object) -> Self {
        Self::Object(members)
    }
}

impl From<Vec<Json>> for Json {
    fn from(items: Vec<Json>) -> Self {
        Self::Array(items)
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u32> for Json {
    fn from(value: u32) -> Self {
        Self::Integer(i64::from(value))
    }
}

impl From<&str> for Json {
    /// Takes text that the program itself wrote.
    ///
    /// # Panics
    /// The text is not in normalisation form C; use [`Json::string`] for text from outside.
    fn from(value: &str) -> Self {
        Self::string(value).expect("invariant: the program's own text is in form C")
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_canonical()))
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (key, value) in members.iter() {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
            Self::Array(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    seq.serialize_element(item)?;
                }
                seq.end()
            }
            Self::String(value) => serializer.serialize_str(value),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Integer(value) => serializer.serialize_i64(*value),
        }
    }
}

/// Reads one value from any `serde` source under this module's limits.
struct Seed;

impl<'de> DeserializeSeed<'de> for Seed {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Json, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object, array, string, boolean or integer")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Json, E> {
        Json::integer(value).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Json, E> {
        let value = i64::try_from(value)
            .map_err(|_| E::custom(format!("integer {value} lies outside ±{INTEGER_MAX}")))?;
        Json::integer(value).map_err(E::custom)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Json, E> {
        Err(E::custom(format!("number {value} is not an integer within ±{INTEGER_MAX}")))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Json, E> {
        Err(E::custom("null is not allowed: leave the member out"))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Json, E> {
        Json::string(value).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut source: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = source.next_element_seed(Seed)? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut source: A) -> Result<Json, A::Error> {
        let mut members = BTreeMap::new();
        while let Some(key) = source.next_key::<String>()? {
            if !is_nfc(&key) {
                return Err(de::Error::custom(JsonError::NotNormalised { value: key }));
            }
            if members.contains_key(&key) {
                return Err(de::Error::custom(format!("duplicate key {key:?}")));
            }
            let value = source.next_value_seed(Seed)?;
            members.insert(key, value);
        }
        Ok(Json::Object(Object(members)))
    }
}

#[cfg(test)]
mod test;
