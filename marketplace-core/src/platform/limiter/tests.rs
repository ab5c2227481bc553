use super::*;
use crate::base::{call_context::recording, error::ErrorCode};

fn limiter(limits: Limits) -> Limiter {
    Limiter::new(&limits, Cluster::default())
}

fn address(n: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, n])
}

#[tokio::test]
async fn an_attacker_locks_out_the_attacker_only() {
    let limiter = limiter(Limits { failed_logins: 3, ..Limits::default() });
    let (attacker, victim) = (address(1), address(2));
    for _ in 0..3 {
        limiter.try_login(attacker, "ada@example.org").await.unwrap();
    }
    let refused = limiter.try_login(attacker, "ada@example.org").await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::RateLimited);
    assert!(refused.retry_after_hint().unwrap() >= Duration::from_secs(1));
    limiter.try_login(victim, "ada@example.org").await.unwrap();
    limiter.try_login(attacker, "other@example.org").await.unwrap();
}

#[tokio::test]
async fn many_attackers_do_not_lock_out_who_got_in_before() {
    let limiter = limiter(Limits { failed_logins_account_hour: 5, ..Limits::default() });
    limiter.try_login(address(1), "ada@example.org").await.unwrap();
    limiter.logged_in(address(1), "ada@example.org").await;
    let mut refused = 0;
    for n in 2..100 {
        refused += usize::from(limiter.try_login(address(n), "ada@example.org").await.is_err());
    }
    assert_eq!(refused, 98 - 5);
    limiter.try_login(address(1), "ada@example.org").await.unwrap();
    // Though not for guessing either.
    for _ in 0..20 {
        let _ = limiter.try_login(address(1), "ada@example.org").await;
    }
    limiter.try_login(address(1), "ada@example.org").await.unwrap_err();
}

#[tokio::test]
async fn only_failures_count() {
    let limiter = limiter(Limits { failed_logins: 3, failed_logins_account_hour: 3, ..Limits::default() });
    for _ in 0..20 {
        limiter.try_login(address(1), "ada@example.org").await.unwrap();
        limiter.logged_in(address(1), "ada@example.org").await;
    }
}

#[tokio::test]
async fn classes_and_callers_are_counted_apart_and_told_what_is_left() {
    let limiter = limiter(Limits { public_per_ip_minute: 3, reads_per_account_minute: 2, ..Limits::default() });
    let user: UserId = "01890000-0000-7000-8000-000000000001".parse().unwrap();
    for left in [2, 1, 0] {
        let (passed, seen) = recording(None, limiter.pass(Class::Public, Key::Address(address(1)), false)).await;
        passed.unwrap();
        let said = seen.allowance.unwrap();
        assert_eq!((said.class, said.quota, said.remaining), (Class::Public, 3, left));
        assert!(said.reset > Duration::ZERO && said.reset <= Allowance::WINDOW);
    }
    let (refused, seen) = recording(None, limiter.pass(Class::Public, Key::Address(address(1)), false)).await;
    let refused = refused.unwrap_err();
    assert_eq!((refused.code(), refused.allowance()), (ErrorCode::RateLimited, seen.allowance));
    assert!(refused.retry_after_hint().unwrap() <= Duration::from_secs(20));
    limiter.pass(Class::Public, Key::Address(address(2)), false).await.unwrap();
    limiter.pass(Class::Search, Key::Address(address(1)), false).await.unwrap();
    // An account is counted by itself, wherever it calls from; staff have more.
    for _ in 0..2 {
        limiter.pass(Class::Read, Key::Account(user), false).await.unwrap();
    }
    limiter.pass(Class::Read, Key::Account(user), false).await.unwrap_err();
    for _ in 0..20 {
        limiter.pass(Class::Read, Key::Account(user), true).await.unwrap();
    }
    limiter.pass(Class::Read, Key::Account(user), true).await.unwrap_err();
}

#[tokio::test]
async fn no_limit_is_0() {
    let limiter = limiter(Limits { public_per_ip_minute: 0, ..Limits::default() });
    for _ in 0..10_000 {
        let (passed, seen) = recording(None, limiter.pass(Class::Public, Key::Address(address(1)), false)).await;
        passed.unwrap();
        assert_eq!(seen.allowance, None);
    }
}

#[test]
fn addresses_of_one_home_count_as_one() {
    assert_eq!(network("2001:db8::1".parse().unwrap()), network("2001:db8::ffff:1".parse().unwrap()));
    assert_ne!(network("2001:db8::1".parse().unwrap()), network("2001:db8:0:1::1".parse().unwrap()));
    assert_eq!(network("::ffff:10.0.0.1".parse().unwrap()), IpAddr::from([10, 0, 0, 1]));
}

#[tokio::test]
async fn addresses_of_any_length_take_no_more_memory() {
    let limiter = limiter(Limits { failed_logins: 2, ..Limits::default() });
    let long = "x".repeat(1024 * 1024);
    for _ in 0..2 {
        limiter.try_login(address(1), &long).await.unwrap();
    }
    // They are told apart all the same.
    limiter.try_login(address(1), &long).await.unwrap_err();
    limiter.try_login(address(1), &format!("{long}y")).await.unwrap();
    assert_eq!(size_of_val(&failures::digest(&[&long])), 16);
}

#[tokio::test]
async fn what_failed_for_reasons_of_ours_is_no_wrong_password() {
    let limiter = limiter(Limits { failed_logins: 3, failed_logins_account_hour: 3, ..Limits::default() });
    for _ in 0..20 {
        let down = async { Err::<(), _>(Error::unavailable("the database is away", "down")) };
        let error = limiter.attempt(address(1), "ada@example.org", down).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unavailable);
    }
    for _ in 0..3 {
        let wrong = async { Err::<(), _>(Error::unauthenticated("wrong")) };
        let error = limiter.attempt(address(1), "ada@example.org", wrong).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unauthenticated);
    }
    limiter.try_login(address(1), "ada@example.org").await.unwrap_err();
    // The account's own limit counted the same three.
    limiter.try_login(address(2), "ada@example.org").await.unwrap_err();
}
