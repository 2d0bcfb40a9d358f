"""Light and camera: exposure, colour casts, vignette, blur, sensor noise and JPEG."""

import io

import numpy as np
from PIL import Image, ImageFilter

from convscope.data.drawn.geometry import Array, Rng

SHIFTED_LIGHTS = ("night", "tungsten", "cast", "fog", "dusk")


def light_scene(picture: Array, rng: Rng, shifted: bool) -> Array:
    """Light a picture, float32 (s, s, 3) 0..255, in place; `shifted` chooses unusual light."""
    size = picture.shape[0]
    side = np.linspace(-1, 1, size, dtype=np.float32)
    slope_x, slope_y = rng.uniform(-0.1, 0.1), rng.uniform(-0.1, 0.06)
    vignette = rng.uniform(0.0, 0.14)
    falloff = (1 + slope_x * side - vignette * side**2)[None, :] * (1 + slope_y * side - vignette * side**2)[:, None]
    warm = rng.uniform(-0.05, 0.06)
    gain = rng.uniform(0.9, 1.1) * np.array([1 + warm, 1.0, 1 - warm])
    contrast, lift = rng.uniform(0.92, 1.08), 0.0
    if shifted:
        kind = SHIFTED_LIGHTS[int(rng.integers(len(SHIFTED_LIGHTS)))]
        if kind == "night":
            gain = rng.uniform(0.4, 0.62) * np.array([0.72, 0.86, 1.3])
        elif kind == "tungsten":
            gain = rng.uniform(0.8, 1.05) * np.array([1.22, 0.84, 0.42])
        elif kind == "cast":
            gain = np.roll([1.25, 0.85, 0.6], int(rng.integers(3))) * rng.uniform(0.85, 1.0)
        elif kind == "fog":
            contrast, lift = rng.uniform(0.38, 0.6), rng.uniform(5, 35)
        else:
            gain = rng.uniform(0.6, 0.78) * np.array([1.2, 0.8, 0.95])
            falloff = falloff * (0.6 + 0.6 * (1 + side) / 2)[None, :: int(rng.choice([-1, 1]))]
    picture *= (falloff[..., None] * gain).astype(np.float32)
    if contrast != 1.0:
        picture -= 128.0
        picture *= np.float32(contrast)
        picture += np.float32(128.0 + lift)
    return picture


def photograph(picture: Array, rng: Rng, shifted: bool) -> np.ndarray:
    """What a camera makes of a picture, float32 (s, s, 3) 0..255: a little blur, noise and JPEG. Returns uint8."""
    size = picture.shape[0]
    image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    scale = float(np.sqrt(size / 96))
    blur = float(rng.uniform(0.0, 0.5)) * scale + (float(rng.uniform(0.0, 0.45)) * scale if shifted else 0.0)
    if blur > 0.2:
        image = image.filter(ImageFilter.GaussianBlur(blur))
    sigma = rng.uniform(0.8, 3.5) + (rng.uniform(1.0, 4.0) if shifted else 0.0)
    noisy = np.asarray(image, dtype=np.float32) + rng.standard_normal((size, size, 1), dtype=np.float32) * np.float32(
        sigma
    )
    noisy += rng.standard_normal((size, size, 3), dtype=np.float32) * np.float32(sigma * 0.4)
    stream = io.BytesIO()
    quality = int(rng.integers(72, 96)) - (15 if shifted else 0)
    Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream).convert("RGB"))
