//! The event loop, terminal set-up and restoration, and signals.

use std::{
    io::{BufWriter, IsTerminal, Stdout, Write},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use crossterm::{
    clipboard::CopyToClipboard,
    event::{
        DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture, Event, EventStream,
        KeyboardEnhancementFlags, PopKeyboardEnhancementFlags, PushKeyboardEnhancementFlags,
    },
    execute, queue,
    terminal::{
        BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, SetTitle,
        disable_raw_mode, enable_raw_mode,
    },
};
use futures::{Stream, StreamExt};
use marketplace_core::{
    error::{Error, ErrorCode},
    staff::{Connection, Guard},
    time::SystemClock,
};
use ratatui::{Terminal, backend::CrosstermBackend};
use rustix::{process, termios};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::MissedTickBehavior,
};

use super::{
    app::{App, Effect, Recording},
    ctx::Ctx,
    keymap::Keymap,
    message::Message,
    notify::Notify,
    options::Options,
    picture::Images,
    recorder::{Markers, Recorder},
    screens, terminal_query, text,
    wide_char_backend::WideCharBackend,
    write_guard::Gate,
};

/// The interval of the clock.
const TICK: Duration = Duration::from_millis(50);
/// A longer pause between two turns of the loop means that the console was stopped.
const STALL: Duration = Duration::from_secs(1);
/// How often it is looked whether the terminal is still there while somebody logs in.
const HANG_UP: Duration = Duration::from_millis(250);
/// The most results and keys that are handled before the next frame.
const BATCH: usize = 512;
/// How long leaving waits for what is under way and for the release of claims.
const GOODBYE: Duration = Duration::from_secs(5);
/// How long it waits for the numbers of what was done last, where the session is recorded.
const LAST_MARKERS: Duration = Duration::from_secs(1);
/// How long it waits for the release of claims at least, also when the system is known to be unreachable.
const BRIEF_GOODBYE: Duration = Duration::from_millis(900);

/// Makes a kitty terminal forget all pictures.
const FORGET: &[u8] = b"\x1b_Ga=d,d=A\x1b\\";

type Screen = Terminal<WideCharBackend<BufWriter<Stdout>>>;

/// Whether anything outside the background tasks panicked.
static PANICKED: AtomicBool = AtomicBool::new(false);
/// The message of a background task's panic.
static BROKEN: Mutex<Option<String>> = Mutex::new(None);

/// Whether the terminal has a title of ours.
static TITLED: AtomicBool = AtomicBool::new(false);
/// Keeps the terminal's title, and puts it back.
const TITLE_KEPT: [&[u8]; 2] = [b"\x1b[22;0t", b"\x1b[23;0t"];

/// Whether the console currently controls the terminal.
static ENTERED: AtomicBool = AtomicBool::new(false);

fn enter() -> std::io::Result<()> {
    ENTERED.store(true, Ordering::SeqCst);
    enable_raw_mode()?;
    // Terminals that do not know it ignore it; the others say which keys are held.
    let keys = KeyboardEnhancementFlags::DISAMBIGUATE_ESCAPE_CODES
        | KeyboardEnhancementFlags::REPORT_EVENT_TYPES
        | KeyboardEnhancementFlags::REPORT_ALTERNATE_KEYS;
    execute!(
        std::io::stdout(),
        EnterAlternateScreen,
        PushKeyboardEnhancementFlags(keys),
        EnableMouseCapture,
        EnableBracketedPaste
    )
}

/// Restores the terminal. Called on every way out, so it must not fail half way; a second call does nothing, because it
/// would overwrite what was printed since.
fn leave(kitty: bool) {
    if !ENTERED.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = std::io::stdout();
    if kitty {
        // Pictures of documents must not remain in the terminal's memory.
        drop(out.write_all(FORGET));
    }
    if TITLED.swap(false, Ordering::SeqCst) {
        drop(out.write_all(TITLE_KEPT[1]));
    }
    drop(execute!(
        out,
        EndSynchronizedUpdate,
        DisableBracketedPaste,
        DisableMouseCapture,
        PopKeyboardEnhancementFlags,
        LeaveAlternateScreen,
        crossterm::cursor::Show
    ));
    drop(disable_raw_mode());
}

/// Restores the terminal when dropped.
struct Restore(bool);

impl Drop for Restore {
    fn drop(&mut self) {
        leave(self.0);
    }
}

type Hook = Box<dyn Fn(&std::panic::PanicHookInfo<'_>) + Send + Sync>;

/// While this lives, a panic outside the background tasks restores the terminal first; one inside ends only that task.
struct PanicHook(Arc<Hook>);

impl PanicHook {
    fn set() -> Self {
        let before: Arc<Hook> = Arc::new(std::panic::take_hook());
        let inner = Arc::clone(&before);
        let own = tokio::task::try_id();
        std::panic::set_hook(Box::new(move |info| {
            let task = tokio::task::try_id();
            if task.is_some() && task != own {
                if let Ok(mut broken) = BROKEN.lock() {
                    *broken = Some(info.to_string());
                }
                return;
            }
            PANICKED.store(true, Ordering::SeqCst);
            leave(true);
            inner(info);
        }));
        Self(before)
    }
}

impl Drop for PanicHook {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let before = Arc::clone(&self.0);
            std::panic::set_hook(Box::new(move |info| before(info)));
        }
    }
}

/// How the console ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Somebody left it, or closed its window.
    Left,
    /// A signal ended it.
    Signalled,
}

/// Runs the console until the user quits or the terminal goes away. When the session ends, `log_in` opens another, on
/// the ordinary screen. Claims are released and the terminal is restored,
/// even after a panic, SIGTERM or SIGHUP.
///
/// # Errors
/// When standard input or output is not a terminal, when `options` contain an unknown action, key or way to draw
/// pictures, when the terminal cannot be written to, and when something that was under way was not done.
pub async fn run(
    api: Connection,
    options: Options,
    log_in: impl AsyncFn() -> anyhow::Result<Connection>,
) -> anyhow::Result<End> {
    let keymap = Keymap::new(screens::infos(), &options.keys)?;
    let wanted = options.images.clone().or_else(|| std::env::var("MARKETPLACE_IMAGES").ok()).unwrap_or_default();
    let chosen = Images::named(&wanted)?.or_else(|| options.no_color.then_some(Images::Dots));
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        bail!("the console needs a terminal; for scripts there is the command line (`marketplace --help`)");
    }
    let recorder = options.record.as_deref().map(|path| Recorder::create(path, &options.system)).transpose()?;
    let recording = recorder.map(|recorder| (recorder, Markers::follow(api.clone())));
    let gate = Arc::new(Gate::new(options.read_only));
    let counted = recording.as_ref().map_or_else(|| api.clone(), |(_, markers)| markers.counted(&api));
    let guarded = counted.guarded(Arc::clone(&gate) as Arc<dyn Guard>);
    let (sender, receiver) = unbounded_channel();
    let ask = chosen.is_none();
    let images = chosen.unwrap_or(Images::Off);
    let ctx = Ctx::new(guarded, Arc::clone(&gate), options, keymap, images, Arc::new(SystemClock), sender);

    let hook = PanicHook::set();
    enter().context("the terminal")?;
    let mut desk = Desk { receiver, restore: Restore(false), api, log_in, recording, end: End::Left };
    let mut app = Box::new(App::new(ctx));
    if desk.recording.is_some() {
        app.recording = Recording::On(None);
        app.ctx.say("this session is recorded, without personal data");
    }
    let (outcome, end) = desk.drive(&mut app, ask).await;
    let Desk { restore, api, recording, end: how, .. } = desk;
    drop(restore);
    drop(hook);
    if !gate.read_only() {
        let farewells = app.farewells().into_iter().map(|farewell| farewell(api.clone()));
        // A claim that cannot be released now expires within ten minutes.
        let end = if app.ctx.gate.away() { Instant::now() } else { end };
        let end = end.max(Instant::now() + BRIEF_GOODBYE);
        drop(tokio::time::timeout_at(end.into(), futures::future::join_all(farewells)).await);
    }
    if let Some((mut recorder, markers)) = recording {
        for label in markers.finish(LAST_MARKERS).await {
            if let Err(error) = recorder.marker(&label) {
                app.ctx.recording_lost = Some(error.to_string());
            }
        }
        match (recorder, &app.ctx.recording_lost) {
            (recorder, Some(why)) => app.ctx.recording_lost = Some(kept(recorder, why)),
            (recorder, None) => app.ctx.recording_lost = recorder.finish().err().map(|error| error.to_string()),
        }
    }
    let undone = app.undone();
    if !undone.is_empty() {
        let said = format!("left before all was done: {}", undone.join("; "));
        return Err(Error::new(ErrorCode::Unavailable, said).into());
    }
    if let Some(why) = &app.ctx.recording_lost {
        let said = format!("not all of the session is in the recording, which could not be written: {why}");
        return Err(Error::new(ErrorCode::Unavailable, said).into());
    }
    outcome.map(|()| how)
}

/// Keeps what there is of a recording that could not go on, and says where.
fn kept(recorder: Recorder, why: &str) -> String {
    format!("{why}; what was recorded before is in {}", recorder.keep().display())
}

/// The signals that end the console.
struct Signals(Signal, Signal, Signal);

impl Signals {
    fn new() -> std::io::Result<Self> {
        let [terminate, hang_up, interrupt] =
            [SignalKind::terminate(), SignalKind::hangup(), SignalKind::interrupt()].map(signal);
        Ok(Self(terminate?, hang_up?, interrupt?))
    }
    async fn recv(&mut self) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
            _ = self.2.recv() => {}
        }
    }
}

/// What the console is connected to.
struct Desk<L> {
    receiver: UnboundedReceiver<Message>,
    restore: Restore,
    api: Connection,
    log_in: L,
    recording: Option<(Recorder, Markers)>,
    end: End,
}

impl<L: AsyncFn() -> anyhow::Result<Connection>> Desk<L> {
    /// Works until the user leaves or the terminal is gone; also returns until when leaving may take.
    async fn drive(&mut self, app: &mut App, ask: bool) -> (anyhow::Result<()>, Instant) {
        let mut events = None;
        let mut screen = match screen() {
            Ok(screen) => screen,
            Err(error) => return (Err(error), Instant::now()),
        };
        // Before the first frame: whoever sees it may send one.
        let mut signals = match Signals::new() {
            Ok(signals) => signals,
            Err(error) => return (Err(error.into()), Instant::now()),
        };
        let outcome = self.work(app, &mut screen, &mut events, &mut signals, ask).await;
        let end = Instant::now() + GOODBYE;
        self.finish(app, &mut screen, &mut events, end).await;
        (outcome, end)
    }

    async fn work(
        &mut self,
        app: &mut App,
        screen: &mut Screen,
        stream: &mut Option<EventStream>,
        signals: &mut Signals,
        ask: bool,
    ) -> anyhow::Result<()> {
        // The first frame is drawn before any query to the terminal and before any result from the system.
        self.draw(app, screen)?;
        if ask {
            let (images, keys) = terminal_query::query();
            app.ctx.images = images;
            for key in keys {
                app.event(Event::Key(key));
            }
        }
        self.restore.0 = app.ctx.images.kitty();

        let [stop, resume] =
            [process::Signal::TSTP, process::Signal::CONT].map(|sent| signal(SignalKind::from_raw(sent.as_raw())));
        let mut job = (stop?, resume?);
        let mut late = terminal_query::LateAnswers::default();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        // What was typed before the first frame after a stop was meant for something else.
        let mut blind = false;
        let mut turn = Instant::now();
        while !app.quit {
            let events = stream.get_or_insert_with(EventStream::new);
            tokio::select! {
                biased;
                () = signals.recv() => {
                    self.end = End::Signalled;
                    break;
                }
                _ = job.0.recv() => suspend(self.restore.0)?,
                _ = job.1.recv() => {
                    // The shell has used the terminal meanwhile, whichever signal stopped this program.
                    leave(self.restore.0);
                    enter()?;
                    termios::tcflush(std::io::stdin(), termios::QueueSelector::IFlush).ok();
                    screen.clear()?;
                    app.interrupted();
                    blind = true;
                }
                event = events.next() => match event {
                    Some(Ok(event)) => {
                        blind |= turn.elapsed() > STALL;
                        pass(app, late.sift(event, Instant::now()), blind);
                    }
                    // The terminal is gone.
                    Some(Err(_)) | None => break,
                },
                Some(message) = self.receiver.recv() => app.message(message),
                _ = tick.tick() => {
                    pass(app, late.expire(Instant::now()), blind);
                    app.tick();
                }
            }
            if turn.elapsed() > STALL {
                app.interrupted();
                blind = true;
            }
            // Everything that is already queued belongs to the same frame.
            for _ in 0..BATCH {
                if let Ok(message) = self.receiver.try_recv() {
                    app.message(message);
                } else if let Some(Ok(event)) = if_there(events).await {
                    pass(app, late.sift(event, Instant::now()), blind);
                } else {
                    break;
                }
            }
            if ask && let Some(images) = late.images() {
                app.ctx.images = images;
                self.restore.0 = app.ctx.images.kitty();
                app.pictures_changed();
            }
            if PANICKED.load(Ordering::SeqCst) {
                bail!("the console broke; the message is above");
            }
            if let Some(said) = BROKEN.lock().ok().and_then(|mut broken| broken.take()) {
                app.ctx.error_detail = Some(said.lines().map(str::to_owned).collect());
                app.ctx.refuse("something broke inside; E for detail, ^r to load again");
            }
            self.carry_out(app, screen, stream, signals).await?;
            if app.ctx.dirty && !app.quit && ENTERED.load(Ordering::SeqCst) {
                self.draw(app, screen)?;
                blind = false;
            }
            turn = Instant::now();
        }
        Ok(())
    }

    /// Does what the console wants of the terminal.
    async fn carry_out(
        &mut self,
        app: &mut App,
        screen: &mut Screen,
        stream: &mut Option<EventStream>,
        signals: &mut Signals,
    ) -> anyhow::Result<()> {
        for effect in std::mem::take(&mut app.effects) {
            match effect {
                Effect::Copy(copied) => {
                    execute!(std::io::stdout(), CopyToClipboard::to_clipboard_from(copied))?;
                }
                Effect::Redraw => screen.clear()?,
                Effect::Forget if self.restore.0 => std::io::stdout().write_all(FORGET)?,
                Effect::Forget => {}
                Effect::Alert(said) => {
                    let notify = Notify::named(app.ctx.options.notify.as_deref()).unwrap_or(Notify::Bell);
                    let mut out = std::io::stdout();
                    out.write_all(notify.sequence(&said).as_bytes()).and_then(|()| out.flush())?;
                    continue;
                }
                Effect::Title(title) => {
                    let mut out = std::io::stdout();
                    if !TITLED.swap(true, Ordering::SeqCst) {
                        out.write_all(TITLE_KEPT[0])?;
                    }
                    execute!(out, SetTitle(text::pasted_line(&title)))?;
                    continue;
                }
                // The whole job, as ^Z does for any program; this one is stopped once the signal arrives.
                Effect::Suspend => process::kill_current_process_group(process::Signal::TSTP)?,
                Effect::LogIn => {
                    // Its thread would take the answers to the questions.
                    *stream = None;
                    self.log_in(app, signals).await?;
                    if app.quit {
                        return Ok(());
                    }
                    screen.clear()?;
                }
            }
            app.ctx.dirty = true;
        }
        Ok(())
    }

    /// Asks for the credentials on the ordinary screen; a signal or the loss of the terminal ends the console.
    async fn log_in(&mut self, app: &mut App, signals: &mut Signals) -> anyhow::Result<()> {
        leave(self.restore.0);
        let modes = termios::tcgetattr(std::io::stdin()).ok();
        let mut how = End::Left;
        let ended = async {
            tokio::select! {
                () = signals.recv() => how = End::Signalled,
                () = hung_up(|| std::io::stdin().is_terminal()) => {}
            }
        };
        let Some(answer) = unless(ended, (self.log_in)()).await else {
            // The question may have switched the echo off.
            if let Some(modes) = modes {
                termios::tcsetattr(std::io::stdin(), termios::OptionalActions::Now, &modes).ok();
            }
            app.quit = true;
            self.end = how;
            return Ok(());
        };
        enter()?;
        match answer {
            Ok(api) => {
                let gate = Arc::new(Gate::new(app.ctx.gate.read_only()));
                self.api = api;
                let markers = self.recording.as_ref().map(|(_, markers)| markers);
                let counted = markers.map_or_else(|| self.api.clone(), |markers| markers.counted(&self.api));
                app.resume(counted.guarded(Arc::clone(&gate) as Arc<dyn Guard>), gate);
            }
            Err(error) => app.not_resumed(&format!("{error:#}")),
        }
        Ok(())
    }

    /// Draws a frame, and records what may be recorded of it.
    fn draw(&mut self, app: &mut App, screen: &mut Screen) -> anyhow::Result<()> {
        draw(app, screen)?;
        let (Some((recorder, markers)), Recording::On(frame)) = (&mut self.recording, &mut app.recording) else {
            return Ok(());
        };
        let mut outcome = frame.take().map_or(Ok(()), |frame| recorder.frame(frame));
        for label in markers.take() {
            outcome = outcome.and_then(|()| recorder.marker(&label));
        }
        if let Err(error) = outcome {
            app.recording = Recording::Off;
            app.ctx.refuse(format!("the recording has ended: {error}"));
            let why = error.to_string();
            app.ctx.recording_lost =
                Some(self.recording.take().map_or_else(|| why.clone(), |(recorder, _)| kept(recorder, &why)));
        }
        Ok(())
    }

    /// Waits for what is under way, but never for ever; the terminal may be gone by now. Further signals change nothing:
    /// a window that is closed sends more than one.
    async fn finish(&mut self, app: &mut App, screen: &mut Screen, stream: &mut Option<EventStream>, end: Instant) {
        app.leave();
        let end = tokio::time::sleep_until(end.into());
        tokio::pin!(end);
        let mut there = true;
        while app.busy() {
            there = there && self.draw(app, screen).is_ok();
            let key = async {
                match stream {
                    Some(events) if there => events.next().await,
                    _ => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                Some(message) = self.receiver.recv() => app.message(message),
                () = &mut end => break,
                event = key => match event {
                    Some(Ok(event)) if app.leaves_at_once(&event) => break,
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => there = false,
                },
            }
        }
    }
}

/// Returns the answer, or `None` if the end comes first.
async fn unless<T>(end: impl Future<Output = ()>, answer: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = end => None,
        answer = answer => Some(answer),
    }
}

/// Returns once the terminal is gone.
async fn hung_up(there: impl Fn() -> bool) {
    while there() {
        tokio::time::sleep(HANG_UP).await;
    }
}

/// Passes events on, but nothing that somebody typed who is blind.
fn pass(app: &mut App, events: impl IntoIterator<Item = Event>, blind: bool) {
    let typed = |event: &Event| matches!(event, Event::Key(_) | Event::Mouse(_) | Event::Paste(_));
    events.into_iter().filter(|event| !(blind && typed(event))).for_each(|event| app.event(event));
}

fn screen() -> anyhow::Result<Screen> {
    let backend = WideCharBackend::new(CrosstermBackend::new(BufWriter::with_capacity(1 << 16, std::io::stdout())));
    Terminal::new(backend).context("the terminal")
}

/// Returns the next item if it is there already. The task that awaits this is the one that the next item wakes: a stream
/// may wake only the first that found nothing, and a key would otherwise wait for the next tick.
async fn if_there<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    let polled = std::future::poll_fn(|context| Poll::Ready(stream.poll_next_unpin(context))).await;
    if let Poll::Ready(item) = polled { item } else { None }
}

fn draw(app: &mut App, screen: &mut Screen) -> anyhow::Result<()> {
    queue!(screen.backend_mut().0, BeginSynchronizedUpdate)?;
    screen.draw(|frame| {
        let area = frame.area();
        if let Some(cursor) = app.draw(area, frame.buffer_mut()) {
            frame.set_cursor_position(cursor);
        }
    })?;
    execute!(screen.backend_mut().0, EndSynchronizedUpdate)?;
    Ok(())
}

/// Gives the terminal back and stops the program; the signal with which the shell's `fg` resumes it is handled like any
/// other.
fn suspend(kitty: bool) -> anyhow::Result<()> {
    leave(kitty);
    process::kill_process(process::getpid(), process::Signal::STOP)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    /// Like crossterm's stream of events: it keeps the first waker that found nothing until that is woken.
    #[derive(Default)]
    struct Events(Option<Waker>);

    impl Stream for Events {
        type Item = ();
        fn poll_next(mut self: std::pin::Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<()>> {
            self.0.get_or_insert_with(|| context.waker().clone());
            Poll::Pending
        }
    }

    /// Once a key waited for the next tick, 25 ms in the middle: what looked whether there were more keys could not be woken.
    #[test]
    fn looking_for_more_keys_takes_nothing_from_whoever_waits() {
        let (waker, woken) = counting_waker();
        let mut events = Events::default();
        let mut look = Box::pin(if_there(&mut events));
        assert!(look.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
        drop(look);
        events.0.take().unwrap().wake();
        assert_eq!(woken.load(Ordering::SeqCst), 1);
    }

    /// Once a console stayed for ever at the question for the password after its window was closed.
    #[tokio::test]
    async fn a_terminal_that_is_gone_ends_the_question() {
        let looks = std::cell::Cell::new(0);
        let there = || looks.replace(looks.get() + 1) < 3;
        assert_eq!(unless(hung_up(there), std::future::pending::<()>()).await, None);
        assert_eq!(unless(hung_up(|| true), std::future::ready(7)).await, Some(7));
    }

    fn counting_waker() -> (Waker, Arc<std::sync::atomic::AtomicUsize>) {
        struct Count(Arc<std::sync::atomic::AtomicUsize>);
        impl std::task::Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let count = Arc::default();
        (Waker::from(Arc::new(Count(Arc::clone(&count)))), count)
    }
}
