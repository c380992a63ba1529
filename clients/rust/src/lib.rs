//! The Rust client of Quickthorn: the generated messages and services of [`v1`], and a thin [`Client`] for them.
//!
//! ```text
//! let client = Client::builder("127.0.0.1:50051").connect()?;
//! let completion = client.complete(request).await?;
//! println!("{}", completion.text());
//! ```

mod channel;
mod client;
mod error;
mod fold;
mod stream;

pub use channel::Tls;
pub use client::{Builder, Client};
pub use error::{Error, Facts, STREAM_CUT};
pub use fold::{Fold, fold};
pub use stream::CompletionStream;
pub use tonic::{Code, Request};
pub use tonic_types::pb::bad_request::FieldViolation;

/// The messages and services of the contract, as they are generated; their comments are the contract.
#[allow(clippy::all, clippy::pedantic, rustdoc::all)]
pub mod v1 {
    include!("gen/quickthorn.v1.rs");
}
