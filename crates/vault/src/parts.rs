// SPDX-License-Identifier: Apache-2.0
//! A stream of bytes, cut into the parts of an upload: each takes just its own memory, however the bytes come.
//!
//! A part that was used up is given back, and the next one fills it. Else each would be allocated on one thread and freed on the one
//! that writes, and an allocator keeps such memory for a long time: of a file of two gigabytes, 400 megabytes.

use bytes::{Bytes, BytesMut};
use futures::stream::{Stream, StreamExt};

/// Parts of an upload have this size, but for the last: the smallest that S3 takes, since there are three of each of
/// several uploads in memory, one plain and two sealed.
pub(crate) const PART_BYTES: usize = 5 * 1024 * 1024;

pub(crate) struct Parts<B> {
    bytes: B,
    /// What came with too much for the part before.
    rest: Bytes,
    /// A part that was given back, empty.
    spare: BytesMut,
}

impl<E, B: Stream<Item = Result<Bytes, E>> + Unpin> Parts<B> {
    pub(crate) fn of(bytes: B) -> Parts<B> {
        Parts { bytes, rest: Bytes::new(), spare: BytesMut::new() }
    }

    /// The next bytes, `most` of them unless it ends before, in memory that grows with them.
    pub(crate) async fn head(&mut self, memory: BytesMut, most: usize) -> Result<Bytes, E> {
        self.fill(memory, most).await
    }

    /// Has these bytes come again before all others. Only after [`head`](Self::head), of what it gave.
    pub(crate) fn put_back(&mut self, head: Bytes) {
        self.rest = match self.rest.is_empty() {
            true => head,
            false => [head, std::mem::take(&mut self.rest)].concat().into(),
        };
    }

    /// The next part; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, E> {
        let mut part = std::mem::take(&mut self.spare);
        part.reserve(PART_BYTES);
        let part = self.fill(part, PART_BYTES).await?;
        Ok(Some(part).filter(|part| !part.is_empty()))
    }

    /// Takes a part back, for the next one to use its memory.
    pub(crate) fn give_back(&mut self, part: Bytes) {
        self.spare = emptied(part);
    }

    async fn fill(&mut self, mut part: BytesMut, size: usize) -> Result<Bytes, E> {
        while part.len() < size {
            if self.rest.is_empty() {
                match self.bytes.next().await.transpose()? {
                    Some(bytes) => self.rest = bytes,
                    None => break,
                }
                continue;
            }
            let taken = self.rest.len().min(size - part.len());
            part.extend_from_slice(&self.rest.split_to(taken));
        }
        Ok(part.freeze())
    }
}

/// The memory of bytes that nobody else holds any more, else none.
pub(crate) fn emptied(bytes: Bytes) -> BytesMut {
    let mut buffer = bytes.try_into_mut().unwrap_or_default();
    buffer.clear();
    buffer
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use futures::stream;

    use super::*;

    /// How long each part is, of pieces of this length.
    fn lengths(pieces: usize, length: usize, head: usize) -> Vec<usize> {
        let piece = Bytes::from(vec![7; length]);
        let bytes = stream::iter(std::iter::repeat_n(Ok::<_, ()>(piece), pieces));
        block_on(async {
            let mut parts = Parts::of(bytes);
            let first = parts.head(BytesMut::new(), head).await.unwrap();
            assert_eq!(first.len(), head.min(pieces * length));
            parts.put_back(first);
            let mut lengths = Vec::new();
            while let Some(part) = parts.next().await.unwrap() {
                lengths.push(part.len());
                parts.give_back(part);
            }
            lengths
        })
    }

    #[test]
    fn a_part_that_is_given_back_is_used_again_unless_somebody_holds_it() {
        let piece = Bytes::from(vec![7; PART_BYTES]);
        let mut parts = Parts::of(stream::iter(std::iter::repeat_n(Ok::<_, ()>(piece), 3)));
        block_on(async {
            let first = parts.next().await.unwrap().unwrap();
            let place = first.as_ptr();
            parts.give_back(first);
            let second = parts.next().await.unwrap().unwrap();
            assert_eq!((second.as_ptr(), second.len()), (place, PART_BYTES));
            parts.give_back(second.clone());
            let third = parts.next().await.unwrap().unwrap();
            assert!(third.as_ptr() != place && second[..] == third[..]);
        });
    }

    #[test]
    fn parts_have_one_size_and_the_last_the_rest() {
        assert_eq!(
            lengths(3, 2 * PART_BYTES - 1, 10),
            [PART_BYTES, PART_BYTES, PART_BYTES, PART_BYTES, PART_BYTES, PART_BYTES - 3]
        );
        assert_eq!(lengths(1000, 7000, PART_BYTES + 1), [PART_BYTES, 7_000_000 - PART_BYTES]);
        assert_eq!(lengths(2, PART_BYTES, PART_BYTES), [PART_BYTES, PART_BYTES]);
        assert_eq!(lengths(4, 0, 10), [0; 0]);
    }
}
