//! Time that runs fast, and alike in several processes.

use marketplace_core::time::{Clock, SystemClock, Timestamp};

/// The machine's clock, sped up from a moment on.
#[derive(Debug, Clone, Copy)]
pub struct FastClock {
    epoch: i64,
    speed: i64,
}

impl FastClock {
    /// Creates a clock that runs `speed` times as fast from `epoch` (microseconds since 1970) on.
    pub fn new(epoch: i64, speed: i64) -> Self {
        Self { epoch, speed }
    }
}

impl Clock for FastClock {
    fn now(&self) -> Timestamp {
        let passed = SystemClock.now().micros() - self.epoch;
        Timestamp::from_micros(self.epoch + passed.saturating_mul(self.speed))
    }
}
