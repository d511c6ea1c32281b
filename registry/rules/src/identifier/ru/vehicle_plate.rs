//! Vehicle registration plate of the ordinary civil type: `А000АА00` or `А000АА000`.

use std::fmt;

use super::super::{IdentifierError, digits};

/// The Cyrillic letters a plate may carry, each with the Latin letter that looks the same.
const LETTERS: [(char, char); 12] = [
    ('А', 'A'),
    ('В', 'B'),
    ('Е', 'E'),
    ('К', 'K'),
    ('М', 'M'),
    ('Н', 'H'),
    ('О', 'O'),
    ('Р', 'P'),
    ('С', 'C'),
    ('Т', 'T'),
    ('У', 'Y'),
    ('Х', 'X'),
];

/// A checked plate in upper-case Cyrillic without spaces.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VehiclePlate(String);

impl VehiclePlate {
    /// The name of the format in packs and schemas.
    pub const FORMAT: &'static str = "ru-vehicle-plate";

    /// Reads a letter, three digits, two letters and a region of two or three digits.
    ///
    /// Small letters and Latin look-alikes are accepted and become Cyrillic capitals, because
    /// people type what they see. The number 000 and the region 00 are never issued.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        let characters = digits::strip(Self::FORMAT, text)?;
        if !(8..=9).contains(&characters.len()) {
            return Err(IdentifierError::Length {
                format: Self::FORMAT,
                expected: "8 or 9",
                found: characters.len(),
            });
        }
        let normal = characters
            .iter()
            .enumerate()
            .map(|(index, &found)| match index {
                0 | 4 | 5 => letter(index + 1, found),
                _ => digits::digit(Self::FORMAT, index + 1, found)
                    .map(|digit| char::from(b'0' + digit)),
            })
            .collect::<Result<Vec<char>, _>>()?;
        check_not_zero("the number (three digits)", &normal[1..4])?;
        check_not_zero("the region (the last digits)", &normal[6..])?;
        Ok(Self(normal.into_iter().collect()))
    }
}

impl fmt::Display for VehiclePlate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn letter(position: usize, found: char) -> Result<char, IdentifierError> {
    let capital = found.to_uppercase().next().unwrap_or(found);
    LETTERS
        .into_iter()
        .find(|&(cyrillic, latin)| capital == cyrillic || capital == latin)
        .map(|(cyrillic, _)| cyrillic)
        .ok_or(IdentifierError::Character {
            format: VehiclePlate::FORMAT,
            position,
            found,
            expected: "one of the letters АВЕКМНОРСТУХ",
        })
}

fn check_not_zero(part: &'static str, digits: &[char]) -> Result<(), IdentifierError> {
    if digits.iter().any(|&digit| digit != '0') {
        return Ok(());
    }
    Err(IdentifierError::Part {
        format: VehiclePlate::FORMAT,
        part,
        found: digits.iter().collect(),
        expected: "digits other than all zeros",
    })
}

#[cfg(test)]
mod test {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn latin_look_alikes_small_letters_and_spaces_become_the_printed_form() {
        for text in ["А123ВС77", "A123BC77", "а123вс77", "a 123 bc 77", "A123вС 77"] {
            assert_eq!(VehiclePlate::parse(text).unwrap().to_string(), "А123ВС77");
        }
        assert_eq!(VehiclePlate::parse("х001ух777").unwrap().to_string(), "Х001УХ777");
    }

    #[test]
    fn letters_not_on_plates_are_refused_with_their_place() {
        assert!(matches!(
            VehiclePlate::parse("А123ВЖ77"),
            Err(IdentifierError::Character { position: 6, found: 'Ж', .. })
        ));
        assert!(matches!(
            VehiclePlate::parse("1А23ВС77"),
            Err(IdentifierError::Character { position: 1, found: '1', .. })
        ));
    }

    #[test]
    fn numbers_and_regions_of_zeros_and_other_lengths_are_refused() {
        assert!(matches!(VehiclePlate::parse("А000ВС77"), Err(IdentifierError::Part { .. })));
        assert!(matches!(VehiclePlate::parse("А123ВС00"), Err(IdentifierError::Part { .. })));
        assert!(matches!(
            VehiclePlate::parse("А123ВС7"),
            Err(IdentifierError::Length { found: 7, .. })
        ));
    }

    proptest! {
        #[test]
        fn the_normal_form_is_a_fixed_point_and_independent_of_the_alphabet(
            letters in proptest::array::uniform3(0_usize..12),
            number in 1_u16..=999,
            region in 1_u16..=999,
        ) {
            let spell = |alphabet: fn((char, char)) -> char| {
                let [a, b, c] = letters.map(|index| alphabet(LETTERS[index]));
                format!("{a}{number:03}{b}{c}{region:02}")
            };
            let cyrillic = spell(|pair| pair.0);
            let latin = spell(|pair| pair.1.to_ascii_lowercase());
            prop_assert_eq!(VehiclePlate::parse(&latin).unwrap().to_string(), cyrillic.clone());
            prop_assert_eq!(VehiclePlate::parse(&cyrillic).unwrap().to_string(), cyrillic);
        }
    }
}
