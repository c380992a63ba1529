//! Ask once and print the answer.

use quickthorn::Client;
use quickthorn::v1::{CompletionRequest, Message, Role};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), quickthorn::Error> {
    let target = std::env::var("QUICKTHORN_TARGET").unwrap_or("127.0.0.1:50051".into());
    let client = Client::builder(target).connect()?;
    let question = Message { role: Role::User.into(), parts: vec!["Why is rain wet?".into()] };
    let completion = client.complete(CompletionRequest { messages: vec![question], ..Default::default() }).await?;
    println!("{}", completion.text());
    Ok(())
}
