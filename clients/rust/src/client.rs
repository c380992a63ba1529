//! The client.

use std::fmt;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};
use tonic::{IntoRequest, Request, Response, Status};

use crate::channel::{Guarded, Tls, opened};
use crate::error::{Error, REQUEST_ID};
use crate::stream::CompletionStream;
use crate::v1::routing_client::RoutingClient;
use crate::v1::{
    Completion, CompletionRequest, EmbedRequest, EmbedResponse, Explanation, ListRoutesRequest, ListRoutesResponse,
};

const TIMEOUT: Duration = Duration::from_secs(600);
const LONGEST: Duration = Duration::from_secs(99_999_999); // three years: what a header can say
const MESSAGE_LIMIT: usize = 32 << 20;

/// One connection to a Quickthorn server, for any number of calls at once. Cheap to clone.
///
/// Each call takes its request bare, or in a [`Request`] that has metadata and a deadline of its own (`set_timeout`).
/// Dropping a call's future, or its stream, cancels it: the server closes its connections to providers. Nothing is
/// retried or hedged here, and nothing is read from the environment: the server does the one, and you the other.
#[derive(Clone)]
pub struct Client {
    target: String,
    routing: RoutingClient<Guarded>,
    authorization: Option<MetadataValue<Ascii>>,
    timeout: Option<Duration>,
}

/// What a [`Client`] is made of.
#[must_use]
pub struct Builder {
    target: String,
    api_key: Option<String>,
    tls: Option<Tls>,
    timeout: Option<Duration>,
}

impl Builder {
    /// Sends `authorization: Bearer ...` with every call; in clear text unless TLS is used.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// Speaks TLS. `https://` targets do so by themselves, with the roots of this machine.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Gives calls that have none of their own another deadline than 600 s; `None`: none at all.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = timeout.into();
        self
    }

    /// Returns the client, which connects with its first call. To be called inside a Tokio runtime.
    ///
    /// # Errors
    /// Code `InvalidArgument` for a target, key or certificate that cannot work.
    pub fn connect(self) -> Result<Client, Error> {
        let authorization = self.api_key.map(|key| bearer(&key)).transpose()?;
        let routing = RoutingClient::new(opened(&self.target, self.tls)?)
            .max_decoding_message_size(MESSAGE_LIMIT)
            .max_encoding_message_size(MESSAGE_LIMIT);
        Ok(Client { target: self.target, routing, authorization, timeout: self.timeout })
    }
}

impl Client {
    /// Begins a client of the server at `target`: `host:port`, `http://host:port` (the same), or `https://host:port`.
    pub fn builder(target: impl Into<String>) -> Builder {
        Builder { target: target.into(), api_key: None, tls: None, timeout: Some(TIMEOUT) }
    }

    /// Returns the whole answer.
    ///
    /// # Errors
    /// Whatever made the call fail, as of every call.
    pub async fn complete(&self, request: impl IntoRequest<CompletionRequest>) -> Result<Completion, Error> {
        let (request, deadline) = self.prepared(request, |request| &request.request_id);
        answered(deadline, self.routing.clone().complete(request)).await.map(Response::into_inner)
    }

    /// Starts an answer and returns its events.
    ///
    /// # Errors
    /// As of `complete`; what fails later is the stream's last item.
    pub async fn stream(&self, request: impl IntoRequest<CompletionRequest>) -> Result<CompletionStream, Error> {
        let (request, deadline) = self.prepared(request, |request| &request.request_id);
        let response = answered(deadline, self.routing.clone().stream_complete(request)).await?;
        Ok(CompletionStream::new(response, deadline))
    }

    /// Returns what would happen to the same call of `complete`. Nothing is sent to any provider.
    ///
    /// # Errors
    /// As of `complete`.
    pub async fn explain(&self, request: impl IntoRequest<CompletionRequest>) -> Result<Explanation, Error> {
        let (request, deadline) = self.prepared(request, |request| &request.request_id);
        answered(deadline, self.routing.clone().explain(request)).await.map(Response::into_inner)
    }

    /// Returns one vector per input, in their order, all of one embedding space.
    ///
    /// # Errors
    /// As of `complete`.
    pub async fn embed(&self, request: impl IntoRequest<EmbedRequest>) -> Result<EmbedResponse, Error> {
        let (request, deadline) = self.prepared(request, |request| &request.request_id);
        answered(deadline, self.routing.clone().embed(request)).await.map(Response::into_inner)
    }

    /// Returns the routes that this caller may use.
    ///
    /// # Errors
    /// As of `complete`.
    pub async fn list_routes(&self, request: impl IntoRequest<ListRoutesRequest>) -> Result<ListRoutesResponse, Error> {
        let (request, deadline) = self.prepared(request, |_| "");
        answered(deadline, self.routing.clone().list_routes(request)).await.map(Response::into_inner)
    }

    /// Puts on a request what every call carries; its id travels as metadata too, so that even a refusal echoes it.
    fn prepared<T>(&self, request: impl IntoRequest<T>, id: fn(&T) -> &str) -> (Request<T>, Option<Instant>) {
        let mut request = request.into_request();
        let timeout = asked(request.metadata()).or(self.timeout).map(|timeout| timeout.min(LONGEST));
        if let Some(timeout) = timeout {
            request.set_timeout(timeout);
        }
        let id = Some(id(request.get_ref())).filter(|id| travels(id)).and_then(|id| id.parse().ok());
        let metadata = request.metadata_mut();
        id.map(|id| metadata.insert(REQUEST_ID, id));
        self.authorization.clone().map(|key| metadata.insert("authorization", key));
        (request, timeout.map(|timeout| Instant::now() + timeout))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").field("target", &self.target).finish_non_exhaustive()
    }
}

/// Bounds a call by its deadline: tonic itself stops counting when the answer begins, and does not count connecting.
async fn answered<T>(
    deadline: Option<Instant>,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<Response<T>, Error> {
    let answer = match deadline {
        Some(at) => timeout_at(at, call).await.map_err(|_| Error::deadline())?,
        None => call.await,
    };
    answer.map_err(|status| Error::of_status(status, ""))
}

/// Returns the deadline that a request has of its own, as `set_timeout` wrote it.
fn asked(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count: u32 = count.parse().ok()?;
    let unit = match unit {
        "H" => Duration::from_secs(3600),
        "M" => Duration::from_secs(60),
        "S" => Duration::from_secs(1),
        "m" => Duration::from_millis(1),
        "u" => Duration::from_micros(1),
        _ => Duration::from_nanos(1),
    };
    Some(unit * count)
}

fn bearer(key: &str) -> Result<MetadataValue<Ascii>, Error> {
    let value = travels(key).then(|| format!("Bearer {key}").parse().ok()).flatten();
    // The key itself stays out of the message, and out of logs.
    let mut value: MetadataValue<Ascii> = value.ok_or_else(|| {
        Error::invalid("api_key is empty or holds a space, line break or other character no header can carry")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Says whether `value` can stand in a header.
fn travels(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic())
}
