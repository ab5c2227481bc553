//! The whole: which screen is seen, what lies in front of it, and where keys, answers and time go.

use crossterm::event::{Event as TermEvent, KeyEvent, KeyEventKind, MouseButton, MouseEvent, MouseEventKind};
use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Position, Rect},
    text::Line,
};

use super::{
    bulk::Bulk,
    component::Screen,
    ctx::{Ctx, Request},
    keymap::Action,
    link::Link,
    message::Message,
    screens::{audit::Audit, dashboard::Dashboard, kyc::Kyc, users::Users},
    text,
    widgets::{
        form::{Form, Intent, Outcome},
        frame,
        palette::{Palette, Typing},
        popup::{PopLine, Popup},
        rows,
    },
};

/// Columns and rows below which nothing sensible can be drawn.
const SMALLEST: (u16, u16) = (60, 16);

/// What the terminal is to do apart from drawing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Put this on the clipboard.
    Copy(String),
    /// Draw everything anew.
    Redraw,
    /// Go to the background.
    Suspend,
}

/// The console.
pub struct App {
    /// What every component has at hand.
    pub ctx: Ctx,
    /// What the terminal is to do.
    pub effects: Vec<Effect>,
    /// Whether it is over.
    pub quit: bool,
    link: Link,
    active: Action,
    dashboard: Dashboard,
    kyc: Kyc,
    users: Users,
    audit: Audit,
    form: Option<Box<Form>>,
    popup: Option<Popup>,
    palette: Option<Palette>,
    bulk: Option<Box<Bulk>>,
    failures: Option<Popup>,
    tabs: Vec<(Rect, Action)>,
    drawn_second: i64,
}

impl App {
    /// At the dashboard, with the first loads under way.
    pub fn new(mut ctx: Ctx) -> Self {
        ctx.load(|_, answer| Message::Whoami(answer), |api| async move { api.whoami().await });
        let mut app = Self {
            ctx,
            effects: Vec::new(),
            quit: false,
            link: Link::default(),
            active: Action::Dash,
            dashboard: Dashboard::default(),
            kyc: Kyc::default(),
            users: Users::default(),
            audit: Audit::default(),
            form: None,
            popup: None,
            palette: None,
            bulk: None,
            failures: None,
            tabs: Vec::new(),
            drawn_second: 0,
        };
        app.tick();
        app
    }

    fn screen(&mut self) -> (&mut dyn Screen, &mut Ctx) {
        let screen: &mut dyn Screen = match self.active {
            Action::Kyc => &mut self.kyc,
            Action::Users => &mut self.users,
            Action::Audit => &mut self.audit,
            _ => &mut self.dashboard,
        };
        (screen, &mut self.ctx)
    }
    fn seen(&self) -> &dyn Screen {
        match self.active {
            Action::Kyc => &self.kyc,
            Action::Users => &self.users,
            Action::Audit => &self.audit,
            _ => &self.dashboard,
        }
    }
    fn each(&mut self) -> ([&mut dyn Screen; 4], &mut Ctx) {
        ([&mut self.dashboard, &mut self.kyc, &mut self.users, &mut self.audit], &mut self.ctx)
    }

    /// Takes something from the terminal.
    pub fn event(&mut self, event: TermEvent) {
        match event {
            TermEvent::Key(key) if key.kind != KeyEventKind::Release => self.key(key),
            TermEvent::Paste(pasted) => self.paste(&pasted),
            TermEvent::Mouse(mouse) => self.mouse(mouse),
            TermEvent::Resize(..) => self.ctx.dirty = true,
            _ => return,
        }
        self.settle();
    }

    fn key(&mut self, key: KeyEvent) {
        self.ctx.dirty = true;
        if let Some(popup) = &mut self.popup {
            if !popup.key(key) {
                self.popup = None;
            }
            return;
        }
        if let Some(form) = &mut self.form {
            match form.key(key) {
                Outcome::Open => {}
                Outcome::Cancelled => self.form = None,
                Outcome::Filled(filled) => {
                    self.form = None;
                    if filled.intent == Intent::Quit {
                        self.quit = true;
                        return;
                    }
                    let (screens, ctx) = self.each();
                    for screen in screens {
                        if screen.filled(&filled, ctx) {
                            break;
                        }
                    }
                }
            }
            return;
        }
        let screen = self.seen().on();
        if let Some(palette) = &mut self.palette {
            let typing = palette.key(key, screen);
            if typing != Typing::Open {
                self.palette = None;
            }
            match typing {
                Typing::Run(action) => self.act(action),
                Typing::Filter(words) => {
                    let (screen, ctx) = self.screen();
                    screen.filter(&words, ctx);
                }
                Typing::Open | Typing::Closed => {}
            }
            return;
        }
        if self.seen().typing() {
            let (screen, ctx) = self.screen();
            screen.key(key, ctx);
            return;
        }
        if let Some(action) = self.ctx.keymap.find(key.into(), screen) {
            self.act(action);
        }
    }

    /// Does something, if it may be done.
    pub fn act(&mut self, action: Action) {
        if action == Action::Back
            && let Some(bulk) = self.bulk.as_ref().filter(|bulk| bulk.running())
        {
            bulk.stop();
            return;
        }
        if let Some(needed) = action.spec().needs {
            if action.writes()
                && let Err(error) = self.ctx.gate.check()
            {
                self.ctx.refuse(error.detail().to_owned());
                return;
            }
            if !self.ctx.may(needed) {
                let role = self.ctx.identity.as_ref().map_or("your role", |identity| identity.role.as_str());
                self.ctx.refuse(format!("{} needs the permission {needed}, which {role} has not", action.spec().name));
                return;
            }
        }
        self.ctx.notice = None;
        let (screen, ctx) = self.screen();
        if screen.action(action, ctx) {
            return;
        }
        match action {
            Action::Dash | Action::Kyc | Action::Users | Action::Audit => self.active = action,
            Action::Help => {
                let (on, name) = (self.seen().on(), self.seen().name());
                self.popup = Some(Popup::help(&self.ctx.keymap, on, name));
            }
            Action::Command => self.palette = Some(Palette::default()),
            Action::Quit => {
                if self.bulk.as_ref().is_some_and(|bulk| bulk.running()) {
                    let form = Form::new("Quit", Intent::Quit)
                        .line("A bulk action is under way; quitting stops it where it is.");
                    self.form = Some(Box::new(form));
                } else {
                    self.quit = true;
                }
            }
            Action::ExactTimes => self.ctx.exact = !self.ctx.exact,
            Action::ErrorDetail => match &self.ctx.error_detail {
                Some(lines) => self.popup = Some(Popup::text("Latest error", lines.clone())),
                None => self.ctx.say("no error so far"),
            },
            Action::Failures => match &self.failures {
                Some(popup) => self.popup = Some(popup.clone()),
                None => self.ctx.say("no bulk action so far"),
            },
            Action::ShowCli => {
                let mut lines =
                    vec![PopLine::Text("The same on the command line:".into()), PopLine::Text(String::new())];
                lines.extend(self.seen().commands().into_iter().map(PopLine::Text));
                self.popup = Some(Popup::new("As command", lines));
            }
            Action::Reload => {
                self.reload();
                self.ctx.say("loading again");
            }
            Action::Redraw => self.effects.push(Effect::Redraw),
            Action::Suspend => self.effects.push(Effect::Suspend),
            _ => {}
        }
    }

    fn reload(&mut self) {
        self.ctx.load(|_, answer| Message::Whoami(answer), |api| async move { api.whoami().await });
        let (screens, ctx) = self.each();
        for screen in screens {
            screen.reload(ctx);
        }
    }

    fn paste(&mut self, pasted: &str) {
        self.ctx.dirty = true;
        if let Some(form) = &mut self.form {
            form.paste(pasted);
        } else if let Some(palette) = &mut self.palette {
            palette.paste(pasted);
        } else if self.seen().typing() {
            let (screen, ctx) = self.screen();
            screen.paste(pasted, ctx);
        }
    }

    fn mouse(&mut self, mouse: MouseEvent) {
        let lines = match mouse.kind {
            MouseEventKind::ScrollDown => 3,
            MouseEventKind::ScrollUp => -3,
            MouseEventKind::Down(MouseButton::Left) => 0,
            _ => return,
        };
        self.ctx.dirty = true;
        if let Some(popup) = &mut self.popup {
            if lines == 0 {
                self.popup = None;
            } else {
                popup.scroll(lines);
            }
            return;
        }
        if self.form.is_some() || self.palette.is_some() {
            return;
        }
        let at = Position::new(mouse.column, mouse.row);
        if lines == 0 {
            if let Some((_, action)) = self.tabs.iter().find(|(area, _)| area.contains(at)) {
                self.act(*action);
            } else {
                let (screen, ctx) = self.screen();
                screen.click(at, ctx);
            }
        } else {
            let action = if lines > 0 { Action::Down } else { Action::Up };
            for _ in 0..lines.unsigned_abs() {
                let (screen, ctx) = self.screen();
                screen.action(action, ctx);
            }
        }
    }

    /// Takes an answer.
    pub fn message(&mut self, message: Message) {
        self.ctx.dirty = true;
        match message {
            Message::Beat(id, answer) => {
                let (events, back) = self.link.answered(id, answer, &mut self.ctx);
                if back {
                    self.reload();
                }
                let (screens, ctx) = self.each();
                for screen in screens {
                    for event in &events {
                        screen.event(event, ctx);
                    }
                }
                // A quiet beat shows nothing new.
                self.ctx.dirty = back || !events.is_empty();
            }
            Message::Whoami(Ok(identity)) => self.ctx.identity = Some(identity),
            Message::Whoami(Err(error)) => self.ctx.fail_quietly("whoami", &error),
            Message::Quiet => {}
            other => self.deliver(other),
        }
        self.settle();
    }

    fn deliver(&mut self, message: Message) {
        let mut message = message;
        if let Some(bulk) = &mut self.bulk {
            match bulk.message(message) {
                None => {
                    if !bulk.running() {
                        self.bulk_ended();
                    }
                    return;
                }
                Some(other) => message = other,
            }
        }
        let (screens, ctx) = self.each();
        for screen in screens {
            match screen.message(message, ctx) {
                None => return,
                Some(other) => message = other,
            }
        }
    }

    fn bulk_ended(&mut self) {
        if let Some(bulk) = self.bulk.take() {
            self.failures = Some(bulk.failures());
            if bulk.any_failed() {
                self.ctx.refuse(bulk.summary());
            } else {
                self.ctx.say(bulk.summary());
            }
            let (screens, ctx) = self.each();
            for screen in screens {
                screen.bulk_ended(&bulk, ctx);
            }
        }
    }

    /// Looks at the clock.
    pub fn tick(&mut self) {
        if self.link.tick(&mut self.ctx) {
            self.ctx.dirty = true;
        }
        if self.ctx.notice.as_ref().is_some_and(|notice| frame::over(notice.until, &self.ctx)) {
            self.ctx.notice = None;
            self.ctx.dirty = true;
        }
        // Ages and countdowns are in seconds.
        let second = self.ctx.now().unix_seconds();
        if second != self.drawn_second {
            self.drawn_second = second;
            self.ctx.dirty = true;
        }
        self.settle();
    }

    /// After anything: screens start what they want, and wishes are granted.
    fn settle(&mut self) {
        let active = self.active;
        let (screens, ctx) = self.each();
        for screen in screens {
            screen.tick(screen.home() == active, ctx);
        }
        for request in std::mem::take(&mut self.ctx.requests) {
            match request {
                Request::Form(form) => self.form = Some(form),
                Request::Popup(popup) => self.popup = Some(popup),
                Request::Bulk(mut bulk) => {
                    bulk.start(&mut self.ctx);
                    self.bulk = Some(bulk);
                }
                Request::User(id) => {
                    self.active = Action::Users;
                    self.users.show(id, &mut self.ctx);
                }
                Request::UserKyc(id, status) => {
                    self.active = Action::Kyc;
                    let status = status.map_or_else(String::new, |status| format!("status:{status} "));
                    self.kyc.filter(&format!("{status}user_id:{id}"), &mut self.ctx);
                }
                Request::Attempt(id) => {
                    self.active = Action::Kyc;
                    self.kyc.look(id, &mut self.ctx);
                }
                Request::Audit(target) => {
                    self.active = Action::Audit;
                    self.audit.filter(&format!("target:{target}"), &mut self.ctx);
                }
                Request::Copy(copied, said) => {
                    self.effects.push(Effect::Copy(copied));
                    self.ctx.say(said);
                }
            }
            let (screens, ctx) = self.each();
            for screen in screens {
                screen.tick(screen.home() == active, ctx);
            }
        }
    }

    /// What is to be given back when it is over.
    pub fn claims(&self) -> Vec<marketplace_core::ids::AttemptId> {
        self.kyc.claims()
    }

    /// Draws everything; answers where the text cursor is.
    pub fn draw(&mut self, area: Rect, buf: &mut Buffer) -> Option<Position> {
        self.ctx.dirty = false;
        if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
            let line =
                format!("terminal too small: {}×{}, needs {}×{}", area.width, area.height, SMALLEST.0, SMALLEST.1);
            for (row, line) in text::wrap(&line, usize::from(area.width)).iter().enumerate() {
                rows::put(buf, area, u16::try_from(row).unwrap_or(u16::MAX), &Line::raw(line.as_str()));
            }
            return None;
        }
        let [header, tabs, body, status, footer] = area.layout(&Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Min(1),
            Constraint::Length(1),
            Constraint::Length(1),
        ]));
        let running = self.bulk.as_ref().is_some_and(|bulk| bulk.running());
        self.ctx.covered = self.form.is_some() || self.popup.is_some() || self.palette.is_some() || running;
        frame::header(header, buf, &self.ctx, self.link.state());
        self.tabs = frame::tabs(tabs, buf, &self.ctx, self.active);
        let (screen, ctx) = self.screen();
        screen.draw(body, buf, ctx);
        let theme = self.ctx.theme;
        let seen = self.seen();
        frame::status(status, buf, &self.ctx, self.link.state(), seen.status(&self.ctx));
        frame::footer(footer, buf, &self.ctx, seen.on(), |action| self.ctx.offers(action) && seen.offers(action));
        let mut cursor = seen.draw_input(status, buf, &self.ctx);
        if let Some(palette) = &self.palette {
            cursor = Some(palette.draw(status, buf, &self.ctx, seen.on()));
        }
        if let Some(bulk) = self.bulk.as_ref().filter(|bulk| bulk.running()) {
            bulk.draw(body, buf, theme);
        }
        if let Some(form) = &self.form {
            cursor = form.draw(body, buf, theme);
        }
        if let Some(popup) = &mut self.popup {
            popup.draw(body, buf, theme);
            cursor = None;
        }
        cursor
    }
}
