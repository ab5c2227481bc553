//! The most common passwords, which password-spraying attacks try first (NIST SP 800-63B §3.1.1.2 asks for such a
//! list, OWASP ASVS 5 §6.2.4 for 3,000).

use std::collections::HashSet;

const COMMON: &str = include_str!("common.txt");

fn words() -> impl Iterator<Item = &'static str> {
    COMMON.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_ascii_whitespace)
}

/// Words related to this site (OWASP ASVS 5 §6.1.2): its name, who uses it, and what they do. Together with the names
/// in the site's own address and in the account's, an attacker who knows the site tries them.
const PLACE: &[&str] = &[
    "marketplace",
    "market",
    "place",
    "client",
    "clients",
    "worker",
    "workers",
    "staff",
    "support",
    "admin",
    "admins",
    "administrator",
    "auditor",
    "moderator",
    "operator",
    "service",
    "services",
    "job",
    "jobs",
    "review",
    "reviews",
    "kyc",
    "identity",
    "account",
    "login",
    "welcome",
];

/// Returns whether a lower-case text consists only of words related to this site, its address and the account's
/// address, with any separators between and after them.
pub(super) fn is_of_this_place(lower: &str, email: &str, site: &str) -> bool {
    let local = email.rsplit_once('@').map_or(email, |(local, _)| local).to_lowercase();
    let site = site.to_lowercase();
    let parts = local.split(|c: char| !c.is_alphabetic()).chain(site.split(|c: char| !c.is_alphabetic()));
    let words: Vec<&str> = parts.filter(|part| part.chars().count() >= 3).chain(PLACE.iter().copied()).collect();
    let letters: String = lower.chars().filter(|c| c.is_alphabetic()).collect();
    let (mut open, mut seen) = (vec![letters.as_str()], HashSet::new());
    while let Some(rest) = open.pop() {
        for word in &words {
            match rest.strip_prefix(word) {
                Some("") => return true,
                Some(rest) if seen.insert(rest.len()) => open.push(rest),
                _ => {}
            }
        }
    }
    false
}

/// Returns whether a lower-case text is on the list. A linear search is enough: the hash that follows takes a thousand
/// times as long.
pub(super) fn is_common(lower: &str) -> bool {
    words().any(|word| word == lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_three_thousand_that_length_alone_would_let_through() {
        let all: HashSet<&str> = words().collect();
        assert!(all.len() > 3_000, "{}", all.len());
        for word in &all {
            assert!(word.chars().count() >= 8 && word.to_lowercase() == **word, "{word}");
        }
        for first_tried in ["password", "1234567890", "qwertyuiop", "trustno1", "summer2026", "marketplace1"] {
            assert!(is_common(first_tried), "{first_tried}");
        }
        assert!(!is_common("# passwords") && !is_common("a whale sings at noon"));
    }

    #[test]
    fn words_of_this_place_are_known_however_they_are_put_together() {
        let known = |text: &str| is_of_this_place(text, "ada.obi-lee@example.org", "shop.basel.example");
        for guess in [
            "marketplace",
            "marketplace2026!",
            "2026-market-place",
            "admin.admin.1",
            "supportworkerclient",
            "basel1234567",
            "baselshop",
            "obi.ada.1985",
            "adaobi!marketplace",
            "welcome to1".replace(" to", "").as_str(),
        ] {
            assert!(known(guess), "{guess}");
        }
        for own in
            ["", "1234567890", "a whale sings at noon", "market of whales", "marketplac", "supportive", "obituary"]
        {
            assert!(!known(own), "{own}");
        }
        // Even a very long text is checked quickly.
        assert!(!known(&format!("{}x", "job".repeat(100_000))));
    }
}
