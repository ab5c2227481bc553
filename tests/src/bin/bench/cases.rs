//! Loads the database, and says what is asked in each case.

use anyhow::{Context, Result};
use hyper::Method;
use marketplace_core::{
    accounts::{
        self,
        model::{NewUser, Password, Status},
    },
    actor::{Actor, Operator, Role},
    admin::{AdminApi, Change, Direct, UserFilter},
    app::App,
    auth::{self, ClientInfo},
    page::PageRequest,
    seed,
};
use marketplace_tests::{Server, people::PASSWORD};

use crate::load::{Ask, CONNECTIONS};

/// Rows on a page in the cases.
const PAGE: u16 = 50;

/// Loads users, and answers the cases by name, with what each connection asks.
pub async fn load(server: &Server, rows: u64) -> Result<Vec<(&'static str, Vec<Ask>)>> {
    let app = server.open_app().await?;
    let plan = seed::Plan { users: rows, images: seed::Images::None, ..seed::Plan::default() };
    seed::run(&app, &plan, &|_| ()).await?;
    let operator = Actor::Operator(Operator { os_user: "bench".into(), host: "localhost".into() });
    let api = Direct::new(app.clone(), operator.clone());

    let emails = workers(&api).await?;
    let mut tokens = Vec::new();
    for email in &emails {
        tokens.push(auth::login(&app, &client(), email, &Password::new(seed::PASSWORD)).await?.access_token);
    }
    let staff = staff_token(server, &app, &operator).await?;
    let middle = middle_of_users(&api, rows).await?;
    app.close().await;

    let each = |path: &str| tokens.iter().map(|token| Ask::get(path, token)).collect();
    let login = |email: &String| Ask {
        method: Method::POST,
        path: "/v1/auth/login".into(),
        token: None,
        body: serde_json::json!({ "email": email, "password": seed::PASSWORD }).to_string().into(),
    };
    Ok(vec![
        ("me", each("/v1/me")),
        ("users_first", vec![Ask::get(format!("/v1/admin/users?limit={PAGE}"), &staff)]),
        ("users_deep", vec![Ask::get(format!("/v1/admin/users?limit={PAGE}&after={middle}"), &staff)]),
        ("kyc_queue", vec![Ask::get(format!("/v1/admin/kyc?limit={PAGE}"), &staff)]),
        ("login", emails.iter().map(login).collect()),
    ])
}

fn client() -> ClientInfo {
    ClientInfo { ip: [127, 0, 0, 1].into(), user_agent: "bench".into() }
}

/// One worker for each connection.
async fn workers(api: &Direct) -> Result<Vec<String>> {
    let filter =
        UserFilter { role: Some(Role::Worker), status: Some(Status::Active), reveal: true, ..UserFilter::default() };
    let page = api.users_list(&filter, &PageRequest::first(u16::try_from(CONNECTIONS)?)).await?;
    Ok(page.items.into_iter().map(|user| user.email).collect())
}

/// An admin, who gets in as everybody does: through the mail.
async fn staff_token(server: &Server, app: &App, operator: &Actor) -> Result<String> {
    let email = "bench.admin@example.org";
    let new = NewUser { role: Role::Admin, email: email.into(), name: "Bench".into(), phone: None };
    accounts::create(app, operator, &new, &Change::default()).await?;
    app.run_due().await?;
    let token = server.mail(email, 1).await.token();
    auth::reset_password(app, &client(), &token, &Password::new(PASSWORD)).await?;
    Ok(auth::login(app, &client(), email, &Password::new(PASSWORD)).await?.access_token)
}

/// The cursor in the middle of all users.
async fn middle_of_users(api: &Direct, rows: u64) -> Result<String> {
    let mut page = PageRequest::first(200);
    for _ in 0..(rows / 400).max(1) {
        page.after = api.users_list(&UserFilter::default(), &page).await?.next;
    }
    page.after.context("there are too few users for a page in the middle")
}
