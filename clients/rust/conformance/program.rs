//! The Rust client's program for the conformance cases: see tests/conformance/README.md.

use std::collections::HashMap;
use std::io::Write as _;
use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use prost::Message;
use quickthorn::{Client, Code, Error, Request, Tls, v1};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, stdin};
use tokio::time::{sleep, timeout};

include!("../src/gen/messages.rs");

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A case, or a result: a line of JSON.
type Line = Map<String, Value>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let result = answer(&serde_json::from_str(&line)?).await?;
        println!("{}", Value::Object(result));
        std::io::stdout().flush()?;
    }
    Ok(())
}

/// Returns the result of one case.
async fn answer(case: &Line) -> Result<Line> {
    let mut result = Line::new();
    result.insert("id".into(), case["id"].clone());
    if case["call"] == "decode" {
        result.insert("response".into(), text(&again(words(case, "type"), &bytes(case, "data")?)?));
        return Ok(result);
    }
    let began = Instant::now();
    let ended = match client_of(case) {
        Ok(client) => match case.get("cancel_after_ms").and_then(Value::as_u64) {
            // Dropping the future of a call is how a call is cancelled.
            Some(after) => match timeout(Duration::from_millis(after), call(&client, case, &mut result)).await {
                Ok(ended) => ended?,
                Err(_) => Ended::Cancelled,
            },
            None => call(&client, case, &mut result).await?,
        },
        Err(error) => Ended::Failed(error),
    };
    match ended {
        Ended::Whole(key, data) => result.insert(key.into(), text(&data)),
        Ended::Cancelled => result.insert("cancelled".into(), true.into()),
        Ended::Failed(error) => result.insert("error".into(), told(&error)),
    };
    result.insert("elapsed_ms".into(), (began.elapsed().as_secs_f64() * 1000.0).into());
    Ok(result)
}

/// How a call ended.
enum Ended {
    Whole(&'static str, Vec<u8>),
    Cancelled,
    Failed(Error),
}

impl<T: Message> From<std::result::Result<T, Error>> for Ended {
    fn from(answer: std::result::Result<T, Error>) -> Self {
        answer.map_or_else(Self::Failed, |message| Self::Whole("response", message.encode_to_vec()))
    }
}

/// Connects as the case says.
fn client_of(case: &Line) -> std::result::Result<Client, Error> {
    let mut builder = Client::builder(words(case, "target"));
    if let Some(key) = case.get("api_key").and_then(Value::as_str) {
        builder = builder.api_key(key);
    }
    if let Some(Value::Object(files)) = case.get("tls") {
        let pem = |name| files.get(name).and_then(Value::as_str).map(|path| std::fs::read(path).expect(path));
        builder = builder.tls(Tls { ca: pem("ca"), identity: pem("cert").zip(pem("key")), ..Tls::default() });
    }
    builder.connect()
}

/// Makes one call.
async fn call(client: &Client, case: &Line, result: &mut Line) -> Result<Ended> {
    Ok(match words(case, "call") {
        "complete" => client.complete(request_of::<v1::CompletionRequest>(case)?).await.into(),
        "explain" => client.explain(request_of::<v1::CompletionRequest>(case)?).await.into(),
        "embed" => client.embed(request_of::<v1::EmbedRequest>(case)?).await.into(),
        "list_routes" => client.list_routes(request_of::<v1::ListRoutesRequest>(case)?).await.into(),
        _ => stream(client, case, result).await?,
    })
}

/// Reads one stream, as slowly and as far as asked.
async fn stream(client: &Client, case: &Line, result: &mut Line) -> Result<Ended> {
    let Value::Array(events) = result.entry("events").or_insert_with(|| json!([])) else { unreachable!() };
    let enough = case.get("cancel_after_events").and_then(Value::as_u64);
    let opening = client.stream(request_of::<v1::CompletionRequest>(case)?);
    let mut answers = match timeout(Duration::from_millis(if enough == Some(0) { 10 } else { 600_000 }), opening).await
    {
        Ok(Ok(answers)) => answers,
        Ok(Err(error)) => return Ok(Ended::Failed(error)),
        Err(_) => return Ok(Ended::Cancelled),
    };
    while enough.is_none_or(|enough| (events.len() as u64) < enough) {
        match answers.next().await {
            Some(Ok(event)) => events.push(text(&event.encode_to_vec())),
            Some(Err(error)) => return Ok(Ended::Failed(error)),
            None => {
                return Ok(answers
                    .fold()
                    .await
                    .map_or_else(Ended::Failed, |all| Ended::Whole("folded", all.encode_to_vec())));
            }
        }
        sleep(Duration::from_millis(case.get("pause_ms").and_then(Value::as_u64).unwrap_or(0))).await;
    }
    Ok(Ended::Cancelled)
}

/// Returns the request of a case, with its metadata and its deadline.
fn request_of<T: Message + Default>(case: &Line) -> Result<Request<T>> {
    let mut request = Request::new(T::decode(bytes(case, "request")?.as_slice())?);
    let metadata: HashMap<String, String> = match case.get("metadata") {
        Some(given) => serde_json::from_value(given.clone())?,
        None => HashMap::new(),
    };
    for (key, value) in metadata {
        request.metadata_mut().insert(key.parse::<tonic::metadata::AsciiMetadataKey>()?, value.parse()?);
    }
    if let Some(timeout) = case.get("timeout_ms").and_then(Value::as_u64) {
        request.set_timeout(Duration::from_millis(timeout));
    }
    Ok(request)
}

/// Returns all that the typed error says.
fn told(error: &Error) -> Value {
    let mut said = json!({
        "code": name(error.code),
        "reason": error.reason,
        "message": error.message,
        "from_server": error.from_server,
        "attempts": error.attempts().len(),
        "fields": error.violations.iter().map(|violation| violation.field.as_str()).collect::<Vec<_>>(),
        "request_id": error.request_id,
    });
    if let Some(delay) = error.retry_delay {
        said["retry_delay_ms"] = (delay.as_secs_f64() * 1000.0).into();
    }
    said
}

/// Returns a code's name as gRPC writes it: `DeadlineExceeded` is `DEADLINE_EXCEEDED`.
fn name(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(letter.to_uppercase());
    }
    name
}

macro_rules! decoders {
    ($($kind:ident)*) => {
        /// Decodes a message by its full name and encodes it again.
        fn again(name: &str, data: &[u8]) -> Result<Vec<u8>> {
            match name {
                $(concat!("quickthorn.v1.", stringify!($kind)) => Ok(v1::$kind::decode(data)?.encode_to_vec()),)*
                _ => Err(format!("no message {name}").into()),
            }
        }
    };
}
messages!(decoders);

fn words<'a>(case: &'a Line, key: &str) -> &'a str {
    case[key].as_str().unwrap_or_default()
}

fn bytes(case: &Line, key: &str) -> Result<Vec<u8>> {
    Ok(STANDARD.decode(words(case, key))?)
}

fn text(data: &[u8]) -> Value {
    STANDARD.encode(data).into()
}
