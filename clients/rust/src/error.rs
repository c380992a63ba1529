//! The one error of this crate, and how a gRPC status becomes one.

use std::collections::HashMap;
use std::error::Error as _;
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use prost::Message;
use tonic::{Code, ConnectError, Status, TimeoutExpired};
use tonic_types::pb::{self, bad_request::FieldViolation};

use crate::v1::{Attempt, RouteFailure};

/// The one reason that this crate gives itself: a stream ended without its `finished` event.
pub const STREAM_CUT: &str = "STREAM_CUT";

pub(crate) const DETAILS: &str = "grpc-status-details-bin";
pub(crate) const REQUEST_ID: &str = "quickthorn-request-id";
const DOMAIN: &str = "quickthorn";

/// A call failed. Everything that can be known about it is a field of [`Facts`]: `error.code`, `error.reason`, ...
#[derive(Debug)]
pub struct Error(Box<Facts>);

/// What is known about a failed call.
#[derive(Debug)]
#[non_exhaustive]
pub struct Facts {
    /// The gRPC status code.
    pub code: Code,
    /// The name of a [`Reason`](crate::v1::Reason) without its prefix, [`STREAM_CUT`], or "" where nobody gave one.
    pub reason: String,
    /// What happened, in words; do not parse it.
    pub message: String,
    /// True: a Quickthorn server said it, in its own details. False: it was inferred on this side of the wire (not
    /// connected, deadline passed here, stream cut), or said by a proxy.
    pub from_server: bool,
    /// Facts that belong to the reason, such as why each backend was dropped.
    pub info: HashMap<String, String>,
    /// How long to wait before asking again; `None`: waiting is not known to help.
    pub retry_delay: Option<Duration>,
    /// The fields of the request that are wrong.
    pub violations: Vec<FieldViolation>,
    /// What the call had done before it failed; `None`: the server did not say.
    pub failure: Option<RouteFailure>,
    /// What operators search their logs for; "" = unknown.
    pub request_id: String,
    status: Option<Status>,
}

impl Error {
    /// Returns the lanes of the call, in the order of their start; empty if none was started or the server did not say.
    #[must_use]
    pub fn attempts(&self) -> &[Attempt] {
        self.failure.as_ref().map_or(&[], |failure| &failure.attempts)
    }

    pub(crate) fn inferred(code: Code, message: impl Into<String>) -> Self {
        Self(Box::new(Facts {
            code,
            reason: String::new(),
            message: message.into(),
            from_server: false,
            info: HashMap::new(),
            retry_delay: None,
            violations: Vec::new(),
            failure: None,
            request_id: String::new(),
            status: None,
        }))
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::inferred(Code::InvalidArgument, message)
    }

    pub(crate) fn deadline() -> Self {
        Self::inferred(Code::DeadlineExceeded, "the deadline passed on this side")
    }

    pub(crate) fn stream_cut() -> Self {
        let message = "the stream ended without `finished`: what came is not the whole answer";
        let mut error = Self::inferred(Code::Unavailable, message);
        error.0.reason = STREAM_CUT.into();
        error
    }

    /// Only details with our domain count as the server's word; details that are none are nobody's.
    pub(crate) fn of_status(status: Status, request_id: &str) -> Self {
        if causes(&status).any(<dyn std::error::Error>::is::<TimeoutExpired>) {
            return Self::deadline(); // tonic's own clock was first
        }
        let said = pb::Status::decode(status.details()).unwrap_or_default();
        let mut error = Self::inferred(code_of(&status), message_of(&status));
        let facts = &mut error.0;
        if let Some(info) = detail::<pb::ErrorInfo>(&said, "google.rpc.ErrorInfo").filter(|info| info.domain == DOMAIN)
        {
            facts.from_server = true;
            facts.reason = info.reason;
            facts.info = info.metadata;
        }
        let retry = detail::<pb::RetryInfo>(&said, "google.rpc.RetryInfo").and_then(|retry| retry.retry_delay);
        facts.retry_delay = retry.and_then(|delay| delay.try_into().ok());
        facts.violations = detail::<pb::BadRequest>(&said, "google.rpc.BadRequest")
            .map_or_else(Vec::new, |request| request.field_violations);
        facts.failure = detail(&said, "quickthorn.v1.RouteFailure");
        let header = status.metadata().get(REQUEST_ID).and_then(|id| id.to_str().ok());
        let told = facts.failure.as_ref().map(|failure| failure.request_id.as_str());
        facts.request_id = told.or(header).unwrap_or(request_id).into();
        facts.status = Some(status);
        error
    }
}

impl Deref for Error {
    type Target = Facts;

    fn deref(&self) -> &Facts {
        &self.0
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let space = if self.reason.is_empty() { "" } else { " " };
        write!(formatter, "{:?}{space}{}: {}", self.code, self.reason, self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.status.as_ref().map(|status| status as _)
    }
}

/// Returns the first of the details that has this name; a proxy may write anything.
fn detail<T: Message + Default>(status: &pb::Status, name: &str) -> Option<T> {
    let found = status.details.iter().find(|any| any.type_url.rsplit('/').next() == Some(name))?;
    T::decode(found.value.as_slice()).ok()
}

fn causes(status: &Status) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(status.source(), |&error| error.source())
}

/// A status with a source was not said by anybody: the connection, or this side of it, failed. tonic's own codes for
/// that differ from those of gRPC in other languages, which are taken from the protocol's description here.
fn code_of(status: &Status) -> Code {
    if status.source().is_none() {
        return status.code();
    }
    let reset = causes(status).find_map(|cause| cause.downcast_ref::<h2::Error>().filter(|error| error.is_reset()));
    match reset.and_then(h2::Error::reason) {
        None | Some(h2::Reason::REFUSED_STREAM) => Code::Unavailable,
        Some(h2::Reason::CANCEL) => Code::Cancelled,
        Some(h2::Reason::ENHANCE_YOUR_CALM) => Code::ResourceExhausted,
        Some(h2::Reason::INADEQUATE_SECURITY) => Code::PermissionDenied,
        Some(_) => Code::Internal,
    }
}

fn message_of(status: &Status) -> String {
    let connecting = causes(status).any(<dyn std::error::Error>::is::<ConnectError>);
    match causes(status).last() {
        Some(root) if connecting => format!("no connection: {root}"),
        Some(root) => format!("the connection broke: {root}"),
        None if status.message().trim().is_empty() => "no details were given".into(),
        None => status.message().into(),
    }
}
