//! The wire between Letopis clients of this measurement and a node: frames over one connection.
//!
//! A frame is a length (u32, big-endian, of what follows), the client's number on the connection
//! (u32) and a body. Many clients share a connection, as gRPC's do; answers come in any order, and
//! what is ready to be sent goes out with one call. A request holds a signed record, or nothing: a
//! question for the number of leaves. An answer begins with a byte, [`DONE`] or [`REFUSED`].
//! Not here: anything that a service would need, like authentication. Users have HTTP.

use anyhow::Context;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

/// First byte of the answer to a request that was done.
pub(crate) const DONE: u8 = 0;
/// First byte of the answer to one that was not; the reason follows as text.
pub(crate) const REFUSED: u8 = 1;

/// Most bytes of a frame.
const FRAME_BYTES_MAX: usize = 1 << 20;
/// Frames that may wait to be written.
const WAITING: usize = 1024;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) client: u32,
    pub(crate) body: Vec<u8>,
}

/// Both directions of a connection. Writing goes on for as long as a sender is held.
pub(crate) fn split(stream: TcpStream) -> anyhow::Result<(Reader, mpsc::Sender<Frame>)> {
    stream.set_nodelay(true)?;
    let (read, write) = stream.into_split();
    let (sender, waiting) = mpsc::channel(WAITING);
    tokio::spawn(write_all(waiting, write));
    Ok((Reader(BufReader::with_capacity(64 << 10, read)), sender))
}

async fn write_all(mut waiting: mpsc::Receiver<Frame>, mut stream: OwnedWriteHalf) {
    let (mut frames, mut bytes) = (Vec::new(), Vec::new());
    while waiting.recv_many(&mut frames, WAITING).await > 0 {
        bytes.clear();
        for frame in frames.drain(..) {
            encode(&frame, &mut bytes);
        }
        // The other side has gone; its reader says so where it matters.
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

fn encode(frame: &Frame, into: &mut Vec<u8>) {
    let length = u32::try_from(frame.body.len() + 4).expect("invariant: a frame is small");
    into.extend_from_slice(&length.to_be_bytes());
    into.extend_from_slice(&frame.client.to_be_bytes());
    into.extend_from_slice(&frame.body);
}

/// The reading side of a connection.
#[derive(Debug)]
pub(crate) struct Reader(BufReader<OwnedReadHalf>);

impl Reader {
    /// The next frame; an error when the connection ends.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Frame> {
        decode(&mut self.0).await
    }
}

async fn decode(from: &mut (impl AsyncRead + Unpin)) -> anyhow::Result<Frame> {
    let length = from.read_u32().await? as usize;
    anyhow::ensure!(length <= FRAME_BYTES_MAX, "a frame of {length} bytes");
    let client = from.read_u32().await?;
    let mut body = vec![0; length.checked_sub(4).context("a frame without its client")?];
    from.read_exact(&mut body).await?;
    Ok(Frame { client, body })
}

#[cfg(test)]
mod tests {
    use super::{Frame, decode, encode};

    #[tokio::test]
    async fn frames_come_out_as_they_went_in() {
        let frames =
            [Frame { client: 0, body: vec![] }, Frame { client: u32::MAX, body: vec![7; 1000] }];
        let mut bytes = Vec::new();
        for frame in &frames {
            encode(frame, &mut bytes);
        }
        let mut from = bytes.as_slice();
        for frame in &frames {
            assert_eq!(&decode(&mut from).await.expect("whole"), frame);
        }
        assert!(decode(&mut from).await.is_err());
        assert!(decode(&mut [0_u8, 0, 0, 3, 0, 0, 0, 0].as_slice()).await.is_err());
        assert!(decode(&mut [0xff_u8; 8].as_slice()).await.is_err());
    }
}
