//! Identity papers of the Republic of Utopia, the state of ICAO's own specimens: four kinds, each with its own layout.
#![expect(clippy::unreadable_literal, reason = "colours are six hexadecimal digits")]

use marketplace_core::kyc::model::DocumentType;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use time::{Date, Duration};

use crate::{
    canvas::{Area, Canvas, Color, Frame, length_of},
    face::Face,
    flaw::{Flaw, stranger},
    mrz::{Fields, STATE},
    people::{Person, ascii, mix, person},
};

/// Width of a card in pixels, before it is photographed.
pub const WIDTH: f32 = 850.0;
/// Height of a card in pixels, before it is photographed.
pub const HEIGHT: f32 = 540.0;

const PX: Frame = Frame::PIXELS;
const INK: Color = Color(28.0, 28.0, 38.0);

/// The printed data.
struct Papers {
    holder: Person,
    number: String,
    personal: String,
    issued: Date,
    expires: Date,
    /// The printed date; different from the holder's where it was altered.
    birth: Date,
    altered: bool,
}

impl Papers {
    fn of(owner: &Person, kind: DocumentType, today: Date, flaw: Option<Flaw>) -> Self {
        let mut rng = StdRng::seed_from_u64(mix(owner.face, 3 + kind as u64));
        let mut holder = owner.clone();
        if flaw == Some(Flaw::OtherPerson) {
            let name = person(999, owner.face % 1_000_000_000);
            holder = Person { given: name.given, family: name.family, ..stranger(owner) };
        }
        if flaw == Some(Flaw::Minor) {
            holder.birth = today - Duration::days(rng.random_range(5_500..6_200));
        }
        let valid = if flaw == Some(Flaw::Minor) { 1_826 } else { 3_652 };
        let issued = if flaw == Some(Flaw::Expired) {
            today - Duration::days(valid + rng.random_range(20..700))
        } else {
            today - Duration::days(rng.random_range(60..valid - 200))
        };
        let letter = match kind {
            DocumentType::Passport => 'P',
            DocumentType::NationalId => 'N',
            DocumentType::DrivingLicence => 'D',
            DocumentType::ResidencePermit => 'R',
        };
        let altered = flaw == Some(Flaw::Altered);
        Self {
            number: format!("{letter}{:08}", rng.random_range(0..100_000_000)),
            personal: format!("U{:06}", rng.random_range(0..1_000_000)),
            issued,
            expires: issued + Duration::days(valid),
            birth: if altered { holder.birth - Duration::days(9 * 365) } else { holder.birth },
            altered,
            holder,
        }
    }

    fn mrz(&self) -> Fields<'_> {
        Fields {
            family: &self.holder.family,
            given: &self.holder.given,
            number: &self.number,
            birth: self.holder.birth,
            female: self.holder.female,
            expires: self.expires,
            optional: &self.personal,
        }
    }

    fn sex(&self) -> &'static str {
        if self.holder.female { "F" } else { "M" }
    }
}

/// Draws the card itself, flat and complete.
pub fn card(owner: &Person, kind: DocumentType, today: Date, flaw: Option<Flaw>) -> Canvas {
    let papers = Papers::of(owner, kind, today, flaw);
    match kind {
        DocumentType::Passport => passport(&papers),
        DocumentType::NationalId => national_id(&papers),
        DocumentType::DrivingLicence => driving_licence(&papers),
        DocumentType::ResidencePermit => residence_permit(&papers),
    }
}

fn passport(papers: &Papers) -> Canvas {
    let (paper, line, dark) = (Color::hex(0xF6E9E4), Color::hex(0xC9848C), Color::hex(0x6E1423));
    let mut card = blank(paper, Color::hex(0xEAD3DC), line, papers.holder.face);
    band(&mut card, Area(0.0, 0.0, WIDTH, 74.0), dark, Color::hex(0x8F2436));
    card.text(PX, (96.0, 14.0), 27.0, "REPUBLIC OF UTOPIA", Color::hex(0xF3D9A0), 1.0);
    card.text(PX, (98.0, 48.0), 17.0, "PASSPORT  PASSEPORT  PASAPORTE", Color::hex(0xF3D9A0), 0.9);
    emblem(&mut card, (48.0, 37.0), 28.0, Color::hex(0xF3D9A0));
    portrait(&mut card, papers, Area(34.0, 98.0, 254.0, 388.0), Color::hex(0xE6E9EC), 1.0);
    portrait(&mut card, papers, Area(700.0, 232.0, 814.0, 382.0), Color::hex(0xF3E4E2), 0.34);
    rosette(&mut card, (692.0, 160.0), 74.0, dark, 0.35);
    let mut form = Form { card: &mut card, label: dark, x: 284.0, y: 96.0, width: 530.0 };
    form.row(&[("Type", "P", 120.0), ("Code", STATE, 130.0), ("Passport No.", &papers.number, 240.0)]);
    form.field("Surname", &papers.holder.family);
    form.field("Given names", &papers.holder.given);
    form.row(&[("Nationality", "UTOPIAN", 200.0), ("Sex", papers.sex(), 200.0)]);
    form.birth_row(papers, "Date of birth", ("Personal No.", &papers.personal));
    form.row(&[("Date of issue", &long(papers.issued), 200.0), ("Date of expiry", &long(papers.expires), 200.0)]);
    machine_lines(&mut card, &papers.mrz().td3(), 408.0, 18.2);
    specimen(&mut card);
    card
}

fn national_id(papers: &Papers) -> Canvas {
    let (paper, line, dark) = (Color::hex(0xDDEBF4), Color::hex(0x6FA3C4), Color::hex(0x11466E));
    let mut card = blank(paper, Color::hex(0xE9F3E0), line, papers.holder.face);
    band(&mut card, Area(0.0, 0.0, WIDTH, 66.0), dark, Color::hex(0x2C7FB0));
    emblem(&mut card, (44.0, 33.0), 25.0, Color::WHITE);
    card.text(PX, (86.0, 10.0), 25.0, "REPUBLIC OF UTOPIA", Color::WHITE, 1.0);
    card.text(PX, (87.0, 41.0), 17.0, "IDENTITY CARD  CARTE D'IDENTITE", Color::hex(0xCFE6F5), 1.0);
    portrait(&mut card, papers, Area(598.0, 88.0, 820.0, 380.0), Color::hex(0xD7E2EA), 1.0);
    chip(&mut card, (34.0, 98.0));
    rosette(&mut card, (540.0, 320.0), 62.0, dark, 0.35);
    let mut form = Form { card: &mut card, label: dark, x: 168.0, y: 86.0, width: 410.0 };
    form.row(&[("Document No.", &papers.number, 250.0), ("Sex", papers.sex(), 80.0)]);
    form.field("Surname", &papers.holder.family);
    form.field("Given names", &papers.holder.given);
    form.birth_row(papers, "Date of birth", ("Nationality", STATE));
    form.row(&[("Expires", &long(papers.expires), 220.0), ("Personal No.", &papers.personal, 160.0)]);
    signature(&mut card, (52.0, 345.0), papers.holder.face, dark);
    machine_lines(&mut card, &papers.mrz().td2(), 404.0, 22.2);
    specimen(&mut card);
    card
}

fn driving_licence(papers: &Papers) -> Canvas {
    let (paper, line, dark) = (Color::hex(0xF7DCE6), Color::hex(0xD27A9E), Color::hex(0x8A1F52));
    let mut card = blank(paper, Color::hex(0xE3E6F6), line, papers.holder.face);
    card.rect(PX, Area(24.0, 22.0, 134.0, 104.0), 6.0, Color::hex(0x1B3F94), 1.0);
    emblem(&mut card, (79.0, 52.0), 24.0, Color::hex(0xFFD93B));
    card.text(PX, (54.0, 82.0), 17.0, STATE, Color::WHITE, 1.0);
    card.text(PX, (160.0, 26.0), 33.0, "DRIVING LICENCE", dark, 1.0);
    card.text(PX, (162.0, 70.0), 20.0, "REPUBLIC OF UTOPIA  PERMIS", dark, 0.9);
    portrait(&mut card, papers, Area(30.0, 124.0, 262.0, 420.0), Color::hex(0xE9E4E8), 1.0);
    rosette(&mut card, (728.0, 300.0), 84.0, dark, 0.30);
    let mut form = Form { card: &mut card, label: dark, x: 292.0, y: 122.0, width: 530.0 };
    form.numbered("1.", &papers.holder.family);
    form.numbered("2.", &papers.holder.given);
    let y = form.y;
    form.numbered("3.", &format!("{}  UTOPIA CITY", short(papers.birth)));
    form.numbered("4a.", &format!("{}  4c. ROADS", short(papers.issued)));
    form.numbered("4b.", &short(papers.expires));
    form.numbered("5.", &papers.number);
    form.numbered("9.", "AM/B/BE");
    if papers.altered {
        patch(&mut card, (348.0, y - 5.0), &short(papers.birth), 20.0);
    }
    signature(&mut card, (330.0, 398.0), papers.holder.face, INK);
    // Categories, then a bar code without meaning.
    card.rect(PX, Area(0.0, 444.0, WIDTH, HEIGHT), 0.0, dark, 0.12);
    for (column, category) in ["AM", "A1", "A", "B", "BE", "C"].into_iter().zip(0_u8..) {
        let x = 34.0 + 66.0 * f32::from(category);
        card.rect(PX, Area(x, 458.0, x + 58.0, 524.0), 4.0, Color::WHITE, 0.6);
        card.text(PX, (x + 12.0, 468.0), 17.0, column, dark, 1.0);
        let held = matches!(column, "AM" | "B" | "BE");
        card.text(PX, (x + 18.0, 496.0), 20.0, if held { "x" } else { "-" }, INK, 1.0);
    }
    let mut rng = StdRng::seed_from_u64(papers.holder.face);
    let mut x = 470.0;
    while x < 820.0 {
        let thick = rng.random_range(2.0..7.0_f32);
        card.rect(PX, Area(x, 460.0, x + thick, 522.0), 0.0, INK, 0.92);
        x += thick + rng.random_range(2.5..6.0_f32);
    }
    specimen(&mut card);
    card
}

fn residence_permit(papers: &Papers) -> Canvas {
    let (paper, line, dark) = (Color::hex(0xE3F1E4), Color::hex(0x79B08A), Color::hex(0x1E5B3C));
    let mut card = blank(paper, Color::hex(0xF5EDCF), line, papers.holder.face);
    card.rect(PX, Area(0.0, 0.0, 62.0, HEIGHT), 0.0, dark, 0.92);
    card.text(Frame::at(46.0, 372.0, 1.0, -90.0), (0.0, -30.0), 30.0, "UTOPIA", Color::hex(0xE9F3C8), 1.0);
    emblem(&mut card, (31.0, 60.0), 25.0, Color::hex(0xE9F3C8));
    card.text(PX, (88.0, 18.0), 27.0, "RESIDENCE PERMIT", dark, 1.0);
    card.text(PX, (560.0, 22.0), 20.0, &papers.number, INK, 1.0);
    card.text(PX, (89.0, 52.0), 15.0, "TITRE DE SEJOUR  AUFENTHALTSTITEL", dark, 0.85);
    portrait(&mut card, papers, Area(84.0, 84.0, 286.0, 348.0), Color::hex(0xE4E7DD), 1.0);
    portrait(&mut card, papers, Area(722.0, 210.0, 818.0, 336.0), Color::hex(0xE8EFDC), 0.34);
    rosette(&mut card, (760.0, 140.0), 56.0, dark, 0.35);
    let mut form = Form { card: &mut card, label: dark, x: 308.0, y: 82.0, width: 410.0 };
    form.field("Surname", &papers.holder.family);
    form.field("Given names", &papers.holder.given);
    form.birth_row(papers, "Date of birth", ("Sex", papers.sex()));
    form.row(&[("Type of permit", "WORK PERMITTED", 260.0)]);
    form.row(&[("Issued", &long(papers.issued), 200.0), ("Valid until", &long(papers.expires), 200.0)]);
    machine_lines(&mut card, &papers.mrz().td1(), 360.0, 24.6);
    specimen(&mut card);
    card
}

/// Printed fields, one under the other.
struct Form<'a> {
    card: &'a mut Canvas,
    label: Color,
    x: f32,
    y: f32,
    width: f32,
}

impl Form<'_> {
    fn value(&mut self, x: f32, text: &str, width: f32) {
        let text = printable(text);
        let letters = f32::from(u16::try_from(text.chars().count().max(1)).unwrap_or(u16::MAX));
        self.card.text(PX, (x, self.y + 15.0), (width / letters).min(21.0), &text, INK, 1.0);
    }
    fn row(&mut self, fields: &[(&str, &str, f32)]) {
        let mut x = self.x;
        for (label, value, width) in fields {
            self.card.text(PX, (x, self.y), 11.0, label, self.label, 0.95);
            self.value(x, value, width - 12.0);
            x += width;
        }
        self.y += 48.0;
    }
    fn field(&mut self, label: &str, value: &str) {
        self.row(&[(label, value, self.width)]);
    }
    fn birth_row(&mut self, papers: &Papers, label: &str, other: (&str, &str)) {
        let (x, y) = (self.x, self.y);
        self.row(&[(label, &long(papers.birth), 212.0), (other.0, other.1, 190.0)]);
        if papers.altered {
            patch(self.card, (x, y + 12.0), &long(papers.birth), 17.0);
        }
    }
    fn numbered(&mut self, label: &str, value: &str) {
        self.card.text(PX, (self.x, self.y + 3.0), 15.0, label, self.label, 1.0);
        self.y -= 15.0;
        self.value(self.x + 56.0, value, self.width - 60.0);
        self.y += 15.0 + 38.0;
    }
}

/// Draws a date pasted over another: a paler patch, not quite straight, in other letters.
fn patch(card: &mut Canvas, (x, y): (f32, f32), text: &str, size: f32) {
    let frame = Frame::at(x - 4.0, y, 1.0, -1.6);
    card.rect(frame, Area(0.0, -2.0, 202.0, 28.0), 0.0, Color::hex(0xFFFEFA), 0.97);
    card.text(frame, (6.0, 5.0), size, text, Color::BLACK, 1.0);
}

/// Returns the text in upper case, without accents, as the office's printer has it.
fn printable(text: &str) -> String {
    let mut plain = String::new();
    for c in text.chars() {
        if c.is_ascii() { plain.push(c) } else { plain.push_str(&ascii(c.encode_utf8(&mut [0; 4]), None)) }
    }
    plain.to_uppercase()
}

fn long(date: Date) -> String {
    let month: String = date.month().to_string().chars().take(3).collect();
    format!("{:02} {} {}", date.day(), month.to_uppercase(), date.year())
}

fn short(date: Date) -> String {
    format!("{:02}.{:02}.{}", date.day(), u8::from(date.month()), date.year())
}

/// Draws paper that shades from one colour to another, under waves of fine lines.
fn blank(from: Color, to: Color, line: Color, seed: u64) -> Canvas {
    let mut card = Canvas::new(850, 540, from);
    card.grade(|x, y, _, _| from.mix(to, 0.7 * x + 0.3 * y));
    let mut rng = StdRng::seed_from_u64(seed);
    let phase = rng.random_range(0.0..6.0_f32);
    for wave in 0_u8..26 {
        let base = f32::from(wave) * 24.0 - 30.0;
        let turn = f32::from(wave) * 0.5 + phase;
        let mut last = None;
        for step in 0_u8..=85 {
            let x = f32::from(step) * 10.0;
            let y = base + 16.0 * (x * 0.021 + turn).sin() + 9.0 * (x * 0.047 - turn * 1.7).sin();
            if let Some(from) = last {
                card.line(PX, from, (x, y), 1.4, line, 0.30);
            }
            last = Some((x, y));
        }
    }
    card
}

fn band(card: &mut Canvas, area: Area, left: Color, right: Color) {
    card.paint(PX, area, |u, _| (left.mix(right, u / WIDTH), 1.0));
}

/// Draws the state's arms: a sun over waves, in a ring.
fn emblem(card: &mut Canvas, (x, y): (f32, f32), size: f32, color: Color) {
    let frame = Frame::at(x, y, size, 0.0);
    card.blob(frame, (0.0, 0.0), (1.0, 1.0), |_| 1.0, |u, v| (color, if length_of(u, v) > 0.86 { 1.0 } else { 0.12 }));
    card.ellipse(frame, (0.0, -0.12), (0.30, 0.30), |_, _| color);
    for step in 0_u8..8 {
        let (sin, cos) = (f32::from(step) * 45.0).to_radians().sin_cos();
        card.line(frame, (0.38 * cos, 0.38 * sin - 0.12), (0.58 * cos, 0.58 * sin - 0.12), 0.09, color, 1.0);
    }
    card.curve(frame, &[(-0.6, 0.5), (-0.3, 0.4), (0.0, 0.5), (0.3, 0.4), (0.6, 0.5)], 0.1, color, 1.0);
}

/// Draws a rosette of overlapping petals, as holograms have.
fn rosette(card: &mut Canvas, (x, y): (f32, f32), size: f32, color: Color, opacity: f32) {
    let frame = Frame::at(x, y, size, 0.0);
    let tints = [color, Color::hex(0x2B8CBE), Color::hex(0xC9A227)];
    for (tint, ring) in tints.into_iter().zip(0_u8..) {
        let mut last = None;
        for step in 0_u8..=180 {
            let angle = (f32::from(step) * 2.0).to_radians();
            let radius = 0.62 + 0.36 * (angle * (7.0 + f32::from(ring) * 2.0) + f32::from(ring)).sin();
            let point = (radius * angle.cos(), radius * angle.sin());
            if let Some(from) = last {
                card.line(frame, from, point, 0.022, tint, opacity + 0.15);
            }
            last = Some(point);
        }
    }
}

fn chip(card: &mut Canvas, (x, y): (f32, f32)) {
    let (gold, dark) = (Color::hex(0xD9B45B), Color::hex(0x7E6220));
    card.rect(PX, Area(x, y, x + 108.0, y + 86.0), 14.0, gold, 1.0);
    for part in [0.33, 0.67] {
        card.line(PX, (x + 4.0, y + 86.0 * part), (x + 104.0, y + 86.0 * part), 2.5, dark, 0.8);
        card.line(PX, (x + 108.0 * part, y + 4.0), (x + 108.0 * part, y + 82.0), 2.5, dark, 0.8);
    }
    card.rect(PX, Area(x + 38.0, y + 26.0, x + 70.0, y + 60.0), 7.0, gold, 1.0);
}

/// Draws the holder as the office photographed them; `opacity` below 1 is the ghost image.
fn portrait(card: &mut Canvas, papers: &Papers, area: Area, wall: Color, opacity: f32) {
    let (width, height) = (area.2 - area.0, area.3 - area.1);
    let mut photo = Canvas::new(220, 290, wall);
    photo.grade(|x, _, _, color| color.times(1.04 - 0.1 * x));
    Face::of(&papers.holder).draw(&mut photo, Frame::at(110.0, 128.0, 84.0, 0.0), 0.0, 0);
    if opacity < 1.0 {
        photo.grade(|_, _, _, color| {
            let grey = (color.0 + color.1 + color.2) / 3.0;
            wall.mix(Color(grey, grey, grey), opacity)
        });
    }
    card.lay(Frame::at(area.0, area.1, (width / 220.0).min(height / 290.0), 0.0), &photo, 8.0);
}

fn signature(card: &mut Canvas, (x, y): (f32, f32), seed: u64, ink: Color) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut points = vec![(x, y)];
    for step in 1_u8..22 {
        let swing = if step % 2 == 0 { -1.0 } else { 1.0 };
        points.push((x + f32::from(step) * 6.5, y + swing * rng.random_range(2.0..19.0_f32)));
    }
    card.curve(PX, &points, 2.6, ink, 0.8);
}

/// Draws the machine-readable lines on their white band, letters `pitch` pixels apart.
fn machine_lines(card: &mut Canvas, lines: &[String], top: f32, pitch: f32) {
    card.rect(PX, Area(0.0, top, WIDTH, HEIGHT), 0.0, Color::WHITE, 0.88);
    let rows = f32::from(u8::try_from(lines.len()).unwrap_or(1));
    let step = (HEIGHT - top - 20.0) / rows;
    let mut y = top + 10.0 + (step - pitch) / 2.0;
    for line in lines {
        card.text(PX, (25.0, y), pitch, line, INK, 1.0);
        y += step;
    }
}

/// Marks the card as a specimen, so that nobody mistakes it for a real one.
fn specimen(card: &mut Canvas) {
    let frame = Frame::at(140.0, 420.0, 1.0, -24.0);
    card.text(frame, (0.0, -20.0), 78.0, "SPECIMEN", Color::hex(0xC4141E), 0.20);
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    const TODAY: Date = date!(2026 - 03 - 02);

    #[test]
    fn papers_say_what_their_flaw_is() {
        for index in 0..200 {
            let owner = person(8, index);
            let papers = |flaw| Papers::of(&owner, DocumentType::Passport, TODAY, flaw);
            let sound = papers(None);
            assert!(sound.issued < TODAY && sound.expires > TODAY && sound.birth == owner.birth);
            assert!(papers(Some(Flaw::Expired)).expires < TODAY);
            assert_ne!(papers(Some(Flaw::OtherPerson)).holder.face, owner.face);
            let minor = papers(Some(Flaw::Minor));
            assert!((TODAY - minor.birth).whole_days() < 18 * 365 && minor.expires > TODAY);
            let altered = papers(Some(Flaw::Altered));
            let line = altered.mrz().td3().pop().unwrap_or_default();
            assert!(!line.contains(&format!(
                "{:02}{:02}{:02}",
                altered.birth.year() % 100,
                u8::from(altered.birth.month()),
                altered.birth.day()
            )));
        }
    }

    #[test]
    fn the_printer_has_no_accents() {
        assert_eq!(printable("Ògúnbíyì-Øst 4"), "OGUNBIYI-OEST 4");
        assert_eq!((long(TODAY), short(TODAY)), ("02 MAR 2026".into(), "02.03.2026".into()));
    }
}
