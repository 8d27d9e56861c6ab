//! Damage to what is read: a wrong bit, or an end that is missing.

use bytes::Bytes;
use futures::StreamExt;
use object_store::{GetOptions, GetRange, GetResult, GetResultPayload, Result};

/// The answer with one bit of its bytes flipped; the bit's number counts modulo the bits that there are.
pub(super) async fn flip(result: GetResult, bit: u64) -> Result<GetResult> {
    let GetResult { meta, range, attributes, .. } = &result;
    let (meta, range, attributes) = (meta.clone(), range.clone(), attributes.clone());
    let mut bytes = result.bytes().await?.to_vec();
    if let Some(at) = bit.checked_rem(bytes.len() as u64 * 8)
        && let Some(byte) = bytes.get_mut((at / 8) as usize)
    {
        *byte ^= 1 << (at % 8);
    }
    Ok(GetResult { payload: once(bytes.into()), meta, range, attributes })
}

/// What to ask of the whole object so that [`cut`] can answer the request.
pub(super) fn whole(options: &GetOptions) -> GetOptions {
    GetOptions { range: None, head: false, ..options.clone() }
}

/// The answer to the request if the object had only so many bytes.
pub(super) async fn cut(whole: GetResult, options: &GetOptions, keep: u64) -> Result<GetResult> {
    let (mut meta, attributes) = (whole.meta.clone(), whole.attributes.clone());
    let bytes = whole.bytes().await?;
    let size = meta.size.min(keep);
    meta.size = size;
    let range = match &options.range {
        None => 0..size,
        // A range that begins behind the end is refused by every store.
        Some(GetRange::Bounded(range)) if range.start < size => range.start..range.end.min(size),
        Some(GetRange::Offset(start)) if *start < size => *start..size,
        Some(GetRange::Suffix(length)) => size.saturating_sub(*length)..size,
        Some(range) => return Err(super::fault::failed(&format!("416 range {range:?} of {size} bytes"))),
    };
    let kept = if options.head { Bytes::new() } else { bytes.slice(range.start as usize..range.end as usize) };
    Ok(GetResult { payload: once(kept), meta, range, attributes })
}

fn once(bytes: Bytes) -> GetResultPayload {
    GetResultPayload::Stream(futures::stream::once(async move { Ok(bytes) }).boxed())
}
