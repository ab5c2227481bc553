//! An open case: its pictures as they come in, the claim on it, what was revealed of the person.

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
};

/// One picture is decoded at a time: a large one takes a hundred megabytes while it is.
static DECODING: Semaphore = Semaphore::const_new(1);

/// How far a file is.
#[derive(Debug)]
pub enum Content {
    /// Not asked for.
    Waiting,
    /// On its way.
    Loading(LoadId, Timestamp),
    /// There is none, or it cannot be shown.
    Failed(String),
    /// A PDF of so many bytes.
    Pdf(usize),
    /// A picture.
    Picture(Arc<DynamicImage>),
}

/// One file of a case.
#[derive(Debug)]
pub struct Face {
    /// Which.
    pub kind: FileKind,
    /// How far it is.
    pub content: Content,
    /// How it is looked at.
    pub view: View,
    /// As drawn last.
    pub rendered: Option<Rendered>,
    rendering: Option<(LoadId, Size, View)>,
    /// The room that the last frame had for it.
    pub wanted: Option<Size>,
}

impl Face {
    fn new(kind: FileKind) -> Self {
        Self { kind, content: Content::Waiting, view: View::default(), rendered: None, rendering: None, wanted: None }
    }
}

/// An open case.
#[derive(Debug)]
pub struct OpenCase {
    /// All that is known of it.
    pub case: KycCase,
    /// Document and selfie.
    pub faces: [Face; 2],
    /// Personal data, until when.
    pub revealed: Option<(PersonalData, Timestamp)>,
}

impl OpenCase {
    /// With its files on their way.
    pub fn new(case: KycCase, ctx: &mut Ctx) -> Self {
        let mut open =
            Self { case, faces: [Face::new(FileKind::Document), Face::new(FileKind::Selfie)], revealed: None };
        open.load_files(ctx);
        open
    }

    /// The attempt.
    pub fn id(&self) -> AttemptId {
        self.case.attempt.id
    }
    /// The person, masked.
    pub fn name(&self) -> &str {
        &self.case.attempt.name
    }
    /// The fencing number, while the claim is ours and lasts.
    pub fn fence(&self, now: Timestamp) -> Option<i64> {
        self.case.attempt.claim.as_ref().filter(|claim| claim.mine && claim.expires_at > now).map(|claim| claim.fence)
    }

    /// Asks for the files that are there and not here yet.
    pub fn load_files(&mut self, ctx: &mut Ctx) {
        let id = self.id();
        for face in &mut self.faces {
            let kind = face.kind;
            if matches!(face.content, Content::Picture(_) | Content::Pdf(_) | Content::Loading(..)) {
                continue;
            }
            if !self.case.files.iter().any(|file| file.kind == kind) {
                let why = match self.case.files_deleted_at {
                    Some(_) => "files deleted by retention",
                    None => "there is no file (erased, or never sent)",
                };
                face.content = Content::Failed(why.into());
                continue;
            }
            if matches!(ctx.images, Images::Off) {
                face.content = Content::Failed("pictures are off; o opens it outside".into());
                continue;
            }
            let now = ctx.now();
            let load = ctx.load(Message::File, |api| async move {
                let content = api.kyc_file(id, kind).await?;
                let permit = DECODING.acquire().await;
                let decoded = tokio::task::spawn_blocking(move || picture::decode(&content)).await;
                drop(permit);
                decoded.unwrap_or_else(|error| Err(marketplace_core::error::Error::internal(error)))
            });
            face.content = Content::Loading(load, now);
        }
    }

    /// Takes a file; gives it back when it is not one of these.
    pub fn file(&mut self, id: LoadId, answer: Result<Decoded>) -> Option<Result<Decoded>> {
        let Some(face) =
            self.faces.iter_mut().find(|face| matches!(face.content, Content::Loading(load, _) if load == id))
        else {
            return Some(answer);
        };
        face.content = match answer {
            Ok(Decoded::Picture(picture)) => Content::Picture(picture),
            Ok(Decoded::Pdf(size)) => Content::Pdf(size),
            Err(error) => Content::Failed(error.to_string()),
        };
        None
    }

    /// Starts drawing what the last frame had room for, unless it is drawn so already.
    pub fn render(&mut self, ctx: &mut Ctx) {
        for face in &mut self.faces {
            let (Content::Picture(picture), Some(size)) = (&face.content, face.wanted) else { continue };
            let view = face.view;
            let there = face.rendered.as_ref().is_some_and(|done| (done.size, done.view) == (size, view));
            let under_way = face.rendering.is_some_and(|(_, s, v)| (s, v) == (size, view));
            if there || under_way {
                continue;
            }
            let (picture, images) = (Arc::clone(picture), ctx.images.clone());
            let load = ctx.load(Message::Rendered, |_| async move {
                tokio::task::spawn_blocking(move || picture::render(&images, &picture, size, view).map(Box::new))
                    .await
                    .ok()
                    .flatten()
            });
            face.rendering = Some((load, size, view));
        }
    }

    /// Takes a drawn picture. `Err` gives it back when it is not one of these.
    pub fn rendered(&mut self, id: LoadId, done: Option<Box<Rendered>>) -> Result<(), Option<Box<Rendered>>> {
        let Some(face) = self.faces.iter_mut().find(|face| face.rendering.is_some_and(|(load, ..)| load == id)) else {
            return Err(done);
        };
        face.rendering = None;
        match done {
            Some(done) => face.rendered = Some(*done),
            None => face.content = Content::Failed("this picture cannot be drawn here; o opens it outside".into()),
        }
        Ok(())
    }

    /// Lets go of the pictures too; they are loaded again if the case comes back.
    pub fn forget(&mut self) {
        self.rest();
        for face in &mut self.faces {
            if !matches!(face.content, Content::Loading(..)) {
                face.content = Content::Waiting;
            }
        }
    }

    /// Lets go of what was drawn, but not of the pictures: for a case that waits its turn.
    pub fn rest(&mut self) {
        self.revealed = None;
        for face in &mut self.faces {
            face.rendered = None;
            face.rendering = None;
            face.wanted = None;
        }
    }
}
