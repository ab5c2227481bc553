//! A picture on a screen: it is loaded, decoded and drawn outside the draw loop; it can be enlarged, moved and turned.

use std::{fmt::Write as _, future::Future, io::Write as _, sync::Arc, time::Duration};

use image::DynamicImage;
use marketplace_core::{
    error::{Error, ErrorCode, Result},
    kyc::model::FileContent,
    staff::Connection,
    time::Timestamp,
};
use ratatui::{
    buffer::Buffer,
    layout::{Rect, Size},
    text::Line,
    widgets::Widget,
};
use ratatui_image::Image;
use tokio::sync::Semaphore;

use super::super::{
    ctx::{Ctx, PATIENCE},
    keymap::Action,
    message::{LoadId, Message},
    picture::{self, Decoded, Drawing, Images, Rendered, View},
    privacy, text,
    theme::Style,
    widgets::rows,
};

/// Columns and rows below which a picture shows nothing.
const LEAST: (u16, u16) = (8, 3);

/// One picture is decoded at a time, because decoding a large one needs a hundred megabytes.
static DECODING: Semaphore = Semaphore::const_new(1);

/// The loading state of a file.
#[derive(Debug, Default)]
pub enum Content {
    /// Not requested.
    #[default]
    Waiting,
    /// Loading.
    Loading(LoadId, Timestamp),
    /// It does not exist, or it cannot be shown.
    Failed(String),
    /// A PDF with its size in bytes.
    Pdf(usize),
    /// A picture.
    Picture(Arc<DynamicImage>),
}

/// A result.
enum Came {
    /// A file, decoded.
    File(Result<Decoded>),
    /// A picture, ready for the terminal; `None` when it cannot be drawn there.
    Rendered(Option<Box<Rendered>>),
}

/// A file that is shown as a picture.
#[derive(Debug, Default)]
pub struct Shown {
    /// Its loading state.
    pub content: Content,
    /// Its view.
    pub view: View,
    /// The latest drawing.
    pub rendered: Option<Rendered>,
    rendering: Option<(LoadId, Size, View)>,
    /// The area that the last frame had for it.
    pub wanted: Option<Size>,
    /// Whether it has been drawn since it is on the screen.
    pub seen: bool,
}

impl Shown {
    /// Starts loading it, unless it is here or on its way.
    pub fn load<F>(&mut self, ctx: &mut Ctx, work: impl FnOnce(Connection) -> F)
    where
        F: Future<Output = Result<FileContent>> + Send + 'static,
    {
        if matches!(self.content, Content::Picture(_) | Content::Pdf(_) | Content::Loading(..)) {
            return;
        }
        if matches!(ctx.images, Images::Off) {
            let outside = ctx.keymap.key(Action::OUTSIDE);
            self.content = Content::Failed(format!("pictures are off; {outside} opens it outside"));
            return;
        }
        let now = ctx.now();
        let load = ctx.load(Came::File, |api| {
            let file = work(api);
            async move {
                let content = file.await?;
                let permit = DECODING.acquire().await;
                let decoded = tokio::task::spawn_blocking(move || picture::decode(&content)).await;
                drop(permit);
                decoded.unwrap_or_else(|error| Err(Error::internal(error)))
            }
        });
        self.content = Content::Loading(load, now);
    }

    /// Handles the file or the drawn picture that it waits for, and returns any other message.
    pub fn message(&mut self, message: Message, ctx: &Ctx) -> Option<Message> {
        let id = message.id();
        let loads = matches!(self.content, Content::Loading(load, _) if load == id);
        let draws = self.rendering.is_some_and(|(load, ..)| load == id);
        if !loads && !draws {
            return Some(message);
        }
        match message.open() {
            Ok((_, Came::File(Ok(Decoded::Picture(picture))))) => self.content = Content::Picture(picture),
            Ok((_, Came::File(Ok(Decoded::Pdf(size))))) => self.content = Content::Pdf(size),
            Ok((_, Came::File(Err(error)))) => self.content = Content::Failed(error.to_string()),
            Ok((_, Came::Rendered(done))) => {
                self.rendering = None;
                if let Some(done) = done {
                    self.rendered = Some(*done);
                } else {
                    let outside = ctx.keymap.key(Action::OUTSIDE);
                    self.content =
                        Content::Failed(format!("this picture cannot be drawn here; {outside} opens it outside"));
                }
            }
            Err(other) => return Some(other),
        }
        None
    }

    /// Starts drawing for the area of the last frame, unless that is done already.
    pub fn render(&mut self, ctx: &mut Ctx) {
        let (Content::Picture(picture), Some(size)) = (&self.content, self.wanted) else { return };
        let view = self.view;
        let there = self.rendered.as_ref().is_some_and(|done| (done.size, done.view) == (size, view));
        let under_way = self.rendering.is_some_and(|(_, s, v)| (s, v) == (size, view));
        if there || under_way {
            return;
        }
        let (picture, images) = (Arc::clone(picture), ctx.images.clone());
        let load = ctx.load(Came::Rendered, |_| async move {
            tokio::task::spawn_blocking(move || picture::render(&images, &picture, size, view).map(Box::new))
                .await
                .ok()
                .flatten()
        });
        self.rendering = Some((load, size, view));
    }

    /// Releases the picture too; it is loaded again when it is wanted.
    pub fn forget(&mut self) {
        if !matches!(self.content, Content::Loading(..)) {
            self.content = Content::Waiting;
        }
    }

    /// Draws the picture again, because it is drawn in another way from now on.
    pub fn draw_again(&mut self) {
        self.rendered = None;
        self.rendering = None;
    }

    /// Releases what was drawn, but not the picture.
    pub fn rest(&mut self) {
        self.draw_again();
        self.wanted = None;
        self.seen = false;
    }

    /// Turns or enlarges it. Returns false for any other action.
    pub fn looks(&mut self, action: Action) -> bool {
        match action {
            Action::ROTATE => self.view.turn(),
            Action::ZOOM_IN => self.view.closer(),
            Action::ZOOM_OUT => self.view.farther(),
            _ => return false,
        }
        true
    }

    /// Moves it while it is enlarged. Returns false when it is not, and for any other action.
    pub fn pan(&mut self, action: Action) -> bool {
        let (dx, dy) = match action {
            Action::LEFT => (-1, 0),
            Action::RIGHT => (1, 0),
            Action::UP => (0, -1),
            Action::DOWN => (0, 1),
            _ => return false,
        };
        if self.view.scale > 1 {
            self.view.pan(dx, dy);
            return true;
        }
        false
    }

    /// Draws it with its caption, or a text in place of it. `name` is what texts call it; `centred`, it is in the middle, and near
    /// the left edge otherwise.
    pub fn draw(&mut self, area: Rect, buf: &mut Buffer, ctx: &Ctx, (name, caption): (&str, &str), centred: bool) {
        let theme = ctx.theme;
        let mut caption = caption.to_owned();
        if self.view.turns > 0 {
            let _ = write!(caption, " ↻{}°", u16::from(self.view.turns) * 90);
        }
        if self.view.scale > 1 {
            let _ = write!(caption, " {}×", self.view.scale);
        }
        rows::put(buf, area, 0, &Line::styled(format!(" {caption}"), theme.style(Style::Faint)));
        let room = Rect {
            x: area.x + 1,
            y: area.y + 1,
            width: area.width.saturating_sub(2),
            height: area.height.saturating_sub(1),
        };
        self.wanted = Some(Size::new(room.width, room.height));
        let outside = ctx.keymap.key(Action::OUTSIDE);
        match &self.content {
            Content::Picture(_) if matches!(ctx.images, Images::Off) => {
                card(room, buf, ctx, &[format!("{name} (pictures are off)"), format!("{outside} opens it outside")]);
            }
            Content::Picture(_) => {
                let whole = self.draw_picture(room, buf, ctx, name, centred);
                self.seen |= whole && room.width >= LEAST.0 && room.height >= LEAST.1;
                return;
            }
            Content::Pdf(size) => {
                let size = crate::output::size(*size as u64);
                card(room, buf, ctx, &[format!("PDF · {size}"), format!("{outside} opens it outside")]);
            }
            Content::Failed(why) => card(room, buf, ctx, &[format!("✖ no {name}"), why.clone()]),
            Content::Loading(_, since) => {
                if ctx.now().since(*since) >= PATIENCE {
                    card(room, buf, ctx, &["░░░░░░░░░░░░░░".into(), format!("{name} on its way")]);
                }
                return;
            }
            Content::Waiting => return,
        }
        self.seen |= room.height > 0;
    }

    /// Draws the picture; returns whether all of it is there.
    fn draw_picture(&self, room: Rect, buf: &mut Buffer, ctx: &Ctx, name: &str, centred: bool) -> bool {
        let Some(rendered) = &self.rendered else { return false };
        // Pixels that the terminal itself draws would show through a box in front of them.
        if ctx.covered && ctx.images.fragile() {
            card(room, buf, ctx, &[name.to_owned()]);
            return false;
        }
        match &rendered.drawing {
            Drawing::Protocol(protocol) => {
                let size = protocol.size();
                let x = room.x + room.width.saturating_sub(size.width) / if centred { 2 } else { 8 };
                let at = Rect::new(x, room.y, size.width, size.height).intersection(room);
                if at.width >= size.width && at.height >= size.height {
                    Image::new(protocol).render(at, buf);
                    privacy::mark(at, buf);
                    return true;
                }
                false
            }
            Drawing::Blocks(lines) => {
                for (y, line) in (room.top()..room.bottom()).zip(lines) {
                    for (x, block) in (room.left()..room.right()).zip(line) {
                        if let Some(cell) = buf.cell_mut((x, y)) {
                            cell.set_char(block.character).set_fg(block.front).set_bg(block.back);
                        }
                    }
                }
                privacy::mark(room, buf);
                true
            }
            Drawing::Dots(lines) => {
                for (row, line) in (0..room.height).zip(lines) {
                    rows::put(buf, room, row, &Line::raw(line.as_str()));
                }
                privacy::mark(room, buf);
                true
            }
        }
    }
}

/// Draws a few words in a frame, in place of a picture.
fn card(room: Rect, buf: &mut Buffer, ctx: &Ctx, lines: &[String]) {
    let inner = if room.height >= 5 { rows::pane(room, buf, ctx.theme, "", "", false) } else { room };
    let columns = usize::from(inner.width.saturating_sub(2));
    let wrapped: Vec<String> = lines.iter().flat_map(|line| text::wrap(line, columns)).collect();
    let top = inner.height.saturating_sub(u16::try_from(wrapped.len()).unwrap_or(u16::MAX)) / 2;
    for (row, line) in (top..inner.height).zip(&wrapped) {
        let pad = columns.saturating_sub(text::width(line)) / 2 + 1;
        rows::put(buf, inner, row, &Line::styled(format!("{}{line}", " ".repeat(pad)), ctx.theme.style(Style::Faint)));
    }
}

/// Opens a file in the desktop's viewer: writes it where only this user can read it, shows it, and removes it when the viewer ends, or after a minute
/// for viewers that pass it to a running program.
pub fn outside(bytes: &[u8], media_type: &str, name: &str) -> Result<String> {
    let ending = match media_type {
        "application/pdf" => ".pdf",
        "image/png" => ".png",
        "image/webp" => ".webp",
        _ => ".jpg",
    };
    let failed = |error: std::io::Error| Error::new(ErrorCode::Internal, format!("cannot open it here: {error}"));
    let mut file = tempfile::Builder::new().prefix("marketplace-").suffix(ending).tempfile().map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.flush()).map_err(failed)?;
    let viewer = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let mut child = std::process::Command::new(viewer)
        .arg(file.path())
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .map_err(|error| {
            Error::new(
                ErrorCode::Internal,
                format!("there is no viewer here ({viewer}: {error}); see `marketplace kyc open` and `services photo`"),
            )
        })?;
    std::thread::spawn(move || {
        // The file may be needed longer than the viewer's process: some only pass the path on.
        drop(child.wait());
        std::thread::sleep(Duration::from_secs(60));
        drop(file);
    });
    Ok(format!("the {} is open outside; its copy goes away by itself", text::words(name)))
}
