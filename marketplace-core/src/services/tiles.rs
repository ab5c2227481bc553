//! Tiles: the surface of Earth in degrees, divided into four again and again. Every place has the number of its
//! smallest tile, and a larger tile is a range of numbers (Morton order). So an index of numbers finds what is near,
//! anywhere on Earth and however large the empty surroundings are. No SQL, no I/O.

use super::place::Place;

/// Number of divisions of the surface. The smallest tiles are 305 m high, and at most 611 m wide.
pub(super) const LEVELS: u32 = 16;

/// A part of the surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tile {
    level: u32,
    code: i64,
}

/// Returns the number of the smallest tile that contains a place. The migration that added tiles computes the same in
/// SQL.
#[expect(clippy::cast_possible_truncation, reason = "degrees are checked when they come in, and clamped here")]
pub fn tile_of(latitude: f64, longitude: f64) -> i64 {
    let cut = |part: f64| ((part * f64::from(1 << LEVELS)) as i64).clamp(0, (1 << LEVELS) - 1);
    spread(cut((latitude + 90.0) / 180.0)) << 1 | spread(cut((longitude + 180.0) / 360.0))
}

/// Spreads sixteen bits so that there is room for another bit between each two.
fn spread(bits: i64) -> i64 {
    let bits = (bits | bits << 8) & 0x00FF_00FF;
    let bits = (bits | bits << 4) & 0x0F0F_0F0F;
    let bits = (bits | bits << 2) & 0x3333_3333;
    (bits | bits << 1) & 0x5555_5555
}

/// Collects every other bit; the inverse of [`spread`].
fn gather(bits: i64) -> i64 {
    let bits = bits & 0x5555_5555;
    let bits = (bits | bits >> 1) & 0x3333_3333;
    let bits = (bits | bits >> 2) & 0x0F0F_0F0F;
    let bits = (bits | bits >> 4) & 0x00FF_00FF;
    (bits | bits >> 8) & 0x0000_FFFF
}

impl Tile {
    /// The whole surface.
    pub const ALL: Self = Self { level: 0, code: 0 };

    /// Returns the first and the last number of the places in the tile.
    pub fn numbers(self) -> (i64, i64) {
        let below = 2 * (LEVELS - self.level);
        (self.code << below, ((self.code + 1) << below) - 1)
    }

    /// Returns whether the tile cannot be divided further.
    pub fn is_smallest(self) -> bool {
        self.level == LEVELS
    }

    /// Returns the quarters of the tile; a smallest tile has none.
    pub fn quarters(self) -> impl Iterator<Item = Self> {
        let quarters = if self.is_smallest() { 0 } else { 4 };
        (0..quarters).map(move |at| Self { level: self.level + 1, code: self.code * 4 + at })
    }

    /// Returns the southern, northern, western and eastern edge of the tile, in degrees.
    #[expect(clippy::cast_precision_loss, reason = "sixteen bits at most")]
    fn edges(self) -> (f64, f64, f64, f64) {
        let height = 180.0 / f64::from(1 << self.level);
        let (up, along) = (gather(self.code >> 1) as f64, gather(self.code) as f64);
        let (south, west) = (up * height - 90.0, along * 2.0 * height - 180.0);
        (south, south + height, west, west + 2.0 * height)
    }

    /// Returns a lower bound of the metres from a place to the nearest point of the tile, and an upper bound of those
    /// to the farthest.
    pub fn metres_from(self, place: Place) -> (i64, i64) {
        let opposite = Place {
            latitude: -place.latitude,
            longitude: if place.longitude > 0.0 { place.longitude - 180.0 } else { place.longitude + 180.0 },
        };
        // The point farthest from here is the one nearest to the opposite side of Earth. One metre each way allows for
        // rounding.
        let half_way = place.metres_to(opposite.latitude, opposite.longitude);
        ((self.nearest(place) - 2).max(0), half_way - self.nearest(opposite) + 3)
    }

    fn nearest(self, place: Place) -> i64 {
        let (south, north, west, east) = self.edges();
        if (west..=east).contains(&place.longitude) {
            return place.metres_to(place.latitude.clamp(south, north), place.longitude);
        }
        // Outside, the nearest point lies on the western or the eastern edge: at an end of it, or where a great circle
        // from the place meets its meridian at a right angle.
        let on_edge = |longitude: f64| {
            let apart = (longitude - place.longitude).to_radians();
            let latitude = place.latitude.to_radians();
            let foot = latitude.sin().atan2(latitude.cos() * apart.cos()).to_degrees();
            let ends = place.metres_to(south, longitude).min(place.metres_to(north, longitude));
            if (south..=north).contains(&foot) { ends.min(place.metres_to(foot, longitude)) } else { ends }
        };
        on_edge(west).min(on_edge(east))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_place_lies_in_its_tile_and_in_all_that_hold_it(
            latitude in -90.0..=90.0_f64, longitude in -180.0..=180.0_f64,
            from_latitude in -90.0..=90.0_f64, from_longitude in -180.0..=180.0_f64,
        ) {
            let (number, from) = (tile_of(latitude, longitude), Place { latitude: from_latitude, longitude: from_longitude });
            let distance = from.metres_to(latitude, longitude);
            let holds = |tile: &Tile| { let (first, last) = tile.numbers(); (first..=last).contains(&number) };
            let mut tile = Tile::ALL;
            loop {
                let (nearest, farthest) = tile.metres_from(from);
                prop_assert!(nearest <= distance && distance <= farthest, "{tile:?}: {nearest} {distance} {farthest}");
                let quarters: Vec<Tile> = tile.quarters().filter(holds).collect();
                prop_assert_eq!(quarters.len(), usize::from(!tile.is_smallest()));
                let Some(quarter) = quarters.first() else { break };
                tile = *quarter;
            }
            prop_assert!(tile.metres_from(from).1 - tile.metres_from(from).0 < 1_000);
        }
    }

    #[test]
    fn the_ends_of_the_earth_have_tiles() {
        let last = Tile::ALL.numbers().1;
        assert_eq!(Tile::ALL.numbers().0, tile_of(-90.0, -180.0));
        assert_eq!(last, tile_of(90.0, 180.0));
        assert_eq!(last, (1 << 32) - 1);
    }
}
