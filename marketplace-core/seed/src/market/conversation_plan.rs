//! What becomes of a conversation: its jobs and their reviews, step by step, without words. Pure, and cheap enough to be
//! done twice: once to know every worker's rating before the first row is written.

use std::time::Duration;

use marketplace_core::{base::time::Timestamp, jobs::model::JobStatus};
use rand::{RngExt, rngs::StdRng};

use super::job_timeline::{DAY, Job, Limits, job};

/// The tone of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Ordinary,
    /// One of the two wants to get around the marketplace.
    Contact,
    /// One of the two is abusive.
    Abusive,
}

#[derive(Debug, Clone)]
pub(super) struct ConversationPlan {
    pub tone: Tone,
    pub jobs: Vec<Job>,
    /// When staff closed the thread, or removed a message.
    pub staff_at: Option<Timestamp>,
}

impl ConversationPlan {
    pub fn of(limits: &Limits, rng: &mut StdRng) -> Self {
        let odd = rng.random_range(0..1_000);
        let tone = match odd {
            0..25 => Tone::Contact,
            25..35 => Tone::Abusive,
            35..90 if limits.demo => Tone::Contact,
            90..115 if limits.demo => Tone::Abusive,
            _ => Tone::Ordinary,
        };
        let mut outline = Self { tone, jobs: Vec::new(), staff_at: None };
        if tone == Tone::Abusive || rng.random_ratio(1, 5) {
            outline.staff(limits, rng);
            return outline;
        }
        let mut at = limits.start;
        for _ in 0..4 {
            let Some(job) = job(at, limits, rng) else { break };
            let ended = job.ended_at().filter(|_| job.status() != JobStatus::Rejected);
            outline.jobs.push(job);
            // Some clients return for another job.
            match ended {
                Some(ended) if rng.random_ratio(1, 6) => {
                    at = ended + Duration::from_secs(rng.random_range(2 * DAY..45 * DAY));
                }
                _ => break,
            }
        }
        outline.staff(limits, rng);
        outline
    }

    /// Adds staff, who look at what is odd, after a while.
    fn staff(&mut self, limits: &Limits, rng: &mut StdRng) {
        let at = limits.start + Duration::from_secs(rng.random_range(2 * DAY..9 * DAY));
        let seen = rng.random_ratio(3, 5);
        // Staff do not close a thread with a live job.
        let live = self.jobs.iter().any(|job| job.status().is_live());
        if self.tone != Tone::Ordinary && seen && !live && at < limits.end() {
            self.staff_at = Some(at);
        }
    }

    /// Returns how many notices of jobs there are.
    pub fn notices(&self) -> usize {
        self.jobs.iter().map(|job| job.steps.len()).sum()
    }
}
