//! The most common passwords: what password sprays try first (NIST SP 800-63B §3.1.1.2 asks for such a list, OWASP ASVS 5
//! §6.2.4 for 3,000).

const COMMON: &str = include_str!("common.txt");

fn words() -> impl Iterator<Item = &'static str> {
    COMMON.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_ascii_whitespace)
}

/// Whether a lower-case text is on the list. Looked at one by one: what follows, the hash, takes a thousand times as long.
pub(super) fn is_common(lower: &str) -> bool {
    words().any(|word| word == lower)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

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
}
