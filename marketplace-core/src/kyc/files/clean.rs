//! Makes a picture fit to be handed on: it stands upright, and nothing of what is told about it stays.

use std::io::Cursor;

use image::{
    DynamicImage, ImageDecoder, ImageFormat, ImageReader, ImageResult, Rgb, RgbImage, codecs::jpeg::JpegEncoder,
    metadata::Orientation,
};

use super::{FileFacts, inspect::limits, parts};
use crate::{
    error::{Error, Result},
    kyc::model::MAX_FILE,
};

/// Qualities of a picture that is written anew, of which the first is taken that is small enough.
const QUALITIES: [u8; 3] = [92, 80, 60];

/// A file without what is told about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cleaned {
    pub media_type: &'static str,
    pub bytes: Vec<u8>,
    /// Pixels; none for a PDF.
    pub width: Option<u32>,
    /// Pixels; none for a PDF.
    pub height: Option<u32>,
}

/// Takes a file apart that passed [`super::inspect()`], and puts it together without anything but the picture. One that lies
/// on its side is turned, and for that written anew, in its own format if that is not too large, else as JPEG. A PDF stays
/// as it is. Slow and hungry for memory: see [`super::FileStore::decoding`].
///
/// Errors: `invalid`, with the pointer `/file`, when it cannot be turned.
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
    let (decoder, orientation) = decoder(&bytes).map_err(damaged)?;
    if orientation == Orientation::NoTransforms {
        drop(decoder);
        let stripped = parts::strip(media_type, &bytes);
        let bytes = stripped.ok_or_else(|| Error::internal("a picture passed inspection and cannot be walked"))?;
        return Ok(Cleaned { media_type, bytes, width, height });
    }
    let picture = turned(decoder, orientation).map_err(damaged)?;
    drop(bytes);
    let (width, height) = (Some(picture.width()), Some(picture.height()));
    if format != ImageFormat::Jpeg {
        let mut anew = Cursor::new(Vec::new());
        picture.write_to(&mut anew, format).map_err(Error::internal)?;
        let bytes = anew.into_inner();
        if bytes.len() as u64 <= MAX_FILE {
            return Ok(Cleaned { media_type, bytes, width, height });
        }
    }
    let opaque = on_white(&picture);
    drop(picture);
    for quality in QUALITIES {
        let bytes = write_jpeg(&opaque, quality)?;
        if bytes.len() as u64 <= MAX_FILE {
            return Ok(Cleaned { media_type: "image/jpeg", bytes, width, height });
        }
    }
    Err(Error::invalid("/file", "is too large once it is turned upright; send a lower resolution"))
}

/// Decodes a picture and turns it upright.
pub(crate) fn upright(bytes: &[u8]) -> ImageResult<DynamicImage> {
    let (decoder, orientation) = decoder(bytes)?;
    turned(decoder, orientation)
}

/// What decodes a picture, and how it lies.
fn decoder(bytes: &[u8]) -> ImageResult<(impl ImageDecoder, Orientation)> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    reader.limits(limits());
    let mut decoder = reader.into_decoder()?;
    let orientation = decoder.orientation()?;
    Ok((decoder, orientation))
}

fn turned(decoder: impl ImageDecoder, orientation: Orientation) -> ImageResult<DynamicImage> {
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// JPEG knows no transparency.
pub(crate) fn on_white(picture: &DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.to_rgb8();
    }
    let picture = picture.to_rgba8();
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let [red, green, blue, alpha] = picture.get_pixel(x, y).0;
        let over = |color: u8| {
            let mixed = (u32::from(color) * u32::from(alpha) + 255 * (255 - u32::from(alpha))) / 255;
            u8::try_from(mixed).unwrap_or(u8::MAX)
        };
        Rgb([over(red), over(green), over(blue)])
    })
}

/// Writes a JPEG, with nothing but the pixels.
pub(crate) fn write_jpeg(picture: &RgbImage, quality: u8) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(picture).map_err(Error::internal)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
