//! Checks uploads with a virus scanner before anyone can see them, when the operator runs one (`clamd` of `ClamAV`).

use std::{fmt, sync::Arc};

use super::Expected;
use crate::{
    base::error::{Error, Result},
    platform::slots::Hanging,
};

/// The address of `clamd`; none when files are accepted unscanned.
#[derive(Clone, Default)]
pub(super) struct Scanner {
    address: Option<Arc<str>>,
    hanging: Hanging,
}

impl fmt::Debug for Scanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scanner({})", self.address.as_deref().unwrap_or("none"))
    }
}

impl Scanner {
    /// Creates a scanner at `host:port`, or at the path of a socket.
    pub fn at(address: Option<&str>) -> Self {
        Self { address: address.map(Arc::from), hanging: Hanging::default() }
    }

    /// Checks whether a file may be accepted. Returns `invalid`, with the field, for a file in which something was found,
    /// and `unavailable` while the scanner does not respond, at once if that is already known.
    pub async fn check(&self, wanted: Expected, bytes: &[u8]) -> Result<()> {
        let Some(address) = &self.address else { return Ok(()) };
        match verdict(address, &self.hanging, bytes).await? {
            None => Ok(()),
            Some(found) => {
                tracing::warn!(found, "an upload was refused");
                Err(Error::invalid(format!("/{}", wanted.field), "is refused: the virus scanner found something in it"))
            }
        }
    }
}

/// Returns what was found in a file.
#[cfg(feature = "clamd")]
async fn verdict(address: &Arc<str>, hanging: &Hanging, bytes: &[u8]) -> Result<Option<String>> {
    use clamav_client::tokio::{Socket, Tcp, ping, scan_buffer};
    /// Time limit for one file, so that an upload gets a response within 10 s.
    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(9);

    let away = |why: String| Error::unavailable("files cannot be checked at present; try again later", why);
    if hanging.is_so() {
        return Err(away("clamd hangs".into()));
    }
    let asked = async {
        if address.starts_with('/') {
            scan_buffer(bytes, Socket { socket_path: &**address }, None).await
        } else {
            scan_buffer(bytes, Tcp { host_address: &**address }, None).await
        }
    };
    let Ok(said) = tokio::time::timeout(PATIENCE, asked).await else {
        let address = Arc::clone(address);
        hanging.watch(move || {
            let address = Arc::clone(&address);
            let asked = async move {
                if address.starts_with('/') {
                    ping(Socket { socket_path: &*address }).await
                } else {
                    ping(Tcp { host_address: &*address }).await
                }
            };
            // Any response will do: the next file shows whether the scanner works.
            async { tokio::time::timeout(PATIENCE, asked).await.is_ok() }
        });
        return Err(away(format!("clamd does not answer within {} s", PATIENCE.as_secs())));
    };
    let said = said.map_err(|error| away(format!("clamd does not answer: {error}")))?;
    let said = String::from_utf8_lossy(&said);
    let said = said.trim_end_matches('\0').trim();
    match said.strip_prefix("stream: ") {
        Some("OK") => Ok(None),
        Some(found) if found.ends_with("FOUND") => Ok(Some(found.trim_end_matches("FOUND").trim().to_owned())),
        _ => Err(away(format!("clamd says {said:?}"))),
    }
}

#[cfg(not(feature = "clamd"))]
#[expect(clippy::unused_async, reason = "as the one that asks")]
async fn verdict(_address: &Arc<str>, _hanging: &Hanging, _bytes: &[u8]) -> Result<Option<String>> {
    Err(Error::unavailable(
        "this program asks no virus scanner; send files to the server",
        "built without the feature clamd",
    ))
}

#[cfg(test)]
#[cfg(feature = "clamd")]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;
    use crate::base::error::ErrorCode;

    /// Speaks the protocol of `clamd` (`zINSTREAM`, chunks after their lengths, an empty one) and finds files that contain
    /// `EICAR`.
    async fn clamd(answer: Option<&'static [u8]>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut command = [0; 10];
                stream.read_exact(&mut command).await.unwrap();
                assert_eq!(&command, b"zINSTREAM\0");
                let mut sent = Vec::new();
                loop {
                    let length = stream.read_u32().await.unwrap() as usize;
                    if length == 0 {
                        break;
                    }
                    let from = sent.len();
                    sent.resize(from + length, 0);
                    stream.read_exact(&mut sent[from..]).await.unwrap();
                }
                let found = sent.windows(5).any(|piece| piece == b"EICAR");
                let own: &[u8] = if found { b"stream: Eicar-Test FOUND\0" } else { b"stream: OK\0" };
                stream.write_all(answer.unwrap_or(own)).await.unwrap();
            }
        });
        address
    }

    const PHOTO: Expected = Expected { field: "selfie", pdf: false };

    #[tokio::test]
    async fn what_the_scanner_finds_is_refused() {
        let scanner = Scanner::at(Some(&clamd(None).await));
        scanner.check(PHOTO, &vec![7; 300_000]).await.unwrap();
        let refused = scanner.check(PHOTO, b"a photo, EICAR, and more").await.unwrap_err();
        assert_eq!((refused.code(), refused.fields()[0].pointer.as_str()), (ErrorCode::Invalid, "/selfie"));
        Scanner::default().check(PHOTO, b"EICAR").await.unwrap();
    }

    #[tokio::test]
    async fn nothing_is_taken_while_the_scanner_cannot_say() {
        for nonsense in [&b"INSTREAM size limit exceeded. ERROR\0"[..], b"", b"stream: OK, or so\0"] {
            let scanner = Scanner::at(Some(&clamd(Some(nonsense)).await));
            assert_eq!(scanner.check(PHOTO, b"a photo").await.unwrap_err().code(), ErrorCode::Unavailable);
        }
        let gone = { TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string() };
        for nowhere in [&*gone, "/nowhere/clamd.ctl"] {
            let scanner = Scanner::at(Some(nowhere));
            assert_eq!(scanner.check(PHOTO, b"a photo").await.unwrap_err().code(), ErrorCode::Unavailable);
        }
    }

    #[tokio::test]
    async fn a_silent_scanner_is_waited_for_once() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scanner = Scanner::at(Some(&silent.local_addr().unwrap().to_string()));
        let (begin, mut waited) = (std::time::Instant::now(), Vec::new());
        for _ in 0..10 {
            assert_eq!(scanner.check(PHOTO, b"a photo").await.unwrap_err().code(), ErrorCode::Unavailable);
            waited.push(begin.elapsed().as_secs());
        }
        assert!(waited[0] >= 9 && waited[9] <= waited[0] + 2, "{waited:?}");
        // Any response, even an invalid one, means that the next file is sent to the scanner again.
        tokio::spawn(async move {
            loop {
                drop(silent.accept().await);
            }
        });
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        assert!(!scanner.hanging.is_so());
    }
}
