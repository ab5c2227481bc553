//! A terminal's screen as SVG: text stays text, and half blocks become rectangles.

use std::fmt::Write;

use vt100::{Cell, Color, Screen};

/// Width of a cell, in the picture's units.
const WIDTH: f32 = 8.4;
/// Height of a cell.
const HEIGHT: f32 = 18.0;
/// Margin around the screen.
const MARGIN: f32 = 12.0;

const FOREGROUND: Rgb = Rgb(0xd8, 0xd8, 0xd8);
const BACKGROUND: Rgb = Rgb(0x16, 0x18, 0x1d);
/// The sixteen colours that have names (those of a common dark theme).
const NAMED: [Rgb; 16] = [
    Rgb(0x2a, 0x2d, 0x34),
    Rgb(0xe0, 0x6c, 0x75),
    Rgb(0x98, 0xc3, 0x79),
    Rgb(0xe5, 0xc0, 0x7b),
    Rgb(0x61, 0xaf, 0xef),
    Rgb(0xc6, 0x78, 0xdd),
    Rgb(0x56, 0xb6, 0xc2),
    Rgb(0xc8, 0xcc, 0xd4),
    Rgb(0x6b, 0x72, 0x80),
    Rgb(0xff, 0x87, 0x90),
    Rgb(0xb5, 0xe0, 0x90),
    Rgb(0xff, 0xd8, 0x8a),
    Rgb(0x84, 0xc4, 0xff),
    Rgb(0xde, 0x96, 0xf2),
    Rgb(0x78, 0xd4, 0xe0),
    Rgb(0xff, 0xff, 0xff),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rgb(u8, u8, u8);

impl std::fmt::Display for Rgb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

/// The appearance of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    ink: Rgb,
    paper: Rgb,
    bold: bool,
    underline: bool,
}

/// Returns the screen as a picture.
pub fn draw(screen: &Screen) -> String {
    let (rows, columns) = screen.size();
    let (width, height) = (f32::from(columns) * WIDTH + 2.0 * MARGIN, f32::from(rows) * HEIGHT + 2.0 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         font-family=\"ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace\" font-size=\"14\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{BACKGROUND}\"/>\n<g shape-rendering=\"crispEdges\">\n"
    );
    let mut texts = String::new();
    for row in 0..rows {
        let cells: Vec<(Look, String)> =
            (0..columns).filter_map(|column| screen.cell(row, column)).map(|cell| (look(cell), glyph(cell))).collect();
        draw_papers(&mut svg, row, &cells);
        draw_texts(&mut texts, row, &cells);
    }
    svg.push_str("</g>\n<g style=\"white-space:pre\">\n");
    svg.push_str(&texts);
    svg.push_str("</g>\n</svg>\n");
    svg
}

fn glyph(cell: &Cell) -> String {
    if cell.has_contents() { cell.contents().to_owned() } else { " ".to_owned() }
}

fn look(cell: &Cell) -> Look {
    let (mut ink, mut paper) = (rgb(cell.fgcolor(), FOREGROUND), rgb(cell.bgcolor(), BACKGROUND));
    if cell.inverse() {
        (ink, paper) = (paper, ink);
    }
    if cell.dim() {
        let mix = |a: u8, b: u8| u8::try_from((u16::from(a) * 3 + u16::from(b) * 2) / 5).unwrap_or(a);
        ink = Rgb(mix(ink.0, paper.0), mix(ink.1, paper.1), mix(ink.2, paper.2));
    }
    Look { ink, paper, bold: cell.bold(), underline: cell.underline() }
}

fn rgb(color: Color, default: Rgb) -> Rgb {
    match color {
        Color::Default => default,
        Color::Rgb(r, g, b) => Rgb(r, g, b),
        Color::Idx(index) => NAMED.get(usize::from(index)).copied().unwrap_or_else(|| indexed(index)),
    }
}

/// Returns the colours 16 to 255 of xterm: a cube, then greys.
fn indexed(index: u8) -> Rgb {
    if index >= 232 {
        let grey = 8 + (index - 232) * 10;
        return Rgb(grey, grey, grey);
    }
    let level = |n: u8| if n == 0 { 0 } else { 55 + n * 40 };
    let cube = index.saturating_sub(16);
    Rgb(level(cube / 36), level(cube / 6 % 6), level(cube % 6))
}

/// Returns the upper and lower colour of a cell that is drawn as rectangles.
fn halves(look: Look, glyph: &str) -> (Rgb, Rgb) {
    match glyph {
        "▀" => (look.ink, look.paper),
        "▄" => (look.paper, look.ink),
        "█" => (look.ink, look.ink),
        _ => (look.paper, look.paper),
    }
}

fn draw_papers(svg: &mut String, row: u16, cells: &[(Look, String)]) {
    let top = MARGIN + f32::from(row) * HEIGHT;
    let halves: Vec<(Rgb, Rgb)> = cells.iter().map(|(look, glyph)| halves(*look, glyph)).collect();
    // Adjacent cells of one colour are joined; where halves differ, each half is a separate row of rectangles.
    let mut column = 0;
    while let Some(&(upper, lower)) = halves.get(column) {
        let same = halves.iter().skip(column).take_while(|half| **half == (upper, lower)).count();
        if upper == lower {
            rectangle(svg, column, same, top, HEIGHT, upper);
        } else {
            rectangle(svg, column, same, top, HEIGHT / 2.0, upper);
            rectangle(svg, column, same, top + HEIGHT / 2.0, HEIGHT / 2.0, lower);
        }
        column += same;
    }
}

fn rectangle(svg: &mut String, column: usize, count: usize, top: f32, height: f32, fill: Rgb) {
    if fill == BACKGROUND {
        return;
    }
    let (left, width) = (at(column), at(column + count) - at(column));
    // Writing to a String cannot fail.
    let _ = writeln!(
        svg,
        "<rect x=\"{left:.1}\" y=\"{top:.0}\" width=\"{width:.1}\" height=\"{height:.0}\" fill=\"{fill}\"/>"
    );
}

fn at(column: usize) -> f32 {
    MARGIN + f32::from(u16::try_from(column).unwrap_or(u16::MAX)) * WIDTH
}

fn draw_texts(svg: &mut String, row: u16, cells: &[(Look, String)]) {
    let baseline = MARGIN + f32::from(row) * HEIGHT + 13.5;
    let mut column = 0;
    while let Some((look, _)) = cells.get(column) {
        let run: Vec<&str> =
            cells.iter().skip(column).take_while(|(other, _)| other == look).map(|(_, glyph)| glyph.as_str()).collect();
        // Blanks at either end need no text; blocks are already drawn.
        let blank = |glyph: &&&str| matches!(**glyph, " " | "▀" | "▄" | "█");
        let lead = run.iter().take_while(blank).count();
        let tail = run.iter().rev().take_while(blank).count();
        if lead < run.len() {
            let shown = run.get(lead..run.len() - tail).unwrap_or_default();
            let text: String = shown.concat();
            let text = text.replace(['▀', '▄', '█'], " ").replace('&', "&amp;").replace('<', "&lt;");
            let (left, length) = (at(column + lead), at(shown.len()) - at(0));
            let weight = if look.bold { " font-weight=\"bold\"" } else { "" };
            let line = if look.underline { " text-decoration=\"underline\"" } else { "" };
            let _ = writeln!(
                svg,
                "<text x=\"{left:.1}\" y=\"{baseline:.1}\" textLength=\"{length:.1}\" fill=\"{}\"{weight}{line} xml:space=\"preserve\">{text}</text>",
                look.ink
            );
        }
        column += run.len();
    }
}
