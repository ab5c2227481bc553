//! The user's own file, `~/.config/marketplace/config.toml`: profiles (named systems and how to reach them), keys and
//! appearance of the console. Edited in place, so comments are preserved; credentials are stored in separate files.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use marketplace_core::platform::input_file;
use serde::{Deserialize, Serialize};
use toml_edit::{DocumentMut, Item, Table, value};

use crate::{
    failure::{Failure, Outcome},
    files::write_private,
};

/// One system, reached either through a server or at its database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Profile {
    /// The server's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_url: Option<String>,
    /// The database. It may contain a password, so only the owner may read the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_url: Option<String>,
    /// The system's own configuration, for the folders of a database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<PathBuf>,
    /// Whether this is a production system: the console then looks different.
    pub production: bool,
}

/// The zone of exact times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Zone {
    /// UTC, as records have it.
    Utc,
    /// That of this machine.
    Local,
}

/// How the console looks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Console {
    /// How pictures are drawn: `auto`, `kitty`, `iterm2`, `sixel`, `octants`, `sextants`, `halfblocks`.
    pub images: Option<String>,
    /// The theme: `dark`, `light`, `contrast` or `16`.
    pub theme: Option<String>,
    /// Frames and signs in ASCII.
    pub ascii: bool,
    /// The zone of exact times: `utc` or `local`.
    pub time: Option<Zone>,
    /// Whether the console begins where it was left; it does unless this is `false`.
    pub resume: Option<bool>,
    /// How somebody who does not look is told that something is urgent: `bell`, `osc9`, `osc777` or `off`.
    pub notify: Option<String>,
    /// Whether the title of the terminal says how much waits; it does unless this is `false`.
    pub title: Option<bool>,
}

/// A macro of the console.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MacroText {
    /// Its key; without one it is run by name.
    pub key: Option<String>,
    /// Its acts: `reject:document_expired`, `users.note:asked again`.
    pub acts: Vec<String>,
}

/// A text of one's own: one, or one for each language.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum ReplyText {
    /// In one language.
    One(String),
    /// By language.
    Each(BTreeMap<String, String>),
}

/// The contents of the user's settings file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The profile that is used when none is named.
    pub current: Option<String>,
    /// By name.
    pub profiles: BTreeMap<String, Profile>,
    /// Keys of the console's actions.
    pub keys: BTreeMap<String, String>,
    /// Looks of the console.
    pub tui: Console,
    /// Own texts of the console, by name.
    pub replies: BTreeMap<String, ReplyText>,
    /// Several acts of the console on one key, by name.
    pub macros: BTreeMap<String, MacroText>,
    /// How old what waits may become, for the console's first screen: `kyc = "4h"`.
    pub targets: BTreeMap<String, String>,
}

/// The user's settings file, parsed and checked.
#[derive(Debug)]
pub struct SettingsFile {
    path: PathBuf,
    document: DocumentMut,
    /// Its contents.
    pub settings: Settings,
}

/// Returns `$XDG_CONFIG_HOME/marketplace`, otherwise `~/.config/marketplace`.
pub fn folder() -> Outcome<PathBuf> {
    let xdg = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = match xdg {
        Some(base) => base,
        None => std::env::home_dir().filter(|home| home.is_absolute()).map(|home| home.join(".config")).ok_or_else(
            || {
                Failure::usage(
                    "your home folder is unknown, so there is no place for profiles",
                    "set HOME or XDG_CONFIG_HOME",
                )
            },
        )?,
    };
    Ok(base.join("marketplace"))
}

/// Returns the path of the tokens for a profile, or for a server without one.
pub fn token_file(folder: &Path, profile: Option<&str>, api_url: &str) -> PathBuf {
    let key = match profile {
        Some(name) => format!("profile-{name}"),
        None => format!("server-{}", api_url.trim_end_matches('/')),
    };
    let safe: String = key
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' => char::from(byte).to_string(),
            other => format!("_{other:02x}"),
        })
        .collect();
    folder.join("credentials").join(format!("{safe}.json"))
}

impl SettingsFile {
    /// Opens the user's own file.
    pub fn open() -> Outcome<Self> {
        Self::at(&folder()?.join("config.toml"))
    }

    /// Opens the file at a path; a missing file counts as empty.
    pub fn at(path: &Path) -> Outcome<Self> {
        let text = match input_file::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(Failure::usage(
                    format!("{} cannot be read: {error}", path.display()),
                    "check its permissions",
                ));
            }
        };
        let wrong = |error: &dyn std::fmt::Display| {
            let error = error.to_string();
            Failure::usage(format!("{}: {}", path.display(), error.trim()), "correct the file with an editor")
        };
        let settings = toml_edit::de::from_str(&text).map_err(|error| wrong(&error))?;
        let document = text.parse::<DocumentMut>().map_err(|error| wrong(&error))?;
        Ok(Self { path: path.to_owned(), document, settings })
    }

    /// Returns where a key of a table is: the file and the line.
    pub fn place_of(&self, table: &str, key: &str) -> String {
        let text = self.document.to_string();
        let document = toml_edit::Document::parse(text.as_str()).ok();
        let entry = document.as_ref().and_then(|document| document.get(table)?.as_table_like()?.get_key_value(key));
        let start = entry.and_then(|(key, item)| key.span().or_else(|| item.span())).map(|span| span.start);
        match start.and_then(|start| text.get(..start)) {
            Some(before) => format!("{}, line {}", self.path.display(), before.matches('\n').count() + 1),
            None => self.path.display().to_string(),
        }
    }

    /// Returns a profile by name.
    pub fn profile(&self, name: &str) -> Outcome<&Profile> {
        self.settings.profiles.get(name).ok_or_else(|| {
            let names = self.settings.profiles.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            let hint = if names.is_empty() {
                "there are none yet; make one with: marketplace profile add NAME --api URL".to_owned()
            } else {
                format!("the profiles are: {names}")
            };
            Failure::usage(format!("there is no profile `{name}`"), hint)
        })
    }

    /// Adds or replaces a profile; the first one becomes the current one.
    pub fn add(&mut self, name: &str, profile: &Profile) -> Outcome {
        check_name(name)?;
        let mut table = Table::new();
        let mut set = |key: &str, text: Option<&str>| {
            if let Some(text) = text {
                table.insert(key, value(text));
            }
        };
        set("api_url", profile.api_url.as_deref());
        set("database_url", profile.database_url.as_deref());
        set("config", profile.config.as_deref().and_then(Path::to_str));
        if profile.production {
            table.insert("production", value(true));
        }
        let profiles = self.document.entry("profiles").or_insert_with(|| {
            let mut table = Table::new();
            table.set_implicit(true);
            Item::Table(table)
        });
        if let Some(profiles) = profiles.as_table_like_mut() {
            profiles.insert(name, Item::Table(table));
        }
        if self.settings.current.is_none() {
            self.document.insert("current", value(name));
        }
        self.save()
    }

    /// Makes a profile the current one.
    pub fn choose(&mut self, name: &str) -> Outcome {
        self.profile(name)?;
        self.document.insert("current", value(name));
        self.save()
    }

    /// Removes a profile. Returns whether there was one.
    pub fn remove(&mut self, name: &str) -> Outcome<bool> {
        let Some(profiles) = self.document.get_mut("profiles").and_then(Item::as_table_like_mut) else {
            return Ok(false);
        };
        let removed = profiles.remove(name).is_some();
        if self.settings.current.as_deref() == Some(name) {
            self.document.remove("current");
        }
        if removed {
            self.save()?;
        }
        Ok(removed)
    }

    fn save(&mut self) -> Outcome {
        let text = self.document.to_string();
        self.settings = toml_edit::de::from_str(&text).map_err(|error| Failure::Other(error.into()))?;
        write_private(&self.path, text.as_bytes())?;
        Ok(())
    }
}

/// Checks a name, which must be valid in shells, file names and TOML keys.
fn check_name(name: &str) -> Outcome {
    let fine = (1..=64).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && !name.starts_with(['-', '.']);
    if fine {
        Ok(())
    } else {
        Err(Failure::usage(
            format!("`{name}` cannot name a profile"),
            "use letters, digits, `-`, `_` and `.`, at most 64",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(url: &str) -> Profile {
        Profile { api_url: Some(url.into()), ..Profile::default() }
    }

    #[test]
    fn comments_and_other_settings_survive() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let before = "# mine\n[keys]\napprove = \"A\" # big\n\n[profiles.prod]\napi_url = \"https://a.example\"\n";
        std::fs::write(&path, before).unwrap();
        let mut file = SettingsFile::at(&path).unwrap();
        file.add("test", &Profile { production: true, ..api("http://127.0.0.1:1") }).unwrap();
        file.choose("prod").unwrap();
        let after = std::fs::read_to_string(&path).unwrap();
        assert!(after.contains("# mine") && after.contains("approve = \"A\" # big"), "{after}");
        let again = SettingsFile::at(&path).unwrap();
        assert_eq!(again.settings, file.settings);
        assert_eq!(again.settings.current.as_deref(), Some("prod"));
        assert!(again.profile("test").unwrap().production);
    }

    #[test]
    fn the_first_profile_becomes_current_and_a_removed_one_is_no_longer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/config.toml");
        let mut file = SettingsFile::at(&path).unwrap();
        file.add("prod", &api("https://a.example")).unwrap();
        assert_eq!(file.settings.current.as_deref(), Some("prod"));
        assert!(file.remove("prod").unwrap());
        assert!(!file.remove("prod").unwrap());
        assert_eq!(SettingsFile::at(&path).unwrap().settings, Settings::default());
        assert_eq!(file.profile("prod").unwrap_err().exit_code(), 2);
    }

    #[test]
    fn unknown_keys_name_their_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, "[profiles.a]\napi_ulr = \"x\"\n").unwrap();
        let text = SettingsFile::at(&path).unwrap_err().to_string();
        assert!(text.contains("line 2") && text.contains("api_ulr") && text.contains("api_url"), "{text}");
    }

    #[test]
    fn a_key_has_a_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, "# mine\n[keys]\nopen = \"o\"\napprove = \"hyper-a\"\n").unwrap();
        let file = SettingsFile::at(&path).unwrap();
        assert_eq!(file.place_of("keys", "approve"), format!("{}, line 4", path.display()));
        assert_eq!(file.place_of("keys", "none"), path.display().to_string());
    }

    #[test]
    fn names_stay_within_their_folder() {
        for bad in ["", "..", "a/b", "-x", "ü", &"x".repeat(65)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        let path = token_file(Path::new("/c"), None, "https://a.example:8443/../x/");
        assert_eq!(path, Path::new("/c/credentials/server-https_3a_2f_2fa.example_3a8443_2f.._2fx.json"));
        assert_ne!(token_file(Path::new("/c"), Some("a"), ""), token_file(Path::new("/c"), None, "a"));
    }
}
