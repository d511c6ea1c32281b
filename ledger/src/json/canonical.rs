//! Writing the canonical spelling (RFC 8785) of the values of this module.
//!
//! Every leaf and every record is written this way to be hashed, signed and compared, often more
//! than once, so it is written here directly; without floats little is left to write. The tests
//! compare it with another implementation. Not here: which values there are.

use std::io::Write;

use super::{Json, Object};

/// The first byte of characters from U+E000 on: up to there UTF-8 and UTF-16 sort alike.
const SORTS_OTHERWISE: u8 = 0xee;

pub(super) fn write(value: &Json, into: &mut Vec<u8>) {
    match value {
        Json::Object(members) => write_object(members, into),
        Json::Array(items) => {
            into.push(b'[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    into.push(b',');
                }
                write(item, into);
            }
            into.push(b']');
        }
        Json::String(text) => write_string(text, into),
        Json::Bool(true) => into.extend_from_slice(b"true"),
        Json::Bool(false) => into.extend_from_slice(b"false"),
        Json::Integer(number) => {
            write!(into, "{number}").expect("invariant: writing to memory does not fail");
        }
    }
}

fn write_object(members: &Object, into: &mut Vec<u8>) {
    into.push(b'{');
    if members.0.keys().any(|key| key.bytes().any(|byte| byte >= SORTS_OTHERWISE)) {
        let mut sorted: Vec<_> = members.0.iter().collect();
        sorted.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
        write_members(sorted.into_iter(), into);
    } else {
        write_members(members.0.iter(), into);
    }
    into.push(b'}');
}

fn write_members<'a>(members: impl Iterator<Item = (&'a String, &'a Json)>, into: &mut Vec<u8>) {
    for (place, (key, value)) in members.enumerate() {
        if place > 0 {
            into.push(b',');
        }
        write_string(key, into);
        into.push(b':');
        write(value, into);
    }
}

/// RFC 8785, section 3.2.2.2: the two that JSON needs, and control characters, are escaped.
fn write_string(text: &str, into: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    into.push(b'"');
    let bytes = text.as_bytes();
    let mut written = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if byte >= b' ' && byte != b'"' && byte != b'\\' {
            continue;
        }
        into.extend_from_slice(&bytes[written..at]);
        written = at + 1;
        let short = match byte {
            b'"' | b'\\' => byte,
            0x08 => b'b',
            0x09 => b't',
            0x0a => b'n',
            0x0c => b'f',
            0x0d => b'r',
            _ => {
                into.extend_from_slice(b"\\u00");
                into.push(HEX[usize::from(byte >> 4)]);
                into.push(HEX[usize::from(byte & 0xf)]);
                continue;
            }
        };
        into.extend_from_slice(&[b'\\', short]);
    }
    into.extend_from_slice(&bytes[written..]);
    into.push(b'"');
}
