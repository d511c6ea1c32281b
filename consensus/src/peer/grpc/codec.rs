//! The bytes of a message as they are: gRPC frames them, nothing is encoded a second time.
//!
//! Not here: limits of size, which the framing checks before a byte is copied.

use bytes::{Buf, BufMut};
use tokio::sync::OwnedSemaphorePermit;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// Carries byte strings.
#[derive(Debug, Default)]
pub(super) struct RawCodec {
    /// Held until the answer has been handed to the connection, so that answers which a slow
    /// reader does not take count as requests under way.
    permits: Vec<OwnedSemaphorePermit>,
}

impl RawCodec {
    /// A codec whose encoder holds permits for as long as it lives.
    pub(super) const fn holding(permits: Vec<OwnedSemaphorePermit>) -> Self {
        Self { permits }
    }
}

impl Codec for RawCodec {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = RawEncoder;
    type Decoder = RawDecoder;

    fn encoder(&mut self) -> RawEncoder {
        RawEncoder { _permits: std::mem::take(&mut self.permits) }
    }

    fn decoder(&mut self) -> RawDecoder {
        RawDecoder
    }
}

/// Puts bytes into a frame.
#[derive(Debug)]
pub(super) struct RawEncoder {
    _permits: Vec<OwnedSemaphorePermit>,
}

impl Encoder for RawEncoder {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, frame: &mut EncodeBuf<'_>) -> Result<(), Status> {
        frame.reserve(item.len());
        frame.put_slice(&item);
        Ok(())
    }
}

/// Takes bytes out of a frame.
#[derive(Debug)]
pub(super) struct RawDecoder;

impl Decoder for RawDecoder {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, frame: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut bytes = vec![0; frame.remaining()];
        frame.copy_to_slice(&mut bytes);
        Ok(Some(bytes))
    }
}
