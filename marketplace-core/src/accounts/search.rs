//! The terms by which staff search for users.
//!
//! Names match by prefixes of their words. Addresses and numbers match as a whole; numbers also as they are written in
//! their country, without its code. Parts of them (prefixes, the last digits of a number, the domain of an address) match
//! only for staff who may see them in full: otherwise a masked address could be spelled out by repeated searches for parts.
//! Both kinds of search are on record.

use super::model::{check_phone, fold, normalise_email};
use crate::base::error::{Error, Result};

/// Digits of the end of a number at least; the index is of so many.
pub(crate) const DIGITS: usize = 4;
/// Digits of a whole number without the code of its country at least.
const NATIONAL: usize = 6;
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

/// The last digits of a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PhoneEnd {
    pub digits: String,
    /// Whether nothing but the code of the country comes before them.
    pub is_whole: bool,
}

/// The terms that a user must have to be found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    /// The address, in the form in which addresses are compared.
    pub email: Option<Range>,
    /// The domain of the address.
    pub domain: Option<Range>,
    /// The end of the number.
    pub phone_end: Option<PhoneEnd>,
    /// Words of the name and the number, the most selective first.
    pub terms: Vec<Range>,
    /// Whether the search is for contact data.
    pub by_contact: bool,
}

impl Query {
    /// Checks that a text can be searched for, and returns it without the blanks around it.
    ///
    /// # Errors
    /// `invalid` with what is wrong.
    pub fn checked(typed: &str) -> Result<&str> {
        let q = typed.trim();
        if q.is_empty() {
            return Err(Error::invalid("/q", "must not be empty; without it, all are listed"));
        }
        if q.chars().count() > 254 || q.chars().any(char::is_control) {
            return Err(Error::invalid("/q", "must have at most 254 characters, and no control characters"));
        }
        Ok(q)
    }

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
        if let Some(digits) = written_number(typed) {
            query.by_contact = true;
            if let Ok(number) = check_phone(&format!("+{}", digits.trim_start_matches('0')))
                && digits.starts_with("00")
            {
                query.terms.push(contact(number));
                return Some(query);
            }
            let national = digits.strip_prefix('0').filter(|national| !national.starts_with('0'));
            query.phone_end = if beginnings {
                let digits = digits.trim_start_matches('0').to_owned();
                (digits.len() >= DIGITS).then_some(PhoneEnd { digits, is_whole: false })
            } else {
                // Without the zero that is dialled before it, it could be a part of a number.
                national
                    .filter(|national| national.len() >= NATIONAL)
                    .map(|national| PhoneEnd { digits: national.to_owned(), is_whole: true })
            };
            return query.phone_end.is_some().then_some(query);
        }
        // The beginning of a number, as people write it.
        if let Some(rest) = typed.trim().strip_prefix('+')
            && rest.chars().all(is_in_number)
        {
            let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
            query.terms.push(contact(format!("+{digits}")));
            query.by_contact = true;
            return (!digits.is_empty()).then_some(query);
        }
        let (mut numbers, mut names) = (Vec::new(), Vec::new());
        for part in typed.split_whitespace() {
            if let Some(domain) = part.strip_prefix('@').filter(|domain| beginnings && !domain.is_empty()) {
                if query.domain.is_some() || query.email.is_some() {
                    return None;
                }
                let whole = normalise_email(&format!("x@{domain}"));
                query.domain = Some(contact(whole.trim_start_matches("x@").to_owned()));
                query.by_contact = true;
            } else if part.contains('@') {
                if query.email.is_some() || query.domain.is_some() {
                    return None;
                }
                query.email = Some(contact(normalise_email(part)));
                query.by_contact = true;
            } else if let Some(digits) = part.strip_prefix('+') {
                let digits: String = digits.chars().filter(char::is_ascii_digit).collect();
                // A number of no digits is nobody's, whatever stands beside it.
                if digits.is_empty() {
                    return None;
                }
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
        (query.email.is_some() || query.domain.is_some() || !query.terms.is_empty()).then_some(query)
    }
}

/// Returns the digits of a number as people write it, without its international form.
fn written_number(typed: &str) -> Option<String> {
    let digits: String = typed.chars().filter(char::is_ascii_digit).collect();
    (typed.chars().all(is_in_number) && digits.len() >= DIGITS).then_some(digits)
}

/// Returns whether a character is one of a number as people write it.
fn is_in_number(c: char) -> bool {
    c.is_ascii_digit() || c.is_whitespace() || matches!(c, '(' | ')' | '-' | '.' | '/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_as_they_are_written() {
        let end = |digits: &str, is_whole| Some(PhoneEnd { digits: digits.into(), is_whole });
        for typed in ["020 7183 8750", "(020) 7183-8750"] {
            for (beginnings, is_whole) in [(false, true), (true, false)] {
                let query = Query::parse(typed, beginnings).unwrap();
                assert_eq!(query.phone_end, end("2071838750", is_whole), "{typed}");
                assert!(query.by_contact && query.terms.is_empty());
            }
        }
        assert_eq!(Query::parse("718.38750", true).unwrap().phone_end, end("71838750", false));
        for part in ["718.38750", "2071838750", "442071838750", "08750"] {
            assert_eq!(Query::parse(part, false), None, "{part}");
        }
        assert_eq!(Query::parse("8750", true).unwrap().phone_end, end("8750", false));
        assert_eq!(Query::parse("8750", false), None, "a part of a number");
        assert_eq!(Query::parse("0044 20 7183 8750", false).unwrap().terms, [Range::whole("+442071838750".into())]);
        assert_eq!(Query::parse("875", true).unwrap().phone_end, None, "too few to be a number");
        for (typed, number) in [("+44 2", "+442"), ("+44 20", "+4420"), ("+44 (0", "+440"), ("+44", "+44")] {
            let query = Query::parse(typed, true).unwrap();
            assert!(query.by_contact, "{typed}");
            assert_eq!(query.terms, [Range::beginning(number.into())], "{typed}");
        }
        for empty in ["+", "+ ", "+-", "+ +"] {
            assert_eq!(Query::parse(empty, true), None, "{empty}");
        }
        let domain = Query::parse("@Exam ada", true).unwrap();
        assert_eq!((domain.domain, domain.terms.len()), (Some(Range::beginning("exam".into())), 1));
        assert_eq!(Query::parse("@exam", false).unwrap().domain, None);
    }

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
