//! Faces that nobody has, drawn from a number: the same number is the same face, on a document and in a selfie.
#![expect(clippy::unreadable_literal, reason = "colours are six hexadecimal digits")]

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use crate::{
    canvas::{Area, Canvas, Color, Frame, wave},
    people::Person,
};

const SKIN: [u32; 8] = [0xF6D9C6, 0xEFC9AE, 0xE3B48F, 0xD09A73, 0xB57D56, 0x94623F, 0x75492D, 0x583521];
const DARK_HAIR: [u32; 4] = [0x17130F, 0x241A14, 0x38261A, 0x0F0E12];
const LIGHT_HAIR: [u32; 6] = [0x6B4426, 0x8A5A2B, 0xB98A45, 0xD6B26B, 0x9C3F1C, 0x53341F];
const GREY_HAIR: [u32; 3] = [0x8E8B88, 0xB9B6B2, 0x6A6764];
const EYES: [u32; 5] = [0x3A2416, 0x5A3A1E, 0x4E6B3A, 0x3E6C93, 0x5B6C78];
const DARK_EYES: [u32; 2] = [0x3A2416, 0x5A3A1E];
const CLOTHES: [u32; 10] =
    [0x1F3A5F, 0x7A1F2B, 0x2E5E4E, 0x33363B, 0xC9B79C, 0x5B3A73, 0xE6E6E6, 0xB5651D, 0x24727A, 0x8B8F3A];
const SCARVES: [u32; 6] = [0x2B4C6F, 0x6E2F3F, 0xD8CFC0, 0x2F2F33, 0x4F6B4A, 0xB08FA8];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hair {
    Bald,
    Short,
    Parted,
    Curly,
    Bob,
    Long,
    Bun,
    Scarf,
}

/// The features of a face. Lengths are in half heights of the head.
#[derive(Debug, Clone)]
pub struct Face {
    skin: Color,
    hair: Color,
    style: Hair,
    eyes: Color,
    scarf: Color,
    width: f32,
    jaw: f32,
    eye_gap: f32,
    eye_size: f32,
    brow: f32,
    nose: f32,
    mouth: f32,
    lips: Color,
    beard: f32,
    moustache: bool,
    glasses: bool,
    lines: f32,
    clothes: [Color; 2],
}

impl Face {
    /// Returns the face of `person`: the same at any age, so that papers of any date show the one of the selfie.
    pub fn of(person: &Person) -> Self {
        let mut rng = StdRng::seed_from_u64(person.face);
        let age = 2025 - person.birth.year();
        let mut pick = |from: &[u32]| Color::hex(from.choose(&mut rng).copied().unwrap_or(0));
        let hair = if age > 56 {
            pick(&GREY_HAIR)
        } else if person.light_hair {
            pick(&LIGHT_HAIR)
        } else {
            pick(&DARK_HAIR)
        };
        let eyes = pick(if person.light_hair { &EYES } else { &DARK_EYES });
        let scarf = pick(&SCARVES);
        let clothes = [pick(&CLOTHES), pick(&CLOTHES)];
        let skin = SKIN.get(usize::from(person.skin)).copied().map_or(Color::hex(0xD09A73), Color::hex);
        let styles: &[Hair] = if person.female {
            &[Hair::Long, Hair::Bob, Hair::Bun, Hair::Curly, Hair::Long, Hair::Scarf, Hair::Short]
        } else if age > 45 {
            &[Hair::Bald, Hair::Short, Hair::Parted, Hair::Short]
        } else {
            &[Hair::Short, Hair::Parted, Hair::Curly, Hair::Short, Hair::Bald]
        };
        let style = styles.choose(&mut rng).copied().unwrap_or(Hair::Short);
        let bearded = !person.female && rng.random_ratio(2, 5);
        Self {
            skin,
            hair,
            style,
            eyes,
            scarf,
            width: rng.random_range(0.70..0.82),
            jaw: if person.female { rng.random_range(0.16..0.30) } else { rng.random_range(0.06..0.22) },
            eye_gap: rng.random_range(0.29..0.35),
            eye_size: rng.random_range(0.105..0.135),
            brow: if person.female { rng.random_range(0.035..0.05) } else { rng.random_range(0.055..0.085) },
            nose: rng.random_range(0.11..0.17),
            mouth: rng.random_range(0.21..0.29),
            lips: if person.female { Color::hex(0xA8343F) } else { Color::hex(0x9A4A45) },
            beard: if bearded { rng.random_range(0.5..0.95) } else { 0.0 },
            moustache: !person.female && (bearded || rng.random_ratio(1, 8)),
            glasses: rng.random_ratio(1, 4),
            lines: if age > 50 { 0.35 } else { 0.0 },
            clothes,
        }
    }

    /// Draws head and shoulders: the middle of the head at the frame's origin, one unit its half height.
    ///
    /// `smile` is 0 for a document and up to 1 for a selfie; `outfit` chooses the clothes.
    pub fn draw(&self, canvas: &mut Canvas, frame: Frame, smile: f32, outfit: usize) {
        let clothes = self.clothes.get(outfit % 2).copied().unwrap_or(Color::BLACK);
        self.hair_behind(canvas, frame);
        let shade = self.skin.times(0.78);
        // Neck and shoulders.
        canvas.rect(frame, Area(-0.34, 0.5, 0.34, 1.5), 0.1, shade, 1.0);
        canvas.ellipse(frame, (0.0, 2.45), (1.62, 1.22), |u, v| clothes.times(1.05 - 0.2 * u.max(0.0) - 0.12 * v));
        canvas.ellipse(frame, (0.0, 1.28), (0.40, 0.22), |_, _| shade.times(1.04));
        canvas.curve(
            frame,
            &[(-0.46, 1.30), (-0.3, 1.48), (0.0, 1.56), (0.3, 1.48), (0.46, 1.30)],
            0.09,
            clothes.times(0.7),
            1.0,
        );
        if self.style == Hair::Scarf {
            canvas.ellipse(frame, (0.0, 1.32), (0.78, 0.52), |u, v| self.scarf.times(0.92 - 0.2 * u - 0.1 * v));
        } else {
            for side in [-1.0, 1.0] {
                let ear = self.skin.times(0.9 - 0.06 * side);
                canvas.ellipse(frame, (side * self.width, 0.02), (0.10, 0.19), |u, _| ear.times(1.0 - 0.1 * u * side));
            }
        }
        let jaw = self.jaw;
        canvas.blob(
            frame,
            (0.0, 0.0),
            (self.width, 1.0),
            |v| 1.0 - jaw * v.max(0.0) + 0.05 * (1.0 - v * v),
            |u, v| {
                let light = 1.07 - 0.17 * (u + 0.35).max(0.0) - 0.10 * v.max(0.0).powi(3) - 0.12 * (u * u * u * u);
                (self.skin.times(light), 1.0)
            },
        );
        self.cheeks(canvas, frame);
        self.beard(canvas, frame);
        self.features(canvas, frame, smile);
        self.hair_front(canvas, frame);
        if self.glasses {
            self.spectacles(canvas, frame);
        }
    }

    fn cheeks(&self, canvas: &mut Canvas, frame: Frame) {
        let blush = self.skin.mix(Color::hex(0xC8452F), 0.35);
        for side in [-1.0, 1.0] {
            canvas.blob(
                frame,
                (side * 0.40, 0.33),
                (0.22, 0.16),
                |_| 1.0,
                |u, v| (blush, 0.30 * (1.0 - u * u - v * v).max(0.0)),
            );
            if self.lines > 0.0 {
                let fold = [(side * 0.22, 0.32), (side * 0.30, 0.45), (side * 0.31, 0.58)];
                canvas.curve(frame, &fold, 0.018, self.skin.times(0.7), self.lines);
                canvas.line(frame, (side * 0.1, -0.55), (side * 0.34, -0.54), 0.016, self.skin.times(0.72), self.lines);
            }
        }
    }

    fn beard(&self, canvas: &mut Canvas, frame: Frame) {
        if self.beard <= 0.0 {
            return;
        }
        let jaw = self.jaw;
        let (width, hair, strength) = (self.width, self.hair, self.beard);
        canvas.blob(
            frame,
            (0.0, 0.02),
            (width * 1.02, 1.03),
            |v| 1.0 - jaw * v.max(0.0) + 0.05 * (1.0 - v * v),
            |u, v| {
                // Along the jaw, leaving the middle of the face free.
                let free = 1.0 - ((u / 0.72).powi(2) + ((v - 0.05) / 0.50).powi(2));
                let part = (-free * 4.0).clamp(0.0, 1.0) * ((v - 0.02) * 7.0).clamp(0.0, 1.0);
                (hair.times(0.97 + 0.05 * wave(u * 61.0 + v * 13.0)), strength * part)
            },
        );
    }

    fn features(&self, canvas: &mut Canvas, frame: Frame, smile: f32) {
        let dark = self.skin.times(0.55);
        for side in [-1.0_f32, 1.0] {
            let (x, y) = (side * self.eye_gap, -0.10);
            let size = self.eye_size;
            canvas.blob(
                frame,
                (x, y - 0.02),
                (size * 1.65, size * 1.25),
                |_| 1.0,
                |u, v| (dark, 0.32 * (1.0 - u * u - v * v).max(0.0)),
            );
            canvas.ellipse(frame, (x, y), (size * 1.25, size * (0.72 - 0.12 * smile)), |_, v| {
                Color::hex(0xF7F3EE).times(0.93 + 0.07 * v)
            });
            canvas.ellipse(frame, (x, y), (size * 0.62, size * 0.62), |u, v| {
                self.eyes.times(1.0 + 0.4 * (u * u + v * v))
            });
            canvas.ellipse(frame, (x, y), (size * 0.28, size * 0.28), |_, _| Color::hex(0x0A0908));
            canvas.ellipse(frame, (x - size * 0.2, y - size * 0.2), (size * 0.13, size * 0.13), |_, _| Color::WHITE);
            // Lids and brows.
            let lid =
                [(x - size * 1.3, y + 0.01), (x - size * 0.5, y - size * 0.68), (x + size * 0.5, y - size * 0.68)];
            canvas.curve(frame, &lid, 0.028, dark.times(0.5), 0.9);
            canvas.line(
                frame,
                (x + size * 0.5, y - size * 0.68),
                (x + size * 1.3, y + 0.01),
                0.028,
                dark.times(0.5),
                0.9,
            );
            let brow = self.hair.mix(self.skin, 0.12);
            let (inner, outer) = ((x - side * size * 1.2, y - 0.21), (x + side * size * 1.5, y - 0.22));
            canvas.curve(frame, &[inner, (x, y - 0.27), outer], self.brow, brow, 0.95);
        }
        // Nose: shade beside the bridge, wings, nostrils.
        canvas.line(frame, (0.05, -0.08), (self.nose * 0.75, 0.22), 0.035, self.skin.times(0.74), 0.55);
        canvas.line(frame, (-0.015, -0.05), (-0.015, 0.2), 0.05, self.skin.times(1.12), 0.55);
        canvas.ellipse(frame, (0.0, 0.245), (self.nose, 0.075), |u, v| self.skin.times(0.97 - 0.10 * u - 0.16 * v));
        for side in [-1.0, 1.0] {
            canvas.ellipse(frame, (side * self.nose * 0.52, 0.275), (0.034, 0.022), |_, _| self.skin.times(0.38));
        }
        let (width, y) = (self.mouth * (1.0 + 0.22 * smile), 0.53);
        if self.moustache {
            canvas.curve(
                frame,
                &[(-width, y - 0.02), (-0.1, y - 0.12), (0.1, y - 0.12), (width, y - 0.02)],
                0.10,
                self.hair,
                0.85,
            );
        }
        self.lips(canvas, frame, width, y, smile);
    }

    fn lips(&self, canvas: &mut Canvas, frame: Frame, width: f32, y: f32, smile: f32) {
        let lips = self.skin.mix(self.lips, 0.5);
        let lift = 0.07 * smile;
        if smile > 0.4 {
            // Teeth between the lips.
            canvas.blob(
                frame,
                (0.0, y + 0.02),
                (width * 0.88, 0.10),
                |v| 1.0 - 0.45 * v,
                |_, v| (if v < -0.05 { Color::hex(0xF4EFE8) } else { Color::hex(0x4A1C1C) }, 1.0),
            );
        }
        let upper = [
            (-width, y - lift),
            (-width * 0.45, y - 0.03),
            (0.0, y - 0.012),
            (width * 0.45, y - 0.03),
            (width, y - lift),
        ];
        canvas.curve(frame, &upper, 0.055, lips, 1.0);
        let sag = y + 0.06 + 0.07 * smile;
        let lower = [
            (-width, y - lift),
            (-width * 0.5, sag - 0.015),
            (0.0, sag),
            (width * 0.5, sag - 0.015),
            (width, y - lift),
        ];
        canvas.curve(frame, &lower, 0.065, lips.times(1.08), 1.0);
        if smile <= 0.4 {
            let seam = [(-width, y - lift), (0.0, y + 0.02), (width, y - lift)];
            canvas.curve(frame, &seam, 0.022, lips.times(0.45), 1.0);
        }
    }

    fn strand(&self, u: f32, v: f32) -> Color {
        self.hair.times(1.0 + 0.07 * wave(u * 41.0 + v * 9.0) + 0.18 * (-u - v).max(0.0)).mix(Color::WHITE, 0.03)
    }

    fn hair_behind(&self, canvas: &mut Canvas, frame: Frame) {
        let strand = |u, v| self.strand(u, v);
        match self.style {
            Hair::Long => {
                canvas.ellipse(frame, (0.0, -0.15), (self.width + 0.24, 1.08), strand);
                canvas.rect(
                    frame,
                    Area(-self.width - 0.22, -0.1, self.width + 0.22, 1.62),
                    0.25,
                    self.hair.times(0.88),
                    1.0,
                );
            }
            Hair::Bob => canvas.blob(
                frame,
                (0.0, -0.02),
                (self.width + 0.27, 1.10),
                |v| 1.0 + 0.08 * v,
                |u, v| (strand(u, v), 1.0),
            ),
            Hair::Bun => canvas.ellipse(frame, (0.05, -1.22), (0.36, 0.30), strand),
            Hair::Curly => {
                for step in 0_u8..13 {
                    let angle = std::f32::consts::PI * (f32::from(step) / 12.0 * 1.3 - 0.15);
                    let center = (-angle.cos() * (self.width + 0.14), -0.22 - angle.sin() * 0.82);
                    canvas.ellipse(frame, center, (0.27, 0.27), strand);
                }
            }
            Hair::Scarf => canvas.blob(
                frame,
                (0.0, 0.05),
                (self.width + 0.26, 1.26),
                |v| 1.0 - 0.05 * v,
                |u, v| (self.scarf.times(1.0 - 0.16 * u - 0.1 * v), 1.0),
            ),
            Hair::Bald | Hair::Short | Hair::Parted => {}
        }
    }

    fn hair_front(&self, canvas: &mut Canvas, frame: Frame) {
        let side_part = match self.style {
            Hair::Bald => {
                // A ring above the ears.
                for side in [-1.0, 1.0] {
                    canvas.ellipse(frame, (side * (self.width - 0.01), -0.22), (0.07, 0.20), |u, v| self.strand(u, v));
                }
                return;
            }
            Hair::Scarf => {
                canvas.blob(
                    frame,
                    (0.0, -0.02),
                    (self.width + 0.2, 1.14),
                    |v| 1.0 - 0.06 * v,
                    |u, v| {
                        // All around, with an opening for the face.
                        let open = 1.0 - ((u / 0.80).powi(2) + ((v - 0.12) / 0.80).powi(2));
                        (self.scarf.times(1.05 - 0.16 * u - 0.1 * v), (-open * 14.0 + 0.5).clamp(0.0, 1.0))
                    },
                );
                return;
            }
            Hair::Parted | Hair::Bob => 0.32,
            Hair::Long => 0.05,
            Hair::Short | Hair::Curly | Hair::Bun => 0.0,
        };
        let (rise, line) = if self.style == Hair::Short { (1.08, -0.50) } else { (1.13, -0.44) };
        canvas.blob(
            frame,
            (0.0, -0.06),
            (self.width + 0.09, rise),
            |_| 1.0,
            |u, v| {
                // Above a hair line that falls towards the temples and away from the parting.
                let edge = line - 0.22 * (1.0 - (u - side_part).abs()).max(0.0) + 0.62 * (u.abs() - 0.45).max(0.0);
                let temple = if v > 0.02 { 0.0 } else { 1.0 };
                (self.strand(u, v), ((edge - v) * 16.0 + 0.5).clamp(0.0, 1.0) * temple)
            },
        );
    }

    fn spectacles(&self, canvas: &mut Canvas, frame: Frame) {
        let metal = Color::hex(0x2A2A2E);
        for side in [-1.0_f32, 1.0] {
            canvas.blob(
                frame,
                (side * self.eye_gap, -0.08),
                (0.225, 0.185),
                |_| 1.0,
                |u, v| {
                    let rim = (u * u + v * v).sqrt();
                    if rim > 0.84 { (metal, 1.0) } else { (Color::WHITE, 0.10 * (1.0 - v).clamp(0.0, 1.0)) }
                },
            );
            let (inner, outer) = ((self.eye_gap + 0.21) * side, side * self.width);
            canvas.line(frame, (inner, -0.12), (outer, -0.10), 0.03, metal, 1.0);
        }
        canvas.line(frame, (-self.eye_gap + 0.21, -0.1), (self.eye_gap - 0.21, -0.1), 0.03, metal, 1.0);
    }
}
