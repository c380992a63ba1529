//! What the conformance cases cannot show: servers that no gRPC library can play, and late parts of a fold.

use std::time::Duration;

use h2::Reason;
use h2::server::{SendResponse, handshake};
use quickthorn::v1::completion_event::Event;
use quickthorn::v1::{Citation, CompletionEvent, CompletionRequest, Finished, OpaqueState, Part, PartEvent, TextDelta};
use quickthorn::{Client, Code, Error, Request, fold};
use tokio::net::TcpListener;
use tonic::codegen::http::{HeaderMap, Response};

const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(20);

type Answer = SendResponse<tonic::codegen::Bytes>;

/// Serves on a free port, answering every call by `answer`; returns the address.
async fn served(answer: fn(Answer)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut connection = handshake(socket).await.unwrap();
                while let Some(Ok((_, respond))) = connection.accept().await {
                    answer(respond);
                }
            });
        }
    });
    address
}

/// Makes a call that fails, whole and as a stream, in a task of its own; returns how.
async fn failed(address: String, timeout: Duration) -> Error {
    let client = Client::builder(address).timeout(timeout).connect().unwrap();
    let calls = tokio::spawn(async move {
        let whole = client.complete(CompletionRequest::default()).await.unwrap_err();
        let streamed = match client.stream(CompletionRequest::default()).await {
            Ok(mut events) => events.next().await.unwrap().unwrap_err(),
            Err(error) => error,
        };
        (whole, streamed)
    });
    let (whole, streamed) = calls.await.unwrap();
    assert_eq!((whole.code, whole.from_server), (streamed.code, streamed.from_server));
    whole
}

fn garbled() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("grpc-status", "14".parse().unwrap());
    headers.insert("grpc-status-details-bin", "!no base64!".parse().unwrap());
    headers
}

fn opened(mut answer: Answer) -> h2::SendStream<tonic::codegen::Bytes> {
    let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
    answer.send_response(head, false).unwrap()
}

/// Details that are no base64 are nobody's, in headers as in trailers; tonic alone would panic.
#[tokio::test]
async fn garbled_details() {
    let in_headers = served(|mut answer| {
        let mut head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
        head.headers_mut().extend(garbled());
        answer.send_response(head, true).unwrap();
    });
    let in_trailers = served(|answer| opened(answer).send_trailers(garbled()).unwrap());
    for address in [in_headers.await, in_trailers.await] {
        let error = failed(address, LONG).await;
        assert_eq!((error.code, error.from_server), (Code::Unavailable, false));
        assert_eq!(error.message, "no details were given");
    }
}

/// A reset has the code that gRPC's description of the protocol gives it, and a connection that goes is UNAVAILABLE.
#[tokio::test]
async fn resets() {
    let cases: [(fn(Answer), Code); 3] = [
        (|mut answer| answer.send_reset(Reason::INTERNAL_ERROR), Code::Internal),
        (|mut answer| answer.send_reset(Reason::REFUSED_STREAM), Code::Unavailable),
        (|mut answer| answer.send_reset(Reason::ENHANCE_YOUR_CALM), Code::ResourceExhausted),
    ];
    for (answer, code) in cases {
        let error = failed(served(answer).await, LONG).await;
        assert_eq!((error.code, error.from_server), (code, false), "{error}");
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            handshake(socket).await.unwrap().accept().await;
        }
    });
    assert_eq!(failed(address, LONG).await.code, Code::Unavailable);
}

/// A deadline holds while nobody answers, before the first byte as in the middle of a stream.
#[tokio::test]
async fn deadline() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let error = failed(silent.local_addr().unwrap().to_string(), SHORT).await;
    assert_eq!((error.code, error.from_server), (Code::DeadlineExceeded, false));
    let begun = served(|answer| std::mem::forget(opened(answer))).await;
    assert_eq!(failed(begun, SHORT).await.code, Code::DeadlineExceeded);
}

/// A request's own deadline wins over the client's, and either may be of any length.
#[tokio::test]
async fn deadline_of_a_request() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::builder(silent.local_addr().unwrap().to_string()).timeout(Duration::MAX).connect().unwrap();
    for timeout in [Duration::ZERO, Duration::from_micros(50), SHORT] {
        let mut request = Request::new(CompletionRequest::default());
        request.set_timeout(timeout);
        assert_eq!(client.complete(request).await.unwrap_err().code, Code::DeadlineExceeded);
    }
    assert_eq!(failed("127.0.0.1:1".into(), Duration::MAX).await.code, Code::Unavailable);
}

/// A key that no header can carry is refused, and not shown.
#[tokio::test]
async fn unusable_key() {
    for key in ["", "secret key", "secret\nkey", "secrét"] {
        let error = Client::builder("127.0.0.1:1").api_key(key).connect().unwrap_err();
        assert_eq!(error.code, Code::InvalidArgument);
        assert!(!format!("{error} {error:?}").contains("secr"));
    }
}

/// What comes late for a part is added to it: citations accumulate, opaque state is put on.
#[test]
fn late_parts() {
    let cited = |title: &str| Citation { title: title.into(), ..Citation::default() };
    let late = |citations, opaque| {
        let value = Part { citations, opaque, ..Part::default() };
        Event::Part(PartEvent { part: 0, value: Some(value) })
    };
    let state = Some(OpaqueState { data: vec![1, 2], ..OpaqueState::default() });
    let events = [
        Event::Text(TextDelta { part: 0, text: "a".into() }),
        late(vec![cited("one")], None),
        Event::Text(TextDelta { part: 0, text: "b".into() }),
        late(vec![cited("two")], state.clone()),
        late(vec![], None),
        Event::Finished(Finished::default()),
    ];
    let completion = fold(events.map(|event| CompletionEvent { event: Some(event) })).unwrap();
    let expected = Part { citations: vec![cited("one"), cited("two")], opaque: state, ..Part::from("ab") };
    assert_eq!(completion.message.unwrap().parts, [expected]);
}
