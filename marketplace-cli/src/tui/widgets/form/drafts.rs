//! What was typed into forms that were left: it comes back when the same is asked again.

use std::{cell::RefCell, collections::VecDeque, fmt::Debug, rc::Rc};

/// The most drafts that are kept; the oldest goes first.
const MOST: usize = 20;

/// What was filled in; each part only where it is not as the form began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// Which choices were made, by what each stands for.
    pub picked: Option<Vec<String>>,
    /// The comment, if it was edited.
    pub comment: Option<String>,
    /// The note.
    pub note: Option<String>,
    /// The inputs.
    pub inputs: Vec<Option<String>>,
}

impl Draft {
    /// Returns whether nothing was filled in.
    fn is_empty(&self) -> bool {
        self.picked.is_none()
            && self.comment.is_none()
            && self.note.is_none()
            && self.inputs.iter().all(Option::is_none)
    }
}

/// Returns the name of the draft of a form by its title and what it is about.
pub fn name(title: &str, about: &str) -> String {
    format!("{title} {about}")
}

/// The drafts of this session, in memory only. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Drafts {
    left: Rc<RefCell<VecDeque<(String, Draft)>>>,
    /// Of forms that were confirmed, until what they ask for is done.
    sent: Rc<RefCell<Vec<(String, Draft)>>>,
}

impl Drafts {
    /// Returns the draft under a name.
    pub fn get(&self, name: &str) -> Option<Draft> {
        self.left.borrow().iter().find(|(known, _)| known == name).map(|(_, draft)| draft.clone())
    }
    /// Keeps a draft under a name, unless nothing was filled in.
    pub fn put(&self, name: &str, draft: Draft) {
        self.remove(name);
        if draft.is_empty() {
            return;
        }
        let mut drafts = self.left.borrow_mut();
        drafts.push_back((name.to_owned(), draft));
        if drafts.len() > MOST {
            drafts.pop_front();
        }
    }
    /// Removes the draft under a name.
    pub fn remove(&self, name: &str) {
        self.left.borrow_mut().retain(|(known, _)| known != name);
    }
    /// Keeps the draft of a form that was confirmed, in case that it was in vain.
    pub fn send(&self, name: &str, draft: Draft) {
        self.remove(name);
        self.sent.borrow_mut().push((name.to_owned(), draft));
    }
    /// Sends what was kept of the form of this title about this: its next step was confirmed too.
    pub fn send_kept(&self, title: &str, about: impl Debug) {
        let name = name(title, &format!("{about:?}"));
        if let Some(draft) = self.get(&name) {
            self.send(&name, draft);
        }
    }
    /// Keeps what was sent last as if the form had been left: nothing comes of it.
    pub fn take_back(&self) {
        let last = self.sent.borrow_mut().pop();
        if let Some((name, draft)) = last {
            self.put(&name, draft);
        }
    }
    /// Keeps what was sent as if the forms had been left: it was in vain.
    pub fn bring_back(&self) {
        for (name, draft) in self.sent.take() {
            self.put(&name, draft);
        }
    }
    /// Forgets what was sent: it was done.
    pub fn done(&self) {
        self.sent.borrow_mut().clear();
    }
    /// Removes all drafts and returns them.
    pub fn take(&self) -> Vec<(String, Draft)> {
        self.done();
        self.left.take().into()
    }
}
