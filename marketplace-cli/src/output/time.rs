//! Times in a readable form.

use marketplace_core::time::Timestamp;

/// Formats a relative time: `3h ago`, `in 9m`, or the date when it is more than a month away.
pub fn relative(now: Timestamp, at: Timestamp) -> String {
    let (distance, past) = if at <= now { (now.since(at), true) } else { (at.since(now), false) };
    let seconds = distance.as_secs();
    let amount = match seconds {
        0..5 => return "now".into(),
        5..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        86_400..2_592_000 => format!("{}d", seconds / 86_400),
        _ => return at.date(),
    };
    if past { format!("{amount} ago") } else { format!("in {amount}") }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn near_times_are_relative_and_far_ones_dates() {
        let now: Timestamp = "2026-03-02T10:00:00Z".parse().unwrap();
        for (seconds, text) in [
            (0, "now"),
            (59, "59s ago"),
            (60, "1m ago"),
            (7_199, "1h ago"),
            (3 * 86_400, "3d ago"),
            (40 * 86_400, "2026-01-21"),
        ] {
            assert_eq!(relative(now, now - Duration::from_secs(seconds)), text);
        }
        assert_eq!(relative(now, now + Duration::from_secs(540)), "in 9m");
    }
}
