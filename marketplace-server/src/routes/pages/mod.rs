//! The targets of links in mails: small pages that pass the token to the API. A marketplace with its own site sets
//! `public_url` to it and serves the same paths.

use axum::{
    Router,
    http::header::{CACHE_CONTROL, CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};

use crate::ctx::Ctx;

/// Paths that are served here and are not part of the API's description.
pub(crate) const PATHS: [&str; 8] = [
    "/auth/verify-email",
    "/auth/email/confirm",
    "/auth/own-data/delete",
    "/auth/password/forgot",
    "/auth/password/reset",
    "/unsubscribe",
    "/auth/page.js",
    "/auth/page.css",
];

struct Page {
    path: &'static str,
    /// The path from the page to the root, so that a prefix in `public_url` works.
    root: &'static str,
    title: &'static str,
    text: &'static str,
    fields: &'static str,
    /// What is offered when it fails.
    again: &'static str,
    button: &'static str,
    done: &'static str,
}

const PAGES: [Page; 6] = [
    Page {
        path: "/unsubscribe",
        root: "",
        title: "No more mails of this kind",
        text: "One press, and no more mails of the kind of the one that led you here are sent to you. In your account you can switch them on again.",
        fields: "",
        again: "",
        button: "Switch them off",
        done: "No more mails of this kind are sent to you.",
    },
    Page {
        path: "/auth/verify-email",
        root: "../",
        title: "Confirm your address",
        text: "One press, and your account is ready.",
        fields: "",
        again: r#"<form data-again="../v1/auth/verify-email/resend" hidden>
<p>A link is good for 24 hours, and only the newest one is. We send you another:</p>
<label>Address <input name="email" type="email" autocomplete="email" required></label>
<button>Send a new mail</button>
</form>"#,
        button: "Confirm my address",
        done: "Your address is confirmed. You can log in now.",
    },
    Page {
        path: "/auth/email/confirm",
        root: "../../",
        title: "Confirm your new address",
        text: "From then on, mail reaches you there, and you log in with it.",
        fields: "",
        again: "",
        button: "Confirm my new address",
        done: "Your new address is confirmed.",
    },
    Page {
        path: "/auth/own-data/delete",
        root: "../../",
        title: "Delete your data",
        text: "Your account, your personal data and your documents are deleted for good. Save a copy first, if you want one.",
        fields: r#"<button type="button" data-save="../../v1/auth/own-data/export">Save a copy</button>
<label>If the decision is wrong, tell us why <textarea maxlength="2000" rows="5"></textarea></label>
<button type="button" data-appeal="../../v1/auth/own-data/appeal">Appeal</button>"#,
        again: "",
        button: "Delete my data",
        done: "Your data is deleted.",
    },
    Page {
        path: "/auth/password/forgot",
        root: "../../",
        title: "Set a new password",
        text: "If there is an account with this address, a mail with a link is on its way to it afterwards.",
        fields: r#"<label>Address <input name="email" type="email" autocomplete="email" required></label>"#,
        again: "",
        button: "Send me a link",
        done: "If there is such an account, a mail is on its way.",
    },
    Page {
        path: "/auth/password/reset",
        root: "../../",
        title: "Set a new password",
        text: "8 to 128 characters. You are logged out everywhere.",
        fields: r#"<label>New password <input name="password" type="password" autocomplete="new-password" minlength="8" required></label>"#,
        again: "",
        button: "Set my password",
        done: "Your password is set. You can log in now.",
    },
];

/// Returns the routes of the pages, and of what they load.
pub(crate) fn routes() -> Router<Ctx> {
    let script = "text/javascript; charset=utf-8";
    let style = "text/css; charset=utf-8";
    let mut router = Router::new()
        .route("/auth/page.js", get(async move || ([(CONTENT_TYPE, script)], include_str!("page.js"))))
        .route("/auth/page.css", get(async move || ([(CONTENT_TYPE, style)], include_str!("page.css"))));
    for page in PAGES {
        let html = html(&page);
        // The page's address contains a token: nothing of this may be stored.
        let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CACHE_CONTROL, "no-store")];
        router = router.route(page.path, get(async move || (headers, html).into_response()));
    }
    router
}

fn html(page: &Page) -> String {
    let Page { path, root, title, text, fields, again, button, done } = page;
    format!(
        r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<link rel="stylesheet" href="{root}auth/page.css">
<main>
<h1>{title}</h1>
<p>{text}</p>
<form data-call="{root}v1{path}" data-done="{done}">
{fields}
<button>{button}</button>
</form>
<p role="status"></p>
{again}
<noscript>This page needs JavaScript.</noscript>
</main>
<script src="{root}auth/page.js"></script>
</html>
"#
    )
}
