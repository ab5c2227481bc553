//! Macros: several acts on one key. Each act is done as if its key had been pressed, with its question filled in: what it
//! requires, asks and records is the same.

use std::collections::{BTreeMap, VecDeque};

use anyhow::{Context, Result, bail};

use super::{
    jump::Destination,
    keymap::{Action, Key, Keymap},
};
use crate::profile::MacroText;

/// One of its acts.
#[derive(Debug, Clone)]
pub struct Act {
    /// The screen of the same person where it is done; that of the row without one.
    pub screen: Option<Action>,
    /// What is done.
    pub action: Action,
    /// What is filled in.
    pub with: String,
}

impl Act {
    fn parse(text: &str, keymap: &Keymap) -> Result<Self> {
        let (name, with) = text.split_once(':').unwrap_or((text, ""));
        let (screen, name) = match name.split_once('.') {
            Some((screen, name)) => {
                let home = keymap.screens().map(|screen| screen.home).find(|home| home.name == screen);
                (Some(home.with_context(|| format!("`{screen}` is no screen"))?), name)
            }
            None => (None, name),
        };
        let Some(action) = keymap.named(name, screen) else { bail!("`{name}` is no action there") };
        Ok(Self { screen, action, with: with.trim().to_owned() })
    }
}

/// A macro.
#[derive(Debug, Clone)]
pub struct Macro {
    /// Its name.
    pub name: String,
    /// Its key, if it has one.
    pub key: Option<Key>,
    /// Its acts.
    pub acts: Vec<Act>,
    /// As it is written.
    pub text: String,
}

/// All macros.
#[derive(Debug, Clone, Default)]
pub struct Macros(Vec<Macro>);

impl Macros {
    /// Creates the macros of the settings.
    ///
    /// # Errors
    /// Returns the name of the first that is not valid, and what is wrong with it.
    pub fn new(set: &BTreeMap<String, MacroText>, keymap: &Keymap) -> std::result::Result<Self, (String, String)> {
        let mut macros = Self::default();
        for (name, text) in set {
            let parsed = macros.parse(name, text, keymap);
            macros.0.push(parsed.map_err(|error| (name.clone(), format!("macros.{name}: {error:#}")))?);
        }
        Ok(macros)
    }

    fn parse(&self, name: &str, text: &MacroText, keymap: &Keymap) -> Result<Macro> {
        let key = text.key.as_deref().map(str::parse::<Key>).transpose()?;
        if let Some(key) = key {
            if let Some(action) = keymap.screens().find_map(|screen| keymap.find(key, screen.home)) {
                bail!("`{key}` is already the key of `{}`", action.name);
            }
            if let Some(other) = self.0.iter().find(|other| other.key == Some(key)) {
                bail!("`{key}` is already the key of the macro `{}`", other.name);
            }
        }
        if text.acts.is_empty() {
            bail!("needs at least one act");
        }
        let acts = text.acts.iter().map(|act| Act::parse(act, keymap)).collect::<Result<_>>()?;
        Ok(Macro { name: name.to_owned(), key, acts, text: text.acts.join(", ") })
    }

    /// Returns the macro of a key.
    pub fn of_key(&self, key: Key) -> Option<&Macro> {
        self.0.iter().find(|known| known.key == Some(key))
    }
    /// Returns the macro of a name.
    pub fn named(&self, name: &str) -> Option<&Macro> {
        self.0.iter().find(|known| known.name == name)
    }
    /// Returns all of them.
    pub fn iter(&self) -> impl Iterator<Item = &Macro> {
        self.0.iter()
    }
}

/// An act that is still to be done.
#[derive(Debug)]
pub struct Pending {
    /// Where, if it is another screen than that of the row.
    pub to: Option<Destination>,
    /// What is done.
    pub action: Action,
    /// What is filled in.
    pub with: String,
}

/// A macro under way.
#[derive(Debug)]
pub struct Running {
    /// Its name.
    pub name: String,
    /// The screen where it was begun.
    pub home: Action,
    /// The row that it is about.
    pub row: Option<String>,
    /// Whether it is at another screen than where it was begun.
    pub is_away: bool,
    /// What is left to be done.
    pub left: VecDeque<Pending>,
}

#[cfg(test)]
mod tests {
    use super::{super::screens, *};

    #[test]
    fn acts_are_those_of_the_keymap() {
        let keymap = Keymap::new(screens::infos(), &BTreeMap::new()).unwrap();
        let read = |key: &str, acts: &[&str]| {
            let acts = acts.iter().map(|act| (*act).to_owned()).collect();
            Macros::new(&BTreeMap::from([("old".into(), MacroText { key: Some(key.into()), acts })]), &keymap)
        };
        let macros = read("f6", &["reject:document_expired", "users.note: asked: again"]).unwrap();
        let acts = &macros.named("old").unwrap().acts;
        assert_eq!((acts[0].action.name, acts[0].with.as_str()), ("reject", "document_expired"));
        assert_eq!((acts[1].screen.unwrap().name, acts[1].with.as_str()), ("users", "asked: again"));
        assert!(macros.of_key("f6".parse().unwrap()).is_some());
        for (key, acts, why) in [
            ("a", vec!["reject"], "key of `approve`"),
            ("f6", vec!["rejekt"], "no action"),
            ("f6", vec!["people.note"], "no screen"),
            ("f6", vec!["users.reject"], "no action"),
            ("f6", vec![], "at least one"),
        ] {
            assert!(read(key, &acts).unwrap_err().1.contains(why), "{acts:?}");
        }
    }
}
