//! One press, one act: distinguishes pressing a key from holding it down.
//!
//! Terminals that say which events are repetitions are believed. All others send a held key as a press, a pause of up to
//! [`PAUSE`], and then presses in quick succession, some with a release before each. So a key that has just acted is
//! judged by time: what follows at once is the same press, and what follows after a pause counts only if the key was
//! released before it, or if nothing more follows it.

use std::time::{Duration, Instant};

use crossterm::event::{KeyEvent, KeyEventKind};

use super::keymap::Key;

/// The same key again within this time is still the same press.
const HELD: Duration = Duration::from_millis(400);
/// The longest usual pause between a press and the first repetition.
const PAUSE: Duration = Duration::from_millis(800);
/// The longest usual interval between repetitions.
const INTERVAL: Duration = Duration::from_millis(150);
/// A release followed by a press of the same key within this time is a repetition.
const BOUNCE: Duration = Duration::from_millis(100);

/// What a key event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Press {
    /// A key was pressed.
    Pressed,
    /// A key is held that did nothing that must not be repeated.
    Repeated,
    /// A key is held that has acted: it does nothing more until it is released.
    Spent,
    /// It is not known yet: [`KeyGate::due`] returns the key if it was pressed.
    Unknown,
}

/// A key that acted.
#[derive(Debug, Clone, Copy)]
struct Acted {
    key: Key,
    /// When it was last seen pressed.
    seen: Instant,
    /// When it was released since.
    released: Option<Instant>,
    /// Whether it was being repeated: what follows a gap may be the same press.
    repeated: bool,
}

/// Remembers the key that acted last.
#[derive(Debug, Default)]
pub struct KeyGate {
    acted: Option<Acted>,
    waiting: Option<(KeyEvent, Instant)>,
}

impl KeyGate {
    /// Learns that a key was released.
    pub fn released(&mut self, key: KeyEvent, now: Instant) {
        if let Some(acted) = self.acted.as_mut().filter(|acted| acted.key == key.into()) {
            acted.released = Some(now);
        }
    }

    /// Learns that nothing was heard of the keys for a while: one may have been held all the time.
    pub fn interrupted(&mut self) {
        self.waiting = None;
        if let Some(acted) = &mut self.acted {
            acted.repeated = true;
        }
    }

    /// Returns what a key event is.
    pub fn judge(&mut self, event: KeyEvent, now: Instant) -> Press {
        let repeated = event.kind == KeyEventKind::Repeat;
        let key = Key::from(event);
        let Some(acted) = self.acted.as_mut().filter(|acted| acted.key == key) else {
            // Pressing another key ends the repetition of the first.
            self.acted = None;
            return if repeated { Press::Repeated } else { Press::Pressed };
        };
        let since = now.saturating_duration_since(acted.seen);
        let released = acted.released.take().map(|at| now.saturating_duration_since(at));
        acted.seen = now;
        if repeated {
            return Press::Spent;
        }
        let waited = self.waiting.take().is_some();
        if waited || since < HELD || released.is_some_and(|ago| ago < BOUNCE) {
            acted.repeated = true;
            Press::Spent
        } else if acted.repeated || (released.is_none() && since < PAUSE) {
            self.waiting = Some((event, now + INTERVAL));
            Press::Unknown
        } else {
            Press::Pressed
        }
    }

    /// Records that a key acted: holding it must not act again.
    pub fn acted(&mut self, event: KeyEvent, now: Instant) {
        let key = event.into();
        match self.acted.as_mut().filter(|acted| acted.key == key) {
            // It was recorded when it was seen, which is earlier for a key that waited.
            Some(acted) => acted.repeated = false,
            None => self.acted = Some(Acted { key, seen: now, released: None, repeated: false }),
        }
    }

    /// Returns the key that waited, once it is clear that it was pressed.
    pub fn due(&mut self, now: Instant) -> Option<KeyEvent> {
        self.waiting.take_if(|(_, due)| now >= *due).map(|(event, _)| event)
    }

    /// Returns the key that waited, because another key is pressed: a held key would have been repeated before.
    pub fn flush(&mut self, next: KeyEvent) -> Option<KeyEvent> {
        self.waiting.take_if(|(event, _)| Key::from(*event) != next.into()).map(|(event, _)| event)
    }
}

#[cfg(test)]
mod tests {
    use crossterm::event::{KeyCode, KeyModifiers};

    use super::*;

    fn key(c: char) -> KeyEvent {
        KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)
    }

    /// Plays presses of one key that always acts, at these times in milliseconds; returns how often it acted.
    fn acts(times: &[u64]) -> usize {
        plays(times, &[])
    }

    /// Like [`acts`], with releases, each before a press at the same time.
    fn plays(presses: &[u64], releases: &[u64]) -> usize {
        let (mut gate, start, mut acts) = (KeyGate::default(), Instant::now(), 0);
        let mut act = |gate: &mut KeyGate, event, now| {
            gate.acted(event, now);
            acts += 1;
        };
        let end = presses.last().unwrap() + 1_000;
        for at in 0..end {
            let now = start + Duration::from_millis(at);
            if let Some(event) = gate.due(now) {
                act(&mut gate, event, now);
            }
            if releases.contains(&at) {
                gate.released(KeyEvent { kind: KeyEventKind::Release, ..key('a') }, now);
            }
            for _ in presses.iter().filter(|time| **time == at) {
                if gate.judge(key('a'), now) == Press::Pressed {
                    act(&mut gate, key('a'), now);
                }
            }
        }
        acts
    }

    fn held(pause: u64, interval: u64) -> Vec<u64> {
        let first = std::iter::once(0);
        first.chain((0..2_000 / interval).map(|n| pause + n * interval)).collect()
    }

    #[test]
    fn a_held_key_acts_once() {
        for pause in [5, 30, 200, 250, 400, 500, 600, 660, 750] {
            for interval in [5, 11, 30, 33, 40, 90, 120] {
                assert_eq!(acts(&held(pause, interval)), 1, "{pause} {interval}");
            }
        }
    }

    #[test]
    fn presses_that_are_apart_all_act() {
        for apart in [450, 500, 700, 790, 800, 1_000, 3_000] {
            assert_eq!(acts(&[0, apart, 2 * apart, 3 * apart]), 4, "{apart}");
        }
        assert_eq!(acts(&[0, 100, 200]), 1);
    }

    #[test]
    fn a_held_key_that_is_released_before_each_repetition_acts_once() {
        for pause in [200, 400, 500, 660, 750, 900] {
            for before in [0, 1, 20] {
                let presses = held(pause, 33);
                let releases: Vec<u64> = presses.iter().skip(1).map(|at| at - before).collect();
                assert_eq!(plays(&presses, &releases), 1, "{pause} {before}");
            }
        }
    }

    #[test]
    fn a_terminal_that_reports_no_more_releases_is_judged_by_time() {
        let presses: Vec<u64> = std::iter::once(0).chain(held(500, 33).into_iter().map(|at| at + 2_000)).collect();
        assert_eq!(plays(&presses, &[80]), 2);
    }

    #[test]
    fn presses_with_releases_act_without_waiting() {
        let (mut gate, start) = (KeyGate::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        gate.acted(key('a'), start);
        gate.released(key('a'), at(90));
        assert_eq!(gate.judge(key('a'), at(450)), Press::Pressed);
        gate.acted(key('a'), at(450));
        gate.released(key('a'), at(520));
        assert_eq!(gate.judge(key('a'), at(700)), Press::Spent);
    }

    #[test]
    fn a_held_key_acts_once_across_a_gap() {
        for gap in [400, 600, 800, 900, 1_000, 5_000] {
            let before = held(500, 33);
            let resumed = before.last().unwrap() + gap;
            let after = (0..30).map(|n| resumed + n * 33);
            let presses: Vec<u64> = before.iter().copied().chain(after).collect();
            assert_eq!(acts(&presses), 1, "{gap}");
            assert_eq!(plays(&presses, &presses[1..]), 1, "{gap}");
            // A press of its own after that still counts.
            let presses: Vec<u64> = before.iter().copied().chain([resumed]).collect();
            assert_eq!(acts(&presses), 2, "{gap}");
        }
    }

    #[test]
    fn a_key_may_have_been_held_during_an_interruption() {
        let (mut gate, start) = (KeyGate::default(), Instant::now());
        gate.acted(key('a'), start);
        gate.interrupted();
        assert_eq!(gate.judge(key('a'), start + Duration::from_secs(3)), Press::Unknown);
        assert_eq!(gate.judge(key('a'), start + Duration::from_millis(3_001)), Press::Spent);
    }

    #[test]
    fn another_key_between_them_tells_them_apart() {
        let (mut gate, now) = (KeyGate::default(), Instant::now());
        assert_eq!(gate.judge(key('a'), now), Press::Pressed);
        gate.acted(key('a'), now);
        assert_eq!(gate.judge(key('j'), now), Press::Pressed);
        assert_eq!(gate.judge(key('a'), now), Press::Pressed);
    }

    #[test]
    fn a_key_that_waits_goes_before_the_next() {
        let (mut gate, start) = (KeyGate::default(), Instant::now());
        gate.acted(key('a'), start);
        assert_eq!(gate.judge(key('a'), start + Duration::from_millis(500)), Press::Unknown);
        assert_eq!(gate.flush(key('a')), None);
        assert_eq!(gate.flush(key('q')), Some(key('a')));
        assert_eq!(gate.flush(key('q')), None);
    }

    #[test]
    fn a_terminal_that_reports_repetitions_is_believed() {
        let of = |kind| KeyEvent { kind, ..key('a') };
        let (mut gate, now) = (KeyGate::default(), Instant::now());
        gate.acted(key('a'), now);
        assert_eq!(gate.judge(of(KeyEventKind::Repeat), now + Duration::from_secs(9)), Press::Spent);
        gate.released(of(KeyEventKind::Release), now + Duration::from_secs(9));
        let next = now + Duration::from_millis(9_500);
        assert_eq!(gate.judge(key('a'), next), Press::Pressed);
        gate.acted(key('a'), next);
        assert_eq!(gate.judge(of(KeyEventKind::Repeat), next), Press::Spent);
        assert_eq!(gate.judge(of(KeyEventKind::Repeat), next + Duration::from_secs(2)), Press::Spent);
        assert_eq!(gate.judge(KeyEvent { kind: KeyEventKind::Repeat, ..key('j') }, next), Press::Repeated);
    }
}
