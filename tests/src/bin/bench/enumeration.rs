//! Whether existing and unknown addresses can be told apart: by status, by body, or by the time that an answer takes.
//!
//! Both kinds are asked in turn over one connection, so that whatever else the machine does falls on both alike. Times are
//! compared by the Mann–Whitney U test (two-sided, normal approximation, corrected for ties): it asks nothing of how times
//! are distributed, and a few slow answers do not drown the rest.

use std::{fmt, time::Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, StatusCode, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use marketplace_tests::{Engine, Server, database::random_id, people::PASSWORD, server::ROOMY};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// The significance level. For the four calls together, a difference is found where there is none in one run of 250.
const ALPHA: f64 = 0.001;
/// Accounts that exist, which are used in turn.
const KNOWN: usize = 16;
/// Responses of each kind that are discarded first: they warm up connections, caches and statements.
const WARM: usize = 20;

/// The result for one call.
#[derive(Debug, Serialize)]
pub struct Verdict {
    /// The call.
    pub call: &'static str,
    /// Responses of each kind.
    pub answers: usize,
    /// Median time of the responses for existing addresses, in milliseconds.
    pub existing_ms: f64,
    /// Median time of the responses for unknown addresses, in milliseconds.
    pub unknown_ms: f64,
    /// The share of pairs in which the response for an existing address takes longer than that for an unknown one: 0.5
    /// when there is no difference.
    pub longer: f64,
    /// The probability of such a difference by chance alone.
    pub p: f64,
    /// Whether they can be told apart by time: `p` is below 0.001.
    pub told_apart: bool,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, answers, existing_ms, unknown_ms, longer, p, told_apart } = self;
        let verdict = if *told_apart { "TOLD APART" } else { "alike" };
        write!(
            f,
            "{call:<8} {answers:>6} {existing_ms:>12.3} {unknown_ms:>12.3} {:>9.1} % {p:>10.4}  {verdict}",
            longer * 100.0
        )
    }
}

/// Measures and prints the results.
///
/// # Errors
/// When a call distinguishes existing addresses from unknown ones.
pub async fn run(engine: Engine, answers: usize, as_json: bool) -> Result<()> {
    let server = Server::start_with(engine, ROOMY).await;
    let mut known = Vec::new();
    for n in 0..KNOWN {
        let person = server.verified("client", &format!("Known Person {n}")).await;
        known.push(person.email);
    }
    let mut asker = Asker::connect(server.url.trim_start_matches("http://")).await?;
    let mut verdicts = Vec::new();
    for call in ["login", "signup", "forgot", "resend"] {
        eprintln!("{call} …");
        verdicts.push(compare(&mut asker, call, &known, answers).await.context(call)?);
    }
    if as_json {
        println!("{}", json!({ "enumeration": verdicts }));
    } else {
        println!("call     answers  existing ms   unknown ms     longer          p");
        for verdict in &verdicts {
            println!("{verdict}");
        }
    }
    let told: Vec<&str> = verdicts.iter().filter(|verdict| verdict.told_apart).map(|verdict| verdict.call).collect();
    ensure!(told.is_empty(), "existing addresses can be told from unknown ones by the time of: {}", told.join(", "));
    Ok(())
}

async fn compare(asker: &mut Asker, call: &'static str, known: &[String], answers: usize) -> Result<Verdict> {
    let (mut existing, mut unknown) = (Vec::with_capacity(answers), Vec::with_capacity(answers));
    let mut first: Option<(StatusCode, Value)> = None;
    for n in 0..answers + WARM {
        let old = known.get(n % known.len().max(1)).context("nobody is known")?;
        // As long as the existing one: a longer address is a longer body.
        let new = old.split_once('@').map(|(name, host)| {
            let fresh = random_id().simple().to_string();
            format!("{}{fresh}@{host}", name.get(..name.len().saturating_sub(fresh.len())).unwrap_or_default())
        });
        let new = new.context("an address")?;
        // The order alternates from pair to pair.
        for turn in [n % 2 == 0, n % 2 == 1] {
            let (address, times) = if turn { (old.as_str(), &mut existing) } else { (new.as_str(), &mut unknown) };
            let (path, body) = question(call, address);
            let (micros, status, answer) = asker.ask(path, &body).await?;
            let same = first.get_or_insert_with(|| (status, answer.clone()));
            ensure!(*same == (status, answer.clone()), "{same:?} and {status} {answer} tell addresses apart");
            if n >= WARM {
                times.push(micros);
            }
        }
    }
    let (longer, p) = mann_whitney(&existing, &unknown);
    Ok(Verdict {
        call,
        answers,
        existing_ms: median(&mut existing),
        unknown_ms: median(&mut unknown),
        longer,
        p,
        told_apart: p < ALPHA,
    })
}

fn question(call: &str, email: &str) -> (&'static str, Value) {
    match call {
        "login" => ("/v1/auth/login", json!({ "email": email, "password": "not the right one" })),
        "signup" => (
            "/v1/auth/signup",
            json!({ "role": "client", "email": email, "password": PASSWORD, "name": "Somebody Else" }),
        ),
        "forgot" => ("/v1/auth/password/forgot", json!({ "email": email })),
        _ => ("/v1/auth/verify-email/resend", json!({ "email": email })),
    }
}

struct Asker(http1::SendRequest<Full<Bytes>>);

impl Asker {
    async fn connect(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context("connecting")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    /// Returns the microseconds until the response was complete, its status, and its body without the id of the
    /// request.
    async fn ask(&mut self, path: &str, body: &Value) -> Result<(f64, StatusCode, Value)> {
        let request = Request::post(path)
            .header(header::HOST, "bench")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body.to_string())))?;
        self.0.ready().await?;
        let asked = Instant::now();
        let answer = self.0.send_request(request).await?;
        let status = answer.status();
        let bytes = answer.into_body().collect().await?.to_bytes();
        let micros = asked.elapsed().as_secs_f64() * 1e6;
        let mut said = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes)? };
        if let Some(members) = said.as_object_mut() {
            members.remove("request_id");
        }
        Ok((micros, status, said))
    }
}

#[expect(clippy::cast_precision_loss, reason = "thousands of answers")]
fn float(count: usize) -> f64 {
    count as f64
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default() / 1_000.0
}

/// Returns the share of pairs in which the first is larger than the second (ties count half), and the probability by
/// chance of a share so far from a half.
fn mann_whitney(first: &[f64], second: &[f64]) -> (f64, f64) {
    let mut all: Vec<(f64, bool)> =
        first.iter().map(|value| (*value, true)).chain(second.iter().map(|value| (*value, false))).collect();
    all.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
    let (mut ranks, mut ties, mut before) = (0.0, 0.0, 0);
    for group in all.chunk_by(|one, other| one.0.total_cmp(&other.0).is_eq()) {
        let rank = float(before) + f64::midpoint(float(group.len()), 1.0);
        ranks += rank * float(group.iter().filter(|(_, of_first)| *of_first).count());
        ties += float(group.len()).powi(3) - float(group.len());
        before += group.len();
    }
    let (n, m, all) = (float(first.len()), float(second.len()), float(before));
    let u = ranks - n * (n + 1.0) / 2.0;
    let spread = (n * m / 12.0 * ((all + 1.0) - ties / (all * (all - 1.0)))).sqrt();
    // Half a rank nearer to the middle, because ranks are whole and the normal distribution is continuous.
    let z = ((u - n * m / 2.0).abs() - 0.5).max(0.0) / spread;
    (u / (n * m), if spread > 0.0 { beyond(z) } else { 1.0 })
}

/// Returns the probability that something normally distributed is at least so many deviations off, either way
/// (Abramowitz and Stegun 7.1.26, right to 1.5e-7).
fn beyond(z: f64) -> f64 {
    let x = z / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let series = [0.254_829_592, -0.284_496_736, 1.421_413_741, -1.453_152_027, 1.061_405_429];
    let sum = series.iter().rev().fold(0.0, |sum, factor| (sum + factor) * t);
    (sum * (-x * x).exp()).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_distribution_is_as_in_the_tables() {
        for (z, p) in [(0.0, 1.0), (1.0, 0.317_31), (1.959_964, 0.05), (3.290_527, 0.001)] {
            assert!((beyond(z) - p).abs() < 1e-5, "{z}: {}", beyond(z));
        }
    }

    #[test]
    fn what_is_alike_is_alike_and_what_is_not_is_told_apart() {
        // Interleaved: no difference at all.
        let a: Vec<f64> = (0..500).map(|n| float(2 * n)).collect();
        let b: Vec<f64> = (0..500).map(|n| float(2 * n + 1)).collect();
        let (longer, p) = mann_whitney(&a, &b);
        assert!((longer - 0.5).abs() < 0.01 && p > 0.9, "{longer} {p}");
        // A tenth slower, among a spread as large as the times themselves.
        let slower: Vec<f64> = b.iter().map(|time| time + 100.0).collect();
        let (longer, p) = mann_whitney(&slower, &a);
        assert!(longer > 0.55 && p < ALPHA, "{longer} {p}");
        // All equal: no difference.
        assert_eq!(mann_whitney(&[1.0; 9], &[1.0; 9]), (0.5, 1.0));
    }

    #[test]
    fn a_small_case_is_as_by_hand() {
        // Ranks of a: 1, 2, 4; U = 7 - 6 = 1 of 9; spread = sqrt(9 * 7 / 12).
        let (longer, p) = mann_whitney(&[1.0, 2.0, 4.0], &[3.0, 5.0, 6.0]);
        assert!((longer - 1.0 / 9.0).abs() < 1e-12);
        assert!((p - beyond((3.5 - 0.5) / (63.0_f64 / 12.0).sqrt())).abs() < 1e-12);
    }
}
