//! `marketplace tui --plain`: the console line by line, for screen readers and for terminals that can do no more. A line
//! is the name of one of the console's actions, and runs the command of the same name on what is open.

mod acts;
mod words;

use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

use futures::future::LocalBoxFuture;
use marketplace_core::{
    accounts::summary::UserSummary,
    audit::AuditRow,
    base::change::Change,
    ids::{AttemptId, CaseId},
    jobs::model::JobSummary,
    kyc::model::{KycCase, KycFilter, KycSummary},
    messaging::model::ThreadInfo,
    page::PageRequest,
    reports::model::{ReportCase, ReportSummary},
    reviews::model::ReviewSummary,
    services::model::ServiceSummary,
    staff::{
        ClaimAttempt, ClaimNextReport, ClaimReport, Connection, ReleaseAttempt, ReleaseReport, ShowAttempt, ShowReport,
        ShowStats, SkipReport,
    },
    time::{Clock, SystemClock},
};
use tokio::time::Instant;

use self::words::{arguments, sentence, words};
use crate::{
    context::{Assent, Context, Lines},
    failure::{Failure, Outcome},
    find::colleague,
    output::{Row, time::relative},
    people,
    profile::MacroText,
    report::{ErrorStyle, report},
    tui::{Listed, Seek, confirmed_by, named_colleague, parse_filter, target},
};

/// Rows of a list at a time.
const ROWS: u16 = 20;

const HELP: &str = "\
A line is a command:
next: take the next identity check; the one that is open goes behind all others
approve, retry REASON, reject REASON: decide the open identity check, and take the next
snooze 4h, assign NAME, escalate NOTE: set the open case aside, and take the next
undo: take the latest decision back, within 10 seconds
kyc, reports, users, services, jobs, threads, reviews, audit: list, with a filter such as users status:banned ada
next, on reports: take the case of reports that is your next; resolve REASON ACTIONS, dismiss REASON decide it
mark NUMBERS: the next action is about these rows, such as mark 1 3 5-9; mark alone forgets them
macro NAME: the acts of a macro of the settings, each asked about as if it had been written
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

/// What is known of whoever works here.
pub(super) struct Known {
    /// How old what waits may become.
    pub targets: BTreeMap<String, String>,
    /// Several acts under a name.
    pub macros: BTreeMap<String, MacroText>,
    /// Whether no other console of the same person runs: own claims that nobody works on are then taken up.
    pub is_alone: bool,
}

/// Works through lines until the last one.
pub(super) async fn run<'a>(context: &'a Context, api: Connection, program: Program<'a>, known: Known) -> Outcome {
    let mut desk = Desk {
        context,
        api,
        program,
        place: "kyc",
        rows: Vec::new(),
        more: None,
        subject: None,
        case: None,
        report: None,
        shown: Instant::now(),
        marked: Vec::new(),
        skipped: Vec::new(),
        decided: None,
        renewed: Instant::now(),
        orphans: known.is_alone,
        known,
    };
    context.out.view.people.learn(people::load(&desk.api).await);
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
    /// The case of reports that is open, claimed.
    report: Option<CaseId>,
    /// When what is open was printed.
    shown: Instant,
    /// Rows that the next action is about.
    marked: Vec<String>,
    skipped: Vec<AttemptId>,
    /// What was decided last: where, and its id.
    decided: Option<(&'static str, String)>,
    renewed: Instant,
    orphans: bool,
    known: Known,
}

const PLACES: [&str; 8] = ["kyc", "reports", "users", "services", "jobs", "threads", "reviews", "audit"];
/// How long what is open has to have been there before a line decides it.
const LOOK: Duration = Duration::from_millis(400);

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
                self.give_back().await;
                self.place = place;
                self.subject = None;
                self.marked.clear();
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
            "mark" => self.mark(rest),
            "macro" => self.run_macro(rest.first().map_or("", String::as_str)).await,
            "approve" | "retry" | "reject" if self.place == "kyc" && self.marked.is_empty() => {
                self.decide(first, rest).await
            }
            "skip" if matches!(self.place, "kyc" | "reports") => self.next().await,
            "undo" if matches!(self.place, "kyc" | "reports") => self.undo().await,
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
                self.run([words, arguments("threads", "messages", rest)].concat(), Assent::Asked).await
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
        let queues = [
            ("kyc", "identity checks waiting", stats.kyc_pending.value, stats.kyc_oldest_at),
            ("reports", "reports waiting", stats.reports_open.value, stats.reports_oldest_at),
            ("reviews", "flagged reviews", stats.reviews_flagged.value, None),
        ];
        let mut lines: Vec<(f64, String)> = Vec::new();
        for (name, label, count, oldest) in queues {
            let target = target(name, &self.known.targets);
            let (mut share, mut said) = (0.0, format!("{label}: {count}"));
            if let Some(at) = oldest.filter(|_| count > 0) {
                share = stats.at.since(at).as_secs_f64() / target.as_secs_f64().max(1.0);
                let late = if share > 1.0 { "late, " } else { "" };
                let within = humantime::format_duration(target);
                said = format!("{said}, the oldest {}, {late}to be done within {within}", relative(stats.at, at));
            }
            lines.push((share, said));
        }
        // The most urgent first.
        lines.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        lines.iter().try_for_each(|(_, said)| self.say(said))
    }

    /// Refuses a line that was written before what it is about could be read.
    fn require_seen(&self, least: Duration) -> Outcome {
        let came = self.context.lines.get().map(Lines::came);
        match came {
            Some(came) if came < (self.shown + least).into_std() => Err(Failure::usage(
                "this line came before what is open could be read, so nothing was done",
                "read it, and write the line again",
            )),
            _ => Ok(()),
        }
    }

    /// Settles which rows the next action is about.
    fn mark(&mut self, rest: &[String]) -> Outcome {
        self.marked.clear();
        for word in rest {
            let (from, to) = word.split_once('-').unwrap_or((word, word));
            let rows = match (from.parse::<usize>(), to.parse::<usize>()) {
                (Ok(from), Ok(to)) if from > 0 && from <= to => self.rows.get(from - 1..to),
                _ => None,
            };
            let rows = rows.ok_or_else(|| Failure::usage(format!("there are no rows {word}"), "mark 1 3 5-9"))?;
            self.marked.extend(rows.iter().filter(|row| !self.marked.contains(*row)).cloned().collect::<Vec<_>>());
        }
        self.say(&format!("{} marked", self.marked.len()))
    }

    /// Does the acts of a macro, one after the other, until one fails.
    async fn run_macro(&mut self, name: &str) -> Outcome {
        let acts = self.known.macros.get(name).map(|found| found.acts.clone());
        let others = self.known.macros.keys().cloned().collect::<Vec<_>>().join(", ");
        let acts =
            acts.ok_or_else(|| Failure::usage(format!("there is no macro `{name}`"), format!("there are {others}")))?;
        for act in acts {
            let (named, with) = act.split_once(':').unwrap_or((&act, ""));
            let (screen, act) = named.split_once('.').map_or((None, named), |(screen, act)| (Some(screen), act));
            // Codes, and after another colon a text.
            let (codes, text) = with.split_once(':').unwrap_or((with, ""));
            let rest: Vec<String> =
                [codes, text].iter().filter(|part| !part.is_empty()).map(|part| (*part).to_owned()).collect();
            self.say(&format!("{name}: {named} {with}"))?;
            match screen.filter(|screen| *screen != self.place) {
                Some("users") => {
                    let words = vec!["users".into(), act.to_owned(), self.person()?];
                    self.require_seen(LOOK)?;
                    let assent = confirmed_by(act).map_or(Assent::Asked, |word| Assent::Word(word.to_owned()));
                    self.run([words, arguments("users", act, &rest)].concat(), assent).await?;
                }
                Some(other) => {
                    return Err(Failure::usage(
                        format!("{name}: {other} cannot be reached line by line"),
                        "do it by hand",
                    ));
                }
                None => Box::pin(self.obey(act, &rest)).await?,
            }
        }
        Ok(())
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
            "reports" => self.rows_of::<ReportSummary>(filter, after).await,
            "services" => self.rows_of::<ServiceSummary>(filter, after).await,
            _ => self.rows_of::<KycSummary>(filter, after).await,
        }
    }

    async fn rows_of<T: Listed + Row>(&mut self, filter: &str, after: Option<String>) -> Outcome {
        let typed = if filter.is_empty() { T::DEFAULT } else { filter };
        let mut parts = Vec::new();
        for part in typed.split_whitespace() {
            parts.push(match named_colleague::<T::Filter>(part) {
                Some((word, before, name)) => {
                    format!("{word}:{before}{}", colleague(&self.api, &name.replace('_', " ")).await?)
                }
                None => part.to_owned(),
            });
        }
        let parsed = parse_filter::<T::Filter>(&parts.join(" "))
            .map_err(|why| Failure::usage(why, "help lists the commands"))?;
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
            self.say(&format!("{number}. {}", sentence(row, now, &self.context.out.view.people)?))?;
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
        self.give_back().await;
        if self.place == "reports" {
            let id: CaseId = id.parse().map_err(|_| Failure::usage("that is no id", "open NUMBER opens a row"))?;
            return match self.api.call::<ClaimReport>(id, (), Change::default()).await {
                Ok(claimed) => self.put_report(&claimed.item),
                Err(error) => {
                    self.say(&format!("not claimed, so it can only be looked at: {error}"))?;
                    let case = self.api.call::<ShowReport>(id, (), ()).await?;
                    self.subject = Some(id.to_string());
                    self.context.out.item(&case)
                }
            };
        }
        if self.place != "kyc" {
            let verb = if self.place == "audit" { "list" } else { "show" };
            let words = if verb == "list" {
                vec!["audit".into(), "list".into(), "--target".into(), id.clone()]
            } else {
                vec![self.place.into(), verb.into(), id.clone()]
            };
            self.run(words, Assent::Asked).await?;
            self.subject = Some(id);
            self.shown = Instant::now();
            return Ok(());
        }
        let id: AttemptId = id.parse().map_err(|_| Failure::usage("that is no id", "open NUMBER opens a row"))?;
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
        self.shown = Instant::now();
        Ok(())
    }

    fn put_report(&mut self, case: &ReportCase) -> Outcome {
        self.place = "reports";
        self.subject = Some(case.case.id.to_string());
        self.report = Some(case.case.id);
        self.context.out.item(case)?;
        self.shown = Instant::now();
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
        self.marked.clear();
        if self.place == "reports" {
            if let Some(id) = self.report {
                self.api.call::<SkipReport>(id, (), Change::default().into()).await?;
                self.report = None;
            }
            self.subject = None;
            return match self.api.call::<ClaimNextReport>((), (), Change::default()).await? {
                Some(case) => self.put_report(&case),
                None => self.say("no reports wait"),
            };
        }
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
        if let Some(id) = self.report.take() {
            self.subject = None;
            // If this fails, the claim expires.
            drop(self.api.call::<ReleaseReport>(id, (), Change::default()).await);
        }
        let Some(case) = self.case.take() else { return };
        self.subject = None;
        if mine(&case).is_some() {
            // If this fails, the claim expires.
            drop(self.api.call::<ReleaseAttempt>(case.attempt.id, (), Change::default()).await);
        }
    }
}

/// Returns the fencing number of an own claim.
fn mine(case: &KycCase) -> Option<i64> {
    case.attempt.claim.as_ref().filter(|claim| claim.mine).map(|claim| claim.fence)
}
