//! The mails that a server wrote to its folder.

use std::{path::Path, time::Duration};

/// One mail.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Subject, as written.
    pub subject: String,
    /// Everything, decoded enough to read: headers, text and HTML.
    pub text: String,
}

impl Mail {
    /// Returns the value after `token=` in its link.
    pub fn token(&self) -> String {
        let start = self.text.find("token=").unwrap_or_else(|| panic!("a mail without a link: {}", self.text));
        self.text
            .chars()
            .skip(self.text[..start].chars().count() + "token=".len())
            .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
            .collect()
    }
}

/// Returns all mails to an address, oldest first.
pub fn to(folder: &Path, address: &str) -> Vec<Mail> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
        .collect();
    paths.sort_by_key(|path| (path.metadata().and_then(|metadata| metadata.modified()).ok(), path.clone()));
    let wanted = address.to_lowercase();
    paths
        .iter()
        .filter_map(|path| std::fs::read(path).ok())
        .filter_map(|bytes| parse(&bytes))
        .filter(|(to, _)| to.to_lowercase().contains(&wanted))
        .map(|(_, mail)| mail)
        .collect()
}

/// Waits until there are `count` mails to `address`, and returns the newest.
pub async fn wait_for(folder: &Path, address: &str, count: usize) -> Mail {
    for _ in 0..300 {
        let mut mails = to(folder, address);
        if mails.len() >= count {
            return mails.pop().expect("at least one");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("within 30 s there were {} mails to {address}, not {count}", to(folder, address).len());
}

/// Returns the recipient and the rest of a mail as it was sent.
pub fn parse(bytes: &[u8]) -> Option<(String, Mail)> {
    let raw = String::from_utf8_lossy(bytes).into_owned();
    let header = |name: &str| {
        raw.lines()
            .take_while(|line| !line.is_empty())
            .find_map(|line| line.strip_prefix(name))
            .map(|value| value.trim().to_owned())
    };
    let (to, subject) = (header("To:")?, header("Subject:").unwrap_or_default());
    // Parts are 7bit or quoted-printable; what cannot be decoded is left unchanged.
    let decoded = quoted_printable::decode(&raw, quoted_printable::ParseMode::Robust).unwrap_or_else(|_| bytes.into());
    let text = if raw.to_lowercase().contains("quoted-printable") {
        String::from_utf8_lossy(&decoded).into_owned()
    } else {
        raw
    };
    Some((to, Mail { subject, text }))
}
