//! Resolves flags, environment and profile to a connection: the database itself, or a server.

use marketplace_core::staff::Connection;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use marketplace_core::{
    actor::{Actor, Operator},
    app::App,
    config::{self, Config, Secret},
    platform::{input_file, sqlite_url::SqliteUrl},
};

use crate::{
    args::Globals,
    context::Context,
    failure::{Failure, Outcome},
    people,
    profile::{self, SettingsFile},
    remote::{Credentials, Remote, TokenFile, check_base},
};

/// A system, and the way to connect to it.
#[derive(Debug, Clone)]
pub struct Target {
    /// The display name: the profile's name, the server's host, or the database.
    pub system: String,
    /// How to connect.
    pub way: Way,
    /// The profile, if one was used.
    pub profile: Option<String>,
    /// Whether this is a production system.
    pub production: bool,
}

/// A way to connect to a system.
#[derive(Debug, Clone)]
pub enum Way {
    /// Directly to its database. `None` means: as the configuration says.
    Database {
        /// The database's URL.
        url: Option<Secret>,
        /// The system's configuration.
        config: Option<PathBuf>,
    },
    /// Through its server.
    Api {
        /// The server's address.
        url: String,
    },
}

impl Target {
    /// Resolves the target: flags first, then the environment, then the current profile, then the embedded database.
    pub fn resolve(globals: &Globals) -> Outcome<Self> {
        Self::choose(globals, |name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn choose(globals: &Globals, variable: impl Fn(&str) -> Option<String>) -> Outcome<Self> {
        let mut globals = globals.clone();
        if globals.db.is_none() && globals.api.is_none() && globals.profile.is_none() {
            // The two name different systems, so choosing one would be a guess.
            match (variable("MARKETPLACE_DB"), variable("MARKETPLACE_API")) {
                (Some(_), Some(_)) => {
                    return Err(Failure::usage(
                        "MARKETPLACE_DB and MARKETPLACE_API are both set",
                        "unset one of them, or choose with --db or --api",
                    ));
                }
                (db, api) => (globals.db, globals.api) = (db, api),
            }
            if globals.db.is_none() && globals.api.is_none() {
                globals.profile = variable("MARKETPLACE_PROFILE");
            }
        }
        if let Some(url) = &globals.api {
            let system = url.parse::<url::Url>().ok().and_then(|url| url.host_str().map(str::to_owned));
            let system = system.unwrap_or_else(|| "server".into());
            return Ok(Self { system, way: Way::Api { url: url.clone() }, profile: None, production: false });
        }
        if let Some(url) = &globals.db {
            let url = database_url(url)?;
            let way = Way::Database { url: Some(url), config: globals.config.clone() };
            return Ok(Self { system: "database".into(), way, profile: None, production: false });
        }
        let chosen = match &globals.profile {
            Some(name) => Some(name.clone()),
            // The environment and an explicit configuration take precedence over a profile that is merely the current
            // one.
            None if globals.config.is_some() || variable("MARKETPLACE_DATABASE_URL").is_some() => None,
            None => SettingsFile::open()?.settings.current,
        };
        let Some(name) = chosen else {
            let way = Way::Database { url: None, config: globals.config.clone() };
            return Ok(Self { system: "local".into(), way, profile: None, production: false });
        };
        let file = SettingsFile::open()?;
        let found = file.profile(&name)?;
        let way = match (&found.api_url, &found.database_url) {
            (Some(url), None) => Way::Api { url: url.clone() },
            (None, Some(url)) => {
                let config = globals.config.clone().or_else(|| found.config.clone());
                Way::Database { url: Some(database_url(url)?), config }
            }
            _ => {
                return Err(Failure::usage(
                    format!("the profile `{name}` must have either api_url or database_url"),
                    format!("make it anew with: marketplace profile add {name} --api URL"),
                ));
            }
        };
        Ok(Self { system: name.clone(), way, profile: Some(name), production: found.production })
    }

    /// Returns `direct` or `api`.
    pub fn way_name(&self) -> &'static str {
        match self.way {
            Way::Database { .. } => "direct",
            Way::Api { .. } => "api",
        }
    }

    /// Returns the configuration of a database; a usage error when the target is a server.
    pub fn config(&self) -> Outcome<Config> {
        match &self.way {
            Way::Database { url, config } => load_config(url.clone(), config.as_deref()),
            Way::Api { .. } => Err(Failure::usage(
                "this works on a database, and a server was chosen",
                "name the database with --db URL",
            )),
        }
    }

    /// Returns the server with our credentials; a usage error when the target is a database.
    pub fn remote(&self) -> Outcome<Remote> {
        let Way::Api { url } = &self.way else {
            return Err(Failure::usage(
                "this works through a server, and a database was chosen",
                "name the server with --api URL, or a profile that has one",
            ));
        };
        let credentials = match outside_token()? {
            Some(token) => Credentials::token(token),
            None => Credentials::file(self.tokens(url)?),
        };
        Ok(Remote::new(url, credentials)?)
    }

    /// Returns the file of the tokens for this server.
    pub fn tokens(&self, url: &str) -> Outcome<TokenFile> {
        let url = check_base(url)?;
        Ok(TokenFile::new(profile::token_file(&profile::folder()?, self.profile.as_deref(), url.as_str())))
    }
}

/// Returns the token in `MARKETPLACE_TOKEN`, or in the file that `MARKETPLACE_TOKEN_FILE` names, which takes precedence over
/// a log-in: one for scripts (`mkt_…`), or an access token.
///
/// # Errors
/// A usage error when both are set, or the file has no token.
pub fn outside_token() -> Outcome<Option<String>> {
    // A pipe can be read only once.
    static READ: OnceLock<Option<String>> = OnceLock::new();
    if let Some(token) = READ.get() {
        return Ok(token.clone());
    }
    let token = read_outside_token()?;
    Ok(READ.get_or_init(|| token).clone())
}

fn read_outside_token() -> Outcome<Option<String>> {
    let variable =
        |name: &str| std::env::var(name).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    match (variable("MARKETPLACE_TOKEN"), variable("MARKETPLACE_TOKEN_FILE")) {
        (Some(_), Some(_)) => {
            Err(Failure::usage("MARKETPLACE_TOKEN and MARKETPLACE_TOKEN_FILE are both set", "unset one of them"))
        }
        (None, Some(file)) => match read_token(&file) {
            Ok(text) if text.trim().chars().any(|c| !c.is_ascii_graphic()) => Err(Failure::usage(
                format!("MARKETPLACE_TOKEN_FILE: {file} holds more than a token, or no token"),
                "write nothing but the token into it",
            )),
            Ok(text) if !text.trim().is_empty() => Ok(Some(text.trim().to_owned())),
            Ok(_) => Err(Failure::usage(format!("MARKETPLACE_TOKEN_FILE: {file} is empty"), "write the token into it")),
            Err(error) => Err(Failure::usage(
                format!("MARKETPLACE_TOKEN_FILE: {file} cannot be read: {error}"),
                "correct the path, or who may read it",
            )),
        },
        (token, None) => Ok(token),
    }
}

/// Reads a file with a token; no more of it than a token can have.
fn read_token(file: &str) -> std::io::Result<String> {
    let mut text = String::new();
    input_file::open(Path::new(file))?.take(4_096).read_to_string(&mut text)?;
    Ok(text)
}

/// Returns a database URL from a URL, or from a path to an SQLite file, in which `%` stands for itself.
///
/// # Errors
/// A usage error for a parameter that is not known.
pub fn database_url(text: &str) -> Outcome<Secret> {
    if text.contains("://") {
        return Ok(Secret::new(text));
    }
    let path = text.strip_prefix("sqlite:").unwrap_or(text);
    Ok(Secret::new(SqliteUrl::parse_path(path)?.url()))
}

/// Loads the configuration of a database. For a database that is named without a configuration, or with its keys beside it, files
/// and keys are in its own folder, so that a command works from any folder, and whatever other database the environment is for.
pub fn load_config(url: Option<Secret>, file: Option<&Path>) -> Outcome<Config> {
    let here = Path::new("marketplace.toml");
    let file = file.or_else(|| here.exists().then_some(here));
    let mut config = Config::load(file, config::environment()?)?;
    if let Some(url) = url {
        let at = SqliteUrl::parse(url.expose())?;
        if let Some(folder) = at.as_ref().and_then(|at| at.path.parent())
            && (config.data_dir == Config::default().data_dir
                || (config.keys_dir.is_none() && folder.join("keys/master.key").exists()))
        {
            config.data_dir = if folder.as_os_str().is_empty() { ".".into() } else { folder.to_owned() };
        }
        config.database_url = Some(url);
    }
    Ok(config.checked()?)
}

/// Returns the actor for the local operating system user.
pub fn operator() -> Actor {
    Actor::Operator(Operator {
        os_user: whoami::username().unwrap_or_else(|_| "unknown".into()),
        host: whoami::hostname().unwrap_or_else(|_| "localhost".into()),
    })
}

impl Context {
    /// Opens the chosen database, with memory limits for one person's work.
    pub async fn open(&self, config: Config) -> Outcome<App> {
        self.kept(App::open_for_one(config).await?).await
    }

    /// Creates a marketplace, with memory limits for one person's work.
    pub async fn create(&self, config: Config) -> Outcome<App> {
        self.kept(App::create_for_one(config).await?).await
    }

    /// Opens the chosen database, creating what is missing, with memory limits for filling it.
    pub async fn open_to_fill(&self, config: Config) -> Outcome<App> {
        // Without Redis: a program of one person needs no notifications, because the database is authoritative.
        self.kept(App::open(Config { redis_url: None, ..config }).await?).await
    }

    async fn kept(&self, app: App) -> Outcome<App> {
        self.keep(&app).await;
        Ok(app)
    }

    /// Connects to the chosen system.
    pub async fn connect(&self) -> Outcome<Connection> {
        if let Some(lines) = self.lines.get() {
            return Ok(lines.api.clone());
        }
        self.connect_to(&Target::resolve(&self.globals)?).await
    }

    /// Connects to a target.
    pub async fn connect_to(&self, target: &Target) -> Outcome<Connection> {
        let api = match &target.way {
            Way::Database { .. } => {
                let config = target.config()?;
                tracing::info!(
                    system = target.system,
                    "the database {}, keys in {}",
                    config.database_url(),
                    config.keys_dir().display()
                );
                Connection::direct(self.open(config).await?, operator())
            }
            Way::Api { url } => {
                let by =
                    if outside_token()?.is_some() { "a token from the environment" } else { "the login that is kept" };
                tracing::info!(system = target.system, by, "the server {url}");
                Connection::remote(target.remote()?)
            }
        };
        // The first one stays: a command works on one system.
        let _ = self.connection.set(api.clone());
        let people = &self.out.view.people;
        if people.are_missing() {
            people.learn(people::load(&api).await);
        }
        Ok(api)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_database_has_its_files_beside_it() {
        let config = load_config(Some(database_url("/srv/market/m.db").unwrap()), None).unwrap();
        assert_eq!(config.database_url().expose(), "sqlite:///srv/market/m.db");
        assert_eq!(config.keys_dir(), Path::new("/srv/market/keys"));
        let config = load_config(Some(database_url("m.db").unwrap()), None).unwrap();
        assert_eq!(config.keys_dir(), Path::new("./keys"));
        let config = load_config(Some(database_url("sqlite:///srv/a%20b/m.db?mode=ro").unwrap()), None).unwrap();
        assert_eq!(config.keys_dir(), Path::new("/srv/a b/keys"));
        assert!(database_url("m.db?mode=odd").is_err());
        assert!(database_url("m.db?mode=ro&mode=rw").is_err());
    }

    #[test]
    fn flags_go_before_the_environment() {
        let environment = |name: &str| (name == "MARKETPLACE_API").then(|| "https://a.example".to_owned());
        let way = |globals: &Globals| Target::choose(globals, environment).unwrap().way_name();
        assert_eq!(way(&Globals::default()), "api");
        assert_eq!(way(&Globals { db: Some("m.db".into()), ..Globals::default() }), "direct");
        let both = |name: &str| name.starts_with("MARKETPLACE_").then(|| "x".to_owned());
        assert_eq!(Target::choose(&Globals::default(), both).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn flags_choose() {
        let globals = Globals { api: Some("http://127.0.0.1:1".into()), ..Globals::default() };
        let target = Target::resolve(&globals).unwrap();
        assert_eq!((target.system.as_str(), target.way_name()), ("127.0.0.1", "api"));
        assert_eq!(target.config().unwrap_err().exit_code(), 2);
        let globals = Globals { db: Some("postgres://me:hunter2@h/d".into()), ..Globals::default() };
        let target = Target::resolve(&globals).unwrap();
        assert_eq!(target.way_name(), "direct");
        assert!(!format!("{target:?}").contains("hunter2"));
        assert!(target.remote().is_err());
    }
}
