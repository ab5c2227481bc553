//! An open case: its pictures as they are loaded, the claim on it, and revealed personal data.

use marketplace_core::staff::{FileOf, ViewAttemptFile};
use std::sync::Arc;

use image::DynamicImage;
use marketplace_core::{
    error::Result,
    ids::AttemptId,
    kyc::model::{FileKind, KycCase},
    time::Timestamp,
    users::model::PersonalData,
};
use ratatui::layout::Size;
use tokio::sync::Semaphore;

use super::super::super::{
    ctx::Ctx,
    message::{LoadId, Message},
    picture::{self, Decoded, Images, Rendered, View},
    presence::Presence,
};

/// One picture is decoded at a time, because decoding a large one needs a hundred megabytes.
static DECODING: Semaphore = Semaphore::const_new(1);

/// The loading state of a file.
#[derive(Debug)]
pub enum Content {
    /// Not requested.
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

/// One file of a case.
#[derive(Debug)]
pub struct CaseFile {
    /// The kind of file.
    pub kind: FileKind,
    /// Its loading state.
    pub content: Content,
    /// Its view.
    pub view: View,
    /// The latest drawing.
    pub rendered: Option<Rendered>,
    rendering: Option<(LoadId, Size, View)>,
    /// The area that the last frame had for it.
    pub wanted: Option<Size>,
    /// Whether it has been drawn since the case is on the screen.
    pub seen: bool,
}

impl CaseFile {
    fn new(kind: FileKind) -> Self {
        Self {
            kind,
            content: Content::Waiting,
            view: View::default(),
            rendered: None,
            rendering: None,
            wanted: None,
            seen: false,
        }
    }
}

/// An open case.
#[derive(Debug)]
pub struct OpenCase {
    /// The case itself.
    pub case: KycCase,
    /// Document and selfie.
    pub files: [CaseFile; 2],
    /// Personal data, and until when it is shown.
    pub revealed: Option<(PersonalData, Timestamp)>,
    /// Who else is at work on it.
    pub presence: Presence,
}

impl OpenCase {
    /// Creates an open case, and starts loading its files.
    pub fn new(case: KycCase, ctx: &mut Ctx) -> Self {
        let mut open = Self {
            case,
            files: [CaseFile::new(FileKind::Document), CaseFile::new(FileKind::Selfie)],
            revealed: None,
            presence: Presence::default(),
        };
        open.load_files(ctx);
        open
    }

    /// Returns the attempt.
    pub fn id(&self) -> AttemptId {
        self.case.attempt.id
    }
    /// Returns the person's name, masked.
    pub fn name(&self) -> &str {
        &self.case.attempt.name
    }
    /// Returns the fencing number, while the claim is ours and valid.
    pub fn fence(&self, now: Timestamp) -> Option<i64> {
        self.case.attempt.claim.as_ref().filter(|claim| claim.mine && claim.expires_at > now).map(|claim| claim.fence)
    }

    /// Loads the files that exist and are not here yet.
    pub fn load_files(&mut self, ctx: &mut Ctx) {
        if ctx.leaving() {
            return;
        }
        let id = self.id();
        for file in &mut self.files {
            let kind = file.kind;
            if matches!(file.content, Content::Picture(_) | Content::Pdf(_) | Content::Loading(..)) {
                continue;
            }
            if !self.case.files.iter().any(|file| file.kind == kind) {
                let why = match self.case.files_deleted_at {
                    Some(_) => "files deleted by retention",
                    None => "there is no file (erased, or never sent)",
                };
                file.content = Content::Failed(why.into());
                continue;
            }
            if matches!(ctx.images, Images::Off) {
                file.content = Content::Failed("pictures are off; o opens it outside".into());
                continue;
            }
            let now = ctx.now();
            let load = ctx.load(Came::File, |api| async move {
                let content = api.call::<ViewAttemptFile>(FileOf(id, kind), (), ()).await?;
                let permit = DECODING.acquire().await;
                let decoded = tokio::task::spawn_blocking(move || picture::decode(&content)).await;
                drop(permit);
                decoded.unwrap_or_else(|error| Err(marketplace_core::error::Error::internal(error)))
            });
            file.content = Content::Loading(load, now);
        }
    }

    /// Handles a file or a drawn picture of its own, and returns any other message.
    pub fn message(&mut self, message: Message, ctx: &mut Ctx) -> Option<Message> {
        let message = self.presence.message(message, ctx)?;
        let id = message.id();
        let loads = |file: &CaseFile| matches!(file.content, Content::Loading(load, _) if load == id);
        let draws = |file: &CaseFile| file.rendering.is_some_and(|(load, ..)| load == id);
        let Some(file) = self.files.iter_mut().find(|file| loads(file) || draws(file)) else { return Some(message) };
        match message.open() {
            Ok((_, Came::File(Ok(Decoded::Picture(picture))))) => file.content = Content::Picture(picture),
            Ok((_, Came::File(Ok(Decoded::Pdf(size))))) => file.content = Content::Pdf(size),
            Ok((_, Came::File(Err(error)))) => file.content = Content::Failed(error.to_string()),
            Ok((_, Came::Rendered(done))) => {
                file.rendering = None;
                match done {
                    Some(done) => file.rendered = Some(*done),
                    None => {
                        file.content = Content::Failed("this picture cannot be drawn here; o opens it outside".into());
                    }
                }
            }
            Err(other) => return Some(other),
        }
        None
    }

    /// Starts drawing for the areas of the last frame, unless that is done already.
    pub fn render(&mut self, ctx: &mut Ctx) {
        for file in &mut self.files {
            let (Content::Picture(picture), Some(size)) = (&file.content, file.wanted) else { continue };
            let view = file.view;
            let there = file.rendered.as_ref().is_some_and(|done| (done.size, done.view) == (size, view));
            let under_way = file.rendering.is_some_and(|(_, s, v)| (s, v) == (size, view));
            if there || under_way {
                continue;
            }
            let (picture, images) = (Arc::clone(picture), ctx.images.clone());
            let load = ctx.load(Came::Rendered, |_| async move {
                tokio::task::spawn_blocking(move || picture::render(&images, &picture, size, view).map(Box::new))
                    .await
                    .ok()
                    .flatten()
            });
            file.rendering = Some((load, size, view));
        }
    }

    /// Releases the pictures too; they are loaded again if the case returns.
    pub fn forget(&mut self) {
        self.rest();
        for file in &mut self.files {
            if !matches!(file.content, Content::Loading(..)) {
                file.content = Content::Waiting;
            }
        }
    }

    /// Draws the pictures again, because they are drawn in another way from now on.
    pub fn draw_again(&mut self) {
        for file in &mut self.files {
            file.rendered = None;
            file.rendering = None;
        }
    }

    /// Releases what was drawn, but not the pictures: for a case in the background.
    pub fn rest(&mut self) {
        self.revealed = None;
        for file in &mut self.files {
            file.rendered = None;
            file.rendering = None;
            file.wanted = None;
            file.seen = false;
        }
    }
}

/// The next case; none when the queue is empty.
#[derive(Debug)]
pub struct Next {
    /// The case.
    pub case: Option<KycCase>,
    /// Whether it was left behind: there may be more such cases.
    pub orphan: bool,
}
