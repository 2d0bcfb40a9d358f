"""DICOM is read as its file says that it is to be looked at: modality, window, inversion, each by the standard's formula."""

import io
import sys

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    generate_uid,
)

from convscope.errors import BadImage
from convscope.pictures.read import read_image
from convscope.pictures.window import listed_as


def dicom(values, kind="MONOCHROME2", stored=12, syntax=ExplicitVRLittleEndian, **tags):
    """A file of (H, W), (H, W, 3) or (frames, H, W) numbers."""
    values = np.asarray(values)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid(entropy_srcs=["a"])
    meta.TransferSyntaxUID = syntax
    data = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    colour = values.ndim == 3 and values.shape[-1] == 3
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.Rows, data.Columns = values.shape[:2] if colour else values.shape[-2:]
    data.SamplesPerPixel, data.PhotometricInterpretation = (3, "RGB") if colour else (1, kind)
    if colour:
        data.PlanarConfiguration = 0
    if values.ndim == 3 and not colour:
        data.NumberOfFrames = len(values)
    data.BitsAllocated, data.BitsStored = 8 * values.itemsize, stored
    data.HighBit, data.PixelRepresentation = stored - 1, int(values.dtype.kind == "i")
    for name, value in tags.items():
        setattr(data, name, value)
    data.PixelData = values.tobytes() + b"\0" * (values.nbytes % 2)
    data["PixelData"].VR = "OB" if values.itemsize == 1 else "OW"
    stream = io.BytesIO()
    data.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


@pytest.fixture
def read(tmp_path):
    """Reads the first row of a DICOM file's gray."""

    def gray(content, **how):
        (tmp_path / "a").write_bytes(content)
        pixels = read_image(tmp_path / "a", **how)
        assert pixels.dtype == np.uint8 and (pixels == pixels[..., :1]).all()
        return pixels[0, :, 0].tolist()

    return gray


ROW = np.array([[0, 1000, 1500, 2000, 4095]], np.uint16)


def test_the_window_of_the_file_by_the_formula_of_the_standard(read):
    # PS3.3 C.11.2.1.2.1: x <= c - 0.5 - (w-1)/2 is black, x > c - 0.5 + (w-1)/2 white, ((x - (c - 0.5)) / (w-1) + 0.5) between.
    centre, width = 1500, 1001
    wanted = [0, round(((1000 - 1499.5) / 1000 + 0.5) * 255), round((0.5 / 1000 + 0.5) * 255), 255, 255]
    assert read(dicom(ROW, WindowCenter=centre, WindowWidth=width)) == wanted
    assert read(dicom(ROW, WindowCenter=["1500", "40"], WindowWidth=["1001", "80"])) == wanted
    exact = [0, 0, round(0.5 * 255), 255, 255]
    assert read(dicom(ROW, WindowCenter=1500, WindowWidth=1000, VOILUTFunction="LINEAR_EXACT")) == exact
    curve = [round(255 / (1 + np.exp(-4 * (x - 1500) / 1000))) for x in ROW[0].astype(float)]
    assert read(dicom(ROW, WindowCenter=1500, WindowWidth=1000, VOILUTFunction="SIGMOID")) == curve


def test_slope_and_intercept_come_before_the_window(read):
    # Hounsfield units: stored 0 is -1024. The lung's window, 1500 wide around -600.
    units = ROW[0].astype(float) - 1024
    wanted = np.clip(np.round(((units + 600.5) / 1499 + 0.5) * 255), 0, 255)
    content = dicom(ROW, RescaleSlope=1, RescaleIntercept=-1024, WindowCenter=-600, WindowWidth=1500)
    assert read(content) == wanted.tolist()
    assert read(content, sha256=listed_as("", (-1024.0, 3071.0))) == np.round(ROW[0] / 4095 * 255).tolist()


def test_signed_numbers_are_signed(read):
    signed = np.array([[-1000, 0, 1000]], np.int16)
    assert read(dicom(signed, stored=16, WindowCenter=0.5, WindowWidth=2001)) == [0, 128, 255]


def test_monochrome1_is_turned_round(read):
    plain = read(dicom(ROW, WindowCenter=2048, WindowWidth=4096))
    assert read(dicom(ROW, "MONOCHROME1", WindowCenter=2048, WindowWidth=4096)) == [255 - value for value in plain]


def test_without_a_window_all_that_is_there_is_seen_but_for_the_padding(read):
    assert read(dicom(ROW[:, :4])) == [0, 128, 191, 255]
    assert read(dicom(ROW, PixelPaddingValue=4095)) == [0, 128, 191, 255, 255]
    assert read(dicom(np.full((1, 3), 7, np.uint16))) == [0, 0, 0]
    assert read(dicom(ROW[:, :4], WindowCenter="nan", WindowWidth="nan")) == [0, 128, 191, 255]


def test_a_table_comes_before_a_window(read):
    table = pydicom.Dataset()
    table.LUTDescriptor, table.LUTData = [4, 1, 16], np.array([0xFFFF, 0x8000, 0x4000, 0], "<u2").tobytes()
    table["LUTDescriptor"].VR, table["LUTData"].VR = "US", "OW"
    numbers = np.array([[0, 1, 2, 3, 4, 9]], np.uint16)
    assert read(dicom(numbers, VOILUTSequence=[table], WindowCenter=2, WindowWidth=4)) == [255, 255, 128, 64, 0, 0]


def test_of_several_frames_the_first(read):
    assert read(dicom(np.stack([ROW, ROW[:, ::-1]]), WindowCenter=2048, WindowWidth=4096))[0] == 0


def test_colours_and_compressed_pixels(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    (tmp_path / "a.dcm").write_bytes(dicom(pixels, stored=8))
    assert np.array_equal(read_image(tmp_path / "a.dcm"), pixels)
    data = pydicom.dcmread(io.BytesIO(dicom(np.tile(ROW, (8, 2)), WindowCenter=2048, WindowWidth=4096)))
    plain = io.BytesIO()
    data.save_as(plain)
    (tmp_path / "b").write_bytes(plain.getvalue())
    data.compress(pydicom.uid.RLELossless)
    packed = io.BytesIO()
    data.save_as(packed)
    (tmp_path / "c").write_bytes(packed.getvalue())
    assert np.array_equal(read_image(tmp_path / "b"), read_image(tmp_path / "c"))


def test_bad_ones_say_why(tmp_path, monkeypatch):
    content = dicom(ROW)
    no_picture = pydicom.dcmread(io.BytesIO(content))
    del no_picture.PixelData, no_picture.Rows
    without = io.BytesIO()
    no_picture.save_as(without)
    for name, bad, reason in (
        ("report", without.getvalue(), "without a picture"),
        ("cut", content[:-4], "damaged"),
        ("deflated", dicom(ROW, syntax=DeflatedExplicitVRLittleEndian), "deflated"),
        ("text.dcm", b"this is a letter, not an X-ray at all" * 9, "without a picture|damaged"),
    ):
        (tmp_path / name).write_bytes(bad)
        with pytest.raises(BadImage, match=reason):
            read_image(tmp_path / name)
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(BadImage, match="too large: 5x1 pixels, the limit is 4"):
        read_image(tmp_path / "a", max_pixels=4)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(BadImage, match="pip install pydicom"):
        read_image(tmp_path / "a")


@pytest.mark.filterwarnings("ignore:::pydicom")
def test_broken_in_any_place_a_file_is_bad_and_no_more(tmp_path):
    content = dicom(np.tile(ROW, (8, 2)), WindowCenter=2048, WindowWidth=4096)
    path, random, refused = tmp_path / "a", np.random.default_rng(0), 0
    damaged = [content[:length] for length in range(132, len(content), 9)]
    for _ in range(150):
        flipped = bytearray(content)
        for place in random.integers(132, len(content), 3):
            flipped[place] = random.integers(0, 256)
        damaged.append(bytes(flipped))
    for broken in damaged:
        path.write_bytes(broken)
        try:
            read_image(path, max_pixels=1_000_000)
        except BadImage:
            refused += 1
    assert refused > 50


@pytest.mark.parametrize(("kind", "syntax"), [("JPEG", JPEGBaseline8Bit), ("JPEG2000", JPEG2000Lossless)])
def test_a_picture_within_has_the_size_that_the_file_says(tmp_path, kind, syntax):
    """Its reader would make room for its own, whatever the limit is."""
    plain = np.zeros((8, 12), np.uint8)
    for height, width in ((8, 12), (500, 900)):
        inner = io.BytesIO()
        Image.fromarray(np.zeros((height, width), np.uint8)).save(
            inner, kind, **({"no_jp2": True} if kind != "JPEG" else {})
        )
        data = pydicom.dcmread(io.BytesIO(dicom(plain, stored=8)))
        data.file_meta.TransferSyntaxUID = syntax
        data.PixelData = encapsulate([inner.getvalue()])
        data["PixelData"].VR = "OB"
        data.save_as(tmp_path / "a")
        if (height, width) == plain.shape:
            assert read_image(tmp_path / "a").shape == (8, 12, 3)
        else:
            with pytest.raises(BadImage, match="a picture of 900x500 pixels where there should be 12x8"):
                read_image(tmp_path / "a")
