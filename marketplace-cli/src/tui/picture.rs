//! Pictures of documents and faces: decoded, rotated, cropped and encoded outside the draw loop.

use std::sync::Arc;

use image::{DynamicImage, ImageDecoder, ImageReader, Limits, imageops::FilterType, metadata::Orientation};
use marketplace_core::{
    error::{Error, ErrorCode, Result},
    kyc::model::FileContent,
};
use ratatui::{
    layout::Size,
    style::Color,
    symbols::pixel::{OCTANTS, SEXTANTS},
};
use ratatui_image::{
    Resize,
    picker::{Picker, ProtocolType},
    protocol::Protocol,
};

/// Pictures are kept no larger than this on their longer side, in pixels: more than a terminal shows, in a few
/// megabytes.
const KEEP: u32 = 1_600;

/// How pictures are drawn.
#[derive(Debug, Clone)]
pub enum Images {
    /// With the terminal's own protocol, or in half blocks.
    Pixels(Box<Picker>),
    /// In two colours a cell, with characters of 2 × 3 or 2 × 4 parts.
    Blocks(Blocks),
    /// In dots, without colours.
    Dots,
    /// Not at all.
    Off,
}

impl Images {
    /// Returns the way with a name, without querying the terminal: `kitty`, `iterm2`, `sixel`, `octants`, `sextants`,
    /// `halfblocks`, `mono`, `off`. `None` for `auto`.
    pub fn named(name: &str) -> anyhow::Result<Option<Self>> {
        let with = |protocol| {
            let mut picker = Picker::halfblocks();
            picker.set_protocol_type(protocol);
            Ok(Some(Self::Pixels(Box::new(picker))))
        };
        match name {
            "auto" | "" => Ok(None),
            "kitty" => with(ProtocolType::Kitty),
            "iterm2" => with(ProtocolType::Iterm2),
            "sixel" => with(ProtocolType::Sixel),
            "halfblocks" => with(ProtocolType::Halfblocks),
            "sextants" => Ok(Some(Self::Blocks(Blocks::Sextants))),
            "octants" => Ok(Some(Self::Blocks(Blocks::Octants))),
            "mono" => Ok(Some(Self::Dots)),
            "off" => Ok(Some(Self::Off)),
            other => anyhow::bail!(
                "images: `{other}` is none of auto, kitty, iterm2, sixel, octants, sextants, halfblocks, mono, off (MARKETPLACE_IMAGES)"
            ),
        }
    }

    /// Returns the way without graphics that looks best in a terminal, by what its environment says of it: characters that
    /// it draws itself are there whatever its font has.
    pub fn without_graphics(variable: impl Fn(&str) -> String) -> Self {
        const DRAW_SEXTANTS: [&str; 6] = ["kitty", "foot", "wezterm", "ghostty", "contour", "vte"];
        let (term, program) = (variable("TERM").to_lowercase(), variable("TERM_PROGRAM").to_lowercase());
        // A multiplexer passes characters on to a terminal that is not known.
        let is_inside = ["tmux", "screen"].iter().any(|name| term.starts_with(name) || program == *name);
        // Terminals of GNOME draw them since VTE 0.62.
        let vte = variable("VTE_VERSION").parse::<u32>().is_ok_and(|version| version >= 6_200);
        let is_known = vte || DRAW_SEXTANTS.iter().any(|name| term.contains(name) || program.contains(name));
        if is_known && !is_inside {
            Self::Blocks(Blocks::Sextants)
        } else {
            Self::Pixels(Box::new(Picker::halfblocks()))
        }
    }

    /// Returns whether text drawn over a picture would be hidden by it, or damage it.
    pub fn fragile(&self) -> bool {
        matches!(self, Self::Pixels(picker) if picker.protocol_type() != ProtocolType::Halfblocks)
    }

    /// Returns whether pictures remain in the terminal's memory until they are removed.
    pub fn kitty(&self) -> bool {
        matches!(self, Self::Pixels(picker) if picker.protocol_type() == ProtocolType::Kitty)
    }
}

/// Into how many parts a character divides its cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocks {
    /// 2 × 3.
    Sextants,
    /// 2 × 4: of Unicode 16, which few fonts have.
    Octants,
}

impl Blocks {
    fn rows(self) -> u32 {
        match self {
            Self::Sextants => 3,
            Self::Octants => 4,
        }
    }
    fn character(self, pattern: usize) -> char {
        let found = match self {
            Self::Sextants => SEXTANTS.get(pattern),
            Self::Octants => OCTANTS.get(pattern),
        };
        found.copied().unwrap_or(' ')
    }
}

/// A cell of a picture in two colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// What is drawn.
    pub character: char,
    /// The colour of its parts.
    pub front: Color,
    /// The colour of the rest.
    pub back: Color,
}

/// A decoded file, as far as it can be shown.
#[derive(Debug, Clone)]
pub enum Decoded {
    /// A picture, no larger than needed.
    Picture(Arc<DynamicImage>),
    /// A PDF with its size in bytes: terminals do not draw those.
    Pdf(usize),
}

/// Decodes a file. Slow: not in the draw loop.
pub fn decode(content: &FileContent) -> Result<Decoded> {
    if content.media_type == "application/pdf" {
        return Ok(Decoded::Pdf(content.bytes.len()));
    }
    let broken = |error: image::ImageError| {
        Error::new(ErrorCode::UnsupportedMedia, format!("this picture cannot be shown: {error}"))
    };
    let mut reader = ImageReader::new(std::io::Cursor::new(&content.bytes))
        .with_guessed_format()
        .map_err(|error| broken(error.into()))?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(20_000);
    limits.max_image_height = Some(20_000);
    limits.max_alloc = Some(256 * 1_024 * 1_024);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(broken)?;
    // Cameras store pictures as the sensor lies, and say how to turn them. What cannot be understood turns nothing.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let picture = DynamicImage::from_decoder(decoder).map_err(broken)?;
    let mut picture =
        if picture.width().max(picture.height()) > KEEP { picture.thumbnail(KEEP, KEEP) } else { picture };
    // After the reduction: turning needs a second copy.
    picture.apply_orientation(orientation);
    Ok(Decoded::Picture(Arc::new(DynamicImage::ImageRgb8(picture.into_rgb8()))))
}

/// The view of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// Quarter turns, clockwise.
    pub turns: u8,
    /// Magnification: 1, 2, 4 or 8.
    pub scale: u8,
    /// The centre of the visible part, in 64ths of the picture's width.
    pub x: u8,
    /// The same, in 64ths of the height.
    pub y: u8,
}

impl Default for View {
    fn default() -> Self {
        Self { turns: 0, scale: 1, x: 32, y: 32 }
    }
}

impl View {
    /// Turns the picture by a quarter.
    pub fn turn(&mut self) {
        self.turns = (self.turns + 1) % 4;
    }
    /// Zooms in, up to eight times.
    pub fn closer(&mut self) {
        self.scale = (self.scale * 2).min(8);
    }
    /// Zooms out, down to the whole.
    pub fn farther(&mut self) {
        self.scale = (self.scale / 2).max(1);
        if self.scale == 1 {
            (self.x, self.y) = (32, 32);
        }
    }
    /// Moves the visible part by a fraction of it.
    pub fn pan(&mut self, dx: i8, dy: i8) {
        let step = 16 / i8::try_from(self.scale).unwrap_or(1).max(1);
        let shift = |at: u8, by: i8| at.saturating_add_signed(by.saturating_mul(step.max(2))).min(64);
        (self.x, self.y) = (shift(self.x, dx), shift(self.y, dy));
    }
}

/// A picture, ready for the terminal.
#[derive(Debug)]
pub struct Rendered {
    /// The area that it was rendered for.
    pub size: Size,
    /// The view that it was rendered in.
    pub view: View,
    /// The drawing.
    pub drawing: Drawing,
}

/// The form of a drawing.
pub enum Drawing {
    /// The terminal's own protocol, or half blocks.
    Protocol(Box<Protocol>),
    /// Lines of cells in two colours.
    Blocks(Vec<Vec<Block>>),
    /// Lines of dots.
    Dots(Vec<String>),
}

impl std::fmt::Debug for Drawing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Protocol(_) => "Protocol",
            Self::Blocks(_) => "Blocks",
            Self::Dots(_) => "Dots",
        })
    }
}

/// Rotates, crops and encodes a picture for an area in cells. Slow: not in the draw loop. Returns `None` when there is
/// nothing to draw.
pub fn render(images: &Images, picture: &DynamicImage, size: Size, view: View) -> Option<Rendered> {
    if size.width == 0 || size.height == 0 {
        return None;
    }
    let turned = match view.turns {
        1 => picture.rotate90(),
        2 => picture.rotate180(),
        3 => picture.rotate270(),
        _ => picture.clone(),
    };
    let seen = if view.scale > 1 { cut(&turned, view) } else { turned };
    let drawing = match images {
        Images::Off => return None,
        Images::Dots => Drawing::Dots(dots(&seen, size)),
        Images::Blocks(blocks) => Drawing::Blocks(cells(&seen, size, *blocks)),
        Images::Pixels(picker) => {
            let font = picker.font_size();
            let (cells, width, height) = whole_cells(&seen, size, (font.width, font.height));
            // Padding to whole cells would leave a black edge; stretching by less than one cell is not visible.
            let seen = seen.resize_exact(width, height, FilterType::Triangle);
            Drawing::Protocol(Box::new(picker.new_protocol(seen, cells, Resize::Fit(None)).ok()?))
        }
    };
    Some(Rendered { size, view, drawing })
}

/// Returns the most cells that a picture fills within an area, and the pixels of those cells.
fn whole_cells(picture: &DynamicImage, room: Size, (wide, high): (u16, u16)) -> (Size, u32, u32) {
    let (wide, high) = (u32::from(wide.max(1)), u32::from(high.max(1)));
    let (width, height) = (picture.width().max(1), picture.height().max(1));
    let (most_wide, most_high) = (u32::from(room.width) * wide, u32::from(room.height) * high);
    // Limited by the width, or else by the height; rounded to the nearest cell.
    let (columns, rows) = if u64::from(most_wide) * u64::from(height) <= u64::from(most_high) * u64::from(width) {
        let rows =
            (u64::from(most_wide) * u64::from(height) / u64::from(width) + u64::from(high) / 2) / u64::from(high);
        (room.width, u16::try_from(rows).unwrap_or(room.height).clamp(1, room.height))
    } else {
        let columns =
            (u64::from(most_high) * u64::from(width) / u64::from(height) + u64::from(wide) / 2) / u64::from(wide);
        (u16::try_from(columns).unwrap_or(room.width).clamp(1, room.width), room.height)
    };
    (Size::new(columns, rows), u32::from(columns) * wide, u32::from(rows) * high)
}

fn cut(picture: &DynamicImage, view: View) -> DynamicImage {
    let part = |whole: u32, middle: u8| {
        let length = (whole / u32::from(view.scale)).max(1);
        let start = (whole * u32::from(middle) / 64).saturating_sub(length / 2).min(whole - length);
        (start, length)
    };
    let (x, width) = part(picture.width(), view.x);
    let (y, height) = part(picture.height(), view.y);
    picture.crop_imm(x, y, width, height)
}

/// Draws a picture in cells of two colours: the parts that are lighter than the middle of their cell, and the darker ones.
fn cells(picture: &DynamicImage, room: Size, blocks: Blocks) -> Vec<Vec<Block>> {
    // As in half blocks, a cell counts as twice as high as wide.
    let (size, ..) = whole_cells(picture, room, (1, 2));
    let (wide, high) = (u32::from(size.width), u32::from(size.height));
    let parts = picture.resize_exact(wide * 2, high * blocks.rows(), FilterType::Triangle).into_rgb8();
    let cell = |column: u32, row: u32| {
        let of_cell = (0..blocks.rows()).flat_map(|y| (0..2).map(move |x| (column * 2 + x, row * blocks.rows() + y)));
        let colours: Vec<[u8; 3]> = of_cell.map(|(x, y)| parts.get_pixel(x, y).0).collect();
        let light = |[red, green, blue]: [u8; 3]| u32::from(red) * 3 + u32::from(green) * 6 + u32::from(blue);
        let lightest = colours.iter().map(|colour| light(*colour)).max().unwrap_or(0);
        let darkest = colours.iter().map(|colour| light(*colour)).min().unwrap_or(0);
        let is_front = |colour: [u8; 3]| light(colour) * 2 > lightest + darkest;
        let mean = |front: bool| {
            let chosen: Vec<_> = colours.iter().filter(|colour| is_front(**colour) == front).collect();
            let count = u32::try_from(chosen.len()).unwrap_or(1).max(1);
            let [red, green, blue] = [0, 1, 2].map(|channel| {
                let sum: u32 =
                    chosen.iter().filter_map(|colour| colour.get(channel)).map(|value| u32::from(*value)).sum();
                u8::try_from(sum / count).unwrap_or(u8::MAX)
            });
            Color::Rgb(red, green, blue)
        };
        let pattern =
            colours.iter().enumerate().filter(|(_, colour)| is_front(**colour)).map(|(part, _)| 1 << part).sum();
        Block { character: blocks.character(pattern), front: mean(true), back: mean(false) }
    };
    (0..high).map(|row| (0..wide).map(|column| cell(column, row)).collect()).collect()
}

/// Bits of the dots of a braille character, by row and column (Unicode, "Braille Patterns").
const BITS: [[u32; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

/// Draws a picture in braille: two by four dots a cell, dithered (Floyd–Steinberg), bright dots for bright places.
fn dots(picture: &DynamicImage, size: Size) -> Vec<String> {
    // A cell is about twice as high as wide, and holds 2 × 4 dots: the dots are square.
    let grey = picture.resize(u32::from(size.width) * 2, u32::from(size.height) * 4, FilterType::Triangle).into_luma8();
    let (width, height) = (grey.width() as usize, grey.height() as usize);
    let (low, high) = grey.pixels().fold((255_i32, 0_i32), |(low, high), pixel| {
        let value = i32::from(pixel.0[0]);
        (low.min(value), high.max(value))
    });
    let span = (high - low).max(1);
    let mut light: Vec<i32> = grey.pixels().map(|pixel| (i32::from(pixel.0[0]) - low) * 255 / span).collect();
    let mut lit = vec![false; light.len()];
    for y in 0..height {
        for x in 0..width {
            let at = y * width + x;
            let value = light.get(at).copied().unwrap_or(0);
            let on = value > 127;
            if let Some(dot) = lit.get_mut(at) {
                *dot = on;
            }
            let error = value - if on { 255 } else { 0 };
            let mut spread = |dx: isize, dy: usize, share: i32| {
                if let Some(nx) = x.checked_add_signed(dx).filter(|nx| *nx < width)
                    && let Some(next) = light.get_mut((y + dy) * width + nx)
                {
                    *next += error * share / 16;
                }
            };
            spread(1, 0, 7);
            spread(-1, 1, 3);
            spread(0, 1, 5);
            spread(1, 1, 1);
        }
    }
    (0..height.div_ceil(4))
        .map(|row| {
            (0..width.div_ceil(2))
                .map(|column| {
                    let mut pattern = 0;
                    for (dy, bits) in BITS.iter().enumerate() {
                        for (dx, bit) in bits.iter().enumerate() {
                            let (x, y) = (column * 2 + dx, row * 4 + dy);
                            if x < width && lit.get(y * width + x).copied().unwrap_or(false) {
                                pattern |= bit;
                            }
                        }
                    }
                    char::from_u32(0x2800 + pattern).unwrap_or(' ')
                })
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32) -> DynamicImage {
        DynamicImage::ImageRgb8(image::RgbImage::from_fn(width, height, |x, _| {
            if x < width / 2 { image::Rgb([0, 0, 0]) } else { image::Rgb([255, 255, 255]) }
        }))
    }

    #[test]
    fn dots_show_light_and_dark() {
        let lines = dots(&picture(80, 80), Size::new(10, 5));
        assert_eq!(lines.len(), 5);
        assert_eq!(lines[0], "⠀⠀⠀⠀⠀⣿⣿⣿⣿⣿");
    }

    #[test]
    fn blocks_show_the_edge_within_a_cell() {
        // Black, and white from the third quarter of a cell's width on: the edge is within the second column of parts.
        let half = DynamicImage::ImageRgb8(image::RgbImage::from_fn(60, 60, |x, y| {
            if x < 15 && y < 30 { image::Rgb([200, 0, 0]) } else { image::Rgb([0, 0, 0]) }
        }));
        for (blocks, whole) in [(Blocks::Sextants, '▌'), (Blocks::Octants, '▌')] {
            let lines = cells(&half, Size::new(2, 1), blocks);
            assert_eq!((lines.len(), lines[0].len()), (1, 2));
            assert_ne!(lines[0][0].character, whole, "only the upper half is red");
            assert!(matches!(lines[0][0].front, Color::Rgb(red, 0, 0) if red > 100), "{:?}", lines[0][0]);
            assert_eq!((lines[0][1].character, lines[0][1].back), (' ', Color::Rgb(0, 0, 0)));
        }
        let tall = cells(&picture(40, 160), Size::new(10, 10), Blocks::Sextants);
        assert!(tall.len() == 10 && tall[0].len() < 10, "the shape is kept");
    }

    #[test]
    fn sextants_are_for_terminals_that_draw_them() {
        let chosen = |known: &[(&str, &str)]| {
            let known: Vec<(String, String)> =
                known.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let variable = move |name: &str| {
                known.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()).unwrap_or_default()
            };
            matches!(Images::without_graphics(variable), Images::Blocks(Blocks::Sextants))
        };
        assert!(chosen(&[("TERM", "foot")]) && chosen(&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "WezTerm")]));
        assert!(chosen(&[("TERM", "xterm-256color"), ("VTE_VERSION", "7600")]));
        assert!(
            !chosen(&[("TERM", "xterm-256color")]) && !chosen(&[("TERM", "xterm-256color"), ("VTE_VERSION", "5200")])
        );
        assert!(!chosen(&[("TERM", "tmux-256color"), ("TERM_PROGRAM", "tmux"), ("VTE_VERSION", "7600")]));
    }

    #[test]
    fn pictures_fill_whole_cells() {
        let cells = |width, height, room: (u16, u16)| whole_cells(&picture(width, height), room.into(), (10, 20));
        assert_eq!(cells(200, 100, (40, 40)), (Size::new(40, 10), 400, 200));
        assert_eq!(cells(100, 200, (40, 10)), (Size::new(10, 10), 100, 200));
        assert_eq!(cells(3_000, 1, (40, 10)), (Size::new(40, 1), 400, 20));
    }

    #[test]
    fn turning_changes_the_shape() {
        let images = Images::Dots;
        let lying = picture(160, 40);
        let Drawing::Dots(flat) = render(&images, &lying, Size::new(20, 20), View::default()).unwrap().drawing else {
            panic!()
        };
        let mut view = View::default();
        view.turn();
        let Drawing::Dots(tall) = render(&images, &lying, Size::new(20, 20), view).unwrap().drawing else { panic!() };
        assert!(tall.len() > flat.len());
    }

    #[test]
    fn views_stay_within_the_picture() {
        let mut view = View::default();
        for _ in 0..9 {
            view.closer();
            view.pan(1, -1);
        }
        assert_eq!((view.scale, view.y), (8, 6));
        for _ in 0..60 {
            view.pan(1, -1);
        }
        assert_eq!((view.x, view.y), (64, 0));
        assert_eq!(cut(&picture(80, 40), view).width(), 10);
        for _ in 0..9 {
            view.farther();
        }
        assert_eq!(view, View::default());
    }

    #[test]
    fn large_pictures_are_kept_small() {
        let mut bytes = Vec::new();
        picture(4_000, 1_000).write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Png).unwrap();
        let content = FileContent { media_type: "image/png".into(), bytes: bytes.into() };
        let Decoded::Picture(kept) = decode(&content).unwrap() else { panic!() };
        assert_eq!((kept.width(), kept.height()), (1_600, 400));
        let broken = FileContent { media_type: "image/png".into(), bytes: "no".into() };
        assert_eq!(decode(&broken).unwrap_err().code(), ErrorCode::UnsupportedMedia);
    }

    #[test]
    fn pictures_are_upright_whatever_way_the_camera_lay() {
        let mut bytes = Vec::new();
        let lying =
            image::RgbImage::from_fn(300, 200, |x, _| image::Rgb(if x < 60 { [255, 0, 0] } else { [0, 0, 255] }));
        DynamicImage::ImageRgb8(lying)
            .write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Jpeg)
            .unwrap();
        // Where red, the left edge as it is stored, is to be seen for each orientation of EXIF.
        let edges = ["left", "right", "right", "left", "top", "top", "bottom", "bottom"];
        for (orientation, edge) in (1_u8..).zip(edges) {
            let content =
                FileContent { media_type: "image/jpeg".into(), bytes: with_orientation(&bytes, orientation).into() };
            let Decoded::Picture(shown) = decode(&content).unwrap() else { panic!() };
            let (width, height) = (shown.width(), shown.height());
            assert_eq!((width, height), if orientation > 4 { (200, 300) } else { (300, 200) }, "{orientation}");
            let at = match edge {
                "left" => (8, height / 2),
                "right" => (width - 8, height / 2),
                "top" => (width / 2, 8),
                _ => (width / 2, height - 8),
            };
            let image::Rgb([red, _, blue]) = *shown.to_rgb8().get_pixel(at.0, at.1);
            assert!(red > 180 && blue < 80, "orientation {orientation}: red {red}, blue {blue}");
        }
    }

    /// A JPEG with a segment of EXIF that says nothing but how it lies.
    fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
        let exif = [
            b"\xff\xe1\0\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".as_slice(),
            &[orientation, 0, 0, 0, 0, 0, 0],
        ];
        [&jpeg[..2], &exif.concat(), &jpeg[2..]].concat()
    }

    #[test]
    fn names() {
        assert!(Images::named("auto").unwrap().is_none());
        assert!(matches!(Images::named("mono").unwrap(), Some(Images::Dots)));
        assert!(Images::named("ascii").is_err());
    }
}
