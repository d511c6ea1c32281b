//! Made-up families that apply for the child benefit, each for one outcome that is right.
//!
//! Not here: people with vehicles (`population`); both share made-up identifiers.

use serde_json::{Value, json};

use super::population::{Application, Expected, Person};

/// Code of the service.
pub(super) const SERVICE: &str = "child-benefit";
/// People of this population begin here, so that nobody is in two of them.
const FIRST_PERSON: usize = 20_000_000;
/// OKTMO of the town.
const TOWN: &str = "67323000";

/// Rows of the registries that the service asks.
#[derive(Debug, Default)]
pub(super) struct Families {
    pub(super) births: Vec<Value>,
    pub(super) residents: Vec<Value>,
    pub(super) incomes: Vec<Value>,
    pub(super) payments: Vec<Value>,
    pub(super) properties: Vec<Value>,
}

impl Families {
    /// Makes as many families, the kinds in turn by tens; gives their applications.
    pub(super) fn generate(count: usize) -> (Self, Vec<Application>) {
        let mut families = Self::default();
        let applications = (0..count).map(|number| families.add(number)).collect();
        (families, applications)
    }

    fn add(&mut self, number: usize) -> Application {
        use Expected::{Granted, Refused};
        let kind = number % 10;
        let expected = match kind {
            4 => Refused("G1"),
            5 => Refused("G2"),
            6 => Refused("G3"),
            7 => Refused("G4"),
            8 => Refused("G5"),
            _ => Granted,
        };
        let parent = Person::of(FIRST_PERSON + 2 * number, FIRST_PERSON + number);
        let other = Person::of(FIRST_PERSON + 2 * number + 1, FIRST_PERSON + number);
        let record = format!("1102591230001{number:08}");
        let two_parents = kind % 2 == 1;
        let birth_date = if kind == 5 { "2008-01-15" } else { "2020-05-01" };
        let mut birth = json!({
            "record_number": record, "parent_snils": parent.snils, "child_birth_date": birth_date,
        });
        if two_parents {
            birth["other_parent_snils"] = json!(other.snils);
            self.incomes.push(json!({ "snils": other.snils, "kopecks": 9_600_000 }));
        }
        self.births.push(birth);
        let oktmo = if kind == 4 { "45382000" } else { TOWN };
        self.residents.push(json!({
            "snils": parent.snils, "dwelling": parent.dwelling, "zone": parent.zone,
            "oktmo": oktmo,
        }));
        match kind {
            // Without an income and without a reason for it.
            8 => {}
            2 => self.incomes.push(json!({
                "snils": parent.snils, "kopecks": 0, "excuse": "care of a child under three",
            })),
            6 => self.incomes.push(json!({ "snils": parent.snils, "kopecks": 90_000_000 })),
            _ => self.incomes.push(json!({ "snils": parent.snils, "kopecks": 12_000_000 })),
        }
        if kind == 0 {
            self.payments.push(json!({ "snils": parent.snils, "kopecks": 6_000_000 }));
        }
        let (vehicles, dwellings) = if kind == 7 { (1, 3) } else { (1, 1) };
        if kind != 9 {
            self.properties.push(json!({
                "snils": parent.snils, "vehicles": vehicles, "dwellings": dwellings,
            }));
        }
        let form = json!({
            "applicant": {
                "surname": parent.surname, "given_name": parent.name, "snils": parent.snils,
            },
            "birth_record": record, "children": 1,
        });
        let body = json!({ "channel": "portal", "form": form });
        Application { service: SERVICE, body, expected, late: false }
    }
}
