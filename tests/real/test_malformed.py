"""Every broken, odd or hostile JPEG gives a picture or a reason, at once and within bounds."""

from __future__ import annotations

import json
import resource
import warnings
from pathlib import Path

import pytest

from annotator.domain import Reason
from annotator.errors import CaptureUnreadable
from annotator.inference.image import Fit, Picture, decode

SENSIBLE = {
    "zero_byte": {Reason.EMPTY, Reason.TRUNCATED},
    "truncated": {Reason.TRUNCATED, None},
    "not_jpeg_named_jpg": {Reason.NOT_JPEG},
    "cmyk": {Reason.UNSUPPORTED},
    "lossless_or_12bit": {Reason.UNSUPPORTED},
    "huge_dimensions": {Reason.TOO_LARGE, None},
    "corrupt": {Reason.CORRUPT, Reason.TRUNCATED, Reason.NOT_JPEG, None},
    "odd_structure": {None, Reason.TRUNCATED},
    "bad_metadata": {None},
    "exif_rotated": {None},
    "grayscale": {None},
    "progressive": {None},
    "tiny": {None},
    "arithmetic": {None},
    "normal_control": {None},
}
"""What may come of each kind; None is a picture. Cut files without a whole scan lost are pictures:
only the end marker is missing, or an encoder's later scans."""

EXACTLY = {
    "jpeg-dec_empty.jpg": Reason.EMPTY,
    "syn_one_byte.jpg": Reason.TRUNCATED,
    "syn_pets_cut02.jpg": Reason.TRUNCATED,
    "syn_pets_cut50.jpg": Reason.TRUNCATED,
    "syn_pets_cut97.jpg": Reason.TRUNCATED,
    "syn_pets_zerotail.jpg": Reason.TRUNCATED,
    "syn_pets_noeoi.jpg": None,
    "syn_pets_bitrot.jpg": None,
    "syn_pets_sof65500.jpg": Reason.TOO_LARGE,
    "syn_16383x8000_flat.jpg": Reason.TOO_LARGE,
    "jpeg-dec_max_size.jpg": Reason.TOO_LARGE,
    "syn_200x20000_strip.jpg": None,
    "jpeg-dec_missing-sos.jpg": Reason.CORRUPT,
}


def need(width: int, height: int) -> tuple[int, int]:
    return 300, 300


def looked_at(path: Path, *, turbo: bool) -> Picture | CaptureUnreadable:
    try:
        return decode(path.read_bytes(), max_megapixels=50, need=need, turbo=turbo)
    except CaptureUnreadable as error:
        return error


@pytest.mark.parametrize("turbo", [True, False])
def test_every_malformed_file(shared: Path, turbo: bool) -> None:
    folder = shared / "data" / "malformed"
    labels = json.loads((folder / "labels.json").read_text())["files"]
    assert len(labels) >= 70
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unexpected = []
    for label in labels:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = looked_at(folder / label["file"], turbo=turbo)
        if isinstance(result, Picture):
            reason = None
            # It does not fail later either.
            assert result.pixels().shape == (result.height, result.width, 3)
            assert result.fitted(300, 300, Fit.LETTERBOX).pixels.shape == (300, 300, 3)
        else:
            reason = result.reason
            assert str(result)
            assert result.final == (reason not in (Reason.EMPTY, Reason.TRUNCATED))
        allowed = SENSIBLE[label["category"]]
        if label["file"] in EXACTLY:
            allowed = {EXACTLY[label["file"]]}
        if reason not in allowed:
            unexpected.append((label["file"], label["category"], reason))
    assert not unexpected
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) / 1024
    assert grown_mb < 150, "a hostile header made the decoder allocate"


def test_a_cut_capture_fails_wherever_it_is_cut(shared: Path) -> None:
    whole = (shared / "data" / "coral" / "cat_720p.jpg").read_bytes()
    for share in range(1, 20):
        with pytest.raises(CaptureUnreadable) as raised:
            decode(whole[: len(whole) * share // 20], max_megapixels=50, need=need)
        assert raised.value.reason is Reason.TRUNCATED
        assert not raised.value.final
