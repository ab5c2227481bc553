use image::GenericImageView;

use super::{super::inspect, *};
use crate::{platform::files::Expected, testing::pictures};

/// What must not be found in what is left, wherever it was put.
const SECRET: &[u8] = b"48.8566N 2.3522E Ada";

fn cleaned(bytes: &[u8]) -> Cleaned {
    let facts = inspect(Expected { field: "file", pdf: true }, bytes).unwrap();
    let cleaned = clean(&facts, bytes[..facts.length].to_vec()).unwrap();
    let again = inspect(Expected { field: "file", pdf: true }, &cleaned.bytes).unwrap();
    assert_eq!((again.media_type, again.width, again.height), (cleaned.media_type, cleaned.width, cleaned.height));
    assert_eq!(again.length, cleaned.bytes.len());
    cleaned
}

fn has(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

fn no_secret(bytes: &[u8]) {
    for text in [SECRET, b"Exif", b"EXIF", b"XMP", b"xap", b"Photoshop", b"JFXX", b"MPF", b"ICC_PROFILE"] {
        assert!(!has(bytes, text), "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn nothing_that_is_told_about_a_picture_stays_and_no_pixel_changes() {
    for plain in [pictures::jpeg(), pictures::png(), pictures::webp()] {
        let told = pictures::with_everything(&plain, SECRET, 1);
        assert!(has(&told, SECRET));
        let kept = cleaned(&told);
        no_secret(&kept.bytes);
        // In a WebP the chunk that announces what else there is stays, and announces nothing.
        assert!(kept.bytes.len() <= plain.len() + 18, "{} of {}", kept.bytes.len(), plain.len());
        let (before, after) = (image::load_from_memory(&plain).unwrap(), image::load_from_memory(&kept.bytes).unwrap());
        assert_eq!(before.to_rgba8(), after.to_rgba8());
    }
}

#[test]
fn every_way_to_lie_is_turned_upright() {
    for plain in [pictures::jpeg(), pictures::png(), pictures::webp()] {
        // Red on the left as it is stored, 300 × 200; where red is to be seen for each orientation of EXIF.
        for (orientation, red) in
            [(2, "right"), (3, "right"), (4, "left"), (5, "top"), (6, "top"), (7, "bottom"), (8, "bottom")]
        {
            let kept = cleaned(&pictures::with_everything(&plain, SECRET, orientation));
            no_secret(&kept.bytes);
            let picture = image::load_from_memory(&kept.bytes).unwrap();
            let sides = if orientation > 4 { (200, 300) } else { (300, 200) };
            assert_eq!(picture.dimensions(), sides);
            let (width, height) = sides;
            let at = match red {
                "left" => (10, height / 2),
                "right" => (width - 10, height / 2),
                "top" => (width / 2, 10),
                _ => (width / 2, height - 10),
            };
            let image::Rgba([r, _, b, _]) = picture.get_pixel(at.0, at.1);
            assert!(r > 180 && b < 80, "orientation {orientation}: {r} {b}");
        }
    }
}

#[test]
fn transparency_stays_where_there_was_some() {
    let clear = image::RgbaImage::from_pixel(300, 200, image::Rgba([9, 9, 9, 0]));
    for format in [ImageFormat::Png, ImageFormat::WebP] {
        let mut bytes = Cursor::new(Vec::new());
        clear.write_to(&mut bytes, format).unwrap();
        for orientation in [1, 6] {
            let kept = cleaned(&pictures::with_everything(&bytes.clone().into_inner(), SECRET, orientation));
            no_secret(&kept.bytes);
            assert_eq!(image::load_from_memory(&kept.bytes).unwrap().to_rgba8().get_pixel(5, 5).0[3], 0, "{format:?}");
        }
    }
}

#[test]
fn a_document_stays_as_it_is() {
    let pdf = pictures::pdf();
    assert_eq!(cleaned(&pdf).bytes, pdf);
}
