//! The payload: 500 bytes of text that no storage engine can make much smaller.
//!
//! Not here: what each system wraps around it.

/// Bytes of a value.
pub(crate) const VALUE_BYTES: usize = 500;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The value of one record of one client; the same in every run and for every system.
pub(crate) fn value(client: usize, number: usize) -> String {
    let mut state = ((client as u64) << 32) ^ number as u64;
    let mut text = String::with_capacity(VALUE_BYTES + 10);
    while text.len() < VALUE_BYTES {
        let mut bits = next(&mut state);
        for _ in 0..10 {
            text.push(char::from(ALPHABET[(bits & 63) as usize]));
            bits >>= 6;
        }
    }
    text.truncate(VALUE_BYTES);
    text
}

/// SplitMix64 (Steele, Lea, Flood 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::{VALUE_BYTES, value};

    #[test]
    fn values_have_their_length_and_differ() {
        let values = [value(0, 0), value(0, 1), value(1, 0), value(1, 1)];
        for (index, one) in values.iter().enumerate() {
            assert_eq!(one.len(), VALUE_BYTES);
            assert!(!values[..index].contains(one));
        }
        assert_eq!(values[3], value(1, 1));
    }
}
