//! Inputs to try a decision on: values at and around every limit that the model's text names.
//!
//! Whoever writes rules forgets combinations, so a check runs the decision on many and looks for
//! one without an answer. Found by trying, not proven: a gap that only other values reach is
//! missed. Absent: running the decision, and judging what it gives.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use super::document::Element;
use super::types::InputType;

/// Numbers that are tried beside those of the model: nothing, little, much.
const NUMBERS: &[i64] = &[0, 1, 2, 1_000, 1_000_000, 30_000_000];
/// Texts and dates that no model names.
const OTHER_TEXT: &str = "some other text";
const DATES: &[&str] = &["2000-02-29", "2026-01-01", "2026-12-31"];
/// Steps over all combinations; its bits are those of the golden ratio, so that steps spread.
const STRIDE: u128 = 0x9E37_79B9_7F4A_7C15;

/// The values that a model's expressions name.
#[derive(Debug, Default)]
pub(super) struct Literals {
    numbers: BTreeSet<i64>,
    texts: BTreeSet<String>,
}

impl Literals {
    /// Reads every expression of a document.
    pub(super) fn read(document: &Element) -> Self {
        let mut literals = Self::default();
        literals.add(document);
        literals
    }

    fn add(&mut self, element: &Element) {
        if element.local_name == "text" {
            self.add_expression(&element.text);
        }
        for child in &element.children {
            self.add(child);
        }
    }

    fn add_expression(&mut self, text: &str) {
        // Between quotes stand texts, outside of them numbers.
        for (index, part) in text.split('"').enumerate() {
            if index % 2 == 1 {
                self.texts.insert(part.to_owned());
                continue;
            }
            let words = part.split(|c: char| !(c.is_alphanumeric() || c == '_'));
            self.numbers.extend(words.filter_map(|word| word.parse::<i64>().ok()));
        }
    }

    /// The values to try for an input; none for types that the model's text does not show.
    pub(super) fn candidates(&self, input_type: &InputType) -> Vec<Json> {
        match input_type {
            InputType::Boolean => vec![Json::Bool(true), Json::Bool(false)],
            InputType::Number => {
                let near = |number: &i64| [number.saturating_sub(1), *number, number + 1];
                let named = self.numbers.iter().filter(|number| **number < i64::MAX).flat_map(near);
                let all: BTreeSet<i64> = named.chain(NUMBERS.iter().copied()).collect();
                all.into_iter().map(Json::from).collect()
            }
            InputType::String => {
                let texts = self.texts.iter().map(String::as_str).chain([OTHER_TEXT]);
                texts.map(Json::from).collect()
            }
            InputType::Date => {
                let texts = self.texts.iter().map(String::as_str).chain(DATES.iter().copied());
                texts.filter(|text| text.len() == "YYYY-MM-DD".len()).map(Json::from).collect()
            }
            _ => vec![],
        }
    }
}

/// At most so many combinations of the values of each name, spread over all of them.
pub(super) fn combine(choices: &[(String, Vec<Json>)], most: u32) -> Vec<Map<String, Json>> {
    let all =
        choices.iter().try_fold(1_u128, |all, (_, values)| all.checked_mul(values.len() as u128));
    let Some(all) = all.filter(|all| *all > 0) else { return vec![] };
    let count = all.min(u128::from(most));
    // A stride that shares a factor with the number of combinations would never reach some.
    let stride = (STRIDE..).find(|stride| shared_factor(*stride, all) == 1);
    let stride = stride.expect("invariant: a number without a shared factor is always near");
    let place = |step: u128| if all == count { step } else { step * stride % all };
    (0..count).map(|step| pick(choices, place(step))).collect()
}

/// The greatest common factor of two numbers above zero (Euclid).
fn shared_factor(mut one: u128, mut other: u128) -> u128 {
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}

/// The combination with this number, counted as digits, one for each name.
fn pick(choices: &[(String, Vec<Json>)], mut number: u128) -> Map<String, Json> {
    let mut inputs = Map::new();
    for (name, values) in choices {
        let count = values.len() as u128;
        let index = usize::try_from(number % count).expect("invariant: below a length");
        inputs.insert(name.clone(), values[index].clone());
        number /= count;
    }
    inputs
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn every_combination_is_tried_once_where_they_are_few_and_spread_where_they_are_many() {
        let name = |name: &str, count: i64| (name.to_owned(), (0..count).map(Json::from).collect());
        let few = combine(&[name("a", 2), name("b", 3)], 10);
        let distinct: BTreeSet<String> = few.iter().map(|it| format!("{it:?}")).collect();
        assert_eq!((few.len(), distinct.len()), (6, 6));
        let many = combine(&[name("a", 100), name("b", 100), name("c", 100)], 1_000);
        for input in ["a", "b", "c"] {
            let values: BTreeSet<i64> = many.iter().filter_map(|it| it[input].as_i64()).collect();
            assert!(values.len() > 90, "{input}: {} of 100 values", values.len());
        }
        assert!(combine(&[name("a", 0)], 10).is_empty());
    }

    #[test]
    fn limits_and_texts_are_read_from_expressions() {
        let mut literals = Literals::default();
        literals.add_expression(r#"if age2 >= 17 and kind = "b 5" then 0.75 else [3..4]"#);
        assert_eq!(literals.numbers, BTreeSet::from([0, 3, 4, 17, 75]));
        assert_eq!(literals.texts, BTreeSet::from(["b 5".to_owned()]));
    }
}
