//! Checks whether the virus scanner that servers send uploads to responds.

use std::{io, time::Duration};

use marketplace_core::{config::Config, doctor::Finding};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

const NAME: &str = "virus scanner";
const PATIENCE: Duration = Duration::from_secs(3);

/// Checks `ClamAV`'s `clamd`.
pub(super) async fn check(config: &Config) -> Finding {
    let Some(address) = config.clamd.as_deref() else {
        return Finding::ok(NAME, "none: files are taken as they come (no clamd)");
    };
    let failed = |why: String| Finding::failed(NAME, format!("{address} {why}; until it answers, no file is taken"));
    match tokio::time::timeout(PATIENCE, ping(address)).await {
        Ok(Ok(true)) => Finding::ok(NAME, format!("{address} answers")),
        Ok(Ok(false)) => failed("does not say what clamd says".into()),
        Ok(Err(error)) => failed(format!("does not answer: {error}")),
        Err(_) => failed("does not answer within 3 s".into()),
    }
}

async fn ping(address: &str) -> io::Result<bool> {
    #[cfg(unix)]
    if address.starts_with('/') {
        return ping_over(tokio::net::UnixStream::connect(address).await?).await;
    }
    ping_over(TcpStream::connect(address).await?).await
}

/// Sends `zPING` and expects `PONG`, each terminated by a NUL (clamd(8)).
async fn ping_over(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<bool> {
    stream.write_all(b"zPING\0").await?;
    let mut said = [0; 5];
    stream.read_exact(&mut said).await?;
    Ok(&said == b"PONG\0")
}

#[cfg(test)]
mod tests {
    use super::*;
    use marketplace_core::doctor::Verdict;

    #[tokio::test]
    async fn says_whether_the_scanner_answers() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = |address: String| Config { clamd: Some(address), ..Config::default() };
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            for answer in [b"PONG\0", b"HTTP/"] {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut asked = [0; 6];
                stream.read_exact(&mut asked).await.unwrap();
                assert_eq!(&asked, b"zPING\0");
                stream.write_all(answer).await.unwrap();
            }
        });
        assert_eq!(check(&at(address.clone())).await.status, Verdict::Ok);
        assert_eq!(check(&at(address.clone())).await.status, Verdict::Failed);
        assert_eq!(check(&at("/nowhere/clamd.ctl".into())).await.status, Verdict::Failed);
        assert_eq!(check(&Config::default()).await.status, Verdict::Ok);
    }
}
