//! The pictures of seeded attempts: drawn, sealed and stored as a submission's are.

use std::sync::Arc;

use marketplace_core::{
    app::App,
    base::error::{Error, Result},
    kyc::model::{DocumentType, FileKind},
    platform::{db::bulk::Value, files::Sealed},
};
use marketplace_people::{
    images::{DOCUMENT_SIZE, SELFIE_SIZE, document, selfie},
    people::{mix, person},
};
use time::Date;

use crate::{plan::Images, users::Attempt};

/// The files that were stored for an attempt.
#[derive(Debug)]
pub(crate) struct Stored {
    pub wrapped_key: Vec<u8>,
    files: [File; 2],
}

#[derive(Debug)]
struct File {
    kind: FileKind,
    object_key: String,
    size: usize,
    pixels: (u32, u32),
}

impl Stored {
    /// Returns the rows of `kyc_files`.
    pub fn rows(&self, attempt: &Attempt) -> impl Iterator<Item = Vec<Value>> {
        self.files.iter().map(|file| {
            vec![
                Value::Id(attempt.id.0),
                Value::text(file.kind.as_str()),
                Value::text(&*file.object_key),
                Value::text("image/jpeg"),
                Value::Int(i64::try_from(file.size).unwrap_or(i64::MAX)),
                Value::Int(i64::from(file.pixels.0)),
                Value::Int(i64::from(file.pixels.1)),
            ]
        })
    }
}

/// A document and a selfie, as JPEG.
type Pair = (Vec<u8>, Vec<u8>);

/// The source of pictures.
#[derive(Debug, Clone)]
pub(crate) enum Gallery {
    /// No pictures.
    Empty,
    /// Each attempt has its own, drawn for it.
    Own,
    /// Pairs drawn once, by kind of document.
    Pool(Arc<Vec<(DocumentType, Pair)>>),
}

impl Gallery {
    /// Draws the pool, if there is to be one.
    pub async fn open(images: Images, seed: u64, today: Date) -> Result<Self> {
        let pairs = match images {
            Images::None => return Ok(Self::Empty),
            Images::Own => return Ok(Self::Own),
            Images::Pool(pairs) => pairs.max(1),
        };
        let drawn = tokio::task::spawn_blocking(move || {
            // Each kind of document at least once.
            let kinds = DocumentType::ALL.iter().cycle().take(usize::try_from(pairs).unwrap_or(4).max(4));
            (0..)
                .zip(kinds)
                .map(|(index, kind)| {
                    let person = person(seed, index);
                    Ok((*kind, (document(&person, *kind, today, None)?, selfie(&person, None)?)))
                })
                .collect::<Result<Vec<_>>>()
        });
        Ok(Self::Pool(Arc::new(drawn.await.map_err(Error::internal)??)))
    }

    /// Returns whether an attempt gets pictures. From a pool only waiting attempts do: nobody opens 200,000 decided
    /// ones, and each needs files of its own, sealed with its own key.
    pub fn has(&self, attempt: &Attempt) -> bool {
        match self {
            Self::Empty => false,
            Self::Own => true,
            Self::Pool(_) => attempt.status.is_open(),
        }
    }

    fn pair(&self, attempt: &Attempt, today: Date) -> Result<Pair> {
        match self {
            Self::Pool(pool) => {
                let fitting: Vec<&Pair> =
                    pool.iter().filter(|(kind, _)| *kind == attempt.document_type).map(|(_, pair)| pair).collect();
                let turn = usize::try_from(mix(attempt.person.face, 7) % fitting.len().max(1) as u64).unwrap_or(0);
                fitting
                    .get(turn)
                    .map(|pair| (*pair).clone())
                    .ok_or_else(|| Error::internal("the pool has no such kind"))
            }
            Self::Empty | Self::Own => Ok((
                document(&attempt.person, attempt.document_type, today, attempt.flaw)?,
                selfie(&attempt.person, attempt.flaw)?,
            )),
        }
    }

    /// Draws, seals and stores an attempt's files.
    pub async fn store(&self, app: &App, attempt: &Attempt) -> Result<Stored> {
        let (gallery, drawn, today) = (self.clone(), attempt.clone(), attempt.submitted_at.to_offset().date());
        let work = tokio::task::spawn_blocking(move || gallery.pair(&drawn, today));
        let (document, selfie) = work.await.map_err(Error::internal)??;
        let sizes = (document.len(), selfie.len());
        let both = vec![(FileKind::Document.as_str(), document), (FileKind::Selfie.as_str(), selfie)];
        let Sealed { wrapped_key, object_keys } =
            app.files.put_sealed(&app.keys, &app.random, attempt.id.into(), both).await?;
        let [document_key, selfie_key]: [String; 2] =
            object_keys.try_into().map_err(|_| Error::internal("two files were stored, and not two keys returned"))?;
        Ok(Stored {
            wrapped_key,
            files: [
                File { kind: FileKind::Document, object_key: document_key, size: sizes.0, pixels: DOCUMENT_SIZE },
                File { kind: FileKind::Selfie, object_key: selfie_key, size: sizes.1, pixels: SELFIE_SIZE },
            ],
        })
    }
}
