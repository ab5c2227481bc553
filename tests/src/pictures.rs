//! Pictures to submit: small, valid, and different from each other.

use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};

/// Returns a picture of `side` × `side` pixels whose colours depend on `seed`.
pub fn picture(format: ImageFormat, side: u32, seed: u32) -> Vec<u8> {
    let shade = |value: u32| u8::try_from(value % 256).unwrap_or(0);
    let image =
        RgbImage::from_fn(side, side, |x, y| Rgb([shade(x + seed * 31), shade(y + seed * 17), shade((x ^ y) + seed)]));
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).expect("a picture can be written to memory");
    bytes.into_inner()
}

/// Returns a JPEG of 240 × 240 pixels.
pub fn jpeg(seed: u32) -> Vec<u8> {
    picture(ImageFormat::Jpeg, 240, seed)
}

/// Returns a PNG of 240 × 240 pixels.
pub fn png(seed: u32) -> Vec<u8> {
    picture(ImageFormat::Png, 240, seed)
}
