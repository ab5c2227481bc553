//! Rows of reviews.

use marketplace_core::reviews::model::{Flag, ReviewDetail, ReviewSummary};

use super::{names, within};
use crate::output::{Card, Column, Kind, Order, Row, Timeline, Tone, View};

impl Row for ReviewSummary {
    const COLUMNS: &'static [Column] = &[
        Column::new("ID", "id", Kind::Id),
        Column::new("STATUS", "status", Kind::State),
        Column::new("STARS", "rating", Kind::Number),
        Column::new("FLAGS", "flags", Kind::Number),
        Column::new("TEXT", "content", Kind::Text),
        Column::optional("BY", "author_name", Kind::Text),
        Column::optional("ABOUT", "subject_name", Kind::Text),
        Column::optional("WRITTEN", "created_at", Kind::Time),
    ];
    fn timeline() -> Option<Timeline> {
        Some(Timeline { path: "created_at", list: Some("reviews"), order: Order::NewestFirst })
    }
    fn id() -> String {
        "id".into()
    }
    fn fields() -> Vec<String> {
        names(&[
            "id",
            "job_id",
            "side",
            "author_id",
            "author_name",
            "subject_id",
            "subject_name",
            "rating",
            "content",
            "status",
            "flags",
            "removed",
            "created_at",
            "published_at",
            "version",
        ])
    }
}

impl Row for ReviewDetail {
    const COLUMNS: &'static [Column] = &[
        Column::new("ID", "review.id", Kind::Id),
        Column::new("STATUS", "review.status", Kind::State),
        Column::new("STARS", "review.rating", Kind::Number),
        Column::new("FLAGS", "review.flags", Kind::Number),
    ];
    fn id() -> String {
        "review.id".into()
    }
    fn fields() -> Vec<String> {
        let mut fields: Vec<String> = within("review", ReviewSummary::fields()).collect();
        fields.extend(names(&["note", "reply", "flags"]));
        fields.extend(within("counterpart", ReviewSummary::fields()));
        fields
    }
    fn card(&self, view: &View) -> Option<Card> {
        let review = &self.review;
        let mut card = Card::default()
            .pair("review", review.id)
            .toned("status", review.status, Tone::of(review.status.as_str()))
            .maybe("removed for", review.removed)
            .maybe("note", self.note.as_ref())
            .pair("job", review.job_id)
            .pair("by", format!("{} {} (the {})", review.author_id, review.author_name, review.side))
            .pair("about", format!("{} {}", review.subject_id, review.subject_name))
            .pair("stars", review.rating)
            .pair("text", &review.content)
            .maybe("reply", self.reply.as_ref())
            .pair("written", view.time(review.created_at))
            .maybe("published", review.published_at.map(|at| view.time(at)));
        if review.flags > 0 {
            card = card.toned("open flags", review.flags, Tone::Warn);
        }
        let other = self.counterpart.iter().map(|other| {
            let at = view.time(other.created_at);
            format!("{}  {} stars, {}, {at}: {}", other.id, other.rating, other.status, other.content)
        });
        Some(
            card.pair("version", review.version)
                .section("flags", self.flags.iter().map(|raised| flag(raised, view)).collect::<Vec<_>>())
                .section("the other side's review", other.collect::<Vec<_>>()),
        )
    }
}

fn flag(flag: &Flag, view: &View) -> String {
    let comment = flag.comment.as_ref().map_or_else(String::new, |comment| format!(": {comment}"));
    let dismissed = flag.dismissed_at.map_or_else(String::new, |at| format!(", dismissed {}", view.time(at)));
    format!("{} by {}, {}{dismissed}{comment}", flag.reason, flag.user_id, view.time(flag.at))
}
