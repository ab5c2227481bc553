//! The machine-readable lines of travel documents, ICAO Doc 9303 parts 3 to 6.

use time::Date;

use crate::people::ascii;

/// The fictional state's code, as ICAO's own specimens have it.
pub const STATE: &str = "UTO";

/// The data in the lines.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    /// Family names.
    pub family: &'a str,
    /// Given names.
    pub given: &'a str,
    /// Document number, at most nine letters and digits.
    pub number: &'a str,
    /// Date of birth.
    pub birth: Date,
    /// Sex.
    pub female: bool,
    /// Last day of validity.
    pub expires: Date,
    /// Personal number or other optional data.
    pub optional: &'a str,
}

/// Returns the check digit: weights 7, 3, 1; letters count from 10, the filler 0 (part 3, §4.9).
fn check(text: &str) -> char {
    let sum: u32 =
        text.chars().zip([7, 3, 1].into_iter().cycle()).map(|(c, weight)| c.to_digit(36).unwrap_or(0) * weight).sum();
    char::from_digit(sum % 10, 10).unwrap_or('0')
}

/// Cuts or pads to `width`.
fn pad(text: &str, width: usize) -> String {
    text.chars().chain(std::iter::repeat('<')).take(width).collect()
}

fn date(date: Date) -> String {
    format!("{:02}{:02}{:02}", date.year().rem_euclid(100), u8::from(date.month()), date.day())
}

fn with_check(text: String) -> String {
    let digit = check(&text);
    text + &String::from(digit)
}

impl Fields<'_> {
    fn name(&self) -> String {
        let part = |text: &str| ascii(text, Some('<')).to_uppercase();
        format!("{}<<{}", part(self.family), part(self.given))
    }
    fn number(&self) -> String {
        with_check(pad(self.number, 9))
    }
    fn birth(&self) -> String {
        with_check(date(self.birth))
    }
    fn sex(&self) -> char {
        if self.female { 'F' } else { 'M' }
    }
    fn expires(&self) -> String {
        with_check(date(self.expires))
    }

    /// Returns the lines of a passport booklet: two lines of 44 (part 4).
    pub fn td3(&self) -> Vec<String> {
        let optional = with_check(pad(self.optional, 14));
        let (number, birth, expires) = (self.number(), self.birth(), self.expires());
        let all = check(&format!("{number}{birth}{expires}{optional}"));
        vec![
            pad(&format!("P<{STATE}{}", self.name()), 44),
            format!("{number}{STATE}{birth}{}{expires}{optional}{all}", self.sex()),
        ]
    }

    /// Returns the lines of a large card: two lines of 36 (part 6).
    pub fn td2(&self) -> Vec<String> {
        let optional = pad(self.optional, 7);
        let (number, birth, expires) = (self.number(), self.birth(), self.expires());
        let all = check(&format!("{number}{birth}{expires}{optional}"));
        vec![
            pad(&format!("I<{STATE}{}", self.name()), 36),
            format!("{number}{STATE}{birth}{}{expires}{optional}{all}", self.sex()),
        ]
    }

    /// Returns the lines of a card of bank card size: three lines of 30 (part 5).
    pub fn td1(&self) -> Vec<String> {
        let optional = pad(self.optional, 15);
        let (number, birth, expires) = (self.number(), self.birth(), self.expires());
        let all = check(&format!("{number}{optional}{birth}{expires}{}", pad("", 11)));
        vec![
            format!("I<{STATE}{number}{optional}"),
            format!("{birth}{}{expires}{STATE}{}{all}", self.sex(), pad("", 11)),
            pad(&self.name(), 30),
        ]
    }
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    /// Checks the specimens that ICAO prints in the standard.
    #[test]
    fn icao_specimens() {
        let mut fields = Fields {
            family: "Eriksson",
            given: "Anna Maria",
            number: "L898902C3",
            birth: date!(1974 - 08 - 12),
            female: true,
            expires: date!(2012 - 04 - 15),
            optional: "ZE184226B",
        };
        assert_eq!(
            fields.td3(),
            ["P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"]
        );
        (fields.number, fields.optional) = ("D23145890", "");
        assert_eq!(fields.td2(), ["I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "D231458907UTO7408122F1204159<<<<<<<6"]);
        assert_eq!(
            fields.td1(),
            ["I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "ERIKSSON<<ANNA<MARIA<<<<<<<<<<"]
        );
    }

    #[test]
    fn long_and_accented_names_fit() {
        let fields = Fields {
            family: "Papadopoulou-Kamakawiwo‘ole Ó Briain",
            given: "Þórdís Światosława",
            number: "U12",
            birth: date!(2006 - 12 - 31),
            female: false,
            expires: date!(2030 - 01 - 02),
            optional: "",
        };
        for (lines, width) in [(fields.td3(), 44), (fields.td2(), 36), (fields.td1(), 30)] {
            for line in lines {
                assert_eq!(line.len(), width, "{line}");
                assert!(line.chars().all(|c| c == '<' || c.is_ascii_uppercase() || c.is_ascii_digit()), "{line}");
            }
        }
    }
}
