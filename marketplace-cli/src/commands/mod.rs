//! One file per noun: clap arguments, one call, the printer.
//!
//! To add a verb: a variant with a doc comment and `after_help` with an example (a test requires it, and that the example
//! parses), and an arm in the noun's `run`.

pub mod api;
pub mod audit;
pub mod auth;
pub mod bundle;
pub mod categories;
pub mod completions;
pub mod config;
pub mod db;
pub mod demo;
pub mod doctor;
pub mod files;
pub mod jobs;
pub mod kyc;
pub mod mail;
pub mod man;
mod moves;
mod open;
mod plain;
pub mod profile;
pub mod replay;
pub mod reports;
pub mod reviews;
pub mod rules;
pub mod schema;
pub mod services;
pub mod stats;
pub mod threads;
pub mod tokens;
pub mod tui;
pub mod users;
pub mod webhooks;
pub mod whole;

use clap::{Command, CommandFactory, Parser, Subcommand};

use crate::{
    args::Globals,
    context::Context,
    failure::{Failure, Outcome},
};

/// The marketplace for its staff: identity checks, users, jobs, threads, reviews, reports, audit log, over the database or over the server.
#[derive(Debug, Parser)]
#[command(
    name = "marketplace",
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Examples:\n  \
        marketplace demo\n  \
        marketplace kyc list\n  \
        marketplace users list --status frozen -o csv\n\n\
        Exit codes: 0 ok · 1 internal · 2 usage or invalid · 3 not found ·\n\
        4 unauthenticated or forbidden · 5 conflict · 6 rate limited or busy · 7 unavailable ·\n\
        8 some items of a batch failed · 130 interrupted · 143 terminated\n\n\
        `marketplace help COMMAND` tells of a command. Completions: marketplace completions --help"
)]
pub struct Cli {
    /// The options that every command accepts.
    #[command(flatten)]
    pub globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub noun: Noun,
}

/// What there is to work on.
#[derive(Debug, Subcommand)]
pub enum Noun {
    /// Identity checks: the queue, claims, decisions
    #[command(
        subcommand,
        after_help = "Example:\n  marketplace kyc next --yes -o json\n  marketplace kyc approve 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --yes"
    )]
    Kyc(kyc::Verb),
    /// Users: find, restrict, delete, note
    #[command(subcommand, after_help = "Example:\n  marketplace users list --q ada")]
    Users(users::Verb),
    /// Jobs: find, look into, cancel, finalize
    #[command(subcommand, after_help = "Example:\n  marketplace jobs list --status accepted")]
    Jobs(jobs::Verb),
    /// Threads: what clients and workers write to each other
    #[command(
        subcommand,
        after_help = "Example:\n  marketplace threads watch 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --reason dispute"
    )]
    Threads(threads::Verb),
    /// Reviews: flags, removal, restoration
    #[command(subcommand, after_help = "Example:\n  marketplace reviews list --flagged")]
    Reviews(reviews::Verb),
    /// Reports: the queue, claims, decisions, appeals
    #[command(
        subcommand,
        after_help = "Example:\n  marketplace reports next --yes -o json\n  marketplace reports resolve 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --reason scam --action remove_message,freeze --yes"
    )]
    Reports(reports::Verb),
    /// Services: find, look into, close
    #[command(subcommand, after_help = "Example:\n  marketplace services list --status published")]
    Services(services::Verb),
    /// Categories of services
    #[command(subcommand, after_help = "Example:\n  marketplace categories list")]
    Categories(categories::Verb),
    /// Rules: what is not let in
    #[command(subcommand, after_help = "Example:\n  marketplace rules create blocked_domain throwaway.example")]
    Rules(rules::Verb),
    /// The audit log: who did what
    #[command(subcommand, after_help = "Example:\n  marketplace audit list --action users.ban")]
    Audit(audit::Verb),
    /// Tokens for scripts: make, list, revoke
    #[command(
        subcommand,
        after_help = "Example:\n  marketplace tokens create --name 'Night job' --scope kyc:read --expires 90d --yes"
    )]
    Tokens(tokens::Verb),
    /// Webhooks: have the operator's own systems told of what happens
    #[command(
        subcommand,
        after_help = "Example:\n  marketplace webhooks create https://example.org/hooks --kind job.changed --yes"
    )]
    Webhooks(webhooks::Verb),
    /// Mails that were not sent yet: look, have them tried again
    #[command(subcommand, after_help = "Example:\n  marketplace mail list --status failed")]
    Mail(mail::Verb),
    /// The dashboard's numbers, or what happened over time
    #[command(after_help = "Examples:\n  \
        marketplace stats -o json\n  \
        marketplace stats --since 7d --by day\n  \
        marketplace stats --by reviewer")]
    Stats(stats::Numbers),
    /// The database: migrate, back up, fill, move
    #[command(subcommand, after_help = "Example:\n  marketplace db status")]
    Db(db::Verb),
    /// Stored files: copy them to another place
    #[command(subcommand, after_help = "Example:\n  marketplace files copy /srv/market/files s3://market/files")]
    Files(files::Verb),
    /// Back up database, files and keys into one folder, while the server runs
    #[command(
        after_help = "The folder has this name only once it is whole. It holds the keys: keep it encrypted, where few can read it.\n\n\
        Examples:\n  marketplace backup /backup/market-2026-03-02\n  sha256sum --check files.sha256    # in the folder"
    )]
    Backup(whole::BackupArgs),
    /// Put a backup of everything in the place of database, files and keys; what was there is kept
    #[command(after_help = "All of it is verified before anything is touched. Stop the server first.\n\n\
        Examples:\n  marketplace restore /backup/market-2026-03-02 --dry-run\n  marketplace restore /backup/market-2026-03-02 --yes")]
    Restore(whole::RestoreArgs),
    /// Log in to a server
    #[command(subcommand, after_help = "Example:\n  marketplace auth login --api https://market.example.org")]
    Auth(auth::Verb),
    /// Systems that you work with, by name
    #[command(
        subcommand,
        after_help = "Example:\n  marketplace profile add prod --api https://market.example.org --production"
    )]
    Profile(profile::Verb),
    /// What counts, and where it comes from
    #[command(subcommand, after_help = "Example:\n  marketplace config view --profile prod")]
    Config(config::Verb),
    /// The JSON Schema of what a noun prints
    #[command(after_help = "Examples:\n  marketplace schema users\n  marketplace schema kyc --of show")]
    Schema(schema::Args),
    /// Check that everything that this program needs is in order
    #[command(after_help = "Example:\n  marketplace doctor\n  marketplace doctor --api https://market.example.org")]
    Doctor,
    /// A throwaway database with lifelike data, then the console
    #[command(
        after_help = "The database is in a temporary folder, which is removed at the end, however the end comes.\n\n\
                      Examples:\n  marketplace demo\n  marketplace demo --no-tui"
    )]
    Demo(demo::Args),
    /// The console: the same work, full screen
    #[command(
        after_help = "Example:\n  marketplace tui\n  marketplace tui --read-only --profile prod\n  marketplace tui --plain"
    )]
    Tui(tui::Args),
    /// Play a recording of the console (`tui --record`)
    #[command(
        after_help = "Keys: Space pauses, n goes to the next act that is on the audit log, q leaves. Whatever a recording holds besides\n\
        drawing is left out.\n\nExample:\n  marketplace replay shift.cast --speed 2 --idle-limit 1"
    )]
    Replay(replay::Args),
    /// Any call to the server, with your log-in
    #[command(
        after_help = "Examples:\n  marketplace api GET /v1/admin/stats\n  marketplace api POST /v1/admin/kyc/next -F dry_run=true"
    )]
    Api(api::Args),
    /// Completions for your shell, on stdout: commands, options, profiles, fields and the newest ids
    #[command(after_help = "To install them:\n  \
        bash: source <(marketplace completions bash), in ~/.bashrc\n  \
        zsh:  source <(marketplace completions zsh), in ~/.zshrc behind `compinit`\n  \
        fish: marketplace completions fish | source, in ~/.config/fish/completions/marketplace.fish\n\n\
        Example:\n  marketplace completions bash > marketplace.bash")]
    Completions(completions::Args),
    /// Manual pages
    #[command(after_help = "Examples:\n  marketplace man\n  marketplace man target/man")]
    Man(man::Args),
}

impl Noun {
    /// Returns whether the command draws, or does enough at once to benefit from more than one thread.
    pub fn is_heavy(&self) -> bool {
        matches!(self, Self::Demo(_) | Self::Tui(_) | Self::Db(_) | Self::Files(_) | Self::Backup(_) | Self::Restore(_))
    }
}

/// Returns the definition of the program, in which the help of a command does not repeat the options that every command
/// accepts.
pub fn program() -> Command {
    const EVERYWHERE: &str = "The options of every command: marketplace --help";
    fn point(command: Command) -> Command {
        let help = command.get_after_help().map_or_else(String::new, |help| format!("{help}\n\n"));
        command.after_help(format!("{help}{EVERYWHERE}")).mut_subcommands(point)
    }
    let hide = |arg: clap::Arg| if arg.is_global_set() { arg.hide(true) } else { arg };
    Cli::command().mut_args(hide).mut_subcommands(point)
}

/// Runs the command of a line.
async fn one(words: Vec<String>, context: &Context) -> Outcome {
    let words = std::iter::once("marketplace".to_owned()).chain(words);
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) => {
            let text = error.to_string();
            let said = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
            return Err(Failure::usage(said, "help lists the commands"));
        }
    };
    match cli.noun {
        Noun::Tui(_) | Noun::Demo(_) => Err(Failure::usage("a console is open already", "quit leaves it")),
        noun => Box::pin(run(noun, context)).await,
    }
}

/// Returns the verbs of a noun, each with what it does.
fn verbs(noun: &str) -> Vec<(String, String)> {
    let program = Cli::command();
    let verbs = program.find_subcommand(noun).into_iter().flat_map(Command::get_subcommands);
    let about = |verb: &Command| verb.get_about().map(ToString::to_string).unwrap_or_default();
    verbs.map(|verb| (verb.get_name().to_owned(), about(verb))).collect()
}

/// Runs one command.
pub async fn run(noun: Noun, context: &Context) -> Outcome {
    match noun {
        Noun::Kyc(verb) => kyc::run(verb, context).await,
        Noun::Users(verb) => users::run(verb, context).await,
        Noun::Jobs(verb) => jobs::run(verb, context).await,
        Noun::Threads(verb) => threads::run(verb, context).await,
        Noun::Reviews(verb) => reviews::run(verb, context).await,
        Noun::Reports(verb) => reports::run(verb, context).await,
        Noun::Services(verb) => services::run(verb, context).await,
        Noun::Categories(verb) => categories::run(verb, context).await,
        Noun::Rules(verb) => rules::run(verb, context).await,
        Noun::Audit(verb) => audit::run(verb, context).await,
        Noun::Tokens(verb) => tokens::run(verb, context).await,
        Noun::Webhooks(verb) => webhooks::run(verb, context).await,
        Noun::Mail(verb) => mail::run(verb, context).await,
        Noun::Stats(numbers) => stats::run(numbers, context).await,
        Noun::Db(verb) => db::run(verb, context).await,
        Noun::Files(verb) => files::run(verb, context).await,
        Noun::Backup(args) => whole::back_up(args, context).await,
        Noun::Restore(args) => whole::restore(args, context).await,
        Noun::Auth(verb) => auth::run(verb, context).await,
        Noun::Profile(verb) => profile::run(verb, context),
        Noun::Config(config::Verb::View) => config::view(context),
        Noun::Schema(args) => schema::run(&args, context),
        Noun::Doctor => doctor::run(context).await,
        Noun::Demo(args) => demo::run(args, context).await,
        Noun::Tui(args) => {
            let program = plain::Program { run: &|words| Box::pin(one(words, context)), verbs: &verbs };
            tui::run(args, context, program).await
        }
        Noun::Replay(args) => replay::run(args, context).await,
        Noun::Api(args) => api::run(args, context).await,
        Noun::Completions(args) => completions::run(&args, context),
        Noun::Man(args) => man::run(&args, Cli::command(), program(), context),
    }
}
