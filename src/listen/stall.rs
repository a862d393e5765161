//! Closes connections whose clients send requests and do not read the responses.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::slots::Activity;

/// A stream whose writes fail when the client has read nothing for as long as `limit`.
pub(super) struct StallTimeout<S> {
    stream: S,
    limit: Duration,
    activity: Arc<Activity>,
    /// Runs while a write waits for the client.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> StallTimeout<S> {
    pub(super) fn new(stream: S, limit: Duration, activity: Arc<Activity>) -> Self {
        Self { stream, limit, activity, deadline: None }
    }

    fn check<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            if self.deadline.take().is_some() {
                self.activity.end_stall();
            }
            return written;
        }
        let deadline = self.deadline.get_or_insert_with(|| {
            self.activity.begin_stall();
            Box::pin(tokio::time::sleep(self.limit))
        });
        let stopped = || io::Error::new(io::ErrorKind::TimedOut, "the client stopped reading");
        deadline.as_mut().poll(context).map(|()| Err(stopped()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for StallTimeout<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for StallTimeout<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.check(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.check(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.check(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.stream).poll_shutdown(context);
        self.check(context, closed)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_slow_reader_is_served_and_one_that_stopped_is_not() {
        let (mut client, server) = tokio::io::duplex(8);
        let slot = crate::listen::slots::ConnectionSlots::new(1).take().await.unwrap();
        let mut server = StallTimeout::new(server, Duration::from_millis(200), slot.activity.clone());
        let reader = tokio::spawn(async move {
            let mut all = [0; 24];
            for part in all.chunks_mut(8) {
                tokio::time::sleep(Duration::from_millis(100)).await;
                client.read_exact(part).await.unwrap();
            }
            (client, all)
        });
        server.write_all(b"three times eight bytes.").await.unwrap();
        let (client, all) = reader.await.unwrap();
        assert_eq!(&all, b"three times eight bytes.");
        let failed = server.write_all(b"more than the buffer").await.unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::TimedOut);
        drop(client);
    }
}
