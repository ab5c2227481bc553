//! A little drawing on pixels: everything is a shade over an area of a (moved, scaled, turned) frame.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "pixels: values are small, and clamped before they are cut"
)]

use font8x8::{BASIC_FONTS, UnicodeFonts, unicode::BasicFonts};
use image::{Rgb, RgbImage};

/// Red, green, blue, each 0 to 255; intermediate results may be outside.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Color(pub f32, pub f32, pub f32);

impl Color {
    pub const WHITE: Self = Self(255.0, 255.0, 255.0);
    pub const BLACK: Self = Self(0.0, 0.0, 0.0);

    /// Creates a colour from `0xRRGGBB`.
    pub fn hex(code: u32) -> Self {
        let part = |shift: u32| ((code >> shift) & 0xFF) as f32;
        Self(part(16), part(8), part(0))
    }
    /// Returns the colour multiplied by a factor: lighter or darker.
    pub fn times(self, by: f32) -> Self {
        Self(self.0 * by, self.1 * by, self.2 * by)
    }
    /// Mixes two colours: 0 is this one, 1 is `other`.
    pub fn mix(self, other: Self, part: f32) -> Self {
        let between = |a: f32, b: f32| a + (b - a) * part;
        Self(between(self.0, other.0), between(self.1, other.1), between(self.2, other.2))
    }
    fn pixel(self) -> [u8; 3] {
        // The conversion clamps to 0 to 255.
        [self.0 as u8, self.1 as u8, self.2 as u8]
    }
    fn of([r, g, b]: [u8; 3]) -> Self {
        Self(f32::from(r), f32::from(g), f32::from(b))
    }
}

/// Left, top, right, bottom, in the units of a frame.
#[derive(Debug, Clone, Copy)]
pub struct Area(pub f32, pub f32, pub f32, pub f32);

/// The position, scale and rotation of a drawing.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    x: f32,
    y: f32,
    scale: f32,
    /// 1 / `scale`: a division for every pixel would be slow.
    unscale: f32,
    sin: f32,
    cos: f32,
}

impl Frame {
    /// Pixels as they are.
    pub const PIXELS: Self = Self { x: 0.0, y: 0.0, scale: 1.0, unscale: 1.0, sin: 0.0, cos: 1.0 };

    /// Creates a frame with its origin at (`x`, `y`), a unit `scale` pixels long, turned clockwise.
    pub fn at(x: f32, y: f32, scale: f32, degrees: f32) -> Self {
        let (sin, cos) = degrees.to_radians().sin_cos();
        Self { x, y, scale, unscale: 1.0 / scale, sin, cos }
    }
    fn to_pixel(self, (u, v): (f32, f32)) -> (f32, f32) {
        (self.x + self.scale * (u * self.cos - v * self.sin), self.y + self.scale * (u * self.sin + v * self.cos))
    }
    fn of_pixel(self, x: f32, y: f32) -> (f32, f32) {
        let (dx, dy) = ((x - self.x) * self.unscale, (y - self.y) * self.unscale);
        (dx * self.cos + dy * self.sin, dy * self.cos - dx * self.sin)
    }
}

/// Returns how much of a pixel is inside, from the distance to the edge in units (inside is positive).
fn coverage(distance: f32, frame: Frame) -> f32 {
    (distance * frame.scale + 0.5).clamp(0.0, 1.0)
}

/// An image that is being drawn.
#[derive(Debug, Clone)]
pub struct Canvas {
    pub image: RgbImage,
}

impl Canvas {
    pub fn new(width: u32, height: u32, fill: Color) -> Self {
        Self { image: RgbImage::from_pixel(width, height, Rgb(fill.pixel())) }
    }

    /// The one primitive: for every pixel of `area`, `shade` returns colour and opacity at its position in the frame.
    pub fn paint(&mut self, frame: Frame, area: Area, shade: impl Fn(f32, f32) -> (Color, f32)) {
        let corners =
            [(area.0, area.1), (area.2, area.1), (area.0, area.3), (area.2, area.3)].map(|c| frame.to_pixel(c));
        let low = |f: fn(&(f32, f32)) -> f32| corners.iter().map(f).fold(f32::MAX, f32::min);
        let high = |f: fn(&(f32, f32)) -> f32| corners.iter().map(f).fold(f32::MIN, f32::max);
        let (left, right) = ((low(|c| c.0) - 1.0).max(0.0) as usize, (high(|c| c.0) + 2.0).max(0.0) as usize);
        let (top, bottom) = ((low(|c| c.1) - 1.0).max(0.0) as usize, (high(|c| c.1) + 2.0).max(0.0) as usize);
        let stride = self.image.width() as usize * 3;
        let right = right.min(self.image.width() as usize);
        for (y, row) in self.image.chunks_exact_mut(stride).enumerate().skip(top).take(bottom.saturating_sub(top)) {
            let Some(row) = row.get_mut(left * 3..right * 3) else { return };
            for (x, pixel) in (left..right).zip(row.as_chunks_mut().0) {
                let (u, v) = frame.of_pixel(x as f32 + 0.5, y as f32 + 0.5);
                let (color, opacity) = shade(u, v);
                if opacity > 0.996 {
                    *pixel = color.pixel();
                } else if opacity > 0.004 {
                    *pixel = Color::of(*pixel).mix(color, opacity).pixel();
                }
            }
        }
    }

    /// Changes every pixel; `change` receives its position (0 to 1 each way) and 8 bits of noise.
    pub fn grade(&mut self, change: impl Fn(f32, f32, u8, Color) -> Color) {
        let (width, height) = (1.0 / self.image.width() as f32, 1.0 / self.image.height() as f32);
        let mut noise = 0x2545_F491_4F6C_DD1D_u64;
        let stride = self.image.width() as usize * 3;
        for (y, row) in self.image.chunks_exact_mut(stride).enumerate() {
            for (x, pixel) in row.as_chunks_mut().0.iter_mut().enumerate() {
                noise ^= noise << 13;
                noise ^= noise >> 7;
                noise ^= noise << 17;
                *pixel = change(x as f32 * width, y as f32 * height, (noise >> 24) as u8, Color::of(*pixel)).pixel();
            }
        }
    }

    /// Draws a filled rectangle with round corners.
    pub fn rect(&mut self, frame: Frame, area: Area, radius: f32, color: Color, opacity: f32) {
        self.paint(frame, area, |u, v| (color, opacity * coverage(inside_rect(area, radius, u, v), frame)));
    }

    /// Draws a filled ellipse; `shade` receives the position in it, -1 to 1 each way.
    pub fn ellipse(&mut self, frame: Frame, center: (f32, f32), radii: (f32, f32), shade: impl Fn(f32, f32) -> Color) {
        self.blob(frame, center, radii, |_| 1.0, |u, v| (shade(u, v), 1.0));
    }

    /// Draws an ellipse whose half width at height `v` (-1 the top, 1 the bottom) is multiplied by `squash(v)`.
    pub fn blob(
        &mut self,
        frame: Frame,
        (cx, cy): (f32, f32),
        (rx, ry): (f32, f32),
        squash: impl Fn(f32) -> f32,
        shade: impl Fn(f32, f32) -> (Color, f32),
    ) {
        let (wide, across, down) = (rx * 1.4, 1.0 / rx, 1.0 / ry);
        self.paint(frame, Area(cx - wide, cy - ry, cx + wide, cy + ry), |u, v| {
            let (nx, ny) = ((u - cx) * across, (v - cy) * down);
            let nx = nx / squash(ny).max(0.01);
            let radius = (nx * nx + ny * ny).sqrt();
            let edge = coverage((1.0 - radius) * rx.min(ry), frame);
            if edge <= 0.0 {
                return (Color::BLACK, 0.0);
            }
            let (color, opacity) = shade(nx, ny);
            (color, opacity * edge)
        });
    }

    /// Draws a stroke with round ends.
    pub fn line(&mut self, frame: Frame, from: (f32, f32), to: (f32, f32), width: f32, color: Color, opacity: f32) {
        let half = width / 2.0;
        let area =
            Area(from.0.min(to.0) - half, from.1.min(to.1) - half, from.0.max(to.0) + half, from.1.max(to.1) + half);
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = (dx * dx + dy * dy).max(1e-6);
        self.paint(frame, area, |u, v| {
            let (px, py) = (u - from.0, v - from.1);
            let along = ((px * dx + py * dy) / length).clamp(0.0, 1.0);
            let distance = length_of(px - dx * along, py - dy * along);
            (color, opacity * coverage(half - distance, frame))
        });
    }

    /// Draws strokes from point to point.
    pub fn curve(&mut self, frame: Frame, points: &[(f32, f32)], width: f32, color: Color, opacity: f32) {
        for pair in points.windows(2) {
            if let [from, to] = pair {
                self.line(frame, *from, *to, width, color, opacity);
            }
        }
    }

    /// Draws a line of text with its top left at (`x`, `y`), letters `size` units high and wide. Returns where it ends.
    ///
    /// The bitmap font is sampled between its dots, so that enlarged letters have round shoulders, not stairs.
    pub fn text(&mut self, frame: Frame, (x, y): (f32, f32), size: f32, text: &str, color: Color, opacity: f32) -> f32 {
        let mut left = x;
        for c in text.chars() {
            let glyph = glyph(c);
            if glyph != [0; 8] {
                self.paint(frame, Area(left, y, left + size, y + size), |u, v| {
                    let ink = ink(glyph, (u - left) / size * 8.0, (v - y) / size * 8.0);
                    (color, opacity * ((ink - 0.32) / 0.3).clamp(0.0, 1.0))
                });
            }
            left += size;
        }
        left
    }

    /// Draws another image in `frame`, whose units are that image's pixels, with round corners.
    pub fn lay(&mut self, frame: Frame, card: &Self, radius: f32) {
        let (width, height) = (card.image.width() as usize, card.image.height() as usize);
        let area = Area(0.0, 0.0, width as f32, height as f32);
        let bytes = card.image.as_raw();
        // Two neighbours, interpolated.
        let at = |x: usize, y: usize, part: f32| {
            let start = (y * width + x) * 3;
            match bytes.get(start..start + 6) {
                Some(&[r, g, b, r2, g2, b2]) => Color::of([r, g, b]).mix(Color::of([r2, g2, b2]), part),
                _ => Color::BLACK,
            }
        };
        let (last_x, last_y) = (area.2 - 1.01, area.3 - 1.01);
        self.paint(frame, area, |u, v| {
            let deep = u.min(v).min(area.2 - u).min(area.3 - v) > radius + 1.0;
            let edge = if deep { 1.0 } else { coverage(inside_rect(area, radius, u, v), frame) };
            if edge <= 0.0 {
                return (Color::BLACK, 0.0);
            }
            let (u, v) = ((u - 0.5).clamp(0.0, last_x), (v - 0.5).clamp(0.0, last_y));
            let (x, y) = (u as usize, v as usize);
            let (part_x, part_y) = (u - x as f32, v - y as f32);
            (at(x, y, part_x).mix(at(x, y + 1, part_x), part_y), edge)
        });
    }
}

/// `f32::hypot` guards against overflow, which pixels do not need, and is many times slower.
pub fn length_of(x: f32, y: f32) -> f32 {
    (x * x + y * y).sqrt()
}

/// Approximates a sine by two parabolas, to within 6 %: enough for textures, and much faster. Accepts any angle.
pub fn wave(angle: f32) -> f32 {
    let turns = angle / std::f32::consts::TAU;
    let part = turns - (turns as i32) as f32;
    let part = if part < 0.0 { part + 1.0 } else { part };
    if part < 0.5 { 16.0 * part * (0.5 - part) } else { -16.0 * (part - 0.5) * (1.0 - part) }
}

/// Returns the distance to the edge of a rectangle with round corners, positive inside.
pub fn inside_rect(area: Area, radius: f32, u: f32, v: f32) -> f32 {
    let (cx, cy) = (f32::midpoint(area.0, area.2), f32::midpoint(area.1, area.3));
    let dx = (u - cx).abs() - ((area.2 - area.0) / 2.0 - radius);
    let dy = (v - cy).abs() - ((area.3 - area.1) / 2.0 - radius);
    radius - length_of(dx.max(0.0), dy.max(0.0)) - dx.max(dy).min(0.0)
}

fn glyph(c: char) -> [u8; 8] {
    static ASCII: BasicFonts = BASIC_FONTS;
    ASCII.get(c).unwrap_or_default()
}

/// Returns the coverage at a position of a glyph (0 to 8 each way), from the four dots around it.
fn ink(glyph: [u8; 8], u: f32, v: f32) -> f32 {
    let dot = |x: i32, y: i32| {
        let row = usize::try_from(y).ok().and_then(|y| glyph.get(y)).copied().unwrap_or(0);
        if (0..8).contains(&x) && row >> x & 1 == 1 { 1.0 } else { 0.0 }
    };
    let (u, v) = (u - 0.5, v - 0.5);
    let (x, y) = (u.floor(), v.floor());
    let (part_x, part_y) = (u - x, v - y);
    let (x, y) = (x as i32, y as i32);
    let top: f32 = dot(x, y) * (1.0 - part_x) + dot(x + 1, y) * part_x;
    let bottom: f32 = dot(x, y + 1) * (1.0 - part_x) + dot(x + 1, y + 1) * part_x;
    top * (1.0 - part_y) + bottom * part_y
}
