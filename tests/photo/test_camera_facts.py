"""What EXIF tells of a shot, and what cameras write where they know nothing."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from nsp_cli.photo import CameraFacts, Photo, camera_facts


def shot(**tags: object) -> Photo:
    exif = Image.Exif()
    exif[271], exif[272] = "Canon", "Canon EOS 350D"
    exif._ifds[0x8769] = {int(tag[1:]): value for tag, value in tags.items()}
    block = exif.tobytes().removeprefix(b"Exif\0\0")
    return Photo(np.zeros((8, 8, 3), np.uint8), exif=block)


def test_a_shot_in_a_line():
    facts = camera_facts(
        shot(
            t33434=IFDRational(1, 60),
            t33437=IFDRational(28, 10),
            t37386=IFDRational(50),
            t34855=800,
            t42036="EF 50mm",
            t36867="2006:10:06 15:13:54",
        )
    )
    line = "Canon EOS 350D · EF 50mm · 1/60 s · f/2.8 · 50 mm · ISO 800 · 2006:10:06 15:13:54"
    assert facts.describe() == line


@pytest.mark.parametrize(("seconds", "text"), [(1 / 4000, "1/4000 s"), (0.5, "0.5 s"), (30, "30 s")])
def test_exposures_as_photographers_write_them(seconds, text):
    assert CameraFacts(exposure=seconds).describe() == text


def test_unknown_values_say_nothing():
    facts = camera_facts(shot(t33434=IFDRational(0, 1), t33437="wide", t34855=0))
    assert facts == CameraFacts(camera="Canon EOS 350D")
    assert CameraFacts().describe() == ""
