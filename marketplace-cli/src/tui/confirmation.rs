//! What has to be typed before an act: the one list of the acts that cannot be undone or give power.

/// Acts on more rows than this ask for their number.
const MANY: usize = 20;

/// Acts that cannot be undone, or that give power over others, as the words to be typed.
const GRAVE: [&str; 13] = [
    DELETE,
    ROLE,
    END_SESSIONS,
    CANCEL,
    FINALIZE,
    REMOVE_MESSAGES,
    REMOVE_PHOTO,
    RESET_TOTP,
    REVOKE_TOKENS,
    ROTATE,
    MERGE,
    REVERSE,
    UPHOLD,
];

/// Erasing an account.
pub const DELETE: &str = "delete";
/// Changing a role.
pub const ROLE: &str = "role";
/// Ending all sessions.
pub const END_SESSIONS: &str = "end";
/// Cancelling a job.
pub const CANCEL: &str = "cancel";
/// Finalizing a job.
pub const FINALIZE: &str = "finalize";
/// Removing messages: staff still see them, and only an appeal about them restores them.
pub const REMOVE_MESSAGES: &str = "remove";
/// Removing a photo apart from a decision about reports: it cannot be put back.
pub const REMOVE_PHOTO: &str = "remove";
/// Giving a webhook another secret: what verifies with the one before stops working when its time is over.
pub const ROTATE: &str = "rotate";
/// Merging a category into another one: which services were of which is forgotten.
pub const MERGE: &str = "merge";
/// Removing a second factor.
pub const RESET_TOTP: &str = "reset";
/// Ending tokens.
pub const REVOKE_TOKENS: &str = "revoke";
/// Deciding that an appeal is right.
pub const REVERSE: &str = "reverse";
/// Deciding that what was appealed against stays.
pub const UPHOLD: &str = "uphold";
/// An act that can be undone.
pub const UNDOABLE: &str = "";

/// Returns the word that the action of a name needs, if any.
pub fn of_action(name: &str) -> Option<&'static str> {
    match name {
        "delete" | "delete-webhook" | "delete-rule" => Some(DELETE),
        "role" => Some(ROLE),
        "revoke-sessions" => Some(END_SESSIONS),
        "cancel" => Some(CANCEL),
        "finalize" => Some(FINALIZE),
        "remove-message" => Some(REMOVE_MESSAGES),
        "remove-photo" => Some(REMOVE_PHOTO),
        "rotate-webhook" => Some(ROTATE),
        "merge-category" => Some(MERGE),
        "reset-totp" => Some(RESET_TOTP),
        "reverse" => Some(REVERSE),
        "uphold" => Some(UPHOLD),
        _ => None,
    }
}

/// Returns what has to be typed before an act on so many rows, if anything.
pub fn typed(act: &'static str, rows: usize) -> Option<String> {
    match (GRAVE.contains(&act), rows > MANY) {
        (true, true) => Some(format!("{act} {rows}")),
        (true, false) => Some(act.to_owned()),
        (false, true) => Some(rows.to_string()),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_grave_or_wide_is_typed() {
        assert_eq!(typed(UNDOABLE, 20), None);
        assert_eq!(typed(UNDOABLE, 21).unwrap(), "21");
        assert_eq!(typed(DELETE, 1).unwrap(), "delete");
        assert_eq!(typed(ROLE, 603).unwrap(), "role 603");
    }
}
