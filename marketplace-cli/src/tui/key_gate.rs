//! One press, one act: distinguishes pressing a key from holding it down.
//!
//! Terminals that say which events are repetitions are believed. All others send a held key as a press, a pause of up to
//! [`PAUSE`], and then presses in quick succession, so a key that has just acted is judged by time: what follows at once
//! is the same press, and what follows after a pause counts only if nothing more follows it.

use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind};

use super::keymap::Key;

/// The same key again within this time is still the same press.
const HELD: Duration = Duration::from_millis(400);
/// The longest usual pause between a press and the first repetition.
const PAUSE: Duration = Duration::from_millis(800);
/// The longest usual interval between repetitions.
const INTERVAL: Duration = Duration::from_millis(150);

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

/// Remembers the key that acted last.
#[derive(Debug, Default)]
pub struct KeyGate {
    acted: Option<(Key, Instant)>,
    waiting: Option<(KeyEvent, Instant)>,
    /// Whether this terminal reports releases, and so repetitions.
    reports: bool,
}

impl KeyGate {
    /// Learns that a key was released.
    pub fn released(&mut self, key: KeyEvent) {
        self.reports = true;
        if self.acted.is_some_and(|(acted, _)| acted == key.into()) {
            self.acted = None;
        }
    }

    /// Returns what a key event is.
    pub fn judge(&mut self, event: KeyEvent, now: Instant) -> Press {
        let repeated = event.kind == KeyEventKind::Repeat;
        self.reports |= repeated;
        let key = Key::from(event);
        let Some((acted, seen)) = self.acted else {
            return if repeated { Press::Repeated } else { Press::Pressed };
        };
        if acted != key {
            // Pressing another key ends the repetition of the first.
            self.acted = None;
            return if repeated { Press::Repeated } else { Press::Pressed };
        }
        self.acted = Some((acted, now));
        let since = now.saturating_duration_since(seen);
        if repeated {
            Press::Spent
        } else if self.reports && !matches!(event.code, KeyCode::Enter | KeyCode::Tab | KeyCode::Backspace) {
            // These three are sent the old way even then.
            Press::Pressed
        } else if since < HELD || self.waiting.is_some() {
            self.waiting = None;
            Press::Spent
        } else if since < PAUSE {
            self.waiting = Some((event, now + INTERVAL));
            Press::Unknown
        } else {
            Press::Pressed
        }
    }

    /// Records that a key acted: holding it must not act again.
    pub fn acted(&mut self, event: KeyEvent, now: Instant) {
        let key = event.into();
        // Otherwise it was recorded when it was seen, which is earlier for a key that waited.
        if self.acted.is_none_or(|(acted, _)| acted != key) {
            self.acted = Some((key, now));
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
        let (mut gate, start, mut acts) = (KeyGate::default(), Instant::now(), 0);
        let mut act = |gate: &mut KeyGate, event, now| {
            gate.acted(event, now);
            acts += 1;
        };
        let end = times.last().unwrap() + 1_000;
        for at in 0..end {
            let now = start + Duration::from_millis(at);
            if let Some(event) = gate.due(now) {
                act(&mut gate, event, now);
            }
            for _ in times.iter().filter(|time| **time == at) {
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
        gate.released(of(KeyEventKind::Release));
        assert_eq!(gate.judge(key('a'), now), Press::Pressed);
        assert_eq!(gate.judge(of(KeyEventKind::Repeat), now), Press::Repeated);
    }
}
