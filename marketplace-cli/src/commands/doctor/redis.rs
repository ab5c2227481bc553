//! Checks whether Redis responds. The command line has no other use for it, so this speaks the few commands of its protocol
//! (RESP) itself.

use std::time::Duration;

use marketplace_core::{config::Config, doctor::Finding, platform::redis_url::RedisUrl};
use percent_encoding::percent_decode_str;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use url::Url;

const NAME: &str = "redis";
/// The time limit for the whole check.
const PATIENCE: Duration = Duration::from_secs(3);

/// Checks the Redis server that a cluster shares.
pub(super) async fn check(config: &Config) -> Finding {
    let Some(secret) = &config.redis_url else {
        return Finding::ok(NAME, "one server by itself needs none (no redis_url)");
    };
    let asked = async {
        let (urls, question, found) = match RedisUrl::parse(secret.expose()) {
            Ok(RedisUrl::Watched(sentinels)) => (sentinels.urls, "", "is watched by a sentinel that answers"),
            Ok(RedisUrl::Cluster(nodes)) => (nodes, "CLUSTER INFO", "has all its keys"),
            Ok(RedisUrl::Single) | Err(_) => return ask(secret.expose(), "INFO cluster").await,
        };
        let mut last = Err("names no host".to_owned());
        for url in &urls {
            last = ask(url.expose(), question).await.map(|_| found);
            if last.is_ok() {
                break;
            }
        }
        last
    };
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(said)) => Finding::ok(NAME, format!("{secret} {said}")),
        Ok(Err(why)) => {
            Finding::warning(NAME, format!("{secret} {why}; until it does, each server counts limits by itself"))
        }
        Err(_) => Finding::warning(
            NAME,
            format!("{secret} does not answer within 3 s; until it does, each server counts limits by itself"),
        ),
    }
}

/// Asks a server something beside whether it answers.
async fn ask(url: &str, question: &str) -> Result<&'static str, String> {
    let url: Url = url.parse().map_err(|_| "is no URL".to_owned())?;
    let host = url.host_str().ok_or("names no host")?.trim_matches(['[', ']']);
    let away = |error: std::io::Error| format!("does not answer: {error}");
    let mut stream = TcpStream::connect((host, url.port().unwrap_or(6379))).await.map_err(away)?;
    if url.scheme() == "rediss" {
        return Ok("takes connections (what it says over TLS is for servers to see)");
    }
    let mut wanted = 1;
    if let Some(password) = url.password() {
        let decoded = |part| percent_decode_str(part).decode_utf8_lossy();
        let (user, password) = (decoded(url.username()), decoded(password));
        let user = if user.is_empty() { "default" } else { &*user };
        stream.write_all(&command(&["AUTH", user, &password])).await.map_err(away)?;
        wanted += 1;
    }
    stream.write_all(&command(&["PING"])).await.map_err(away)?;
    if !question.is_empty() {
        stream.write_all(&command(&question.split(' ').collect::<Vec<_>>())).await.map_err(away)?;
        wanted += 1;
    }
    let (mut said, mut piece) = (Vec::new(), [0; 512]);
    loop {
        let text = String::from_utf8_lossy(&said).into_owned();
        let (replies, is_strange) = replies(&text);
        if replies.len() >= wanted || is_strange {
            return judge(&replies, question);
        }
        match stream.read(&mut piece).await.map_err(away)? {
            0 => return Err("closes the connection; is it Redis?".into()),
            count => said.extend_from_slice(piece.get(..count).unwrap_or_default()),
        }
        if said.len() > 4_096 {
            return Err("talks too much; is it Redis?".into());
        }
    }
}

/// Returns the replies that are there as a whole, and whether what follows is none.
fn replies(mut said: &str) -> (Vec<&str>, bool) {
    let mut found = Vec::new();
    while let Some((line, rest)) = said.split_once("\r\n") {
        let length = line.strip_prefix('$').map(str::parse::<usize>);
        match length {
            Some(Ok(length)) => match (rest.get(..length), rest.get(length + 2..)) {
                (Some(text), Some(rest)) => {
                    found.push(text);
                    said = rest;
                }
                _ => break,
            },
            None if line.starts_with(['+', '-', ':']) => {
                found.push(line);
                said = rest;
            }
            _ => return (found, true),
        }
    }
    (found, false)
}

/// Evaluates the replies: to a login, to whether it answers, to the question.
fn judge(replies: &[&str], question: &str) -> Result<&'static str, String> {
    let (answer, replies) = match (question, replies) {
        ("", replies) => ("", replies),
        (_, [replies @ .., answer]) => (*answer, replies),
        (_, []) => ("", replies),
    };
    // Whoever may not ask a server by itself about clusters knows of none.
    let asked = Some(answer).filter(|_| question.starts_with("CLUSTER"));
    if let Some(refusal) = replies.iter().copied().chain(asked).find(|line| line.starts_with('-')) {
        return Err(format!("refuses: {}", refusal.trim_start_matches('-').trim()));
    }
    if replies.last() != Some(&"+PONG") {
        return Err("does not say what Redis says".into());
    }
    if answer.contains("cluster_enabled:1") {
        return Err("is a node of a cluster; use redis+cluster://".into());
    }
    if asked.is_some() && !answer.contains("cluster_state:ok") {
        return Err("has no node for some of its keys".into());
    }
    Ok("answers")
}

/// Encodes a command in RESP: an array of strings, each after its length.
fn command(words: &[&str]) -> Vec<u8> {
    let head = format!("*{}\r\n", words.len());
    let words = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()));
    std::iter::once(head).chain(words).collect::<String>().into_bytes()
}

#[cfg(test)]
mod tests {
    use marketplace_core::config::Secret;
    use tokio::net::TcpListener;

    use super::*;

    /// Runs a server that expects `words` and replies `said`, once.
    async fn asked(
        userinfo: &str,
        question: &str,
        words: &'static str,
        said: &'static str,
    ) -> Result<&'static str, String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{userinfo}{}/0", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut heard = vec![0; words.len()];
            stream.read_exact(&mut heard).await.unwrap();
            stream.write_all(said.as_bytes()).await.unwrap();
            assert_eq!(String::from_utf8(heard).unwrap(), words);
        });
        let answer = ask(&url, question).await;
        server.await.unwrap();
        answer
    }

    const PING: &str = "*1\r\n$4\r\nPING\r\n";

    #[tokio::test]
    async fn it_answers_or_says_why_not() {
        assert_eq!(asked("", "", PING, "+PONG\r\n").await, Ok("answers"));
        let refused = asked("", "", PING, "-NOAUTH Authentication required.\r\n").await.unwrap_err();
        assert!(refused.contains("NOAUTH"), "{refused}");
        assert!(asked("", "", PING, "HTTP/1.1 400 Bad Request\r\n\r\n").await.is_err());
        assert!(asked("", "", PING, "").await.unwrap_err().contains("closes"));
        let login = "*3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$7\r\nhunt@r2\r\n*1\r\n$4\r\nPING\r\n";
        assert_eq!(asked("me:hunt%40r2@", "", login, "+OK\r\n+PONG\r\n").await, Ok("answers"));
        let login = "*3\r\n$4\r\nAUTH\r\n$7\r\ndefault\r\n$1\r\nx\r\n*1\r\n$4\r\nPING\r\n";
        let wrong = asked(":x@", "", login, "-WRONGPASS invalid password\r\n-NOAUTH\r\n").await.unwrap_err();
        assert!(wrong.contains("WRONGPASS"), "{wrong}");
    }

    #[tokio::test]
    async fn what_a_cluster_is_and_what_is_none_is_told_apart() {
        let single = "*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nINFO\r\n$7\r\ncluster\r\n";
        let info = async |said| asked("", "INFO cluster", single, said).await;
        assert_eq!(info("+PONG\r\n$30\r\n# Cluster\r\ncluster_enabled:0\r\n\r\n").await, Ok("answers"));
        assert_eq!(info("+PONG\r\n-NOPERM no\r\n").await, Ok("answers"));
        let node = info("+PONG\r\n$30\r\n# Cluster\r\ncluster_enabled:1\r\n\r\n").await.unwrap_err();
        assert!(node.contains("redis+cluster://"), "{node}");
        let cluster = "*1\r\n$4\r\nPING\r\n*2\r\n$7\r\nCLUSTER\r\n$4\r\nINFO\r\n";
        let info = async |said| asked("", "CLUSTER INFO", cluster, said).await;
        assert_eq!(info("+PONG\r\n$18\r\ncluster_state:ok\r\n\r\n").await, Ok("answers"));
        assert!(info("+PONG\r\n$20\r\ncluster_state:fail\r\n\r\n").await.unwrap_err().contains("no node"));
        let alone = info("+PONG\r\n-ERR This instance has cluster support disabled\r\n").await.unwrap_err();
        assert!(alone.contains("disabled"), "{alone}");
    }

    #[tokio::test]
    async fn none_is_needed_and_one_that_is_away_is_told_without_its_password() {
        assert!(matches!(
            check(&Config::default()).await,
            Finding { status: marketplace_core::doctor::Verdict::Ok, .. }
        ));
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let redis_url = Some(Secret::new(format!("redis://me:hunter2@127.0.0.1:{port}/0")));
        let found = check(&Config { redis_url, ..Config::default() }).await;
        assert_eq!(found.status, marketplace_core::doctor::Verdict::Warning);
        assert!(!found.detail.contains("hunter2"), "{}", found.detail);
    }
}
