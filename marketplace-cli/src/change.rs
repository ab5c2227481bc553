//! Changes: confirmation, single items and batches, and the result line for each item.

use std::{
    collections::HashSet,
    io::{BufRead, IsTerminal, Read},
    str::FromStr,
    sync::atomic::Ordering,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use marketplace_core::{
    accounts::summary::UserSummary,
    base::change::{Change, Changed},
    error::{Error, ErrorCode},
    ids::{
        AttemptId, CaseId, JobId, MailId, MessageId, PhotoId, ReviewId, RuleId, ServiceId, ThreadId, TokenId, UserId,
        WebhookId,
    },
    jobs::model::JobSummary,
    kyc::model::KycSummary,
    mail::model::MailSummary,
    messaging::model::{StaffMessage, ThreadInfo},
    reports::model::ReportSummary,
    reviews::model::ReviewSummary,
    rules::model::Rule,
    services::model::{Photo, ServiceSummary},
    staff::Connection,
    tokens::model::ApiToken,
    webhooks::model::Webhook,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    args::{BatchArgs, ChangeArgs, Format, VersionedArgs},
    connect::Target,
    context::{Assent, Context},
    failure::{Failure, Outcome},
    find::{Findable, Ref, reference},
    output::{Card, Column, Kind, Row, Tone, View, safe},
};

/// Upper limit of the bytes of one line of a batch; an id, a note and a comment need far less.
const MAX_LINE: u64 = 64 * 1024;
/// How often an item is tried while the other side is busy.
const TRIES: u32 = 5;
/// After so many items in a row that were refused for the moment, however often they were tried, a batch goes no further.
const MOST_REFUSALS: u32 = 3;
/// Upper limit of the wait for the other side between two tries.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// How much confirmation a change needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Care {
    /// Easily reversed (a claim, a note): a person at a terminal is not asked.
    Light,
    /// A person is asked.
    Ask,
}

/// The values that a line of a batch may give for its item; `R` is the kind of reason that the change accepts.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, bound(deserialize = "R: Deserialize<'de>"))]
pub struct Line<R = NoReason> {
    reason: Option<R>,
    note: Option<String>,
    if_version: Option<i64>,
}

/// The reason type of a change that accepts none.
#[derive(Debug, Clone, Copy, Deserialize)]
pub enum NoReason {}

/// An id that a batch takes: alone, or in a whole row of the list that shows it.
pub trait BatchId: Findable {
    /// What several of them are.
    const SEVERAL: &'static str;
    /// The row of the list.
    type Listed: DeserializeOwned;
}

macro_rules! batch_ids {
    ($($id:ty = $listed:ty, $noun:literal;)*) => {$(
        impl BatchId for $id {
            const SEVERAL: &'static str = $noun;
            type Listed = $listed;
        }
    )*};
}

batch_ids! {
    AttemptId = KycSummary, "identity checks";
    UserId = UserSummary, "users";
    JobId = JobSummary, "jobs";
    ThreadId = ThreadInfo, "threads";
    MessageId = StaffMessage, "messages";
    ReviewId = ReviewSummary, "reviews";
    CaseId = ReportSummary, "reports";
    ServiceId = ServiceSummary, "services";
    PhotoId = Photo, "photos";
    RuleId = Rule, "rules";
    TokenId = ApiToken, "tokens";
    MailId = MailSummary, "mails";
    WebhookId = Webhook, "webhooks";
}

impl<R> Default for Line<R> {
    fn default() -> Self {
        Self { reason: None, note: None, if_version: None }
    }
}

impl<R: Copy> Line<R> {
    /// Returns the change, from the flags unless the line overrides them.
    pub fn change(&self, how: &VersionedArgs) -> Change {
        how.with(self.note.as_ref(), self.if_version)
    }

    /// Returns the reason, from the flag unless the line has one.
    pub fn reason(&self, flag: Option<R>) -> Outcome<R> {
        self.reason.or(flag).ok_or_else(|| Failure::usage("the reason is missing", "add --reason CODE"))
    }
}

impl VersionedArgs {
    /// Returns the change with the overrides of a line of a batch.
    pub fn with(&self, note: Option<&String>, if_version: Option<i64>) -> Change {
        Change {
            note: note.or(self.change.note.as_ref()).cloned(),
            dry_run: self.change.dry_run,
            if_version: if_version.or(self.if_version),
            ..Change::default()
        }
    }
}

impl Context {
    /// Connects, after checking that the change may be made and that its result can be printed.
    pub async fn connect_to_change<T: Row>(&self, batch: &BatchArgs, change: &ChangeArgs) -> Outcome<Connection> {
        if batch.stdin || batch.ids.len() > 1 {
            self.out.check::<ItemResult>()?;
        } else {
            self.check_change::<Changed<T>>(change)?;
        }
        self.require_consent(change)?;
        self.connect().await
    }

    /// Refuses fields that the result of a change never has.
    pub fn check_change<T: Row>(&self, change: &ChangeArgs) -> Outcome {
        if change.dry_run { self.out.check::<Preview<'_, T>>() } else { self.out.check::<T>() }
    }

    /// Prints the result of a change, which a dry run marks; of a dry run, which did nothing, no id.
    ///
    /// # Errors
    /// An error that says that it is done, where only its result cannot be printed.
    pub fn print_change<T: Row>(&self, result: &T, change: &ChangeArgs) -> Outcome {
        if !change.dry_run {
            if self.lines.get().is_some_and(|lines| lines.is_brief.load(Ordering::Relaxed)) {
                return Ok(());
            }
            return self.out.item(result).map_err(|failure| self.done(failure));
        }
        self.out.note("dry run: nothing was changed");
        if self.out.format == Format::Id {
            return Ok(());
        }
        self.out.item(&Preview { dry_run: true, would_be: result })
    }

    /// Returns the failure to print the result of what is done.
    fn done(&self, failure: Failure) -> Failure {
        match failure {
            Failure::Interrupted(_) => {
                Failure::Interrupted("interrupted; the change is done, and its result was not printed".into())
            }
            Failure::BrokenPipe | Failure::Terminated => {
                self.out.note("the change is done, and nobody reads its result");
                failure
            }
            failure => {
                Failure::Other(anyhow::anyhow!("the change is done, but its result cannot be printed: {failure}"))
            }
        }
    }

    /// Returns the id that is meant.
    async fn found<I: Findable>(&self, named: &Ref<I>) -> Outcome<I> {
        match self.connection.get() {
            Some(api) => named.find(api).await,
            None => named.find(&self.connect().await?).await,
        }
    }

    /// Returns the reason that was given; asks a person for it before anything else, where there is none.
    pub async fn reason<R: FromStr<Err = String>>(
        &self,
        given: Option<R>,
        names: &'static [&'static str],
        change: &ChangeArgs,
    ) -> Outcome<Option<R>> {
        if given.is_some() || change.yes || !self.can_ask() {
            return Ok(given);
        }
        if self.lines.get().is_some() {
            let chosen = self.line(&format!("Why? {}: ", names.join(", "))).await?.unwrap_or_default();
            return chosen.trim().parse().map(Some).map_err(|error| Failure::usage(error, "write one of these words"));
        }
        let chosen = prompt(move || inquire::Select::new("Why?", names.to_vec()).prompt()).await?;
        chosen.parse().map(Some).map_err(|error| Failure::usage(error, "add --reason CODE"))
    }

    /// Refuses a change that nobody confirmed when nobody can be asked. Call it before anything is opened.
    pub fn require_consent(&self, change: &ChangeArgs) -> Outcome {
        if change.yes || change.dry_run || self.can_ask() {
            return Ok(());
        }
        Err(Failure::usage(
            "this changes things, and there is no terminal to ask on",
            "add --yes to go ahead, or --dry-run to see what would happen",
        ))
    }

    /// Asks a person, unless `--yes` or `--dry-run` was given.
    pub async fn confirm(&self, question: &str, change: &ChangeArgs, care: Care) -> Outcome {
        self.require_consent(change)?;
        if change.yes || change.dry_run || care == Care::Light {
            return Ok(());
        }
        let system = Target::resolve(&self.globals)?.system;
        let question = safe::line(&format!("on {system}: {question}")).to_string();
        if let Some(lines) = self.lines.get() {
            let word = match lines.take_assent() {
                Assent::Given => return Ok(()),
                Assent::Asked => "yes".to_owned(),
                Assent::Word(word) => word,
            };
            let answer = self.line(&format!("{question} {word} confirms it: ")).await?.unwrap_or_default();
            return if answer.trim() == word { Ok(()) } else { Err(unconfirmed()) };
        }
        if prompt(move || inquire::Confirm::new(&question).with_default(false).prompt()).await? {
            Ok(())
        } else {
            Err(unconfirmed())
        }
    }

    fn can_ask(&self) -> bool {
        self.lines.get().is_some() || can_ask()
    }

    /// Changes one item, and prints the item; or changes many, and prints one result line for each.
    ///
    /// `describe` names one item for the question, `apply` changes it. `O` is what a line of a batch may override.
    pub async fn change<I, O, T>(
        &self,
        verb: &str,
        batch: &BatchArgs,
        change: &ChangeArgs,
        care: Care,
        describe: impl AsyncFn(I) -> Outcome<String>,
        apply: impl AsyncFn(I, O) -> Outcome<Changed<T>>,
    ) -> Outcome
    where
        I: BatchId,
        O: DeserializeOwned + Default,
        T: Row,
    {
        if let ([id], false) = (batch.ids.as_slice(), batch.stdin) {
            let id = self.found(&parse_id::<I>(id)?).await?;
            let asks = care == Care::Ask && !change.yes && !change.dry_run;
            let what = if asks { describe(id).await? } else { String::new() };
            self.confirm(&format!("{verb} {what}?"), change, care).await?;
            let changed = apply(id, O::default()).await?;
            return self.print_change(&changed, change);
        }
        let noun = I::SEVERAL;
        let many = if batch.stdin { format!("all {noun} on stdin") } else { format!("{} {noun}", batch.ids.len()) };
        self.confirm(&format!("{verb} {many}?"), change, care).await?;
        self.batch(batch, change, apply).await
    }

    async fn batch<I, O, T>(
        &self,
        batch: &BatchArgs,
        change: &ChangeArgs,
        apply: impl AsyncFn(I, O) -> Outcome<Changed<T>>,
    ) -> Outcome
    where
        I: BatchId,
        O: DeserializeOwned + Default,
        T: Row,
    {
        let name = |line: &str| parse_line::<I, O>(line).0;
        self.run_batch(batch, change, name, async |line: &str| self.one(line, &apply).await).await
    }

    /// Runs a batch, of whatever its lines are, and prints one result line for each. `name` returns what a line is about, and
    /// `run` does it, and returns the id of what it was done to.
    pub async fn run_batch(
        &self,
        batch: &BatchArgs,
        change: &ChangeArgs,
        name: impl Fn(&str) -> String,
        run: impl AsyncFn(&str) -> (String, Outcome<bool>),
    ) -> Outcome {
        self.interrupt.finish_steps();
        let mut items = lines(batch);
        let mut list = self.out.list::<ItemResult>();
        let mut tally = Tally { is_dry: change.dry_run, ..Tally::default() };
        let dry = if change.dry_run { " (dry run: nothing was changed)" } else { "" };
        let (mut unprinted, mut refusals) = (0_u64, 0);
        let mut foreseen = HashSet::new();
        let bar = self.bar(batch);
        let stopped = loop {
            let line = tokio::select! {
                biased;
                () = self.interrupt.wait() => break Some(Stop::Interrupted),
                line = items.recv() => line,
            };
            let Some(line) = line else { break None };
            let (id, mut outcome) = match &line {
                // What a dry run does not keep, the same line later on does not find done.
                Ok(line) if change.dry_run && !foreseen.insert(line.text.clone()) => (name(&line.text), Ok(false)),
                Ok(line) => run(&line.text).await,
                Err(_) => (String::new(), Ok(false)),
            };
            let number = match line {
                Ok(line) => line.number,
                Err(failure) => {
                    outcome = Err(failure);
                    None
                }
            };
            let result = ItemResult::new(id, number, change.dry_run, &outcome);
            tally.count(&outcome);
            if self.out.format == Format::Id && outcome.is_err() {
                // Ids on stdout are for the next program, which is not to go on with what failed.
                bar.suspend(|| self.out.note(&result.failed()));
            }
            let is_hidden = self.out.format == Format::Id && (outcome.is_err() || change.dry_run);
            let shown = if is_hidden { &[][..] } else { std::slice::from_ref(&result) };
            match bar.suspend(|| list.page(shown)) {
                // A change whose result cannot be printed is not made: the rest of the batch is left unchanged, and an
                // error says so.
                Err(Failure::BrokenPipe) => {
                    let text = format!("nobody reads the results; stopped after {tally}");
                    return Err(Failure::Other(anyhow::anyhow!(text)));
                }
                Err(failure @ Failure::Usage { .. }) if self.out.transforms() => {
                    unprinted += 1;
                    bar.suspend(|| self.out.warn(&result.unprinted(&failure)));
                }
                Err(failure) => {
                    bar.finish_and_clear();
                    let left = match (batch.ids.len() as u64).checked_sub(tally.total()) {
                        Some(left) if !batch.stdin => format!("{left} not tried"),
                        _ => "the rest of stdin not tried".to_owned(),
                    };
                    return Err(self.unwritten(failure, &format!("{tally}{dry}, {left}")));
                }
                Ok(()) => {}
            }
            bar.inc(1);
            bar.set_message(tally.to_string());
            refusals =
                if matches!(&outcome, Err(Failure::Core(error)) if is_passing(error)) { refusals + 1 } else { 0 };
            match outcome {
                // Every other item would meet the same.
                Err(Failure::Core(error)) if is_everybodys(&error) || refusals >= MOST_REFUSALS => {
                    break Some(Stop::Ended(error));
                }
                Err(_) if !batch.continue_on_error => break Some(Stop::Failed),
                _ => {}
            }
        };
        bar.finish_and_clear();
        list.page(&[])
            .and_then(|()| list.finish())
            .map_err(|failure| self.unwritten(failure, &format!("{tally}{dry}")))?;
        match stopped {
            Some(Stop::Ended(error)) => Err(Failure::Stopped { error, done: format!("{tally}{dry}") }),
            Some(Stop::Interrupted) => Err(Failure::Interrupted(format!("stopped after {tally}{dry}"))),
            Some(Stop::Failed) if !batch.continue_on_error => {
                Err(Failure::Batch(format!("stopped at the first failure: {tally}{dry}; --continue-on-error goes on")))
            }
            _ if unprinted > 0 => Err(Failure::Batch(format!("{tally}{dry}; {unprinted} of the results not printed"))),
            _ if tally.failed > 0 => Err(Failure::Batch(format!("{tally}{dry}"))),
            _ => {
                self.out.note(&format!("{tally}{dry}"));
                Ok(())
            }
        }
    }

    /// Returns the failure to print the results of a batch, with what was done.
    fn unwritten(&self, failure: Failure, done: &str) -> Failure {
        match failure {
            Failure::Interrupted(_) | Failure::BrokenPipe => Failure::Interrupted(format!("stopped after {done}")),
            Failure::Terminated => {
                self.out.warn(&format!("stopped after {done}"));
                Failure::Terminated
            }
            Failure::Usage { .. } => Failure::Batch(format!("{done}; the results not printed: {failure}")),
            failure => {
                Failure::Other(anyhow::anyhow!("the results cannot be printed: {failure}; stopped after {done}"))
            }
        }
    }

    /// Changes one item; retries while the other side is busy.
    async fn one<I, O, T>(
        &self,
        line: &str,
        apply: &impl AsyncFn(I, O) -> Outcome<Changed<T>>,
    ) -> (String, Outcome<bool>)
    where
        I: BatchId,
        O: DeserializeOwned + Default,
    {
        let mut tries = 0;
        loop {
            let (text, parsed) = parse_line::<I, O>(line);
            let (id, overrides) = match parsed {
                Ok(parsed) => parsed,
                Err(failure) => return (text, Err(failure)),
            };
            let id = match self.found(&id).await {
                Ok(id) => id,
                Err(failure) => return (text, Err(failure)),
            };
            tries += 1;
            let wait = match apply(id, overrides).await {
                Ok(changed) => return (text, Ok(changed.changed)),
                Err(Failure::Core(error)) if is_passing(&error) && tries < TRIES => {
                    error.retry_after_hint().unwrap_or(Duration::from_secs(1)).min(MAX_WAIT)
                }
                Err(failure) => return (text, Err(failure)),
            };
            tokio::select! {
                () = self.interrupt.wait() => return (text, Err(Failure::Interrupted("stopped while waiting".into()))),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn bar(&self, batch: &BatchArgs) -> ProgressBar {
        if !self.out.shows_progress() {
            return ProgressBar::hidden();
        }
        if batch.stdin {
            let style = ProgressStyle::with_template("{spinner} {pos} done · {per_sec} · {msg}");
            ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
        } else {
            let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} · {eta} · {msg}");
            ProgressBar::new(batch.ids.len() as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        }
    }
}

enum Stop {
    Interrupted,
    Failed,
    /// What ended it concerns every item.
    Ended(Error),
}

/// Returns whether an error has nothing to do with the item that met it.
fn is_everybodys(error: &Error) -> bool {
    matches!(error.code(), ErrorCode::Unauthenticated | ErrorCode::Unavailable)
}

/// Returns whether the same call may succeed after a while.
fn is_passing(error: &Error) -> bool {
    let is_waiting = error.code() == ErrorCode::Conflict && error.retry_after_hint().is_some();
    is_waiting || (error.code().retryable() && !is_everybodys(error))
}

fn unconfirmed() -> Failure {
    Failure::Interrupted("not confirmed; nothing was changed".into())
}

/// Returns whether there is a person to ask.
pub fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Prompts on a separate thread, so that signals are handled meanwhile: a prompt whose terminal has gone away never
/// ends.
pub async fn prompt<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, inquire::InquireError> + Send + 'static,
) -> Outcome<T> {
    /// Restores the terminal, also when a signal ends the program in the middle of the question.
    struct Cooked;
    impl Drop for Cooked {
        fn drop(&mut self) {
            // There is nothing left to restore when the terminal is gone.
            let _ = crossterm::terminal::disable_raw_mode();
        }
    }
    let _cooked = Cooked;
    Ok(tokio::task::spawn_blocking(ask).await.map_err(Error::internal)??)
}

fn parse_id<I: Findable>(text: &str) -> Outcome<Ref<I>> {
    reference(text).map_err(|reason| Failure::Core(Error::invalid("/id", format!("`{text}` is {reason}"))))
}

/// A row of the results of an earlier batch.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EarlierResult {
    result: String,
    #[serde(default, rename = "line")]
    _line: Option<u64>,
    #[serde(default, rename = "dry_run")]
    _dry_run: bool,
    #[serde(default, rename = "error")]
    _error: Option<Value>,
}

/// Parses an id, or a JSON object: `id` and overrides, a whole row of a list, or a result of an earlier batch. Of rows only
/// the id is taken, whatever else they say. Returns the id as text too, for the result line.
fn parse_line<I: BatchId, O: DeserializeOwned + Default>(line: &str) -> (String, Outcome<(Ref<I>, O)>) {
    if !line.starts_with('{') {
        let id = line.trim_matches('"').to_owned();
        let parsed = parse_id(&id).map(|parsed| (parsed, O::default()));
        return (id, parsed);
    }
    let mut object: Map<String, Value> = match serde_json::from_str(line) {
        Ok(object) => object,
        Err(error) => return (String::new(), Err(Error::invalid("/", format!("is not JSON: {error}")).into())),
    };
    let Some(Value::String(id)) = object.get("id").cloned() else {
        return (String::new(), Err(Error::invalid("/id", "is missing").into()));
    };
    let is_row = I::Listed::deserialize(Value::Object(object.clone())).is_ok();
    object.remove("id");
    let parsed = parse_id(&id).and_then(|parsed| {
        if is_row {
            return Ok((parsed, O::default()));
        }
        let object = Value::Object(object);
        let error = match O::deserialize(object.clone()) {
            Ok(overrides) => return Ok((parsed, overrides)),
            Err(error) => error,
        };
        match EarlierResult::deserialize(object) {
            Ok(earlier) if earlier.result == "failed" => {
                Err(Error::invalid("/id", "failed in the batch before").into())
            }
            Ok(_) => Ok((parsed, O::default())),
            Err(_) => Err(Error::invalid(
                "/",
                format!("{}; a row of {} is taken whole, or its id alone: -o id", error.to_string().trim(), I::SEVERAL),
            )
            .into()),
        }
    });
    (id, parsed)
}

/// An item of a batch, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    text: String,
    /// The number of its line on stdin, from 1.
    number: Option<u64>,
}

/// Reads the items on a separate thread, so that Ctrl-C works while stdin is silent.
fn lines(batch: &BatchArgs) -> tokio::sync::mpsc::Receiver<Outcome<Item>> {
    let (sender, receiver) = tokio::sync::mpsc::channel(64);
    let ids = (!batch.stdin).then(|| batch.ids.clone());
    std::thread::spawn(move || match ids {
        Some(ids) => drop(
            ids.into_iter().try_for_each(|text| sender.blocking_send(Ok(Item { text, number: None })).map_err(drop)),
        ),
        None => read_lines(&mut std::io::stdin().lock(), |line| sender.blocking_send(line).is_ok()),
    });
    receiver
}

/// Passes every line that is neither blank nor a comment (`# …`) to `take`, holding only one at a time. Stops when `take`
/// returns false.
fn read_lines(from: &mut impl BufRead, mut take: impl FnMut(Outcome<Item>) -> bool) {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        match from.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => {
                take(Err(error.into()));
                return;
            }
        }
        if line.len() as u64 == MAX_LINE && !line.ends_with(b"\n") {
            take(Err(Error::too_large(&format!("line {number} of the batch"), MAX_LINE).into()));
            return;
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_start_matches('\u{feff}').trim();
        // In JSON a `#` may be part of a text.
        let text = if text.starts_with('{') { text } else { text.split('#').next().unwrap_or_default().trim_end() };
        if !text.is_empty() && !take(Ok(Item { text: text.to_owned(), number: Some(number) })) {
            return;
        }
    }
}

#[derive(Debug, Default)]
struct Tally {
    changed: u64,
    unchanged: u64,
    failed: u64,
    is_dry: bool,
}

impl Tally {
    fn total(&self) -> u64 {
        self.changed + self.unchanged + self.failed
    }

    fn count(&mut self, outcome: &Outcome<bool>) {
        match outcome {
            Ok(true) => self.changed += 1,
            Ok(false) => self.unchanged += 1,
            Err(_) => self.failed += 1,
        }
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { changed, unchanged, failed, is_dry } = self;
        let would = if *is_dry { "would change" } else { "changed" };
        write!(f, "{changed} {would}, {unchanged} unchanged, {failed} failed")
    }
}

/// The result for one item of a batch.
#[derive(Debug, Serialize)]
pub struct ItemResult {
    id: String,
    result: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ItemError>,
}

#[derive(Debug, Serialize)]
struct ItemError {
    code: &'static str,
    message: String,
}

impl ItemResult {
    fn new(id: String, line: Option<u64>, dry_run: bool, outcome: &Outcome<bool>) -> Self {
        let (result, error) = match outcome {
            Ok(true) if dry_run => ("would_change", None),
            Ok(true) => ("changed", None),
            Ok(false) => ("unchanged", None),
            Err(failure) => (
                "failed",
                Some(ItemError { code: failure.code(), message: safe::line(&failure.to_string()).into_owned() }),
            ),
        };
        // The line says where to look, which is only needed where something is wrong.
        Self { id, result, dry_run, line: line.filter(|_| error.is_some()), error }
    }

    /// Returns what became of an item whose result cannot be printed, for people.
    fn unprinted(&self, failure: &Failure) -> String {
        format!("error: {} is {}, but its result cannot be printed: {failure}", self.id, self.result)
    }

    /// Returns what became of an item that failed, for people.
    fn failed(&self) -> String {
        let place = self.line.map(|line| format!("line {line}: ")).unwrap_or_default();
        let message = self.error.as_ref().map_or("", |error| error.message.as_str());
        format!("failed: {place}{} {message}", self.id)
    }
}

/// What a change would do; its first field says that it is not done.
#[derive(Debug, Serialize)]
pub struct Preview<'a, T> {
    dry_run: bool,
    #[serde(flatten)]
    would_be: &'a T,
}

impl<T: Row> Row for Preview<'_, T> {
    const COLUMNS: &'static [Column] = T::COLUMNS;
    const HAS_PEOPLE: bool = T::HAS_PEOPLE;
    fn id() -> String {
        T::id()
    }
    fn fields() -> Vec<String> {
        std::iter::once("dry_run".to_owned()).chain(T::fields()).collect()
    }
    fn card(&self, view: &View) -> Option<Card> {
        Some(self.would_be.card(view)?.toned("dry run", "nothing was changed", Tone::Warn))
    }
}

impl Row for ItemResult {
    const COLUMNS: &'static [Column] = &[
        Column::new("ID", "id", Kind::Id),
        Column::new("RESULT", "result", Kind::State),
        Column::optional("LINE", "line", Kind::Number),
        Column::new("ERROR", "error.message", Kind::Text),
    ];
    fn id() -> String {
        "id".into()
    }
    fn fields() -> Vec<String> {
        ["id", "result", "error.code", "error.message", "dry_run", "line"].map(String::from).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use marketplace_core::{
        ids::{JobId, UserId},
        jobs::model::JobReason,
    };
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Overrides {
        note: Option<String>,
    }

    const ID: &str = "019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d";

    #[test]
    fn a_line_is_an_id_or_an_object() {
        let parse = |line: &str| parse_line::<UserId, Overrides>(line);
        assert!(parse(ID).1.is_ok());
        assert!(parse(&format!("\"{ID}\"")).1.is_ok());
        let (id, parsed) = parse(&format!(r#"{{"id":"{ID}","note":"seen"}}"#));
        assert_eq!((id.as_str(), parsed.unwrap().1.note.as_deref()), (ID, Some("seen")));
        for bad in ["x", "{", r#"{"note":"x"}"#, &format!(r#"{{"id":"{ID}","status":"active"}}"#)] {
            assert_eq!(parse(bad).1.unwrap_err().exit_code(), 2, "{bad}");
        }
    }

    #[test]
    fn of_rows_only_the_id_is_taken() {
        #[derive(Debug, Default, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        struct Role {
            role: Option<String>,
        }
        let row = serde_json::json!({"id": ID, "role": "worker", "status": "active", "name": "A", "email": "a•••", "kyc_status": "none",
            "email_verified": true, "phone": null, "version": 1, "created_at": "2026-03-02T10:00:00.000000Z"});
        serde_json::from_value::<UserSummary>(row.clone()).unwrap();
        let (_, taken) = parse_line::<UserId, Role>(&row.to_string()).1.unwrap();
        assert_eq!(taken.role, None, "the role that somebody has is not the one that they are to get");
        let own = parse_line::<UserId, Role>(&format!(r#"{{"id":"{ID}","role":"admin"}}"#)).1.unwrap().1;
        assert_eq!(own.role.as_deref(), Some("admin"));
        assert!(parse_line::<UserId, Role>(&format!(r#"{{"id":"{ID}","result":"changed"}}"#)).1.is_ok());
        for bad in [
            format!(r#"{{"id":"{ID}","result":"failed","error":{{"code":"x"}}}}"#),
            format!(r#"{{"id":"{ID}","roel":"admin"}}"#),
        ] {
            assert_eq!(parse_line::<UserId, Role>(&bad).1.unwrap_err().exit_code(), 2, "{bad}");
        }
    }

    #[test]
    fn a_line_has_a_reason_only_where_the_change_takes_one() {
        let line = format!(r#"{{"id":"{ID}","reason":"dispute","if_version":3}}"#);
        let how = VersionedArgs {
            if_version: Some(1),
            change: ChangeArgs { note: Some("seen".into()), ..ChangeArgs::default() },
        };
        let (_, line_of_job) = parse_line::<JobId, Line<JobReason>>(&line).1.unwrap();
        assert_eq!(line_of_job.reason(Some(JobReason::Fraud)).unwrap(), JobReason::Dispute);
        let asked = line_of_job.change(&how);
        assert_eq!((asked.if_version, asked.note.as_deref()), (Some(3), Some("seen")));
        assert_eq!(parse_line::<JobId, Line>(&line).1.unwrap_err().exit_code(), 2);
        let plain = parse_line::<JobId, Line<JobReason>>(ID).1.unwrap().1;
        assert_eq!(plain.reason(None).unwrap_err().exit_code(), 2);
        assert_eq!(plain.change(&how).if_version, Some(1));
    }

    #[test]
    fn reading_holds_one_line_and_refuses_endless_ones() {
        let mut seen = Vec::new();
        let text = "\u{feff}a\r\n\n# a comment\n  b # another\n{\"note\":\"#1\"}\nc";
        read_lines(&mut text.as_bytes(), |line| {
            let line = line.unwrap();
            seen.push(format!("{} {}", line.number.unwrap(), line.text));
            true
        });
        assert_eq!(seen, ["1 a", "4 b", "5 {\"note\":\"#1\"}", "6 c"]);
        let endless = vec![b'x'; 2 * usize::try_from(MAX_LINE).unwrap()];
        let mut failures = 0;
        read_lines(&mut endless.as_slice(), |line| {
            failures += u32::from(line.is_err());
            true
        });
        assert_eq!(failures, 1);
    }
}
