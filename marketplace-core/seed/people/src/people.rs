//! Made-up people. User `i` of a seed is always the same person, whichever machine makes them and in whatever order.
//!
//! Nobody can be reached: addresses are under the example domains (RFC 2606), and numbers are in ranges that regulators
//! keep for fiction (Ofcom, ARCEP, Bundesnetzagentur, the 555-01xx of North America) or, where those run out, under the
//! unassigned country code 999.

use marketplace_core::accounts::model::fold;
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use time::{Date, Duration, macros::date};

use crate::names::{CULTURES, Culture};

/// The number of seeds whose people share no address and no phone number; larger seeds are taken modulo this.
pub const SEEDS: u64 = 1_000;
/// The last person of a seed: the index is nine digits of a phone number.
pub const MAX_INDEX: u64 = 999_999_999;

/// Prefixes reserved for fiction, and how many digits follow. Seed 0 uses them first.
const NUMBERS: &[(&str, u32)] = &[
    ("+447700900", 3),
    ("+3319900", 4),
    ("+493023125", 3),
    ("+121255501", 2),
    ("+442079460", 3),
    ("+3363998", 4),
    ("+496990009", 3),
    ("+131255501", 2),
    ("+441134960", 3),
    ("+3326191", 4),
    ("+498999998", 3),
    ("+141555501", 2),
    ("+441614960", 3),
    ("+3335301", 4),
    ("+4917139200", 2),
    ("+120655501", 2),
];

/// Domains of addresses.
const DOMAINS: &[&str] = &["example.com", "example.org", "example.net", "mail.example.com", "post.example.org"];

/// A fictitious person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The account's name, in their own script or in Latin letters.
    pub name: String,
    /// Given names in Latin letters, accents kept.
    pub given: String,
    /// Family names in Latin letters, accents kept.
    pub family: String,
    /// Unique by seed and index.
    pub email: String,
    /// E.164, unique by seed and index; three people in four have one.
    pub phone: Option<String>,
    /// Sex, for documents.
    pub female: bool,
    /// Date of birth, between 1951 and 2006.
    pub birth: Date,
    /// The seed of the face.
    pub face: u64,
    /// Tone of skin, 0 the lightest, 7 the darkest.
    pub skin: u8,
    /// Whether the hair has another colour than black or dark brown.
    pub light_hair: bool,
}

/// Returns person `index` of `seed`.
pub fn person(seed: u64, index: u64) -> Person {
    let mut rng = StdRng::seed_from_u64(mix(seed % SEEDS, index));
    let culture = CULTURES.choose(&mut rng).unwrap_or(&Culture::FALLBACK);
    let female = rng.random_bool(0.5);
    let given = pick(if female { culture.women } else { culture.men }, female, &mut rng);
    let mut family = pick(culture.families, female, &mut rng);
    if culture.two_families {
        let mother = pick(culture.families, female, &mut rng);
        family = Names {
            own: format!("{} {}", family.own, mother.own),
            latin: format!("{} {}", family.latin, mother.latin),
        };
    }
    // Most people whose script is not Latin still sign up in Latin letters.
    let own_script = rng.random_ratio(2, 5);
    let name = match (own_script, culture.family_first) {
        (true, true) => format!("{} {}", family.own, given.own),
        (true, false) => format!("{} {}", given.own, family.own),
        (false, true) => format!("{} {}", family.latin, given.latin),
        (false, false) => format!("{} {}", given.latin, family.latin),
    };
    let email = email(&given.latin, &family.latin, seed, index, &mut rng);
    let phone = rng.random_ratio(3, 4).then(|| phone(seed, index));
    Person {
        name,
        given: given.latin,
        family: family.latin,
        email,
        phone,
        female,
        birth: date!(1951 - 01 - 01).saturating_add(Duration::days(rng.random_range(0..20_400))),
        face: rng.random(),
        skin: rng.random_range(culture.skin.0..=culture.skin.1),
        light_hair: rng.random_range(0..100) < culture.light_hair,
    }
}

/// Combines two numbers, so that neighbours differ in every bit (the finaliser of `SplitMix64`).
pub fn mix(a: u64, b: u64) -> u64 {
    let mut z = a.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ b.wrapping_add(0xD1B5_4A32_D192_ED03);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A name in its own script and in Latin letters.
struct Names {
    own: String,
    latin: String,
}

fn pick(from: &[&str], female: bool, rng: &mut StdRng) -> Names {
    let entry = from.choose(rng).copied().unwrap_or("X");
    let form = match entry.split_once('~') {
        Some((_, feminine)) if female => feminine,
        Some((masculine, _)) => masculine,
        None => entry,
    };
    let (own, latin) = form.split_once('/').unwrap_or((form, form));
    Names { own: own.to_owned(), latin: latin.to_owned() }
}

/// Converts Latin letters with accents, and apostrophes and the like, to A–Z only; other characters become `other` or
/// are removed.
pub fn ascii(text: &str, other: Option<char>) -> String {
    let mut plain = String::with_capacity(text.len());
    // `fold` lowers the case; documents and addresses restore what they need.
    for c in fold(text).chars() {
        match c {
            'a'..='z' => plain.push(c),
            'ß' => plain.push_str("ss"),
            'æ' => plain.push_str("ae"),
            'œ' | 'ø' => plain.push_str("oe"),
            'þ' => plain.push_str("th"),
            'ð' | 'đ' => plain.push('d'),
            'ł' => plain.push('l'),
            'ı' => plain.push('i'),
            '\'' | '’' | '‘' => {}
            _ => plain.extend(other),
        }
    }
    plain
}

fn email(given: &str, family: &str, seed: u64, index: u64, rng: &mut StdRng) -> String {
    let given = ascii(given.split(' ').next().unwrap_or(given), None);
    let family = ascii(family, None);
    let domain = DOMAINS.choose(rng).copied().unwrap_or("example.com");
    let start = match rng.random_range(0..4) {
        0 => format!("{given}{family}"),
        1 => format!("{}.{family}", given.get(..1).unwrap_or("x")),
        2 => format!("{family}.{given}"),
        _ => format!("{given}.{family}"),
    };
    // The index makes it unique within the seed; seeds other than 0 are part of it.
    match seed % SEEDS {
        0 => format!("{start}.{index}@{domain}"),
        tag => format!("{start}.{index}.s{tag}@{domain}"),
    }
}

fn phone(seed: u64, index: u64) -> String {
    let tag = seed % SEEDS;
    let blocks = NUMBERS.len() as u64;
    let block = usize::try_from(index % blocks).ok().and_then(|block| NUMBERS.get(block));
    match block {
        Some((prefix, digits)) if tag == 0 && index / blocks < 10_u64.pow(*digits) => {
            format!("{prefix}{:0width$}", index / blocks, width = usize::try_from(*digits).unwrap_or(0))
        }
        _ => format!("+999{tag:03}{:09}", index % (MAX_INDEX + 1)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use marketplace_core::{
        accounts::model::{check_email, check_phone, normalise_email},
        base::text::check_name,
    };

    #[test]
    fn everybody_could_sign_up_and_nobody_twice() {
        let (mut emails, mut phones, mut names) = (HashSet::new(), HashSet::new(), HashSet::new());
        for seed in [0, 1, 7] {
            for index in 0..20_000 {
                let person = person(seed, index);
                assert_eq!(check_email(&person.email).as_deref(), Ok(&*person.email));
                assert_eq!(check_name(&person.name).as_deref(), Ok(&*person.name));
                assert!(emails.insert(normalise_email(&person.email)), "{}", person.email);
                if let Some(phone) = person.phone {
                    // The number is reserved for fiction, or has an unassigned country code, so it reaches nobody.
                    assert!(phone.starts_with("+999") || check_phone(&phone).as_ref() == Ok(&phone), "{phone}");
                    assert!(phones.insert(phone.clone()), "{phone}");
                }
                names.insert(person.name);
            }
        }
        assert!(names.len() > 2_000, "only {} names", names.len());
        assert!(names.iter().any(|name| name.chars().any(|c| ('一'..='龥').contains(&c))));
        assert!(names.iter().any(|name| name.chars().any(|c| ('ا'..='ي').contains(&c))));
    }

    #[test]
    fn the_same_index_is_the_same_person() {
        assert_eq!(person(3, 12_345), person(3, 12_345));
        assert_ne!(person(3, 12_345).email, person(4, 12_345).email);
        assert_ne!(person(3, 12_345).face, person(3, 12_346).face);
    }

    #[test]
    fn the_last_number_is_still_a_number() {
        assert_eq!(phone(999, MAX_INDEX), "+999999999999999");
        assert_eq!(phone(0, 0), "+447700900000");
        assert_eq!(phone(0, 17), "+33199000001");
        assert_eq!(phone(0, 16 * 100 + 3), "+999000000001603");
    }

    #[test]
    fn letters_without_a_decomposition() {
        assert_eq!(
            ascii("Łoś Groß Þórdís Ødegaard O’Shea Yıldız", Some('<')),
            "los<gross<thordis<oedegaard<oshea<yildiz"
        );
    }
}
