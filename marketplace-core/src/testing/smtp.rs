//! A mail server for tests, which can be made to fail at any step of a conversation.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinHandle,
};

/// A step of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// The greeting.
    Greeting,
    /// `EHLO`.
    Hello,
    /// `MAIL FROM`.
    Sender,
    /// `RCPT TO`.
    Recipient,
    /// `DATA`.
    Data,
    /// The message itself.
    Content,
    /// `QUIT`.
    Farewell,
}

impl Step {
    /// Every step.
    pub const ALL: [Self; 7] =
        [Self::Greeting, Self::Hello, Self::Sender, Self::Recipient, Self::Data, Self::Content, Self::Farewell];
}

/// What is wrong at a step.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Nothing is said, and the connection stays.
    Silent,
    /// The connection ends.
    Close,
    /// The answer comes byte by byte, one a second.
    Trickle,
    /// Another answer than the right one.
    Reply(&'static str),
}

/// A mail that was accepted.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// To whom.
    pub to: String,
    /// Head and body, as they came.
    pub text: String,
}

impl Accepted {
    /// The value of a line of its head.
    pub fn header(&self, name: &str) -> Option<&str> {
        let head = self.text.split("\r\n\r\n").next().unwrap_or_default();
        head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

#[derive(Debug, Default)]
struct State {
    faults: HashMap<Step, Fault>,
    /// What is wrong at [`Step::Recipient`] for recipients whose address begins so.
    recipients: HashMap<String, Fault>,
    accepted: Vec<Accepted>,
    conversations: usize,
}

/// Ends with this.
#[derive(Debug)]
pub struct MailServer {
    port: u16,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl MailServer {
    /// A new one, on a free port, with nothing wrong.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            let mut conversations = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                conversations.spawn(converse(stream, Arc::clone(&shared)));
            }
        });
        Self { port, state, task }
    }

    /// As `smtp_url` takes it.
    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// From now on this is wrong at that step.
    pub fn fail(&self, step: Step, fault: Fault) {
        lock(&self.state).faults.insert(step, fault);
    }

    /// From now on this is wrong for recipients whose address begins so.
    pub fn fail_for(&self, recipient: &str, fault: Fault) {
        lock(&self.state).recipients.insert(recipient.to_owned(), fault);
    }

    /// From now on nothing is wrong.
    pub fn recover(&self) {
        let mut state = lock(&self.state);
        state.faults.clear();
        state.recipients.clear();
    }

    /// The mails that were accepted, in order.
    pub fn accepted(&self) -> Vec<Accepted> {
        lock(&self.state).accepted.clone()
    }

    /// How many conversations there were.
    pub fn conversations(&self) -> usize {
        lock(&self.state).conversations
    }

    /// Waits for the `count`th mail to an address, and returns it.
    ///
    /// # Panics
    /// When it does not come within a minute.
    pub async fn mail_to(&self, address: &str, count: usize) -> Accepted {
        let coming = async {
            loop {
                let to = |mail: &Accepted| mail.to.eq_ignore_ascii_case(address);
                if let Some(mail) = self.accepted().into_iter().filter(to).nth(count - 1) {
                    return mail;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), coming).await.expect("the mail comes within a minute")
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Conversation {
    state: Arc<Mutex<State>>,
    from: BufReader<OwnedReadHalf>,
    to: OwnedWriteHalf,
}

impl Conversation {
    /// Returns a step; none when the conversation is over.
    async fn answer(&mut self, step: Step, recipient: &str, right: &str) -> Option<()> {
        let fault = {
            let state = lock(&self.state);
            let theirs = state.recipients.iter().find(|(begin, _)| recipient.starts_with(begin.as_str()));
            let theirs = theirs.filter(|_| step == Step::Recipient).map(|(_, fault)| fault.clone());
            theirs.or_else(|| state.faults.get(&step).cloned())
        };
        match fault {
            None => self.say(right).await,
            Some(Fault::Reply(reply)) => self.say(reply).await,
            Some(Fault::Close) => None,
            Some(Fault::Silent) => {
                // Until the other side has had enough.
                let mut rest = Vec::new();
                let _ = tokio::io::AsyncReadExt::read_to_end(&mut self.from, &mut rest).await;
                None
            }
            Some(Fault::Trickle) => {
                for byte in format!("{right}\r\n").bytes() {
                    self.to.write_all(&[byte]).await.ok()?;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                Some(())
            }
        }
    }

    async fn say(&mut self, reply: &str) -> Option<()> {
        self.to.write_all(format!("{reply}\r\n").as_bytes()).await.ok()
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.from.read_line(&mut line).await.ok()?;
        (read > 0).then_some(line)
    }
}

async fn converse(stream: TcpStream, state: Arc<Mutex<State>>) -> Option<()> {
    lock(&state).conversations += 1;
    let (from, to) = stream.into_split();
    let mut with = Conversation { state, from: BufReader::new(from), to };
    with.answer(Step::Greeting, "", "220 test ESMTP").await?;
    let mut recipient = String::new();
    loop {
        let line = with.line().await?;
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" | "HELO" => with.answer(Step::Hello, "", "250-test\r\n250-8BITMIME\r\n250 SMTPUTF8").await?,
            "MAIL" => with.answer(Step::Sender, "", "250 ok").await?,
            "RCPT" => {
                let address = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                with.answer(Step::Recipient, &address, "250 ok").await?;
                recipient = address;
            }
            "DATA" => {
                with.answer(Step::Data, "", "354 go on").await?;
                let mut text = String::new();
                loop {
                    let line = with.line().await?;
                    if line == ".\r\n" {
                        break;
                    }
                    text.push_str(&line);
                }
                let is_taken = matches!(lock(&with.state).faults.get(&Step::Content), None | Some(Fault::Trickle));
                if is_taken {
                    // Before the answer: whoever waits for the mail may look at once.
                    lock(&with.state).accepted.push(Accepted { to: recipient.clone(), text });
                }
                with.answer(Step::Content, "", "250 accepted").await?;
            }
            "QUIT" => {
                with.answer(Step::Farewell, "", "221 bye").await?;
                return Some(());
            }
            _ => with.say("250 ok").await?,
        }
    }
}
