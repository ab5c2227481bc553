//! Changes: confirmation, single items and batches, and the result line for each item.

use marketplace_core::staff::Connection;
use std::{
    io::{BufRead, IsTerminal, Read},
    str::FromStr,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use marketplace_core::{
    base::change::{Change, Changed},
    error::{Error, ErrorCode},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    args::{BatchArgs, ChangeArgs, VersionedArgs},
    context::Context,
    failure::{Failure, Outcome},
    output::{Column, Kind, Row, safe},
};

/// Upper limit of the bytes of one line of a batch; an id, a note and a comment need far less.
const MAX_LINE: u64 = 64 * 1024;
/// How often an item is tried while the other side is busy.
const TRIES: u32 = 5;
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
            self.out.check::<Changed<T>>()?;
        }
        self.require_consent(change)?;
        self.connect().await
    }

    /// Refuses a change that nobody confirmed when nobody can be asked. Call it before anything is opened.
    pub fn require_consent(&self, change: &ChangeArgs) -> Outcome {
        if change.yes || change.dry_run || can_ask() {
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
        let question = safe::line(question).to_string();
        if prompt(move || inquire::Confirm::new(&question).with_default(false).prompt()).await? {
            Ok(())
        } else {
            Err(Failure::Interrupted("not confirmed; nothing was changed".into()))
        }
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
        I: FromStr + Copy,
        O: DeserializeOwned + Default,
        T: Row,
    {
        if let ([id], false) = (batch.ids.as_slice(), batch.stdin) {
            let id = parse_id::<I>(id)?;
            let asks = care == Care::Ask && !change.yes && !change.dry_run;
            let what = if asks { describe(id).await? } else { String::new() };
            self.confirm(&format!("{verb} {what}?"), change, care).await?;
            let changed = apply(id, O::default()).await?;
            if change.dry_run {
                self.out.note("dry run: nothing was changed");
            }
            return self.out.item(&changed);
        }
        let many = if batch.stdin { "every item on stdin".to_owned() } else { format!("{} items", batch.ids.len()) };
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
        I: FromStr + Copy,
        O: DeserializeOwned + Default,
        T: Row,
    {
        self.interrupt.finish_steps();
        let mut items = lines(batch);
        let mut list = self.out.list::<ItemResult>();
        let mut tally = Tally::default();
        let bar = self.bar(batch);
        let stopped = loop {
            let line = tokio::select! {
                biased;
                () = self.interrupt.wait() => break Some(Stop::Interrupted),
                line = items.recv() => line,
            };
            let Some(line) = line else { break None };
            let (id, outcome) = match line {
                Ok(line) => self.one(&line, &apply).await,
                Err(failure) => (String::new(), Err(failure)),
            };
            let fatal = matches!(&outcome, Err(Failure::Core(error)) if error.code() == ErrorCode::Unauthenticated);
            let result = ItemResult::new(id, &outcome);
            tally.count(&outcome);
            match bar.suspend(|| list.page(std::slice::from_ref(&result))) {
                // A change whose result cannot be printed is not made: the rest of the batch is left unchanged, and an
                // error says so.
                Err(Failure::BrokenPipe) => {
                    return Err(Failure::Interrupted(format!("nobody reads the results; stopped after {tally}")));
                }
                written => written?,
            }
            bar.inc(1);
            bar.set_message(tally.to_string());
            if outcome.is_err() && (fatal || !batch.continue_on_error) {
                break Some(Stop::Failed);
            }
        };
        bar.finish_and_clear();
        list.page(&[])?;
        list.finish()?;
        let dry = if change.dry_run { " (dry run: nothing was changed)" } else { "" };
        match stopped {
            Some(Stop::Interrupted) => Err(Failure::Interrupted(format!("stopped after {tally}{dry}"))),
            Some(Stop::Failed) if !batch.continue_on_error => {
                Err(Failure::Batch(format!("stopped at the first failure: {tally}{dry}; --continue-on-error goes on")))
            }
            _ if tally.failed > 0 => Err(Failure::Batch(format!("{tally}{dry}"))),
            _ => {
                self.out.note(&format!("{tally}{dry}"));
                Ok(())
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
        I: FromStr + Copy,
        O: DeserializeOwned + Default,
    {
        let mut tries = 0;
        loop {
            let (text, parsed) = parse_line::<I, O>(line);
            let (id, overrides) = match parsed {
                Ok(parsed) => parsed,
                Err(failure) => return (text, Err(failure)),
            };
            tries += 1;
            let wait = match apply(id, overrides).await {
                Ok(changed) => return (text, Ok(changed.changed)),
                Err(Failure::Core(error)) if error.code().retryable() && tries < TRIES => {
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

fn parse_id<I: FromStr>(text: &str) -> Outcome<I> {
    crate::args::id(text).map_err(|reason| Failure::Core(Error::invalid("/id", format!("`{text}` is {reason}"))))
}

/// Parses an id, or a JSON object with `id` and overrides. Returns the id as text too, for the result line.
fn parse_line<I: FromStr, O: DeserializeOwned + Default>(line: &str) -> (String, Outcome<(I, O)>) {
    if !line.starts_with('{') {
        let id = line.trim_matches('"').to_owned();
        let parsed = parse_id(&id).map(|parsed| (parsed, O::default()));
        return (id, parsed);
    }
    let mut object: Map<String, Value> = match serde_json::from_str(line) {
        Ok(object) => object,
        Err(error) => return (String::new(), Err(Error::invalid("/", format!("is not JSON: {error}")).into())),
    };
    let Some(Value::String(id)) = object.remove("id") else {
        return (String::new(), Err(Error::invalid("/id", "is missing").into()));
    };
    let parsed = parse_id(&id).and_then(|parsed| {
        let overrides = serde_json::from_value(Value::Object(object)).map_err(|error| {
            Failure::Core(Error::invalid("/", format!("{error}; whole rows are taken as ids: pipe `-o id`")))
        })?;
        Ok((parsed, overrides))
    });
    (id, parsed)
}

/// Reads the items on a separate thread, so that Ctrl-C works while stdin is silent.
fn lines(batch: &BatchArgs) -> tokio::sync::mpsc::Receiver<Outcome<String>> {
    let (sender, receiver) = tokio::sync::mpsc::channel(64);
    let ids = (!batch.stdin).then(|| batch.ids.clone());
    std::thread::spawn(move || match ids {
        Some(ids) => drop(ids.into_iter().try_for_each(|id| sender.blocking_send(Ok(id)).map_err(drop))),
        None => read_lines(&mut std::io::stdin().lock(), |line| sender.blocking_send(line).is_ok()),
    });
    receiver
}

/// Passes every line that is not blank to `take`, holding only one at a time. Stops when `take` returns false.
fn read_lines(from: &mut impl BufRead, mut take: impl FnMut(Outcome<String>) -> bool) {
    let mut line = Vec::new();
    loop {
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
            take(Err(Error::too_large("a line of the batch", MAX_LINE).into()));
            return;
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_start_matches('\u{feff}').trim();
        if !text.is_empty() && !take(Ok(text.to_owned())) {
            return;
        }
    }
}

#[derive(Debug, Default)]
struct Tally {
    changed: u64,
    unchanged: u64,
    failed: u64,
}

impl Tally {
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
        write!(f, "{} changed, {} unchanged, {} failed", self.changed, self.unchanged, self.failed)
    }
}

/// The result for one item of a batch.
#[derive(Debug, Serialize)]
pub struct ItemResult {
    id: String,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ItemError>,
}

#[derive(Debug, Serialize)]
struct ItemError {
    code: &'static str,
    message: String,
}

impl ItemResult {
    fn new(id: String, outcome: &Outcome<bool>) -> Self {
        let (result, error) = match outcome {
            Ok(true) => ("changed", None),
            Ok(false) => ("unchanged", None),
            Err(failure) => (
                "failed",
                Some(ItemError { code: failure.code(), message: safe::line(&failure.to_string()).into_owned() }),
            ),
        };
        Self { id, result, error }
    }
}

impl Row for ItemResult {
    const COLUMNS: &'static [Column] = &[
        Column::new("ID", "id", Kind::Id),
        Column::new("RESULT", "result", Kind::State),
        Column::new("ERROR", "error.message", Kind::Text),
    ];
    fn id() -> String {
        "id".into()
    }
    fn fields() -> Vec<String> {
        ["id", "result", "error.code", "error.message"].map(String::from).to_vec()
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
        read_lines(&mut "\u{feff}a\r\n\n  b\nc".as_bytes(), |line| {
            seen.push(line.unwrap());
            true
        });
        assert_eq!(seen, ["a", "b", "c"]);
        let endless = vec![b'x'; 2 * usize::try_from(MAX_LINE).unwrap()];
        let mut failures = 0;
        read_lines(&mut endless.as_slice(), |line| {
            failures += u32::from(line.is_err());
            true
        });
        assert_eq!(failures, 1);
    }
}
