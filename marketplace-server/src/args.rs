//! Command-line arguments: flags override the environment, which overrides the file, which overrides the defaults.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::Parser;
use marketplace_core::{
    config::{Config, LogFormat, Secret},
    error::{Error, Result},
};

/// The marketplace over HTTP.
///
/// Works without any configuration: SQLite, files, keys, mails and logs live under `data/`.
#[derive(Debug, Parser)]
#[command(name = "marketplace-server", version, max_term_width = 100)]
pub struct Args {
    /// Configuration file (TOML); default `marketplace.toml` when there is one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address to listen on, such as 127.0.0.1:8080; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// `sqlite://PATH` or `postgres://user:password@host/database`
    #[arg(long, value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,
    /// Folder of everything that is not configured elsewhere
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// How clients reach the server; links in mails start with it
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Certificate chain (PEM); with --tls-key, the server speaks TLS
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Private key (PEM)
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// How log lines on the terminal look: pretty or json
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// error, warn, info, debug, trace, or a filter such as `info,marketplace_core=debug`
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// Bring the database's schema up to date first (SQLite does so by itself)
    #[arg(long)]
    pub migrate: bool,
    /// Print the manual page (roff) and exit
    #[arg(long)]
    pub man: bool,
}

impl Args {
    /// Returns the configuration to run with.
    pub fn config(&self, environment: impl IntoIterator<Item = (String, String)>) -> Result<Config> {
        let environment: Vec<_> = environment.into_iter().collect();
        let named = self.config.clone().or_else(|| {
            environment.iter().find(|(name, _)| name == "MARKETPLACE_CONFIG").map(|(_, value)| PathBuf::from(value))
        });
        let file = named.or_else(|| {
            let usual = Path::new("marketplace.toml");
            usual.exists().then(|| usual.to_owned())
        });
        let mut config = Config::load(file.as_deref(), environment)?;
        if let Some(listen) = self.listen {
            config.listen = listen;
        }
        if let Some(url) = &self.database_url {
            config.database_url = Some(Secret::new(url.as_str()));
        }
        if let Some(dir) = &self.data_dir {
            config.data_dir.clone_from(dir);
        }
        if let Some(url) = &self.public_url {
            config.public_url =
                url.parse().map_err(|error| Error::invalid("/public_url", format!("is no URL: {error}")))?;
        }
        if let Some(format) = self.log_format {
            config.log.format = format;
        }
        if let Some(level) = &self.log_level {
            config.log.level.clone_from(level);
        }
        for (flag, key) in [(&self.tls_cert, &mut config.tls.cert), (&self.tls_key, &mut config.tls.key)] {
            if flag.is_some() {
                key.clone_from(flag);
            }
        }
        config.checked()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(flags: &[&str], environment: &[(&str, &str)]) -> Result<Config> {
        let args = Args::try_parse_from(std::iter::once(&"marketplace-server").chain(flags)).unwrap();
        args.config(environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn flags_go_over_the_environment_over_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "listen = '127.0.0.1:1'\n[log]\nlevel = 'warn'\nformat = 'json'\n").unwrap();
        let path = file.path().to_str().unwrap();
        let set = config(
            &["--config", path, "--listen", "127.0.0.1:3"],
            &[("MARKETPLACE_LISTEN", "127.0.0.1:2"), ("MARKETPLACE_LOG__LEVEL", "debug")],
        )
        .unwrap();
        assert_eq!(set.listen.port(), 3);
        assert_eq!(set.log.level, "debug");
        assert_eq!(set.log.format, LogFormat::Json);
        let named_by_environment = config(&[], &[("MARKETPLACE_CONFIG", path)]).unwrap();
        assert_eq!(named_by_environment.listen.port(), 1);
    }

    #[test]
    fn flags_are_checked_like_everything_else() {
        for flags in [&["--database-url", "mysql://x"][..], &["--tls-cert", "a.pem"], &["--public-url", "nowhere"]] {
            assert!(config(flags, &[]).is_err(), "{flags:?}");
        }
        assert!(config(&["--config", "/nowhere/at/all.toml"], &[]).is_err());
    }

    #[test]
    fn the_help_is_well_formed() {
        use clap::CommandFactory as _;
        Args::command().debug_assert();
    }
}
