//! What can be wrong with the pictures of an identity check, so that a reviewer has something to find.

use marketplace_core::kyc::model::KycReason;

use crate::people::{Person, mix};

/// A flaw in a person's papers or selfie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// The photograph of the document is out of focus.
    Blurred,
    /// It was taken in the dark.
    Dark,
    /// Part of the document is outside the picture.
    CutOff,
    /// A reflection covers the text.
    Glare,
    /// The selfie shows somebody else.
    OtherFace,
    /// The document is out of date.
    Expired,
    /// The document is somebody else's, face and name.
    OtherPerson,
    /// The date of birth was pasted over, and the machine-readable line still has the old one.
    Altered,
    /// The holder is fifteen.
    Minor,
}

impl Flaw {
    /// Every flaw.
    pub const ALL: [Self; 9] = [
        Self::Blurred,
        Self::Dark,
        Self::CutOff,
        Self::Glare,
        Self::OtherFace,
        Self::Expired,
        Self::OtherPerson,
        Self::Altered,
        Self::Minor,
    ];

    /// Returns the reason that an attentive reviewer decides on.
    pub fn reason(self) -> KycReason {
        match self {
            Self::Blurred | Self::Dark | Self::CutOff | Self::Glare => KycReason::DocumentUnreadable,
            Self::OtherFace => KycReason::SelfieMismatch,
            Self::Expired => KycReason::DocumentExpired,
            Self::OtherPerson => KycReason::DocumentMismatch,
            Self::Altered => KycReason::SuspectedForgery,
            Self::Minor => KycReason::Underage,
        }
    }
}

/// Returns an obviously different person: another face, other colouring.
pub fn stranger(person: &Person) -> Person {
    Person {
        face: mix(person.face, 0x0DD),
        skin: if person.skin < 4 { person.skin + 3 } else { person.skin - 3 },
        light_hair: !person.light_hair,
        female: !person.female,
        ..person.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flaw_has_its_reason() {
        for (flaw, reason) in [
            (Flaw::OtherFace, KycReason::SelfieMismatch),
            (Flaw::Minor, KycReason::Underage),
            (Flaw::CutOff, KycReason::DocumentUnreadable),
        ] {
            assert_eq!(flaw.reason(), reason);
        }
    }
}
