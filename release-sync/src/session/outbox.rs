//! Bytes that wait to be sent, some of them shared with other sessions.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::wire::FrameBytes;

#[derive(Debug)]
enum Chunk {
    Own(Vec<u8>),
    Shared(Arc<FrameBytes>),
}

impl Chunk {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// A queue of frames, sent in whatever pieces the transport takes.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    chunks: VecDeque<Chunk>,
    /// Bytes of the first chunk that were sent.
    sent: usize,
    bytes: usize,
    /// Bytes that are gone, since the beginning.
    gone: u64,
}

impl Outbox {
    pub(super) fn push(&mut self, frame: Vec<u8>) {
        self.push_chunk(Chunk::Own(frame));
    }

    pub(super) fn push_shared(&mut self, frame: Arc<FrameBytes>) {
        self.push_chunk(Chunk::Shared(frame));
    }

    fn push_chunk(&mut self, chunk: Chunk) {
        self.bytes += chunk.bytes().len();
        self.chunks.push_back(chunk);
    }

    /// The bytes that are to go next.
    pub(super) fn front(&self) -> Option<&[u8]> {
        self.chunks.front().map(|chunk| &chunk.bytes()[self.sent..])
    }

    /// Everything that is to go.
    pub(super) fn all(&self) -> Vec<u8> {
        let bytes: Vec<&[u8]> = self.chunks.iter().map(Chunk::bytes).collect();
        bytes.concat()[self.sent..].to_vec()
    }

    /// `count` bytes of [`Self::front`] are gone.
    pub(super) fn consume(&mut self, count: usize) {
        self.sent += count;
        self.bytes -= count;
        self.gone += count as u64;
        if self
            .chunks
            .front()
            .is_some_and(|chunk| self.sent >= chunk.bytes().len())
        {
            self.chunks.pop_front();
            self.sent = 0;
        }
    }

    /// Forgets every frame of which no byte was sent: a frame that was begun has to be ended.
    pub(super) fn drop_unsent(&mut self) {
        self.chunks.truncate(usize::from(self.sent > 0));
        self.bytes = self.front().map_or(0, <[u8]>::len);
    }

    /// How many bytes are gone, since the beginning.
    pub(super) fn gone(&self) -> u64 {
        self.gone
    }

    /// How many will be gone when all is sent that is here now.
    pub(super) fn end(&self) -> u64 {
        self.gone + self.bytes as u64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
