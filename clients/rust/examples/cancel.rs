//! Stop answers early. The server closes its connection to the provider at once every time.

use std::time::Duration;

use quickthorn::v1::completion_event::Event;
use quickthorn::v1::{CompletionRequest, Message, Role};
use quickthorn::{Client, Request};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), quickthorn::Error> {
    let target = std::env::var("QUICKTHORN_TARGET").unwrap_or("127.0.0.1:50051".into());
    let client = Client::builder(target).connect()?;
    let question = Message { role: Role::User.into(), parts: vec!["Count from one to one thousand, in words.".into()] };
    let request = CompletionRequest { messages: vec![question], ..Default::default() };

    // begin cancel
    let mut events = client.stream(request.clone()).await?;
    while let Some(event) = events.next().await {
        if let Some(Event::Text(delta)) = event?.event {
            println!("{} -- that was enough", delta.text);
            break;
        }
    }
    drop(events); // dropping a stream cancels the call

    let answer = tokio::time::timeout(Duration::from_millis(1), client.complete(request.clone())).await;
    println!("-- cancelled: {}", answer.is_err()); // and so does dropping a future, as `timeout` and `select!` do

    let mut hurried = Request::new(request);
    hurried.set_timeout(Duration::from_micros(200)); // a deadline, which the server knows too
    println!("-- {:?}", client.complete(hurried).await.map_err(|error| error.code).err());
    // end cancel
    Ok(())
}
