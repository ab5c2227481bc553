//! Renders an uploaded picture anew, so that only its pixels stay. Where it was taken, with what and by whom is in the
//! metadata, which is not copied.

use image::{DynamicImage, imageops::FilterType, metadata::Orientation};

use crate::{
    base::error::Result,
    platform::files::{upright, write_jpeg},
};

/// Pixels a side of the full picture at most.
pub(super) const FULL_SIDE: u32 = 1_024;
/// Pixels a side of the thumbnail at most.
pub(super) const THUMB_SIDE: u32 = 256;
/// What both are written as.
pub(super) const MEDIA_TYPE: &str = "image/jpeg";
const QUALITY: u8 = 85;

/// A picture as it is kept.
#[derive(Debug)]
pub(super) struct Rendered {
    pub full: Vec<u8>,
    pub thumb: Vec<u8>,
    pub width: u32,
    pub height: u32,
}

/// Checks an upload like a photo of an identity check, turns it upright, and writes it anew in both sizes. Slow and
/// hungry for memory: see [`crate::platform::files::FileStore::decoding`].
pub(super) fn render(bytes: &[u8]) -> Result<Rendered> {
    let full = upright("picture", bytes, FULL_SIDE)?;
    let (width, height) = (full.width(), full.height());
    let side = width.min(height);
    let square = full.crop_imm((width - side) / 2, (height - side) / 2, side, side);
    let thumb =
        if side > THUMB_SIDE { square.resize_exact(THUMB_SIDE, THUMB_SIDE, FilterType::CatmullRom) } else { square };
    let jpeg = |picture: &DynamicImage| write_jpeg(picture, Orientation::NoTransforms, QUALITY);
    Ok(Rendered { full: jpeg(&full)?, thumb: jpeg(&thumb)?, width, height })
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Cursor;

    use image::{ImageFormat, Rgb, RgbImage};

    use super::*;

    /// A photo of a camera that was held sideways (orientation 6), with a place in its EXIF block: left half red, right
    /// half blue as it is stored.
    pub(in crate::profiles) fn photo() -> Vec<u8> {
        let pixels = RgbImage::from_fn(400, 300, |x, _| if x < 200 { Rgb([220, 0, 0]) } else { Rgb([0, 0, 220]) });
        let mut plain = Cursor::new(Vec::new());
        pixels.write_to(&mut plain, ImageFormat::Jpeg).unwrap();
        let plain = plain.into_inner();
        // TIFF header, one directory of two entries: orientation 6, and an artist's name standing for what tells too much.
        let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x02".to_vec();
        exif.extend_from_slice(b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0");
        exif.extend_from_slice(b"\x01\x3b\0\x02\0\0\0\x1a\0\0\0\x26\0\0\0\0");
        exif.extend_from_slice(b"GPS 48.8566N 2.3522E Ada\0\0");
        let mut bytes = plain[..2].to_vec();
        bytes.extend_from_slice(&[0xFF, 0xE1]);
        bytes.extend_from_slice(&u16::try_from(exif.len() + 2).unwrap().to_be_bytes());
        bytes.extend_from_slice(&exif);
        bytes.extend_from_slice(&plain[2..]);
        bytes
    }

    fn has(bytes: &[u8], text: &[u8]) -> bool {
        bytes.windows(text.len()).any(|window| window == text)
    }

    #[test]
    fn only_pixels_stay_and_they_stand_upright() {
        let photo = photo();
        assert!(has(&photo, b"GPS") && has(&photo, b"Exif"));
        let rendered = render(&photo).unwrap();
        assert_eq!((rendered.width, rendered.height), (300, 400));
        for bytes in [&rendered.full, &rendered.thumb] {
            assert!(!has(bytes, b"GPS") && !has(bytes, b"Exif") && !has(bytes, b"Ada"));
        }
        let full = image::load_from_memory(&rendered.full).unwrap().to_rgb8();
        // A quarter turn clockwise: what was left is on top.
        assert!(full.get_pixel(150, 50).0[0] > 150 && full.get_pixel(150, 350).0[2] > 150);
        let thumb = image::load_from_memory(&rendered.thumb).unwrap();
        assert_eq!((thumb.width(), thumb.height()), (256, 256));
    }

    #[test]
    fn what_is_transparent_becomes_white_and_large_becomes_small() {
        let mut bytes = Cursor::new(Vec::new());
        image::RgbaImage::new(2_000, 500).write_to(&mut bytes, ImageFormat::Png).unwrap();
        let mut bytes = bytes.into_inner();
        bytes.extend_from_slice(b"<script>appended</script>");
        let rendered = render(&bytes).unwrap();
        assert_eq!((rendered.width, rendered.height), (1_024, 256));
        assert!(!has(&rendered.full, b"script"));
        let full = image::load_from_memory(&rendered.full).unwrap().to_rgb8();
        assert!(full.get_pixel(10, 10).0.iter().all(|channel| *channel > 250));
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        for bytes in [&b""[..], b"GIF89a", b"%PDF-1.4", b"<svg/>"] {
            assert_eq!(render(bytes).unwrap_err().fields()[0].pointer, "/picture");
        }
    }
}
