//! Decides which files are accepted, by content alone, never by a name or a header.
//!
//! Each format's own structure is walked to its end first. This detects truncated files, rejects animations, and finds the
//! end of the picture, so that anything appended to it (a second format, a script, an archive) is cut off and never stored.
//! Then the picture is decoded in full, after its declared size has been checked.

use std::io::Cursor;

use image::{ImageDecoder, Limits, codecs};
use zune_core::{bytestream::ZCursor, options::DecoderOptions};

use super::parts::{self, End};
use crate::base::error::{Error, ErrorCode, FieldError, Result};

/// Maximum size of a file, in bytes.
pub const MAX_FILE: u64 = 10 * 1024 * 1024;
/// Minimum width and height of an image, in pixels.
pub const MIN_SIDE: u32 = 200;
/// Maximum width and height of an image, in pixels.
pub const MAX_SIDE: u32 = 12_000;
/// Maximum size of a decoded image, in bytes: 55 million pixels of three bytes.
pub const MAX_DECODED: u64 = 160 * 1024 * 1024;
/// Maximum memory for decoding an image, in bytes, including what the decoder holds besides the pixels. It is also the
/// total for all images decoded at the same time.
pub const MAX_DECODING: u64 = 256 * 1024 * 1024;
/// Bytes per pixel that a decoder holds besides the pixels: a progressive JPEG's coefficients of two bytes for three
/// components; a WebP's own pixels before they are passed on.
const PROGRESSIVE_EXTRA: u64 = 6;
const WEBP_EXTRA: u64 = 4;

/// Properties of a file, determined from its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileFacts {
    /// `image/jpeg`, `image/png`, `image/webp` or `application/pdf`.
    pub media_type: &'static str,
    /// Width in pixels; `None` for a PDF.
    pub width: Option<u32>,
    /// Height in pixels; `None` for a PDF.
    pub height: Option<u32>,
    /// Number of bytes that belong to the file; anything appended after them has to be cut off.
    pub length: usize,
}

/// The purpose for which a file is submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// The field named in errors.
    pub field: &'static str,
    /// Whether a PDF is accepted besides pictures.
    pub pdf: bool,
}

/// Decides whether a file is acceptable. Slow and memory-intensive (up to [`MAX_DECODING`] bytes): see
/// [`super::FileStore::inspected`].
///
/// # Errors
/// Each error has the pointer of the field. Returns `too_large` above 10 MiB, `unsupported_media` when the file has none of
/// the formats or is animated, and `invalid` when it cannot be decoded, or has too few or too many pixels.
pub fn inspect(wanted: impl Into<Expected>, bytes: &[u8]) -> Result<FileFacts> {
    let wanted = wanted.into();
    let refuse = |code, detail: &str| refusal(wanted, code, detail);
    if bytes.is_empty() {
        return Err(refuse(ErrorCode::Invalid, "is empty; choose a file"));
    }
    if bytes.len() as u64 > MAX_FILE {
        return Err(refuse(ErrorCode::TooLarge, "is larger than 10 MiB; send a smaller photo or a lower resolution"));
    }
    let media_type = infer::get(bytes).map(|found| found.mime_type());
    let broken = || refuse(ErrorCode::Invalid, "is damaged or cut off and cannot be read; take or export it again");
    let (media_type, length) = match media_type {
        Some(picture @ ("image/jpeg" | "image/png" | "image/webp")) => {
            match parts::walk(picture, bytes, &mut |_| ()).ok_or_else(broken)? {
                End::At(length) => (picture, length),
                End::Animated => {
                    return Err(refuse(ErrorCode::UnsupportedMedia, "is animated; send a still picture"));
                }
            }
        }
        Some("application/pdf") if wanted.pdf => ("application/pdf", pdf_end(bytes).ok_or_else(broken)?),
        Some("application/pdf") => {
            return Err(refuse(ErrorCode::UnsupportedMedia, "must be a photo, not a PDF; send a JPEG, PNG or WebP"));
        }
        _ => {
            let formats = if wanted.pdf { "JPEG, PNG, WebP or PDF" } else { "JPEG, PNG or WebP" };
            return Err(refuse(ErrorCode::UnsupportedMedia, &format!("must be {formats}, whatever its name says")));
        }
    };
    let picture = bytes.get(..length).ok_or_else(broken)?;
    let decoded = match media_type {
        "application/pdf" => return Ok(FileFacts { media_type, width: None, height: None, length }),
        "image/jpeg" => decode_jpeg(picture),
        "image/png" => {
            let decoder = codecs::png::PngDecoder::with_limits(Cursor::new(picture), limits());
            decoder.map_err(Flaw::from).and_then(|decoder| decode(decoder, 0))
        }
        _ => {
            let decoder = codecs::webp::WebPDecoder::new(Cursor::new(picture));
            decoder.map_err(Flaw::from).and_then(|decoder| decode(decoder, WEBP_EXTRA))
        }
    };
    match decoded {
        Ok((width, height)) => Ok(FileFacts { media_type, width: Some(width), height: Some(height), length }),
        Err(Flaw::Broken) => Err(broken()),
        Err(Flaw::Small(width, height)) => Err(refuse(
            ErrorCode::Invalid,
            &format!("has {width}×{height} pixels; at least {MIN_SIDE}×{MIN_SIDE} are needed to read it"),
        )),
        Err(Flaw::Large(most)) => {
            let most = most / 1_000_000;
            Err(refuse(
                ErrorCode::Invalid,
                &format!(
                    "has too many pixels; of this kind at most {MAX_SIDE} a side and {most} million in all: send a lower resolution"
                ),
            ))
        }
    }
}

fn refusal(wanted: Expected, code: ErrorCode, detail: &str) -> Error {
    let name = wanted.field;
    let field = FieldError { pointer: format!("/{name}"), detail: detail.into() };
    Error::new(code, format!("the {name} {detail}")).with_fields(vec![field])
}

/// Why a picture is refused.
enum Flaw {
    Broken,
    Small(u32, u32),
    /// Too large. Holds the number of pixels allowed for its kind.
    Large(u64),
}

impl From<image::ImageError> for Flaw {
    fn from(error: image::ImageError) -> Self {
        if matches!(error, image::ImageError::Limits(_)) { Self::Large(MAX_DECODED / 4) } else { Self::Broken }
    }
}

pub(super) fn limits() -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODED);
    limits
}

/// Checks the size before anything proportional to it is allocated. `bytes` is the size of the pixels, and `extra` is what
/// the decoder holds in addition for each pixel.
fn check_size((width, height): (u32, u32), bytes: u64, extra: u64) -> Result<usize, Flaw> {
    let pixels = u64::from(width) * u64::from(height);
    let each = bytes.div_ceil(pixels.max(1)).max(1);
    let most = (MAX_DECODED / each).min(MAX_DECODING / (each + extra));
    if width > MAX_SIDE || height > MAX_SIDE || pixels > most {
        Err(Flaw::Large(most))
    } else if width < MIN_SIDE || height < MIN_SIDE {
        Err(Flaw::Small(width, height))
    } else {
        usize::try_from(bytes).map_err(|_| Flaw::Large(most))
    }
}

/// Returns the memory that decoding a picture may need, in bytes, assuming its most demanding kind; 0 if it is not a
/// picture.
pub(super) fn memory_needed(bytes: &[u8]) -> u64 {
    let reader = image::ImageReader::new(Cursor::new(bytes)).with_guessed_format().ok();
    let size = reader.and_then(|reader| reader.into_dimensions().ok());
    size.map_or(0, |(width, height)| u64::from(width) * u64::from(height) * (3 + PROGRESSIVE_EXTRA)).min(MAX_DECODING)
}

fn decode(mut decoder: impl ImageDecoder, extra: u64) -> Result<(u32, u32), Flaw> {
    let size = decoder.dimensions();
    let mut pixels = vec![0; check_size(size, decoder.total_bytes(), extra)?];
    decoder.set_limits(limits())?;
    decoder.read_image(&mut pixels)?;
    Ok(size)
}

/// Decodes with the decoder that the image crate wraps, as the image crate itself copies the file and tolerates damage.
fn decode_jpeg(picture: &[u8]) -> Result<(u32, u32), Flaw> {
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX));
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(picture), options);
    decoder.decode_headers().map_err(|_| Flaw::Broken)?;
    let (width, height) = decoder.dimensions().ok_or(Flaw::Broken)?;
    let size = (u32::try_from(width).unwrap_or(u32::MAX), u32::try_from(height).unwrap_or(u32::MAX));
    let bytes = decoder.output_buffer_size().ok_or(Flaw::Broken)?;
    let is_progressive = decoder.info().is_some_and(|info| !info.sof.is_sequential_dct());
    let extra = if is_progressive { PROGRESSIVE_EXTRA } else { 0 };
    let mut pixels = vec![0; check_size(size, bytes as u64, extra)?];
    decoder.decode_into(&mut pixels).map_err(|_| Flaw::Broken)?;
    Ok(size)
}

/// Finds the end of a PDF: a header at the very beginning, `startxref` with an offset into the file, and `%%EOF` near the
/// end (ISO 32000-1 §7.5).
fn pdf_end(bytes: &[u8]) -> Option<usize> {
    const NEAR: usize = 1_024;
    if !bytes.starts_with(b"%PDF-") {
        return None;
    }
    let tail = bytes.len().saturating_sub(NEAR);
    let eof = tail + last(bytes.get(tail..)?, b"%%EOF")?;
    let from = eof.saturating_sub(NEAR);
    let before = bytes.get(from..eof)?;
    let offset = before.get(last(before, b"startxref")? + 9..)?.trim_ascii();
    let offset: usize = std::str::from_utf8(offset).ok()?.parse().ok()?;
    // A table (`xref`), or an object that contains it (`12 0 obj`).
    let table = bytes.get(offset..eof)?.trim_ascii_start();
    if !(table.starts_with(b"xref") || table.first()?.is_ascii_digit()) {
        return None;
    }
    let line_end = bytes.get(eof + 5..)?.iter().take(2).take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    Some(eof + 5 + line_end)
}

fn last(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).rposition(|window| window == text)
}

#[cfg(test)]
mod tests;
