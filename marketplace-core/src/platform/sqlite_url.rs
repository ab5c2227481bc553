//! The URL of a SQLite database: `sqlite://PATH`, where `%XX` stands for a byte, `~/` for the home folder, and `?mode=` says
//! how it is opened, as in SQLite's own URIs.

use std::{
    ffi::{OsStr, OsString},
    fmt::Write,
    fs,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use crate::base::error::{Error, Result};

const SCHEME: &str = "sqlite://";

/// How a database may be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `ro`: to read only.
    ReadOnly,
    /// `rw`: to read and write, and never to create.
    ReadWrite,
    /// `rwc`, and without a mode: to create as well, by what creates databases.
    Create,
}

/// Where a SQLite database is, and how it may be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteUrl {
    /// Its file.
    pub path: PathBuf,
    /// How it may be opened.
    pub mode: Mode,
}

impl SqliteUrl {
    /// Parses a URL; `None` when it is not one of SQLite.
    ///
    /// # Errors
    /// `invalid` for a parameter or a mode that is not known, and without a path.
    pub fn parse(url: &str) -> Result<Option<Self>> {
        let Some(text) = url.strip_prefix(SCHEME) else { return Ok(None) };
        let bad = |rule: String| Err(Error::invalid("/database_url", rule));
        let (path, parameters) = text.split_once('?').unwrap_or((text, ""));
        let mut given = None;
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            let mode = match parameter {
                "mode=ro" => Mode::ReadOnly,
                "mode=rw" => Mode::ReadWrite,
                "mode=rwc" => Mode::Create,
                odd => return bad(format!("has `{odd}` after the path; known are mode=ro, mode=rw and mode=rwc")),
            };
            // Which of two counts would be a guess, and one may write.
            if given.replace(mode).is_some() {
                return bad("has more than one mode after the path".into());
            }
        }
        let mode = given.unwrap_or(Mode::Create);
        if path.is_empty() || path == "~" {
            return bad("must name a file, as in sqlite:///srv/market/marketplace.db".into());
        }
        let path = match path.strip_prefix("~/") {
            Some(inside) => match std::env::home_dir() {
                Some(home) => home.join(decode(inside)),
                None => return bad("begins with ~/, and the home folder is not known (HOME)".into()),
            },
            None => PathBuf::from(decode(path)),
        };
        if path.as_os_str().as_bytes().contains(&0) {
            return bad("must have no NUL in its path".into());
        }
        Ok(Some(Self { path, mode }))
    }

    /// Parses a URL, or the path of a file, which may be followed by `?mode=ro` and the like.
    ///
    /// # Errors
    /// Those of [`SqliteUrl::parse`].
    pub fn parse_path(text: &str) -> Result<Self> {
        let (path, mode) = match text.rsplit_once('?') {
            Some((path, mode)) if mode.starts_with("mode=") && !Path::new(text).exists() => (path, format!("?{mode}")),
            _ => (text, String::new()),
        };
        let path = match path.strip_prefix("~/") {
            Some(inside) => format!("~/{}", encode(Path::new(inside))),
            None => encode(Path::new(path)),
        };
        let parsed = Self::parse(&format!("{SCHEME}{path}{mode}"))?;
        parsed.ok_or_else(|| Error::internal("a URL of SQLite is none"))
    }

    /// Returns the URL of the file at `path`.
    pub fn of(path: &Path) -> String {
        format!("{SCHEME}{}", encode(path))
    }

    /// Returns the URL.
    pub fn url(&self) -> String {
        let mode = match self.mode {
            Mode::ReadOnly => "?mode=ro",
            Mode::ReadWrite => "?mode=rw",
            Mode::Create => "",
        };
        Self::of(&self.path) + mode
    }
}

/// Returns a path as it stands in a URL. Only what would mean something else is encoded.
fn encode(path: &Path) -> String {
    let mut text = String::new();
    let bytes = path.as_os_str().as_bytes();
    for (index, piece) in bytes.utf8_chunks().enumerate() {
        for (at, c) in piece.valid().char_indices() {
            let is_home = c == '~' && index == 0 && at == 0;
            if matches!(c, '%' | '?' | '#') || c.is_control() || is_home {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    // Writing to a String cannot fail.
                    let _ = write!(text, "%{byte:02X}");
                }
            } else {
                text.push(c);
            }
        }
        for byte in piece.invalid() {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// Returns the bytes of a path in a URL. A `%` that no two hexadecimal digits follow stands for itself.
fn decode(text: &str) -> OsString {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.first_chunk::<2>().filter(|_| *first == b'%').and_then(|two| {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            u8::try_from(digit(two[0])? * 16 + digit(two[1])?).ok()
        });
        bytes.push(hex.unwrap_or(*first));
        rest = if hex.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    OsString::from_vec(bytes)
}

/// Returns the name under which SQLite opens a path, to which some relative ones mean something else.
pub(crate) fn file_name(path: &Path) -> PathBuf {
    let special = |name: &OsStr| name.as_bytes().starts_with(b"file:") || name.as_bytes().starts_with(b":");
    if special(path.as_os_str()) { Path::new(".").join(path) } else { path.to_owned() }
}

/// Returns the path of a file that SQLite keeps beside a database (`-wal`, `-shm`): beside the file itself, when a link leads to it.
pub fn beside(database: &Path, end: &str) -> PathBuf {
    let mut path = fs::canonicalize(database).unwrap_or_else(|_| database.to_owned()).into_os_string();
    path.push(end);
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> SqliteUrl {
        SqliteUrl::parse(url).unwrap().unwrap()
    }

    #[test]
    fn urls_mean_what_they_say() {
        for (url, path, mode) in [
            ("sqlite://data/m.db", "data/m.db", Mode::Create),
            ("sqlite:///srv/a%20b/m.db?mode=ro", "/srv/a b/m.db", Mode::ReadOnly),
            ("sqlite:///srv/100%.db?mode=rw", "/srv/100%.db", Mode::ReadWrite),
            ("sqlite://%7E/m.db?mode=rwc", "~/m.db", Mode::Create),
            ("sqlite://a%3Fmode=ro", "a?mode=ro", Mode::Create),
        ] {
            assert_eq!(parse(url), SqliteUrl { path: path.into(), mode }, "{url}");
        }
        assert_eq!(parse("sqlite://~/m.db").path, std::env::home_dir().unwrap().join("m.db"));
        assert_eq!(SqliteUrl::parse("postgres://a/b").unwrap(), None);
        for twice in ["sqlite://a?mode=ro&mode=rw", "sqlite://a?mode=ro&mode=ro"] {
            assert!(SqliteUrl::parse(twice).is_err(), "{twice}");
        }
        for bad in ["sqlite://", "sqlite://?mode=ro", "sqlite://a?mode=r", "sqlite://a?cache=shared", "sqlite://a%00b"]
        {
            assert!(SqliteUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_sqlite_keeps_is_beside_the_file_itself() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir(root.join("far")).unwrap();
        fs::write(root.join("far/m.db"), "").unwrap();
        std::os::unix::fs::symlink("far/m.db", root.join("link")).unwrap();
        std::os::unix::fs::symlink("link", root.join("again")).unwrap();
        for name in ["far/m.db", "link", "again"] {
            assert_eq!(beside(&root.join(name), "-wal"), root.join("far/m.db-wal"), "{name}");
        }
        assert_eq!(beside(&root.join("none"), "-wal"), root.join("none-wal"));
    }

    #[test]
    fn whatever_a_file_is_called_its_url_leads_back() {
        for path in ["m.db", "/a b/100%20.db", "~/x", "what?mode=ro", "x#y", "ü/\u{1}", "file:x"] {
            assert_eq!(parse(&SqliteUrl::of(Path::new(path))).path, Path::new(path), "{path}");
        }
        let odd = PathBuf::from(OsString::from_vec(b"/a/\xff%".to_vec()));
        assert_eq!(parse(&SqliteUrl::of(&odd)).path, odd);
        assert_eq!(SqliteUrl::parse_path("a%20b.db?mode=ro").unwrap().url(), "sqlite://a%2520b.db?mode=ro");
        assert_eq!(SqliteUrl::parse_path("~/m.db").unwrap().path, std::env::home_dir().unwrap().join("m.db"));
        assert!(SqliteUrl::parse_path("m.db?mode=x").is_err());
        assert!(SqliteUrl::parse_path("m.db?mode=ro&mode=rw").is_err());
    }
}
