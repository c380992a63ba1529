//! A streamed answer.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::{Response, Streaming};

use crate::error::{Error, REQUEST_ID};
use crate::fold::Fold;
use crate::v1::{Completion, CompletionEvent};

/// The events of one answer, as they come: a [`Stream`] that ends with an error unless `finished` has come.
///
/// Dropping it cancels what is not finished: the server closes its connections to providers.
#[derive(Debug)]
pub struct CompletionStream {
    events: Option<Streaming<CompletionEvent>>,
    fold: Fold,
    deadline: Option<Pin<Box<Sleep>>>,
    request_id: String,
}

impl CompletionStream {
    pub(crate) fn new(response: Response<Streaming<CompletionEvent>>, deadline: Option<Instant>) -> Self {
        let request_id = response.metadata().get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default().into();
        Self {
            events: Some(response.into_inner()),
            fold: Fold::default(),
            deadline: deadline.map(|at| Box::pin(sleep_until(at))),
            request_id,
        }
    }

    /// Returns the next event; `None` after the last.
    pub async fn next(&mut self) -> Option<Result<CompletionEvent, Error>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// Reads what is left and returns the whole answer, with what had been read before.
    ///
    /// # Errors
    /// As of an item of the stream.
    pub async fn fold(mut self) -> Result<Completion, Error> {
        while let Some(event) = self.next().await {
            event?;
        }
        self.fold.completion()
    }

    /// What stops the call has been seen: nothing is read, and nothing is asked of the server any more.
    fn end(&mut self, error: Error) -> Poll<Option<Result<CompletionEvent, Error>>> {
        self.events = None;
        // After `finished` the answer is whole: only its trailers are missing.
        Poll::Ready(if self.fold.finished() { None } else { Some(Err(error)) })
    }
}

impl Stream for CompletionStream {
    type Item = Result<CompletionEvent, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(events) = &mut self.events else { return Poll::Ready(None) };
        match Pin::new(events).poll_next(context) {
            Poll::Ready(Some(Ok(event))) => {
                self.fold.add(&event);
                Poll::Ready(Some(Ok(event)))
            }
            Poll::Ready(Some(Err(status))) => {
                let error = Error::of_status(status, &self.request_id);
                self.end(error)
            }
            Poll::Ready(None) => self.end(Error::stream_cut()),
            Poll::Pending => match self.deadline.as_mut().map(|deadline| deadline.as_mut().poll(context)) {
                Some(Poll::Ready(())) => self.end(Error::deadline()),
                _ => Poll::Pending,
            },
        }
    }
}
