//! An open conversation: a window of messages that follows the newest or stays where it is.

use marketplace_core::events::EventKind;
use marketplace_core::records::target::TargetKind;
use std::collections::{BTreeMap, BTreeSet};

use marketplace_core::{
    error::Result,
    events::Event,
    messaging::model::{AccessReason, MessagePage, MessagesQuery, StaffMessage, ThreadInfo},
    time::Timestamp,
};

use super::super::super::{keymap::Action, message::LoadId};

/// Messages that are loaded at a time.
const PAGE: u16 = 50;
/// Upper limit of the messages that are kept.
const WINDOW: usize = 1_000;
/// The next page is loaded when this many messages are left.
const AHEAD: usize = 10;
/// The delay between a failed load and the next attempt.
const RETRY: std::time::Duration = std::time::Duration::from_secs(2);

/// The messages that a load is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// The newest, replacing all.
    Newest,
    /// Those after a number.
    After(i64),
    /// Those before a number.
    Before(i64),
    /// The visible ones again, because one of them may have changed.
    Again(i64),
}

impl Want {
    /// Returns the query for the system.
    pub fn query(self) -> MessagesQuery {
        match self {
            Self::Newest => MessagesQuery { limit: Some(PAGE), ..MessagesQuery::default() },
            Self::After(seq) => {
                MessagesQuery { after_seq: Some(seq), limit: Some(PAGE * 4), ..MessagesQuery::default() }
            }
            Self::Before(seq) => MessagesQuery { before_seq: Some(seq), limit: Some(PAGE), ..MessagesQuery::default() },
            Self::Again(seq) => MessagesQuery { after_seq: Some(seq), limit: Some(PAGE), ..MessagesQuery::default() },
        }
    }
}

/// The layout of the last frame.
#[derive(Debug, Default)]
pub struct Seen {
    /// The row where each message begins, and its number.
    pub rows: Vec<(u16, i64)>,
    /// The number of rows.
    pub height: usize,
    /// Lines of the message under the cursor that are below the last row.
    pub below: usize,
}

/// An open conversation.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Talk {
    /// The thread.
    pub info: ThreadInfo,
    /// The reason why it is read.
    pub reason: AccessReason,
    /// Messages by number, which is their only order.
    pub messages: BTreeMap<i64, StaffMessage>,
    /// The message under the cursor.
    pub cursor: i64,
    /// Whether the cursor follows the newest message.
    pub follow: bool,
    /// The first message that is drawn, and how many of its lines are above the area.
    pub top: (i64, usize),
    /// Marked messages.
    pub marks: BTreeSet<i64>,
    /// Long messages that are shown whole.
    pub unfolded: BTreeSet<i64>,
    /// Until when contact details are shown.
    pub revealed: Option<Timestamp>,
    /// The layout of the last frame.
    pub seen: Seen,
    /// The highest number that the user has seen.
    pub seen_to: i64,
    /// Whether the first page has arrived.
    pub loaded: bool,
    load: Option<(LoadId, Want, Timestamp)>,
    more_before: bool,
    more_after: bool,
    /// Whether something happened since the newest messages were requested.
    woken: bool,
    /// Whether visible messages may have changed.
    recheck: bool,
    restart: bool,
    retry_at: Timestamp,
}

impl Talk {
    /// Updates the thread's data.
    pub fn heard(&mut self, info: &ThreadInfo) {
        if self.info.id == info.id {
            let last_seq = self.info.last_seq.max(info.last_seq);
            self.info = ThreadInfo { last_seq, ..info.clone() };
        }
    }

    /// Creates a conversation without messages.
    pub fn new(info: ThreadInfo, reason: AccessReason) -> Self {
        Self {
            info,
            reason,
            messages: BTreeMap::new(),
            cursor: 0,
            follow: true,
            top: (0, 0),
            marks: BTreeSet::new(),
            unfolded: BTreeSet::new(),
            revealed: None,
            seen: Seen::default(),
            seen_to: 0,
            loaded: false,
            load: None,
            more_before: false,
            more_after: false,
            woken: false,
            recheck: false,
            restart: false,
            retry_at: Timestamp::EPOCH,
        }
    }

    /// Handles an event, which may concern this thread.
    pub fn event(&mut self, event: &Event) {
        let kind = event.kind == EventKind::Thread
            || matches!(event.target_kind(), Some(TargetKind::Message | TargetKind::Job));
        let ours = event.target == self.info.id.to_string()
            || event.user_id.is_some_and(|user| user == self.info.client_id || user == self.info.worker_id);
        if kind && ours {
            self.wake();
        }
    }
    /// Looks for new messages; when there are none, for changed ones.
    pub fn wake(&mut self) {
        self.woken = true;
    }
    /// Resumes after having been stashed: results of earlier requests no longer arrive.
    pub fn resume(&mut self) {
        self.load = None;
        (self.woken, self.recheck) = (true, true);
    }

    /// Returns the time since when the first page is being loaded.
    pub fn waiting_since(&self) -> Option<Timestamp> {
        self.load.filter(|_| !self.loaded).map(|(.., since)| since)
    }
    /// Returns the number of messages below the end of the window that the user has not seen.
    pub fn unseen(&self) -> i64 {
        self.messages.last_key_value().map_or(0, |(last, _)| (*last).max(self.info.last_seq)) - self.seen_to
    }
    /// Returns whether there are messages before the window.
    pub fn more_before(&self) -> bool {
        self.more_before
    }
    /// Returns the message under the cursor.
    pub fn selected(&self) -> Option<&StaffMessage> {
        self.messages.get(&self.cursor)
    }
    /// Returns the marked messages; without marks, the one under the cursor.
    pub fn chosen(&self) -> Vec<&StaffMessage> {
        if self.marks.is_empty() {
            return self.selected().into_iter().collect();
        }
        self.marks.iter().filter_map(|seq| self.messages.get(seq)).collect()
    }

    /// Returns which messages to load now, if any: one load at a time.
    pub fn want(&self, now: Timestamp) -> Option<Want> {
        if self.load.is_some() || now < self.retry_at {
            return None;
        }
        let (Some((first, _)), Some((last, _))) = (self.messages.first_key_value(), self.messages.last_key_value())
        else {
            return (!self.loaded || self.restart || self.woken).then_some(Want::Newest);
        };
        if self.restart {
            return Some(Want::Newest);
        }
        let near_end = self.messages.range(self.cursor..).count() <= AHEAD.max(self.seen.height);
        if if self.more_after { near_end || self.follow } else { self.woken } {
            return Some(Want::After(*last));
        }
        let near_start = self.messages.range(..self.cursor).count() <= AHEAD.max(self.seen.height);
        if near_start && self.more_before {
            return Some(Want::Before(*first));
        }
        (self.woken || self.recheck)
            .then(|| Want::Again(self.seen.rows.first().map_or(self.cursor, |(_, seq)| *seq) - 1))
    }

    /// Records the load that was started for [`Self::want`].
    pub fn started(&mut self, id: LoadId, want: Want, now: Timestamp) {
        self.load = Some((id, want, now));
        match want {
            Want::Newest => self.restart = false,
            Want::After(_) => self.woken = false,
            Want::Again(_) => (self.woken, self.recheck) = (false, false),
            Want::Before(_) => {}
        }
    }

    /// Handles loaded messages. Returns `None` when they are stale; then nothing changes.
    pub fn answered(
        &mut self,
        id: LoadId,
        answer: Result<MessagePage<StaffMessage>>,
        now: Timestamp,
    ) -> Option<Result<()>> {
        let (_, want, _) = self.load.take_if(|(pending, ..)| *pending == id)?;
        let page = match answer {
            Ok(page) => page,
            Err(error) => {
                self.retry_at = now + RETRY;
                self.woken = true;
                return Some(Err(error));
            }
        };
        match want {
            Want::Newest => {
                self.messages.clear();
                (self.more_before, self.more_after) = (page.more_before, false);
                self.loaded = true;
                self.recheck = false;
            }
            Want::After(_) => {
                self.more_after = page.more_after;
                // There was no new message, so a visible one may have changed.
                self.recheck |= page.items.is_empty();
            }
            Want::Before(_) => self.more_before = page.more_before,
            Want::Again(_) => {}
        }
        for message in page.items {
            // Visible messages are loaded again without adding others, which would leave a gap.
            if !matches!(want, Want::Again(_)) || self.messages.contains_key(&message.seq) {
                self.messages.insert(message.seq, message);
            }
        }
        self.trim(want);
        if let Some((last, _)) = self.messages.last_key_value() {
            self.info.last_seq = self.info.last_seq.max(*last);
            if self.follow || !self.messages.contains_key(&self.cursor) {
                self.cursor = *last;
            }
        }
        Some(Ok(()))
    }

    fn trim(&mut self, want: Want) {
        while self.messages.len() > WINDOW {
            if matches!(want, Want::Before(_)) {
                self.messages.pop_last();
                self.more_after = true;
                self.follow = false;
            } else {
                self.messages.pop_first();
                self.more_before = true;
            }
        }
    }

    /// Replaces a message by its newer state.
    pub fn replace(&mut self, message: StaffMessage) {
        if let Some(kept) = self.messages.get_mut(&message.seq).filter(|kept| kept.id == message.id) {
            *kept = message;
        }
    }

    /// Moves the cursor, if the action is a movement.
    pub fn moved(&mut self, action: Action) -> bool {
        let half = (self.seen.rows.len() / 2).max(1);
        match action {
            Action::DOWN if self.seen.below > 0 => {
                let lines = self.seen.below.min((self.seen.height / 2).max(1));
                let skipped = if self.top.0 == self.cursor { self.top.1 } else { 0 };
                self.top = (self.cursor, skipped + lines);
            }
            Action::UP if self.top.0 == self.cursor && self.top.1 > 0 => {
                self.top.1 = self.top.1.saturating_sub((self.seen.height / 2).max(1));
            }
            Action::DOWN => self.step(1),
            Action::PAGE_DOWN => self.step(half),
            Action::UP => self.step_back(1),
            Action::PAGE_UP => self.step_back(half),
            Action::TOP => self.step_back(usize::MAX),
            Action::BOTTOM => self.newest(),
            _ => return false,
        }
        true
    }

    fn step(&mut self, by: usize) {
        let next = self.messages.range(self.cursor + 1..).take(by).last();
        if let Some((seq, _)) = next {
            self.cursor = *seq;
        }
        // At the end, the cursor follows the newest message again.
        let last = self.messages.last_key_value().is_none_or(|(last, _)| *last == self.cursor);
        self.follow = last && !self.more_after;
    }
    fn step_back(&mut self, by: usize) {
        if let Some((seq, _)) = self.messages.range(..self.cursor).rev().take(by).last() {
            self.cursor = *seq;
            self.follow = false;
        }
    }
    /// Moves to the newest message, and follows it from now on.
    pub fn newest(&mut self) {
        self.follow = true;
        self.restart |= self.more_after;
        if let Some((last, _)) = self.messages.last_key_value() {
            self.cursor = *last;
        }
    }
    /// Moves to a visible message.
    pub fn select(&mut self, seq: i64) {
        if self.messages.contains_key(&seq) {
            self.cursor = seq;
            self.step(0);
        }
    }

    /// Marks the message, or removes its mark, and moves to the next.
    pub fn mark(&mut self) {
        if self.selected().is_some() {
            if !self.marks.remove(&self.cursor) {
                self.marks.insert(self.cursor);
            }
            let follow = self.follow;
            self.step(1);
            self.follow &= follow;
        }
    }
}
