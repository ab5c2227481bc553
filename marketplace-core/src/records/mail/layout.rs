//! The texts of mails, laid out as plain text and as HTML.

use std::{
    sync::LazyLock,
    time::{Duration, SystemTime},
};

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
    app::App,
    base::{
        error::{Error, Result},
        ids::MailId,
        language::Language,
        text,
        time::Timestamp,
    },
    platform::mailer::{LaidOut, Texts},
};

impl Template {
    /// Returns whether the address may be a stranger's, because somebody typed it and nobody has confirmed it. Such a
    /// mail greets nobody by name.
    fn is_for_strangers(self) -> bool {
        matches!(self, Self::VerifyEmail | Self::AccountExists | Self::ConfirmNewEmail | Self::Invitation)
    }
}

const PLAIN: &str = "{{ greeting }}{% if name %} {{ name }}{% endif %},\n\n{{ body }}\n{% if comment %}\n{{ comment }}\n{% endif %}{% if link %}\n{{ label }}: {{ link }}\n{% endif %}\nMarketplace\n{% if unsubscribe %}\n{{ unsubscribe_label }}: {{ unsubscribe }}\n{% endif %}";

const HTML: &str = "<!doctype html><html lang=\"{{ language }}\"><meta charset=\"utf-8\"><title>{{ subject }}</title>\
<body style=\"font-family:sans-serif;max-width:36em;margin:2em auto;color:#222\"><p>{{ greeting }}{% if name %} {{ name }}{% endif %},</p><p>{{ body }}</p>\
{% if comment %}<blockquote style=\"border-left:3px solid #999;margin:0;padding-left:1em\">{{ comment }}</blockquote>{% endif %}\
{% if link %}<p><a href=\"{{ link }}\" style=\"display:inline-block;padding:.7em 1.2em;background:#1a5fb4;color:#fff;text-decoration:none;border-radius:4px\">{{ label }}</a></p>\
<p style=\"color:#666;font-size:.85em\">{{ link }}</p>{% endif %}<p>Marketplace</p>\
{% if unsubscribe %}<p style=\"color:#666;font-size:.85em\"><a href=\"{{ unsubscribe }}\">{{ unsubscribe_label }}</a></p>{% endif %}</body></html>";

/// Lays out a mail. The result is the same each time the mail is tried, so that a server that receives it twice can
/// tell.
///
/// Its header contains no name: a name is text that a user chose, and the recipients know their own.
pub(super) fn lay_out(app: &App, mail: &Mail, id: MailId, at: Timestamp) -> Result<LaidOut> {
    laid_out(&app.mailer.texts, app.config.issuer(), mail, id, &app.mailer.post.from, at)
}

fn laid_out(texts: &Texts, site: &str, mail: &Mail, id: MailId, from: &Mailbox, at: Timestamp) -> Result<LaidOut> {
    const AUTO_SUBMITTED: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");
    const LIST_UNSUBSCRIBE: HeaderName = HeaderName::new_from_ascii_str("List-Unsubscribe");
    const LIST_UNSUBSCRIBE_POST: HeaderName = HeaderName::new_from_ascii_str("List-Unsubscribe-Post");
    let rendered = render(texts, site, mail)?;
    let to = Mailbox::new(None, deliverable_email(&mail.to).parse().map_err(Error::internal)?);
    let since_epoch = Duration::from_micros(u64::try_from(at.micros()).map_err(Error::internal)?);
    let mut builder = Message::builder()
        .message_id(Some(format!("<{id}@{}>", from.email.domain())))
        .date(SystemTime::UNIX_EPOCH + since_epoch)
        // RFC 3834 §5: prevents automatic replies.
        .raw_header(HeaderValue::new(AUTO_SUBMITTED, "auto-generated".to_owned()));
    if let Some(token) = &mail.unsubscribe {
        // RFC 8058: the program that reads mails sends this by itself when its button is pressed.
        let address = format!("<{site}/v1/unsubscribe?token={token}>");
        let one_click = "List-Unsubscribe=One-Click".to_owned();
        builder = builder
            .raw_header(HeaderValue::new(LIST_UNSUBSCRIBE, address))
            .raw_header(HeaderValue::new(LIST_UNSUBSCRIBE_POST, one_click));
    }
    let message = builder
        .from(from.clone())
        .to(to)
        .subject(rendered.subject)
        .multipart(MultiPart::alternative_plain_html(rendered.plain, rendered.html))
        .map_err(Error::internal)?;
    Ok(LaidOut { envelope: message.envelope().clone(), bytes: message.formatted() })
}

/// Checks that every text of the operator's can be laid out, so that a mistake shows at the start and not in a mail.
///
/// # Errors
/// `invalid` that names the text and what is wrong with it.
pub(crate) fn check_texts(texts: &Texts) -> Result<()> {
    for (language, template) in Language::ALL.iter().flat_map(|one| Template::ALL.iter().map(|two| (*one, *two))) {
        for count in [1, 2] {
            let mail = Mail { language, count: Some(count), ..Mail::to_stranger("somebody@example.org", template) };
            render(texts, "", &mail).map_err(|error| {
                let inside = error.internal_text().unwrap_or_else(|| error.detail().to_owned());
                Error::invalid("/mail_texts", format!("{language}.toml, {template}: {inside}"))
            })?;
        }
    }
    Ok(())
}

struct Rendered {
    subject: String,
    plain: String,
    html: String,
}

/// The layouts of mails, ready to be filled.
static LAYOUTS: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_fuel(Some(50_000));
    environment.set_auto_escape_callback(|name| if name == "html" { AutoEscape::Html } else { AutoEscape::None });
    for (name, layout) in [("plain", PLAIN), ("html", HTML)] {
        if let Err(error) = environment.add_template(name, layout) {
            // Each mail fails by itself then; a test lays out all of them.
            tracing::error!(%error, name, "a layout of mails is not valid");
        }
    }
    environment
});

/// Renders the text; the HTML is escaped.
fn render(texts: &Texts, site: &str, mail: &Mail) -> Result<Rendered> {
    let (text, layout) = (texts.get(mail.language, mail.template.as_str())?, texts.layout(mail.language)?);
    let environment = &*LAYOUTS;
    let body = environment.render_str(&text.text, context! { count => mail.count }).map_err(Error::internal)?;
    // A name that was stored before a rule existed may break it.
    let name = mail.name.as_deref().filter(|_| !mail.template.is_for_strangers());
    let name = name.and_then(|name| text::clean_line(name, 100));
    let comment = mail.comment.as_deref().map(text::clean_text);
    let values = context! {
        subject => &text.subject, name, body, label => &text.link, link => &mail.link, comment,
        language => mail.language.as_str(), greeting => &layout.greeting, unsubscribe_label => &layout.unsubscribe,
        unsubscribe => mail.unsubscribe.as_ref().map(|token| format!("{site}/unsubscribe?token={token}")),
    };
    let laid =
        |name: &str| environment.get_template(name).and_then(|laid| laid.render(&values)).map_err(Error::internal);
    Ok(Rendered { subject: text.subject.clone(), plain: laid("plain")?, html: laid("html")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> Texts {
        Texts::load(None).unwrap()
    }

    fn text_of(mail: &Mail) -> String {
        let from = "Marketplace <no-reply@market.example>".parse().unwrap();
        let id = MailId("019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d".parse().unwrap());
        let at = Timestamp::from_unix_seconds(1_800_000_000);
        let laid_out = laid_out(&texts(), "https://market.example", mail, id, &from, at).unwrap();
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
            let rendered = render(&texts(), "https://market.example", &mail).unwrap();
            let greeting = if template.is_for_strangers() { "Hello," } else { "Hello <b>Ada</b>," };
            assert!(rendered.plain.contains(greeting) && rendered.plain.contains("token=a&b"), "{}", rendered.plain);
            assert!(!rendered.html.contains("<b>") && !rendered.html.contains("<i>"));
            assert!(rendered.subject.len() > 10);
        }
    }

    #[test]
    fn mails_say_that_a_program_sent_them_and_which_one_they_are() {
        let mail = Mail { name: Some("Ada".into()), ..Mail::to_stranger("ada@b.co", Template::KycApproved) };
        let text = text_of(&mail);
        for line in [
            "Message-ID: <019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d@market.example>",
            "Auto-Submitted: auto-generated",
            "Date: Fri, 15 Jan 2027 08:00:00 +0000",
            "To: ada@b.co",
        ] {
            assert!(text.lines().any(|has| has == line), "{line}: {text}");
        }
        // The boundary between the parts is random.
        assert_eq!(text.lines().take(5).collect::<Vec<_>>(), text_of(&mail).lines().take(5).collect::<Vec<_>>());
    }

    #[test]
    fn no_stored_name_keeps_a_mail_from_being_laid_out() {
        for name in
            ["Ada\rObi", "a\r\nBcc: x@y.z", "\u{0}", "\u{202E}evil", "", "\u{7F}\u{85}", &"\u{1F469}\r".repeat(3_000)]
        {
            for template in Template::ALL {
                let (name, comment) = (Some(name.into()), Some(format!("{name}x")));
                let text = text_of(&Mail { name, comment, ..Mail::to_stranger("a@b.co", *template) });
                let head = text.split("\r\n\r\n").next().unwrap();
                assert!(!head.contains("Bcc:"), "{text}");
                assert!(!text.replace("\r\n", "").contains('\r'), "{text}");
            }
        }
    }
}
