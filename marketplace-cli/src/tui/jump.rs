//! Jumps from a person's account to their identity checks, jobs, threads, reviews and audit rows, and back along the same
//! path.

use std::{any::Any, fmt::Display};

use marketplace_core::audit::AuditRow;
use uuid::Uuid;

use super::{keymap::Action, text};

/// Jumps that are remembered.
const LONGEST: usize = 50;

/// Letters of links in the order in which they are listed; others follow.
const ORDER: &str = "uwcjtvksA";

/// What a jump shows on its screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A row in full, by its id.
    One(Uuid),
    /// The items of a user there, in any state.
    Of(Uuid),
    /// The list, filtered.
    List(String),
    /// The next piece of work there, begun.
    Next,
}

/// The destination of a jump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The screen.
    pub home: Action,
    /// The subject that is shown there.
    pub subject: Subject,
}

/// A link to another screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its letter.
    pub key: char,
    /// The description of the destination.
    pub label: String,
    /// The destination.
    pub to: Destination,
}

impl Link {
    /// Creates a link to a screen.
    pub fn new(key: char, label: impl Into<String>, home: Action, subject: Subject) -> Self {
        Self { key, label: label.into(), to: Destination { home, subject } }
    }
}

/// One of the items that something belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    kind: String,
    /// Its id.
    pub id: Uuid,
    /// Its name, as shown.
    pub name: String,
}

/// The items that something belongs to, by kind: a `user` that it is about, or a `worker` and a `client`; its
/// `attempt`, `job`, `thread`, `review`. The kinds are those of the audit log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Relations {
    known: Vec<Relation>,
    /// The target id in the audit log.
    pub audit: Option<String>,
    /// The letter of the link that would lead to the current screen.
    pub here: Option<char>,
}

impl Relations {
    /// Creates the relations of something with its target id in the audit log.
    pub fn of(id: impl Display) -> Self {
        Self { audit: Some(id.to_string()), ..Self::default() }
    }

    /// Creates the relations of an audit row: its target, and the ids in its metadata.
    pub fn of_audit(row: &AuditRow) -> Self {
        let mut relations = Self::default();
        relations.add_text(&row.target_kind.to_string(), &row.target);
        for (field, value) in row.metadata.as_object().into_iter().flatten() {
            if let Some(id) = value.as_str() {
                relations.add_text(field.strip_suffix("_id").unwrap_or(field), id);
            }
        }
        relations
    }

    fn add_text(&mut self, kind: &str, id: &str) {
        if self.get(kind).is_none()
            && let Ok(id) = id.parse::<Uuid>()
        {
            self.known.push(Relation { kind: kind.to_owned(), id, name: text::short_id(&id) });
        }
    }

    /// Adds a relation.
    #[must_use]
    pub fn with(mut self, kind: &str, id: Uuid, name: &str) -> Self {
        self.known.push(Relation { kind: kind.to_owned(), id, name: name.to_owned() });
        self
    }

    /// Sets the current screen, to which this letter leads.
    #[must_use]
    pub fn seen_at(mut self, here: char) -> Self {
        self.here = Some(here);
        self
    }

    /// Returns the relation of a kind.
    pub fn get(&self, kind: &str) -> Option<&Relation> {
        self.known.iter().find(|relation| relation.kind == kind)
    }

    /// Returns the person whose items are listed, and the possessive for them: `their` or `the worker's`.
    pub fn person(&self) -> Option<(Uuid, &'static str)> {
        match self.get("user") {
            Some(user) => Some((user.id, "their")),
            None => self.get("worker").or_else(|| self.get("client")).map(|person| (person.id, "the worker's")),
        }
    }
}

/// Sorts links, and removes the one that leads to the current screen.
pub fn in_order(mut links: Vec<Link>, here: Option<char>) -> Vec<Link> {
    links.retain(|link| Some(link.key) != here);
    links.sort_by_key(|link| ORDER.find(link.key).unwrap_or(ORDER.len()));
    links
}

/// Returns the letter of the link that an action with its own key follows.
pub fn letter(action: Action) -> Option<char> {
    let letters = [
        (Action::GO_USER, 'u'),
        (Action::GO_WORKER, 'w'),
        (Action::GO_CLIENT, 'c'),
        (Action::GO_THREADS, 't'),
        (Action::GO_REVIEWS, 'v'),
        (Action::GO_KYC, 'k'),
        (Action::GO_AUDIT, 'A'),
    ];
    letters.into_iter().find(|(known, _)| *known == action).map(|(_, letter)| letter)
}

/// A jump: from which screen, to which, and what that one showed before.
pub struct Step {
    /// The screen before.
    pub from: Action,
    /// The screen that the jump led to.
    pub to: Action,
    /// What that one showed before.
    pub stashed: Box<dyn Any>,
}

/// The jumps so far.
#[derive(Default)]
pub struct Path(Vec<Step>);

impl Path {
    /// Adds a jump.
    pub fn push(&mut self, step: Step) {
        if self.0.len() >= LONGEST {
            self.0.remove(0);
        }
        self.0.push(step);
    }
    /// Removes and returns the latest jump, if it led to the visible screen.
    pub fn back(&mut self, active: Action) -> Option<Step> {
        self.0.pop_if(|step| step.to == active)
    }
}
