"""Gray, transparency and bands: the numbers a network takes of a file, and what people see of them."""

import importlib.util

import numpy as np
import pytest
import tifffile
from PIL import Image

from convscope.errors import BadImage
from convscope.pictures.channels import RGB, Channels
from convscope.pictures.read import fit_image, load_images, read_image, read_pixels

GRAY, RGBA = Channels("gray"), Channels("rgba")


def bands(*chosen, **more):
    return Channels("bands", chosen, **more)


@pytest.fixture
def six():
    """Six bands of 8 bits, no two alike."""
    y, x = np.mgrid[0:6, 0:8]
    return np.stack([(x * 7 + y * 11 + band * 40) % 256 for band in range(6)], axis=2).astype(np.uint8)


def test_gray_is_the_luma_of_itu_r_601(tmp_path):
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [10, 200, 90]]], np.uint8)
    Image.fromarray(colours).save(tmp_path / "a.png")
    read = read_pixels(tmp_path / "a.png", GRAY)
    assert read.shape == (1, 5, 1) and read.dtype == np.uint8
    luma = np.rint(colours @ np.array([0.299, 0.587, 0.114]))
    assert read[..., 0].tolist() == luma.tolist() == [[76, 150, 29, 255, 131]]


def test_gray_files_keep_every_value_and_16_bits_become_8(tmp_path):
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(ramp).save(tmp_path / "a.png")
    assert np.array_equal(read_pixels(tmp_path / "a.png", GRAY)[..., 0], ramp)
    Image.fromarray(ramp.astype(np.uint16) * 257).save(tmp_path / "wide.png")
    assert np.array_equal(read_pixels(tmp_path / "wide.png", GRAY)[..., 0], ramp)


def test_gray_of_transparency_is_over_white(tmp_path):
    pixels = np.array([[[0, 0, 0, 0], [0, 0, 0, 255], [255, 0, 0, 255], [0, 0, 0, 51]]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert read_pixels(tmp_path / "a.png", GRAY)[0, :, 0].tolist() == [255, 0, 76, 204]


def test_rgba_keeps_the_file_s_alpha_and_is_255_where_there_is_none(tmp_path):
    pixels = np.array([[[9, 8, 7, 0], [200, 100, 50, 128], [1, 2, 3, 255]]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert np.array_equal(read_pixels(tmp_path / "a.png", RGBA), pixels)
    Image.fromarray(pixels[..., :3]).save(tmp_path / "b.png")
    assert np.array_equal(read_pixels(tmp_path / "b.png", RGBA)[..., :3], pixels[..., :3])
    assert (read_pixels(tmp_path / "b.png", RGBA)[..., 3] == 255).all()
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putdata([0, 1])
    palette.save(tmp_path / "p.png", transparency=1)
    assert read_pixels(tmp_path / "p.png", RGBA).tolist() == [[[10, 20, 30, 255], [40, 50, 60, 0]]]
    Image.fromarray(np.array([[[0, 255], [200, 0]]], np.uint8), "LA").save(tmp_path / "la.png")
    assert read_pixels(tmp_path / "la.png", RGBA).tolist() == [[[0, 0, 0, 255], [200, 200, 200, 0]]]
    Image.fromarray(np.array([[0, 65535]], np.uint16)).save(tmp_path / "wide.png")
    assert read_pixels(tmp_path / "wide.png", RGBA).tolist() == [[[0, 0, 0, 255], [255] * 4]]


@pytest.mark.parametrize("layout", ["samples", "planes", "pages", "imagej", "big", "zip"])
def test_bands_of_a_tiff_in_every_layout(tmp_path, six, layout):
    path, planes = tmp_path / "a.tif", np.moveaxis(six, 2, 0)
    if layout == "samples":
        tifffile.imwrite(path, six, photometric="minisblack", planarconfig="contig")
    elif layout == "planes":
        tifffile.imwrite(path, planes, photometric="minisblack", planarconfig="separate")
    elif layout == "pages":
        with tifffile.TiffWriter(path) as file:
            for plane in planes:
                file.write(plane, contiguous=False, metadata=None)
    elif layout == "imagej":
        tifffile.imwrite(path, planes, imagej=True, metadata={"axes": "CYX"})
    elif layout == "big":
        tifffile.imwrite(path, six, photometric="minisblack", planarconfig="contig", bigtiff=True, byteorder=">")
    else:
        tifffile.imwrite(path, six, photometric="minisblack", planarconfig="contig", compression="zlib", tile=(16, 16))
    assert np.array_equal(read_pixels(path, bands(0, 1, 2, 3, 4, 5)), six)
    assert np.array_equal(read_pixels(path, bands(4, 0)), six[..., [4, 0]])
    seen = read_image(path)  # for people, and for a network of three channels
    assert np.array_equal(seen, six[..., :3]) or layout in ("pages", "imagej")
    with pytest.raises(BadImage, match="6 bands, 0 to 5, but the model takes band 6"):
        read_pixels(path, bands(0, 6))


def test_two_bands_are_seen_as_the_first_in_gray(tmp_path, six):
    tifffile.imwrite(tmp_path / "a.tif", six[..., :2], photometric="minisblack", planarconfig="contig")
    assert np.array_equal(read_pixels(tmp_path / "a.tif", bands(0, 1)), six[..., :2])
    seen = bands(0, 1).for_people(six[..., :2])
    assert np.array_equal(seen, np.repeat(six[..., :1], 3, axis=2))
    assert np.array_equal(bands(5, 3, 1, shown=(1, 3, 5)).for_people(six[..., [5, 3, 1]]), six[..., [1, 3, 5]])


def test_the_range_is_that_of_the_type_or_of_the_window(tmp_path):
    wide = np.array([[[0, 257], [65535, 10000]]], np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", wide, photometric="minisblack", planarconfig="contig")
    read = read_pixels(tmp_path / "a.tif", bands(0, 1))
    assert read.dtype == np.float32
    np.testing.assert_allclose(read, [[[0, 1], [255, 10000 / 257]]], rtol=1e-6)
    read = read_pixels(tmp_path / "a.tif", bands(0, 1), sha256=":0.0:10000.0")
    np.testing.assert_allclose(read, [[[0, 6.5535], [1671.1425, 255]]], rtol=1e-6)
    real = np.array([[[-1.0, 0.5], [0.0, 1.0]]], np.float32)
    tifffile.imwrite(tmp_path / "f.tif", real, photometric="minisblack", planarconfig="contig")
    with pytest.raises(BadImage, match="float32, whose range is unknown; give the dataset a window"):
        read_pixels(tmp_path / "f.tif", bands(0, 1))
    read = read_pixels(tmp_path / "f.tif", bands(0, 1), sha256=":-1.0:1.0")
    np.testing.assert_allclose(read, [[[0, 191.25], [127.5, 255]]])
    tifffile.imwrite(tmp_path / "n.tif", real * np.float32(np.nan), photometric="minisblack", planarconfig="contig")
    with pytest.raises(BadImage, match="not finite"):
        read_pixels(tmp_path / "n.tif", bands(0), sha256=":0.0:1.0")


def test_bands_of_pictures_that_are_no_tiff(tmp_path):
    pixels = np.array([[[9, 8, 7, 0], [200, 100, 50, 128]]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert np.array_equal(read_pixels(tmp_path / "a.png", bands(3, 0)), pixels[..., [3, 0]])
    Image.fromarray(np.array([[0, 300]], np.uint16)).save(tmp_path / "wide.png")
    np.testing.assert_allclose(read_pixels(tmp_path / "wide.png", bands(0))[..., 0], [[0, 300 / 257]], rtol=1e-6)
    with pytest.raises(BadImage, match="one band, 0, but the model takes band 1"):
        read_pixels(tmp_path / "wide.png", bands(0, 1))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_bands_stand_upright_as_pil_turns_colours(tmp_path, six, orientation):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, six[..., :3], photometric="rgb", extratags=[(274, "H", 1, orientation, True)])
    seen = read_image(path)
    assert np.array_equal(read_pixels(path, bands(0, 1, 2)), seen)
    Image.fromarray(six[..., :3]).save(tmp_path / "a.png", exif=bytes_of(orientation))
    assert np.array_equal(read_pixels(tmp_path / "a.png", bands(0, 1, 2)), seen)


def bytes_of(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("resize", ["crop", "stretch", "pad"])
def test_channels_are_resized_each_by_itself_as_colours_are(resize):
    pixels = np.random.default_rng(0).integers(0, 256, (30, 41, 3)).astype(np.uint8)
    colours = fit_image(pixels, (12, 17), resize)
    for depth in (1, 2):
        assert np.array_equal(fit_image(pixels[..., :depth], (12, 17), resize), colours[..., :depth])
    alpha = np.concatenate([pixels, np.zeros((30, 41, 1), np.uint8)], axis=2)
    assert np.array_equal(fit_image(alpha, (12, 17), resize)[..., :3], colours), "no colour is lost where alpha is 0"
    real = fit_image(pixels.astype(np.float32), (12, 17), resize)
    assert real.dtype == np.float32 and np.abs(real - colours).max() < 1.01


def test_many_are_loaded_with_their_channels(tmp_path, six):
    tifffile.imwrite(tmp_path / "a.tif", six, photometric="minisblack", planarconfig="contig")
    Image.fromarray(six[..., :3]).save(tmp_path / "a.png")
    batch = load_images([tmp_path / "a.tif"] * 3, (6, 8), threads=2, channels=bands(5, 2))
    assert batch.dtype == np.float32 and np.array_equal(batch[2], six[..., [5, 2]])
    gray = load_images([tmp_path / "a.png"], (6, 8), channels=GRAY)
    assert gray.shape == (1, 6, 8, 1) and gray.dtype == np.uint8


def test_what_people_see():
    pixels = np.array([[0.0, -3.0, 300.0]], np.float32)
    assert RGB.for_people(pixels).tolist() == [[0, 0, 255]]
    assert GRAY.for_people(np.array([[99.6]])).tolist() == [[100, 100, 100]]
    assert RGBA.for_people(np.array([[255, 0, 0, 0], [255, 0, 0, 255], [0, 0, 0, 51]])).tolist() == [
        [255, 255, 255], [255, 0, 0], [204, 204, 204],
    ]  # fmt: skip
    with pytest.raises(ValueError, match="4 channels"):
        RGBA.for_people(pixels)


def test_damaged_and_outsized_tiffs_are_bad_images_in_one_line(tmp_path, six):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, six, photometric="minisblack", planarconfig="contig")
    whole = path.read_bytes()
    for length in (4, 9, 40, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:length])
        for channels in (RGB, bands(0, 5)):
            with pytest.raises(BadImage) as caught:
                read_pixels(path, channels)
            assert "\n" not in str(caught.value)
    path.write_bytes(whole)
    with pytest.raises(BadImage, match="too large: 8x6 pixels, the limit is 47"):
        read_pixels(path, bands(0), max_pixels=47)
    tifffile.imwrite(path, np.zeros((2, 3, 6, 8), np.uint8), photometric="minisblack", metadata={"axes": "TCYX"})
    with pytest.raises(BadImage, match=r"a stack of 2 \(T\) x 3 \(C\)"):
        read_pixels(path, bands(0))


def test_compressions(tmp_path, six):
    """What tifffile does not decode alone PIL does, where it takes every band; else one line says what is missing."""
    for kind in ("packbits", "tiff_adobe_deflate", "tiff_lzw", "lzma"):
        Image.fromarray(six[..., :3]).save(tmp_path / "a.tif", compression=kind)
        assert np.array_equal(read_pixels(tmp_path / "a.tif", bands(2, 0)), six[..., [2, 0]]), kind
    # The tag of a compression that nothing here decodes, on six bands.
    tifffile.imwrite(tmp_path / "b.tif", six, photometric="minisblack", planarconfig="contig")
    with tifffile.TiffFile(tmp_path / "b.tif", mode="r+b") as file:
        file.pages[0].tags["Compression"].overwrite(5)
    if importlib.util.find_spec("imagecodecs") is None:
        with pytest.raises(BadImage, match="compressed by LZW, which needs the Python package imagecodecs"):
            read_pixels(tmp_path / "b.tif", bands(0))


def test_a_tiff_that_names_another_file_does_not_open_it(tmp_path, six):
    """OME-TIFFs may lie in several files; strangers' pictures open nothing beside themselves."""
    tifffile.imwrite(tmp_path / "secret.tif", np.full((6, 8), 77, np.uint8), metadata=None)
    planes = "".join(
        f'<TiffData FirstC="{c}" IFD="0" PlaneCount="1"><UUID FileName="secret.tif">urn:uuid:{c}</UUID></TiffData>'
        for c in (0, 1)
    )
    ome = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:9">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" SizeX="8" SizeY="6" SizeC="2" SizeZ="1" '
        f'SizeT="1">{planes}</Pixels></Image></OME>'
    )
    tifffile.imwrite(tmp_path / "a.ome.tif", six[..., 0], description=ome, metadata=None)
    assert np.array_equal(read_pixels(tmp_path / "a.ome.tif", bands(0))[..., 0], six[..., 0])
