"""Pictures as spectra of uncorrelated colours, in which gradients make patterns and not noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Brightness, red against blue, and green against both are nearly uncorrelated in photographs
# (Ohta, Kanade and Sakai, "Color information for region segmentation", 1980). The lengths are how
# much photographs vary along each: mostly in brightness.
_AXES: Final = np.array([[1, 1, 1], [1, 0, -1], [-0.5, 1, -0.5]])
_DEVIATIONS: Final = np.array([1.0, 0.35, 0.2])
_GREY: Final = 127.5


class PictureSpectrum:
    """From coefficients to pixels: inverse Fourier transform, colours, and the range of 8 bits.

    Photographs have amplitudes that fall with the frequency (Field, 1987). Coefficients are those
    of a spectrum divided by that, so that steps of one size in each of them change a picture at all
    scales as much as photographs differ there (Olah, Mordvintsev and Schubert, "Feature
    Visualization", Distill 2017).

    Parameters
    ----------
    side_px
        Height and width of the pictures.
    decay
        The power of the frequency by which amplitudes fall; greater values give smoother pictures.
    """

    def __init__(self, side_px: int, decay: float = 1.0) -> None:
        frequencies = np.hypot(np.fft.fftfreq(side_px)[:, None], np.fft.rfftfreq(side_px)[None, :])
        amplitudes = np.maximum(frequencies, 1 / side_px) ** -decay
        # Coefficients of deviation 1 give values of deviation about 1.
        amplitudes *= side_px**2 / np.sqrt(4 * (amplitudes**2).sum())
        self.shape = (3, side_px, side_px // 2 + 1, 2)
        self._side_px = side_px
        self._amplitudes = amplitudes.astype(np.float32)
        axes = _AXES / np.linalg.norm(_AXES, axis=1, keepdims=True)
        self._colours = (axes * _DEVIATIONS[:, None]).astype(np.float32)

    def start(self, random: np.random.Generator, n: int) -> NDArray[np.float32]:
        """Coefficients of `n` pictures, (n, *shape), whose amplitudes are a photograph's."""
        return random.standard_normal((n, *self.shape)).astype(np.float32)

    def pixels(self, coefficients: Any) -> Any:
        """Pixels, float32, (n, height, width, 3), RGB, 0 to 255, of coefficients (n, *shape)."""
        import tensorflow as tf

        spectrum = tf.complex(coefficients[..., 0], coefficients[..., 1])
        spectrum *= tf.cast(self._amplitudes, tf.complex64)
        side = [self._side_px, self._side_px]
        values = tf.signal.irfft2d(spectrum, fft_length=side)
        values = tf.einsum("nchw,cd->nhwd", values, self._colours)
        return 2 * _GREY * tf.sigmoid(values)
