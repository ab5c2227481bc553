//! Opening, claiming, renewing and releasing cases; prefetching the next one.

use marketplace_core::staff::{
    ClaimAttempt, ClaimNextAttempt, Connection, FileOf, ListAttempts, ListQuery, PlainInput, ReleaseAttempt,
    RevealUser, ShowAttempt, SkipAttempt, ViewAttemptFile, WhyQuery,
};
use std::{collections::HashSet, time::Duration};

use marketplace_core::{
    base::{
        change::{Change, Changed},
        permission::Permission,
    },
    error::{Error, ErrorCode, Result},
    ids::AttemptId,
    kyc::{
        model::{CLAIM, FileKind, KycCase, KycFilter, KycSummary},
        status::KycStatus,
    },
    page::{MAX_LIMIT, PageRequest},
    users::model::PersonalData,
};

use super::{
    super::{
        super::{
            ctx::{Ctx, REVEAL, Request},
            message::LoadId,
            text,
        },
        viewer::outside,
    },
    Came, Kyc, Zoom,
    case::{Next, OpenCase},
};

/// Minimum interval between two renewals of a claim.
const RENEW: Duration = Duration::from_secs(60);

/// How the next case is chosen.
#[derive(Debug)]
pub struct Seek {
    /// Among which.
    pub filter: KycFilter,
    /// These come last, in this order.
    pub skipped: Vec<AttemptId>,
    /// These are not wanted: this console has them.
    pub held: Vec<AttemptId>,
    /// Whether a claim that an earlier console of the same person left behind comes first.
    pub orphans: bool,
}

impl Seek {
    /// Returns the next case, claimed: an orphaned one, otherwise the oldest that was not skipped, otherwise the oldest.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn next(self, api: &Connection) -> Result<Next> {
        if self.orphans
            && let Some(case) = self.orphan(api).await?
        {
            return Ok(Next { case: Some(case), orphan: true });
        }
        // The system keeps what was skipped in order; of a filtered queue, this console does.
        let case = self.waiting(api).await?;
        Ok(Next { case, orphan: false })
    }

    async fn waiting(&self, api: &Connection) -> Result<Option<KycCase>> {
        if self.filter == KycFilter::default() {
            return api.call::<ClaimNextAttempt>((), (), Change::default()).await;
        }
        let mut waiting = HashSet::new();
        let mut request = PageRequest::first(MAX_LIMIT);
        loop {
            let page = api.call::<ListAttempts>((), ListQuery::new(&self.filter, &request), ()).await?;
            let free = |row: &&KycSummary| row.claim.is_none() && row.status.is_open() && !self.held.contains(&row.id);
            for row in page.items.iter().filter(free) {
                if self.skipped.contains(&row.id) {
                    waiting.insert(row.id);
                } else if let Some(case) = taken(api, row.id).await? {
                    return Ok(Some(case));
                }
            }
            match page.next {
                Some(next) => request.after = Some(next),
                None => break,
            }
        }
        for id in self.skipped.iter().filter(|id| waiting.contains(id)) {
            if let Some(case) = taken(api, *id).await? {
                return Ok(Some(case));
            }
        }
        Ok(None)
    }

    async fn orphan(&self, api: &Connection) -> Result<Option<KycCase>> {
        let filter = KycFilter { status: Some(KycStatus::InReview), ..KycFilter::default() };
        let page = PageRequest::first(MAX_LIMIT);
        let page = api.call::<ListAttempts>((), ListQuery::new(&filter, &page), ()).await?;
        // What was skipped a moment ago may not have been given back yet.
        let known = |id: &AttemptId| self.held.contains(id) || self.skipped.contains(id);
        let mine = |row: &&KycSummary| row.claim.as_ref().is_some_and(|claim| claim.mine) && !known(&row.id);
        match page.items.iter().find(mine) {
            Some(row) => taken(api, row.id).await,
            None => Ok(None),
        }
    }
}

/// Claims an attempt; returns none when somebody else was faster, or it is not for this person to decide.
async fn taken(api: &Connection, id: AttemptId) -> Result<Option<KycCase>> {
    match api.call::<ClaimAttempt>(id, (), Change::default()).await {
        Ok(claimed) => Ok(Some(claimed.item)),
        Err(error) if matches!(error.code(), ErrorCode::Conflict | ErrorCode::Forbidden | ErrorCode::NotFound) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn release(ctx: &mut Ctx, id: AttemptId) {
    // If this fails, the claim expires.
    ctx.detach(|api| async move { drop(api.call::<ReleaseAttempt>(id, (), Change::default()).await) });
}

impl Kyc {
    fn gives_back(ctx: &mut Ctx, open: &OpenCase) {
        if open.fence(ctx.now()).is_some() {
            release(ctx, open.id());
        }
    }

    /// Opens the row under the cursor.
    pub(super) fn open_selected(&mut self, ctx: &mut Ctx) {
        if self.in_case {
            // Enter in a case whose claim has expired claims it again.
            if let Some(open) = &self.open
                && open.case.attempt.status.is_open()
                && open.fence(ctx.now()).is_none()
            {
                self.look(open.id(), ctx);
            }
            return;
        }
        if let Some(id) = self.list.rows.selected().map(|row| row.id) {
            self.look(id, ctx);
        }
    }

    /// Opens an attempt; claims it if it waits for a decision and this console may decide.
    pub fn look(&mut self, id: AttemptId, ctx: &mut Ctx) {
        self.in_case = true;
        if let Some(next) = self.next.take_if(|next| next.id() == id) {
            self.put(next, ctx);
            return;
        }
        if self.open.as_ref().is_some_and(|open| open.id() == id && open.fence(ctx.now()).is_some()) {
            return;
        }
        let row = self.list.rows.rows().find(|row| row.id == id);
        let claims = ctx.may(Permission::KycWrite)
            && ctx.gate.check().is_ok()
            && row.is_none_or(|row| row.status.is_open() && row.claim.as_ref().is_none_or(|claim| claim.mine));
        self.ask_for(id, claims, ctx);
    }

    fn ask_for(&mut self, id: AttemptId, claims: bool, ctx: &mut Ctx) {
        let load =
            if claims {
                ctx.act("", Came::Case, |api| async move {
                    Ok(api.call::<ClaimAttempt>(id, (), Change::default()).await?.item)
                })
            } else {
                ctx.load(Came::Case, |api| async move { api.call::<ShowAttempt>(id, (), ()).await })
            };
        self.opening = Some((load, id, ctx.now(), claims));
    }

    /// Handles a requested case.
    pub(super) fn case_came(&mut self, id: LoadId, answer: Result<KycCase>, ctx: &mut Ctx) {
        let Some((load, attempt, _, claimed)) = self.opening else { return };
        if load != id {
            // The user has meanwhile gone on to another one: this claim is not needed.
            if let Ok(case) = answer
                && case.attempt.claim.as_ref().is_some_and(|claim| claim.mine)
                && !self.claims().contains(&case.attempt.id)
            {
                release(ctx, case.attempt.id);
            }
            return;
        }
        self.opening = None;
        match answer {
            Ok(case) => {
                self.list.rows.replace(&case.attempt);
                if let Some(open) = self.open.as_mut().filter(|open| open.id() == case.attempt.id) {
                    open.case = case;
                    open.load_files(ctx);
                } else {
                    let open = OpenCase::new(case, ctx);
                    self.put(open, ctx);
                }
            }
            Err(error) if claimed && error.code() == ErrorCode::Conflict => {
                // Claimed or decided by a colleague: it can still be viewed.
                ctx.fail_to_load("not claimed", &error);
                self.list.rows.refresh();
                self.ask_for(attempt, false, ctx);
            }
            Err(error) => {
                ctx.fail_to_load("case", &error);
                self.in_case = self.open.is_some();
            }
        }
    }

    /// Shows a case, and loads the one after it.
    pub(super) fn put(&mut self, mut open: OpenCase, ctx: &mut Ctx) {
        if let Some(before) = self.open.take()
            && before.id() != open.id()
        {
            if self.skipped.last() == Some(&before.id()) && before.case.attempt.status.is_open() {
                let id = before.id();
                // If this fails, the claim expires.
                ctx.detach(|api| async move { drop(api.call::<SkipAttempt>(id, (), PlainInput::default()).await) });
            } else {
                Self::gives_back(ctx, &before);
            }
        }
        self.list.rows.replace(&open.case.attempt);
        self.list.rows.select(open.id());
        open.files.iter_mut().for_each(|file| file.shown.seen = false);
        open.load_files(ctx);
        self.opening = None;
        self.want_next = false;
        self.zoom = Zoom::Both;
        self.scroll = 0;
        let mine = open.fence(ctx.now()).is_some();
        self.open = Some(open);
        if mine {
            self.fetch_next(ctx);
        }
    }

    /// Loads the next case in the background, claimed, with its pictures.
    pub(super) fn fetch_next(&mut self, ctx: &mut Ctx) {
        if self.next.is_some() || self.fetching.is_some() || !self.shows_open() || ctx.gate.check().is_err() {
            return;
        }
        let seek = Seek {
            filter: self.list.bar.filter.clone(),
            skipped: self.skipped.clone(),
            held: self.held(),
            orphans: ctx.options.alone && !self.orphans_sought,
        };
        let load = ctx.act("", Came::Next, |api| async move { seek.next(&api).await });
        self.fetching = Some((load, ctx.now()));
    }

    /// Handles the arrival of the next case.
    pub(super) fn next_came(&mut self, id: LoadId, answer: Result<Next>, ctx: &mut Ctx) {
        if let Ok(next) = &answer {
            self.orphans_sought = !next.orphan;
        }
        let answer = answer.map(|next| next.case);
        if self.fetching.is_none_or(|(load, _)| load != id) {
            if let Ok(Some(case)) = answer
                && !self.claims().contains(&case.attempt.id)
            {
                release(ctx, case.attempt.id);
            }
            return;
        }
        self.fetching = None;
        let wanted = std::mem::take(&mut self.want_next);
        match answer {
            Ok(Some(case)) if self.open.as_ref().is_some_and(|open| open.id() == case.attempt.id) => {}
            Ok(Some(case)) => {
                self.list.rows.replace(&case.attempt);
                let next = OpenCase::new(case, ctx);
                if wanted || self.open.is_none() && self.in_case {
                    self.put(next, ctx);
                } else if self.open.is_some() {
                    self.next = Some(next);
                } else {
                    Self::gives_back(ctx, &next);
                }
            }
            Ok(None) if wanted => {
                self.in_case = self.open.is_some();
                ctx.say("nothing else waits");
                self.list.rows.refresh();
            }
            Ok(None) => {}
            Err(error) if wanted => {
                self.in_case = self.open.is_some();
                ctx.fail_to_load("next case", &error);
            }
            Err(error) => ctx.fail_quietly("next case", &error),
        }
    }

    /// Goes on: to the case that is ready, or to one that is requested now.
    pub(super) fn advance(&mut self, ctx: &mut Ctx) {
        if let Some(next) = self.next.take() {
            self.in_case = true;
            self.put(next, ctx);
            return;
        }
        self.want_next = true;
        self.in_case = true;
        self.fetch_next(ctx);
        if self.fetching.is_none() {
            self.want_next = false;
            self.in_case = self.open.is_some();
        }
    }

    /// Goes to the next case without a decision on this one, which returns to the queue, and comes again once every
    /// other case has come.
    pub(super) fn skip(&mut self, ctx: &mut Ctx) {
        if let Some(open) = self.open.as_ref().filter(|open| open.case.attempt.status.is_open()) {
            let id = open.id();
            self.skipped.retain(|skipped| *skipped != id);
            self.skipped.push(id);
        }
        if self.next.is_none() && self.fetching.is_none() && self.open.is_some() {
            // Requesting the next one first keeps this case when there is no other.
            self.want_next = true;
            self.fetch_next(ctx);
            if self.fetching.is_none() {
                self.want_next = false;
                ctx.say("nothing else waits");
            }
            return;
        }
        self.advance(ctx);
    }

    /// Returns to the queue, and releases the claims.
    pub(super) fn close(&mut self, ctx: &mut Ctx) {
        self.in_case = false;
        self.want_next = false;
        self.opening = None;
        self.fetching = None;
        for open in [self.open.take(), self.next.take()].into_iter().flatten() {
            Self::gives_back(ctx, &open);
        }
    }

    /// Renews the claims while the user is active, and detects when they have expired.
    pub(super) fn keep_claims(&mut self, ctx: &mut Ctx) {
        let now = ctx.now();
        if self.next.as_ref().is_some_and(|next| next.fence(now).is_none()) {
            self.next = None;
        }
        let active = self.active_at.is_some_and(|at| now.since(at) < RENEW);
        if !active || !self.renewing.is_empty() || self.renewed_at.is_some_and(|at| now.since(at) < RENEW) {
            return;
        }
        let due: Vec<AttemptId> = [&self.open, &self.next]
            .into_iter()
            .flatten()
            .filter(|open| open.fence(now).is_some())
            .filter(|open| {
                open.case.attempt.claim.as_ref().is_some_and(|claim| claim.expires_at.since(now) + RENEW < CLAIM)
            })
            .map(OpenCase::id)
            .collect();
        if due.is_empty() || ctx.gate.check().is_err() {
            return;
        }
        self.renewed_at = Some(now);
        for id in due {
            let load = ctx
                .act("", Came::Renewed, |api| async move { api.call::<ClaimAttempt>(id, (), Change::default()).await });
            self.renewing.push(load);
        }
    }

    /// Tells that the claim on the open case is about to end, once.
    pub(super) fn warn_of_end(&mut self, ctx: &mut Ctx) {
        let now = ctx.now();
        let claim = self.open.as_ref().and_then(|open| open.case.attempt.claim.as_ref());
        let Some(end) = claim.filter(|claim| claim.mine).map(|claim| claim.expires_at) else { return };
        if end > now && end.since(now) < RENEW && self.warned != Some(end) {
            self.warned = Some(end);
            ctx.requests.push(Request::Alert("your claim on the open case ends within a minute".into()));
            ctx.say("your claim on the open case ends within a minute: any key renews it");
        }
    }

    pub(super) fn renewed(&mut self, id: LoadId, answer: Result<Changed<KycCase>>, ctx: &mut Ctx) {
        if !self.renewing.contains(&id) {
            return;
        }
        self.renewing.retain(|load| *load != id);
        match answer {
            Ok(renewed) => {
                self.list.rows.replace(&renewed.item.attempt);
                for open in [&mut self.open, &mut self.next].into_iter().flatten() {
                    if open.id() == renewed.item.attempt.id {
                        open.case = renewed.item.clone();
                    }
                }
            }
            Err(error) if error.code() == ErrorCode::Unavailable => ctx.fail_quietly("claim", &error),
            Err(error) => ctx.fail("claim not renewed", &error),
        }
    }

    /// Returns the attempts that this console is at work on.
    fn held(&self) -> Vec<AttemptId> {
        let open = [&self.open, &self.next].into_iter().flatten();
        let sent = self.sent.iter().map(|sent| &sent.open);
        let undoing = self.undoing.iter().map(|(_, open)| open);
        let opening = self.opening.map(|(_, id, ..)| id);
        open.chain(sent).chain(undoing).map(OpenCase::id).chain(opening).collect()
    }

    /// Handles the state of the open case after something changed about it.
    pub(super) fn watched(&mut self, id: LoadId, answer: Result<KycCase>, ctx: &mut Ctx) {
        if self.watching.take_if(|load| *load == id).is_none() {
            return;
        }
        match answer {
            Ok(case) => {
                self.list.rows.replace(&case.attempt);
                let Some(open) = self.open.as_mut().filter(|open| open.id() == case.attempt.id) else { return };
                let (before, after) = (open.case.attempt.status, case.attempt.status);
                if before.is_open() && !after.is_open() {
                    let by =
                        case.decision.as_ref().map_or_else(String::new, |made| format!(" by {}", ctx.who(&made.by)));
                    ctx.refuse(format!("this case was decided meanwhile{by}: {}", text::words(after.as_str())));
                }
                open.case = case;
                open.load_files(ctx);
            }
            Err(error) => ctx.fail_quietly("case", &error),
        }
    }

    /// Shows the person's data for a while, or masks it again.
    pub(super) fn reveal(&mut self, ctx: &mut Ctx) {
        let Some(open) = &mut self.open else { return };
        if open.revealed.take().is_some() {
            return;
        }
        let user = open.case.attempt.user_id;
        let load =
            ctx.load(Came::Revealed, |api| async move { api.call::<RevealUser>(user, WhyQuery::default(), ()).await });
        self.reveal_load = Some((load, open.id()));
    }

    pub(super) fn revealed(&mut self, id: LoadId, answer: Result<PersonalData>, ctx: &mut Ctx) {
        let Some((_, attempt)) = self.reveal_load.take_if(|(load, _)| *load == id) else { return };
        match answer {
            Ok(data) => {
                let until = ctx.now() + REVEAL;
                if let Some(open) = self.open.as_mut().filter(|open| open.id() == attempt) {
                    open.revealed = Some((data, until));
                }
            }
            Err(error) => ctx.fail("reveal", &error),
        }
    }

    /// Opens a file in the desktop's viewer.
    pub(super) fn open_outside(&mut self, ctx: &mut Ctx) {
        let Some(open) = &self.open else { return };
        let id = open.id();
        let kind = if self.zoom == Zoom::Selfie { FileKind::Selfie } else { FileKind::Document };
        let load = ctx.load(Came::Opened, |api| async move {
            let content = api.call::<ViewAttemptFile>(FileOf(id, kind), (), ()).await?;
            tokio::task::spawn_blocking(move || outside(&content.bytes, &content.media_type, kind.as_str()))
                .await
                .unwrap_or_else(|error| Err(Error::internal(error)))
        });
        self.opened = Some(load);
        ctx.say(format!("opening the {kind}…"));
    }
}
