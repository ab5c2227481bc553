//! The languages that mails and notifications are written in.

use crate::base::text_enum::text_enum;

text_enum! {
    /// A language, by its ISO 639-1 code.
    #[derive(Default)]
    pub enum Language {
        /// English.
        #[default]
        En = "en",
        /// German.
        De = "de",
        /// French.
        Fr = "fr",
        /// Spanish.
        Es = "es",
    }
}
