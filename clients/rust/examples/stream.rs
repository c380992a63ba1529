//! Print an answer as it is written, then say what it took.

use std::io::{Write as _, stdout};

use quickthorn::Client;
use quickthorn::v1::completion_event::Event;
use quickthorn::v1::{CompletionRequest, Message, Role};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), quickthorn::Error> {
    let target = std::env::var("QUICKTHORN_TARGET").unwrap_or("127.0.0.1:50051".into());
    let client = Client::builder(target).connect()?;
    let question = Message { role: Role::User.into(), parts: vec!["Tell me a story in three sentences.".into()] };
    let request = CompletionRequest { messages: vec![question], ..Default::default() };

    // begin stream
    let mut events = client.stream(request).await?;
    while let Some(event) = events.next().await {
        if let Some(Event::Text(delta)) = event?.event {
            print!("{}", delta.text);
            stdout().flush().ok();
        }
    }
    let completion = events.fold().await?; // what was shown, whole, and what only the end knows
    let usage = completion.usage.unwrap_or_default();
    println!("\n-- {} tokens, request {}", usage.output_tokens(), completion.request_id);
    // end stream
    Ok(())
}
