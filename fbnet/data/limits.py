"""Limits of what is accepted as an image, by the decoder and by the reader of packed data."""

MAX_IMAGE_PIXELS = 2**27
"""16384 x 8192, a 360-degree panorama of the largest cameras. Images of Cityscapes have 2 million pixels, those of
Mapillary Vistas some tens of millions; a file that claims more is damaged or malicious."""
