//! The texts of mails, laid out as plain text and as HTML.

use std::time::{Duration, SystemTime};

use lettre::{
    Message,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
};
use minijinja::{AutoEscape, Environment, context};

use super::{Mail, Template};
use crate::{
    accounts::model::deliverable_email,
    base::{
        error::{Error, Result},
        ids::MailId,
        text,
        time::Timestamp,
    },
    platform::mailer::LaidOut,
};

impl Template {
    /// Returns whether the address may be a stranger's, because somebody typed it and nobody has confirmed it. Such a
    /// mail greets nobody by name.
    fn is_for_strangers(self) -> bool {
        matches!(self, Self::VerifyEmail | Self::AccountExists | Self::ConfirmNewEmail | Self::Invitation)
    }

    /// Returns the subject line, the sentences, and the label of the link.
    #[expect(clippy::too_many_lines, reason = "the text of each kind")]
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
            Self::AccountEdited => (
                "Your account was put right",
                "Our staff changed the name or the phone number of your account. If nobody asked for it, write to us at once.",
                "",
            ),
            Self::Warning => (
                "A warning about your account",
                "Something that you did broke our rules. If it happens again, your account can be restricted.",
                "",
            ),
            Self::ServiceClosed => (
                "Your service was closed",
                "Our staff closed one of your services, and nobody finds it any more. Write to us if that was wrong.",
                "",
            ),
            Self::ServiceReopened => (
                "You can publish your service again",
                "Our staff took the closing of one of your services back. You can publish it again.",
                "",
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

const PLAIN: &str = "Hello{% if name %} {{ name }}{% endif %},\n\n{{ body }}\n{% if comment %}\n{{ comment }}\n{% endif %}{% if link %}\n{{ label }}: {{ link }}\n{% endif %}\nMarketplace\n";

const HTML: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{{ subject }}</title>\
<body style=\"font-family:sans-serif;max-width:36em;margin:2em auto;color:#222\"><p>Hello{% if name %} {{ name }}{% endif %},</p><p>{{ body }}</p>\
{% if comment %}<blockquote style=\"border-left:3px solid #999;margin:0;padding-left:1em\">{{ comment }}</blockquote>{% endif %}\
{% if link %}<p><a href=\"{{ link }}\" style=\"display:inline-block;padding:.7em 1.2em;background:#1a5fb4;color:#fff;text-decoration:none;border-radius:4px\">{{ label }}</a></p>\
<p style=\"color:#666;font-size:.85em\">{{ link }}</p>{% endif %}<p>Marketplace</p></body></html>";

/// Lays out a mail. The result is the same each time the mail is tried, so that a server that receives it twice can
/// tell.
///
/// Its header contains no name: a name is text that a user chose, and the recipients know their own.
pub(super) fn lay_out(mail: &Mail, id: MailId, from: &Mailbox, at: Timestamp) -> Result<LaidOut> {
    const AUTO_SUBMITTED: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");
    let rendered = render(mail)?;
    let to = Mailbox::new(None, deliverable_email(&mail.to).parse().map_err(Error::internal)?);
    let since_epoch = Duration::from_micros(u64::try_from(at.micros()).map_err(Error::internal)?);
    let message = Message::builder()
        .message_id(Some(format!("<{id}@{}>", from.email.domain())))
        .date(SystemTime::UNIX_EPOCH + since_epoch)
        // RFC 3834 §5: prevents automatic replies.
        .raw_header(HeaderValue::new(AUTO_SUBMITTED, "auto-generated".to_owned()))
        .from(from.clone())
        .to(to)
        .subject(rendered.subject)
        .multipart(MultiPart::alternative_plain_html(rendered.plain, rendered.html))
        .map_err(Error::internal)?;
    Ok(LaidOut { envelope: message.envelope().clone(), bytes: message.formatted() })
}

struct Rendered {
    subject: &'static str,
    plain: String,
    html: String,
}

/// Renders the text; the HTML is escaped.
fn render(mail: &Mail) -> Result<Rendered> {
    let (subject, body, label) = mail.template.text();
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|name| if name == "html" { AutoEscape::Html } else { AutoEscape::None });
    environment.add_template("plain", PLAIN).map_err(Error::internal)?;
    environment.add_template("html", HTML).map_err(Error::internal)?;
    // A name that was stored before a rule existed may break it.
    let name = mail.name.as_deref().filter(|_| !mail.template.is_for_strangers());
    let name = name.and_then(|name| text::clean_line(name, 100));
    let comment = mail.comment.as_deref().map(text::clean_text);
    let values = context! { subject, name, body, label, link => &mail.link, comment };
    let layout =
        |name: &str| environment.get_template(name).and_then(|layout| layout.render(&values)).map_err(Error::internal);
    Ok(Rendered { subject, plain: layout("plain")?, html: layout("html")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid_out(mail: &Mail) -> String {
        let from = "Marketplace <no-reply@market.example>".parse().unwrap();
        let id = MailId("019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d".parse().unwrap());
        let laid_out = lay_out(mail, id, &from, Timestamp::from_unix_seconds(1_800_000_000)).unwrap();
        assert_eq!(laid_out.envelope.to().len(), 1);
        String::from_utf8(laid_out.bytes).unwrap()
    }

    #[test]
    fn every_mail_has_words_and_escapes_what_people_wrote() {
        for template in Template::ALL {
            let mail = Mail {
                name: Some("<b>Ada</b>".into()),
                link: Some("https://market.example/x?token=a&b".to_owned()),
                comment: Some("<i>".into()),
                ..Mail::to_stranger("a@b.co", *template)
            };
            let rendered = render(&mail).unwrap();
            let greeting = if template.is_for_strangers() { "Hello," } else { "Hello <b>Ada</b>," };
            assert!(rendered.plain.contains(greeting) && rendered.plain.contains("token=a&b"), "{}", rendered.plain);
            assert!(!rendered.html.contains("<b>") && !rendered.html.contains("<i>"));
            assert!(rendered.subject.len() > 10);
        }
    }

    #[test]
    fn mails_say_that_a_program_sent_them_and_which_one_they_are() {
        let mail = Mail { name: Some("Ada".into()), ..Mail::to_stranger("ada@b.co", Template::KycApproved) };
        let text = laid_out(&mail);
        for line in [
            "Message-ID: <019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d@market.example>",
            "Auto-Submitted: auto-generated",
            "Date: Fri, 15 Jan 2027 08:00:00 +0000",
            "To: ada@b.co",
        ] {
            assert!(text.lines().any(|has| has == line), "{line}: {text}");
        }
        // The boundary between the parts is random.
        assert_eq!(text.lines().take(5).collect::<Vec<_>>(), laid_out(&mail).lines().take(5).collect::<Vec<_>>());
    }

    #[test]
    fn no_stored_name_keeps_a_mail_from_being_laid_out() {
        for name in
            ["Ada\rObi", "a\r\nBcc: x@y.z", "\u{0}", "\u{202E}evil", "", "\u{7F}\u{85}", &"\u{1F469}\r".repeat(3_000)]
        {
            for template in Template::ALL {
                let (name, comment) = (Some(name.into()), Some(format!("{name}x")));
                let text = laid_out(&Mail { name, comment, ..Mail::to_stranger("a@b.co", *template) });
                let head = text.split("\r\n\r\n").next().unwrap();
                assert!(!head.contains("Bcc:"), "{text}");
                assert!(!text.replace("\r\n", "").contains('\r'), "{text}");
            }
        }
    }
}
