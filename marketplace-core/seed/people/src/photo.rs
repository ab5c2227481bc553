//! Photos of what a service offers: simple still lifes.
#![expect(clippy::unreadable_literal, reason = "colours are six hexadecimal digits")]

use image::codecs::jpeg::JpegEncoder;
use marketplace_core::base::error::{Error, Result};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::canvas::{Area, Canvas, Color, Frame};

/// Width and height of a photo, in pixels.
const SIZE: (u32, u32) = (640, 480);
/// Light and dark of a wall, and what stands before it.
const COLOURS: [[u32; 4]; 5] = [
    [0xF4E7D3, 0xB07B4F, 0xC8553D, 0x588B8B],
    [0xDCE8F0, 0x5C6B73, 0x2A6F97, 0xE9C46A],
    [0xE9F0E4, 0x7A8B69, 0x386641, 0xBC4749],
    [0xF0E6EF, 0x7B5E7B, 0x9C89B8, 0xF0A6CA],
    [0xF7F3E3, 0x8D7B68, 0xE07A5F, 0x3D405B],
];

/// Returns a photo as JPEG; the same number is the same photo.
pub fn photo(number: u64) -> Result<Vec<u8>> {
    let mut rng = StdRng::seed_from_u64(number);
    let [light, dark, one, other] =
        COLOURS.get(rng.random_range(0..COLOURS.len())).copied().unwrap_or_default().map(Color::hex);
    let mut canvas = Canvas::new(SIZE.0, SIZE.1, light);
    canvas.rect(Frame::PIXELS, Area(0.0, 330.0, 640.0, 480.0), 0.0, dark, 1.0);
    for at in [150.0, 320.0, 490.0] {
        let colour = if rng.random_bool(0.5) { one } else { other };
        let (x, size) = (at + rng.random_range(-40.0..40.0_f32), rng.random_range(50.0..100.0_f32));
        canvas.ellipse(Frame::PIXELS, (x + 14.0, 352.0), (size, 18.0), |_, _| dark.times(0.7));
        if rng.random_bool(0.5) {
            canvas.ellipse(Frame::PIXELS, (x, 350.0 - size), (size, size), |u, v| colour.times(1.05 - 0.25 * (u + v)));
        } else {
            let body = Area(x - size * 0.7, 350.0 - size * 2.0, x + size * 0.7, 352.0);
            canvas.rect(Frame::PIXELS, body, 12.0, colour, 1.0);
            canvas.rect(Frame::PIXELS, Area(body.0, body.1, x, body.3), 12.0, colour.times(1.12), 0.6);
        }
    }
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 85).encode_image(&canvas.image).map_err(Error::internal)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_is_the_same_photo() {
        assert_eq!(photo(1).unwrap(), photo(1).unwrap());
        assert_ne!(photo(1).unwrap(), photo(2).unwrap());
    }
}
