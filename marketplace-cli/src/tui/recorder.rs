//! Recordings of the console for review and training, as asciicast v2 (asciinema's format): masked frames, changes of the
//! window, and a marker for each row of the audit log that the session caused.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use marketplace_core::{
    audit::AuditFilter,
    base::principal::Principal,
    error::{Error, Result},
    page::{MAX_LIMIT, PageRequest},
    platform::new_file::NewFile,
    staff::{
        Connection, Effect, ExportUser, Guard, ListAudit, ListQuery, ListUserSessions, ListUsers, ReadThread, Request,
        RevealUser, StaffOperation, ViewAttemptFile, ViewThreadFile, WhoAmI,
    },
    time::{Clock, SystemClock},
};
use ratatui::{
    backend::{Backend, CrosstermBackend},
    buffer::Buffer,
};
use serde_json::json;
use tokio::{
    sync::{
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot,
    },
    task::JoinHandle,
};

/// Reads that are on the audit log.
const LOOKS: [&str; 7] = [
    ViewAttemptFile::NAME,
    ViewThreadFile::NAME,
    RevealUser::NAME,
    ReadThread::NAME,
    ExportUser::NAME,
    ListUsers::NAME,
    ListUserSessions::NAME,
];
/// How often the audit log is asked for the numbers of what was just done.
const ASK: Duration = Duration::from_secs(1);
/// For how many rounds after the last act it is asked.
const ROUNDS: u32 = 3;

/// A recording that is being made.
#[derive(Debug)]
pub struct Recorder {
    file: NewFile,
    /// The bytes of what was written whole.
    whole: u64,
    begun: Instant,
    shown: Option<Buffer>,
    title: String,
}

impl Recorder {
    /// Begins the file, which only its owner can read. It has its name once the recording is finished.
    ///
    /// # Errors
    /// `conflict` when anything is at the path; `not_found` without its folder; `unavailable` when it cannot be written.
    pub fn create(path: &Path, system: &str) -> Result<Self> {
        let title = format!("marketplace tui: {system}");
        Ok(Self { file: NewFile::create(path)?, whole: 0, begun: Instant::now(), shown: None, title })
    }

    /// Records a frame, as far as it differs from the one before.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn frame(&mut self, next: Buffer) -> Result<()> {
        let (width, height) = (next.area.width, next.area.height);
        let before = match self.shown.take() {
            Some(before) if before.area == next.area => before,
            before => {
                if before.is_some() {
                    self.event("r", &format!("{width}x{height}"))?;
                } else {
                    let at = SystemClock.now().unix_seconds();
                    let header =
                        json!({ "version": 2, "width": width, "height": height, "timestamp": at, "title": self.title });
                    self.line(&header.to_string())?;
                }
                self.event("o", "\u{1b}[?25l\u{1b}[0m\u{1b}[2J")?;
                Buffer::empty(next.area)
            }
        };
        let changed = before.diff(&next);
        if !changed.is_empty() {
            let mut bytes = Vec::new();
            CrosstermBackend::new(&mut bytes).draw(changed.into_iter()).map_err(Error::internal)?;
            self.event("o", &String::from_utf8_lossy(&bytes))?;
        }
        self.shown = Some(next);
        Ok(())
    }

    /// Records what was done.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn marker(&mut self, label: &str) -> Result<()> {
        if self.shown.is_some() { self.event("m", label) } else { Ok(()) }
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// `conflict` when something is at its path by now; `unavailable` when it cannot be written.
    pub fn finish(self) -> Result<()> {
        self.file.finish().map(drop)
    }

    /// Keeps what was recorded whole, under another name, which is returned: a recording that could not go on.
    pub fn keep(self) -> PathBuf {
        self.file.keep(self.whole)
    }

    fn event(&mut self, code: &str, data: &str) -> Result<()> {
        // To the microsecond, in seconds.
        let at = self.begun.elapsed().as_micros();
        let data = serde_json::to_string(data).map_err(Error::internal)?;
        self.line(&format!("[{}.{:06},\"{code}\",{data}]", at / 1_000_000, at % 1_000_000))
    }

    fn line(&mut self, line: &str) -> Result<()> {
        let line = format!("{line}\n");
        self.file.write(line.as_bytes())?;
        self.whole += line.len() as u64;
        Ok(())
    }
}

/// Counts the calls that leave a row on the audit log.
#[derive(Debug, Default)]
struct Acts(AtomicU64);

impl Guard for Acts {
    fn admit<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<()>> {
        if request.effect == Effect::Change || LOOKS.contains(&request.name) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Learns the numbers that the audit log gives to what is done over a connection.
pub struct Markers {
    acts: Arc<Acts>,
    labels: UnboundedReceiver<String>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Markers {
    /// Begins with what is done from now on; `api` is the connection itself, on which nothing is counted.
    pub fn follow(api: Connection) -> Self {
        let acts = Arc::new(Acts::default());
        let (send, labels) = unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(ask(api, Arc::clone(&acts), send, stopped));
        Self { acts, labels, stop: Some(stop), task }
    }

    /// Returns a connection on which acts are counted.
    pub fn counted(&self, api: &Connection) -> Connection {
        api.guarded(Arc::clone(&self.acts) as Arc<dyn Guard>)
    }

    /// Returns the labels that have come since.
    pub fn take(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.labels.try_recv().ok()).collect()
    }

    /// Asks a last time, within a limit, and returns the labels that are left.
    pub async fn finish(mut self, limit: Duration) -> Vec<String> {
        drop(self.stop.take());
        // What cannot be learnt in time is left out.
        let _ = tokio::time::timeout(limit, &mut self.task).await;
        self.task.abort();
        self.take()
    }
}

async fn ask(api: Connection, acts: Arc<Acts>, send: UnboundedSender<String>, mut stopped: oneshot::Receiver<()>) {
    let Ok(identity) = api.call::<WhoAmI>((), (), ()).await else { return };
    let who = identity.principal;
    let Ok(newest) = rows(&api, &who, 1).await else { return };
    let mut last = newest.first().map_or(0, |(seq, _)| *seq);
    let (mut seen, mut due) = (0, 0);
    loop {
        let is_over = tokio::select! {
            _ = &mut stopped => true,
            () = tokio::time::sleep(ASK) => false,
        };
        let now = acts.0.load(Ordering::Relaxed);
        if now != seen {
            (seen, due) = (now, ROUNDS);
        }
        if due > 0 || is_over {
            due = due.saturating_sub(1);
            let fresh = rows(&api, &who, MAX_LIMIT).await.unwrap_or_default();
            for (seq, label) in fresh.into_iter().rev().filter(|(seq, _)| *seq > last).collect::<Vec<_>>() {
                last = seq;
                // Nobody listens any more: the console has been left.
                let _ = send.send(label);
            }
        }
        if is_over {
            return;
        }
    }
}

/// Returns the newest rows of somebody, newest first, with their labels.
async fn rows(api: &Connection, who: &Principal, limit: u16) -> Result<Vec<(i64, String)>> {
    let filter = AuditFilter { actor: Some(who.clone()), ..AuditFilter::default() };
    let page = api.call::<ListAudit>((), ListQuery::new(&filter, &PageRequest::first(limit)), ()).await?;
    let label = |row: &marketplace_core::audit::AuditRow| {
        format!("audit {} {} {} {}", row.seq, row.action, row.target_kind, row.target)
    };
    Ok(page.items.iter().map(|row| (row.seq, label(row))).collect())
}

#[cfg(test)]
mod tests {
    use ratatui::{layout::Rect, style::Style};

    use super::*;

    #[test]
    fn a_recording_is_an_asciicast() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shift.cast");
        let mut recorder = Recorder::create(&path, "test").unwrap();
        let frame = |text: &str, width| {
            let mut buf = Buffer::empty(Rect::new(0, 0, width, 2));
            buf.set_string(0, 0, text, Style::new());
            buf
        };
        recorder.frame(frame("one", 20)).unwrap();
        recorder.frame(frame("one", 20)).unwrap();
        recorder.frame(frame("two", 20)).unwrap();
        recorder.marker("audit 7 users.reveal user 019a").unwrap();
        recorder.frame(frame("two", 30)).unwrap();
        assert!(!path.exists(), "it has its name once it is finished");
        recorder.finish().unwrap();
        assert!(Recorder::create(&path, "test").is_err(), "nothing is ever replaced");
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&lines[0]["version"], &lines[0]["width"], &lines[0]["height"]), (&json!(2), &json!(20), &json!(2)));
        let codes: Vec<_> = lines[1..].iter().map(|line| line[1].as_str().unwrap()).collect();
        assert_eq!(codes, ["o", "o", "o", "m", "r", "o", "o"]);
        assert!(lines[3][2].as_str().unwrap().contains("tw"), "{:?}", lines[3]);
        assert_eq!((&lines[4][2], &lines[5][2]), (&json!("audit 7 users.reveal user 019a"), &json!("30x2")));
        assert!(lines[1..].iter().all(|line| line[0].is_f64()));
        // What cannot go on is kept, as far as it is whole.
        let other = folder.path().join("other.cast");
        let mut recorder = Recorder::create(&other, "test").unwrap();
        recorder.frame(frame("one", 20)).unwrap();
        recorder.file.write(b"[0.1,\"o\",\"ha").unwrap();
        let kept = std::fs::read_to_string(recorder.keep()).unwrap();
        assert!(kept.ends_with("]\n") && kept.lines().count() == 3 && !other.exists(), "{kept}");
    }
}
