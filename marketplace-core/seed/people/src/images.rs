//! Photographs of identity papers and of their holders, drawn: a plainly fictional state, faces that nobody has.
//!
//! Some have a [`Flaw`].
#![expect(clippy::unreadable_literal, reason = "colours are six hexadecimal digits")]

use image::{codecs::jpeg::JpegEncoder, imageops::fast_blur};
use marketplace_core::{
    base::error::{Error, Result},
    kyc::model::DocumentType,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use time::Date;

use crate::{
    canvas::{Area, Canvas, Color, Frame, inside_rect, wave},
    face::Face,
    flaw::{Flaw, stranger},
    identity_card,
    people::{Person, mix},
};

/// Width and height of a document's picture, in pixels.
pub const DOCUMENT_SIZE: (u32, u32) = (900, 600);
/// Width and height of a selfie, in pixels.
pub const SELFIE_SIZE: (u32, u32) = (600, 800);

/// Returns the photograph of `person`'s document, as JPEG, as if it had been taken on `today`.
///
/// # Errors
/// `internal` when the picture cannot be encoded.
pub fn document(person: &Person, kind: DocumentType, today: Date, flaw: Option<Flaw>) -> Result<Vec<u8>> {
    let card = identity_card::card(person, kind, today, flaw);
    let mut rng = StdRng::seed_from_u64(mix(person.face, 1));
    let (width, height) = DOCUMENT_SIZE;
    let mut photo = Canvas::new(width, height, Color::BLACK);
    desk(&mut photo, &mut rng);
    let scale = rng.random_range(0.90..0.97_f32);
    let tilt = rng.random_range(-3.0..3.0_f32);
    // The card's centre is near the picture's; a frame starts at the card's corner.
    let (sin, cos) = tilt.to_radians().sin_cos();
    let (half_width, half_height) = (identity_card::WIDTH / 2.0 * scale, identity_card::HEIGHT / 2.0 * scale);
    let mut x = 450.0 - half_width * cos + half_height * sin + rng.random_range(-8.0..8.0);
    let mut y = 300.0 - half_width * sin - half_height * cos + rng.random_range(-8.0..8.0);
    if flaw == Some(Flaw::CutOff) {
        x += if rng.random_bool(0.5) { 290.0 } else { -330.0 };
        y += 110.0;
    }
    let frame = Frame::at(x, y, scale, tilt);
    let edge = Area(0.0, 0.0, identity_card::WIDTH, identity_card::HEIGHT);
    let shadow = Area(edge.0 - 30.0, edge.1 - 30.0, edge.2 + 40.0, edge.3 + 45.0);
    photo.paint(frame, shadow, |u, v| {
        // The card will cover what is well inside.
        let covered = inside_rect(edge, 24.0, u, v) > 2.0;
        let dark = ((inside_rect(edge, 24.0, u - 7.0, v - 10.0) + 18.0) / 36.0).clamp(0.0, 1.0);
        (Color::BLACK, if covered { 0.0 } else { 0.5 * dark })
    });
    photo.lay(frame, &card, 24.0);
    if flaw == Some(Flaw::Glare) {
        photo.blob(
            Frame::PIXELS,
            (500.0, 300.0),
            (330.0, 190.0),
            |_| 1.0,
            |u, v| (Color::WHITE, (1.7 * (1.0 - (u * u + v * v).sqrt())).min(0.99)),
        );
    }
    if flaw == Some(Flaw::Blurred) {
        photo.image = fast_blur(&photo.image, 9.0);
    }
    let light = if flaw == Some(Flaw::Dark) { 0.16 } else { rng.random_range(0.93..1.04) };
    finish(photo, light, 0.22)
}

/// Returns `person`'s selfie, as JPEG.
///
/// # Errors
/// `internal` when the picture cannot be encoded.
pub fn selfie(person: &Person, flaw: Option<Flaw>) -> Result<Vec<u8>> {
    let mut rng = StdRng::seed_from_u64(mix(person.face, 2));
    let (width, height) = SELFIE_SIZE;
    let mut photo = Canvas::new(width, height, Color::BLACK);
    room(&mut photo, &mut rng);
    let other = flaw == Some(Flaw::OtherFace);
    let sitter = if other { stranger(person) } else { person.clone() };
    let size = rng.random_range(205.0..235.0_f32);
    let (x, y) = (300.0 + rng.random_range(-25.0..25.0), 350.0 + rng.random_range(-20.0..20.0));
    let frame = Frame::at(x, y, size, rng.random_range(-7.0..7.0));
    Face::of(&sitter).draw(&mut photo, frame, rng.random_range(0.0..1.0), 1);
    finish(photo, rng.random_range(0.92..1.05), 0.38)
}

/// Draws a wooden or plain table.
fn desk(photo: &mut Canvas, rng: &mut StdRng) {
    let colors = [0x7A5636, 0x4A3524, 0x5B6470, 0x39424A, 0x8C7B66, 0x2F4F4F];
    let color = Color::hex(colors.get(rng.random_range(0..colors.len())).copied().unwrap_or(0x7A5636));
    let wood = rng.random_bool(0.6);
    let phase = rng.random_range(0.0..6.0_f32);
    photo.grade(|x, y, _, _| {
        let grain = if wood { 0.10 * wave(y * 90.0 + 2.2 * wave(x * 7.0 + phase)) } else { 0.0 };
        color.times(1.0 + grain + 0.15 * (0.5 - y))
    });
}

/// Draws the background of a selfie: a wall, a window or shelves.
///
/// It is drawn at a quarter of the size and enlarged: out of focus, at a sixteenth of the work.
fn room(photo: &mut Canvas, rng: &mut StdRng) {
    let colors = [0xB9C4CC, 0xD8CDB8, 0x9FB3A5, 0xC7B1A6, 0x8497AB, 0xE2DED6, 0x6F7F86];
    let wall = Color::hex(colors.get(rng.random_range(0..colors.len())).copied().unwrap_or(0xB9C4CC));
    let mut small = Canvas::new(SELFIE_SIZE.0 / 4, SELFIE_SIZE.1 / 4, wall);
    small.grade(|x, y, _, _| wall.times(1.08 - 0.22 * x - 0.1 * y));
    match rng.random_range(0..3) {
        0 => {
            // A window.
            let x = rng.random_range(-10.0..82.0_f32);
            small.rect(Frame::PIXELS, Area(x, 10.0, x + 65.0, 108.0), 1.5, Color::hex(0xF2F6FA), 0.85);
            small.rect(Frame::PIXELS, Area(x + 31.0, 10.0, x + 34.0, 108.0), 0.0, wall.times(0.7), 0.9);
        }
        1 => {
            // Shelves with books.
            for shelf in [30.0_f32, 75.0, 120.0] {
                small.rect(Frame::PIXELS, Area(0.0, shelf, 150.0, shelf + 3.5), 0.0, wall.times(0.55), 0.9);
                let mut x = rng.random_range(0.0..10.0_f32);
                while x < 148.0 {
                    let (thick, tall) = (rng.random_range(3.5..8.5_f32), rng.random_range(18.0..32.0_f32));
                    let spine = Color::hex(rng.random_range(0..0x00FF_FFFF)).mix(wall, 0.55);
                    small.rect(Frame::PIXELS, Area(x, shelf - tall, x + thick, shelf), 0.5, spine, 0.9);
                    x += thick + rng.random_range(0.0..2.2_f32);
                }
            }
        }
        _ => {}
    }
    small.image = fast_blur(&small.image, 1.2);
    photo.lay(Frame::at(-2.0, -2.0, 4.03, 0.0), &small, 0.0);
}

/// Adds light, vignette and noise; then encodes as JPEG.
fn finish(mut photo: Canvas, light: f32, vignette: f32) -> Result<Vec<u8>> {
    photo.grade(|x, y, noise, color| {
        let (dx, dy) = (x - 0.5, y - 0.5);
        let shade = light * (1.0 - vignette * 2.0 * (dx * dx + dy * dy));
        let grain = (f32::from(noise) - 127.5) * 0.03;
        Color(color.0 * shade + grain, color.1 * shade + grain, color.2 * shade + grain)
    });
    let mut jpeg = Vec::with_capacity(128 * 1024);
    JpegEncoder::new_with_quality(&mut jpeg, 78).encode_image(&photo.image).map_err(Error::internal)?;
    Ok(jpeg)
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;
    use marketplace_core::platform::files::MIN_SIDE;

    use crate::people::person;

    const TODAY: Date = date!(2026 - 03 - 02);

    fn decoded(jpeg: &[u8]) -> image::RgbImage {
        image::load_from_memory_with_format(jpeg, image::ImageFormat::Jpeg).unwrap().into_rgb8()
    }

    /// Returns the mean brightness, and the mean difference between neighbours, which measures sharpness.
    fn light_and_detail(image: &image::RgbImage) -> (f64, f64) {
        let grey = image::DynamicImage::from(image.clone()).into_luma8();
        let pixels = f64::from(grey.width() * grey.height());
        let light: f64 = grey.iter().map(|p| f64::from(*p)).sum();
        let detail: f64 = grey.as_raw().windows(2).map(|pair| f64::from(pair[0].abs_diff(pair[1]))).sum();
        (light / pixels, detail / pixels)
    }

    #[test]
    fn every_kind_is_a_picture_that_kyc_takes_and_always_the_same() {
        for (index, kind) in (0..).zip(DocumentType::ALL) {
            let person = person(5, index);
            let jpeg = document(&person, *kind, TODAY, None).unwrap();
            let image = decoded(&jpeg);
            assert_eq!(image.dimensions(), DOCUMENT_SIZE);
            assert!(image.width().min(image.height()) >= MIN_SIDE);
            let (light, detail) = light_and_detail(&image);
            assert!(light > 80.0 && detail > 3.0, "{kind}: light {light}, detail {detail}");
            assert_eq!(jpeg, document(&person, *kind, TODAY, None).unwrap());
        }
        let sitter = person(5, 9);
        let jpeg = selfie(&sitter, None).unwrap();
        assert_eq!(decoded(&jpeg).dimensions(), SELFIE_SIZE);
        assert_eq!(jpeg, selfie(&sitter, None).unwrap());
        assert_ne!(jpeg, selfie(&person(5, 10), None).unwrap());
        assert_ne!(jpeg, selfie(&sitter, Some(Flaw::OtherFace)).unwrap());
    }

    #[test]
    fn flaws_can_be_seen() {
        let person = person(6, 1);
        let look =
            |flaw| light_and_detail(&decoded(&document(&person, DocumentType::NationalId, TODAY, flaw).unwrap()));
        let (light, detail) = look(None);
        assert!(look(Some(Flaw::Blurred)).1 < detail / 2.0);
        assert!(look(Some(Flaw::Dark)).0 < light / 3.0);
        assert!(look(Some(Flaw::CutOff)).1 < detail * 0.85);
        assert!(look(Some(Flaw::Glare)).1 < detail * 0.95);
    }
}
