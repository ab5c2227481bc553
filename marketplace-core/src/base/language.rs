//! The languages that mails and notifications are written in.

use crate::base::text_enum::text_enum;

text_enum! {
    /// A language, by its ISO 639-1 code.
    #[derive(Default)]
    pub enum Language {
        /// English.
        #[default]
        En = "en",
        /// German.
        De = "de",
        /// French.
        Fr = "fr",
        /// Spanish.
        Es = "es",
    }
}

impl Language {
    /// Returns the language that the value of an `Accept-Language` field prefers (RFC 9110 §12.5.4) of those that there are: the
    /// one of the highest weight, and of several, the first. `None` when it names none of them.
    #[must_use]
    pub fn preferred(accepted: &str) -> Option<Self> {
        let mut best: Option<(Self, u16)> = None;
        for element in accepted.split(',').take(MOST_RANGES) {
            let mut parts = element.split(';');
            let range = parts.next().unwrap_or_default().trim();
            let primary = range.split('-').next().unwrap_or_default().to_ascii_lowercase();
            let Ok(language) = primary.parse::<Self>() else { continue };
            let Some(weight) = weight(parts) else { continue };
            if weight > best.map_or(0, |(_, weight)| weight) {
                best = Some((language, weight));
            }
        }
        best.map(|(language, _)| language)
    }
}

/// Ranges of a field that are looked at.
const MOST_RANGES: usize = 50;

/// Returns the weight of a range in thousandths; `None` when it is written wrong.
fn weight<'a>(mut parameters: impl Iterator<Item = &'a str>) -> Option<u16> {
    let Some(parameter) = parameters.next() else { return Some(1_000) };
    let (name, value) = parameter.split_once('=')?;
    let value = value.trim();
    if !name.trim().eq_ignore_ascii_case("q") || parameters.next().is_some() {
        return None;
    }
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Language::{self, De, En, Es, Fr};

    #[test]
    fn the_language_of_the_highest_weight_is_preferred() {
        for (accepted, expected) in [
            ("de", Some(De)),
            ("de-CH, en;q=0.8", Some(De)),
            ("en;q=0.8,FR-ca;q=0.9", Some(Fr)),
            ("fr;q=0.5, es;q=0.5", Some(Fr)),
            ("pt-BR, pt;q=0.9, es;q=0.4, *;q=0.1", Some(Es)),
            ("da, en-GB;q = 0.8", Some(En)),
            ("da, en-GB; q=0.8, de;q=0", Some(En)),
            ("de;q=0", None),
            ("de;q=0.000, es;q=0.001", Some(Es)),
            ("de;q=1.0, es;q=1.000", Some(De)),
            ("de;q=1.5, es;q=2, fr;q=.5, en;q=0.1234", None),
            ("de;q=0.5;x=1, de;level=1", None),
            ("*", None),
            ("", None),
            (",;=,,de-", Some(De)),
            ("deutsch, eng", None),
        ] {
            assert_eq!(Language::preferred(accepted), expected, "{accepted}");
        }
        let long = format!("{}de", "xx,".repeat(10_000));
        assert_eq!(Language::preferred(&long), None);
    }
}
