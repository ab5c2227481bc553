//! Pictures that tell more than they show: with a text in every place where a format takes one.
#![expect(clippy::indexing_slicing, reason = "of pictures that were made here")]

use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};

/// 300 × 200 pixels, the left half red and the right half blue.
fn halves(format: ImageFormat) -> Vec<u8> {
    let pixels = RgbImage::from_fn(300, 200, |x, _| if x < 150 { Rgb([220, 0, 0]) } else { Rgb([0, 0, 220]) });
    let mut bytes = Cursor::new(Vec::new());
    pixels.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A JPEG, the left half red and the right half blue.
pub fn jpeg() -> Vec<u8> {
    halves(ImageFormat::Jpeg)
}

/// A PNG of the same.
pub fn png() -> Vec<u8> {
    halves(ImageFormat::Png)
}

/// A WebP of the same.
pub fn webp() -> Vec<u8> {
    halves(ImageFormat::WebP)
}

/// A PDF of no page.
pub fn pdf() -> Vec<u8> {
    let body = "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n";
    let table = "xref\n0 3\n0000000000 65535 f \n0000000009 00000 n \n0000000055 00000 n \n";
    format!("{body}{table}trailer<</Size 3/Root 1 0 R>>\nstartxref\n{}\n%%EOF\n", body.len()).into_bytes()
}

/// The same picture with a text in its EXIF block, beside that orientation, and wherever else a text can stand.
pub fn with_everything(plain: &[u8], text: &[u8], orientation: u8) -> Vec<u8> {
    let exif = exif(text, orientation);
    match plain.first() {
        Some(0xFF) => jpeg_with(plain, text, &exif),
        Some(0x89) => png_with(plain, text, &exif),
        _ => webp_with(plain, text, &exif),
    }
}

/// TIFF header, and one directory of two entries: the orientation, and an artist's name for what tells too much.
fn exif(text: &[u8], orientation: u8) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap().to_be_bytes();
    let mut block = b"MM\0\x2a\0\0\0\x08\0\x02\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    block.extend_from_slice(&[orientation, 0, 0, 0x01, 0x3b, 0, 2]);
    block.extend_from_slice(&length);
    block.extend_from_slice(&[0, 0, 0, 0x26, 0, 0, 0, 0]);
    block.extend_from_slice(text);
    block
}

fn jpeg_with(plain: &[u8], text: &[u8], exif: &[u8]) -> Vec<u8> {
    let mut bytes = plain[..2].to_vec();
    let mut segment = |marker: u8, head: &[u8], content: &[u8]| {
        bytes.extend_from_slice(&[0xFF, marker]);
        bytes.extend_from_slice(&u16::try_from(head.len() + content.len() + 2).unwrap().to_be_bytes());
        bytes.extend_from_slice(head);
        bytes.extend_from_slice(content);
    };
    segment(0xE1, b"Exif\0\0", exif);
    segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0", text);
    // A name of 32 letters, a length, a place.
    segment(0xE1, &[b"http://ns.adobe.com/xmp/extension/\0", &[b'A'; 32][..], &[0; 8]].concat(), text);
    segment(0xED, b"Photoshop 3.0\0", text);
    segment(0xE2, b"ICC_PROFILE\0\x01\x01", text);
    segment(0xE2, b"MPF\0", text);
    segment(0xEB, b"JP\0\x01", text);
    segment(0xE0, b"JFXX\0\x10", text);
    segment(0xEF, b"", text);
    segment(0xFE, b"", text);
    bytes.extend_from_slice(&plain[2..]);
    bytes.extend_from_slice(text);
    bytes
}

fn png_with(plain: &[u8], text: &[u8], exif: &[u8]) -> Vec<u8> {
    // The signature and `IHDR` first.
    let mut bytes = plain[..33].to_vec();
    bytes.extend(chunk(b"eXIf", exif));
    bytes.extend(chunk(b"tEXt", &[b"Comment\0", text].concat()));
    bytes.extend(chunk(b"iTXt", &[b"XML:com.adobe.xmp\0\0\0\0\0", text].concat()));
    bytes.extend(chunk(b"zTXt", &[b"Raw profile type exif\0\0", text].concat()));
    bytes.extend(chunk(b"tIME", &[7, 0xE9, 1, 2, 3, 4, 5]));
    bytes.extend(chunk(b"prVt", text));
    bytes.extend_from_slice(&plain[33..]);
    bytes.extend_from_slice(text);
    bytes
}

/// Returns a PNG chunk with its checksum.
pub fn chunk(name: &[u8], data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes();
    let crc = crc(&[name, data].concat()).to_be_bytes();
    [&length[..], name, data, &crc].concat()
}

fn crc(data: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 })
    };
    !data.iter().fold(!0_u32, step)
}

fn webp_with(plain: &[u8], text: &[u8], exif: &[u8]) -> Vec<u8> {
    let picture = image::load_from_memory_with_format(plain, ImageFormat::WebP).unwrap();
    let side = |pixels: u32| (pixels - 1).to_le_bytes()[..3].to_vec();
    let alpha = if picture.color().has_alpha() { 0x10 } else { 0 };
    let mut body = b"WEBP".to_vec();
    let mut chunk = |name: &[u8], content: &[u8]| {
        body.extend_from_slice(name);
        body.extend_from_slice(&u32::try_from(content.len()).unwrap().to_le_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(&[0][..content.len() % 2]);
    };
    // It announces a profile, EXIF and XMP.
    chunk(b"VP8X", &[&[0x2C | alpha, 0, 0, 0][..], &side(picture.width()), &side(picture.height())].concat());
    chunk(b"ICCP", text);
    // The one chunk of the plain file: its name, length and content.
    let length = usize::try_from(u32::from_le_bytes(plain[16..20].try_into().unwrap())).unwrap();
    chunk(&plain[12..16], &plain[20..20 + length]);
    chunk(b"EXIF", exif);
    chunk(b"XMP ", text);
    chunk(b"prVt", text);
    let mut bytes = b"RIFF".to_vec();
    bytes.extend_from_slice(&u32::try_from(body.len()).unwrap().to_le_bytes());
    bytes.extend_from_slice(&body);
    bytes.extend_from_slice(text);
    bytes
}
