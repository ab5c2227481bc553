//! What mails say: one list of texts, laid out as plain text and as HTML.

use minijinja::{AutoEscape, Environment, context};

use super::{Mail, Template};
use crate::error::{Error, Result};

impl Template {
    /// Subject line, sentences, and what the link is called.
    fn text(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::VerifyEmail => (
                "Confirm your address",
                "Please confirm that this address is yours. The link works once, for 24 hours. If you did not sign up, do nothing.",
                "Confirm my address",
            ),
            Self::AccountExists => (
                "You already have an account",
                "Somebody, probably you, signed up with this address. You already have an account; if you forgot your password, choose a new one. If it was not you, do nothing.",
                "Choose a new password",
            ),
            Self::ResetPassword => (
                "Choose a new password",
                "Somebody, probably you, asked for a new password. The link works once, for one hour. If it was not you, do nothing: your password stays.",
                "Choose a new password",
            ),
            Self::PasswordChanged => (
                "Your password was changed",
                "Your password was changed, and every session ended. If it was not you, choose a new password at once and write to us.",
                "",
            ),
            Self::SecondFactorOn => (
                "Your second factor is on",
                "From now on, logging in needs a code from your device besides the password. Keep your recovery codes in a safe place. If it was not you, write to us at once.",
                "",
            ),
            Self::SecondFactorOff => (
                "Your second factor was removed",
                "Logging in needs no code from your device any more. If it was not you, change your password at once and write to us.",
                "",
            ),
            Self::ConfirmNewEmail => (
                "Confirm your new address",
                "Please confirm that your account shall use this address from now on. The link works once, for one hour.",
                "Use this address",
            ),
            Self::EmailChanging => (
                "Your address is about to change",
                "Somebody, probably you, asked to use another address for your account. It takes effect once the new address is confirmed. If it was not you, change your password at once.",
                "",
            ),
            Self::IdentityLinked => (
                "There is another way into your account",
                "Somebody, probably you, logged in to your account through a provider that vouches for this address. From now on that is a way in, beside your password. If it was not you, remove it and change your password at once.",
                "",
            ),
            Self::Invitation => (
                "Your account is ready",
                "An account was made for you. Choose a password to use it. The link works once, for 24 hours.",
                "Choose a password",
            ),
            Self::Banned => (
                "Your account was closed",
                "Your account was closed because it broke our rules. With this link you can have your data deleted. It works once, for 30 days.",
                "Delete my data",
            ),
            Self::KycApproved => (
                "Your identity is confirmed",
                "Thank you: your identity is confirmed, and you can publish services.",
                "",
            ),
            Self::KycRetry => (
                "Please send your documents again",
                "We could not confirm your identity yet. Please submit your documents again.",
                "",
            ),
            Self::KycRejected => (
                "Your identity could not be confirmed",
                "We could not confirm your identity. This decision is final.",
                "",
            ),
            Self::KycRevoked => (
                "Your identity check was taken back",
                "The confirmation of your identity was taken back. You can submit your documents again.",
                "",
            ),
            Self::KycExpired => (
                "Please confirm your identity again",
                "The confirmation of your identity has come to its end. Please submit your documents again.",
                "",
            ),
        }
    }
}

const PLAIN: &str = "Hello {{ name }},\n\n{{ body }}\n{% if comment %}\n{{ comment }}\n{% endif %}{% if link %}\n{{ label }}: {{ link }}\n{% endif %}\nMarketplace\n";

const HTML: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{{ subject }}</title>\
<body style=\"font-family:sans-serif;max-width:36em;margin:2em auto;color:#222\"><p>Hello {{ name }},</p><p>{{ body }}</p>\
{% if comment %}<blockquote style=\"border-left:3px solid #999;margin:0;padding-left:1em\">{{ comment }}</blockquote>{% endif %}\
{% if link %}<p><a href=\"{{ link }}\" style=\"display:inline-block;padding:.7em 1.2em;background:#1a5fb4;color:#fff;text-decoration:none;border-radius:4px\">{{ label }}</a></p>\
<p style=\"color:#666;font-size:.85em\">{{ link }}</p>{% endif %}<p>Marketplace</p></body></html>";

/// A mail, laid out.
pub(crate) struct Rendered {
    pub subject: &'static str,
    pub plain: String,
    pub html: String,
}

/// Lays a mail out; the HTML is escaped.
pub(crate) fn render(mail: &Mail) -> Result<Rendered> {
    let (subject, body, label) = mail.template.text();
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|name| if name == "html" { AutoEscape::Html } else { AutoEscape::None });
    environment.add_template("plain", PLAIN).map_err(Error::internal)?;
    environment.add_template("html", HTML).map_err(Error::internal)?;
    let values = context! { subject, name => &mail.name, body, label, link => &mail.link, comment => &mail.comment };
    let layout =
        |name: &str| environment.get_template(name).and_then(|layout| layout.render(&values)).map_err(Error::internal);
    Ok(Rendered { subject, plain: layout("plain")?, html: layout("html")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mail_has_words_and_escapes_what_people_wrote() {
        for template in Template::ALL {
            let link = Some("https://market.example/x?token=a&b".to_owned());
            let mail = Mail {
                to: "a@b.co".into(),
                name: "<b>Ada</b>".into(),
                template: *template,
                link,
                comment: Some("<i>".into()),
                user: None,
            };
            let rendered = render(&mail).unwrap();
            assert!(rendered.plain.contains("Hello <b>Ada</b>") && rendered.plain.contains("token=a&b"));
            assert!(!rendered.html.contains("<b>") && !rendered.html.contains("<i>"));
            assert!(rendered.subject.len() > 10);
        }
    }
}
