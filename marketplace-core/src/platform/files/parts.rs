//! The structure of picture files: each format is walked to its end. This detects truncated files and animations, finds the
//! end of the picture, and separates the picture from its metadata.

/// The end of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The picture ends here; anything after it was appended.
    At(usize),
    /// The picture is animated, and was not walked further.
    Animated,
}

/// One part of a file.
pub(super) struct Part<'a> {
    /// The second byte of a JPEG marker, in the first position; or the name of a chunk.
    name: [u8; 4],
    /// The whole part, with its name, length and checksum.
    bytes: &'a [u8],
}

/// Walks a picture and calls `tell` for each part; bytes between parts belong to none. Returns `None` when the picture is
/// truncated, or does not have the format that its first bytes indicate.
pub(super) fn walk<'a>(media_type: &str, bytes: &'a [u8], tell: &mut dyn FnMut(Part<'a>)) -> Option<End> {
    match media_type {
        "image/jpeg" => jpeg(bytes, tell),
        "image/png" => png(bytes, tell),
        "image/webp" => webp(bytes, tell),
        _ => None,
    }
}

/// Returns the same picture without its metadata: where, when, with what and by whom it was taken, how it was edited, and
/// an older thumbnail. The pixels are unchanged. The parts to keep are listed, so no unknown part is kept.
pub(super) fn strip(media_type: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut kept = Vec::with_capacity(bytes.len());
    match media_type {
        "image/jpeg" => {
            kept.extend_from_slice(&[0xFF, 0xD8]);
            walk(media_type, bytes, &mut |part| {
                if jpeg_keeps(part.name[0], part.bytes) {
                    kept.extend_from_slice(part.bytes);
                }
            })?;
        }
        "image/png" => {
            kept.extend_from_slice(bytes.get(..8)?);
            walk(media_type, bytes, &mut |part| {
                if PNG_KEPT.contains(&&part.name) {
                    kept.extend_from_slice(part.bytes);
                }
            })?;
        }
        _ => {
            kept.extend_from_slice(b"RIFF\0\0\0\0WEBP");
            walk(media_type, bytes, &mut |part| {
                if WEBP_KEPT.contains(&&part.name) {
                    let flags = kept.len() + 8;
                    kept.extend_from_slice(part.bytes);
                    if let Some(flags) = kept.get_mut(flags).filter(|_| part.name == *b"VP8X") {
                        // Of the announced features, only transparency is left (RFC 9649 §2.7).
                        *flags &= 0x10;
                    }
                    if kept.len() % 2 == 1 {
                        kept.push(0);
                    }
                }
            })?;
            let length = u32::try_from(kept.len().checked_sub(8)?).ok()?;
            kept.get_mut(4..8)?.copy_from_slice(&length.to_le_bytes());
        }
    }
    Some(kept)
}

/// The picture itself, its transparency, and the meaning of its color values; ancillary texts, times and profiles are
/// removed.
const PNG_KEPT: [&[u8; 4]; 9] = [b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"cICP"];
/// The picture, lossy or lossless, and its transparency.
const WEBP_KEPT: [&[u8; 4]; 4] = [b"VP8X", b"VP8 ", b"VP8L", b"ALPH"];

/// Frames, tables, scans and the end (ITU-T T.81, table B.1). Of the application segments only the two that define the
/// meaning of the values are kept, and only when they contain nothing else: JFIF without a thumbnail, and Adobe's with the
/// color transform.
fn jpeg_keeps(marker: u8, segment: &[u8]) -> bool {
    match marker {
        0xE0 => segment.len() == 18 && segment.get(4..9) == Some(b"JFIF\0"),
        0xEE => segment.len() == 16 && segment.get(4..9) == Some(b"Adobe"),
        0xC8 => false,
        0xC0..=0xCF | 0xD9..=0xDF => true,
        _ => false,
    }
}

/// Walks markers and segments up to `EOI` (ITU-T T.81, annex B). A scan's compressed data belongs to its segment.
fn jpeg<'a>(bytes: &'a [u8], tell: &mut dyn FnMut(Part<'a>)) -> Option<End> {
    let mut at = 2;
    loop {
        if *bytes.get(at)? != 0xFF {
            return None;
        }
        let marker = *bytes.get(at + 1)?;
        let next = match marker {
            // Fill bytes before a marker.
            0xFF => {
                at += 1;
                continue;
            }
            // Markers without a segment.
            0xD9 | 0x01 | 0xD0..=0xD7 => at + 2,
            0x00 | 0xD8 => return None,
            _ => {
                let length = usize::from(u16::from_be_bytes([*bytes.get(at + 2)?, *bytes.get(at + 3)?]));
                if length < 2 {
                    return None;
                }
                let next = at + 2 + length;
                if marker == 0xDA { scan_end(bytes, next)? } else { next }
            }
        };
        tell(Part { name: [marker, 0, 0, 0], bytes: bytes.get(at..next)? });
        if marker == 0xD9 {
            return Some(End::At(next));
        }
        at = next;
    }
}

/// Returns where the compressed data of a scan ends: at a marker that is neither a stuffed zero nor a restart.
fn scan_end(bytes: &[u8], start: usize) -> Option<usize> {
    let scan = bytes.get(start..)?;
    let marker =
        scan.windows(2).position(|pair| matches!(pair, [0xFF, next] if !matches!(next, 0x00 | 0xD0..=0xD7)))?;
    Some(start + marker)
}

/// Walks chunks up to `IEND` (ISO/IEC 15948 §5.3). `acTL` marks an animation.
fn png<'a>(bytes: &'a [u8], tell: &mut dyn FnMut(Part<'a>)) -> Option<End> {
    let mut at = 8;
    loop {
        let (length, name) = bytes.get(at..at + 8)?.split_at_checked(4)?;
        let length = usize::try_from(u32::from_be_bytes(length.try_into().ok()?)).ok()?;
        let next = at.checked_add(length)?.checked_add(12)?;
        let name: [u8; 4] = name.try_into().ok()?;
        tell(Part { name, bytes: bytes.get(at..next)? });
        match &name {
            b"IEND" => return Some(End::At(next)),
            b"acTL" => return Some(End::Animated),
            _ => at = next,
        }
    }
}

/// Uses the RIFF container's own length (WebP container specification, RFC 9649 §2.4). `ANIM` marks an animation.
fn webp<'a>(bytes: &'a [u8], tell: &mut dyn FnMut(Part<'a>)) -> Option<End> {
    let little = |at: usize| {
        let four = bytes.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(four)).ok()
    };
    if bytes.get(..4)? != b"RIFF" {
        return None;
    }
    let end = little(4)?.checked_add(8)?;
    bytes.get(..end)?;
    let mut at = 12;
    while at < end {
        let next = at.checked_add(8)?.checked_add(little(at + 4)?)?;
        if next > end {
            return None;
        }
        let name: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
        if matches!(&name, b"ANIM" | b"ANMF") {
            return Some(End::Animated);
        }
        tell(Part { name, bytes: bytes.get(at..next)? });
        at = next + next % 2;
    }
    Some(End::At(end))
}
