//! Which texts are areas, their one spelling, and what meets what.

use proptest::prelude::*;

use super::*;

fn area(text: &str) -> Area {
    Area::parse(text).unwrap()
}

fn polygon(coordinates: &str) -> Result<Area, GeometryError> {
    Area::parse(&format!(r#"{{"type":"Polygon","coordinates":{coordinates}}}"#))
}

fn multi(coordinates: &str) -> Result<Area, GeometryError> {
    Area::parse(&format!(r#"{{"type":"MultiPolygon","coordinates":{coordinates}}}"#))
}

fn square(x: f64, y: f64, side: f64) -> Area {
    let (e, n) = (x + side, y + side);
    polygon(&format!("[[[{x},{y}],[{e},{y}],[{e},{n}],[{x},{n}],[{x},{y}]]]")).unwrap()
}

#[test]
fn a_text_that_is_no_area_breaks_a_named_rule() {
    use GeometryError as E;
    for text in ["", "{}", "[]", r#"{"type":"Polygon"}"#, r#"{"type":"Polygon","coordinates":7}"#] {
        assert_eq!(Area::parse(text), Err(E::Malformed), "{text}");
    }
    let with_crs = r#"{"type":"Polygon","coordinates":[],"crs":null}"#;
    assert_eq!(Area::parse(with_crs), Err(E::Malformed));
    let point = r#"{"type":"Point","coordinates":[1,2]}"#;
    assert_eq!(Area::parse(point), Err(E::Kind { found: "Point".into() }));
    for (coordinates, rule) in [
        ("[]", E::Empty),
        ("[[[0,0,5],[1,0,5],[1,1,5],[0,0,5]]]", E::Position { ring: 1, found: 3 }),
        ("[[[0,0],[181,0],[1,1],[0,0]]]", E::Range { ring: 1, position: 2 }),
        ("[[[0,0],[1,0],[1,91],[0,0]]]", E::Range { ring: 1, position: 3 }),
        ("[[[0,0],[1,0],[1,1],[0,1]]]", E::Open { ring: 1 }),
        ("[[]]", E::Open { ring: 1 }),
        ("[[[0,0],[1,0],[1,0],[0,0]]]", E::Short { ring: 1 }),
        ("[[[0,0],[2,2],[2,0],[0,2],[0,0]]]", E::SelfIntersection { ring: 1 }),
        // A spike goes out and comes back; a corner that is passed twice touches itself.
        ("[[[0,0],[2,0],[4,0],[2,0],[2,2],[0,0]]]", E::SelfIntersection { ring: 1 }),
        ("[[[0,0],[2,0],[1,1],[2,2],[0,2],[1,1],[0,0]]]", E::SelfIntersection { ring: 1 }),
        ("[[[0,0],[1,0],[2,0],[0,0]]]", E::SelfIntersection { ring: 1 }),
        ("[[[0,0],[4,0],[4,4],[0,0]],[[5,5],[6,5],[6,6],[5,5]]]", E::Hole { ring: 2 }),
        (
            "[[[0,0],[9,0],[9,9],[0,9],[0,0]],[[1,1],[4,1],[4,4],[1,1]],[[2,1],[5,1],[5,4],[2,1]]]",
            E::Overlap { ring: 3, other: 2 },
        ),
    ] {
        assert_eq!(polygon(coordinates), Err(rule), "{coordinates}");
    }
    let twice = "[[[[0,0],[2,0],[2,2],[0,0]]],[[[1,0],[3,0],[3,2],[1,0]]]]";
    assert_eq!(multi(twice), Err(E::Overlap { ring: 2, other: 1 }));
}

#[test]
fn there_are_at_most_2000_positions_and_100_rings() {
    let circle = |corners: usize| {
        let corner = |n: usize| {
            let angle = (n % corners) as f64 / corners as f64 * std::f64::consts::TAU;
            format!("[{},{}]", angle.cos(), angle.sin())
        };
        let corners: Vec<String> = (0..=corners).map(corner).collect();
        polygon(&format!("[[{}]]", corners.join(",")))
    };
    let most = circle(POSITIONS_MAX - 1).unwrap();
    assert!(most.meets(&most));
    let error = GeometryError::Positions { found: POSITIONS_MAX + 1, most: POSITIONS_MAX };
    assert_eq!(circle(POSITIONS_MAX), Err(error));
    let parts = |count: usize| {
        let part = |n: usize| format!("[[[{n},0],[{n}.5,0],[{n}.5,1],[{n},0]]]");
        multi(&format!("[{}]", (0..count).map(part).collect::<Vec<_>>().join(",")))
    };
    assert!(parts(RINGS_MAX).is_ok());
    assert_eq!(parts(101), Err(GeometryError::Rings { found: 101, most: RINGS_MAX }));
}

#[test]
fn the_normal_form_is_one_for_every_spelling() {
    let normal = concat!(
        r#"{"coordinates":[[[0,0],[4,0],[4,4],[0,4],[0,0]],[[1,1],[1,2],[2,2],[1,1]]],"#,
        r#""type":"Polygon"}"#
    );
    let clockwise = r#" { "type": "Polygon", "coordinates":
        [[[0.0,0],[0,4],[4e0,4],[4,4],[4,0],[-0.0,0]], [[1,1],[2,2],[1,2],[1,1]]] } "#;
    assert_eq!(area(clockwise).to_text(), normal);
    assert_eq!(area(normal).to_text(), normal);
}

#[test]
fn a_border_belongs_to_an_area_and_a_hole_does_not() {
    let ring =
        polygon("[[[0,0],[9,0],[9,9],[0,9],[0,0]],[[3,3],[6,3],[6,6],[3,6],[3,3]]]").unwrap();
    for (other, meets) in [
        (square(4.0, 4.0, 1.0), false),
        (square(3.0, 4.0, 1.0), true),
        (square(1.0, 1.0, 1.0), true),
        (square(-1.0, -1.0, 20.0), true),
        (square(9.0, 9.0, 1.0), true),
        (square(9.1, 0.0, 1.0), false),
    ] {
        assert_eq!(ring.meets(&other), meets, "{other:?}");
        assert_eq!(other.meets(&ring), meets, "{other:?}");
    }
}

/// A polygon around a point: corners at growing angles, so that it never crosses itself.
pub(crate) fn star() -> impl Strategy<Value = Area> {
    let radii = prop::collection::vec(0.01_f64..2.0, 3..12);
    (-20.0_f64..20.0, -20.0_f64..20.0, radii).prop_filter_map("an area", |(x, y, radii)| {
        let count = radii.len();
        let corner = |n: usize| {
            let angle = n as f64 / count as f64 * std::f64::consts::TAU;
            (x + radii[n] * angle.cos(), y + radii[n] * angle.sin())
        };
        let corners = (0..count).chain([0]).map(corner);
        let corners: Vec<String> = corners.map(|(x, y)| format!("[{x},{y}]")).collect();
        polygon(&format!("[[{}]]", corners.join(","))).ok()
    })
}

proptest! {
    #[test]
    fn meeting_is_mutual_and_everything_meets_itself(a in star(), b in star()) {
        prop_assert!(a.meets(&a));
        prop_assert_eq!(a.meets(&b), b.meets(&a));
        let (one, other) = (a.bounds(), b.bounds());
        let far = one.east < other.west || other.east < one.west
            || one.north < other.south || other.north < one.south;
        prop_assert!(!(far && a.meets(&b)));
    }

    #[test]
    fn the_normal_form_reads_back_as_the_same_area(a in star()) {
        let text = a.to_text();
        let again = area(&text);
        prop_assert_eq!(again.to_text(), text);
        prop_assert_eq!(again, a);
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,60}", numbers in prop::collection::vec(any::<f64>(), 0..12)) {
        let _ = Area::parse(&text);
        let corners: Vec<String> = numbers.chunks(2).map(|c| format!("{c:?}")).collect();
        let _ = polygon(&format!("[[{}]]", corners.join(",")));
    }
}
