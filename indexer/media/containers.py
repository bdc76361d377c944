"""Which containers and codecs of videos are read, told apart by content and never by a file's name.

The container that the first bytes show is opened by its own demuxer, and a decoder runs only if it stands
in these lists. Of FFmpeg's 350 demuxers some open further files and addresses (concat, hls, dash); it has
more than 500 decoders.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from indexer.media.brands import picture_brand
from indexer.media.errors import Undecodable, UnsupportedFormat

# Packets of MPEG-TS: plain, after the four bytes of a clock (Blu-ray, AVCHD), before a checksum.
TS_PACKETS = (188, 192, 204)
TS_PACKETS_SEEN = 8


@dataclass(frozen=True)
class ContainerFormat:
    """One container: FFmpeg's demuxer for it, its media type, and what people call it."""

    demuxer: str
    media_type: str
    name: str
    # Its clock may jump: recordings that were joined, or whose counter ran over.
    clock_jumps: bool = False
    # By an index of its own; in the others FFmpeg guesses, and lands near a time or far from it.
    seeks_exactly: bool = False


MP4 = ContainerFormat("mov,mp4,m4a,3gp,3g2,mj2", "video/mp4", "MP4 or MOV", seeks_exactly=True)
MATROSKA = ContainerFormat("matroska,webm", "video/x-matroska", "Matroska or WebM", seeks_exactly=True)
AVI = ContainerFormat("avi", "video/x-msvideo", "AVI", seeks_exactly=True)
PROGRAM_STREAM = ContainerFormat("mpeg", "video/mpeg", "MPEG program stream", clock_jumps=True)
TRANSPORT_STREAM = ContainerFormat("mpegts", "video/mp2t", "MPEG transport stream", clock_jumps=True)
FLASH = ContainerFormat("flv", "video/x-flv", "Flash video")
WINDOWS_MEDIA = ContainerFormat("asf", "video/x-ms-wmv", "Windows Media")
OGG = ContainerFormat("ogg", "video/ogg", "Ogg")

# Media types of which the stated length may be wrong.
CLOCKS_THAT_JUMP = {known.media_type for known in (PROGRAM_STREAM, TRANSPORT_STREAM)}
# The whole list, also for what a container holds inside itself.
DEMUXERS = tuple(
    known.demuxer
    for known in (MP4, MATROSKA, AVI, PROGRAM_STREAM, TRANSPORT_STREAM, FLASH, WINDOWS_MEDIA, OGG)
)
# Decoders by FFmpeg's names, a line for each field that they come from.
_VIDEO_DECODERS = (
    "h264 hevc vp8 libvpx vp9 libvpx-vp9 av1 libdav1d mjpeg png "  # the web, phones and cameras
    "mpeg1video mpeg2video mpeg4 dvvideo "  # discs, broadcasts, tapes
    "flv vp6 vp6f vp6a h263 h263p h263i theora vp3 flashsv flashsv2 "  # the web of Flash and Ogg
    "wmv1 wmv2 wmv3 vc1 msmpeg4v1 msmpeg4 msmpeg4v2 msmpeg4v3 "  # Windows
    "cinepak svq1 svq3 indeo3 indeo4 indeo5 msvideo1 qtrle rpza "  # CD-ROMs
    "prores dnxhd ffv1 huffyuv ffvhuff utvideo rawvideo v210"  # editing and archives
)
_AUDIO_DECODERS = (
    "aac aac_latm mp3 mp3float mp2 mp2float mp1 mp1float opus libopus vorbis flac alac "
    "ac3 eac3 dca pcm_dvd pcm_bluray "
    "wmav1 wmav2 wmapro wmavoice wmalossless speex nellymoser adpcm_swf "
    "amrnb amrwb libopencore_amrnb libopencore_amrwb gsm_ms qdm2 qdmc "
    "adpcm_ms adpcm_ima_wav adpcm_ima_qt mace3 mace6 "
    "pcm_s16le pcm_s16be pcm_s24le pcm_s24be pcm_s32le pcm_f32le pcm_u8 pcm_s8 pcm_alaw pcm_mulaw"
)
VIDEO_DECODERS, AUDIO_DECODERS = frozenset(_VIDEO_DECODERS.split()), frozenset(_AUDIO_DECODERS.split())


def container_of(payload: bytes) -> ContainerFormat | None:
    """Tells by the first bytes which of the containers this is; None: none of them."""
    if picture_brand(payload) is not None:
        return None  # a HEIC or AVIF, whose boxes are those of an MP4
    return next((known for known, begins in _SIGNATURES if begins(payload[:4096])), None)


def looks_like_video(payload: bytes) -> bool:
    """Whether the first bytes are those of a container that is read."""
    return container_of(payload) is not None


def _is_mp4(head: bytes) -> bool:
    return head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")


def _is_program_stream(head: bytes) -> bool:
    # A pack header, at once, after zeros, or in the first sector of a Video CD.
    at = head.find(b"\x00\x00\x01\xba")
    on_video_cd = head[:4] == b"RIFF" and head[8:12] == b"CDXA"
    if at < 0 or not (on_video_cd or not head[:at].strip(b"\x00")):
        return False
    clock = head[at + 4 : at + 5]
    return bool(clock) and (clock[0] & 0xC4 == 0x44 or clock[0] & 0xF1 == 0x21)  # MPEG-2, MPEG-1


def _is_transport_stream(head: bytes) -> bool:
    """A recording may begin within a packet, so that the first sync byte stands anywhere."""
    return any(_has_packets(head, size, at) for size in TS_PACKETS for at in range(size))


def _has_packets(head: bytes, size: int, at: int) -> bool:
    if len(head) < at + size * TS_PACKETS_SEEN:
        return False
    # What follows a sync byte, too: a plain picture can be made of nothing but sync bytes.
    packets = (head[start : start + 4] for start in range(at, at + size * TS_PACKETS_SEEN, size))
    return all(packet[0] == 0x47 and packet[3] & 0xC0 == 0 and packet[3] & 0x30 for packet in packets)


_SIGNATURES: tuple[tuple[ContainerFormat, Callable[[bytes], bool]], ...] = (
    (MP4, _is_mp4),
    (MATROSKA, lambda head: head[:4] == b"\x1a\x45\xdf\xa3"),
    (AVI, lambda head: head[:4] == b"RIFF" and head[8:12] == b"AVI "),
    (FLASH, lambda head: head[:4] == b"FLV\x01"),
    (WINDOWS_MEDIA, lambda head: head[:16] == bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")),
    (OGG, lambda head: head[:4] == b"OggS"),
    (PROGRAM_STREAM, _is_program_stream),
    (TRANSPORT_STREAM, _is_transport_stream),
)


def open_container(payload: bytes) -> tuple[InputContainer, ContainerFormat]:
    """Opens a container that may refer to nothing outside itself. Raises UnsupportedFormat, Undecodable."""
    known = container_of(payload)
    if known is None:
        raise UnsupportedFormat("no container of videos that is read")
    options = {
        "format_whitelist": ",".join(DEMUXERS),
        "codec_whitelist": ",".join(sorted(VIDEO_DECODERS | AUDIO_DECODERS)),
        "protocol_whitelist": "none",
    }
    demuxer = known.demuxer.partition(",")[0]
    try:
        opened = av.open(io.BytesIO(payload), "r", demuxer, options=options, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        raise Undecodable(f"this {known.name} file is damaged, or cut off before its pictures") from error
    return opened, known


def decoder_name(stream: VideoStream | AudioStream) -> str:
    """Returns FFmpeg's name of the decoder that would run; "an unknown codec" where it has none."""
    # The context is missing where FFmpeg knows no decoder, whatever the annotation says.
    return str(getattr(getattr(stream.codec_context, "codec", None), "name", "an unknown codec"))


def allow_one_decoder(stream: VideoStream | AudioStream, **options: str) -> None:
    """Has FFmpeg itself refuse any other decoder than the one that was looked at, and sets `options`."""
    stream.codec_context.options = {"codec_whitelist": decoder_name(stream), **options}


def media_type_of(container: InputContainer, known: ContainerFormat, decoder: str) -> str:
    """Returns the media type, as far as what is inside tells it more closely."""
    if known is MP4 and container.metadata.get("major_brand", "").strip() == "qt":
        return "video/quicktime"
    if known is MATROSKA and decoder.startswith(("vp8", "vp9", "av1", "libdav1d", "libvpx")):
        return "video/webm"
    return known.media_type
