//! The photos of a service beside its text: one at a time, with what stands for it for people who do not see it.

use marketplace_core::{
    error::Result,
    ids::{PhotoId, ServiceId},
    services::model::{Photo, PhotoSize},
    staff::{PhotoQuery, ViewPhoto},
};
use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    text::Line,
};

use super::{
    super::{
        ctx::Ctx,
        keymap::Action,
        message::{LoadId, Message},
        text,
        theme::Style,
        widgets::rows,
    },
    viewer::{Shown, outside},
};

/// The actions of screens that show photos.
pub const ACTIONS: [Action; 7] = [
    Action::ZOOM,
    Action::ROTATE,
    Action::ZOOM_IN,
    Action::ZOOM_OUT,
    Action::PHOTO_NEXT,
    Action::PHOTO_BACK,
    Action::OUTSIDE,
];

/// Columns from which a photo is beside the text.
const BESIDE: u16 = 84;
/// Rows below which there is no photo above the text.
const LEAST: u16 = 12;

/// A photo that was opened in the desktop's viewer.
struct Opened(Result<String>);

/// Photos, one of which is shown.
#[derive(Debug, Default)]
pub struct Photos {
    /// Whose they are.
    of: Option<ServiceId>,
    all: Vec<Photo>,
    at: usize,
    shown: Shown,
    /// Whether the one that is shown is as large as there is room.
    pub large: bool,
    /// Whether the last frame had room for it.
    is_drawn: bool,
    opened: Option<LoadId>,
}

impl Photos {
    /// Shows the photos of something, from the first on; what shows them already stays as it is.
    pub fn of(&mut self, service: ServiceId, photos: &[Photo]) {
        let same = self.of == Some(service);
        if same && self.all == photos {
            return;
        }
        let before = self.current().map(|photo| photo.id).filter(|_| same);
        let at = before.and_then(|id| photos.iter().position(|photo| photo.id == id));
        self.of = Some(service);
        self.all = photos.to_vec();
        match at {
            Some(at) => self.at = at,
            None => self.turn_to(0),
        }
        self.large &= same && !photos.is_empty();
    }

    /// Shows none.
    pub fn none(&mut self) {
        if self.of.is_some() {
            *self = Self::default();
        }
    }

    /// Returns the photo that is shown.
    pub fn current(&self) -> Option<&Photo> {
        self.all.get(self.at)
    }

    /// Returns the photo that is shown, once it has been drawn; why an act on it is not possible otherwise.
    pub fn seen(&self, ctx: &Ctx) -> std::result::Result<&Photo, String> {
        let photo = self.current().ok_or_else(|| "there is no photo here".to_owned())?;
        match (self.is_drawn, self.shown.seen) {
            (true, true) => Ok(photo),
            (true, false) => Err("the photo is still on its way: look at it first".into()),
            (false, _) => {
                Err(format!("the photo is not on the screen: {} shows it large", ctx.keymap.key(Action::ZOOM)))
            }
        }
    }

    /// Returns which one is shown, as forms name it: `photo 2 of 2 · “The tap”`.
    pub fn said(&self) -> String {
        let alt = match self.current().map(|photo| photo.alt.as_str()) {
            None | Some("") => "no text stands for it".into(),
            Some(alt) => format!("“{}”", text::clean(alt)),
        };
        format!("{} · {alt}", self.place())
    }

    /// Returns the place of the one that is shown: `photo 2 of 2`.
    pub fn place(&self) -> String {
        format!("photo {} of {}", self.at + 1, self.all.len())
    }

    /// Begins a frame, which does not show the photo unless it is drawn, nor a large one where something else is shown.
    pub fn begin_frame(&mut self, is_open: bool) {
        self.is_drawn = false;
        self.large &= is_open;
    }

    fn turn_to(&mut self, at: usize) {
        self.at = at;
        self.shown = Shown::default();
    }

    /// Handles the actions of a viewer. Returns false for any other, and without photos.
    pub fn action(&mut self, action: Action, ctx: &mut Ctx) -> bool {
        if !ACTIONS.contains(&action) {
            return self.large && self.shown.pan(action);
        }
        let Some(id) = self.current().map(|photo| photo.id) else {
            ctx.refuse(format!("{}: there is no photo here", action.label));
            return true;
        };
        match action {
            Action::ZOOM => {
                self.large = !self.large;
                if !self.large {
                    self.shown.view = super::super::picture::View::default();
                }
            }
            Action::PHOTO_NEXT if self.at + 1 < self.all.len() => self.turn_to(self.at + 1),
            Action::PHOTO_BACK if self.at > 0 => self.turn_to(self.at - 1),
            Action::PHOTO_NEXT => ctx.say("that was the last photo"),
            Action::PHOTO_BACK => ctx.say("that is the first photo"),
            Action::OUTSIDE => self.open_outside(id, ctx),
            other => {
                // Closer is of no use in a corner.
                self.large |= other == Action::ZOOM_IN;
                self.shown.looks(other);
            }
        }
        true
    }

    fn open_outside(&mut self, id: PhotoId, ctx: &mut Ctx) {
        let load = ctx.load(Opened, |api| async move {
            let query = PhotoQuery { size: Some(PhotoSize::Full) };
            let content = api.call::<ViewPhoto>(id, query, ()).await?;
            tokio::task::spawn_blocking(move || outside(&content.bytes, &content.media_type, "photo"))
                .await
                .unwrap_or_else(|error| Err(marketplace_core::error::Error::internal(error)))
        });
        self.opened = Some(load);
        ctx.say("opening the photo…");
    }

    /// Goes back from a large photo. Returns false when none is large.
    pub fn back(&mut self) -> bool {
        std::mem::take(&mut self.large)
    }

    /// Handles what it waits for, and returns any other message.
    pub fn message(&mut self, message: Message, ctx: &mut Ctx) -> Option<Message> {
        if self.opened != Some(message.id()) {
            return self.shown.message(message, ctx);
        }
        self.opened = None;
        match message.open::<Opened>() {
            Ok((_, Opened(Ok(said)))) => ctx.say(said),
            Ok((_, Opened(Err(error)))) => ctx.fail("open outside", &error),
            Err(other) => return Some(other),
        }
        None
    }

    /// Loads and draws the photo that is shown.
    pub fn tick(&mut self, visible: bool, ctx: &mut Ctx) {
        if !visible || ctx.leaving() || self.shown.wanted.is_none() {
            return;
        }
        if let Some(id) = self.current().map(|photo| photo.id) {
            // Enlarging a part of it needs no more than this either.
            let query = PhotoQuery { size: Some(PhotoSize::Full) };
            self.shown.load(ctx, |api| async move { api.call::<ViewPhoto>(id, query, ()).await });
            self.shown.render(ctx);
        }
    }

    /// Draws the photo again, because it is drawn in another way from now on.
    pub fn draw_again(&mut self) {
        self.shown.draw_again();
    }

    /// Returns the areas of the photo, if there is room for one, and of the text.
    pub fn split(&self, area: Rect) -> (Option<Rect>, Rect) {
        if self.all.is_empty() {
            return (None, area);
        }
        if self.large {
            let [photo, text] = area.layout(&Layout::vertical([Constraint::Min(1), Constraint::Length(0)]));
            return (Some(photo), text);
        }
        if area.width >= BESIDE {
            let [text, photo] =
                area.layout(&Layout::horizontal([Constraint::Min(40), Constraint::Length(area.width * 2 / 5)]));
            return (Some(photo), text);
        }
        if area.height < LEAST {
            return (None, area);
        }
        let [photo, text] =
            area.layout(&Layout::vertical([Constraint::Length(area.height * 2 / 5), Constraint::Min(1)]));
        (Some(photo), text)
    }

    /// Draws the photo that is shown, with its number and the text that stands for it below.
    pub fn draw(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx) {
        let place = self.place();
        let Some(photo) = self.all.get(self.at) else { return };
        self.is_drawn = true;
        let alt =
            if photo.alt.is_empty() { "no text stands for it".to_owned() } else { format!("“{}”", photo.alt) };
        let width = usize::from(area.width.saturating_sub(2));
        let mut lines = text::wrap(&text::clean(&alt), width);
        lines.truncate(usize::from((area.height / 4).max(1)));
        let below = u16::try_from(lines.len()).unwrap_or(1).min(area.height.saturating_sub(1));
        let [picture, said] = area.layout(&Layout::vertical([Constraint::Min(1), Constraint::Length(below)]));
        let caption = format!("{place} · {} × {}", photo.width, photo.height);
        self.shown.draw(picture, buf, ctx, ("photo", &caption), true);
        let said = Rect { x: said.x + 1, width: said.width.saturating_sub(2), ..said };
        for (row, line) in (0..said.height).zip(lines) {
            rows::put(buf, said, row, &Line::styled(line, ctx.theme.style(Style::Faint)));
        }
        super::super::privacy::mark(said, buf);
    }
}
