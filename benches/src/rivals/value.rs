//! The payload: text, 500 bytes as a rule, that no storage engine can make much smaller.
//!
//! Not here: what each system wraps around it.

/// Bytes of a value where systems are compared.
pub(crate) const VALUE_BYTES: usize = 500;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The value of one record of one client; the same in every run and for every system.
pub(crate) fn value(client: usize, number: usize, bytes: usize) -> String {
    let mut state = ((client as u64) << 32) ^ number as u64;
    let mut text = String::with_capacity(bytes + 10);
    while text.len() < bytes {
        let mut bits = next(&mut state);
        for _ in 0..10 {
            text.push(char::from(ALPHABET[(bits & 63) as usize]));
            bits >>= 6;
        }
    }
    text.truncate(bytes);
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
        let values = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(c, n)| value(c, n, VALUE_BYTES));
        for (index, one) in values.iter().enumerate() {
            assert_eq!(one.len(), VALUE_BYTES);
            assert!(!values[..index].contains(one));
        }
        assert_eq!(values[3], value(1, 1, VALUE_BYTES));
        assert_eq!(value(1, 1, 7), values[3][..7]);
    }
}
