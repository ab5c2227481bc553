//! Answers that say nothing, by the time they take, of what was done for them.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// What is written for an address differs with whether it has an account, and with it the time that takes: half a millisecond,
/// which a few hundred answers tell. So the answer comes a whole number of these later; on a disk that syncs within
/// milliseconds it is one, whatever was written.
const BEAT: Duration = Duration::from_millis(20);

/// Begun after the last step that takes as long for every address.
pub(super) struct ResponseTimer(Instant);

impl ResponseTimer {
    pub(super) fn begin() -> Self {
        Self(Instant::now())
    }

    /// Waits until a whole number of beats has gone by.
    pub(super) async fn end(self) {
        sleep_until(self.0 + whole(self.0.elapsed())).await;
    }
}

fn whole(elapsed: Duration) -> Duration {
    BEAT.mul_f64(elapsed.div_duration_f64(BEAT).ceil())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_longer_is_answered_together_with_what_takes_less() {
        let answered = |millis| whole(Duration::from_millis(millis) + Duration::from_nanos(1));
        for millis in 0..20 {
            assert_eq!(answered(millis), BEAT);
            assert_eq!(answered(20 + millis), BEAT * 2);
        }
    }
}
