//! Ends connections of clients that ask and do not take the answer.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::listen::places::Occupant;

/// A stream whose writes fail once nothing of them was taken for a while.
pub(crate) struct Unstalled<S> {
    stream: S,
    patience: Duration,
    occupant: Arc<Occupant>,
    /// Runs while a write waits.
    over: Option<Pin<Box<Sleep>>>,
}

impl<S> Unstalled<S> {
    pub(crate) fn new(stream: S, patience: Duration, occupant: Arc<Occupant>) -> Self {
        Self { stream, patience, occupant, over: None }
    }

    fn judge<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            if self.over.take().is_some() {
                self.occupant.set_stalled(false);
            }
            return written;
        }
        let over = self.over.get_or_insert_with(|| {
            self.occupant.set_stalled(true);
            Box::pin(tokio::time::sleep(self.patience))
        });
        over.as_mut().poll(context).map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "it takes no answer")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Unstalled<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Unstalled<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.judge(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.judge(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.stream).poll_shutdown(context);
        self.judge(context, closed)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_write_that_is_taken_goes_on_and_one_that_is_not_fails() {
        let (mut client, server) = tokio::io::duplex(8);
        let place = crate::listen::places::Places::new(1).take().await.unwrap();
        let mut server = Unstalled::new(server, Duration::from_millis(200), place.occupant.clone());
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
