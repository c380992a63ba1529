//! Where a client connects and with what: target, TLS, keepalive.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::BodyExt as _;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::error::{DETAILS, Error};

/// How to speak TLS; all of it PEM text.
#[derive(Clone, Default)]
pub struct Tls {
    /// Whom to trust; `None`: the roots of this machine.
    pub ca: Option<Vec<u8>>,
    /// Who we are: certificate and key.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// The name to expect in the server's certificate if it is not the target's.
    pub server_name: Option<String>,
}

impl Tls {
    fn config(self) -> Result<ClientTlsConfig, Error> {
        let config = match self.ca {
            Some(ca) if !String::from_utf8_lossy(&ca).contains("-BEGIN CERTIFICATE-") => {
                return Err(Error::invalid("`ca` holds no certificate in PEM"));
            }
            Some(ca) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        let config = match self.identity {
            Some((cert, key)) => config.identity(Identity::from_pem(cert, key)),
            None => config,
        };
        Ok(match self.server_name {
            Some(name) => config.domain_name(name),
            None => config,
        })
    }
}

/// Returns a channel that connects with its first call.
pub(crate) fn opened(target: &str, tls: Option<Tls>) -> Result<Guarded, Error> {
    let (url, tls) = addressed(target, tls)?;
    let wrong = |error: tonic::transport::Error| {
        let cause = std::error::Error::source(&error).map_or_else(String::new, |cause| format!(": {cause}"));
        Error::invalid(format!("target \"{target}\" cannot be used: {error}{cause}"))
    };
    let mut endpoint = Endpoint::from_shared(url)
        .and_then(|endpoint| endpoint.user_agent(concat!("quickthorn-rust/", env!("CARGO_PKG_VERSION"))))
        .map_err(wrong)?
        .connect_timeout(Duration::from_secs(20))
        // A model may think for minutes: pings keep middleboxes from forgetting the connection and find a dead one.
        .http2_keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10))
        .keep_alive_while_idle(true);
    if let Some(tls) = tls {
        endpoint = endpoint.tls_config(tls.config()?).map_err(wrong)?;
    }
    Ok(Guarded(endpoint.connect_lazy()))
}

/// Returns the address that `target` means and how to speak there.
fn addressed(target: &str, tls: Option<Tls>) -> Result<(String, Option<Tls>), Error> {
    let (scheme, rest) = target.split_once("://").unwrap_or(("", target));
    let bare = rest.trim_end_matches('/');
    let tls = match scheme.to_ascii_lowercase().as_str() {
        "" if rest == target => tls,
        "https" => Some(tls.unwrap_or_default()),
        "http" if tls.is_none() => None,
        "http" => {
            let message = format!("target \"{target}\" is clear text, and TLS is asked for; use \"https://{bare}\"");
            return Err(Error::invalid(message));
        }
        other => {
            let message =
                format!("target \"{target}\" is neither http:// nor https://, but {other}://; use \"host:port\"");
            return Err(Error::invalid(message));
        }
    };
    if !matches!(bare.rsplit_once(':'), Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok()) {
        let host = if bare.is_empty() || bare.contains(':') { "127.0.0.1" } else { bare };
        let message = format!("target \"{target}\" has no port; use \"{host}:50051\" or wherever it listens");
        return Err(Error::invalid(message));
    }
    Ok((format!("{}://{bare}", if tls.is_some() { "https" } else { "http" }), tls))
}

/// A channel that takes status details off an answer if they are no base64, before tonic panics at them.
#[derive(Clone, Debug)]
pub(crate) struct Guarded(Channel);

impl Service<http::Request<Body>> for Guarded {
    type Response = http::Response<Body>;
    type Error = tonic::transport::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let answer = self.0.call(request);
        Box::pin(async move {
            let mut answer = answer.await?;
            unburden(answer.headers_mut());
            Ok(answer.map(|body| {
                Body::new(body.map_frame(|mut frame| {
                    frame.trailers_mut().map(unburden);
                    frame
                }))
            }))
        })
    }
}

fn unburden(headers: &mut http::HeaderMap) {
    if headers.contains_key(DETAILS) {
        let details = MetadataMap::from_headers(headers.clone());
        if details.get_bin(DETAILS).is_some_and(|value| value.to_bytes().is_err()) {
            headers.remove(DETAILS);
        }
    }
}
