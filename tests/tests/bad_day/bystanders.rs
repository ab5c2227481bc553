//! Those who have nothing to do with what is wrong.

use std::time::{Duration, Instant};

use marketplace_tests::{Answer, Server};

/// A second is what people wait; the other is for machines that do something else meanwhile.
pub(crate) const SOON: Duration = Duration::from_secs(2);

/// What an answer took, with it.
pub(crate) async fn timed(answer: impl Future<Output = Answer>) -> (Answer, Duration) {
    let begun = Instant::now();
    (answer.await, begun.elapsed())
}

/// Somebody who has nothing to do with what is wrong looks for services and logs in.
pub(crate) async fn others_are_served(app: &Server, email: &str) {
    let nobody = app.as_nobody();
    let (services, took) = timed(nobody.get("/v1/services")).await;
    services.ok();
    assert!(took < SOON, "services: {took:?}");
    let (login, took) = timed(app.log_in(email)).await;
    login.ok();
    assert!(took < SOON, "log-in: {took:?}");
}

/// Asks until the answer is a success, and asserts that it was soon, and that nothing else was answered than what is to be
/// tried again.
pub(crate) async fn works_again(what: &str, mut ask: impl AsyncFnMut() -> Answer) {
    let begun = Instant::now();
    loop {
        let answer = ask().await;
        let status = answer.status.as_u16();
        if answer.status.is_success() {
            break;
        }
        assert!([429, 503].contains(&status), "{what}: {status} {}", answer.text());
        assert!(begun.elapsed() < Duration::from_secs(30), "{what} does not work again: {}", answer.text());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(begun.elapsed() < SOON + Duration::from_secs(1), "{what}: {:?}", begun.elapsed());
}

/// Waits until the metrics say whether a component works.
pub(crate) async fn component_is(app: &Server, component: &str, works: bool) {
    let line = format!("component_up{{component=\"{component}\"}} {}", u8::from(works));
    let begun = Instant::now();
    while !app.metrics().await.contains(&line) {
        assert!(begun.elapsed() < Duration::from_secs(20), "no {line}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// How many lines of the log tell of a change of a component's state.
pub(crate) fn changes_of(app: &Server, component: &str) -> usize {
    let named = format!("component={component}");
    app.output().lines().filter(|line| line.contains(&named)).count()
}
