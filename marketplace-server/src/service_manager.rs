//! What a service manager (systemd, `Type=notify`) is told: that the server is ready, reads its certificate again, stops, and
//! is alive. Without one, which is where `NOTIFY_SOCKET` is not set, nothing is done.

#[cfg(target_os = "linux")]
pub use linux::{keep_alive, ready, reloading, stopping};

#[cfg(target_os = "linux")]
mod linux {
    use sd_notify::NotifyState;

    /// Says that the server serves requests, for the first time or after reading something again.
    pub fn ready() {
        tell(&[NotifyState::Ready]);
    }

    /// Says that something is read again; [`ready`] follows.
    pub fn reloading() {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(error) => tracing::debug!(%error, "the system has no monotonic clock"),
        }
    }

    /// Says that the server stops, and that what is in flight may take a while.
    pub fn stopping() {
        tell(&[NotifyState::Stopping]);
    }

    /// Gives a sign of life twice in the time that the service manager waits for one, for as long as the program's threads
    /// work. Returns at once when it waits for none.
    pub async fn keep_alive() {
        let Some(limit) = sd_notify::watchdog_enabled() else { return };
        let mut ticks = tokio::time::interval(limit / 2);
        loop {
            ticks.tick().await;
            tell(&[NotifyState::Watchdog]);
        }
    }

    fn tell(state: &[NotifyState<'_>]) {
        if let Err(error) = sd_notify::notify(state) {
            tracing::debug!(%error, "the service manager cannot be told");
        }
    }
}

/// There is no such service manager on this platform.
#[cfg(not(target_os = "linux"))]
mod elsewhere {
    /// Does nothing.
    pub fn ready() {}
    /// Does nothing.
    pub fn reloading() {}
    /// Does nothing.
    pub fn stopping() {}
    /// Returns at once.
    pub async fn keep_alive() {}
}

#[cfg(not(target_os = "linux"))]
pub use elsewhere::{keep_alive, ready, reloading, stopping};
