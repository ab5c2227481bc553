//! Own texts under names, which can be inserted wherever something is written.

use crate::profile::ReplyText;

/// A text under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its name, with its language if it has one.
    pub name: String,
    /// The text; `{document}` and the like stand for what they name.
    pub text: String,
}

impl Reply {
    /// Returns the texts that the settings have under a name.
    pub fn named(name: &str, text: ReplyText) -> Vec<Self> {
        match text {
            ReplyText::One(text) => vec![Self { name: name.to_owned(), text }],
            ReplyText::Each(texts) => {
                texts.into_iter().map(|(language, text)| Self { name: format!("{name} · {language}"), text }).collect()
            }
        }
    }
}

/// Returns a text with what its placeholders stand for; those that nothing is known of stay.
pub fn fill(text: &str, facts: &[(&str, String)]) -> String {
    facts.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

/// Returns the first placeholder that was not filled in.
pub fn unfilled(text: &str) -> Option<&str> {
    text.match_indices('{').find_map(|(at, _)| {
        let rest = text.get(at..)?;
        let end = rest.find('}')?;
        let name = rest.get(1..end)?;
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        is_name.then(|| rest.get(..=end)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_in_or_found() {
        let facts = [("document", "passport".to_owned())];
        assert_eq!(fill("Your {document}, {name}.", &facts), "Your passport, {name}.");
        assert_eq!(unfilled("Your passport, {name}."), Some("{name}"));
        for text in ["", "{", "{} {A} { b }", "a } b {c"] {
            assert_eq!(unfilled(text), None, "{text}");
        }
    }
}
