//! Nearest ranks and shares in whole numbers.
//!
//! Not here: what is ranked or shared.

/// The value at rank ⌈percent × count / 100⌉ of values in ascending order: the smallest one that
/// at least `percent` of 100 values do not exceed. Nothing when there is no value.
///
/// # Panics
/// `percent` is not 1 to 100.
#[must_use]
pub fn nearest_rank(ascending: &[i64], percent: u32) -> Option<i64> {
    assert!((1..=100).contains(&percent), "a percentile is of 1 to 100 percent");
    let rank = (ascending.len() * percent as usize).div_ceil(100);
    rank.checked_sub(1).map(|index| ascending[index])
}

/// `part` of `whole` in thousandths, half rounded up; nothing of nothing.
#[must_use]
pub fn per_mille(part: u64, whole: u64) -> Option<u32> {
    let (part, whole) = (u128::from(part), u128::from(whole));
    let rounded = (2_000 * part + whole).checked_div(2 * whole)?;
    Some(u32::try_from(rounded).expect("invariant: a part is not larger than its whole"))
}

/// Shares of parts in thousandths that sum to exactly 1000: each is rounded down, and what is
/// missing goes to the largest remainders, to the first of equals. All are 0 when the sum is.
#[must_use]
pub fn shares<const N: usize>(parts: [u64; N]) -> [u32; N] {
    let whole: u128 = parts.iter().map(|part| u128::from(*part)).sum();
    let mut shares = [0; N];
    if whole == 0 {
        return shares;
    }
    let mut remainders = Vec::with_capacity(N);
    for (index, part) in parts.iter().enumerate() {
        let scaled = 1_000 * u128::from(*part);
        shares[index] = u32::try_from(scaled / whole).expect("invariant: a share is at most 1000");
        remainders.push((std::cmp::Reverse(scaled % whole), index));
    }
    remainders.sort_unstable();
    let missing = 1_000 - shares.iter().sum::<u32>();
    for (_, index) in remainders.into_iter().take(missing as usize) {
        shares[index] += 1;
    }
    shares
}
