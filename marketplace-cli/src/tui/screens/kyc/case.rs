//! An open case: its pictures as they are loaded, the claim on it, and revealed personal data.

use marketplace_core::staff::{FileOf, ViewAttemptFile};

use marketplace_core::{
    ids::AttemptId,
    kyc::model::{FileKind, KycCase},
    time::Timestamp,
    users::model::PersonalData,
};

use super::super::{
    super::{ctx::Ctx, message::Message, presence::Presence},
    viewer::{Content, Shown},
};

/// One file of a case.
#[derive(Debug)]
pub struct CaseFile {
    /// The kind of file.
    pub kind: FileKind,
    /// How it is shown.
    pub shown: Shown,
}

impl CaseFile {
    fn new(kind: FileKind) -> Self {
        Self { kind, shown: Shown::default() }
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
            if matches!(file.shown.content, Content::Picture(_) | Content::Pdf(_) | Content::Loading(..)) {
                continue;
            }
            if !self.case.files.iter().any(|file| file.kind == kind) {
                let why = match self.case.files_deleted_at {
                    Some(_) => "files deleted by retention",
                    None => "there is no file (erased, or never sent)",
                };
                file.shown.content = Content::Failed(why.into());
                continue;
            }
            file.shown.load(ctx, |api| async move { api.call::<ViewAttemptFile>(FileOf(id, kind), (), ()).await });
        }
    }

    /// Handles a file or a drawn picture of its own, and returns any other message.
    pub fn message(&mut self, message: Message, ctx: &mut Ctx) -> Option<Message> {
        let mut message = self.presence.message(message, ctx)?;
        for file in &mut self.files {
            message = file.shown.message(message, ctx)?;
        }
        Some(message)
    }

    /// Starts drawing for the areas of the last frame, unless that is done already.
    pub fn render(&mut self, ctx: &mut Ctx) {
        self.files.iter_mut().for_each(|file| file.shown.render(ctx));
    }

    /// Releases the pictures too; they are loaded again if the case returns.
    pub fn forget(&mut self) {
        self.rest();
        self.files.iter_mut().for_each(|file| file.shown.forget());
    }

    /// Draws the pictures again, because they are drawn in another way from now on.
    pub fn draw_again(&mut self) {
        self.files.iter_mut().for_each(|file| file.shown.draw_again());
    }

    /// Releases what was drawn, but not the pictures: for a case in the background.
    pub fn rest(&mut self) {
        self.revealed = None;
        self.files.iter_mut().for_each(|file| file.shown.rest());
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
