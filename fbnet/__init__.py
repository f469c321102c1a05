"""FBNet: Feature Balance Network for Urban-Scene Segmentation (Gan et al., arXiv 2111.03286), reproduced."""
