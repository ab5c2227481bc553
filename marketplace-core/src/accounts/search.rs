//! The terms by which staff search for users.
//!
//! Names match by prefixes of their words. Addresses and numbers match as a whole. They match by prefixes only for
//! staff who may see them in full: otherwise a masked address could be spelled out by repeated searches for prefixes.
//! Both kinds of search are on record.

use super::model::{check_phone, fold, normalise_email};

/// Maximum number of words of a search that are used.
const WORDS: usize = 3;

/// A range of texts, from one to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range {
    pub from: String,
    pub to: String,
}

impl Range {
    fn whole(text: String) -> Self {
        Self { to: text.clone(), from: text }
    }
    /// Returns the range of all texts with a prefix.
    fn beginning(text: String) -> Self {
        Self { to: format!("{text}\u{10FFFF}"), from: text }
    }
}

/// The terms that a user must have to be found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    /// The address, in the form in which addresses are compared.
    pub email: Option<Range>,
    /// Words of the name and the number, the most selective first.
    pub terms: Vec<Range>,
    /// Whether the search is for contact data.
    pub by_contact: bool,
}

impl Query {
    /// Parses the text that was typed. `beginnings` says whether contact data may be found by a prefix. Returns `None`
    /// when the text can match nobody.
    pub fn parse(typed: &str, beginnings: bool) -> Option<Self> {
        let mut query = Self::default();
        let contact = if beginnings { Range::beginning } else { Range::whole };
        // As people paste numbers, with blanks.
        if let Ok(number) = check_phone(typed) {
            query.terms.push(contact(number));
            query.by_contact = true;
            return Some(query);
        }
        let (mut numbers, mut names) = (Vec::new(), Vec::new());
        for part in typed.split_whitespace() {
            if part.contains('@') {
                if query.email.is_some() {
                    return None;
                }
                query.email = Some(contact(normalise_email(part)));
                query.by_contact = true;
            } else if let Some(digits) = part.strip_prefix('+') {
                let digits: String = digits.chars().filter(char::is_ascii_digit).collect();
                numbers.push(contact(format!("+{digits}")));
                query.by_contact = true;
            } else {
                let folded = fold(part);
                let words = folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
                names.extend(words.map(str::to_owned));
            }
        }
        names.sort_by_key(|word| std::cmp::Reverse(word.len()));
        query.terms.extend(numbers.into_iter().chain(names.into_iter().map(Range::beginning)).take(WORDS));
        (query.email.is_some() || !query.terms.is_empty()).then_some(query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contact_data_is_looked_for_whole_unless_one_may_see_it() {
        let whole = |text: &str| Range::whole(text.into());
        let beginning = |text: &str| Range::beginning(text.into());
        for (typed, email, terms) in [
            ("Ada@Exa", Some("ada@exa"), vec![]),
            ("jon@MÜNCHEN.example", Some("jon@xn--mnchen-3ya.example"), vec![]),
            ("@", Some("@"), vec![]),
            ("+44 20 7183 8750", None, vec!["+442071838750"]),
            ("+4420", None, vec!["+4420"]),
            ("+", None, vec!["+"]),
        ] {
            for (beginnings, range) in [(false, &whole as &dyn Fn(&str) -> Range), (true, &beginning)] {
                let query = Query::parse(typed, beginnings).unwrap();
                assert_eq!(query.email, email.map(range), "{typed}");
                assert_eq!(query.terms, terms.iter().map(|term| range(term)).collect::<Vec<_>>(), "{typed}");
                assert!(query.by_contact);
            }
        }
        let query = Query::parse("ada.obi O’Brien +4420 ada@x", false).unwrap();
        assert_eq!(query.email, Some(whole("ada@x")));
        assert_eq!(query.terms, [whole("+4420"), beginning("brien"), beginning("ada")]);
        assert!(!Query::parse("Núria", true).unwrap().by_contact, "a name is a name");
        for nobody in ["", " ", "%", "a@b c@d"] {
            assert_eq!(Query::parse(nobody, true), None, "{nobody}");
        }
    }
}
