//! Made-up people, vehicles and dwellings, and the applications that they submit.
//!
//! Each application is made so that one outcome is right; the demonstration compares. Identifiers
//! have valid control digits and belong to nobody: they are counted, not drawn.

use letopis_ledger::Hash;
use letopis_rules::identifier::ru::Uin;
use serde_json::{Value, json};

use super::families::Families;

/// Code of the service for people with vehicles.
const SERVICE: &str = "parking-permit";
const SURNAMES: [&str; 8] =
    ["Иванов", "Петрова", "Сидоров", "Кузнецова", "Смирнов", "Попова", "Волков", "Соколова"];
const NAMES: [&str; 8] = ["Иван", "Анна", "Пётр", "Мария", "Олег", "Елена", "Сергей", "Ольга"];
/// Letters that Russian plates have in common with the Latin alphabet.
const PLATE_LETTERS: [char; 12] = ['А', 'В', 'Е', 'К', 'М', 'Н', 'О', 'Р', 'С', 'Т', 'У', 'Х'];

/// What must come of an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Expected {
    /// A permit.
    Granted,
    /// A refusal on this one ground.
    Refused(&'static str),
    /// Never registered: a field is wrong.
    WrongField(&'static str),
}

/// An application with what must come of it.
#[derive(Debug)]
pub(super) struct Application {
    /// Code of the service.
    pub(super) service: &'static str,
    /// The body of the request.
    pub(super) body: Value,
    /// What must come of it.
    pub(super) expected: Expected,
    /// Whether it rests on permits of others, so that it must come after them.
    pub(super) late: bool,
}

/// Everybody and everything.
#[derive(Debug, Default)]
pub(super) struct Population {
    applications: Vec<Application>,
    vehicles: Vec<Value>,
    residents: Vec<Value>,
    fines: Vec<Value>,
    families: Families,
}

impl Population {
    /// Makes as many applications, of every kind in turn: three of four for a parking permit, one
    /// for the child benefit.
    pub(super) fn generate(applications: usize) -> Self {
        let mut population = Self::default();
        for number in 0..applications - applications / 4 {
            population.add(number);
        }
        let (families, of_families) = Families::generate(applications / 4);
        population.applications.extend(of_families);
        population.families = families;
        population
    }

    /// Rows of every registry, by its code.
    pub(super) fn rows(&self) -> [(&'static str, Vec<&Value>); 7] {
        let Families { births, residents, incomes, payments, properties } = &self.families;
        [
            ("vehicle", self.vehicles.iter().collect()),
            ("residence", self.residents.iter().chain(residents).collect()),
            ("unpaid_fine", self.fines.iter().collect()),
            ("birth_record", births.iter().collect()),
            ("income", incomes.iter().collect()),
            ("social_payment", payments.iter().collect()),
            ("property", properties.iter().collect()),
        ]
    }

    /// Applications in the order of their making.
    pub(super) fn applications(&self) -> &[Application] {
        &self.applications
    }

    /// The kinds take turns by twenties: eleven are right, nine are not. Those that are right
    /// live two in a dwelling, so a third one is over the quota.
    fn add(&mut self, number: usize) {
        use Expected::{Granted, Refused, WrongField};
        let (turn, kind) = (number / 20, number % 20);
        let person = Person::of(number, turn * 10 + kind / 2);
        let (expected, late) = match kind {
            0..=10 => (Granted, false),
            11 => (Refused("G4"), false),
            12 => (Refused("G1"), false),
            13 => (Refused("G1"), false),
            14 => (Refused("G2"), false),
            15 => (Refused("G2"), false),
            16 => (Refused("G3"), true),
            17 => (Refused("G5"), true),
            18 => (WrongField("/applicant/snils"), false),
            _ => (WrongField("/plate"), false),
        };
        // Over the quota: in the dwelling of the first two. A plate with a permit: the first's.
        let first = Person::of(turn * 20, turn * 10);
        let home = if kind == 16 { first.dwelling.clone() } else { person.dwelling.clone() };
        let plate = if kind == 17 { first.plate.clone() } else { person.plate.clone() };
        let registered_zone = if kind == 12 { "Z5" } else { person.zone };
        if kind != 13 {
            self.residents.push(json!({
                "snils": person.snils, "dwelling": home, "zone": registered_zone,
            }));
        }
        if kind == 11 {
            self.fines.push(json!({ "plate": plate, "uin": uin(number) }));
        }
        match kind {
            14 => self.add_vehicle(&plate, &Person::of(number + 500_000, 0).snils, None),
            15 => {}
            // Leased by the second applicant from the first: both may ask, one permit is given.
            0 => {
                let lessee = Person::of(number + 17, 0).snils;
                self.add_vehicle(&plate, &person.snils, Some(&lessee));
            }
            17 => {}
            _ => self.add_vehicle(&plate, &person.snils, None),
        }
        let snils = if kind == 18 { wrong_control(&person.snils) } else { person.snils.clone() };
        let plate =
            if kind == 19 { plate.replacen(|c: char| c.is_ascii_digit(), "", 1) } else { plate };
        let form = json!({
            "applicant": {
                "surname": person.surname, "given_name": person.name, "snils": snils,
            },
            "plate": plate, "dwelling": home, "zone": person.zone,
            "validity_years": number % 3 + 1,
        });
        let body = json!({ "channel": "portal", "form": form });
        self.applications.push(Application { service: SERVICE, body, expected, late });
    }

    fn add_vehicle(&mut self, plate: &str, owner: &str, lessee: Option<&str>) {
        let mut row = json!({ "plate": plate, "owner_snils": owner });
        if let (Some(lessee), Some(row)) = (lessee, row.as_object_mut()) {
            row.insert("lessee_snils".to_owned(), lessee.into());
        }
        self.vehicles.push(row);
    }
}

/// A made-up person with a vehicle and a dwelling.
pub(super) struct Person {
    pub(super) surname: &'static str,
    pub(super) name: &'static str,
    pub(super) snils: String,
    pub(super) plate: String,
    pub(super) dwelling: String,
    pub(super) zone: &'static str,
}

impl Person {
    pub(super) fn of(number: usize, dwelling: usize) -> Self {
        Self {
            surname: SURNAMES[number % SURNAMES.len()],
            name: NAMES[number / SURNAMES.len() % NAMES.len()],
            snils: snils(number),
            plate: plate(number),
            dwelling: dwelling_id(dwelling),
            zone: ["Z1", "Z2", "Z3", "Z4"][dwelling % 4],
        }
    }
}

/// The SNILS of a number: nine digits and their control sum.
fn snils(number: usize) -> String {
    let digits = format!("{:09}", 100_000_000 + number);
    let sum: u32 =
        digits.chars().zip((1..=9).rev()).map(|(c, w)| c.to_digit(10).unwrap_or(0) * w).sum();
    let control = sum % 101 % 100;
    format!("{}-{}-{} {control:02}", &digits[..3], &digits[3..6], &digits[6..])
}

/// The same with another control sum.
fn wrong_control(snils: &str) -> String {
    let (digits, control) = snils.split_once(' ').unwrap_or((snils, "00"));
    let control = (control.parse::<u32>().unwrap_or(0) + 1) % 100;
    format!("{digits} {control:02}")
}

/// The plate of a number: each number has its own up to 1.7 million.
fn plate(number: usize) -> String {
    let letter = |power: u32| {
        let place = number / 999 / PLATE_LETTERS.len().pow(power) % PLATE_LETTERS.len();
        PLATE_LETTERS[place]
    };
    format!("{}{:03}{}{}92", letter(2), number % 999 + 1, letter(1), letter(0))
}

/// The identifier of a fine: of the ten last digits one is right.
fn uin(number: usize) -> String {
    let mut all = (0..10).map(|last| format!("1881{number:015}{last}"));
    let right = all.find(|uin| Uin::parse(uin).is_ok());
    right.expect("invariant: every number has a control digit")
}

/// The id of a dwelling in the form of a UUID.
fn dwelling_id(number: usize) -> String {
    let hex = Hash::of(format!("dwelling {number}").as_bytes()).to_hex();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32])
}

#[cfg(test)]
mod tests {
    use super::*;
    use letopis_rules::identifier::ru::{Snils, VehiclePlate};
    use std::collections::BTreeSet;

    #[test]
    fn identifiers_are_valid_and_nobody_has_anothers() {
        let numbers = 0..5000;
        let all: BTreeSet<String> = numbers.clone().map(snils).collect();
        assert_eq!(all.len(), numbers.len());
        assert!(all.iter().all(|snils| Snils::parse(snils).is_ok()));
        assert!(all.iter().all(|snils| Snils::parse(&wrong_control(snils)).is_err()));
        let all: BTreeSet<String> = numbers.clone().map(plate).collect();
        assert_eq!(all.len(), numbers.len());
        assert!(all.iter().all(|plate| VehiclePlate::parse(plate).is_ok()));
    }

    #[test]
    fn every_kind_of_outcome_occurs_in_both_services() {
        let population = Population::generate(80);
        let applications = population.applications().iter();
        let kinds: BTreeSet<_> =
            applications.map(|application| (application.service, application.expected)).collect();
        assert_eq!(kinds.len(), 8 + 6, "{kinds:?}");
    }
}
