"""How images of any shape become images of one size: stretched, or by their middle with their shape kept."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from nemo.image_size import INTERPOLATIONS

_RESAMPLING = {name: Image.Resampling[name.upper()] for name in INTERPOLATIONS}
_ROOM = 2
"""An image is kept at no more than so many times the size at which it is evaluated: what is cut out of it in training
has room, and no photograph of 50 megapixels fills the memory."""


@dataclass(frozen=True)
class Fit:
    """How an image becomes one of the size that a network takes.

    Attributes:
        height: In pixels, of the result.
        width: In pixels, of the result.
        interpolation: One of `nemo.image_size.INTERPOLATIONS`.
        crop: None stretches an image. Else its shape is kept: it is resized until it covers the result's size over this
            share, and the middle is cut out of it.
    """

    height: int
    width: int
    interpolation: str = "bilinear"
    crop: float | None = None

    @property
    def resampling(self) -> Image.Resampling:
        """The interpolation as Pillow has it."""
        return _RESAMPLING[self.interpolation]

    @property
    def covered(self) -> tuple[int, int]:
        """Height and width of what a resized image has to cover."""
        share = 1.0 if self.crop is None else self.crop
        return int(self.height / share + 1e-6), int(self.width / share + 1e-6)  # 224 over 224/232 is 232, not 231

    @property
    def drafted(self) -> tuple[int, int]:
        """Height and width of the smallest image that is as good as a larger one: where a JPEG may be unpacked to."""
        height, width = self.covered
        return _ROOM * height, _ROOM * width

    @property
    def pixels(self) -> int:
        """Pixels of a kept image: of one whose shape is kept about as many as a photograph of 4:3 has."""
        height, width = self.drafted
        return self.height * self.width if self.crop is None else height * width * 4 // 3

    def kept(self, image: Image.Image) -> Image.Image:
        """What training and evaluation start from: the result itself, or the whole image at a bounded size."""
        if self.crop is None:
            return self._resized(image, self.height, self.width)
        height, width = _covering(image, *self.drafted)
        return image if image.height <= height else self._resized(image, height, width)

    def evaluated(self, kept: Image.Image) -> Image.Image:
        """The result, of what was kept of an image."""
        if self.crop is None:
            return kept
        image = self._resized(kept, *_covering(kept, *self.covered))
        top, left = (round((a - b) / 2) for a, b in ((image.height, self.height), (image.width, self.width)))
        return image.crop((left, top, left + self.width, top + self.height))

    def _resized(self, image: Image.Image, height: int, width: int) -> Image.Image:
        return image if image.size == (width, height) else image.resize((width, height), self.resampling)


def _covering(image: Image.Image, height: int, width: int) -> tuple[int, int]:
    """Height and width of the image at the smallest size that covers these, with its shape; rounded as torchvision."""
    if height * image.width >= width * image.height:
        return height, max(width, height * image.width // image.height)
    return max(height, width * image.height // image.width), width
