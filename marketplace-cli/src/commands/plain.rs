//! `marketplace tui --plain`: the console line by line, for screen readers and for terminals that can do no more. A line
//! is the name of one of the console's actions, and runs the command of the same name on what is open.

use std::{borrow::Cow, sync::atomic::Ordering, time::Duration};

use futures::future::LocalBoxFuture;
use marketplace_core::{
    accounts::summary::UserSummary,
    audit::AuditRow,
    base::change::Change,
    error::Error,
    ids::AttemptId,
    jobs::model::JobSummary,
    kyc::model::{KycCase, KycFilter, KycSummary},
    messaging::model::ThreadInfo,
    page::PageRequest,
    reviews::model::ReviewSummary,
    staff::{ClaimAttempt, Connection, ReleaseAttempt, ShowAttempt, ShowStats, UndoDecision},
    time::{Clock, SystemClock, Timestamp},
};
use tokio::time::Instant;

use crate::{
    context::{Assent, Context},
    failure::{Failure, Outcome},
    output::{Kind, Row, at, plain, safe, time::relative},
    report::{ErrorStyle, report},
    tui::{Listed, Seek, confirmed_by, parse_filter},
};

/// Rows of a list at a time.
const ROWS: u16 = 20;
/// The least time between two renewals of a claim.
const RENEW: Duration = Duration::from_secs(60);

const HELP: &str = "\
A line is a command:
next: take the next identity check; the one that is open goes behind all others
approve, retry REASON, reject REASON: decide the open identity check, and take the next
undo: take the latest decision back, within 10 seconds
kyc, users, jobs, threads, reviews, audit: list, with a filter such as users status:banned ada
more: the next rows of the list
open NUMBER or ID, or the number alone: open a row
show: what is open, once more
go-user: the account of the person whose identity check is open
reveal: names and contact details in full; audited
outside, outside selfie: open a document in a viewer; audited
read REASON: what the two of the open thread wrote; audited
dashboard: what waits
quit: leave; what is open is given back
Words after an action: its reason, then a text. Any other command of `marketplace` works as well, such as mail list.";

/// How commands of the program are run.
pub(super) struct Program<'a> {
    /// Runs one, from its words.
    pub run: &'a dyn Fn(Vec<String>) -> LocalBoxFuture<'a, Outcome>,
    /// Returns the verbs of a noun, each with what it does.
    pub verbs: &'a dyn Fn(&str) -> Vec<(String, String)>,
}

/// Works through lines until the last one. `orphans` says whether own claims that nobody works on are taken up.
pub(super) async fn run<'a>(context: &'a Context, api: Connection, program: Program<'a>, orphans: bool) -> Outcome {
    let mut desk = Desk {
        context,
        api,
        program,
        place: "kyc",
        rows: Vec::new(),
        more: None,
        subject: None,
        case: None,
        skipped: Vec::new(),
        decided: None,
        renewed: Instant::now(),
        orphans,
    };
    let outcome = tokio::select! {
        outcome = desk.work() => outcome,
        failure = ended() => Err(failure),
    };
    desk.give_back().await;
    outcome
}

/// Returns once the program is to end, whatever is under way.
async fn ended() -> Failure {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::hangup()));
    let (Ok(mut terminate), Ok(mut hang_up)) = signals else { return std::future::pending().await };
    tokio::select! {
        _ = terminate.recv() => Failure::Terminated,
        _ = hang_up.recv() => Failure::Terminated,
    }
}

/// What somebody works with.
struct Desk<'a> {
    context: &'a Context,
    api: Connection,
    program: Program<'a>,
    /// The list that is worked with, as the noun of its commands.
    place: &'static str,
    /// The ids of the rows that were listed.
    rows: Vec<String>,
    /// The filter of the list, and where it goes on.
    more: Option<(String, String)>,
    /// The id of what is open.
    subject: Option<String>,
    case: Option<KycCase>,
    skipped: Vec<AttemptId>,
    /// What was decided last.
    decided: Option<AttemptId>,
    renewed: Instant,
    orphans: bool,
}

const PLACES: [&str; 6] = ["kyc", "users", "jobs", "threads", "reviews", "audit"];

impl Desk<'_> {
    async fn work(&mut self) -> Outcome {
        self.dashboard().await?;
        self.say("next takes the next identity check, help lists the commands")?;
        loop {
            let line = tokio::select! {
                line = self.context.line("> ") => line?,
                _ = tokio::signal::ctrl_c() => None,
            };
            let Some(line) = line else { break };
            let words = words(&line);
            let Some((first, rest)) = words.split_first() else { continue };
            if matches!(first.as_str(), "quit" | "exit") {
                break;
            }
            let outcome = tokio::select! {
                outcome = self.obey(first, rest) => outcome,
                // Of what is under way, such as a list that is watched.
                _ = tokio::signal::ctrl_c() => Err(Failure::Interrupted("stopped".into())),
            };
            self.brief(false);
            match outcome {
                Err(Failure::BrokenPipe) => return Err(Failure::BrokenPipe),
                Err(failure) => {
                    report(&failure, ErrorStyle { json: false, color: false, quiet: false });
                }
                Ok(()) => {}
            }
        }
        Ok(())
    }

    fn say(&self, text: &str) -> Outcome {
        self.context.out.write(format!("{text}\n").as_bytes())
    }

    async fn obey(&mut self, first: &str, rest: &[String]) -> Outcome {
        if let Some(place) = PLACES.iter().find(|place| **place == first) {
            let verb = rest.first().map_or("", String::as_str);
            if !(self.program.verbs)(place).iter().any(|(known, _)| known == verb) {
                self.place = place;
                self.subject = None;
                return self.list(&rest.join(" "), None).await;
            }
        }
        match first {
            "help" => self.help(),
            "dashboard" => self.dashboard().await,
            "next" => self.next().await,
            "more" => match self.more.take() {
                Some((filter, after)) => self.list(&filter, Some(after)).await,
                None => self.say("there is no more"),
            },
            "open" => self.open(rest.first().map_or("", String::as_str)).await,
            "show" => self.show().await,
            number if number.parse::<usize>().is_ok() => self.open(number).await,
            "approve" | "retry" | "reject" if self.place == "kyc" => self.decide(first, rest).await,
            "undo" if self.place == "kyc" => self.undo().await,
            "reveal" => {
                let user = self.person()?;
                self.run(vec!["users".into(), "reveal".into(), user], Assent::Asked).await
            }
            "go-user" => {
                let user = self.person()?;
                self.place = "users";
                self.open(&user).await
            }
            "outside" => {
                let words = vec!["kyc".into(), "open".into(), self.subject("kyc")?];
                self.run([words, rest.to_vec()].concat(), Assent::Asked).await
            }
            "read" => {
                let words = vec!["threads".into(), "messages".into(), self.subject("threads")?];
                self.run([words, arguments("messages", rest)].concat(), Assent::Asked).await
            }
            act if (self.program.verbs)(self.place).iter().any(|(known, _)| known == act) => self.act(act, rest).await,
            // Any other command of the program.
            _ => {
                let words = [vec![first.to_owned()], rest.to_vec()].concat();
                self.run(words, Assent::Asked).await
            }
        }
    }

    async fn run(&self, words: Vec<String>, assent: Assent) -> Outcome {
        if words.iter().any(|word| word == "--stdin") {
            return Err(Failure::usage("here, stdin is what you type", "use --stdin outside of this"));
        }
        self.context.answer_with(assent);
        let outcome = (self.program.run)(words).await;
        self.context.answer_with(Assent::Asked);
        outcome
    }

    /// Settles whether results of changes are printed.
    fn brief(&self, is_brief: bool) {
        if let Some(lines) = self.context.lines.get() {
            lines.is_brief.store(is_brief, Ordering::Relaxed);
        }
    }

    fn help(&self) -> Outcome {
        self.say(HELP)?;
        self.say(&format!("On {}:", self.place))?;
        (self.program.verbs)(self.place).iter().try_for_each(|(verb, about)| self.say(&format!("{verb}: {about}")))
    }

    async fn dashboard(&self) -> Outcome {
        let stats = self.api.call::<ShowStats>((), (), ()).await?;
        let oldest =
            stats.kyc_oldest_at.map_or_else(String::new, |at| format!(", the oldest {}", relative(stats.at, at)));
        self.say(&format!("identity checks waiting: {}{oldest}", stats.kyc_pending.value))?;
        self.say(&format!("flagged reviews: {}", stats.reviews_flagged.value))
    }

    /// Returns the id of what is open in a place.
    fn subject(&self, place: &str) -> Outcome<String> {
        let found = self.subject.clone().filter(|_| self.place == place);
        found.ok_or_else(|| Failure::usage("nothing is open", "open NUMBER opens a row of the list; next takes a case"))
    }

    /// Returns the id of the person whom what is open is about.
    fn person(&self) -> Outcome<String> {
        match &self.case {
            Some(case) if self.place == "kyc" => Ok(case.attempt.user_id.to_string()),
            _ => self.subject("users"),
        }
    }

    async fn list(&mut self, filter: &str, after: Option<String>) -> Outcome {
        match self.place {
            "users" => self.rows_of::<UserSummary>(filter, after).await,
            "jobs" => self.rows_of::<JobSummary>(filter, after).await,
            "threads" => self.rows_of::<ThreadInfo>(filter, after).await,
            "reviews" => self.rows_of::<ReviewSummary>(filter, after).await,
            "audit" => self.rows_of::<AuditRow>(filter, after).await,
            _ => self.rows_of::<KycSummary>(filter, after).await,
        }
    }

    async fn rows_of<T: Listed + Row>(&mut self, filter: &str, after: Option<String>) -> Outcome {
        let typed = if filter.is_empty() { T::DEFAULT } else { filter };
        let parsed = parse_filter::<T::Filter>(typed).map_err(|why| Failure::usage(why, "help lists the commands"))?;
        if after.is_none() {
            self.rows.clear();
        }
        let page = T::list(self.api.clone(), parsed, PageRequest { limit: ROWS, after }).await?;
        if page.items.is_empty() && self.rows.is_empty() {
            self.say("nothing found")?;
        }
        let now = SystemClock.now();
        for row in &page.items {
            self.rows.push(row.id_text());
            let number = self.rows.len();
            self.say(&format!("{number}. {}", sentence(row, now)?))?;
        }
        self.more = page.next.map(|next| (filter.to_owned(), next));
        if self.more.is_some() {
            self.say("there is more: more")?;
        }
        Ok(())
    }

    async fn open(&mut self, named: &str) -> Outcome {
        let listed = named.parse::<usize>().ok().and_then(|number| self.rows.get(number.checked_sub(1)?));
        let id = match listed {
            Some(id) => id.clone(),
            None if named.is_empty() || named.len() < 4 => {
                return Err(Failure::usage(format!("there is no row {named}"), "kyc, users and the like list rows"));
            }
            None => named.to_owned(),
        };
        if self.place != "kyc" {
            let verb = if self.place == "audit" { "list" } else { "show" };
            let words = if verb == "list" {
                vec!["audit".into(), "list".into(), "--target".into(), id.clone()]
            } else {
                vec![self.place.into(), verb.into(), id.clone()]
            };
            self.run(words, Assent::Asked).await?;
            self.subject = Some(id);
            return Ok(());
        }
        let id: AttemptId = id.parse().map_err(|_| Failure::usage("that is no id", "open NUMBER opens a row"))?;
        self.give_back().await;
        let case = match self.api.call::<ClaimAttempt>(id, (), Change::default()).await {
            Ok(claimed) => claimed.item,
            Err(error) => {
                self.say(&format!("not claimed, so it can only be looked at: {error}"))?;
                self.api.call::<ShowAttempt>(id, (), ()).await?
            }
        };
        self.put(case)
    }

    fn put(&mut self, case: KycCase) -> Outcome {
        self.renewed = Instant::now();
        self.place = "kyc";
        self.subject = Some(case.attempt.id.to_string());
        self.context.out.item(&case)?;
        self.case = Some(case);
        Ok(())
    }

    async fn show(&mut self) -> Outcome {
        match (&self.case, &self.subject) {
            (Some(case), Some(_)) if self.place == "kyc" => self.context.out.item(case),
            (_, Some(id)) => {
                let id = id.clone();
                self.open(&id).await
            }
            _ => Err(Failure::usage("nothing is open", "open NUMBER opens a row")),
        }
    }

    async fn next(&mut self) -> Outcome {
        self.place = "kyc";
        if let Some(case) = &self.case {
            self.skipped.retain(|id| *id != case.attempt.id);
            self.skipped.push(case.attempt.id);
        }
        self.give_back().await;
        let seek = Seek {
            filter: KycFilter::default(),
            skipped: self.skipped.clone(),
            held: Vec::new(),
            orphans: self.orphans,
        };
        let next = seek.next(&self.api).await?;
        self.orphans = next.orphan;
        match next.case {
            Some(case) => self.put(case),
            None => self.say("nothing waits"),
        }
    }

    /// Gives the open case back to the queue.
    async fn give_back(&mut self) {
        let Some(case) = self.case.take() else { return };
        self.subject = None;
        if mine(&case).is_some() {
            // If this fails, the claim expires.
            drop(self.api.call::<ReleaseAttempt>(case.attempt.id, (), Change::default()).await);
        }
    }

    async fn decide(&mut self, act: &str, rest: &[String]) -> Outcome {
        let Some(case) = &self.case else {
            return Err(Failure::usage("no identity check is open", "next takes one"));
        };
        let id = case.attempt.id;
        if self.renewed.elapsed() > RENEW {
            self.case = Some(self.api.call::<ClaimAttempt>(id, (), Change::default()).await?.item);
            self.renewed = Instant::now();
        }
        let fence = self
            .case
            .as_ref()
            .and_then(mine)
            .ok_or_else(|| Error::conflict("this case is not yours: open it again", serde_json::json!({})))?;
        let words = vec!["kyc".into(), act.into(), id.to_string(), "--fence".into(), fence.to_string()];
        // Like a key: what can be taken back is not asked about where nothing has to be chosen.
        let assent = if act == "approve" { Assent::Given } else { Assent::Asked };
        let arguments = arguments(act, rest);
        // What was decided has just been read; what would be is worth reading.
        let is_dry = arguments.iter().any(|word| word == "--dry-run");
        self.brief(!is_dry);
        self.run([words, arguments].concat(), assent).await?;
        if is_dry {
            return Ok(());
        }
        self.case = None;
        self.decided = Some(id);
        self.say(&format!("{act}: done; undo takes it back, within 10 seconds"))?;
        self.next().await
    }

    async fn undo(&mut self) -> Outcome {
        let Some(id) = self.decided.take() else { return self.say("nothing to undo") };
        let undone = self.api.call::<UndoDecision>(id, (), Change::default()).await?;
        self.give_back().await;
        self.put(undone.item)
    }

    async fn act(&mut self, act: &str, rest: &[String]) -> Outcome {
        let mut words = vec![self.place.to_owned(), act.to_owned()];
        // Messages have ids of their own; what makes something new needs none.
        if !matches!(act, "remove-message" | "create" | "list" | "tail" | "verify") {
            words.push(self.subject(self.place)?);
        }
        let assent = confirmed_by(act).map_or(Assent::Asked, |word| Assent::Word(word.to_owned()));
        self.run([words, arguments(act, rest)].concat(), assent).await
    }
}

/// Returns the fencing number of an own claim.
fn mine(case: &KycCase) -> Option<i64> {
    case.attempt.claim.as_ref().filter(|claim| claim.mine).map(|claim| claim.fence)
}

/// Returns the words after an action as flags of its command: a reason, then a text.
fn arguments(act: &str, words: &[String]) -> Vec<String> {
    let flags = words.iter().position(|word| word.starts_with('-')).unwrap_or(words.len());
    let (bare, flags) = words.split_at(flags);
    let all = bare.join(" ");
    let mut out = Vec::new();
    let mut add = |flag: &str, value: &str| {
        if !value.is_empty() {
            out.extend([flag.to_owned(), value.to_owned()]);
        }
    };
    match (act, bare.split_first()) {
        (_, None) => {}
        ("remove-message", Some((id, rest))) => {
            add("--reason", rest.first().map_or("", String::as_str));
            out.insert(0, id.clone());
        }
        ("approve" | "unfreeze" | "unban" | "finalize" | "reopen" | "dismiss" | "restore", _) => add("--note", &all),
        ("note", _) => out.push(all),
        ("notice", _) => add("--content", &all),
        (_, Some((first, rest))) => {
            let flag = match act {
                "role" => "--role",
                "reset-totp" => "--proof",
                "export" => "--out",
                _ => "--reason",
            };
            add(flag, first);
            let text = rest.join(" ");
            add(if matches!(act, "retry" | "reject" | "revoke") { "--comment" } else { "--note" }, &text);
        }
    }
    out.extend_from_slice(flags);
    out
}

/// Returns a row in one line: each of its columns by name.
fn sentence<T: Row>(row: &T, now: Timestamp) -> Outcome<String> {
    let value = serde_json::to_value(row).map_err(|error| Failure::Other(error.into()))?;
    let mut parts = Vec::new();
    for column in T::COLUMNS.iter().filter(|column| column.kind != Kind::Id) {
        let text = plain(at(&value, column.path));
        if text.is_empty() {
            continue;
        }
        let text = match text.parse::<Timestamp>() {
            Ok(time) if column.kind == Kind::Time => Cow::Owned(relative(now, time)),
            _ => safe::line(&text),
        };
        parts.push(format!("{} {text}", column.head.to_lowercase()));
    }
    Ok(parts.join(", "))
}

/// Returns the words of a line; what is between quotes is one.
fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let (mut quote, mut open) = (None, false);
    for c in line.chars() {
        match quote {
            Some(end) if c == end => quote = None,
            None if c == '"' || (c == '\'' && !open) => {
                quote = Some(c);
                if !open {
                    words.push(String::new());
                    open = true;
                }
            }
            None if c.is_whitespace() => open = false,
            _ => {
                if !open {
                    words.push(String::new());
                    open = true;
                }
                if let Some(word) = words.last_mut() {
                    word.push(c);
                }
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_words_and_words_are_flags() {
        assert_eq!(words("reject  'too old' \"a b\"c it's"), ["reject", "too old", "a bc", "it's"]);
        let of = |line: &str| {
            let words = words(line);
            arguments(&words[0], &words[1..]).join("|")
        };
        assert_eq!(
            of("reject document_expired look again --dry-run"),
            "--reason|document_expired|--comment|look again|--dry-run"
        );
        assert_eq!(of("approve looks fine"), "--note|looks fine");
        assert_eq!(of("note called them"), "called them");
        assert_eq!(of("role support"), "--role|support");
        assert_eq!(of("remove-message 7c1e7b2a spam"), "7c1e7b2a|--reason|spam");
        assert_eq!(of("freeze"), "");
    }
}
