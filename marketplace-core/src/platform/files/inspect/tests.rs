use image::{DynamicImage, ImageFormat};
use proptest::prelude::*;

use super::*;
use crate::{
    kyc::model::FileKind,
    testing::pictures::{chunk, pdf},
};

fn picture(width: u32, height: u32) -> DynamicImage {
    let mut image = image::RgbImage::new(width, height);
    for (x, y, pixel) in image.enumerate_pixels_mut() {
        *pixel = image::Rgb([x % 251, y % 241, x * y % 239].map(|value| u8::try_from(value).unwrap()));
    }
    image.into()
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

const FORMATS: [(ImageFormat, &str); 3] =
    [(ImageFormat::Jpeg, "image/jpeg"), (ImageFormat::Png, "image/png"), (ImageFormat::WebP, "image/webp")];

#[track_caller]
fn refused(kind: FileKind, bytes: &[u8], code: ErrorCode) -> String {
    let error = inspect(kind, bytes).unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert_eq!(error.fields().first().unwrap().pointer, format!("/{kind}"));
    error.detail().to_owned()
}

#[test]
fn takes_each_format_by_content() {
    for (format, media_type) in FORMATS {
        let bytes = encoded(&picture(320, 200), format);
        for kind in FileKind::ALL {
            let facts = inspect(*kind, &bytes).unwrap();
            let expected = FileFacts { media_type, width: Some(320), height: Some(200), length: bytes.len() };
            assert_eq!(facts, expected);
        }
    }
    let facts = inspect(FileKind::Document, &pdf()).unwrap();
    assert_eq!((facts.media_type, facts.width, facts.length), ("application/pdf", None, pdf().len()));
}

#[test]
fn a_selfie_is_no_pdf() {
    assert!(refused(FileKind::Selfie, &pdf(), ErrorCode::UnsupportedMedia).contains("not a PDF"));
}

#[test]
fn other_formats_are_refused() {
    let gif = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00!\xf9\x04\x01";
    let bmp = [&b"BM"[..], &[0; 100]].concat();
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";
    let html = b"<!doctype html><script>alert(1)</script>";
    let heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic";
    for bytes in [&gif[..], &bmp, svg, html, heic, b"PK\x03\x04 archive", b"\x7fELF", b"text", &[0; 64]] {
        refused(FileKind::Document, bytes, ErrorCode::UnsupportedMedia);
    }
    refused(FileKind::Document, b"", ErrorCode::Invalid);
}

#[test]
fn a_header_with_junk_behind_is_no_picture() {
    let junk: Vec<u8> = (0..50_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect();
    for (format, _) in FORMATS {
        let bytes = encoded(&picture(320, 240), format);
        for keep in [12, 33, 64, bytes.len() / 2] {
            refused(FileKind::Selfie, &[&bytes[..keep], &junk].concat(), ErrorCode::Invalid);
        }
    }
    refused(FileKind::Selfie, b"\xff\xd8\xff", ErrorCode::Invalid);
    refused(FileKind::Selfie, b"\x89PNG\r\n\x1a\n", ErrorCode::Invalid);
    refused(FileKind::Selfie, b"RIFF\x04\0\0\0WEBP", ErrorCode::Invalid);
    refused(FileKind::Document, b"%PDF-1.7", ErrorCode::Invalid);
}

#[test]
fn small_and_oversized_pictures_are_refused() {
    for (format, _) in FORMATS {
        for (width, height) in [(199, 300), (300, 199), (1, 1)] {
            let detail = refused(FileKind::Selfie, &encoded(&picture(width, height), format), ErrorCode::Invalid);
            assert!(detail.contains(&format!("{width}×{height}")), "{detail}");
        }
        inspect(FileKind::Selfie, &encoded(&picture(200, 200), format)).unwrap();
    }
    let wide = encoded(&picture(MAX_SIDE + 1, 200), ImageFormat::Png);
    assert!(refused(FileKind::Selfie, &wide, ErrorCode::Invalid).contains("too many pixels"));
    let large = vec![0xFF; usize::try_from(MAX_FILE).unwrap() + 1];
    assert!(refused(FileKind::Document, &large, ErrorCode::TooLarge).contains("10 MiB"));
}

/// A few hundred bytes that declare far more pixels than may be decoded: refused by the declaration, without decoding.
#[test]
fn a_decompression_bomb_is_refused_by_its_declared_size() {
    for (width, height) in [(11_999_u32, 11_999_u32), (60_000, 60_000), (u32::MAX >> 1, 200)] {
        let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
        let png = [
            &b"\x89PNG\r\n\x1a\n"[..],
            &chunk(b"IHDR", &header),
            &chunk(b"IDAT", b"\x78\x9c\x63\x00\x00\x00\x01\x00\x01"),
            &chunk(b"IEND", b""),
        ]
        .concat();
        assert!(refused(FileKind::Document, &png, ErrorCode::Invalid).contains("too many pixels"));
    }
    // One that is within the limit of plain ones, and not of progressive ones: those keep their coefficients besides.
    let mut jpeg = encoded(&picture(320, 240), ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    jpeg[frame + 1] = 0xC2;
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0x17, 0x70, 0x1F, 0x40]); // 6,000 × 8,000
    assert!(refused(FileKind::Document, &jpeg, ErrorCode::Invalid).contains("29 million"));
    let mut jpeg = encoded(&picture(320, 240), ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xFF; 4]);
    assert!(refused(FileKind::Document, &jpeg, ErrorCode::Invalid).contains("too many pixels"));
}

#[test]
fn compressed_metadata_does_not_blow_up() {
    // 64 MiB of zeros in a zTXt chunk of 64 KiB: stays compressed, or is refused; the picture itself is fine.
    let mut png = encoded(&picture(200, 200), ImageFormat::Png);
    let mut text = b"Comment\0\0".to_vec();
    text.extend(std::iter::repeat_n(0_u8, 65_536));
    let end = png.len() - 12;
    png.splice(end..end, chunk(b"zTXt", &text));
    inspect(FileKind::Document, &png).unwrap();
}

#[test]
fn animations_are_refused() {
    let png = encoded(&picture(200, 200), ImageFormat::Png);
    let mut animated = png[..33].to_vec();
    animated.extend(chunk(b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]));
    animated.extend(&png[33..]);
    assert!(refused(FileKind::Selfie, &animated, ErrorCode::UnsupportedMedia).contains("animated"));

    let still = encoded(&picture(200, 200), ImageFormat::WebP);
    let extended =
        [&b"VP8X\x0a\0\0\0\x02\0\0\0\xc7\0\0\xc7\0\0"[..], b"ANIM\x06\0\0\0\0\0\0\0\0\0", &still[12..]].concat();
    let size = u32::try_from(extended.len() + 4).unwrap().to_le_bytes();
    let animated = [&b"RIFF"[..], &size, b"WEBP", &extended].concat();
    assert!(refused(FileKind::Selfie, &animated, ErrorCode::UnsupportedMedia).contains("animated"));
}

#[test]
fn what_is_appended_is_cut_off() {
    let tail = b"PK\x03\x04<html><script>alert(1)</script>";
    for (format, _) in FORMATS {
        let bytes = encoded(&picture(240, 320), format);
        let polyglot = [&bytes[..], tail].concat();
        assert_eq!(inspect(FileKind::Document, &polyglot).unwrap().length, bytes.len());
    }
    let polyglot = [&pdf()[..], tail].concat();
    assert_eq!(inspect(FileKind::Document, &polyglot).unwrap().length, pdf().len());
    // A PDF that begins as something else is that something else.
    let before = [&b"<html>"[..], &pdf()].concat();
    assert!(inspect(FileKind::Document, &before).is_err());
}

#[test]
fn a_pdf_must_be_whole() {
    let whole = pdf();
    for cut in [8, whole.len() / 2, whole.len() - 8] {
        refused(FileKind::Document, &whole[..cut], ErrorCode::Invalid);
    }
    let text = String::from_utf8(whole).unwrap();
    for (from, to) in [("startxref\n", "startxref\n9"), ("startxref", "startxxxx"), ("\nxref", "\nxxxx")] {
        refused(FileKind::Document, text.replacen(from, to, 1).as_bytes(), ErrorCode::Invalid);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Cutting a picture short anywhere is noticed; nothing panics.
    #[test]
    fn truncated_pictures_are_refused(format in 0..3_usize, at in any::<prop::sample::Index>()) {
        let bytes = encoded(&picture(220, 210), FORMATS[format].0);
        prop_assert!(inspect(FileKind::Selfie, &bytes[..at.index(bytes.len())]).is_err());
    }

    /// Damage anywhere is refused or decodes; nothing panics, whatever the bytes.
    #[test]
    fn damaged_files_do_no_harm(format in 0..3_usize, at in any::<prop::sample::Index>(), junk in any::<[u8; 8]>()) {
        let mut bytes = encoded(&picture(220, 210), FORMATS[format].0);
        let at = at.index(bytes.len() - 8);
        bytes[at..at + 8].copy_from_slice(&junk);
        if let Ok(facts) = inspect(FileKind::Selfie, &bytes) {
            prop_assert!(facts.length <= bytes.len());
        }
    }
}
