//! `marketplace completions`: what a shell offers, from the program itself.

use std::{ffi::OsStr, process::ExitCode, time::Duration};

use clap::{Arg, Command, ValueEnum};
use clap_complete::{
    CompleteEnv, Shell,
    engine::{ArgValueCompleter, CompletionCandidate},
    env::Shells,
};
use marketplace_core::{
    audit::AuditFilter,
    error::{Error, Result},
    ids::{AttemptId, CaseId, JobId, MailId, ReviewId, RuleId, ServiceId, ThreadId, TokenId, UserId, WebhookId},
    page::PageRequest,
    staff::{Connection, ListAudit, ListCategories, ListQuery},
};

use super::schema::{self, What};
use crate::{args::Globals, context::Context, failure::Outcome, find::Findable, people, profile::SettingsFile};

/// The variable with which a shell asks.
const ASKS: &str = "MARKETPLACE_COMPLETE";
/// Ids that are offered, the newest ones.
const IDS: u16 = 50;
/// Verbs whose ids are in no list that is looked at here: photos, messages, own sessions, and what is new.
const NOT_LISTED: [(&str, &str); 5] = [
    ("services", "photo"),
    ("services", "remove-photo"),
    ("threads", "remove-message"),
    ("auth", "revoke-session"),
    ("categories", "create"),
];
/// How long a shell waits for ids at most.
const PATIENCE: Duration = Duration::from_secs(2);

/// Which shell.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    pub shell: Shell,
}

/// Prints the script that has a shell ask this program.
pub fn run(args: &Args, context: &Context) -> Outcome {
    let mut script = Vec::new();
    let shells = Shells::builtins();
    let shell = shells.completer(&args.shell.to_string()).ok_or_else(|| Error::internal("a shell without a script"))?;
    shell.write_registration(ASKS, "marketplace", "marketplace", "marketplace", &mut script)?;
    context.out.write(&script)
}

/// Answers a shell that asks; nothing when none does.
pub fn answer(program: impl Fn() -> Command) -> Option<ExitCode> {
    let folder = std::env::current_dir().ok();
    let shell = CompleteEnv::with_factory(|| completing(program())).var(ASKS);
    match shell.try_complete(std::env::args_os(), folder.as_deref()) {
        Ok(is_answered) => is_answered.then_some(ExitCode::SUCCESS),
        Err(error) => {
            // There is nowhere to report a closed stderr.
            let _closed = error.print();
            Some(ExitCode::from(2))
        }
    }
}

/// Returns the program with what completes its arguments.
fn completing(program: Command) -> Command {
    program.mut_args(general).mut_subcommands(|noun| {
        let name = noun.get_name().to_owned();
        noun.mut_subcommands(|verb| {
            let verb_name = verb.get_name().to_owned();
            verb.mut_args(|arg| of_noun(&name, &verb_name, arg))
        })
        .mut_args(|arg| of_noun(&name, "", arg))
    })
}

fn general(arg: Arg) -> Arg {
    match arg.get_id().as_str() {
        "fields" => arg.add(ArgValueCompleter::new(fields)),
        "profile" => arg.add(ArgValueCompleter::new(profiles)),
        _ => arg,
    }
}

fn of_noun(noun: &str, verb: &str, arg: Arg) -> Arg {
    if NOT_LISTED.contains(&(noun, verb)) && matches!(arg.get_id().as_str(), "id" | "ids" | "key") {
        return general(arg);
    }
    let completer = match (noun, arg.get_id().as_str()) {
        (_, "sort") => ArgValueCompleter::new(fields),
        ("profile", "name") => ArgValueCompleter::new(profiles),
        (_, "user_id" | "worker_id" | "subject_id" | "author_id" | "owner") | ("users", "id" | "ids") => {
            ids::<UserId>()
        }
        (_, "thread_id") | ("threads", "id" | "ids") => ids::<ThreadId>(),
        (_, "service_id") | ("services", "id" | "ids") => ids::<ServiceId>(),
        ("kyc", "id" | "ids") => ids::<AttemptId>(),
        ("jobs", "id" | "ids") => ids::<JobId>(),
        ("reviews", "id" | "ids") => ids::<ReviewId>(),
        ("reports", "id" | "ids") => ids::<CaseId>(),
        ("audit", "seq" | "from") => newest(numbers),
        ("audit", "target") => ids::<UserId>(),
        ("categories", "key" | "parent" | "into") => newest(categories),
        (_, "assigned_to" | "claimed_by" | "actor" | "to") => newest(colleagues),
        ("rules", "id" | "ids") => ids::<RuleId>(),
        ("tokens", "ids") => ids::<TokenId>(),
        ("webhooks", "id" | "ids") => ids::<WebhookId>(),
        ("mail", "id" | "ids") => ids::<MailId>(),
        _ => return general(arg),
    };
    arg.add(completer)
}

/// Returns the words of the line that is being typed.
fn words() -> Vec<String> {
    let words = std::env::args_os().skip_while(|word| word != "--").skip(1);
    words.map(|word| word.to_string_lossy().into_owned()).collect()
}

/// Offers what begins like the word that is being typed.
fn offered(current: &OsStr, all: impl IntoIterator<Item = String>) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    all.into_iter().filter(|one| one.starts_with(&*current)).map(CompletionCandidate::new).collect()
}

fn profiles(current: &OsStr) -> Vec<CompletionCandidate> {
    let names = SettingsFile::open().map(|file| file.settings.profiles.keys().cloned().collect::<Vec<_>>());
    offered(current, names.unwrap_or_default())
}

/// Offers the fields of what the command prints.
fn fields(current: &OsStr) -> Vec<CompletionCandidate> {
    let words = words();
    let noun = |word: &String| schema::Noun::from_str(word, true).ok();
    let Some((at, noun)) = words.iter().enumerate().find_map(|(at, word)| Some((at, noun(word)?))) else {
        return Vec::new();
    };
    let is_whole = words.get(at + 1).is_some_and(|verb| verb == "show");
    offered(current, schema::fields(noun, if is_whole { What::Show } else { What::List }))
}

/// Offers the newest ids, of the system that the line or the profile names.
fn ids<I: Findable>() -> ArgValueCompleter {
    newest(async |api: Connection| {
        let page = I::page(&api, 0, &PageRequest::first(IDS)).await?;
        Ok(page.items.iter().map(ToString::to_string).collect())
    })
}

/// Returns the newest numbers of the audit log.
async fn numbers(api: Connection) -> Result<Vec<String>> {
    let page = ListQuery::new(&AuditFilter::default(), &PageRequest::first(IDS));
    let rows = api.call::<ListAudit>((), page, ()).await?;
    Ok(rows.items.iter().map(|row| row.seq.to_string()).collect())
}

/// Returns the keys of all categories.
async fn categories(api: Connection) -> Result<Vec<String>> {
    Ok(api.call::<ListCategories>((), (), ()).await?.items.iter().map(|row| row.key.to_string()).collect())
}

/// Returns the names by which colleagues are found.
async fn colleagues(api: Connection) -> Result<Vec<String>> {
    let people = people::load(&api).await.into_iter();
    let mut names: Vec<String> =
        people.filter(|(principal, _)| principal.user_id().is_some()).map(|(_, name)| name).collect();
    names.insert(0, "me".into());
    Ok(names)
}

/// Offers what a look at the system that the line or the profile names brings.
fn newest(look: impl AsyncFn(Connection) -> Result<Vec<String>> + Send + Sync + 'static) -> ArgValueCompleter {
    ArgValueCompleter::new(move |current: &OsStr| {
        let newest = async {
            let context = Context::new(globals(&words())).ok()?;
            let api = context.connect().await.ok()?;
            let found = look(api).await.ok()?;
            context.close().await;
            Some(found)
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let found = runtime.ok().and_then(|runtime| {
            let found = runtime.block_on(async { tokio::time::timeout(PATIENCE, newest).await });
            runtime.shutdown_background();
            found.ok().flatten()
        });
        offered(current, found.unwrap_or_default())
    })
}

/// Returns which system a line names.
fn globals(words: &[String]) -> Globals {
    let value = |flag: &str| {
        let at = words
            .iter()
            .position(|word| word == flag || word.strip_prefix(flag).is_some_and(|rest| rest.starts_with('=')))?;
        words.get(at)?.split_once('=').map(|(_, value)| value.to_owned()).or_else(|| words.get(at + 1).cloned())
    };
    Globals {
        db: value("--db"),
        api: value("--api"),
        profile: value("--profile"),
        config: value("--config").map(Into::into),
        quiet: true,
        ..Globals::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever a command takes by an id or a number, a shell can offer.
    #[test]
    fn every_id_is_completed() {
        use clap::CommandFactory;
        let program = completing(crate::commands::Cli::command());
        let mut missing = Vec::new();
        for noun in program.get_subcommands() {
            for verb in noun.get_subcommands() {
                for arg in verb.get_arguments() {
                    let id = arg.get_id().as_str();
                    let is_one = matches!(id, "id" | "ids" | "seq" | "key") || id.ends_with("_id");
                    let is_listed = !NOT_LISTED.contains(&(noun.get_name(), verb.get_name()));
                    if is_one && is_listed && arg.get::<ArgValueCompleter>().is_none() {
                        missing.push(format!("{} {} {id}", noun.get_name(), verb.get_name()));
                    }
                }
            }
        }
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn a_line_names_its_system() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let named = globals(&words("marketplace --profile prod users show --config=a.toml 019a"));
        assert_eq!((named.profile.as_deref(), named.config.is_some()), (Some("prod"), true));
        assert_eq!(globals(&words("marketplace users list --db")).db, None);
        assert_eq!(offered(OsStr::new("us"), ["user.id".into(), "id".into()]).len(), 1);
        assert!(schema::fields(schema::Noun::Users, What::Show).contains(&"restriction.until".to_owned()));
    }
}
