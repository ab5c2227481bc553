//! Distances on Earth, and boxes of degrees around a place. No SQL, no I/O.

/// Mean radius of Earth in metres (IUGG).
const EARTH: f64 = 6_371_008.8;
/// Half the circumference of Earth, in whole metres: no distance is greater.
pub(super) const FARTHEST: i64 = 20_015_115;

/// The place around which a search looks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    pub latitude: f64,
    pub longitude: f64,
}

/// A range of degrees from south to north, and one or two ranges from west to east.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Area {
    pub south: f64,
    pub north: f64,
    pub ranges: [(f64, f64); 2],
}

impl Place {
    /// Returns the distance to another place in whole metres, along the surface (haversine).
    #[expect(clippy::cast_possible_truncation, reason = "at most half way around Earth")]
    pub fn metres_to(self, latitude: f64, longitude: f64) -> i64 {
        let (from, to) = (self.latitude.to_radians(), latitude.to_radians());
        let up = ((to - from) / 2.0).sin();
        let along = ((longitude - self.longitude).to_radians() / 2.0).sin();
        let half = (up * up + from.cos() * to.cos() * along * along).clamp(0.0, 1.0);
        (2.0 * EARTH * half.sqrt().asin()).round() as i64
    }

    /// Returns an area in degrees that contains everything within a number of metres, and slightly more.
    #[expect(clippy::cast_precision_loss, reason = "at most half way around Earth")]
    pub fn around(self, metres: i64) -> Area {
        // One metre allows for rounding, and the factor for the error of floating-point arithmetic.
        let angle = (metres as f64 + 1.0) / EARTH * 1.000_001;
        let height = angle.to_degrees();
        let (south, north) = (self.latitude - height, self.latitude + height);
        let everywhere = [(-180.0, 180.0), (-180.0, 180.0)];
        if south <= -90.0 || north >= 90.0 {
            return Area { south: south.max(-90.0), north: north.min(90.0), ranges: everywhere };
        }
        let width = (angle.sin() / self.latitude.to_radians().cos()).clamp(-1.0, 1.0).asin().to_degrees() * 1.000_001;
        let (west, east) = (self.longitude - width, self.longitude + width);
        let ranges = if west < -180.0 {
            [(-180.0, east), (west + 360.0, 180.0)]
        } else if east > 180.0 {
            [(west, 180.0), (-180.0, east - 360.0)]
        } else {
            [(west, east), (west, east)]
        };
        Area { south, north, ranges }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn holds(area: &Area, latitude: f64, longitude: f64) -> bool {
        (area.south..=area.north).contains(&latitude)
            && area.ranges.iter().any(|(west, east)| (*west..=*east).contains(&longitude))
    }

    #[test]
    fn known_distances() {
        let paris = Place { latitude: 48.8566, longitude: 2.3522 };
        assert_eq!(paris.metres_to(48.8566, 2.3522), 0);
        assert!((paris.metres_to(51.5074, -0.1278) - 343_556).abs() < 100);
        let pole = Place { latitude: 90.0, longitude: 0.0 };
        assert_eq!(pole.metres_to(-90.0, 77.0), FARTHEST - 1);
    }

    proptest! {
        #[test]
        fn areas_hold_what_they_should(
            latitude in -90.0..=90.0_f64, longitude in -180.0..=180.0_f64,
            up in -3.0..3.0_f64, along in -5.0..5.0_f64, metres in 0..600_000_i64,
        ) {
            let place = Place { latitude, longitude };
            let (other, mut there) = ((latitude + up).clamp(-90.0, 90.0), longitude + along);
            if there > 180.0 { there -= 360.0; } else if there < -180.0 { there += 360.0; }
            let distance = place.metres_to(other, there);
            if distance <= metres {
                prop_assert!(holds(&place.around(metres), other, there), "{} m", distance);
            }
        }
    }
}
