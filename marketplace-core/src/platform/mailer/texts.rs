//! The texts of mails by language: those that come with this program, and over them the operator's own.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::base::{
    error::{Error, Result},
    language::Language,
    text,
};

/// The text of a mail.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Text {
    /// The subject line, which is also the title of a notification.
    pub subject: String,
    /// The sentences; a template of what the mail has, such as `{{ count }}`.
    pub text: String,
    /// The label of the link; empty when there is none.
    pub link: String,
}

/// What is around the text.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Layout {
    /// Comes before the recipient's name.
    pub greeting: String,
    /// The label of the link that switches mails of this kind off.
    pub unsubscribe: String,
}

/// The texts in one language: a file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct File {
    layout: Layout,
    #[serde(flatten)]
    texts: BTreeMap<String, Text>,
}

/// The texts in every language.
#[derive(Clone, Debug)]
pub(crate) struct Texts(BTreeMap<Language, File>);

impl Texts {
    /// Reads the texts, with the operator's `<language>.toml` in `folder` over those that come with this program: a mail, or a part
    /// of it, that is not there stays as it is.
    ///
    /// # Errors
    /// `invalid` for a folder or file that cannot be used, with its name.
    pub fn load(folder: Option<&Path>) -> Result<Self> {
        let mut all = BTreeMap::new();
        for language in Language::ALL.iter().copied() {
            let own = match language {
                Language::En => include_str!("texts/en.toml"),
                Language::De => include_str!("texts/de.toml"),
                Language::Fr => include_str!("texts/fr.toml"),
                Language::Es => include_str!("texts/es.toml"),
            };
            all.insert(language, toml::from_str(own).map_err(Error::internal)?);
        }
        let mut texts = Self(all);
        if let Some(folder) = folder {
            let odd = |detail: String| Error::invalid("/mail_texts", detail);
            for entry in folder.read_dir().map_err(|error| odd(format!("{}: {error}", folder.display())))? {
                let path = entry.map_err(|error| odd(format!("{}: {error}", folder.display())))?.path();
                texts.put_over(&path).map_err(|detail| odd(format!("{}: {detail}", path.display())))?;
            }
        }
        Ok(texts)
    }

    fn put_over(&mut self, path: &PathBuf) -> Result<(), String> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let language = name.strip_suffix(".toml").and_then(|language| language.parse::<Language>().ok());
        let known = || format!("is no file of texts; they are named {}.toml", Language::NAMES.join(".toml, "));
        let file = language.and_then(|language| self.0.get_mut(&language)).ok_or_else(known)?;
        let given = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        let given: File = toml::from_str(&given).map_err(|error| error.to_string())?;
        let put = |from: String, to: &mut String| {
            if !from.is_empty() {
                *to = from;
            }
        };
        put(given.layout.greeting, &mut file.layout.greeting);
        put(given.layout.unsubscribe, &mut file.layout.unsubscribe);
        for (name, text) in given.texts {
            let to = file.texts.get_mut(&name).ok_or_else(|| format!("there is no mail `{name}`"))?;
            if text::check_line("/subject", &text.subject, 0, 150).is_err() {
                return Err(format!("the subject of `{name}` must be one line of at most 150 characters"));
            }
            if text.link.is_empty() != to.link.is_empty() && !text.link.is_empty() {
                return Err(format!("the mail `{name}` has no link"));
            }
            put(text.subject, &mut to.subject);
            put(text.text, &mut to.text);
            put(text.link, &mut to.link);
        }
        Ok(())
    }

    /// Returns the text of a mail, by its name.
    ///
    /// # Errors
    /// `internal` when there is none.
    pub fn get(&self, language: Language, name: &str) -> Result<&Text> {
        let text = self.0.get(&language).and_then(|file| file.texts.get(name));
        text.ok_or_else(|| Error::internal(format!("there is no text of {name} in {language}")))
    }

    /// Returns what is around the texts in a language.
    ///
    /// # Errors
    /// `internal` when there is nothing.
    #[cfg_attr(not(feature = "smtp"), expect(dead_code, reason = "for those who lay mails out"))]
    pub fn layout(&self, language: Language) -> Result<&Layout> {
        self.0
            .get(&language)
            .map(|file| &file.layout)
            .ok_or_else(|| Error::internal(format!("there are no texts in {language}")))
    }
}
