//! JSON bodies of requests, read strictly.
//!
//! A body is refused where two readers could understand it differently: a name that occurs twice
//! in one object (RFC 8259, section 4, leaves the meaning open) or an array in place of an object.
//! Control characters belong to no name, number or address, and are refused as well. Not here:
//! records, which are canonical JSON and checked by the ledger.

use std::collections::BTreeSet;
use std::fmt;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::problem::{Code, Problem};

/// A JSON object of a request that answers with a problem when it cannot be read.
pub(crate) struct JsonOf<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonOf<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let JsonBytes(body) = JsonBytes::from_request(request, state).await?;
        read(&body).map(Self).map_err(|e| Problem::new(Code::BadRequest, format!("the body: {e}")))
    }
}

/// The bytes of a body that is declared as JSON.
pub(crate) struct JsonBytes(pub(crate) Bytes);

impl<S: Send + Sync> FromRequest<S> for JsonBytes {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let detail = "send the body as Content-Type: application/json";
            let code = "unsupported-media-type";
            return Err(Problem::with_specific_code(Code::BadRequest, code, detail)
                .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        let body = Bytes::from_request(request, state).await.map_err(|error| {
            let too_large = error.status() == StatusCode::PAYLOAD_TOO_LARGE;
            let code = if too_large { Code::TooLarge } else { Code::BadRequest };
            Problem::new(code, error.body_text())
        })?;
        Ok(Self(body))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = declared.and_then(|text| text.split(';').next()).unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}

fn read<T: DeserializeOwned>(body: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice::<Unambiguous>(body)?;
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(serde_json::Error::custom("write an object, { … }"));
    }
    serde_json::from_slice(body)
}

/// Any JSON that has one meaning only. Its values are not kept.
struct Unambiguous;

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Unambiguous {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self, E> {
        match text.chars().find(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) {
            Some(c) => Err(E::custom(format!("leave out the control character {c:?}"))),
            None => Ok(self),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Self, A::Error> {
        while values.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        let mut names = BTreeSet::new();
        while let Some(name) = members.next_key::<String>()? {
            members.next_value::<Self>()?;
            if let Some(name) = names.replace(name) {
                return Err(A::Error::custom(format!("name {name:?} occurs twice in one object")));
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_body_with_two_meanings_is_refused() {
        for body in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":[{"b":{"c":1,"d":2,"c":3}}]}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"a":"\u0000"}"#,
            r#"{"a":"\u009f"}"#,
            "[]",
            "null",
            "{} {}",
            "",
        ] {
            assert!(read::<Value>(body.as_bytes()).is_err(), "{body}");
        }
        assert!(read::<Value>(b"{\"a\":\"\xff\"}").is_err());
        assert!(read::<Value>("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn an_ordinary_body_is_read_as_it_stands() {
        let body = " {\"a\":{\"x\":1},\"b\":[{\"x\":-1},{\"x\":1.5}],\"c\":\"\\tЖ\",\"d\":null} ";
        let expected: Value = serde_json::from_str(body).unwrap();
        assert_eq!(read::<Value>(body.as_bytes()).unwrap(), expected);
    }
}
