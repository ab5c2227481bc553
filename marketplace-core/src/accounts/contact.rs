//! Email addresses and phone numbers: which are valid, and in which form two of them are equal. No SQL, no I/O.

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use crate::base::{
    error::FieldError,
    text::{is_ignorable, is_unseen},
};

/// Maximum length of an address, and of the part before the `@`, in bytes (RFC 5321 §4.5.3.1).
const EMAIL: usize = 254;
const LOCAL: usize = 64;
/// Length in bytes, as people type them, beyond which texts are not examined because they cannot be addresses.
pub const EMAIL_LIMIT: usize = 1_000;

/// Returns the ASCII form of a domain (IDNA 2008 by UTS #46): no empty labels, none that begins or ends with `-`, at
/// most 63 bytes each.
fn ascii_domain(domain: &str) -> Option<String> {
    let ascii = Uts46::new()
        .to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify)
        .ok()?;
    let (_, last) = ascii.rsplit_once('.')?;
    // An IP address is not a domain.
    (!last.bytes().all(|byte| byte.is_ascii_digit())).then(|| ascii.into_owned())
}

/// Returns whether a text is `atext` (RFC 5321 §4.1.2), which includes letters beyond ASCII (RFC 6531 §3.3).
fn is_atom(text: &str) -> bool {
    let fine = |c: char| {
        c.is_ascii_alphanumeric()
            || "!#$%&'*+-/=?^_`{|}~".contains(c)
            || (!c.is_ascii() && (c.is_alphanumeric() || is_combining_mark(c)) && !is_ignorable(c))
    };
    // A combining mark at the beginning has no base character, and mail servers reject it there.
    !text.is_empty() && text.chars().all(fine) && !text.starts_with(is_combining_mark)
}

/// Returns the form in which mail is sent to an address: its domain in ASCII, which every server understands. Text
/// that is not an address is returned unchanged.
pub fn deliverable_email(email: &str) -> String {
    let email: String = email.trim().nfc().collect();
    let ascii = || {
        let (local, domain) = email.rsplit_once('@').filter(|_| email.len() <= EMAIL_LIMIT)?;
        Some(format!("{local}@{}", ascii_domain(domain)?))
    };
    ascii().unwrap_or(email)
}

/// Returns the form in which addresses are compared: trimmed, in NFC, lower case, the domain in ASCII. So
/// `Jon@MÜNCHEN.example` and `jon@xn--mnchen-3ya.example` are equal.
pub fn normalise_email(email: &str) -> String {
    deliverable_email(email).to_lowercase().nfc().collect()
}

/// Checks an address: atoms with dots between them, `@`, and a dotted domain (RFC 5321 §4.1.2, without quoting), at
/// most 254 bytes with the domain in ASCII. Returns it as it was typed. Only a mail can show whether the address
/// exists.
///
/// The crate `email_address` (0.2.9) is not used: of the invalid addresses in the tests below it accepts
/// `a@127.0.0.1`, `a@b_c.de`, `a@xn--a.example`, a quoted part and a domain that is too long, and it rejects
/// `jon@münchen。example`. It does not implement IDNA, by which two spellings are one account.
///
/// # Errors
/// The error of the field `/email` when the address is not valid.
pub fn check_email(email: &str) -> Result<String, FieldError> {
    let email: String = email.trim().nfc().collect();
    let fine = || {
        let (local, domain) = email.rsplit_once('@').filter(|_| email.len() <= EMAIL_LIMIT)?;
        // Invisible characters are ignored in comparisons, and would make two different spellings equal.
        let length = local.len() + 1 + ascii_domain(domain).filter(|_| !domain.contains(is_ignorable))?.len();
        (length <= EMAIL && local.len() <= LOCAL && local.split('.').all(is_atom)).then_some(())
    };
    match fine() {
        Some(()) => Ok(email),
        None => Err(FieldError::new("/email", "must be an email address, such as ada@example.org")),
    }
}

/// Country codes (ITU-T E.164, list of assigned codes), each with the number of digits that follow it in personal
/// numbers: landlines, mobiles, and numbers that move with a person. `0,` before the lengths means that the digits may
/// begin with 0.
///
/// The table has lengths, not patterns: new ranges are assigned every month, and a wrong number shows when it is
/// dialled. The crate `phonenumber`, which has the patterns, was considered: it takes 17 MB and 0.2 s on first use,
/// and rejects numbers that were assigned after its release and those that are reserved for films and made-up data.
const PLANS: &str = "\
1:10 7:10 20:8-10 27:5-9 30:10 31:9-11 32:8-9 33:9 34:9 36:8-9 39:0,6-12 40:6-9 41:9 43:4-13 44:9-10 45:8 46:7-9 47:8 48:7-9 \
49:5-13 51:8-9 52:10 53:6-10 54:10-11 55:10-11 56:9 57:8-10 58:10 60:8-10 61:9 62:7-12 63:6-10 64:8-10 65:8 66:8-9 81:9-10 \
82:5-11 84:9-10 86:7-11 90:10 91:10 92:9-10 93:9 94:9 95:6-10 98:6-10 211:9 212:9 213:8-9 216:8 218:9 220:7 221:9 222:8 223:8 \
224:8-9 225:0,10 226:0,8 227:8 228:8 229:0,8-10 230:7-8 231:7-9 232:8 233:9 234:10 235:8 236:8 237:9 238:7 239:7 240:9 \
241:0,7-8 242:0,9 243:7-10 244:9 245:7-9 246:7 247:5 248:7 249:9 250:0,8-9 251:9 252:6-9 253:8 254:7-9 255:9 256:9 257:8 \
258:8-9 260:9 261:9 262:9 263:5-10 264:8-9 265:7-9 266:8 267:7-8 268:8 269:7 290:4-5 291:7 297:7 298:6 299:6 350:8 351:9 \
352:4-11 353:7-10 354:7-9 355:8-9 356:8 357:8 358:5-10 359:6-9 370:8 371:8 372:7-8 373:8 374:8 375:9 376:6-9 377:8-9 378:0,8-10 \
380:9 381:7-12 382:8 383:8-12 385:8-9 386:8 387:8-9 389:8 420:9 421:6-9 423:7-9 500:5 501:7 502:8 503:8 504:8 505:8 506:8 \
507:7-8 508:6-9 509:8 590:9 591:8 592:7 593:8-9 594:9 595:7-9 596:9 597:6-7 598:8 599:7-8 670:7-8 672:6 673:7 674:7 675:7-8 \
676:5-7 677:5-7 678:5-7 679:7 680:7 681:6 682:5 683:4-7 685:5-10 686:5-8 687:6 688:5-7 689:8 690:4-7 691:7 692:7 850:8-10 852:8 \
853:8 855:8-9 856:8-10 870:9-12 878:12 880:6-10 881:0,9-10 882:7-12 883:8-12 886:8-11 960:7 961:7-8 962:8-9 963:8-9 964:8-10 \
965:8 966:9 967:7-9 968:8 970:8-9 971:8-9 972:8-12 973:8 974:8 975:7-8 976:8-10 977:8-10 992:0,9 993:8 994:9 995:9 996:9 998:0,9";

/// Returns whether digits begin with a country's code, and continue as numbers of that country do.
fn is_of_a_country(digits: &str) -> bool {
    PLANS.split(' ').any(|plan| {
        let Some((code, rule)) = plan.split_once(':') else { return false };
        let Some(national) = digits.strip_prefix(code) else { return false };
        let (zero, lengths) = rule.strip_prefix("0,").map_or((false, rule), |lengths| (true, lengths));
        let (shortest, longest) = lengths.split_once('-').unwrap_or((lengths, lengths));
        let bound = |text: &str| text.parse::<usize>().unwrap_or(0);
        (bound(shortest)..=bound(longest)).contains(&national.len())
            && (zero || !national.starts_with('0'))
            // North American area codes begin with 2 to 9.
            && !(code == "1" && national.starts_with('1'))
    })
}

/// Returns whether a character is one that people paste between digits: blanks, dashes, dots, slashes, brackets, and
/// invisible marks.
fn is_filler(c: char) -> bool {
    c.is_whitespace()
        || is_unseen(c)
        || matches!(
            c,
            '-' | '.' | '/' | '(' | ')' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{FE58}' | '\u{FE63}' | '\u{FF0D}'
        )
}

/// Checks a phone number and returns it in the form of E.164 (ITU-T): `+`, a country code, and as many digits as
/// numbers of that country have. Blanks, dashes, invisible marks and a bracketed trunk zero (`+44 (0)20 …`) are
/// dropped; full-width digits count as digits.
///
/// # Errors
/// The error of the field `/phone` when the number is not valid.
pub fn check_phone(phone: &str) -> Result<String, FieldError> {
    // The limit is longer than any number with everything that people put between the digits.
    let visible: String = phone.nfkc().filter(|c| !is_filler(*c) || matches!(c, '(' | ')')).take(100).collect();
    let plain: String = visible.replacen("(0)", "", 1).chars().filter(|c| !is_filler(*c)).collect();
    let digits = plain.strip_prefix('+').unwrap_or("");
    if digits.len() <= 15 && digits.bytes().all(|byte| byte.is_ascii_digit()) && is_of_a_country(digits) {
        Ok(plain)
    } else {
        Err(FieldError::new(
            "/phone",
            "must be a number in international form, such as +442071838750, as long as numbers are in its country",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in [
            "a@b.co",
            " Ada.Obi+x@Example.org ",
            "o'brien_{x}@sub.example.co.uk",
            "ü@münchen.de",
            "jon@xn--mnchen-3ya.example",
            "jon@例え.テスト",
            "a@1.example",
        ] {
            assert_eq!(check_email(good).as_deref(), Ok(good.trim()));
        }
        let long = format!("{}@{}.org", "x".repeat(64), "y".repeat(63));
        assert!(check_email(&long).is_ok());
        for bad in [
            "",
            "a",
            "@b.co",
            "a@",
            "a@b",
            "a@@b.co",
            "a@b@c.de",
            "a b@c.de",
            "a..b@c.de",
            ".a@b.co",
            "a.@b.co",
            "a@b..co",
            "a@.b.co",
            "a@b.co.",
            "a@-b.co",
            "a@b-.co",
            "a@b.-co",
            "a@b.co-",
            "a@b_c.de",
            "a@xn--a.example",
            "a@xn--.example",
            "a@127.0.0.1",
            "a@[127.0.0.1]",
            "\"a b\"@c.de",
            "a(x)@b.co",
            "a\u{200B}@b.co",
            "a\u{202E}@b.co",
            "a\u{3164}@b.co",
            "a\u{FE0F}@b.co",
            "a\u{34F}@b.co",
            "\u{301}@b.co",
            "a.\u{301}b@b.co",
            "a@b\u{200B}.co",
            "a\0@b.co",
            "a@b.co\r\nBcc: x@y.z",
            &format!("{}@b.co", "x".repeat(65)),
            &format!("a@{}.co", "x".repeat(64)),
            &format!("a@{}co", "x.".repeat(126)),
            &format!("a@{}.co", "ü".repeat(60)),
            &format!("a@{}", "x".repeat(1_000_000)),
        ] {
            assert!(check_email(bad).is_err(), "{}", bad.chars().take(80).collect::<String>());
        }
    }

    #[test]
    fn one_address_in_all_its_spellings() {
        for (spelling, one) in [
            (" Ada@EXAMPLE.org", "ada@example.org"),
            ("Jon@MÜNCHEN.example", "jon@xn--mnchen-3ya.example"),
            ("jon@mu\u{308}nchen.example", "jon@xn--mnchen-3ya.example"),
            ("jon@XN--MNCHEN-3YA.example", "jon@xn--mnchen-3ya.example"),
            ("jon@münchen。example", "jon@xn--mnchen-3ya.example"),
            ("jon@ＭÜＮＣＨＥＮ.example", "jon@xn--mnchen-3ya.example"),
            ("U\u{308}@example.org", "ü@example.org"),
            // By IDNA 2008 these are two different domains.
            ("a@straße.example", "a@xn--strae-oqa.example"),
            ("a@strasse.example", "a@strasse.example"),
            // A text that is not an address is compared as it is.
            (" No address ", "no address"),
            ("a@-b.co", "a@-b.co"),
        ] {
            assert_eq!(normalise_email(spelling), one, "{spelling}");
            assert_eq!(normalise_email(one), one, "{one}");
        }
        assert_eq!(deliverable_email("Jon@münchen.example"), "Jon@xn--mnchen-3ya.example");
    }

    #[test]
    fn numbers() {
        for (typed, one) in [
            ("+44 20 7183-8750", "+442071838750"),
            ("+44 (0)20 7183 8750", "+442071838750"),
            ("+44 (0) 20 7183 8750", "+442071838750"),
            ("\u{202A}+44\u{A0}20\u{2011}7183\u{202F}8750\u{202C}", "+442071838750"),
            ("\u{200B}+44 20 7183 8750\u{FEFF}", "+442071838750"),
            ("＋４４２０７１８３８７５０", "+442071838750"),
            ("+1 (202) 555-0123", "+12025550123"),
            ("+1.202.555.0123", "+12025550123"),
            ("+33 (0)1 42 68 53 00", "+33142685300"),
            ("+39 06 698 12345", "+390669812345"),
            ("+49 (0)30/12345678", "+493012345678"),
            ("+447700900123", "+447700900123"),
        ] {
            assert_eq!(check_phone(typed).as_deref(), Ok(one), "{typed}");
        }
        for bad in [
            "",
            "+",
            "442071838750",
            "00442071838750",
            "+0123456789",
            "+123",
            "+1234567890123456",
            "+12345abc",
            // No such country, too short, too long, and a trunk zero or an area code that cannot exist.
            "+999123456789",
            "+2101234567",
            "+44207183875000",
            "+3314268530",
            "+331426853000",
            "+1202555012",
            "+120255501234",
            "+10255501234",
            "+11255550123",
            "+440207183875",
            "+49030123456",
            "+44 (0)(0)20 7183 8750x",
            "++442071838750",
            "+44 20 7183 8750 ext 5",
            &"+".repeat(1_000_000),
        ] {
            assert!(check_phone(bad).is_err(), "{}", bad.chars().take(80).collect::<String>());
        }
        let codes: Vec<&str> = PLANS.split(' ').filter_map(|plan| plan.split(':').next()).collect();
        assert_eq!(codes.len(), 211);
        // No code is a prefix of another, so a number belongs to one country.
        for (at, code) in codes.iter().enumerate() {
            assert!(codes.iter().enumerate().all(|(other, begun)| other == at || !begun.starts_with(code)), "{code}");
        }
    }
}
