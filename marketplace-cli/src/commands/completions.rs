//! `marketplace completions`: what a shell offers, from the program itself.

use std::{ffi::OsStr, process::ExitCode, str::FromStr, time::Duration};

use clap::{Arg, Command, ValueEnum};
use clap_complete::{
    CompleteEnv, Shell,
    engine::{ArgValueCompleter, CompletionCandidate},
    env::Shells,
};
use futures::future::join_all;
use marketplace_core::{
    audit::AuditFilter,
    error::{Error, Result},
    ids::{AttemptId, CaseId, JobId, MailId, ReviewId, RuleId, ServiceId, ThreadId, TokenId, UserId, WebhookId},
    page::PageRequest,
    reports::model::ReportTarget,
    staff::{
        Connection, ListAudit, ListCategories, ListDeliveries, ListQuery, ListUserSessions, ShowReport, ShowService,
    },
    users::model::SessionFilter,
    webhooks::model::DeliveryFilter,
};

use super::schema::{self, What};
use crate::{args::Globals, context::Context, failure::Outcome, find::Findable, people, profile::SettingsFile};

/// The variable with which a shell asks.
const ASKS: &str = "MARKETPLACE_COMPLETE";
/// Ids that are offered, the newest ones.
const IDS: u16 = 50;
/// Services whose photos are offered, the newest ones.
const SERVICES: u16 = 20;
/// Verbs whose ids are in no list that is looked at here: messages, of which each look is on record, and what is new.
const NOT_LISTED: [(&str, &str); 2] = [("threads", "remove-message"), ("categories", "create")];
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
        ("auth", "id") => own_sessions(),
        ("users", "end") => newest(sessions),
        ("services", "id" | "ids") if matches!(verb, "photo" | "remove-photo") => newest(photos),
        ("reports", "photo") => newest(photos),
        ("webhooks", "delivery") => newest(deliveries),
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

/// Returns the ids of photos: of the service, or of the reported one, that the line names, else of the newest services.
async fn photos(api: Connection) -> Result<Vec<String>> {
    let words = words();
    let named = value(&words, "--service-id").or_else(|| value(&words, "--service"));
    let services = match named.and_then(|id| id.parse().ok()) {
        Some(service) => vec![service],
        None if words.iter().any(|word| word == "reports") => reported(&api, &words).await?,
        None => ServiceId::page(&api, 0, &PageRequest::first(SERVICES)).await?.items,
    };
    let found = join_all(services.into_iter().map(|id| api.call::<ShowService>(id, (), ()))).await;
    let photos = found.into_iter().flatten().flat_map(|service| service.photos);
    Ok(photos.map(|photo| photo.id.to_string()).collect())
}

/// Returns the service that the case is about that a line names.
async fn reported(api: &Connection, words: &[String]) -> Result<Vec<ServiceId>> {
    let Some(case) = first_id::<CaseId>(words) else { return Ok(Vec::new()) };
    let about = api.call::<ShowReport>(case, (), ()).await?.case;
    let service = (about.target_kind == ReportTarget::Service).then_some(ServiceId(about.target_id));
    Ok(service.into_iter().collect())
}

/// Returns the newest deliveries of the webhook that the line names.
async fn deliveries(api: Connection) -> Result<Vec<String>> {
    let Some(webhook) = first_id(&words()) else { return Ok(Vec::new()) };
    let page = ListQuery::new(&DeliveryFilter::default(), &PageRequest::first(IDS));
    let rows = api.call::<ListDeliveries>(webhook, page, ()).await?;
    Ok(rows.items.iter().map(|row| row.id.to_string()).collect())
}

/// Returns the newest sessions of the user whom the line names.
async fn sessions(api: Connection) -> Result<Vec<String>> {
    let Some(user) = first_id(&words()) else { return Ok(Vec::new()) };
    let page = ListQuery::new(&SessionFilter::default(), &PageRequest::first(IDS));
    let rows = api.call::<ListUserSessions>(user, page, ()).await?;
    Ok(rows.items.iter().map(|row| row.id.to_string()).collect())
}

/// Offers the caller's own sessions.
fn own_sessions() -> ArgValueCompleter {
    looked_up(async |context: &Context| {
        let remote = super::auth::server(context).ok()?.remote().ok()?;
        let rows = remote.sessions(&PageRequest::first(IDS)).await.ok()?;
        Some(rows.items.iter().map(|row| row.id.to_string()).collect())
    })
}

/// Offers what a look at the system that the line or the profile names brings.
fn newest(look: impl AsyncFn(Connection) -> Result<Vec<String>> + Send + Sync + 'static) -> ArgValueCompleter {
    looked_up(async move |context: &Context| {
        let api = context.connect().await.ok()?;
        look(api).await.ok()
    })
}

fn looked_up(look: impl AsyncFn(&Context) -> Option<Vec<String>> + Send + Sync + 'static) -> ArgValueCompleter {
    ArgValueCompleter::new(move |current: &OsStr| {
        let newest = async {
            let context = Context::new(globals(&words())).ok()?;
            let found = look(&context).await?;
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

/// Returns the first whole id that a line has for itself: the one of what the command is about.
fn first_id<I: FromStr>(words: &[String]) -> Option<I> {
    words.iter().find_map(|word| word.parse().ok())
}

/// Returns the value that a line gives an option.
fn value(words: &[String], flag: &str) -> Option<String> {
    let is_it = |word: &String| word == flag || word.strip_prefix(flag).is_some_and(|rest| rest.starts_with('='));
    let at = words.iter().position(is_it)?;
    words.get(at)?.split_once('=').map(|(_, value)| value.to_owned()).or_else(|| words.get(at + 1).cloned())
}

/// Returns which system a line names.
fn globals(words: &[String]) -> Globals {
    let value = |flag: &str| value(words, flag);
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
        /// Adds the arguments of a command, and of those below it, that stand for an id and complete nothing.
        fn look(command: &Command, path: &[&str], missing: &mut Vec<String>) {
            let is_listed = !matches!(path, [noun, verb] if NOT_LISTED.contains(&(*noun, *verb)));
            for arg in command.get_arguments().filter(|_| is_listed) {
                let id = arg.get_id().as_str();
                let is_named = matches!(id, "id" | "ids" | "seq" | "key" | "end" | "delivery") || id.ends_with("_id");
                let is_called = arg.get_value_names().is_some_and(|names| names.iter().any(|name| name == "ID"));
                if (is_named || is_called) && arg.get::<ArgValueCompleter>().is_none() {
                    missing.push(format!("{} {id}", path.join(" ")));
                }
            }
            for below in command.get_subcommands() {
                look(below, &[path, &[below.get_name()]].concat(), missing);
            }
        }
        let mut missing = Vec::new();
        look(&completing(crate::commands::Cli::command()), &[], &mut missing);
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn a_line_names_what_it_is_about() {
        let line = "marketplace services remove-photo --service-id=019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d \
                    019a8f3e-0000-7b2a-9d55-0c4f6a1b2c3d";
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        assert_eq!(value(&words, "--service-id").unwrap(), "019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d");
        assert_eq!(value(&words, "--service"), None);
        let first = first_id::<CaseId>(&words).unwrap();
        assert_eq!(first.to_string(), "019a8f3e-0000-7b2a-9d55-0c4f6a1b2c3d");
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
