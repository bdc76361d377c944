"""What is read, in words, and the names of what is not: so that a refusal says what was refused."""

PICTURES = "a JPEG, PNG, WebP, AVIF, HEIC, TIFF, GIF or BMP image"
VIDEOS = "a video (MP4, MOV, WebM, MKV, AVI, MPEG-PS, MPEG-TS, FLV, WMV, OGG)"
# First bytes, and what begins so. What names other files or addresses is never opened, whatever is in it.
NAMES = (
    (b"#EXTM3U", "an HLS playlist, which only names other files"),
    (b"ffconcat", "a list of files to be joined"),
    (b"<MPD", "a DASH manifest, which only names other files"),
    (b"[playlist]", "a playlist, which only names other files"),
    (b"\x00\x05\x16\x07", "an AppleDouble file: what macOS keeps beside a file, not the file itself"),
    (b".RMF", "a RealMedia file"),
    (b"\x06\x0e\x2b\x34", "an MXF file"),
    (b"FWS", "a Flash animation (SWF)"),
    (b"CWS", "a Flash animation (SWF)"),
    (b"\x00\x00\x01\xb3", "an MPEG video stream without its container"),
    (b"\x00\x00\x00\x01\x67", "an H.264 stream without its container"),
    (b"\x00\x00\x00\x01\x40", "an HEVC stream without its container"),
    (b"DKIF", "an IVF file"),
    (b"YUV4MPEG2", "raw video (YUV4MPEG2)"),
    (b"\x1f\x07\x00", "a raw DV stream"),
    (b"ID3", "an MP3 sound file"),
    (b"\xff\xfb", "an MP3 sound file"),
    (b"fLaC", "a FLAC sound file"),
    (b"#!AMR", "an AMR sound file"),
    (b"8BPS", "a Photoshop document"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL image"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 image"),
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript document"),
    (b"PK\x03\x04", "a ZIP archive or an Office document"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"<svg", "an SVG drawing"),
    (b"<!DOCTYPE html", "a web page"),
    (b"<html", "a web page"),
)
RIFF_NAMES = {b"WAVE": "a WAV sound file"}


def why_unread(payload: bytes) -> str:
    """Says what was sent, where its first bytes tell, and what is read instead."""
    readable = f"neither {PICTURES}, nor {VIDEOS}"
    if not payload:
        return "the file is empty"
    name = _name_of(payload)
    return readable if name is None else f"this is {name}; it is {readable}"


def _name_of(payload: bytes) -> str | None:
    if payload[:4] == b"RIFF":
        return RIFF_NAMES.get(payload[8:12])
    head = payload[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(b"<?xml"):
        head = next((head[head.index(mark) :] for mark in (b"<MPD", b"<svg") if mark in head), head)
    return next((name for begins, name in NAMES if head.startswith(begins)), None)
