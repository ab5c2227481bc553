//! Cleans a picture before it is passed on: rotates it upright and removes its metadata.

use std::io::Cursor;

use image::{
    DynamicImage, GenericImageView, ImageDecoder, ImageFormat, ImageReader, ImageResult, Rgb, Rgba,
    codecs::jpeg::JpegEncoder, imageops::FilterType, metadata::Orientation,
};

use super::{Expected, FileFacts, inspect, inspect::limits, parts};
use crate::{
    base::error::{Error, Result},
    platform::files::MAX_FILE,
};

/// Qualities for a re-encoded picture; the first one that makes it small enough is used.
const QUALITIES: [u8; 3] = [92, 80, 60];
/// Maximum number of pixels of a picture that is rotated in memory, which needs two copies of it. A larger one is rotated
/// while it is written, which only the JPEG encoder can do.
const TURNED_IN_MEMORY: u64 = 16_000_000;

/// A file without its metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cleaned {
    pub media_type: &'static str,
    pub bytes: Vec<u8>,
    /// Width in pixels; `None` for a PDF.
    pub width: Option<u32>,
    /// Height in pixels; `None` for a PDF.
    pub height: Option<u32>,
}

/// Rewrites a file that passed [`super::inspect()`] so that only the picture is left. A picture stored rotated is turned
/// upright and therefore re-encoded, in its own format if the result is not too large, otherwise as JPEG. A PDF is left
/// unchanged. Slow and memory-intensive: see [`super::FileStore::decoding`].
///
/// # Errors
/// Returns `invalid`, with the pointer `/file`, when the picture cannot be rotated.
pub(crate) fn clean(facts: &FileFacts, bytes: Vec<u8>) -> Result<Cleaned> {
    let FileFacts { media_type, width, height, .. } = *facts;
    let format = match media_type {
        "image/jpeg" => ImageFormat::Jpeg,
        "image/png" => ImageFormat::Png,
        "image/webp" => ImageFormat::WebP,
        _ => return Ok(Cleaned { media_type, bytes, width, height }),
    };
    let damaged = |error: image::ImageError| {
        tracing::debug!(%error, "a picture passed inspection and did not decode");
        Error::invalid("/file", "is damaged and cannot be read; take or export it again")
    };
    let (decoder, mut orientation) = decoder(&bytes).map_err(damaged)?;
    if orientation == Orientation::NoTransforms {
        drop(decoder);
        let stripped = parts::strip(media_type, &bytes);
        let bytes = stripped.ok_or_else(|| Error::internal("a picture passed inspection and cannot be walked"))?;
        return Ok(Cleaned { media_type, bytes, width, height });
    }
    let mut picture = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    drop(bytes);
    let (width, height) = Upright { picture: &picture, orientation }.dimensions();
    let (width, height) = (Some(width), Some(height));
    if format != ImageFormat::Jpeg && u64::from(picture.width()) * u64::from(picture.height()) <= TURNED_IN_MEMORY {
        picture.apply_orientation(orientation);
        orientation = Orientation::NoTransforms;
        let mut anew = Cursor::new(Vec::new());
        picture.write_to(&mut anew, format).map_err(Error::internal)?;
        let bytes = anew.into_inner();
        if bytes.len() as u64 <= MAX_FILE {
            return Ok(Cleaned { media_type, bytes, width, height });
        }
    }
    for quality in QUALITIES {
        let bytes = write_jpeg(&picture, orientation, quality)?;
        if bytes.len() as u64 <= MAX_FILE {
            return Ok(Cleaned { media_type: "image/jpeg", bytes, width, height });
        }
    }
    Err(Error::invalid("/file", "is too large once it is turned upright; send a lower resolution"))
}

/// Checks an upload like a photo of an identity check, and returns it upright, `side` pixels a side at most: only its pixels,
/// without the metadata, in which is where it was taken, with what and by whom. Slow and hungry for memory: see
/// [`super::FileStore::decoding`].
///
/// # Errors
/// Returns the errors of [`super::inspect()`], with the pointer `/field`.
pub(crate) fn upright(field: &'static str, bytes: &[u8], side: u32) -> Result<DynamicImage> {
    let facts = inspect(Expected { field, pdf: false }, bytes)?;
    let bytes = bytes.get(..facts.length).unwrap_or(bytes);
    let damaged = |error| {
        tracing::debug!(%error, "a picture passed inspection and did not decode");
        Error::invalid(format!("/{field}"), "is damaged and cannot be read; take or export it again")
    };
    let (decoder, orientation) = decoder(bytes).map_err(damaged)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    // A large one is first made smaller by simple means: the good filter holds it as numbers four times as large.
    if picture.width().max(picture.height()) > 2 * side {
        picture = picture.thumbnail(2 * side, 2 * side);
    }
    if picture.width().max(picture.height()) > side {
        picture = picture.resize(side, side, FilterType::CatmullRom);
    }
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// Returns the decoder of a picture, and the picture's orientation.
pub(crate) fn decoder(bytes: &[u8]) -> ImageResult<(impl ImageDecoder, Orientation)> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    reader.limits(limits());
    let mut decoder = reader.into_decoder()?;
    let orientation = decoder.orientation()?;
    Ok((decoder, orientation))
}

/// Encodes a picture as an upright JPEG that contains only the pixels, on white, as JPEG has no transparency.
pub(crate) fn write_jpeg(picture: &DynamicImage, orientation: Orientation, quality: u8) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let encoder = &mut JpegEncoder::new_with_quality(&mut bytes, quality);
    encoder.encode_image(&Upright { picture, orientation }).map_err(Error::internal)?;
    Ok(bytes)
}

/// A view of a picture turned upright, without copying it.
struct Upright<'a> {
    picture: &'a DynamicImage,
    orientation: Orientation,
}

impl GenericImageView for Upright<'_> {
    type Pixel = Rgb<u8>;

    fn dimensions(&self) -> (u32, u32) {
        let (width, height) = self.picture.dimensions();
        match self.orientation {
            Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH => (height, width),
            _ => (width, height),
        }
    }

    fn get_pixel(&self, x: u32, y: u32) -> Rgb<u8> {
        let (width, height) = self.picture.dimensions();
        let (right, bottom) = (|x| width - 1 - x, |y| height - 1 - y);
        let (x, y) = match self.orientation {
            Orientation::NoTransforms => (x, y),
            Orientation::FlipHorizontal => (right(x), y),
            Orientation::FlipVertical => (x, bottom(y)),
            Orientation::Rotate180 => (right(x), bottom(y)),
            Orientation::Rotate90 => (y, bottom(x)),
            Orientation::Rotate270 => (right(y), x),
            Orientation::Rotate90FlipH => (y, x),
            Orientation::Rotate270FlipH => (right(y), bottom(x)),
        };
        let Rgba([red, green, blue, alpha]) = self.picture.get_pixel(x, y);
        let on_white = |color: u8| {
            let mixed = (u32::from(color) * u32::from(alpha) + 255 * (255 - u32::from(alpha))) / 255;
            u8::try_from(mixed).unwrap_or(u8::MAX)
        };
        Rgb([on_white(red), on_white(green), on_white(blue)])
    }
}

#[cfg(test)]
mod tests;
