"""The class weights of the study on CamVid follow from its labels."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fbnet.config.labels import CAMVID, CAMVID_VOID
from fbnet.config.load import load_study


@pytest.mark.skipif("CAMVID_ROOT" not in os.environ, reason="CAMVID_ROOT names no CamVid folder")
@pytest.mark.parametrize("run", ["fcn_lite0_class_weights", "fcn_lite0_combined"])
def test_median_frequency_balancing(run):
    """Eigen and Fergus, 2015: a class's frequency is its share of the labelled pixels of those images that show it."""
    pixels, seen = np.zeros(256), np.zeros(256)
    for path in Path(os.environ["CAMVID_ROOT"], "trainannot").glob("*.png"):
        ids = np.asarray(Image.open(path))
        present, counts = np.unique(ids, return_counts=True)
        pixels[present] += counts
        seen[present] += np.count_nonzero(ids != CAMVID_VOID)
    frequencies = (pixels / np.maximum(seen, 1))[: len(CAMVID.classes)]
    weights = load_study("camvid_pretrained").training_of(run).class_weights
    assert weights == pytest.approx((np.median(frequencies) / frequencies).tolist(), abs=0.005)
