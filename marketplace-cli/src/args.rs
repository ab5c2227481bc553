//! Arguments that every command accepts, and parsers that several commands share.

use std::{path::PathBuf, str::FromStr, time::Duration};

use clap::{
    Args, ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};
use marketplace_core::time::{Clock, SystemClock, Timestamp};
use serde::Deserialize;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns for people; the default on a terminal.
    Table,
    /// One JSON value: an array for lists.
    Json,
    /// One JSON object a line; the default in a pipe.
    Jsonl,
    /// YAML.
    Yaml,
    /// Comma-separated values (RFC 4180) with a header.
    Csv,
    /// Nothing but ids, one a line.
    Id,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl ColorChoice {
    /// Returns whether to use colour on a stream, which is a terminal or not.
    pub fn enabled(self, terminal: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                terminal
                    && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
                    && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
            }
        }
    }
}

/// Options that every command accepts.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// Work on this database: `sqlite://PATH`, a path, or `postgres://user@host/database` (or `MARKETPLACE_DB`)
    #[arg(long, global = true, value_name = "URL", conflicts_with_all = ["api", "profile"])]
    pub db: Option<String>,
    /// Work through this server: `https://market.example.org` (or `MARKETPLACE_API`)
    #[arg(long, global = true, value_name = "URL", conflicts_with = "profile")]
    pub api: Option<String>,
    /// Use this profile (see `marketplace profile`) (or `MARKETPLACE_PROFILE`)
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// Read this configuration instead of ./marketplace.toml
    #[arg(long, global = true, hide_short_help = true, value_name = "FILE", env = "MARKETPLACE_CONFIG")]
    pub config: Option<PathBuf>,
    /// How to print; a table on a terminal, jsonl in a pipe
    #[arg(short = 'o', long = "format", global = true, value_name = "FORMAT")]
    pub output: Option<Format>,
    /// Print only these fields, in this order; dotted paths reach inside
    #[arg(long, global = true, hide_short_help = true, value_name = "A,B", value_delimiter = ',')]
    pub fields: Vec<String>,
    /// Filter each row as jq does (all rows at once with -o json), and print what comes out; texts as they are
    #[arg(long, global = true, hide_short_help = true, value_name = "FILTER", conflicts_with = "template")]
    pub jq: Option<String>,
    /// Print each row through this Jinja template: '{{ id }} {{ name }}'
    #[arg(long, global = true, hide_short_help = true, value_name = "TEXT")]
    pub template: Option<String>,
    /// Leave out the header of tables and CSV
    #[arg(long, global = true, hide_short_help = true)]
    pub no_header: bool,
    /// Print data and errors only: no notes, hints or progress
    #[arg(short, long, global = true, hide_short_help = true)]
    pub quiet: bool,
    /// When to use colour
    #[arg(long, global = true, hide_short_help = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColorArg,
    /// Say more on stderr; twice for everything
    #[arg(short, long, global = true, hide_short_help = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// The type of `--color`, with its default.
pub type ColorArg = ColorChoice;

/// Which part of a list.
#[derive(Debug, Clone, Args)]
pub struct Range {
    /// Rows at most; 0 for all
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: u64,
    /// Go on after this cursor of an earlier list
    #[arg(long, value_name = "CURSOR")]
    pub after: Option<String>,
    /// Only what is not older: 7d, 12h, 2026-03-02 or 2026-03-02T10:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<Timestamp>,
    /// Only what is older
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<Timestamp>,
    /// Sort all rows by this field; `FIELD:desc` the other way round
    #[arg(long, value_name = "FIELD")]
    pub sort: Option<String>,
    /// Whether the filter changes the order of the list.
    #[arg(skip)]
    pub is_reordered: bool,
}

/// How a change is made.
#[derive(Debug, Clone, Default, Args)]
pub struct ChangeArgs {
    /// A note that only staff see
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Show what would happen, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// How a change to something that counts its changes is made.
#[derive(Debug, Clone, Default, Args)]
pub struct VersionedArgs {
    /// Refuse unless it is still at this version
    #[arg(long, value_name = "N")]
    pub if_version: Option<i64>,
    /// How the change is made.
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// Which things, when there can be many.
#[derive(Debug, Clone, Args)]
pub struct BatchArgs {
    /// Ids; several make a batch
    #[arg(value_name = "ID", required_unless_present = "stdin", conflicts_with = "stdin")]
    pub ids: Vec<String>,
    /// Read ids from stdin, one a line, or JSON objects with `id` and what differs for that item
    #[arg(long)]
    pub stdin: bool,
    /// Do not stop a batch at its first failure
    #[arg(long)]
    pub continue_on_error: bool,
}

/// Parses one of core's names, and lists all of them in the help and in completions.
pub fn one_of<T>(names: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err = String> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|name| name.parse::<T>())
}

/// Parses a time span such as `90d`, `12h`, `1h 30m` or `45s`, and returns seconds.
pub fn span(text: &str) -> Result<u64, String> {
    humantime::parse_duration(text.trim())
        .map(|span| span.as_secs())
        .map_err(|_| "not a span of time, such as 90d, 12h, 30m or 45s".into())
}

/// Parses a time: a span before now, a date (in UTC), or a time in RFC 3339.
pub fn moment(text: &str) -> Result<Timestamp, String> {
    let text = text.trim();
    if let Ok(seconds) = span(text) {
        return Ok(SystemClock.now() - Duration::from_secs(seconds));
    }
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    whole.parse().map_err(|_| "not a time, such as 7d, 12h, 2026-03-02 or 2026-03-02T10:00:00Z".into())
}

/// Parses a time to come: a span from now, a date (in UTC), or a time in RFC 3339.
pub fn moment_ahead(text: &str) -> Result<Timestamp, String> {
    match span(text) {
        Ok(seconds) => Ok(SystemClock.now() + Duration::from_secs(seconds)),
        Err(_) => moment(text).map_err(|_| "not a time, such as 3h, 2d, 2026-03-02 or 2026-03-02T10:00:00Z".into()),
    }
}

/// A time to come, as a line of a batch has it: like the flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Ahead(pub Timestamp);

impl TryFrom<String> for Ahead {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        moment_ahead(&text).map(Self)
    }
}

/// A time to come, or `now`: none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct AheadOrNow(pub Option<Timestamp>);

impl TryFrom<String> for AheadOrNow {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        ahead_or_now(&text)
    }
}

/// Parses a time to come, or `now`.
pub fn ahead_or_now(text: &str) -> Result<AheadOrNow, String> {
    if text.trim() == "now" { Ok(AheadOrNow(None)) } else { moment_ahead(text).map(|at| AheadOrNow(Some(at))) }
}

/// Parses a typed id.
pub fn id<T: FromStr>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| "not an id, such as 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d".into())
}

#[cfg(test)]
mod tests {
    use super::{moment, span};

    #[test]
    fn times_are_spans_dates_or_whole() {
        assert_eq!(moment("2026-03-02").unwrap(), moment("2026-03-02T00:00:00Z").unwrap());
        assert!(moment("7d").unwrap() < moment("6d").unwrap());
        for bad in ["", "yesterday", "2026-13-02", "2026-03-02 10:00"] {
            assert!(moment(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn spans_are_a_number_and_a_unit() {
        assert_eq!(span("90d"), Ok(7_776_000));
        assert_eq!((span("12h"), span(" 30m "), span("45s")), (Ok(43_200), Ok(1_800), Ok(45)));
        assert_eq!((span("1h 30m"), span("1w")), (Ok(5_400), Ok(604_800)));
        for bad in ["", "d", "90", "-1d", "+1d", "99999999999999999d", "1é"] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }
}
