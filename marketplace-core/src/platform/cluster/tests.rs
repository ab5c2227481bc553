use std::time::Duration;

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use super::*;
use crate::{
    base::error::Error,
    platform::{config::Limits, limiter::Limiter},
};

/// A store in memory that can go away.
#[derive(Debug, Default)]
struct Fake {
    is_away: AtomicBool,
}

impl Fake {
    fn here(&self) -> Result<()> {
        if self.is_away.load(Ordering::SeqCst) { Err(Error::unavailable("away", "for a test")) } else { Ok(()) }
    }
}

#[async_trait]
impl ClusterStore for Fake {
    async fn spend(&self, _key: &str, _refill: Duration, burst: u32) -> Result<Spent> {
        self.here()?;
        Ok(Spent { allowed: true, remaining: burst, wait: Duration::ZERO, reset: Duration::ZERO })
    }
    async fn try_login(&self, _login: &Login, _penalties: &Penalties) -> Result<Option<Duration>> {
        self.here().map(|()| None)
    }
    async fn take_back(&self, _login: &Login) -> Result<()> {
        self.here()
    }
    async fn logged_in(&self, _login: &Login, _penalties: &Penalties) -> Result<()> {
        self.here()
    }
    async fn mark(&self, _key: &str, _time: Duration) -> Result<()> {
        self.here()
    }
    async fn is_marked(&self, _key: &str) -> Result<bool> {
        self.here().map(|()| false)
    }
    async fn wake(&self) -> Result<()> {
        self.here()
    }
    async fn pass(&self, _note: &str) -> Result<()> {
        self.here()
    }
    async fn listen(&self, _heard: &(dyn for<'n> Fn(Heard<'n>) + Send + Sync)) -> Result<()> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn while_the_store_is_away_limits_are_kept_here() {
    let fake = Arc::new(Fake::default());
    let limits = Limits { failed_logins: 3, auth_per_ip_minute: 5, ..Limits::default() };
    let limiter = Limiter::new(&limits, Cluster::over(fake.clone()));
    let ip = std::net::IpAddr::from([10, 0, 0, 1]);
    fake.is_away.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        limiter.try_login(ip, "ada@example.org").await.unwrap();
    }
    limiter.try_login(ip, "ada@example.org").await.unwrap_err();
    for _ in 0..5 {
        limiter.call(ip).await.unwrap();
    }
    limiter.call(ip).await.unwrap_err();
}

/// The Redis for tests, when there is one: `tests/run` starts it.
#[cfg(feature = "redis")]
mod real {
    use std::{net::IpAddr, sync::atomic::AtomicUsize, time::Instant};

    use super::*;
    use crate::{
        base::{
            error::ErrorCode,
            random::{self, OsRandom},
        },
        platform::{cluster::redis::Redis, config::Secret, health::Component},
    };

    fn redis() -> Option<Arc<Redis>> {
        let url = std::env::var("MARKETPLACE_TEST_REDIS_URL").ok().filter(|url| !url.is_empty())?;
        Some(Arc::new(Redis::new(&Secret::new(url), &OsRandom, &Health::default()).unwrap()))
    }

    /// Returns a key that no other test uses.
    fn key() -> String {
        hex::encode(random::bytes::<8>(&OsRandom))
    }

    #[tokio::test]
    async fn a_limit_is_one_for_all_and_refills() {
        let (Some(one), Some(other)) = (redis(), redis()) else { return };
        let (key, refill) = (key(), Duration::from_millis(200));
        for left in [2, 1, 0] {
            let spent = if left == 1 { &other } else { &one }.spend(&key, refill, 3).await.unwrap();
            assert!(spent.allowed, "{spent:?}");
            // On a slow machine some are back already.
            assert!(spent.remaining >= left && spent.remaining < 3, "{spent:?}");
            assert!(spent.reset <= refill * 3, "{spent:?}");
        }
        let mut refused = other.spend(&key, refill, 3).await.unwrap();
        while refused.allowed {
            refused = other.spend(&key, refill, 3).await.unwrap();
        }
        assert!(refused.wait > Duration::ZERO && refused.wait <= refill, "{refused:?}");
        tokio::time::sleep(refused.wait).await;
        assert!(one.spend(&key, refill, 3).await.unwrap().allowed);
    }

    #[tokio::test]
    async fn failed_logins_count_on_all_and_lock_out_the_attacker_only() {
        let (Some(one), Some(other)) = (redis(), redis()) else { return };
        let limits = Limits { failed_logins: 4, failed_logins_account_hour: 10, ..Limits::default() };
        let servers = [one, other].map(|redis| Limiter::new(&limits, Cluster::over(redis)));
        let email = format!("{}@example.org", key());
        let (attacker, victim) = (IpAddr::from([203, 0, 113, 7]), IpAddr::from([198, 51, 100, 9]));
        servers[1].try_login(victim, &email).await.unwrap();
        servers[1].logged_in(victim, &email).await;
        for n in 0..4 {
            servers[n % 2].try_login(attacker, &email).await.unwrap();
        }
        for server in &servers {
            let refused = server.try_login(attacker, &email).await.unwrap_err();
            assert_eq!(refused.retry_after_hint(), Some(Duration::from_secs(900)));
            server.try_login(victim, &email).await.unwrap();
            server.logged_in(victim, &email).await;
        }
        // Many addresses together run into the account's own limit; who got in before does not.
        let mut refused = 0;
        for n in 0..20 {
            let from = IpAddr::from([192, 0, 2, n]);
            refused += usize::from(servers[usize::from(n % 2)].try_login(from, &email).await.is_err());
        }
        assert_eq!(refused, 20 - (10 - 4));
        servers[0].try_login(victim, &email).await.unwrap();
    }

    #[tokio::test]
    async fn nothing_in_it_names_a_person() {
        let Some(redis) = redis() else { return };
        let url = std::env::var("MARKETPLACE_TEST_REDIS_URL").unwrap();
        let limiter = Limiter::new(&Limits::default(), Cluster::over(redis));
        let name = format!("canary{}", key());
        let email = format!("{name}@example.org");
        limiter.try_login(IpAddr::from([203, 0, 113, 77]), &email).await.unwrap();
        limiter.logged_in(IpAddr::from([203, 0, 113, 77]), &email).await;
        assert!(limiter.may_mail(&email).await);
        let client = ::redis::Client::open(url).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let keys: Vec<String> = ::redis::cmd("KEYS").arg("marketplace:*").query_async(&mut connection).await.unwrap();
        assert!(!keys.is_empty());
        assert!(keys.iter().all(|key| !key.contains(&name)), "{keys:?}");
        for key in keys {
            let left: i64 = ::redis::cmd("PTTL").arg(&key).query_async(&mut connection).await.unwrap();
            assert_ne!(left, -1, "{key} never ends");
        }
    }

    #[tokio::test]
    async fn others_are_woken() {
        let (Some(one), Some(other)) = (redis(), redis()) else { return };
        let heard = Arc::new(tokio::sync::Notify::new());
        let counts = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        let servers = [one, other].map(|redis| Cluster::over(redis));
        let tasks: Vec<_> = servers
            .iter()
            .zip(&counts)
            .map(|(server, count)| {
                let (server, count, heard) = (server.clone(), count.clone(), heard.clone());
                tokio::spawn(async move {
                    server
                        .carry(move |_| {
                            count.fetch_add(1, Ordering::SeqCst);
                            heard.notify_one();
                        })
                        .await;
                })
            })
            .collect();
        // Each looks once when it begins to listen.
        let until = async |index: usize, wanted: usize| {
            while counts[index].load(Ordering::SeqCst) < wanted {
                heard.notified().await;
            }
        };
        let patience = Duration::from_secs(20);
        tokio::time::timeout(patience, async { (until(0, 1).await, until(1, 1).await) }).await.unwrap();
        // Tests of other marketplaces on this Redis may wake these two as well: only what must come is waited for.
        servers[0].wake();
        tokio::time::timeout(patience, until(1, 2)).await.unwrap();
        servers[1].wake();
        tokio::time::timeout(patience, until(0, 2)).await.unwrap();
        tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }

    #[tokio::test]
    async fn one_that_is_not_there_costs_nobody_time() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let health = Health::default();
        let redis = Redis::new(&Secret::new(format!("redis://127.0.0.1:{port}")), &OsRandom, &health).unwrap();
        let since = Instant::now();
        for _ in 0..1_000 {
            let error = redis.spend("x", Duration::from_secs(1), 1).await.unwrap_err();
            assert_eq!(error.code(), ErrorCode::Unavailable);
        }
        assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
        assert!(!health.works(Component::Redis));
    }
}
