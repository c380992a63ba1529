//! Fail, and say all that is known about it.

use quickthorn::Client;
use quickthorn::v1::CompletionRequest;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), quickthorn::Error> {
    let target = std::env::var("QUICKTHORN_TARGET").unwrap_or("127.0.0.1:50051".into());
    let client = Client::builder(target).connect()?;
    // begin errors
    if let Err(error) = client.complete(CompletionRequest::default()).await {
        println!("{:?} {}: {} (from the server: {})", error.code, error.reason, error.message, error.from_server);
        for attempt in error.attempts() {
            println!("  {}: {}", attempt.backend, attempt.failure);
        }
        for violation in &error.violations {
            println!("  {}: {}", violation.field, violation.description);
        }
        if let Some(delay) = error.retry_delay {
            println!("asking again may help in {delay:?}");
        }
    }
    // end errors
    Ok(())
}
