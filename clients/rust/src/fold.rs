//! From the events of a streamed answer to the whole answer; the law stands in `quickthorn/v1/events.proto`.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::v1::completion_event::Event;
use crate::v1::part::Kind;
use crate::v1::{
    Completion, CompletionEvent, Finished, Message, Part, PartEvent, Role, Started, ToolCall, ToolCallDelta,
};

/// Returns the [`Completion`] that `complete` would have returned.
///
/// # Errors
/// Reason `STREAM_CUT` if the events end without `finished`.
pub fn fold(events: impl IntoIterator<Item = CompletionEvent>) -> Result<Completion, Error> {
    let mut fold = Fold::default();
    for event in events {
        fold.add(&event);
    }
    fold.completion()
}

/// Folds events one by one, so that they can be shown while they are folded.
#[derive(Debug, Default)]
pub struct Fold {
    started: Started,
    parts: BTreeMap<u32, Part>,
    finished: Option<Finished>,
}

impl Fold {
    /// Takes in the next event. One of an unknown kind changes nothing.
    pub fn add(&mut self, event: &CompletionEvent) {
        match &event.event {
            Some(Event::Started(started)) => self.started = started.clone(),
            Some(Event::Text(delta)) => match self.kind(delta.part) {
                Some(Kind::Text(text)) => text.push_str(&delta.text),
                kind => *kind = Some(Kind::Text(delta.text.clone())),
            },
            Some(Event::Reasoning(delta)) => match self.kind(delta.part) {
                Some(Kind::Reasoning(text)) => text.push_str(&delta.text),
                kind => *kind = Some(Kind::Reasoning(delta.text.clone())),
            },
            Some(Event::ToolCall(delta)) => self.call(delta),
            Some(Event::Part(whole)) => self.put(whole),
            Some(Event::Finished(finished)) => self.finished = Some(finished.clone()),
            Some(Event::Usage(_) | Event::Seam(_) | Event::Heartbeat(_) | Event::Escalated(_)) | None => {}
        }
    }

    /// Says whether `finished` has come, so that there is a whole answer.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.finished.is_some()
    }

    /// Returns the whole answer.
    ///
    /// # Errors
    /// Reason `STREAM_CUT` before `finished` has come.
    pub fn completion(self) -> Result<Completion, Error> {
        let end = self.finished.ok_or_else(Error::stream_cut)?;
        let message = Message { role: Role::Assistant.into(), parts: self.parts.into_values().collect() };
        Ok(Completion {
            id: self.started.id,
            request_id: self.started.request_id,
            message: Some(message),
            finish_reason: end.finish_reason,
            stop_sequence: end.stop_sequence,
            usage: end.usage,
            cost_nano_usd: end.cost_nano_usd,
            trace: end.trace,
        })
    }

    fn kind(&mut self, index: u32) -> &mut Option<Kind> {
        &mut self.parts.entry(index).or_default().kind
    }

    fn call(&mut self, delta: &ToolCallDelta) {
        match self.kind(delta.part) {
            Some(Kind::ToolCall(call)) => call.arguments_json.push_str(&delta.arguments_json),
            kind => {
                let arguments_json = delta.arguments_json.clone();
                *kind =
                    Some(Kind::ToolCall(ToolCall { id: delta.id.clone(), name: delta.name.clone(), arguments_json }));
            }
        }
    }

    /// Citations accumulate, everything else that is set replaces what was there.
    fn put(&mut self, whole: &PartEvent) {
        let part = self.parts.entry(whole.part).or_default();
        let Some(new) = whole.value.clone() else { return };
        part.kind = new.kind.or(part.kind.take());
        part.cache = new.cache.or(part.cache.take());
        part.opaque = new.opaque.or(part.opaque.take());
        part.citations.extend(new.citations);
    }
}

impl Completion {
    /// Returns the text of the answer: its text parts joined, without reasoning, refusals or tool calls.
    #[must_use]
    pub fn text(&self) -> String {
        let parts = self.message.iter().flat_map(|message| &message.parts);
        parts
            .filter_map(|part| if let Some(Kind::Text(text)) = &part.kind { Some(text.as_str()) } else { None })
            .collect()
    }
}

impl From<&str> for Part {
    fn from(text: &str) -> Self {
        Self { kind: Some(Kind::Text(text.into())), ..Self::default() }
    }
}
