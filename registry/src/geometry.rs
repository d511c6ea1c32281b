//! Areas on the ground: GeoJSON polygons (RFC 7946), checked, in one spelling, and whether two of
//! them meet.
//!
//! Positions are longitude and latitude in degrees (WGS 84). Whether lines meet is decided by
//! exact predicates, so equal areas give equal answers on every machine; edges are straight on the
//! plane of longitude and latitude. Not here: distances, other geometries, storing and finding.

use std::fmt;

use geo::coordinate_position::CoordPos;
use geo::dimensions::Dimensions;
use geo::orient::Direction;
use geo::{
    BoundingRect, Coord, Intersects, Line, LineString, MultiPolygon, Orient, Polygon, Relate,
};
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

/// Most positions of an area.
pub const POSITIONS_MAX: usize = 2_000;
/// Most rings of an area: each is compared with every other.
pub const RINGS_MAX: usize = 100;
/// Most bytes of an area as text, blanks included.
const TEXT_MAX_BYTES: usize = 256 << 10;

/// An area: one polygon or several that have no more than points in common.
#[derive(Clone, PartialEq)]
pub struct Area {
    polygons: MultiPolygon<f64>,
    several: bool,
}

/// The least box that holds an area, in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Least longitude.
    pub west: f64,
    /// Greatest longitude.
    pub east: f64,
    /// Least latitude.
    pub south: f64,
    /// Greatest latitude.
    pub north: f64,
}

/// Which rule a text breaks. Rings are counted from 1 through all polygons, as are positions in a
/// ring.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GeometryError {
    /// Not a geometry at all.
    #[error("not a GeoJSON geometry: write an object with \"type\" and \"coordinates\" alone")]
    Malformed,
    /// A geometry of another type.
    #[error("the type is {found:?}: only Polygon and MultiPolygon are areas")]
    Kind {
        /// The type.
        found: String,
    },
    /// A polygon without rings, or no polygon.
    #[error("a polygon has no ring: give at least the outer one")]
    Empty,
    /// Too many positions.
    #[error("{found} positions, at most {most} are allowed: simplify the line")]
    Positions {
        /// How many there are.
        found: usize,
        /// The most.
        most: usize,
    },
    /// Too many rings.
    #[error("{found} rings, at most {most} are allowed: give fewer parts or holes")]
    Rings {
        /// How many there are.
        found: usize,
        /// The most.
        most: usize,
    },
    /// A position that is not two numbers.
    #[error("ring {ring}: a position has {found} numbers, write longitude and latitude alone")]
    Position {
        /// The ring.
        ring: usize,
        /// How many numbers it has.
        found: usize,
    },
    /// A position that is not on the globe.
    #[error("ring {ring}: position {position} is outside longitude ±180 and latitude ±90")]
    Range {
        /// The ring.
        ring: usize,
        /// The position.
        position: usize,
    },
    /// A ring whose last position is not its first.
    #[error("ring {ring} is not closed: repeat its first position at its end")]
    Open {
        /// The ring.
        ring: usize,
    },
    /// A ring that encloses nothing.
    #[error("ring {ring} has fewer than three different corners")]
    Short {
        /// The ring.
        ring: usize,
    },
    /// A ring that meets itself.
    #[error("ring {ring} crosses or touches itself")]
    SelfIntersection {
        /// The ring.
        ring: usize,
    },
    /// A hole that is not inside its polygon.
    #[error("hole {ring} is not inside the outer ring of its polygon, or runs along it")]
    Hole {
        /// The ring.
        ring: usize,
    },
    /// Rings that have more than points in common.
    #[error("ring {ring} overlaps ring {other} or runs along it")]
    Overlap {
        /// A ring.
        ring: usize,
        /// Another one.
        other: usize,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(rename = "type")]
    kind: String,
    coordinates: Value,
}

type WrittenPolygon = Vec<Vec<Vec<f64>>>;

impl Area {
    /// An area in its normal form, to show beside an input field.
    pub const EXAMPLE: &'static str = concat!(
        r#"{"coordinates":[[[33.5,44.6],[33.6,44.6],[33.6,44.7],[33.5,44.6]]],"#,
        r#""type":"Polygon"}"#
    );

    /// Reads and checks a GeoJSON Polygon or MultiPolygon.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, GeometryError> {
        if text.len() > TEXT_MAX_BYTES {
            return Err(GeometryError::Malformed);
        }
        let written = serde_json::from_str(text).map_err(|_| GeometryError::Malformed)?;
        let Written { kind, coordinates } = written;
        let several = match kind.as_str() {
            "Polygon" => false,
            "MultiPolygon" => true,
            _ => return Err(GeometryError::Kind { found: kind.chars().take(40).collect() }),
        };
        let written: Result<Vec<WrittenPolygon>, _> = match several {
            true => serde_json::from_value(coordinates),
            false => serde_json::from_value(coordinates).map(|polygon| vec![polygon]),
        };
        let polygons = corners(&written.map_err(|_| GeometryError::Malformed)?)?;
        check_apart(&polygons)?;
        let polygons = MultiPolygon::new(polygons).orient(Direction::Default);
        Ok(Self { polygons, several })
    }

    /// The normal form: canonical JSON (RFC 8785), outer rings counterclockwise and holes clockwise
    /// (RFC 7946 section 3.1.6), no position twice in a row.
    #[must_use]
    pub fn to_text(&self) -> String {
        let ring = |ring: &LineString<f64>| -> Value {
            ring.coords().map(|corner| json!([corner.x, corner.y])).collect()
        };
        let polygon = |polygon: &Polygon<f64>| -> Value {
            std::iter::once(polygon.exterior()).chain(polygon.interiors()).map(ring).collect()
        };
        let mut polygons: Vec<Value> = self.polygons.iter().map(polygon).collect();
        let area = match self.several {
            true => json!({"type": "MultiPolygon", "coordinates": polygons}),
            false => json!({"type": "Polygon", "coordinates": polygons.pop()}),
        };
        serde_json_canonicalizer::to_string(&area)
            .expect("invariant: finite numbers and texts have a canonical form")
    }

    /// Whether the two have at least one point in common; borders belong to an area.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        self.polygons.intersects(&other.polygons)
    }

    /// The least box that holds the area.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        let bounds = self.polygons.bounding_rect().expect("invariant: an area has corners");
        let (least, most) = (bounds.min(), bounds.max());
        Bounds { west: least.x, east: most.x, south: least.y, north: most.y }
    }
}

impl fmt::Debug for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Area({})", self.to_text())
    }
}

/// Polygons whose every ring is right by itself.
fn corners(written: &[WrittenPolygon]) -> Result<Vec<Polygon<f64>>, GeometryError> {
    let positions = written.iter().flatten().map(Vec::len).sum();
    if positions > POSITIONS_MAX {
        return Err(GeometryError::Positions { found: positions, most: POSITIONS_MAX });
    }
    let rings = written.iter().map(Vec::len).sum();
    if rings > RINGS_MAX {
        return Err(GeometryError::Rings { found: rings, most: RINGS_MAX });
    }
    if rings == 0 {
        return Err(GeometryError::Empty);
    }
    let (mut polygons, mut number) = (Vec::new(), 0);
    for polygon in written {
        let mut rings = Vec::new();
        for written in polygon {
            number += 1;
            rings.push(ring(written, number)?);
        }
        let mut rings = rings.into_iter();
        let exterior = rings.next().ok_or(GeometryError::Empty)?;
        polygons.push(Polygon::new(exterior, rings.collect()));
    }
    Ok(polygons)
}

fn ring(written: &[Vec<f64>], ring: usize) -> Result<LineString<f64>, GeometryError> {
    let mut corners: Vec<Coord<f64>> = Vec::new();
    for (index, position) in written.iter().enumerate() {
        let [x, y] = position[..] else {
            return Err(GeometryError::Position { ring, found: position.len() });
        };
        if !(-180.0..=180.0).contains(&x) || !(-90.0..=90.0).contains(&y) {
            return Err(GeometryError::Range { ring, position: index + 1 });
        }
        corners.push(Coord { x, y });
    }
    if corners.is_empty() || corners.first() != corners.last() {
        return Err(GeometryError::Open { ring });
    }
    corners.dedup();
    if corners.len() < 4 {
        return Err(GeometryError::Short { ring });
    }
    let found = LineString::new(corners);
    if meets_itself(&found) { Err(GeometryError::SelfIntersection { ring }) } else { Ok(found) }
}

/// Whether edges of a ring have a point in common other than the corner between neighbours.
fn meets_itself(ring: &LineString<f64>) -> bool {
    let edges: Vec<Line<f64>> = ring.lines().collect();
    let turns_back = |a: &Line<f64>, b: &Line<f64>| a.intersects(&b.end) || b.intersects(&a.start);
    let last = edges.len() - 1;
    edges.iter().enumerate().any(|(i, a)| {
        edges[i + 1..].iter().enumerate().any(|(after, b)| match (i, i + 1 + after) {
            (i, j) if j == i + 1 => turns_back(a, b),
            (0, j) if j == last => turns_back(b, a),
            _ => a.bounding_rect().intersects(&b.bounding_rect()) && a.intersects(b),
        })
    })
}

/// That holes are inside and nothing overlaps; touching at points is allowed.
fn check_apart(polygons: &[Polygon<f64>]) -> Result<(), GeometryError> {
    let mut first = 1;
    let mut outer: Vec<(usize, &Polygon<f64>)> = Vec::new();
    for polygon in polygons {
        let whole = Polygon::new(polygon.exterior().clone(), vec![]);
        let holes: Vec<Polygon<f64>> =
            polygon.interiors().iter().map(|hole| Polygon::new(hole.clone(), vec![])).collect();
        for (index, hole) in holes.iter().enumerate() {
            let ring = first + 1 + index;
            let relation = whole.relate(hole);
            if !relation.is_contains()
                || relation.get(CoordPos::OnBoundary, CoordPos::OnBoundary)
                    == Dimensions::OneDimensional
            {
                return Err(GeometryError::Hole { ring });
            }
            if let Some(earlier) = holes[..index].iter().position(|earlier| overlap(earlier, hole))
            {
                return Err(GeometryError::Overlap { ring, other: first + 1 + earlier });
            }
        }
        for (other, earlier) in &outer {
            if overlap(earlier, polygon) {
                return Err(GeometryError::Overlap { ring: first, other: *other });
            }
        }
        outer.push((first, polygon));
        first += 1 + holes.len();
    }
    Ok(())
}

/// Whether two polygons have more than points in common.
fn overlap(a: &Polygon<f64>, b: &Polygon<f64>) -> bool {
    let boxes = a.bounding_rect().zip(b.bounding_rect());
    if !boxes.is_some_and(|(a, b)| a.intersects(&b)) {
        return false;
    }
    let relation = a.relate(b);
    relation.get(CoordPos::Inside, CoordPos::Inside) == Dimensions::TwoDimensional
        || relation.get(CoordPos::OnBoundary, CoordPos::OnBoundary) == Dimensions::OneDimensional
}

#[cfg(test)]
mod test;
